//! Ancestors in the message tree, in a logarithmic number of steps.
//!
//! Each message keeps a jump pointer, placed as in a skew-binary list (E. W. Myers, "An applicative random-access
//! stack", 1983): following it wherever it does not overshoot finds any ancestor in O(log depth) look-ups.

use rusqlite::{Connection, OptionalExtension, named_params};

use crate::id::{ConversationId, MessageId};
use crate::store::error::Error;
use crate::store::row::Row;

/// A message's place in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Node {
    pub id: MessageId,
    pub conversation_id: ConversationId,
    pub parent_id: Option<MessageId>,
    pub depth: u64,
    pub jump_id: MessageId,
}

const NODE: &str = "SELECT id, conversation_id, parent_id, depth, jump_id FROM messages WHERE id = :id";

pub(super) fn node(tx: &Connection, id: MessageId) -> Result<Option<Node>, Error> {
    let mut statement = tx.prepare_cached(NODE)?;
    let mut rows = statement.query(named_params! {":id": id.as_bytes()})?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let row = Row { row, table: "messages", key: "id" };
    Ok(Some(Node {
        id,
        conversation_id: row.id("conversation_id")?,
        parent_id: row.opt_id("parent_id")?,
        depth: row.number("depth")?,
        jump_id: row.id("jump_id")?,
    }))
}

/// A node that another one points at.
fn linked(tx: &Connection, id: MessageId, column: &'static str, from: MessageId) -> Result<Node, Error> {
    node(tx, id)?.ok_or_else(|| Error::Corrupt { table: "messages", column, key: from.to_string() })
}

/// The jump pointer of a new child of `parent`.
pub(super) fn jump_of_child(tx: &Connection, parent: &Node) -> Result<MessageId, Error> {
    let near = linked(tx, parent.jump_id, "jump_id", parent.id)?;
    let far = linked(tx, near.jump_id, "jump_id", near.id)?;
    Ok(match parent.depth - near.depth == near.depth - far.depth {
        true => far.id,
        false => parent.id,
    })
}

/// The ancestor of `from`, or `from` itself, at `depth`.
pub(super) fn ancestor(tx: &Connection, from: Node, depth: u64) -> Result<Option<Node>, Error> {
    if depth > from.depth {
        return Ok(None);
    }
    let mut at = from;
    while at.depth > depth {
        let jump = linked(tx, at.jump_id, "jump_id", at.id)?;
        at = match (jump.depth >= depth, at.parent_id) {
            (true, _) => jump,
            (false, Some(parent)) => linked(tx, parent, "parent_id", at.id)?,
            (false, None) => return Ok(None),
        };
    }
    Ok(Some(at))
}

const FORK_POINT: &str = "SELECT fork_message_id FROM conversations WHERE id = :id";

/// The message at which a conversation was forked off, if it was.
pub(super) fn fork_point(tx: &Connection, id: ConversationId) -> Result<Option<Node>, Error> {
    let found: Option<Option<[u8; 16]>> = tx
        .prepare_cached(FORK_POINT)?
        .query_row(named_params! {":id": id.as_bytes()}, |row| row.get(0))
        .optional()?;
    found.flatten().map_or(Ok(None), |bytes| node(tx, MessageId::from_bytes(bytes)))
}

/// Whether a conversation sees a message: it made it, or the message is on the path above its fork point.
pub(super) fn visible(
    tx: &Connection,
    conversation_id: ConversationId,
    message: &Node,
) -> Result<bool, Error> {
    if message.conversation_id == conversation_id {
        return Ok(true);
    }
    let Some(fork) = fork_point(tx, conversation_id)? else { return Ok(false) };
    Ok(ancestor(tx, fork, message.depth)?.is_some_and(|found| found.id == message.id))
}
