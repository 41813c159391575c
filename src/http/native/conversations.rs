//! Conversations: create or find, list, read, change, delete.

use axum::Json as Answered;
use axum::extract::RawQuery;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::messages::order_send;
use super::send::{SendRequest, check_settings};
use super::turns::{self, Turn};
use super::{given, order, order_for};
use crate::chat::approval::Approval;
use crate::chat::conversation::{Command, ConversationChanges, ConversationInfo, ForkPoint, Visibility};
use crate::chat::event::{Cursor, Settings};
use crate::chat::turn::TurnState;
use crate::clock::Timestamp;
use crate::http::State;
use crate::http::auth::{Access, Owned};
use crate::http::feed;
use crate::http::idempotency::IdempotencyKey;
use crate::http::json::{Json, maybe_object, object};
use crate::http::limits::{self, BULK_IDS, NAME_CHARS, TITLE_CHARS};
use crate::http::problem::{Error, Kind, Result};
use crate::http::query;
use crate::id::{ConversationId, MessageId};
use crate::runtime::agent::{Agent, DEFAULT_AGENT};
use crate::runtime::{self, Receipt};
use crate::scope::{Caller, Scope};
use crate::store::{self, Conflict, ConversationRow, Filter, KeyScope, Named, PageRequest};

/// A name for a place in a message tree.
#[derive(Debug, Serialize, ToSchema)]
pub struct Conversation {
    #[serde(flatten)]
    info: ConversationInfo,
    /// The message that the current branch ends in.
    head: Option<MessageId>,
    /// The last message, or end of a turn.
    active_at: Timestamp,
    /// Whether a turn is queued, runs or waits.
    running: bool,
    /// Where it was forked off.
    #[serde(skip_serializing_if = "Option::is_none")]
    forked_from: Option<ForkPoint>,
}

impl From<ConversationRow> for Conversation {
    fn from(row: ConversationRow) -> Self {
        let fork = row.origin_id.zip(row.fork_message_id);
        Self {
            info: row.info,
            head: row.head,
            active_at: row.active_at,
            running: row.running,
            forked_from: fork.map(|(conversation_id, message_id)| ForkPoint { conversation_id, message_id }),
        }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateRequest {
    /// Absent: `default`.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    agent: Option<String>,
    /// With the agent, a stable address, unique in the workspace. Where it exists, that conversation is answered.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    name: Option<String>,
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    title: Option<String>,
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    visibility: Option<Visibility>,
    /// For every send that does not say otherwise.
    #[serde(default, deserialize_with = "object")]
    settings: Settings,
    /// An object of at most 16 KiB.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Object>, nullable = false)]
    metadata: Option<Value>,
    /// Sent in the same transaction; into a conversation that exists already, as any other message.
    #[serde(default, deserialize_with = "maybe_object")]
    #[schema(nullable = false)]
    message: Option<SendRequest>,
}

/// The conversation, and what was sent to it.
#[derive(Debug, Serialize, ToSchema)]
pub struct CreatedConversation {
    conversation: Conversation,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<MessageId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    turn: Option<Turn>,
    /// The log's position after this.
    #[schema(value_type = String)]
    cursor: Cursor,
}

/// Create a conversation, or find the one with that agent and name.
#[utoipa::path(post, path = "/v1/conversations", tag = "conversations", operation_id = "create_conversation",
    request_body = CreateRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "A repeat gets the first answer")),
    responses((status = 201, body = CreatedConversation, headers(("Location" = String))),
        (status = 200, body = CreatedConversation, description = "It exists already")))]
pub async fn create(
    state: State,
    scope: Scope,
    caller: Caller,
    key: IdempotencyKey,
    Json { body, bytes }: Json<CreateRequest>,
) -> Result<Response> {
    if scope.only.is_some() {
        return Err(Error::forbidden("this token is for other conversations only"));
    }
    let agent = agent_of(&state, body.agent.as_deref().unwrap_or(DEFAULT_AGENT))?;
    check_words(body.name.as_deref(), body.title.as_deref(), body.metadata.as_ref())?;
    check_settings(&body.settings)?;
    let idempotency =
        key.of(KeyScope::Workspace(scope.workspace_id), scope.user_id, "POST /v1/conversations", &bytes);

    if let Some(name) = &body.name
        && let Some(existing) = named(&state, &scope, &agent.options.id, name).await?
        // A repeat of what created it is answered as the creation was.
        && !is_repeat(&state, idempotency.as_ref()).await?
    {
        return found(&state, &scope, caller, existing, body.message, idempotency).await;
    }
    let info = ConversationInfo {
        id: ConversationId::new(),
        workspace_id: scope.workspace_id,
        created_by: scope.user_id,
        agent: agent.options.id.clone(),
        name: body.name.clone(),
        title: body.title,
        visibility: body.visibility.unwrap_or_default(),
        settings: body.settings,
        metadata: body.metadata,
        archived: false,
        created_at: state.runtime().clock().now(),
        parent: None,
    };
    let send = match body.message {
        Some(message) => Some(message.into_first(&state, &scope, agent, &info.settings).await?),
        None => None,
    };
    let created = state.runtime().create(info.clone(), None, send.clone(), idempotency.clone()).await;
    let receipt = match created {
        // The same request, a moment earlier: its answer is there now.
        Err(runtime::Error::Store(store::Error::Refused(Conflict::DuplicateIdempotencyKey))) => {
            state.runtime().create(info, None, send, idempotency).await?
        }
        Err(runtime::Error::Store(store::Error::Refused(Conflict::NameTaken { name }))) => {
            let existing = named(&state, &scope, &agent.options.id, &name).await?;
            let existing = existing.ok_or(store::Error::Refused(Conflict::NameTaken { name }))?;
            return answer(&state, &scope, StatusCode::OK, existing.info.id, None).await;
        }
        created => created?,
    };
    self::created(&state, &scope, receipt).await
}

/// What is answered for a conversation that was made just now.
pub async fn created(state: &State, scope: &Scope, receipt: Receipt) -> Result<Response> {
    answer(state, scope, StatusCode::CREATED, receipt.conversation_id, Some(receipt)).await
}

async fn is_repeat(state: &State, key: Option<&runtime::Idempotency>) -> Result<bool> {
    let Some(key) = key else { return Ok(false) };
    Ok(state.runtime().store().idempotency(key.scope, key.user_id, &key.key).await?.is_some())
}

/// The visible conversation of that name. Someone else's private one is a bare 409.
async fn named(state: &State, scope: &Scope, agent: &str, name: &str) -> Result<Option<ConversationRow>> {
    match state.runtime().store().conversation_named(scope, agent, name).await? {
        Named::Found(row) => Ok(Some(*row)),
        Named::Hidden => Err(store::Error::Refused(Conflict::NameTaken { name: name.to_owned() }).into()),
        Named::Free => Ok(None),
    }
}

async fn found(
    state: &State,
    scope: &Scope,
    caller: Caller,
    existing: ConversationRow,
    message: Option<SendRequest>,
    idempotency: Option<runtime::Idempotency>,
) -> Result<Response> {
    let id = existing.info.id;
    let Some(message) = message else { return answer(state, scope, StatusCode::OK, id, None).await };
    let owned = Owned::<ConversationId>::check(state, scope, Access::Write, id).await?;
    let receipt = order_send(state, scope, caller, &owned, message, idempotency).await?;
    answer(state, scope, StatusCode::OK, id, Some(receipt)).await
}

async fn answer(
    state: &State,
    scope: &Scope,
    status: StatusCode,
    id: ConversationId,
    receipt: Option<Receipt>,
) -> Result<Response> {
    let found = state.runtime().conversation(scope, id).await?.ok_or_else(Error::not_found)?;
    let turn = match receipt.and_then(|receipt| receipt.turn_id) {
        Some(turn_id) => Some(turns::read(state, scope, turn_id).await?.into()),
        None => None,
    };
    let body = CreatedConversation {
        conversation: found.value.conversation.into(),
        message_id: receipt.and_then(|receipt| receipt.message_id),
        turn,
        cursor: receipt.map_or(found.cursor, |receipt| state.runtime().cursor(receipt.seq)),
    };
    Ok((status, [(LOCATION, format!("/v1/conversations/{id}"))], Answered(body)).into_response())
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    agent: Option<String>,
    name: Option<String>,
    archived: Option<bool>,
    /// Whether a turn is queued, runs or waits.
    running: Option<bool>,
    #[param(value_type = Option<Timestamp>)]
    updated_since: Option<String>,
    /// 50, at most 200.
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Conversations {
    /// Newest activity first.
    items: Vec<Conversation>,
    /// The `cursor` of the next page.
    next: Option<String>,
    /// Where to follow the feed from, so that no later change is missed.
    feed_cursor: String,
}

/// The conversations that you see, newest activity first.
///
/// `metadata.<key>=<value>` narrows by metadata.
#[utoipa::path(get, path = "/v1/conversations", tag = "conversations", operation_id = "list_conversations",
    params(ListQuery), responses((status = 200, body = Conversations)))]
pub async fn list(state: State, scope: Scope, RawQuery(text): RawQuery) -> Result<Answered<Conversations>> {
    let (metadata, rest) = query::split(text.as_deref().unwrap_or_default(), "metadata.");
    let query: ListQuery = query::parse(&rest)?;
    let updated_since = query.updated_since.map(|text| text.parse::<Timestamp>()).transpose();
    let updated_since =
        updated_since.map_err(|_| Error::invalid("/updated_since", "a time as RFC 3339 writes it"))?;
    let after = query.cursor.map(|text| text.parse()).transpose();
    let after = after
        .map_err(|wrong: store::InvalidListCursor| Error::new(Kind::InvalidCursor, wrong.to_string()))?;
    let limit = limits::page(query.limit)? as usize;
    let filter = Filter {
        agent: query.agent,
        name: query.name,
        archived: query.archived,
        running: query.running,
        updated_since,
        metadata,
    };
    let page = state.runtime().store().conversations(&scope, filter, PageRequest { limit, after }).await?;
    Ok(Answered(Conversations {
        items: page.conversations.into_iter().map(Conversation::from).collect(),
        next: page.next.map(|next| next.to_string()),
        feed_cursor: feed::cursor(state.runtime().epoch(), page.feed_cursor),
    }))
}

/// A conversation and what is going on in it, read at one position of its log.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConversationSnapshot {
    #[serde(flatten)]
    conversation: Conversation,
    turns: UnfinishedTurns,
    /// The calls that people are asked about, whoever it is that may decide.
    pending_approvals: Vec<Approval>,
    /// Following from here neither repeats nor misses anything.
    #[schema(value_type = String)]
    cursor: Cursor,
}

#[derive(Debug, Serialize, ToSchema)]
struct UnfinishedTurns {
    running: Vec<Turn>,
    waiting: Vec<Turn>,
    /// In the order in which they will run.
    queued: Vec<Turn>,
}

/// One conversation.
#[utoipa::path(get, path = "/v1/conversations/{conversation_id}", tag = "conversations",
    operation_id = "get_conversation", params(("conversation_id" = ConversationId, Path)),
    responses((status = 200, body = ConversationSnapshot)))]
pub async fn get(
    state: State,
    scope: Scope,
    id: Owned<ConversationId>,
) -> Result<Answered<ConversationSnapshot>> {
    let found = state.runtime().conversation(&scope, id.id()).await?.ok_or_else(Error::not_found)?;
    let mut turns = UnfinishedTurns { running: Vec::new(), waiting: Vec::new(), queued: Vec::new() };
    for turn in found.value.turns {
        match turn.state {
            TurnState::Running => turns.running.push(turn.into()),
            TurnState::Waiting => turns.waiting.push(turn.into()),
            TurnState::Queued => turns.queued.push(turn.into()),
            TurnState::Completed | TurnState::Failed | TurnState::Cancelled | TurnState::Interrupted => {}
        }
    }
    let (conversation, pending_approvals) = (found.value.conversation.into(), found.value.pending_approvals);
    Ok(Answered(ConversationSnapshot { conversation, turns, pending_approvals, cursor: found.cursor }))
}

/// What is to change; what is absent stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateRequest {
    /// `null` takes it away.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    title: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    archived: Option<bool>,
    /// Only its creator changes it; where it is shared, an admin too.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    visibility: Option<Visibility>,
    /// Replaces what was there. For every later send that does not say otherwise.
    #[serde(default, deserialize_with = "maybe_object")]
    #[schema(nullable = false)]
    settings: Option<Settings>,
    /// Replaces what was there.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Object>, nullable = false)]
    metadata: Option<Value>,
    /// Answers from the next turn on.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    agent: Option<String>,
}

/// Change a conversation.
#[utoipa::path(patch, path = "/v1/conversations/{conversation_id}", tag = "conversations",
    operation_id = "update_conversation", request_body = UpdateRequest,
    params(("conversation_id" = ConversationId, Path)), responses((status = 200, body = Conversation)))]
pub async fn update(
    state: State,
    scope: Scope,
    id: Owned<ConversationId>,
    Json { body, .. }: Json<UpdateRequest>,
) -> Result<Answered<Conversation>> {
    check_words(None, body.title.as_ref().and_then(|title| title.as_deref()), body.metadata.as_ref())?;
    body.settings.as_ref().map_or(Ok(()), check_settings)?;
    if body.visibility.is_some_and(|visibility| visibility != id.conversation().info.visibility) {
        id.must(&scope, Access::Manage)?;
    }
    let agent = body.agent.as_deref().map(|agent| agent_of(&state, agent)).transpose()?;
    let changes = ConversationChanges {
        title: body.title,
        agent: agent.map(|agent| agent.options.id.clone()),
        visibility: body.visibility,
        settings: body.settings,
        metadata: body.metadata,
        archived: body.archived,
    };
    if changes != ConversationChanges::default() {
        order(&state, id.id(), Command::Update { changes }).await?;
    }
    let row = state.runtime().store().conversation(&scope, id.id()).await?;
    Ok(Answered(row.ok_or_else(Error::not_found)?.into()))
}

/// Delete a conversation.
///
/// Forks keep what they need of it.
#[utoipa::path(delete, path = "/v1/conversations/{conversation_id}", tag = "conversations",
    operation_id = "delete_conversation", params(("conversation_id" = ConversationId, Path)),
    responses((status = 204, description = "It is gone")))]
pub async fn delete(
    state: State,
    scope: Scope,
    caller: Caller,
    id: Owned<ConversationId>,
) -> Result<StatusCode> {
    id.must(&scope, Access::Manage)?;
    order_for(&state, caller, id.id(), Command::Delete).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BulkRequest {
    /// 1 to 200.
    ids: Vec<ConversationId>,
    action: BulkAction,
}

#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum BulkAction {
    Archive,
    Unarchive,
    Delete,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct BulkResults {
    /// In the order of the request.
    items: Vec<BulkResult>,
}

#[derive(Debug, Serialize, ToSchema)]
struct BulkResult {
    id: ConversationId,
    /// What the single request would have answered.
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<crate::chat::event::Problem>)]
    problem: Option<Value>,
}

/// Archive, unarchive or delete many conversations, with a result for each.
#[utoipa::path(post, path = "/v1/conversations/bulk", tag = "conversations", operation_id = "bulk_conversations",
    request_body = BulkRequest, responses((status = 200, body = BulkResults)))]
pub async fn bulk(
    state: State,
    scope: Scope,
    caller: Caller,
    Json { body, .. }: Json<BulkRequest>,
) -> Result<Answered<BulkResults>> {
    if !(1..=BULK_IDS).contains(&body.ids.len()) {
        return Err(Error::invalid("/ids", format!("1 to {BULK_IDS} ids")));
    }
    let mut items = Vec::with_capacity(body.ids.len());
    for id in body.ids {
        items.push(match act(&state, &scope, &caller, id, body.action).await {
            Ok(status) => BulkResult { id, status: status.as_u16(), problem: None },
            Err(error) => BulkResult { id, status: error.status(), problem: Some(error.body()) },
        });
    }
    Ok(Answered(BulkResults { items }))
}

async fn act(
    state: &State,
    scope: &Scope,
    caller: &Caller,
    id: ConversationId,
    action: BulkAction,
) -> Result<StatusCode> {
    let (access, archived) = match action {
        BulkAction::Archive => (Access::Write, Some(true)),
        BulkAction::Unarchive => (Access::Write, Some(false)),
        BulkAction::Delete => (Access::Manage, None),
    };
    let owned = Owned::<ConversationId>::check(state, scope, access, id).await?;
    let Some(archived) = archived else {
        order_for(state, caller.clone(), id, Command::Delete).await?;
        return Ok(StatusCode::NO_CONTENT);
    };
    if owned.conversation().info.archived != archived {
        let changes = ConversationChanges { archived: Some(archived), ..ConversationChanges::default() };
        order(state, id, Command::Update { changes }).await?;
    }
    Ok(StatusCode::OK)
}

fn agent_of<'a>(state: &'a State, id: &str) -> Result<&'a Agent> {
    let unknown = || Error::invalid("/agent", "there is no such agent");
    state.runtime().agents().get(id).ok_or_else(unknown)
}

fn check_words(name: Option<&str>, title: Option<&str>, metadata: Option<&Value>) -> Result<()> {
    if let Some(name) = name {
        limits::line("/name", name, NAME_CHARS)?;
    }
    if let Some(title) = title {
        limits::line("/title", title, TITLE_CHARS)?;
    }
    limits::metadata("/metadata", metadata)
}
