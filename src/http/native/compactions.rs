//! Compactions: summaries that stand for the beginning of a path when the model is asked. The originals stay.

use std::time::Duration;

use axum::Json as Answered;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{given, order};
use crate::chat::compaction::Compaction;
use crate::chat::context::tokens;
use crate::chat::conversation::Command;
use crate::http::State;
use crate::http::auth::{CompactionInPath, Owned};
use crate::http::json::Json;
use crate::http::limits;
use crate::http::prefer::Answer;
use crate::http::problem::{Error, Kind, Result};
use crate::id::{CompactionId, ConversationId, MessageId};
use crate::runtime::compaction::Wanted;
use crate::scope::Scope;

/// A summary is waited for so long, unless the caller says how long.
const PATIENCE: Duration = Duration::from_secs(20);

const INSTRUCTION_CHARS: usize = 2000;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CompactRequest {
    /// Summarise down to this message of the current path. Absent: so far that a recent tail is kept.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    message_id: Option<MessageId>,
    /// What the summary is to keep in mind.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    instructions: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Compactions {
    /// From the root downwards, on whatever branch. The deepest on a path stands for everything above.
    items: Vec<Compaction>,
    /// Always `null`: there is one page.
    next: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EditCompactionRequest {
    summary: String,
}

/// Summarise the beginning of the current path.
///
/// Beside whatever runs; nothing changes until the summary is whole. 201 with it, or 202 where it takes longer than
/// `Prefer: wait` (20 s): then `conversation.compacted` tells. 409 where there is nothing to summarise.
#[utoipa::path(post, path = "/v1/conversations/{conversation_id}/compact", tag = "compaction",
    operation_id = "compact", request_body = CompactRequest,
    params(("conversation_id" = ConversationId, Path),
        ("Prefer" = Option<String>, Header, description = "`wait=60`: seconds, at most 300")),
    responses((status = 201, body = Compaction, headers(("Location" = String))),
        (status = 202, description = "It is still being made")))]
pub async fn compact(
    state: State,
    scope: Scope,
    id: Owned<ConversationId>,
    answer: Answer,
    Json { body, .. }: Json<CompactRequest>,
) -> Result<Response> {
    if let Some(instructions) = &body.instructions {
        limits::line("/instructions", instructions, INSTRUCTION_CHARS)?;
    }
    let through = match body.message_id {
        Some(message_id) => Some(id.message(&state, &scope, message_id).await?.id()),
        None => None,
    };
    let conversation = id.conversation();
    let empty = || Error::new(Kind::Conflict, "there is nothing to summarise: the conversation is empty");
    let wanted = Wanted {
        leaf: conversation.head.ok_or_else(empty)?,
        through,
        instructions: body.instructions,
        requested_by: Some(scope.user_id),
        agent: conversation.info.agent.clone(),
    };
    let patience = match answer {
        Answer::After(wait) => wait,
        Answer::AtOnce | Answer::Stream => PATIENCE,
    };
    let Ok(made) = tokio::time::timeout(patience, state.runtime().compact(id.id(), wanted)).await else {
        return Ok(StatusCode::ACCEPTED.into_response());
    };
    let location = format!("/v1/conversations/{}/compactions", id.id());
    Ok((StatusCode::CREATED, [(LOCATION, location)], Answered(made?)).into_response())
}

/// The compactions that hold in a conversation, its own and those that it inherited when it was forked off.
#[utoipa::path(get, path = "/v1/conversations/{conversation_id}/compactions", tag = "compaction",
    operation_id = "list_compactions", params(("conversation_id" = ConversationId, Path)),
    responses((status = 200, body = Compactions)))]
pub async fn list(state: State, scope: Scope, id: Owned<ConversationId>) -> Result<Answered<Compactions>> {
    Ok(Answered(Compactions { items: all(&state, &scope, id.id()).await?, next: None }))
}

/// Write a summary in other words.
///
/// In this conversation alone: neither its forks nor what it was forked off see the change.
#[utoipa::path(patch, path = "/v1/conversations/{conversation_id}/compactions/{compaction_id}", tag = "compaction",
    operation_id = "edit_compaction", request_body = EditCompactionRequest,
    params(("conversation_id" = ConversationId, Path), ("compaction_id" = CompactionId, Path)),
    responses((status = 200, body = Compaction)))]
pub async fn edit(
    state: State,
    scope: Scope,
    id: Owned<ConversationId>,
    CompactionInPath(compaction_id): CompactionInPath,
    Json { body, .. }: Json<EditCompactionRequest>,
) -> Result<Answered<Compaction>> {
    let summary = body.summary.trim();
    if summary.is_empty() || summary.len() > state.limits().message_bytes {
        let detail = format!("a text of at most {} bytes", state.limits().message_bytes);
        return Err(Error::invalid("/summary", detail));
    }
    let before = find(&state, &scope, id.id(), compaction_id).await?;
    let compaction = Compaction {
        summary: summary.to_owned(),
        tokens_after: tokens::of_text(summary),
        model: None,
        requested_by: Some(scope.user_id),
        ..before
    };
    order(&state, id.id(), Command::Compact { compaction: Box::new(compaction.clone()), told: None }).await?;
    Ok(Answered(compaction))
}

/// Take a compaction back: the model is given the messages themselves again.
#[utoipa::path(delete, path = "/v1/conversations/{conversation_id}/compactions/{compaction_id}", tag = "compaction",
    operation_id = "undo_compaction",
    params(("conversation_id" = ConversationId, Path), ("compaction_id" = CompactionId, Path)),
    responses((status = 204, description = "It no longer holds here")))]
pub async fn undo(
    state: State,
    scope: Scope,
    id: Owned<ConversationId>,
    CompactionInPath(compaction_id): CompactionInPath,
) -> Result<StatusCode> {
    let message_id = find(&state, &scope, id.id(), compaction_id).await?.message_id;
    order(&state, id.id(), Command::Uncompact { compaction_id, message_id }).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn find(
    state: &State,
    scope: &Scope,
    id: ConversationId,
    compaction_id: CompactionId,
) -> Result<Compaction> {
    let found = all(state, scope, id).await?.into_iter().find(|compaction| compaction.id == compaction_id);
    found.ok_or_else(Error::not_found)
}

async fn all(state: &State, scope: &Scope, id: ConversationId) -> Result<Vec<Compaction>> {
    state.runtime().store().compactions(scope, id).await?.ok_or_else(Error::not_found)
}
