//! Who is asking, and how far they may reach. Every function that touches a tenant's data takes a [`Scope`].

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::clock::Timestamp;
use crate::id::{ConversationId, KeyId, SessionId, UserId, WorkspaceId};

/// A user's role in a workspace, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WorkspaceRole {
    /// Reads what is shared; writes nothing.
    Viewer,
    Member,
    Admin,
    Owner,
}

/// What an API key may be used for. A key carries some of these; a signed-in person has them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub enum Permission {
    #[serde(rename = "conversations:read")]
    ConversationsRead,
    #[serde(rename = "conversations:write")]
    ConversationsWrite,
    #[serde(rename = "approvals:decide")]
    ApprovalsDecide,
    #[serde(rename = "tokens:mint")]
    TokensMint,
    #[serde(rename = "admin")]
    Admin,
}

impl Permission {
    pub const ALL: [Self; 5] = [
        Self::ConversationsRead,
        Self::ConversationsWrite,
        Self::ApprovalsDecide,
        Self::TokensMint,
        Self::Admin,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConversationsRead => "conversations:read",
            Self::ConversationsWrite => "conversations:write",
            Self::ApprovalsDecide => "approvals:decide",
            Self::TokensMint => "tokens:mint",
            Self::Admin => "admin",
        }
    }
}

impl std::str::FromStr for Permission {
    type Err = UnknownPermission;

    fn from_str(text: &str) -> Result<Self, UnknownPermission> {
        Self::ALL.into_iter().find(|p| p.as_str() == text).ok_or_else(|| UnknownPermission(text.to_owned()))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a scope; there are conversations:read, conversations:write, approvals:decide, tokens:mint and admin"
)]
pub struct UnknownPermission(String);

/// The caller: a user in one workspace, with the rights of the credential in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    pub workspace_id: WorkspaceId,
    pub user_id: UserId,
    pub role: WorkspaceRole,
    pub permissions: Vec<Permission>,
    pub credential: Credential,
    /// Nothing but these conversations is visible, whatever the user may see otherwise.
    pub only: Option<Arc<[ConversationId]>>,
}

/// What the caller came in with. Its end ends what is open with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// `WEIR_ROOT_KEY`.
    Root,
    Key(KeyId),
    Session(SessionId),
    /// A JSON Web Token.
    Token {
        expires_at: Timestamp,
        /// What one of ours was made with, and ends with. Others' tokens end on their own.
        maker: Option<Maker>,
    },
}

/// The credential that a token of ours goes back to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Maker {
    Root,
    Key(KeyId),
    Session(SessionId),
}

impl Credential {
    /// What a token that is made with this goes back to.
    pub const fn as_maker(self) -> Option<Maker> {
        match self {
            Self::Root => Some(Maker::Root),
            Self::Key(id) => Some(Maker::Key(id)),
            Self::Session(id) => Some(Maker::Session(id)),
            Self::Token { maker, .. } => maker,
        }
    }
}

/// Who asked for something, and from where, as the audit writes it down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    pub user_id: UserId,
    /// The id of a key or a session, `root`, or `token`, with what a token of ours was made with.
    pub credential: String,
    pub address: Option<IpAddr>,
}

impl Credential {
    /// As the audit names it.
    fn name(self) -> String {
        match self {
            Self::Root => "root".to_owned(),
            Self::Key(id) => id.to_string(),
            Self::Session(id) => id.to_string(),
            Self::Token { maker: None, .. } => "token".to_owned(),
            Self::Token { maker: Some(Maker::Root), .. } => "token of root".to_owned(),
            Self::Token { maker: Some(Maker::Key(id)), .. } => format!("token of {id}"),
            Self::Token { maker: Some(Maker::Session(id)), .. } => format!("token of {id}"),
        }
    }
}

impl Scope {
    pub fn caller(&self, address: Option<IpAddr>) -> Caller {
        Caller { user_id: self.user_id, credential: self.credential.name(), address }
    }

    /// Acts for a user while nobody waits: for an import of theirs, or for the operator.
    pub fn acting_for(workspace_id: WorkspaceId, user_id: UserId) -> Self {
        Self {
            workspace_id,
            user_id,
            role: WorkspaceRole::Member,
            permissions: vec![Permission::ConversationsRead, Permission::ConversationsWrite],
            credential: Credential::Root,
            only: None,
        }
    }

    /// Sees what is shared with a whole workspace, and nobody's own.
    pub fn of_everyone(workspace_id: WorkspaceId) -> Self {
        Self::acting_for(workspace_id, UserId::from_bytes([0; 16]))
    }

    /// Whether the credential is for this conversation too. Whether the user sees it is another question.
    pub fn reaches(&self, id: ConversationId) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(&id))
    }

    pub fn permits(&self, permission: Permission) -> bool {
        self.permissions.contains(&permission)
    }
}
