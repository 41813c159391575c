//! Branches: naming, starring and pinning their messages, and deleting them.

use axum::Json as Answered;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{given, order};
use crate::chat::conversation::Command;
use crate::chat::message::Marks;
use crate::http::State;
use crate::http::auth::{MessageInPath, Owned};
use crate::http::json::Json;
use crate::http::limits::{self, NAME_CHARS};
use crate::http::problem::{Error, Result};
use crate::id::{ConversationId, MessageId};
use crate::scope::{Caller, Scope};

/// What is to change; what is absent stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MarkRequest {
    /// The name of the branch that begins with this message; `null` takes it away.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    branch_name: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    starred: Option<bool>,
    /// A pinned message is always part of what the model is given.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    pinned: Option<bool>,
}

/// Name, star or pin a message.
///
/// It is said in this conversation alone; a fork takes along what was said when it was made.
#[utoipa::path(patch, path = "/v1/conversations/{conversation_id}/messages/{message_id}", tag = "branches",
    operation_id = "mark_message", request_body = MarkRequest,
    params(("conversation_id" = ConversationId, Path), ("message_id" = MessageId, Path)),
    responses((status = 200, body = Marks)))]
pub async fn mark(
    state: State,
    scope: Scope,
    id: Owned<ConversationId>,
    MessageInPath(message_id): MessageInPath,
    Json { body, .. }: Json<MarkRequest>,
) -> Result<Answered<Marks>> {
    if let Some(Some(name)) = &body.branch_name {
        limits::line("/branch_name", name, NAME_CHARS)?;
    }
    let before = state.runtime().store().marks(&scope, id.id(), message_id).await?;
    let before = before.ok_or_else(Error::not_found)?;
    let marks = Marks {
        branch_name: body.branch_name.unwrap_or_else(|| before.branch_name.clone()),
        starred: body.starred.unwrap_or(before.starred),
        pinned: body.pinned.unwrap_or(before.pinned),
    };
    if marks != before {
        order(&state, id.id(), Command::Mark { message_id, marks: marks.clone() }).await?;
    }
    Ok(Answered(marks))
}

/// Delete a message and everything below it.
///
/// What runs there is cancelled, and where the head was on it, the head becomes the message above. In the log the
/// content is replaced by `redacted`. Forks keep what they need of it. 409 for a message of the conversation that this
/// one was forked off.
#[utoipa::path(delete, path = "/v1/conversations/{conversation_id}/messages/{message_id}", tag = "branches",
    operation_id = "delete_branch",
    params(("conversation_id" = ConversationId, Path), ("message_id" = MessageId, Path)),
    responses((status = 204, description = "It is gone")))]
pub async fn delete(
    state: State,
    caller: Caller,
    id: Owned<ConversationId>,
    MessageInPath(message_id): MessageInPath,
) -> Result<StatusCode> {
    state.runtime().delete_branch(id.id(), message_id, caller).await?;
    Ok(StatusCode::NO_CONTENT)
}
