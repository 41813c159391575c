//! What the next model call would be given, message by message.

use axum::Json as Answered;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::chat::context::{FateState, Reason, tokens};
use crate::chat::event::Cursor;
use crate::chat::message::Role;
use crate::http::State;
use crate::http::auth::Owned;
use crate::http::problem::{Error, Result};
use crate::http::query::Query;
use crate::id::{CompactionId, ConversationId, MessageId};
use crate::runtime::context::{Placed, Preview};
use crate::scope::Scope;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ContextQuery {
    /// The message that the path ends in. Absent: the current head.
    head: Option<MessageId>,
}

/// Token counts are estimates; the provider's own are in a message's `usage`.
#[derive(Debug, Serialize, ToSchema)]
pub struct Context {
    model: String,
    /// The model's window.
    context_tokens: u64,
    /// What of it a request may take; the rest is left for the answer.
    budget: u64,
    /// Of the whole request.
    tokens: u64,
    system: Option<SystemPrompt>,
    /// The summary that stands for the beginning of the path.
    compaction: Option<Summary>,
    /// Every message of the path, the root first: sent and left out make the whole path.
    items: Vec<ContextItem>,
    /// The log's position that this was read at.
    #[schema(value_type = String)]
    cursor: Cursor,
}

#[derive(Debug, Serialize, ToSchema)]
struct SystemPrompt {
    text: String,
    tokens: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct Summary {
    id: CompactionId,
    tokens: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct ContextItem {
    message_id: MessageId,
    role: Role,
    state: ItemState,
    /// Why it is not sent as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    /// Of what is sent of it.
    tokens: u64,
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ItemState {
    Sent,
    Shortened,
    LeftOut,
}

impl From<Placed> for ContextItem {
    fn from(placed: Placed) -> Self {
        let (state, reason) = match placed.fate.state {
            FateState::Sent => (ItemState::Sent, None),
            FateState::Shortened(reason) => (ItemState::Shortened, Some(reason)),
            FateState::LeftOut(reason) => (ItemState::LeftOut, Some(reason)),
        };
        Self { message_id: placed.id, role: placed.role, state, reason, tokens: placed.fate.tokens }
    }
}

/// What the next model call would send, and what it leaves out and why.
///
/// 422 `context-too-long` where even the last message and what is pinned do not fit.
#[utoipa::path(get, path = "/v1/conversations/{conversation_id}/context", tag = "compaction",
    operation_id = "get_context", params(("conversation_id" = ConversationId, Path), ContextQuery),
    responses((status = 200, body = Context)))]
pub async fn get(
    state: State,
    scope: Scope,
    id: Owned<ConversationId>,
    Query(query): Query<ContextQuery>,
) -> Result<Answered<Context>> {
    let found = state.runtime().preview(&scope, id.id(), query.head).await?;
    let (preview, cursor) = found.ok_or_else(Error::not_found)?;
    let Preview { model, context_tokens, budget, compaction, compaction_tokens, system, outcome } = preview;
    let whole = outcome
        .map_err(|wrong| Error::of_problem(crate::provider::Failure::does_not_fit(&wrong).problem()))?;
    Ok(Answered(Context {
        model,
        context_tokens,
        budget,
        tokens: whole.tokens,
        system: system.map(|text| SystemPrompt { tokens: tokens::of_text(&text), text }),
        compaction: compaction.map(|id| Summary { id, tokens: compaction_tokens }),
        items: whole.messages.into_iter().map(ContextItem::from).collect(),
        cursor,
    }))
}
