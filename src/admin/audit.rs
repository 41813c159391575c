//! `weir audit`: read from the database itself, beside a running server or without one.

use std::io::Write;
use std::path::Path;

use super::Command;
use super::command::Answer;
use crate::id::WorkspaceId;
use crate::store;
use crate::store::audit::{self, Bad, Chain};

const FILE: &str = "weir.db";

#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error("the audit is not as it was written: {0}")]
    Bad(#[from] Bad),
    #[error("no row has the hash {0}: what followed it was taken away, or the chain was written anew")]
    NoAnchor(String),
    #[error("there is no workspace `{0}`")]
    NoWorkspace(String),
    #[error("the audit cannot be read: {0}")]
    Unreadable(#[from] store::Error),
    #[error(transparent)]
    Command(#[from] super::Error),
}

/// Walks every chain; `anchor` is a hash that one of them once ended with.
pub fn verify_audit(data: &Path, anchor: Option<[u8; 32]>) -> Result<Vec<Chain>, AuditError> {
    let chains = audit::verify(&data.join(FILE), anchor.as_ref())??;
    match anchor {
        Some(hash) if !chains.iter().any(|chain| chain.anchored) => {
            Err(AuditError::NoAnchor(audit::hex(&hash)))
        }
        Some(_) | None => Ok(chains),
    }
}

/// Writes the chain of a workspace, which is named by id or name, as lines of JSON.
pub fn export_audit(data: &Path, workspace: Option<&str>, out: &mut impl Write) -> Result<(), AuditError> {
    let Answer::Workspaces(known) = super::run(data, &Command::ListWorkspaces)? else {
        unreachable!("it is answered with workspaces");
    };
    let is_it = |id: WorkspaceId, name: &str| {
        workspace.is_none_or(|wanted| wanted == name || wanted == id.to_string())
    };
    let found = known.iter().find(|workspace| is_it(workspace.id, &workspace.name));
    let found = found.ok_or_else(|| AuditError::NoWorkspace(workspace.unwrap_or_default().to_owned()))?;
    Ok(audit::export(&data.join(FILE), found.id, out)?)
}
