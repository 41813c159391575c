//! Turns: their state, and the messages that they made.

use rusqlite::{Connection, named_params};

use super::conversation;
use super::message;
use crate::chat::event::{Problem, Seq, WaitingFor};
use crate::chat::message::{Call, Message, Usage};
use crate::chat::turn::{QueuedTurn, TurnRequest, TurnState};
use crate::clock::Timestamp;
use crate::id::{ConversationId, MessageId, TurnId};
use crate::scope::Scope;
use crate::store::Store;
use crate::store::error::Error;
use crate::store::row::Row;

#[derive(Debug, Clone, PartialEq)]
pub struct TurnRow {
    pub id: TurnId,
    pub conversation_id: ConversationId,
    pub state: TurnState,
    pub request: TurnRequest,
    pub input_id: MessageId,
    pub lane: TurnId,
    /// 0 while it is queued.
    pub attempt: u32,
    pub waiting_for: Option<WaitingFor>,
    /// The whole send, while it is queued.
    pub queued: Option<QueuedTurn>,
    /// Lower ones start first.
    pub queue_position: Option<i64>,
    /// The position of its first event, and of its last one once it has ended.
    pub first_seq: Seq,
    pub last_seq: Option<Seq>,
    pub queued_at: Option<Timestamp>,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub problem: Option<Problem>,
    /// Of a completed turn.
    pub usage: Option<Usage>,
    pub steered_into: Option<TurnId>,
}

macro_rules! columns {
    () => {
        "id, conversation_id, state, request, input_id, lane, attempt, waiting_for, queued, queue_position, first_seq,
         last_seq, queued_at, started_at, ended_at, problem, usage, steered_into"
    };
}

const BY_ID: &str = concat!("SELECT ", columns!(), " FROM turns WHERE id = :id");

const UNFINISHED: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM turns WHERE conversation_id = :id AND state IN ('queued', 'running', 'waiting')
      ORDER BY queue_position NULLS FIRST, first_seq"
);

impl Store {
    pub async fn turn(&self, scope: &Scope, id: TurnId) -> Result<Option<TurnRow>, Error> {
        let scope = scope.clone();
        self.read(move |tx| match conversation::of_turn(tx, &scope, id)? {
            Some(_) => by_id(tx, id),
            None => Ok(None),
        })
        .await
    }

    /// The messages of a turn and their calls, oldest first.
    pub async fn turn_messages(
        &self,
        scope: &Scope,
        id: TurnId,
    ) -> Result<Option<Vec<(Message, Vec<Call>)>>, Error> {
        let scope = scope.clone();
        self.read(move |tx| match conversation::of_turn(tx, &scope, id)? {
            Some(_) => message::of_turn(tx, id).map(Some),
            None => Ok(None),
        })
        .await
    }
}

fn by_id(tx: &Connection, id: TurnId) -> Result<Option<TurnRow>, Error> {
    let mut statement = tx.prepare_cached(BY_ID)?;
    let mut rows = statement.query(named_params! {":id": id.as_bytes()})?;
    rows.next()?.map(from_row).transpose()
}

/// Running and waiting turns, then the queue in its order.
pub(super) fn unfinished_of(tx: &Connection, id: ConversationId) -> Result<Vec<TurnRow>, Error> {
    let mut statement = tx.prepare_cached(UNFINISHED)?;
    let mut rows = statement.query(named_params! {":id": id.as_bytes()})?;
    let mut turns = Vec::new();
    while let Some(row) = rows.next()? {
        turns.push(from_row(row)?);
    }
    Ok(turns)
}

fn from_row(row: &rusqlite::Row<'_>) -> Result<TurnRow, Error> {
    let row = Row::new(row, "turns", "id");
    Ok(TurnRow {
        id: row.id("id")?,
        conversation_id: row.id("conversation_id")?,
        state: row.word("state")?,
        request: row.json("request")?,
        input_id: row.id("input_id")?,
        lane: row.id("lane")?,
        attempt: row.number("attempt")?,
        waiting_for: row.opt_word("waiting_for")?,
        queued: row.opt_json("queued")?,
        queue_position: row.get("queue_position")?,
        first_seq: row.seq("first_seq")?,
        last_seq: row.opt_seq("last_seq")?,
        queued_at: row.opt_at("queued_at")?,
        started_at: row.opt_at("started_at")?,
        ended_at: row.opt_at("ended_at")?,
        problem: row.opt_json("problem")?,
        usage: row.opt_json("usage")?,
        steered_into: row.opt_id("steered_into")?,
    })
}
