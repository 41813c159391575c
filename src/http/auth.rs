//! Who asks, and what of theirs an id names.
//!
//! An id from a path or a body becomes an [`Owned`] only here, after the store was asked with the caller's scope.
//! What is missing, malformed, foreign or hidden is the same 404.

use std::str::FromStr;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use tracing::Span;

use super::State;
use super::edge::Place;
use super::problem::{Error, Result};
use super::routes::Rule;
use crate::auth::AuthError;
use crate::chat::conversation::Visibility;
use crate::id::{
    ApprovalId, CallId, CompactionId, ConversationId, DeliveryId, FileId, ImportId, KeyId, MemoryId,
    MessageId, RuleId, SessionId, TurnId, WebhookId, WorkspaceId,
};
use crate::scope::{Caller, Permission, Scope, WorkspaceRole};
use crate::store::ConversationRow;

/// An id that the caller may use in the way that the route's rule says.
#[derive(Debug, Clone)]
pub struct Owned<T> {
    id: T,
    conversation: Box<ConversationRow>,
}

/// What the caller wants to do with a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Read,
    /// The creator, and where it is shared everyone from member upwards.
    Write,
    /// The creator, and where it is shared an admin: delete it, or change who sees it.
    Manage,
}

impl<T: Copy> Owned<T> {
    pub fn id(&self) -> T {
        self.id
    }

    pub fn conversation(&self) -> &ConversationRow {
        &self.conversation
    }

    pub fn conversation_id(&self) -> ConversationId {
        self.conversation.info.id
    }
}

impl Owned<ConversationId> {
    pub async fn check(state: &State, scope: &Scope, access: Access, id: ConversationId) -> Result<Self> {
        let found = state.runtime().store().conversation(scope, id).await?;
        let conversation = Box::new(found.ok_or_else(Error::not_found)?);
        access.check(scope, &conversation)?;
        Ok(Self { id, conversation })
    }

    /// More than the route's rule asks for.
    pub fn must(&self, scope: &Scope, access: Access) -> Result<()> {
        access.check(scope, &self.conversation)
    }

    /// A message that this conversation sees.
    pub async fn message(&self, state: &State, scope: &Scope, id: MessageId) -> Result<Owned<MessageId>> {
        let path = state.runtime().store().path(scope, self.id, Some(id), None, 1).await?;
        path.ok_or_else(Error::not_found)?;
        Ok(Owned { id, conversation: self.conversation.clone() })
    }
}

impl Owned<TurnId> {
    pub async fn check(state: &State, scope: &Scope, access: Access, id: TurnId) -> Result<Self> {
        let found = state.runtime().store().turn(scope, id).await?;
        let conversation_id = found.ok_or_else(Error::not_found)?.conversation_id;
        let conversation = Owned::<ConversationId>::check(state, scope, access, conversation_id).await?;
        Ok(Self { id, conversation: conversation.conversation })
    }
}

impl Access {
    /// The caller sees the conversation; whether it may do this with it.
    fn check(self, scope: &Scope, conversation: &ConversationRow) -> Result<()> {
        let own = conversation.info.created_by == scope.user_id;
        let shared = conversation.info.visibility == Visibility::Workspace;
        let allowed = match self {
            Self::Read => true,
            Self::Write => own || (shared && scope.role >= WorkspaceRole::Member),
            Self::Manage => own || (shared && scope.role >= WorkspaceRole::Admin),
        };
        match allowed {
            true => Ok(()),
            false => Err(Error::forbidden("you may read this conversation, but not do this with it")),
        }
    }
}

impl FromRequestParts<State> for Scope {
    type Rejection = Error;

    /// The rule of the route put it there; a route without a rule has none.
    async fn from_request_parts(parts: &mut Parts, _: &State) -> Result<Self> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| AuthError::Missing.into())
    }
}

impl FromRequestParts<State> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self> {
        let scope = Scope::from_request_parts(parts, state).await?;
        Ok(scope.caller(parts.extensions.get::<Place>().and_then(|place| place.address)))
    }
}

impl FromRequestParts<State> for Owned<ConversationId> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self> {
        let (scope, access) = (Scope::from_request_parts(parts, state).await?, access_of(parts));
        let id: ConversationId = path_id(parts, state, "conversation_id").await?;
        Span::current().record("conversation_id", tracing::field::display(id));
        Self::check(state, &scope, access, id).await
    }
}

impl FromRequestParts<State> for Owned<TurnId> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self> {
        let (scope, access) = (Scope::from_request_parts(parts, state).await?, access_of(parts));
        let id: TurnId = path_id(parts, state, "turn_id").await?;
        Span::current().record("turn_id", tracing::field::display(id));
        Self::check(state, &scope, access, id).await
    }
}

/// The id of a turn that stands behind a conversation's in the path. Whether it is that conversation's, the
/// conversation itself knows.
pub struct TurnInPath(pub TurnId);

impl FromRequestParts<State> for TurnInPath {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self> {
        path_id(parts, state, "turn_id").await.map(Self)
    }
}

/// The id of a message that stands behind a conversation's in the path. Whether the conversation sees it, the store
/// is asked together with the rest.
pub struct MessageInPath(pub MessageId);

impl FromRequestParts<State> for MessageInPath {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self> {
        path_id(parts, state, "message_id").await.map(Self)
    }
}

/// The id of a compaction that stands behind a conversation's in the path.
pub struct CompactionInPath(pub CompactionId);

impl FromRequestParts<State> for CompactionInPath {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self> {
        path_id(parts, state, "compaction_id").await.map(Self)
    }
}

/// The id of an approval in the path. Whether the caller may decide it, the store is asked.
pub struct ApprovalInPath(pub ApprovalId);

impl FromRequestParts<State> for ApprovalInPath {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self> {
        path_id(parts, state, "approval_id").await.map(Self)
    }
}

/// The id of a remembered rule in the path. Whether the caller sees it, the store is asked.
pub struct RuleInPath(pub RuleId);

impl FromRequestParts<State> for RuleInPath {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self> {
        path_id(parts, state, "rule_id").await.map(Self)
    }
}

/// The id of a note in the path. Whether it is the caller's, the store is asked.
pub struct MemoryInPath(pub MemoryId);

impl FromRequestParts<State> for MemoryInPath {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self> {
        path_id(parts, state, "memory_id").await.map(Self)
    }
}

/// A call of a conversation that the caller may use so.
pub struct OwnedCall {
    pub id: CallId,
    pub turn_id: TurnId,
    pub conversation_id: ConversationId,
    pub workspace_id: WorkspaceId,
    /// That answers in the conversation.
    pub agent: String,
}

impl FromRequestParts<State> for OwnedCall {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self> {
        let (scope, access) = (Scope::from_request_parts(parts, state).await?, access_of(parts));
        let id: CallId = path_id(parts, state, "call_id").await?;
        let found = state.runtime().store().place_of_call(&scope, id).await?;
        let (conversation_id, turn_id) = found.ok_or_else(Error::not_found)?;
        let owned = Owned::<ConversationId>::check(state, &scope, access, conversation_id).await?;
        let info = &owned.conversation().info;
        let (workspace_id, agent) = (info.workspace_id, info.agent.clone());
        Ok(Self { id, turn_id, conversation_id, workspace_id, agent })
    }
}

/// The id of a session in the path.
pub struct SessionInPath(pub SessionId);

impl FromRequestParts<State> for SessionInPath {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self> {
        path_id(parts, state, "session_id").await.map(Self)
    }
}

/// The id of an API key in the path.
pub struct KeyInPath(pub KeyId);

impl FromRequestParts<State> for KeyInPath {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self> {
        path_id(parts, state, "key_id").await.map(Self)
    }
}

/// The id of a file in the path. Whether the caller sees it, the store is asked.
pub struct FileInPath(pub FileId);

impl FromRequestParts<State> for FileInPath {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self> {
        path_id(parts, state, "file_id").await.map(Self)
    }
}

/// The id of an import in the path.
pub struct ImportInPath(pub ImportId);

impl FromRequestParts<State> for ImportInPath {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self> {
        path_id(parts, state, "import_id").await.map(Self)
    }
}

/// The id of a webhook in the path.
pub struct WebhookInPath(pub WebhookId);

impl FromRequestParts<State> for WebhookInPath {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self> {
        path_id(parts, state, "webhook_id").await.map(Self)
    }
}

/// The id of a delivery that stands behind a webhook's in the path.
pub struct DeliveryInPath(pub DeliveryId);

impl FromRequestParts<State> for DeliveryInPath {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self> {
        path_id(parts, state, "delivery_id").await.map(Self)
    }
}

fn access_of(parts: &Parts) -> Access {
    match parts.extensions.get::<Rule>() {
        Some(Rule::SignedIn(Permission::ConversationsRead)) => Access::Read,
        Some(_) | None => Access::Write,
    }
}

async fn path_id<T: FromStr>(parts: &mut Parts, state: &State, name: &str) -> Result<T> {
    let params = RawPathParams::from_request_parts(parts, state).await.map_err(|_| Error::not_found())?;
    let text = params.iter().find(|(param, _)| *param == name).map(|(_, text)| text);
    text.and_then(|text| text.parse().ok()).ok_or_else(Error::not_found)
}

/// The token of `Authorization: Bearer <token>`.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Lets the bearer of one fixed token in.
pub fn check_token(headers: &HeaderMap, expected: &SecretString) -> Result<()> {
    let token = bearer(headers).ok_or(AuthError::Missing)?;
    let same = token.as_bytes().ct_eq(expected.expose_secret().as_bytes());
    if same.into() { Ok(()) } else { Err(AuthError::Unknown.into()) }
}
