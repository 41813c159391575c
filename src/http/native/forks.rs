//! Forks: a new conversation that begins at a message of another one. Nothing is copied.

use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::conversations::{CreatedConversation, created};
use super::given;
use crate::chat::conversation::{ConversationInfo, ForkPoint, Visibility};
use crate::http::State;
use crate::http::auth::Owned;
use crate::http::idempotency::IdempotencyKey;
use crate::http::json::Json;
use crate::http::limits::{self, TITLE_CHARS};
use crate::http::problem::{Error, Kind, Result};
use crate::id::{ConversationId, MessageId};
use crate::runtime;
use crate::scope::Scope;
use crate::store::{self, Conflict, KeyScope};

/// Whoever reads or searches a fork looks at all that it goes back to.
const GENERATIONS: usize = 100;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ForkRequest {
    /// The message that the fork begins at. Absent: the head.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    message_id: Option<MessageId>,
    /// Absent: that of the conversation.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    title: Option<String>,
}

/// Fork a conversation at a message of any age.
///
/// The fork is yours and private. It sees the path down to that message, whatever becomes of the conversation, and
/// nothing beside it. Calls that are still open go on in this conversation alone: in the fork they are cancelled, and what
/// comes of them is not told there. 409 while the message is still streaming, and for a fork of a fork of a fork, 100
/// deep.
#[utoipa::path(post, path = "/v1/conversations/{conversation_id}/fork", tag = "branches",
    operation_id = "fork_conversation", request_body = ForkRequest,
    params(("conversation_id" = ConversationId, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "A repeat gets the first answer")),
    responses((status = 201, body = CreatedConversation, headers(("Location" = String)))))]
pub async fn fork(
    state: State,
    scope: Scope,
    id: Owned<ConversationId>,
    key: IdempotencyKey,
    Json { body, bytes }: Json<ForkRequest>,
) -> Result<Response> {
    if scope.only.is_some() {
        return Err(Error::forbidden("this token is for other conversations only"));
    }
    if let Some(title) = &body.title {
        limits::line("/title", title, TITLE_CHARS)?;
    }
    let origin = &id.conversation().info;
    let operation = format!("POST fork {}", origin.id);
    let idempotency = key.of(KeyScope::Workspace(scope.workspace_id), scope.user_id, &operation, &bytes);
    // Also where the message that it named is gone by now.
    if let Some(first) = state.runtime().first_answer(idempotency.as_ref()).await? {
        return created(&state, &scope, first).await;
    }
    let page = state.runtime().store().path(&scope, id.id(), body.message_id, None, 1).await?;
    let found = page.ok_or_else(Error::not_found)?.messages.into_iter().next();
    let message = found.ok_or_else(|| Error::new(Kind::Conflict, "there is no message to fork at yet"))?;
    if message.message.status == crate::chat::message::MessageStatus::Streaming {
        let detail = "this message is still streaming; fork at the one above it, or once it is complete";
        return Err(Error::new(Kind::Conflict, detail));
    }
    if state.runtime().store().generations(id.id()).await? >= GENERATIONS {
        let detail = format!("forks of forks are at most {GENERATIONS} deep; fork one of those above it");
        return Err(Error::new(Kind::Conflict, detail));
    }
    let info = ConversationInfo {
        id: ConversationId::new(),
        workspace_id: scope.workspace_id,
        created_by: scope.user_id,
        agent: origin.agent.clone(),
        name: None,
        title: body.title.or_else(|| origin.title.clone()),
        visibility: Visibility::Private,
        settings: origin.settings.clone(),
        metadata: origin.metadata.clone(),
        archived: false,
        created_at: state.runtime().clock().now(),
        parent: None,
    };
    let point = Some(ForkPoint { conversation_id: origin.id, message_id: message.message.id });
    let forked = state.runtime().create(info.clone(), point, None, idempotency.clone()).await;
    let receipt = match forked {
        // The same request, a moment earlier: its answer is there now.
        Err(runtime::Error::Store(store::Error::Refused(Conflict::DuplicateIdempotencyKey))) => {
            state.runtime().create(info, point, None, idempotency).await?
        }
        forked => forked?,
    };
    created(&state, &scope, receipt).await
}
