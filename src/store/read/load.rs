//! What an actor needs to take a conversation up again. Without a scope: callers are inside.

use rusqlite::{Connection, named_params};

use super::conversation::position;
use crate::chat::conversation::ConversationInfo;
use crate::chat::event::{Event, Seq};
use crate::id::{ConversationId, MessageId};
use crate::store::Store;
use crate::store::apply::info_from_row;
use crate::store::error::Error;
use crate::store::row::Row;
use crate::store::tails::{self, OpenTail};

#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    pub info: ConversationInfo,
    pub head: Option<MessageId>,
    /// The end of the log, streamed text included.
    pub last_seq: Seq,
    /// The last structural event.
    pub position: Seq,
    /// The events of unfinished turns, and of the queue since then, in the log's order.
    pub events: Vec<(Seq, Event)>,
    /// Messages that were streaming when the last process ended, with their text.
    pub open: Vec<OpenTail>,
}

const CONVERSATION: &str = "
    SELECT id, workspace_id, created_by, agent, name, title, visibility, settings, metadata, archived,
        created_at, parent, head
    FROM conversations WHERE id = :id AND deleted_at IS NULL";

const EVENTS: &str = "
    SELECT conversation_id, seq, body FROM events
    WHERE conversation_id = :id
      AND seq >= (SELECT min(first_seq) FROM turns
                  WHERE conversation_id = :id AND state IN ('queued', 'running', 'waiting'))
      AND CASE WHEN turn_id IS NULL THEN body ->> 'type' = 'queue.changed'
          ELSE turn_id IN (SELECT id FROM turns
                           WHERE conversation_id = :id AND state IN ('queued', 'running', 'waiting')) END
    ORDER BY seq";

impl Store {
    /// `None` where there is no such conversation, or it was deleted.
    pub async fn load(&self, id: ConversationId) -> Result<Option<Loaded>, Error> {
        let recovered = self.inner.shared.recovered.get(id);
        self.read(move |tx| load(tx, id, recovered)).await
    }

    /// The text of messages that are streaming. After a start this is what the last process left, until they
    /// complete; otherwise the journal is read for it, which is slow: the actor has it in memory.
    pub async fn open_messages(&self, id: ConversationId) -> Result<Vec<OpenTail>, Error> {
        match self.inner.shared.recovered.get(id) {
            Some(open) => Ok(open),
            None => self.read(move |tx| open_messages(tx, id)).await,
        }
    }
}

fn load(
    tx: &Connection,
    id: ConversationId,
    recovered: Option<Vec<OpenTail>>,
) -> Result<Option<Loaded>, Error> {
    let mut statement = tx.prepare_cached(CONVERSATION)?;
    let mut rows = statement.query(named_params! {":id": id.as_bytes()})?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let row = Row::new(row, "conversations", "id");
    let (info, head) = (info_from_row(&row)?, row.opt_id("head")?);
    let open = recovered.map_or_else(|| open_messages(tx, id), Ok)?;
    let streamed = open.iter().map(OpenTail::seq).max().unwrap_or_default();
    let position = position(tx, id)?;
    let last_seq = position.max(streamed);
    Ok(Some(Loaded { info, head, last_seq, position, events: events(tx, id)?, open }))
}

fn open_messages(tx: &Connection, id: ConversationId) -> Result<Vec<OpenTail>, Error> {
    let mut open: Vec<_> = tails::gather(tx, Some(id))?.into_values().map(|gathered| gathered.tail).collect();
    open.sort_by_key(|tail| tail.message_id);
    Ok(open)
}

fn events(tx: &Connection, id: ConversationId) -> Result<Vec<(Seq, Event)>, Error> {
    let mut statement = tx.prepare_cached(EVENTS)?;
    let mut rows = statement.query(named_params! {":id": id.as_bytes()})?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        let row = Row::new(row, "events", "seq");
        events.push((row.seq("seq")?, row.json("body")?));
    }
    Ok(events)
}

const UNFINISHED: &str = "
    SELECT DISTINCT conversation_id FROM turns
    WHERE state IN ('queued', 'running', 'waiting') ORDER BY conversation_id";

pub(in crate::store) fn unfinished(tx: &Connection) -> Result<Vec<ConversationId>, Error> {
    let mut statement = tx.prepare(UNFINISHED)?;
    let mut rows = statement.query([])?;
    let mut ids = Vec::new();
    while let Some(row) = rows.next()? {
        ids.push(Row::new(row, "turns", "conversation_id").id("conversation_id")?);
    }
    Ok(ids)
}
