//! Another answer to a message that was answered before.

use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::given;
use super::messages::{Sent, receipted};
use super::send::check_settings;
use crate::chat::conversation::{Command, Regenerate};
use crate::chat::event::Settings;
use crate::chat::message::Role;
use crate::chat::turn::TurnRequest;
use crate::http::State;
use crate::http::auth::Owned;
use crate::http::idempotency::IdempotencyKey;
use crate::http::json::{Json, object};
use crate::http::limits::{self, NAME_CHARS};
use crate::http::openapi::StreamEvent;
use crate::http::prefer::Answer;
use crate::http::problem::{Error, Kind, Result};
use crate::id::{ConversationId, MessageId, TurnId};
use crate::runtime::{Order, ReceiptOf};
use crate::scope::Scope;
use crate::store::KeyScope;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegenerateRequest {
    /// An answer, or the message that it answers. Absent: the head.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    message_id: Option<MessageId>,
    /// Absent: the agent's.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    model: Option<String>,
    #[serde(default, deserialize_with = "object")]
    settings: Settings,
}

/// Answer a message anew.
///
/// The new answer is a sibling of the first message of the old one, which stays. Answered as a send is.
#[utoipa::path(post, path = "/v1/conversations/{conversation_id}/regenerate", tag = "branches",
    operation_id = "regenerate", request_body = RegenerateRequest,
    params(("conversation_id" = ConversationId, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "A repeat gets the first answer, as long as the turn exists"),
        ("Prefer" = Option<String>, Header, description = "`wait=60`: seconds, at most 300")),
    responses(
        (status = 202, body = Sent, headers(("Location" = String, description = "The turn's stream"))),
        (status = 200, description = "The turn's stream, or with `Prefer: wait` the finished turn",
            content((Sent = "application/json"), (StreamEvent = "text/event-stream")),
            headers(("Location" = String, description = "The turn's stream")))))]
pub async fn regenerate(
    state: State,
    scope: Scope,
    id: Owned<ConversationId>,
    key: IdempotencyKey,
    answer: Answer,
    Json { body, bytes }: Json<RegenerateRequest>,
) -> Result<Response> {
    let key = key.of(KeyScope::Conversation(id.id()), scope.user_id, "POST regenerate", &bytes);
    // Also where the message that it named is gone by now.
    if let Some(first) = state.runtime().first_answer(key.as_ref()).await? {
        return receipted(&state, scope, answer, first).await;
    }
    if let Some(model) = &body.model {
        limits::line("/model", model, NAME_CHARS)?;
    }
    check_settings(&body.settings)?;
    let info = &id.conversation().info;
    let agent = state.runtime().agents().get(&info.agent);
    let gone = || Error::new(Kind::Conflict, "the agent of this conversation is no longer configured");
    let agent = agent.ok_or_else(gone)?;
    let message_id = question(&state, &scope, &id, body.message_id).await?;
    let asked = Regenerate {
        turn_id: TurnId::new(),
        message_id,
        request: TurnRequest {
            agent: agent.options.id.clone(),
            model: body.model,
            settings: body.settings.or(&info.settings),
            tools: Vec::new(),
            tool_choice: None,
            requested_by: scope.user_id,
            requested_role: scope.role,
            only_here: scope.only.is_some(),
        },
        limits: agent.options.limits,
        recovery: agent.options.recovery,
    };
    let receipt = ReceiptOf { message_id: Some(message_id), turn_id: Some(asked.turn_id) };
    let command = Command::Regenerate(Box::new(asked));
    let receipt =
        state.runtime().order(id.id(), Order { command, receipt, idempotency: key, caller: None }).await?;
    receipted(&state, scope, answer, receipt).await
}

/// The user message that an answer answers: the nearest one at or above it.
async fn question(
    state: &State,
    scope: &Scope,
    id: &Owned<ConversationId>,
    from: Option<MessageId>,
) -> Result<MessageId> {
    let store = state.runtime().store();
    let mut before = None;
    loop {
        let page = store.path(scope, id.id(), from, before, 50).await?.ok_or_else(Error::not_found)?;
        if let Some(found) = page.messages.iter().find(|found| found.message.role == Role::User) {
            return Ok(found.message.id);
        }
        before = match page.messages.last() {
            Some(last) if page.more => Some(last.message.id),
            Some(_) | None => {
                return Err(Error::new(Kind::Conflict, "there is no message of a person to answer"));
            }
        };
    }
}
