//! Notes of agents about people. Each is its person's: nobody else reads or changes it.

use rusqlite::{Connection, named_params};

use crate::chat::memory::Memory;
use crate::id::{MemoryId, UserId, WorkspaceId};
use crate::store::Store;
use crate::store::error::Error;
use crate::store::record::{Lane, Record};
use crate::store::row::Row;
use crate::store::writer::queue::Work;

const OF_USER: &str = "
    SELECT id, agent, text, created_at, updated_at FROM memories
    WHERE workspace_id = :workspace_id AND user_id = :user_id AND (:agent IS NULL OR agent = :agent)
    ORDER BY id";

impl Store {
    /// What an agent, or any, noted about the user; the oldest first.
    pub async fn memories(
        &self,
        workspace_id: WorkspaceId,
        user_id: UserId,
        agent: Option<&str>,
    ) -> Result<Vec<Memory>, Error> {
        let agent = agent.map(str::to_owned);
        self.read(move |tx| of_user(tx, workspace_id, user_id, agent.as_deref())).await
    }

    /// Makes a note, or changes the one with its id.
    pub async fn remember(
        &self,
        workspace_id: WorkspaceId,
        user_id: UserId,
        memory: Memory,
    ) -> Result<(), Error> {
        self.ask(Lane::People, Work::Upkeep(vec![Record::Remember { workspace_id, user_id, memory }])).await
    }

    pub async fn forget(&self, memory_id: MemoryId) -> Result<(), Error> {
        self.ask(Lane::People, Work::Upkeep(vec![Record::Forget { memory_id }])).await
    }
}

fn of_user(
    tx: &Connection,
    workspace_id: WorkspaceId,
    user_id: UserId,
    agent: Option<&str>,
) -> Result<Vec<Memory>, Error> {
    let mut statement = tx.prepare_cached(OF_USER)?;
    let mut rows = statement.query(named_params! {
        ":workspace_id": workspace_id.as_bytes(), ":user_id": user_id.as_bytes(), ":agent": agent,
    })?;
    let mut memories = Vec::new();
    while let Some(row) = rows.next()? {
        let row = Row::new(row, "memories", "id");
        memories.push(Memory {
            id: row.id("id")?,
            agent: row.get("agent")?,
            text: row.get("text")?,
            created_at: row.at("created_at")?,
            updated_at: row.at("updated_at")?,
        });
    }
    Ok(memories)
}
