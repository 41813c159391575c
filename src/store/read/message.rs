//! Messages with their parts and calls, as rows make them.

use rusqlite::{Connection, named_params};

use super::lineage;
use crate::chat::event::Seq;
use crate::chat::message::{Call, Message, MessageStatus, Part, StoredPart};
use crate::id::{CallId, ConversationId, MessageId, TurnId};
use crate::store::error::Error;
use crate::store::row::Row;
use crate::store::tree::{self, Node};

macro_rules! columns {
    () => {
        "id, conversation_id, parent_id, depth, jump_id, role, status, turn_id, step, attempt, model, finish_reason,
         usage, metadata, created_at, seq"
    };
}

const BY_ID: &str = concat!("SELECT ", columns!(), " FROM messages WHERE id = :id");
const OF_TURN: &str =
    concat!("SELECT ", columns!(), " FROM messages WHERE turn_id = :turn_id ORDER BY depth, created_at, id");

/// A message's row, its parts left out.
pub(super) struct Found {
    pub node: Node,
    pub seq: Seq,
    pub message: Message,
}

pub(super) fn by_id(tx: &Connection, id: MessageId) -> Result<Option<Found>, Error> {
    let mut statement = tx.prepare_cached(BY_ID)?;
    let mut rows = statement.query(named_params! {":id": id.as_bytes()})?;
    rows.next()?.map(from_row).transpose()
}

/// The parent, which is there.
pub(super) fn linked(tx: &Connection, parent: MessageId, child: MessageId) -> Result<Found, Error> {
    by_id(tx, parent)?.ok_or_else(|| Error::Corrupt {
        table: "messages",
        column: "parent_id",
        key: child.to_string(),
    })
}

fn from_row(row: &rusqlite::Row<'_>) -> Result<Found, Error> {
    let row = Row::new(row, "messages", "id");
    let (id, parent_id) = (row.id("id")?, row.opt_id("parent_id")?);
    let node = Node {
        id,
        conversation_id: row.id("conversation_id")?,
        parent_id,
        depth: row.number("depth")?,
        jump_id: row.id("jump_id")?,
    };
    let message = Message {
        id,
        parent_id,
        role: row.word("role")?,
        status: row.word("status")?,
        parts: Vec::new(),
        turn_id: row.opt_id("turn_id")?,
        step: row.opt_number("step")?,
        attempt: row.opt_number("attempt")?,
        model: row.get("model")?,
        finish_reason: row.opt_word("finish_reason")?,
        usage: row.opt_json("usage")?,
        metadata: row.opt_json("metadata")?,
        created_at: row.at("created_at")?,
    };
    Ok(Found { node, seq: row.seq("seq")?, message })
}

impl Found {
    /// The whole message. Of a streaming one the parts are there without their text.
    pub fn with_parts(self, tx: &Connection) -> Result<Message, Error> {
        let parts = parts(tx, self.message.id)?.into_iter().map(|stored| stored.part).collect();
        Ok(Message { parts, ..self.message })
    }

    pub fn is_streaming(&self) -> bool {
        self.message.status == MessageStatus::Streaming
    }
}

const PARTS: &str = "SELECT message_id, data, text, opaque FROM parts WHERE message_id = :id ORDER BY idx";

pub(super) fn parts(tx: &Connection, id: MessageId) -> Result<Vec<StoredPart>, Error> {
    let mut statement = tx.prepare_cached(PARTS)?;
    let mut rows = statement.query(named_params! {":id": id.as_bytes()})?;
    let mut parts = Vec::new();
    while let Some(row) = rows.next()? {
        let row = Row::new(row, "parts", "message_id");
        let head: Part = row.json("data")?;
        parts
            .push(StoredPart { part: head.with_streamed(row.get("text")?), opaque: row.opt_json("opaque")? });
    }
    Ok(parts)
}

macro_rules! call_columns {
    () => {
        "SELECT id, message_id, turn_id, tool, args_text, state, output, error, rule, retry_of, child_id, progress,
         question, resolved, seq FROM calls"
    };
}

const CALLS: &str = concat!(call_columns!(), " WHERE message_id = :id ORDER BY id");
const CALL: &str = concat!(call_columns!(), " WHERE id = :id");

/// The calls of a message, as they are in `id`. A fork has those of its origin as they were when it was made: one of
/// which nobody knew yet how it ends goes on in the origin alone.
pub(super) fn calls(tx: &Connection, id: ConversationId, message: &Node) -> Result<Vec<Call>, Error> {
    let inherited = message.conversation_id != id;
    let as_of = lineage::as_of(tx, id, message.conversation_id)?;
    let mut statement = tx.prepare_cached(CALLS)?;
    let mut rows = statement.query(named_params! {":id": message.id.as_bytes()})?;
    let mut calls = Vec::new();
    while let Some(row) = rows.next()? {
        let (call, seq): (Call, i64) = (call_from_row(row)?, row.get("seq")?);
        let has_ended = call.state.is_terminal() && !call.is_unresolved();
        match (inherited && !(has_ended && seq <= as_of), call.retry_of) {
            (false, _) => calls.push(call),
            (true, None) => calls.push(left_open(tx, call)?),
            (true, Some(_)) => {}
        }
    }
    Ok(calls)
}

/// What a fork knows of a call that was open when it was made.
fn left_open(tx: &Connection, call: Call) -> Result<Call, Error> {
    let proposed = parts(tx, call.message_id)?.into_iter().find_map(|stored| match stored.part {
        Part::ToolCall { call_id, args_text, .. } if call_id == call.id => Some(args_text),
        _ => None,
    });
    Ok(call.left_open(proposed.unwrap_or_default()))
}

pub(in crate::store) fn call(tx: &Connection, id: CallId) -> Result<Option<Call>, Error> {
    let mut statement = tx.prepare_cached(CALL)?;
    let mut rows = statement.query(named_params! {":id": id.as_bytes()})?;
    rows.next()?.map(call_from_row).transpose()
}

fn call_from_row(row: &rusqlite::Row<'_>) -> Result<Call, Error> {
    let row = Row::new(row, "calls", "id");
    let args_text: String = row.get("args_text")?;
    Ok(Call {
        id: row.id("id")?,
        turn_id: row.id("turn_id")?,
        message_id: row.id("message_id")?,
        tool: row.get("tool")?,
        args: serde_json::from_str(&args_text).ok(),
        args_text,
        state: row.word("state")?,
        output: row.get("output")?,
        error: row.get("error")?,
        rule: row.get("rule")?,
        resolved: row.opt_word("resolved")?,
        retry_of: row.opt_id("retry_of")?,
        child_id: row.opt_id("child_id")?,
        progress: row.opt_json("progress")?,
        question: row.opt_json("question")?,
    })
}

pub(super) fn of_turn(tx: &Connection, id: TurnId) -> Result<Vec<(Message, Vec<Call>)>, Error> {
    let mut statement = tx.prepare_cached(OF_TURN)?;
    let mut rows = statement.query(named_params! {":turn_id": id.as_bytes()})?;
    let mut messages = Vec::new();
    while let Some(row) = rows.next()? {
        let found = from_row(row)?;
        if !tree::visible(tx, found.node.conversation_id, &found.node)? {
            continue;
        }
        let calls = calls(tx, found.node.conversation_id, &found.node)?;
        messages.push((found.with_parts(tx)?, calls));
    }
    Ok(messages)
}
