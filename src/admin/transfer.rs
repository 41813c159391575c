//! Conversations in and out, for the operator.

use std::path::PathBuf;

use super::{Answer, Refused};
use crate::auth::{Directory, User};
use crate::export::{Format, Writer};
use crate::id::{ConversationId, ImportId};
use crate::import::Identity;
use crate::runtime::Runtime;
use crate::runtime::export::Export;
use crate::runtime::import::Imports;
use crate::scope::Scope;

/// What only a server has open.
pub struct Desk {
    pub runtime: Runtime,
    pub imports: Imports,
}

impl Desk {
    /// `user`: a name or an id; the owner of the default workspace, unless given.
    pub async fn import(
        &self,
        directory: &Directory,
        path: PathBuf,
        user: Option<&str>,
    ) -> Result<Answer, Refused> {
        let owner = identity(directory, user)?;
        let import = self.imports.take(owner, path).await.map_err(|error| Refused(error.to_string()))?;
        Ok(Answer::Import(Box::new(import)))
    }

    pub fn import_status(&self, id: ImportId) -> Result<Answer, Refused> {
        let import = self.imports.find(id).ok_or_else(|| Refused(format!("there is no {id}")))?;
        Ok(Answer::Import(Box::new(import)))
    }
}

/// Of one conversation, of all that a user made, or of everything.
pub async fn export(
    runtime: &Runtime,
    directory: &Directory,
    conversation: Option<ConversationId>,
    user: Option<&str>,
    format: Format,
) -> Result<Export, Refused> {
    let user_id = match user {
        Some(user) => Some(directory.find_user(user)?.id),
        None => None,
    };
    let every = runtime.store().every_conversation(user_id).await;
    let mut every = every.map_err(|error| Refused(error.to_string()))?;
    if let Some(wanted) = conversation {
        every.retain(|(id, _, _)| *id == wanted);
        if every.is_empty() {
            return Err(Refused(format!("there is no {wanted}")));
        }
    }
    let scoped = every.into_iter().map(|(id, workspace_id, user_id)| {
        // As the one who made it sees it.
        (Scope::acting_for(workspace_id, user_id), id)
    });
    Ok(runtime.export_many(scoped.collect(), Writer::new(format, conversation.is_none())))
}

pub(super) fn identity(directory: &Directory, user: Option<&str>) -> Result<Identity, Refused> {
    let default = directory.default_workspace();
    let Some(user) = user else {
        return Ok(Identity { workspace_id: default, user_id: directory.owner() });
    };
    let User { id, memberships, .. } = directory.find_user(user)?;
    let workspaces: Vec<_> = memberships.iter().map(|membership| membership.workspace_id).collect();
    match workspaces[..] {
        [] => Err(Refused(format!("`{user}` belongs to no workspace"))),
        [only] => Ok(Identity { workspace_id: only, user_id: id }),
        _ if workspaces.contains(&default) => Ok(Identity { workspace_id: default, user_id: id }),
        [first, ..] => Ok(Identity { workspace_id: first, user_id: id }),
    }
}
