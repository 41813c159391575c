//! A page of a conversation: messages on the path from a leaf to the root, and the siblings of each.

use rusqlite::{Connection, named_params};

use super::conversation::{self, position};
use super::message::{self, Found};
use crate::chat::event::Seq;
use crate::chat::message::{Call, Message};
use crate::id::{ConversationId, MessageId};
use crate::scope::Scope;
use crate::store::Store;
use crate::store::error::Error;
use crate::store::tree::{self, Node};

/// A page of the path that ends in `head`.
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    pub head: Option<MessageId>,
    /// Newest first.
    pub messages: Vec<PathMessage>,
    /// There are older ones.
    pub more: bool,
    /// The last structural event that is folded in.
    pub position: Seq,
}

#[derive(Debug, Clone, PartialEq)]
pub struct PathMessage {
    /// Of a streaming message the parts are there, their text is not: the conversation's actor has it.
    pub message: Message,
    /// The last position folded in; of a streaming message, that of the whole page.
    pub seq: Seq,
    pub siblings: Siblings,
    pub calls: Vec<Call>,
}

/// The visible messages with the same parent, this one among them, in the order in which they were made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Siblings {
    pub count: usize,
    pub index: usize,
    pub ids: Vec<MessageId>,
}

impl Store {
    /// `head`: the conversation's, unless given. `before`: only what is above that message. `None` where the
    /// conversation, or a message that was named, is not visible.
    pub async fn path(
        &self,
        scope: &Scope,
        id: ConversationId,
        head: Option<MessageId>,
        before: Option<MessageId>,
        limit: usize,
    ) -> Result<Option<Path>, Error> {
        let scope = scope.clone();
        self.read(move |tx| match conversation::find(tx, &scope, id)? {
            Some(row) => page(tx, id, head.or(row.head), before, limit),
            None => Ok(None),
        })
        .await
    }
}

fn page(
    tx: &Connection,
    id: ConversationId,
    head: Option<MessageId>,
    before: Option<MessageId>,
    limit: usize,
) -> Result<Option<Path>, Error> {
    let position = position(tx, id)?;
    let Some(leaf) = head else {
        let empty = Path { head: None, messages: Vec::new(), more: false, position };
        return Ok(before.is_none().then_some(empty));
    };
    let Some(start) = start(tx, id, leaf, before)? else { return Ok(None) };
    let fork = tree::fork_point(tx, id)?;
    let (mut messages, mut next) = (Vec::new(), start);
    while let Some(found) = next.take() {
        next = match found.node.parent_id {
            Some(parent) => Some(message::linked(tx, parent, found.node.id)?),
            None => None,
        };
        messages.push(path_message(tx, id, fork, found, position)?);
        if messages.len() >= limit {
            break;
        }
    }
    Ok(Some(Path { head, messages, more: next.is_some(), position }))
}

/// The newest message of the page: `Some(None)` where there is none above `before`.
#[expect(clippy::option_option, reason = "an invisible message is not an empty page")]
fn start(
    tx: &Connection,
    id: ConversationId,
    leaf: MessageId,
    before: Option<MessageId>,
) -> Result<Option<Option<Found>>, Error> {
    let Some(leaf) = message::by_id(tx, leaf)? else { return Ok(None) };
    if !tree::visible(tx, id, &leaf.node)? {
        return Ok(None);
    }
    let Some(before) = before else { return Ok(Some(Some(leaf))) };
    let Some(before) = tree::node(tx, before)? else { return Ok(None) };
    let on_path = tree::ancestor(tx, leaf.node, before.depth)?.is_some_and(|found| found.id == before.id);
    match (on_path, before.parent_id) {
        (false, _) => Ok(None),
        (true, None) => Ok(Some(None)),
        (true, Some(parent)) => Ok(Some(Some(message::linked(tx, parent, before.id)?))),
    }
}

fn path_message(
    tx: &Connection,
    id: ConversationId,
    fork: Option<Node>,
    found: Found,
    position: Seq,
) -> Result<PathMessage, Error> {
    let siblings = siblings(tx, id, fork, &found.node)?;
    let calls = message::calls(tx, id, &found.node)?;
    let seq = if found.is_streaming() { position } else { found.seq };
    Ok(PathMessage { message: found.with_parts(tx)?, seq, siblings, calls })
}

const CHILDREN: &str = "
    SELECT id FROM messages
    WHERE conversation_id = :id AND parent_id IS :parent_id
      AND id NOT IN (SELECT message_id FROM deleted_branches WHERE conversation_id = :id)
    ORDER BY id";

/// Those that the conversation made itself, and the one on the path above its fork point.
fn siblings(tx: &Connection, id: ConversationId, fork: Option<Node>, node: &Node) -> Result<Siblings, Error> {
    let mut statement = tx.prepare_cached(CHILDREN)?;
    let mut rows = statement.query(named_params! {
    ":id": id.as_bytes(), ":parent_id": node.parent_id.as_ref().map(|id| id.as_bytes())})?;
    let mut ids = Vec::new();
    while let Some(row) = rows.next()? {
        ids.push(MessageId::from_bytes(row.get(0)?));
    }
    if let Some(fork) = fork
        && let Some(above) = tree::ancestor(tx, fork, node.depth)?
        && above.parent_id == node.parent_id
        && above.conversation_id != id
    {
        ids.push(above.id);
        ids.sort_unstable();
    }
    let index = ids.binary_search(&node.id).unwrap_or_default();
    Ok(Siblings { count: ids.len(), index, ids })
}
