//! The feed as the server itself follows it, to tell others: of a whole workspace, whoever may read what.

use rusqlite::{Connection, OptionalExtension, named_params};
use serde_json::Value;

use crate::chat::approval::Approval;
use crate::clock::Timestamp;
use crate::id::{ApprovalId, ConversationId, WorkspaceId};
use crate::store::Store;
use crate::store::error::Error;
use crate::store::row::Row;

#[derive(Debug, Clone, PartialEq)]
pub struct Notification {
    pub position: u64,
    pub at: Timestamp,
    /// `approval.requested`, `turn.finished`.
    pub kind: String,
    pub conversation_id: ConversationId,
    /// Of the conversation.
    pub agent: String,
    /// What the feed says of it.
    pub body: Value,
    /// The approval that it is about, while there is one.
    pub approval: Option<Box<Approval>>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Notifications {
    pub items: Vec<Notification>,
    /// Where to go on; before the position that was asked for where the feed ends earlier by now.
    pub through: u64,
    pub more: bool,
}

const AFTER: &str = "
    SELECT f.position, f.conversation_id, f.at, f.kind, f.body, c.agent
    FROM feed f JOIN conversations c ON c.id = f.conversation_id
    WHERE f.workspace_id = :workspace_id AND f.position > :after
      AND f.kind IN ('approval.requested', 'approval.decided', 'approval.closed', 'turn.finished')
    ORDER BY f.position LIMIT :limit";

const APPROVAL: &str = "SELECT id, body FROM approvals WHERE id = :id";

impl Store {
    /// Approvals and finished turns behind a position of the feed. For the server itself: nobody is shown them
    /// without a check of their rights, or without an admin who asked for them.
    pub async fn notifications(
        &self,
        workspace_id: WorkspaceId,
        after: u64,
        limit: usize,
    ) -> Result<Notifications, Error> {
        self.read(move |tx| read(tx, workspace_id, after, limit)).await
    }
}

fn read(
    tx: &Connection,
    workspace_id: WorkspaceId,
    after: u64,
    limit: usize,
) -> Result<Notifications, Error> {
    let end = super::feed::position(tx)?;
    // A restored database knows nothing of what came after it was copied.
    let after = after.min(end);
    let mut statement = tx.prepare_cached(AFTER)?;
    let mut rows = statement.query(named_params! {
        ":workspace_id": workspace_id.as_bytes(),
        ":after": after.cast_signed(),
        ":limit": i64::try_from(limit).unwrap_or(i64::MAX),
    })?;
    let mut items = Vec::new();
    while let Some(row) = rows.next()? {
        let row = Row::new(row, "feed", "position");
        let body: Value = row.json("body")?;
        items.push(Notification {
            position: row.number("position")?,
            at: row.at("at")?,
            kind: row.get("kind")?,
            conversation_id: row.id("conversation_id")?,
            agent: row.get("agent")?,
            approval: approval(tx, &body)?.map(Box::new),
            body,
        });
    }
    let more = items.len() >= limit;
    let through = if more { items.last().map_or(after, |last| last.position) } else { end };
    Ok(Notifications { items, through, more })
}

fn approval(tx: &Connection, body: &Value) -> Result<Option<Approval>, Error> {
    let id = body.get("approval_id").and_then(Value::as_str).and_then(|id| id.parse::<ApprovalId>().ok());
    let Some(id) = id else { return Ok(None) };
    let found = tx.prepare_cached(APPROVAL)?.query_row(named_params! {":id": id.as_bytes()}, |row| {
        Ok(Row::new(row, "approvals", "id").json("body"))
    });
    found.optional()?.transpose()
}
