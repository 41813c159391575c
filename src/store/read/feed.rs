//! The feed: what changed for one person across conversations, by that person's present rights.

use rusqlite::{Connection, OptionalExtension, named_params};

use super::conversation::may_read;
use crate::clock::Timestamp;
use crate::id::ConversationId;
use crate::scope::Scope;
use crate::store::Store;
use crate::store::error::Error;
use crate::store::row::Row;

#[derive(Debug, Clone, PartialEq)]
pub struct FeedItem {
    pub position: u64,
    pub conversation_id: ConversationId,
    pub at: Timestamp,
    /// `conversation.listed`, `conversation.unlisted`, `turn.finished`.
    pub kind: String,
    /// JSON text: what else the item carries.
    pub body: String,
}

#[derive(Debug, Clone, PartialEq)]
pub enum FeedPage {
    Items {
        items: Vec<FeedItem>,
        /// Where to go on. It moves also where nothing was for the caller.
        through: u64,
        /// Ask again at once.
        more: bool,
    },
    /// What came after the cursor is partly gone, or the cursor is past the end: reload and follow from here.
    Resync { position: u64 },
}

/// Rows that one read looks at, at most.
const SCAN: usize = 1000;

const POSITION: &str = "SELECT value FROM meta WHERE key = 'feed'";
const TRIMMED: &str = "SELECT value FROM meta WHERE key = 'feed_trimmed'";

const AFTER: &str = concat!(
    "SELECT f.position, f.conversation_id, f.at, f.kind, f.body,
            CASE f.audience
                WHEN 'readers' THEN ",
    may_read!(),
    "           WHEN 'creator' THEN c.created_by = :user_id
                WHEN 'others' THEN c.created_by <> :user_id
                WHEN 'deciders' THEN c.created_by = :user_id OR (c.visibility = 'workspace' AND :role >= 1)
                WHEN 'deciders:viewer' THEN 1
                WHEN 'deciders:member' THEN :role >= 1
                WHEN 'deciders:admin' THEN :role >= 2
                WHEN 'deciders:owner' THEN :role >= 3
                ELSE 1 END AS shown
      FROM feed f JOIN conversations c ON c.id = f.conversation_id
      WHERE f.workspace_id = :workspace_id AND f.position > :after
      ORDER BY f.position LIMIT :scan"
);

impl Store {
    /// Where the feed of this node ends.
    pub async fn feed_position(&self) -> Result<u64, Error> {
        self.read(position).await
    }

    pub async fn feed(&self, scope: &Scope, after: u64, limit: usize) -> Result<FeedPage, Error> {
        let scope = scope.clone();
        self.read(move |tx| page(tx, &scope, after, limit)).await
    }
}

pub(super) fn position(tx: &Connection) -> Result<u64, Error> {
    number(tx, POSITION)
}

fn number(tx: &Connection, sql: &str) -> Result<u64, Error> {
    let value: Option<i64> = tx.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()?;
    Ok(value.unwrap_or(0).unsigned_abs())
}

fn page(tx: &Connection, scope: &Scope, after: u64, limit: usize) -> Result<FeedPage, Error> {
    let end = position(tx)?;
    if after < number(tx, TRIMMED)? || after > end {
        return Ok(FeedPage::Resync { position: end });
    }
    let mut statement = tx.prepare_cached(AFTER)?;
    let mut rows = statement.query(named_params! {
        ":workspace_id": scope.workspace_id.as_bytes(),
        ":user_id": scope.user_id.as_bytes(),
        ":after": after.cast_signed(),
        ":role": scope.role as i64,
        ":scan": SCAN as i64,
    })?;
    let (mut items, mut through, mut seen) = (Vec::new(), after, 0);
    while let Some(row) = rows.next()? {
        if items.len() >= limit {
            return Ok(FeedPage::Items { items, through, more: true });
        }
        let row = Row::new(row, "feed", "position");
        seen += 1;
        through = row.number("position")?;
        if row.get("shown")? && scope.reaches(row.id("conversation_id")?) {
            items.push(FeedItem {
                position: through,
                conversation_id: row.id("conversation_id")?,
                at: row.at("at")?,
                kind: row.get("kind")?,
                body: row.get("body")?,
            });
        }
    }
    match seen {
        SCAN => Ok(FeedPage::Items { items, through, more: true }),
        _ => Ok(FeedPage::Items { items, through: end, more: false }),
    }
}
