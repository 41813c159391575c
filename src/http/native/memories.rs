//! What agents noted about you: to read, to write and to strike out.

use axum::Json as Answered;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::chat::memory::{MEMORY_CHARS, MOST_MEMORIES, Memory};
use crate::http::State;
use crate::http::auth::MemoryInPath;
use crate::http::json::Json;
use crate::http::limits;
use crate::http::problem::{Error, Kind, Result};
use crate::http::query::Query;
use crate::id::MemoryId;
use crate::scope::Scope;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct MemoriesQuery {
    agent: Option<String>,
}

/// The oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct Memories {
    items: Vec<Memory>,
    /// Always `null`: all of them are one page.
    next: Option<String>,
}

/// What agents noted about you.
#[utoipa::path(get, path = "/v1/memories", tag = "people", operation_id = "list_memories",
    params(MemoriesQuery), responses((status = 200, body = Memories)))]
pub async fn list(
    state: State,
    scope: Scope,
    Query(query): Query<MemoriesQuery>,
) -> Result<Answered<Memories>> {
    Ok(Answered(Memories { items: own(&state, &scope, query.agent.as_deref()).await?, next: None }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMemory {
    agent: String,
    text: String,
}

/// Have an agent know something about you in later conversations.
#[utoipa::path(post, path = "/v1/memories", tag = "people", operation_id = "create_memory",
    request_body = NewMemory, responses((status = 201, body = Memory)))]
pub async fn create(
    state: State,
    scope: Scope,
    Json { body, .. }: Json<NewMemory>,
) -> Result<(StatusCode, Answered<Memory>)> {
    let NewMemory { agent, text } = body;
    check(&text)?;
    if state.runtime().agents().get(&agent).is_none() {
        return Err(Error::invalid("/agent", "there is no such agent"));
    }
    if own(&state, &scope, Some(&agent)).await?.len() >= MOST_MEMORIES {
        let full = format!("an agent knows at most {MOST_MEMORIES} things about a person");
        return Err(Error::new(Kind::Conflict, full));
    }
    let now = state.runtime().clock().now();
    let memory = Memory { id: MemoryId::new(), agent, text, created_at: now, updated_at: now };
    keep(&state, &scope, memory.clone()).await?;
    Ok((StatusCode::CREATED, Answered(memory)))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangedMemory {
    text: String,
}

/// Say it in other words.
#[utoipa::path(patch, path = "/v1/memories/{memory_id}", tag = "people", operation_id = "change_memory",
    request_body = ChangedMemory, params(("memory_id" = MemoryId, Path)),
    responses((status = 200, body = Memory)))]
pub async fn change(
    state: State,
    scope: Scope,
    MemoryInPath(id): MemoryInPath,
    Json { body, .. }: Json<ChangedMemory>,
) -> Result<Answered<Memory>> {
    check(&body.text)?;
    let found = find(&state, &scope, id).await?;
    let memory = Memory { text: body.text, updated_at: state.runtime().clock().now(), ..found };
    keep(&state, &scope, memory.clone()).await?;
    Ok(Answered(memory))
}

/// Have it forgotten.
#[utoipa::path(delete, path = "/v1/memories/{memory_id}", tag = "people", operation_id = "delete_memory",
    params(("memory_id" = MemoryId, Path)), responses((status = 204)))]
pub async fn delete(state: State, scope: Scope, MemoryInPath(id): MemoryInPath) -> Result<StatusCode> {
    let found = find(&state, &scope, id).await?;
    state.runtime().store().forget(found.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn own(state: &State, scope: &Scope, agent: Option<&str>) -> Result<Vec<Memory>> {
    if scope.only.is_some() {
        return Err(Error::forbidden("a token for some conversations is for nothing else"));
    }
    Ok(state.runtime().store().memories(scope.workspace_id, scope.user_id, agent).await?)
}

async fn find(state: &State, scope: &Scope, id: MemoryId) -> Result<Memory> {
    let own = own(state, scope, None).await?;
    own.into_iter().find(|memory| memory.id == id).ok_or_else(Error::not_found)
}

async fn keep(state: &State, scope: &Scope, memory: Memory) -> Result<()> {
    Ok(state.runtime().store().remember(scope.workspace_id, scope.user_id, memory).await?)
}

fn check(text: &str) -> Result<()> {
    limits::line("/text", text, MEMORY_CHARS)
}
