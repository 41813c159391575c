//! What is there of a conversation that an import brings.

use rusqlite::{Connection, OptionalExtension, named_params};

use super::conversation::position;
use crate::chat::event::{Event, Seq};
use crate::id::{ConversationId, MessageId};
use crate::scope::Scope;
use crate::store::Store;
use crate::store::error::Error;
use crate::store::row::Row;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Imported {
    Never,
    /// The person deleted it.
    Deleted,
    Here {
        head: Option<MessageId>,
        /// The end of the log, where nothing is streaming.
        last_seq: Seq,
        /// Those that it made itself.
        messages: Vec<MessageId>,
        /// Branches that the person deleted, by their first message.
        deleted: Vec<MessageId>,
        /// A turn is queued, runs or waits.
        busy: bool,
    },
}

const CONVERSATION: &str = "
    SELECT head, deleted_at IS NOT NULL,
           EXISTS (SELECT 1 FROM turns t
                   WHERE t.conversation_id = c.id AND t.state IN ('queued', 'running', 'waiting'))
    FROM conversations c
    WHERE id = :id AND workspace_id = :workspace_id AND created_by = :user_id";

const DELETED: &str = "
    SELECT body FROM events WHERE conversation_id = :id AND body ->> 'type' = 'branch.deleted'";

const MESSAGES: &str = "SELECT id FROM messages WHERE conversation_id = :id";

impl Store {
    /// Only of one's own: an import makes nothing else.
    pub async fn imported(&self, scope: &Scope, id: ConversationId) -> Result<Imported, Error> {
        let scope = scope.clone();
        self.read(move |tx| imported(tx, &scope, id)).await
    }
}

fn imported(tx: &Connection, scope: &Scope, id: ConversationId) -> Result<Imported, Error> {
    let found: Option<(Option<[u8; 16]>, bool, bool)> = tx
        .prepare_cached(CONVERSATION)?
        .query_row(
            named_params! {":id": id.as_bytes(), ":workspace_id": scope.workspace_id.as_bytes(),
            ":user_id": scope.user_id.as_bytes()},
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .optional()?;
    let (head, busy) = match found {
        None => return Ok(Imported::Never),
        Some((_, true, _)) => return Ok(Imported::Deleted),
        Some((head, false, busy)) => (head.map(MessageId::from_bytes), busy),
    };
    let messages = tx
        .prepare_cached(MESSAGES)?
        .query_map(named_params! {":id": id.as_bytes()}, |row| Ok(MessageId::from_bytes(row.get(0)?)))?
        .collect::<Result<_, _>>()?;
    Ok(Imported::Here { head, last_seq: position(tx, id)?, messages, deleted: deleted(tx, id)?, busy })
}

fn deleted(tx: &Connection, id: ConversationId) -> Result<Vec<MessageId>, Error> {
    let mut statement = tx.prepare_cached(DELETED)?;
    let mut rows = statement.query(named_params! {":id": id.as_bytes()})?;
    let mut deleted = Vec::new();
    while let Some(row) = rows.next()? {
        let row = Row::new(row, "events", "body");
        if let Event::BranchDeleted { message_id, .. } = row.json("body")? {
            deleted.push(message_id);
        }
    }
    Ok(deleted)
}
