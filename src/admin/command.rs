//! The commands as values: what is asked, and what is answered.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::auth::{self, ApiKey, Directory, KeyText, NewKey, User, Workspace};
use crate::clock::Timestamp;
use crate::export::Format;
use crate::id::{ConversationId, ImportId, KeyId, MessageId};
use crate::runtime::import::Import;
use crate::runtime::search::Checked;
use crate::scope::{Permission, WorkspaceRole};

/// Users and workspaces are named by id or name; without one, the default workspace or its owner is meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    CreateKey {
        name: String,
        user: Option<String>,
        workspace: Option<String>,
        permissions: Vec<Permission>,
        expires_in: Option<Duration>,
    },
    ListKeys,
    RevokeKey {
        id: KeyId,
    },
    CreateUser {
        name: String,
        workspace: Option<String>,
        role: WorkspaceRole,
    },
    ListUsers,
    SuspendUser {
        user: String,
    },
    ReinstateUser {
        user: String,
    },
    CreateWorkspace {
        name: String,
    },
    ListWorkspaces,
    /// Who answers here.
    Status,
    /// A code with which a user chooses a name and a password.
    CreateSetupCode {
        user: Option<String>,
    },
    /// Reads a file of this machine in, for a user.
    Import {
        path: PathBuf,
        user: Option<String>,
    },
    ImportStatus {
        id: ImportId,
    },
    /// What a user finds by its words.
    Search {
        query: String,
        user: Option<String>,
        limit: usize,
    },
    /// The search index is made anew, in the background.
    RebuildIndex,
    /// The search index is compared with everything there is.
    CheckIndex,
    /// What was deleted goes off the disk at once.
    Purge,
    /// Answered by the export itself. Of nobody and nothing: of everything.
    Export {
        conversation: Option<ConversationId>,
        user: Option<String>,
        format: Format,
    },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    NewKey {
        key: ApiKey,
        #[serde(with = "key_text")]
        text: KeyText,
    },
    Keys(Vec<ApiKey>),
    Users(Vec<User>),
    Workspaces(Vec<Workspace>),
    SetupCode(#[serde(with = "key_text")] KeyText),
    Status(Status),
    Import(Box<Import>),
    Found(Vec<Found>),
    Checked(Checked),
    Done,
}

/// One thing that was found, as it is printed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Found {
    pub conversation_id: ConversationId,
    pub title: Option<String>,
    /// Absent: it is the title.
    pub message_id: Option<MessageId>,
    pub at: Timestamp,
    pub snippet: String,
}

/// The process that works in the data directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    pub version: String,
}

/// Why a command was not carried out, for the person who gave it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{0}")]
#[serde(transparent)]
pub struct Refused(pub String);

impl From<auth::Error> for Refused {
    fn from(error: auth::Error) -> Self {
        Self(error.to_string())
    }
}

impl Command {
    /// How long its answer may take: some read everything there is.
    pub const fn patience(&self) -> Duration {
        match self {
            Self::CheckIndex | Self::Purge => Duration::from_secs(60 * 60),
            Self::Search { .. } => Duration::from_secs(30),
            Self::CreateKey { .. }
            | Self::ListKeys
            | Self::RevokeKey { .. }
            | Self::CreateUser { .. }
            | Self::ListUsers
            | Self::SuspendUser { .. }
            | Self::ReinstateUser { .. }
            | Self::CreateWorkspace { .. }
            | Self::ListWorkspaces
            | Self::Status
            | Self::CreateSetupCode { .. }
            | Self::Import { .. }
            | Self::ImportStatus { .. }
            | Self::Export { .. }
            | Self::RebuildIndex => Duration::from_secs(10),
        }
    }

    /// Blocks for as long as the disk takes.
    pub fn run(&self, directory: &Directory) -> Result<Answer, Refused> {
        let workspace_id = |given: &Option<String>| match given {
            Some(given) => directory.find_workspace(given).map(|workspace| workspace.id),
            None => Ok(directory.default_workspace()),
        };
        match self {
            Self::CreateKey { name, user, workspace, permissions, expires_in } => {
                let user = match user {
                    Some(user) => Some(directory.find_user(user)?),
                    None => None,
                };
                // A user of one workspace needs no telling which.
                let workspace_id = match (workspace, &user) {
                    (None, Some(User { memberships, .. })) if memberships.len() == 1 => {
                        memberships[0].workspace_id
                    }
                    _ => workspace_id(workspace)?,
                };
                let (key, text) = directory.create_key(NewKey {
                    workspace_id,
                    user_id: user.map_or(directory.owner(), |user| user.id),
                    name: name.clone(),
                    permissions: permissions.clone(),
                    expires_at: expires_in.map(|duration| directory.now().plus(duration)),
                })?;
                Ok(Answer::NewKey { key, text })
            }
            Self::ListKeys => Ok(Answer::Keys(directory.keys())),
            Self::RevokeKey { id } => Ok(Answer::Keys(vec![directory.revoke_key(*id)?])),
            Self::CreateUser { name, workspace, role } => {
                let user = directory.create_user(name.clone(), workspace_id(workspace)?, *role)?;
                Ok(Answer::Users(vec![user]))
            }
            Self::ListUsers => Ok(Answer::Users(directory.users()?)),
            Self::SuspendUser { user } => {
                Ok(Answer::Users(vec![directory.suspend_user(directory.find_user(user)?.id)?]))
            }
            Self::ReinstateUser { user } => {
                Ok(Answer::Users(vec![directory.reinstate_user(directory.find_user(user)?.id)?]))
            }
            Self::CreateWorkspace { name } => {
                Ok(Answer::Workspaces(vec![directory.create_workspace(name.clone())?]))
            }
            Self::CreateSetupCode { user } => {
                let user_id = match user {
                    Some(user) => directory.find_user(user)?.id,
                    None => directory.owner(),
                };
                Ok(Answer::SetupCode(directory.create_setup_code(user_id)?))
            }
            Self::Status => Ok(Answer::Status(Status { version: env!("CARGO_PKG_VERSION").to_owned() })),
            Self::ListWorkspaces => Ok(Answer::Workspaces(directory.workspaces()?)),
            Self::Import { .. }
            | Self::ImportStatus { .. }
            | Self::Export { .. }
            | Self::Search { .. }
            | Self::RebuildIndex
            | Self::CheckIndex
            | Self::Purge => {
                Err(Refused("this needs the conversations, and they are not open here".to_owned()))
            }
        }
    }
}

/// The one place where the text of a key is written out: the answer to the one who made it.
mod key_text {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::auth::KeyText;

    pub fn serialize<S: Serializer>(text: &KeyText, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(text.expose())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<KeyText, D::Error> {
        String::deserialize(d).map(KeyText::from)
    }
}
