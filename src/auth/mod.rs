//! Who there is and how they come in: workspaces, users, memberships, passwords, sessions and API keys, in `control.db`.
//!
//! A credential becomes a [`Scope`](crate::scope::Scope) here and nowhere else. Secrets are hashed at rest, shown
//! once and never part of `Debug`. What a scope may reach is decided by those who take it.

mod database;
mod directory;
mod key;
mod password;
mod session;
mod sign_in;
pub mod token;
mod token_holder;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::clock::Timestamp;
use crate::id::{KeyId, SessionId, UserId, WorkspaceId};
use crate::scope::{Permission, WorkspaceRole};

pub use database::SCHEMA;
pub use directory::{Directory, NewKey};
pub use key::KeyText;
pub use password::{LEAST_CHARS as LEAST_PASSWORD_CHARS, MOST_BYTES as MOST_PASSWORD_BYTES};
pub use sign_in::{Candidate, HashedPassword, Opened, Proven, Visitor};
pub use token_holder::{LONGEST_TTL, MintError, NewToken};

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Workspace {
    pub id: WorkspaceId,
    pub name: String,
    pub created_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct User {
    pub id: UserId,
    pub name: String,
    pub created_at: Timestamp,
    pub suspended_at: Option<Timestamp>,
    pub memberships: Vec<Membership>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Membership {
    pub workspace_id: WorkspaceId,
    pub role: WorkspaceRole,
}

/// An API key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApiKey {
    pub id: KeyId,
    pub workspace_id: WorkspaceId,
    pub user_id: UserId,
    pub name: String,
    /// How its text begins, so that people recognise it.
    pub prefix: String,
    pub permissions: Vec<Permission>,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    /// To the minute or so.
    pub last_used_at: Option<Timestamp>,
}

/// A signed-in browser, without its token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Session {
    pub id: SessionId,
    #[serde(skip)]
    pub workspace_id: WorkspaceId,
    #[serde(skip)]
    pub user_id: UserId,
    pub created_at: Timestamp,
    /// To the minute or so.
    pub last_used_at: Timestamp,
    pub expires_at: Timestamp,
    /// What the browser called itself when it signed in.
    pub user_agent: Option<String>,
    /// Where it was when it signed in.
    pub address: Option<String>,
}

/// Why a credential does not let anyone in. To the outside all of these are one and the same 401.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    #[error("no credential was given")]
    Missing,
    #[error("the credential is unknown")]
    Unknown,
    #[error("the key or session was revoked")]
    Revoked,
    #[error("the key or session has expired")]
    Expired,
    #[error("the user is suspended")]
    Suspended,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("control.db was written by a newer version of weir; start that version, or restore a backup")]
    NewerSchema,
    #[error("control.db is damaged ({0}); move it aside and restore it from a backup")]
    Corrupt(String),
    #[error("there is no workspace `{0}`")]
    NoSuchWorkspace(String),
    #[error("there is no user `{0}`")]
    NoSuchUser(String),
    #[error("there are several users called `{0}`; use the id")]
    AmbiguousUser(String),
    #[error("there is no key `{0}`")]
    NoSuchKey(KeyId),
    #[error("user {0} is not a member of workspace {1}")]
    NotAMember(UserId, WorkspaceId),
    #[error("a name must have 1 to 200 characters and no control characters")]
    InvalidName,
    #[error("there already is a workspace `{0}`")]
    NameTaken(String),
    #[error("someone else signs in as `{0}`")]
    LoginTaken(String),
    #[error("the code was used, has expired, or never was one")]
    NoSuchCode,
    #[error("a key cannot carry `{}`, which its maker does not have", .0.as_str())]
    BeyondRights(Permission),
    #[error("a key must expire in the future")]
    AlreadyExpired,
    #[error("control.db: {0}")]
    Migration(#[from] rusqlite_migration::Error),
    #[error("control.db: {0}")]
    Sqlite(#[source] rusqlite::Error),
    #[error("control.db: {0}")]
    Io(#[from] std::io::Error),
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        match error.sqlite_error_code() {
            Some(DatabaseCorrupt | NotADatabase) => Self::Corrupt(error.to_string()),
            _ => Self::Sqlite(error),
        }
    }
}

/// What a role may do at most; a key carries no more than that, whatever it was given.
pub const fn permissions_of(role: WorkspaceRole) -> &'static [Permission] {
    match role {
        WorkspaceRole::Viewer => &[Permission::ConversationsRead],
        WorkspaceRole::Member => {
            &[Permission::ConversationsRead, Permission::ConversationsWrite, Permission::ApprovalsDecide]
        }
        WorkspaceRole::Admin | WorkspaceRole::Owner => &Permission::ALL,
    }
}

#[cfg(test)]
mod tests;
