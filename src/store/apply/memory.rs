//! Notes of agents about people.

use rusqlite::{Transaction, named_params};

use crate::chat::memory::Memory;
use crate::id::{MemoryId, UserId, WorkspaceId};
use crate::store::error::Error;

const REMEMBER: &str = "
    INSERT INTO memories (id, workspace_id, user_id, agent, text, created_at, updated_at)
    VALUES (:id, :workspace_id, :user_id, :agent, :text, :created_at, :updated_at)
    ON CONFLICT (id) DO UPDATE SET text = excluded.text, updated_at = excluded.updated_at";

pub(super) fn remember(
    tx: &Transaction<'_>,
    workspace_id: WorkspaceId,
    user_id: UserId,
    memory: &Memory,
) -> Result<(), Error> {
    tx.prepare_cached(REMEMBER)?.execute(named_params! {
        ":id": memory.id.as_bytes(),
        ":workspace_id": workspace_id.as_bytes(),
        ":user_id": user_id.as_bytes(),
        ":agent": memory.agent,
        ":text": memory.text,
        ":created_at": memory.created_at.millis(),
        ":updated_at": memory.updated_at.millis(),
    })?;
    Ok(())
}

const FORGET: &str = "DELETE FROM memories WHERE id = :id";

pub(super) fn forget(tx: &Transaction<'_>, id: MemoryId) -> Result<(), Error> {
    tx.prepare_cached(FORGET)?.execute(named_params! {":id": id.as_bytes()})?;
    Ok(())
}
