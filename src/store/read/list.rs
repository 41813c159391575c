//! Lists of conversations: those that the scope sees, newest activity first.

use std::str::FromStr;

use rusqlite::{Connection, named_params};

use super::conversation::{self, ConversationRow, columns};
use super::feed;
use crate::clock::Timestamp;
use crate::id::ConversationId;
use crate::scope::Scope;
use crate::store::Store;
use crate::store::error::Error;

/// What a list is narrowed to; what is absent narrows nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    pub agent: Option<String>,
    pub name: Option<String>,
    pub archived: Option<bool>,
    pub running: Option<bool>,
    pub updated_since: Option<Timestamp>,
    /// `(key, value)` pairs that the metadata has at its top level; a number or a boolean is compared as its JSON text.
    pub metadata: Vec<(String, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest {
    pub limit: usize,
    pub after: Option<ListCursor>,
}

/// The last conversation of a page. Opaque to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListCursor {
    active_at: Timestamp,
    id: ConversationId,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ListPage {
    pub conversations: Vec<ConversationRow>,
    pub next: Option<ListCursor>,
    /// Where to follow the feed from, so that no later change is missed.
    pub feed_cursor: u64,
}

macro_rules! arm {
    ($readable:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM conversations c
              WHERE c.deleted_at IS NULL AND c.workspace_id = :workspace_id AND ",
            $readable,
            " AND (c.active_at, c.id) < (:active_at, :id)
              AND c.active_at >= :since
              AND (:only IS NULL OR hex(c.id) IN (SELECT value FROM json_each(:only)))
              AND (:agent IS NULL OR c.agent = :agent)
              AND c.parent IS NULL
              AND (:name IS NULL OR c.name = :name)
              AND (:archived IS NULL OR c.archived = :archived)
              AND (:running IS NULL OR :running = EXISTS (
                  SELECT 1 FROM turns t
                  WHERE t.conversation_id = c.id AND t.state IN ('queued', 'running', 'waiting')))
              AND NOT EXISTS (
                  SELECT 1 FROM json_each(:metadata) AS wanted
                  WHERE NOT EXISTS (
                      SELECT 1 FROM json_each(coalesce(c.metadata, '{}')) AS had
                      WHERE had.key = wanted.value ->> 0
                        AND wanted.value ->> 1 = CASE had.type
                            WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' WHEN 'null' THEN 'null'
                            ELSE CAST(had.atom AS TEXT) END))"
        )
    };
}

// Two index walks, merged: one's own conversations, and others' that are shared.
const LIST: &str = concat!(
    arm!("c.created_by = :user_id"),
    " UNION ALL ",
    arm!("c.visibility = 'workspace' AND c.created_by <> :user_id"),
    " ORDER BY active_at DESC, id DESC LIMIT :limit"
);

impl Store {
    pub async fn conversations(
        &self,
        scope: &Scope,
        filter: Filter,
        page: PageRequest,
    ) -> Result<ListPage, Error> {
        let scope = scope.clone();
        self.read(move |tx| list(tx, &scope, &filter, page)).await
    }
}

fn list(tx: &Connection, scope: &Scope, filter: &Filter, page: PageRequest) -> Result<ListPage, Error> {
    let feed_cursor = feed::position(tx)?;
    let (active_at, id) = match &page.after {
        Some(cursor) => (cursor.active_at.millis(), *cursor.id.as_bytes()),
        None => (i64::MAX, [0xff; 16]),
    };
    let metadata = serde_json::to_string(&filter.metadata).expect("pairs of strings serialise");
    let hex = |id: &ConversationId| data_encoding::HEXUPPER.encode(id.as_bytes());
    let only = scope.only.as_ref().map(|only| only.iter().map(hex).collect::<Vec<_>>());
    let only = only.map(|only| serde_json::to_string(&only).expect("strings serialise"));
    let mut statement = tx.prepare_cached(LIST)?;
    let mut rows = statement.query(named_params! {
        ":workspace_id": scope.workspace_id.as_bytes(),
        ":user_id": scope.user_id.as_bytes(),
        ":active_at": active_at,
        ":id": id,
        ":since": filter.updated_since.map_or(i64::MIN, Timestamp::millis),
        ":only": only,
        ":agent": filter.agent,
        ":name": filter.name,
        ":archived": filter.archived,
        ":running": filter.running,
        ":metadata": metadata,
        ":limit": i64::try_from(page.limit).unwrap_or(i64::MAX).saturating_add(1),
    })?;
    let mut conversations = Vec::new();
    while let Some(row) = rows.next()? {
        conversations.push(conversation::from_row(row)?);
    }
    let more = conversations.len() > page.limit;
    conversations.truncate(page.limit);
    let next = conversations
        .last()
        .filter(|_| more)
        .map(|last| ListCursor { active_at: last.active_at, id: last.info.id });
    Ok(ListPage { conversations, next, feed_cursor })
}

impl std::fmt::Display for ListCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.active_at.millis(), self.id)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not the `next` of a list")]
pub struct InvalidListCursor;

impl FromStr for ListCursor {
    type Err = InvalidListCursor;

    fn from_str(text: &str) -> Result<Self, InvalidListCursor> {
        let (active_at, id) = text.split_once('.').ok_or(InvalidListCursor)?;
        let active_at = active_at.parse().map(Timestamp::from_millis).map_err(|_| InvalidListCursor)?;
        Ok(Self { active_at, id: id.parse().map_err(|_| InvalidListCursor)? })
    }
}
