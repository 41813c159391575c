//! One conversation, by its id or its name, for those who may see it.

use rusqlite::{Connection, OptionalExtension, named_params};
use serde_json::Value;

use super::approval;
use super::lineage;
use super::turn::{self, TurnRow};
use crate::chat::approval::Approval;
use crate::chat::conversation::ConversationInfo;
use crate::chat::event::Seq;
use crate::clock::Timestamp;
use crate::id::{CallId, ConversationId, MessageId, TurnId};
use crate::scope::Scope;
use crate::store::Store;
use crate::store::apply::info_from_row;
use crate::store::error::Error;
use crate::store::row::Row;

#[derive(Debug, Clone, PartialEq)]
pub struct ConversationRow {
    pub info: ConversationInfo,
    pub head: Option<MessageId>,
    /// The last message or end of a turn.
    pub active_at: Timestamp,
    /// A turn is queued, runs or waits.
    pub running: bool,
    pub state: Option<Value>,
    /// Where it was forked off.
    pub origin_id: Option<ConversationId>,
    pub fork_message_id: Option<MessageId>,
}

/// What stands under `(agent, name)`.
#[derive(Debug, Clone, PartialEq)]
pub enum Named {
    Found(Box<ConversationRow>),
    /// Someone else's private conversation has the name.
    Hidden,
    Free,
}

/// A conversation and what is going on in it, at one position of its log.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    pub conversation: ConversationRow,
    /// Running and waiting ones, then the queue in its order.
    pub turns: Vec<TurnRow>,
    /// The last structural event that is folded in.
    pub pending_approvals: Vec<Approval>,
    pub position: Seq,
}

macro_rules! columns {
    () => {
        "c.id, c.workspace_id, c.created_by, c.agent, c.name, c.title, c.visibility, c.settings, c.metadata, c.archived,
         c.created_at, c.parent, c.head, c.active_at, c.state, c.origin_id, c.fork_message_id,
         EXISTS (SELECT 1 FROM turns t
                 WHERE t.conversation_id = c.id AND t.state IN ('queued', 'running', 'waiting')) AS running"
    };
}
pub(super) use columns;

macro_rules! may_read {
    () => {
        "c.workspace_id = :workspace_id AND c.deleted_at IS NULL
         AND (c.visibility = 'workspace' OR c.created_by = :user_id)"
    };
}
pub(super) use may_read;

const BY_ID: &str =
    concat!("SELECT ", columns!(), " FROM conversations c WHERE c.id = :id AND ", may_read!());

const INFO: &str =
    concat!("SELECT ", columns!(), " FROM conversations c WHERE c.id = :id AND c.deleted_at IS NULL");

const READABLE: &str = concat!("SELECT 1 FROM conversations c WHERE c.id = :id AND ", may_read!());

const BY_NAME: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM conversations c
      WHERE c.workspace_id = :workspace_id AND c.agent = :agent AND c.name = :name AND c.deleted_at IS NULL"
);

impl Store {
    pub async fn conversation(
        &self,
        scope: &Scope,
        id: ConversationId,
    ) -> Result<Option<ConversationRow>, Error> {
        let scope = scope.clone();
        self.read(move |tx| find(tx, &scope, id)).await
    }

    pub async fn conversation_named(&self, scope: &Scope, agent: &str, name: &str) -> Result<Named, Error> {
        let (scope, agent, name) = (scope.clone(), agent.to_owned(), name.to_owned());
        self.read(move |tx| named(tx, &scope, &agent, &name)).await
    }

    /// What the conversation is, for the server itself; `None` where it is deleted or was never there.
    pub async fn info(&self, id: ConversationId) -> Result<Option<ConversationInfo>, Error> {
        self.read(move |tx| {
            let mut statement = tx.prepare_cached(INFO)?;
            let mut rows = statement.query(named_params! {":id": id.as_bytes()})?;
            Ok(rows.next()?.map(from_row).transpose()?.map(|row| row.info))
        })
        .await
    }

    /// Whether a turn is queued, runs or waits.
    pub async fn is_unfinished(&self, id: TurnId) -> Result<bool, Error> {
        const UNFINISHED: &str = "SELECT EXISTS (SELECT 1 FROM turns WHERE id = :id AND state IN ('queued', 'running', 'waiting'))";
        self.read(move |tx| {
            Ok(tx
                .prepare_cached(UNFINISHED)?
                .query_row(named_params! {":id": id.as_bytes()}, |row| row.get(0))?)
        })
        .await
    }

    /// Calls that have ended while another agent still works on them.
    pub async fn abandoned_work(&self) -> Result<Vec<CallId>, Error> {
        const ABANDONED: &str = "
            SELECT c.id FROM conversations c JOIN turns t ON t.id = c.id
            WHERE c.parent IS NOT NULL AND c.deleted_at IS NULL AND t.state IN ('queued', 'running', 'waiting')
              AND NOT EXISTS (SELECT 1 FROM calls k WHERE k.id = c.id AND k.state = 'started')";
        self.read(move |tx| {
            let mut statement = tx.prepare_cached(ABANDONED)?;
            let ids = statement.query_map([], |row| row.get(0).map(CallId::from_bytes))?;
            Ok(ids.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Conversations that worked for a call that is gone.
    pub async fn orphaned_conversations(&self) -> Result<Vec<ConversationId>, Error> {
        const ORPHANS: &str = "
            SELECT c.id FROM conversations c
            WHERE c.parent IS NOT NULL AND c.deleted_at IS NULL
              AND NOT EXISTS (SELECT 1 FROM calls k WHERE k.id = c.id)";
        self.read(move |tx| {
            let mut statement = tx.prepare_cached(ORPHANS)?;
            let ids = statement.query_map([], |row| row.get(0).map(ConversationId::from_bytes))?;
            Ok(ids.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// The last structural event of a log: its end, where nothing is streaming.
    pub async fn position(&self, id: ConversationId) -> Result<Seq, Error> {
        self.read(move |tx| position(tx, id)).await
    }

    /// How many conversations one goes back to, fork by fork.
    pub async fn generations(&self, id: ConversationId) -> Result<usize, Error> {
        self.read(move |tx| lineage::generations(tx, id)).await
    }

    pub async fn snapshot(&self, scope: &Scope, id: ConversationId) -> Result<Option<Snapshot>, Error> {
        let scope = scope.clone();
        self.read(move |tx| {
            let Some(conversation) = find(tx, &scope, id)? else { return Ok(None) };
            let turns = turn::unfinished_of(tx, id)?;
            let pending_approvals = approval::pending_of(tx, id)?;
            Ok(Some(Snapshot { conversation, turns, pending_approvals, position: position(tx, id)? }))
        })
        .await
    }
}

pub(super) fn find(
    tx: &Connection,
    scope: &Scope,
    id: ConversationId,
) -> Result<Option<ConversationRow>, Error> {
    if !scope.reaches(id) {
        return Ok(None);
    }
    let mut statement = tx.prepare_cached(BY_ID)?;
    let mut rows = statement.query(named_params! {
        ":id": id.as_bytes(), ":workspace_id": scope.workspace_id.as_bytes(), ":user_id": scope.user_id.as_bytes()})?;
    rows.next()?.map(from_row).transpose()
}

/// Whether the scope sees the conversation.
pub(super) fn readable(tx: &Connection, scope: &Scope, id: ConversationId) -> Result<bool, Error> {
    if !scope.reaches(id) {
        return Ok(false);
    }
    let found = tx
        .prepare_cached(READABLE)?
        .query_row(
            named_params! {":id": id.as_bytes(), ":workspace_id": scope.workspace_id.as_bytes(),
            ":user_id": scope.user_id.as_bytes()},
            |_| Ok(()),
        )
        .optional()?;
    Ok(found.is_some())
}

fn named(tx: &Connection, scope: &Scope, agent: &str, name: &str) -> Result<Named, Error> {
    let mut statement = tx.prepare_cached(BY_NAME)?;
    let mut rows = statement.query(named_params! {
    ":workspace_id": scope.workspace_id.as_bytes(), ":agent": agent, ":name": name})?;
    let Some(row) = rows.next()? else { return Ok(Named::Free) };
    let row = from_row(row)?;
    Ok(match readable(tx, scope, row.info.id)? {
        true => Named::Found(Box::new(row)),
        false => Named::Hidden,
    })
}

pub(super) fn from_row(row: &rusqlite::Row<'_>) -> Result<ConversationRow, Error> {
    let row = Row::new(row, "conversations", "id");
    Ok(ConversationRow {
        info: info_from_row(&row)?,
        head: row.opt_id("head")?,
        active_at: row.at("active_at")?,
        running: row.get("running")?,
        state: row.opt_json("state")?,
        origin_id: row.opt_id("origin_id")?,
        fork_message_id: row.opt_id("fork_message_id")?,
    })
}

const POSITION: &str = "SELECT coalesce(max(seq), 0) FROM events WHERE conversation_id = :id";

/// The last structural event of a log.
pub(super) fn position(tx: &Connection, id: ConversationId) -> Result<Seq, Error> {
    let seq: i64 =
        tx.prepare_cached(POSITION)?.query_row(named_params! {":id": id.as_bytes()}, |row| row.get(0))?;
    Ok(Seq(seq.unsigned_abs()))
}

/// The conversation of a turn, if the scope sees it.
pub(super) fn of_turn(tx: &Connection, scope: &Scope, id: TurnId) -> Result<Option<ConversationId>, Error> {
    const OF_TURN: &str = "SELECT conversation_id FROM turns WHERE id = :id";
    let found: Option<[u8; 16]> = tx
        .prepare_cached(OF_TURN)?
        .query_row(named_params! {":id": id.as_bytes()}, |row| row.get(0))
        .optional()?;
    let Some(conversation_id) = found.map(ConversationId::from_bytes) else { return Ok(None) };
    Ok(readable(tx, scope, conversation_id)?.then_some(conversation_id))
}
