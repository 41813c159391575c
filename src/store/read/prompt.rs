//! The path that a model call is built from: whole messages, with what only their provider understands, and what the
//! conversation says about them.

use std::collections::BTreeSet;

use rusqlite::{Connection, named_params};

use super::annotation;
use super::message::{self, Found};
use crate::chat::compaction::Compaction;
use crate::chat::context::PathMessage;
use crate::chat::message::{Call, Message, Part, Role, StoredPart};
use crate::id::{ConversationId, MessageId};
use crate::store::Store;
use crate::store::error::Error;
use crate::store::row::Row;
use crate::store::tree::{self, Node};

/// The end of a path, down from its deepest compaction.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PromptPath {
    /// Those on the path, the shallowest first: the last one stands for everything down to its message.
    pub compactions: Vec<Compaction>,
    /// Pinned messages above `messages`, and the last message of a person where it is not among those. Oldest first.
    pub above: Vec<PathMessage>,
    /// Oldest first.
    pub messages: Vec<PathMessage>,
    pub pinned: BTreeSet<MessageId>,
    /// What stands above the first of `messages`.
    pub top: Option<MessageId>,
    /// There is more of the path above `messages`, and no summary of it.
    pub more: bool,
}

/// A message of a path, without its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathNode {
    pub id: MessageId,
    pub role: Role,
}

impl Store {
    /// The end of the path to `leaf`: as much of it as fits into `budget` bytes of text and tool output, and at least
    /// the leaf. `None` where the conversation does not see the leaf.
    pub async fn prompt_path(
        &self,
        id: ConversationId,
        leaf: MessageId,
        budget: usize,
    ) -> Result<Option<PromptPath>, Error> {
        self.read(move |tx| {
            let Some(leaf) = message::by_id(tx, leaf)? else { return Ok(None) };
            match tree::visible(tx, id, &leaf.node)? {
                true => prompt_path(tx, id, leaf, budget).map(Some),
                false => Ok(None),
            }
        })
        .await
    }

    /// The path down to a message that is on one, the root first.
    pub async fn path_down_to(&self, id: MessageId) -> Result<Vec<PathNode>, Error> {
        self.read(move |tx| path_nodes(tx, id)).await
    }
}

fn prompt_path(tx: &Connection, id: ConversationId, leaf: Found, budget: usize) -> Result<PromptPath, Error> {
    let annotations = annotation::all(tx, id)?;
    let compactions = annotations.compactions_on(tx, leaf.node)?;
    let covered = compactions.last().map(|compaction| compaction.message_id);
    let leaf_node = leaf.node;
    let Climbed { messages, top, more } = climb(tx, id, leaf, covered, budget)?;

    let pinned: BTreeSet<MessageId> = annotations.pinned().collect();
    let mut above = Vec::new();
    for pin in &pinned {
        if messages.iter().any(|message| message.id == *pin) {
            continue;
        }
        let Some(found) = message::by_id(tx, *pin)? else { continue };
        let on_path = tree::ancestor(tx, leaf_node, found.node.depth)?;
        if on_path.is_some_and(|node| node.id == *pin) {
            above.push((found.node.depth, whole(tx, id, found)?));
        }
    }
    if !messages.iter().any(|message| message.role == Role::User)
        && let Some(asked) = asked_above(tx, top)?
        && !pinned.contains(&asked.node.id)
    {
        above.push((asked.node.depth, whole(tx, id, asked)?));
    }
    above.sort_by_key(|(depth, _)| *depth);
    let above = above.into_iter().map(|(_, message)| message).collect();
    Ok(PromptPath { compactions, above, messages, pinned, top, more })
}

struct Climbed {
    /// Oldest first.
    messages: Vec<PathMessage>,
    /// What stands above the first of them.
    top: Option<MessageId>,
    /// The budget ended it.
    more: bool,
}

/// Up from the leaf, to below `covered` and as far as the budget goes.
fn climb(
    tx: &Connection,
    id: ConversationId,
    leaf: Found,
    covered: Option<MessageId>,
    budget: usize,
) -> Result<Climbed, Error> {
    let (mut messages, mut left, mut next) = (Vec::new(), budget, Some(leaf));
    let (mut top, mut more) = (None, false);
    while let Some(found) = next {
        let (at, parent_id) = (found.node.id, found.node.parent_id);
        let is_covered = Some(at) == covered;
        if is_covered && !messages.is_empty() {
            top = Some(at);
            break;
        }
        let message = whole(tx, id, found)?;
        let bytes = weight(&message.parts, &message.calls);
        if bytes > left && !messages.is_empty() {
            (top, more) = (Some(at), true);
            break;
        }
        left = left.saturating_sub(bytes);
        messages.push(message);
        next = match parent_id {
            // A path that ends where it is summarised: its end is sent all the same.
            Some(_) if is_covered => {
                top = parent_id;
                break;
            }
            Some(parent) => Some(message::linked(tx, parent, at)?),
            None => None,
        };
    }
    messages.reverse();
    Ok(Climbed { messages, top, more })
}

/// The nearest message of a person, from `at` upwards.
fn asked_above(tx: &Connection, at: Option<MessageId>) -> Result<Option<Found>, Error> {
    let mut next = at;
    while let Some(id) = next {
        let Some(found) = message::by_id(tx, id)? else { return Ok(None) };
        if found.message.role == Role::User {
            return Ok(Some(found));
        }
        next = found.node.parent_id;
    }
    Ok(None)
}

fn whole(tx: &Connection, id: ConversationId, found: Found) -> Result<PathMessage, Error> {
    let parts = message::parts(tx, found.node.id)?;
    let calls = match parts.iter().any(|stored| matches!(stored.part, Part::ToolCall { .. })) {
        true => message::calls(tx, id, &found.node)?,
        false => Vec::new(),
    };
    let Message { id, parent_id, role, status, turn_id, .. } = found.message;
    Ok(PathMessage { id, parent_id, role, status, turn_id, parts, calls })
}

fn weight(parts: &[StoredPart], calls: &[Call]) -> usize {
    let text: usize = parts.iter().map(|stored| stored.part.streamed().len()).sum();
    let outputs: usize = calls.iter().filter_map(|call| call.output.as_ref()).map(String::len).sum();
    text + outputs
}

/// More nodes than this beside the path, and it is followed from parent to parent instead.
const BESIDE: usize = 1000;

/// The path down to `leaf`. Each conversation's part of it is read by depth, which is half as long as to look each
/// parent up; only where a conversation has far more branches than path, they are looked up.
fn path_nodes(tx: &Connection, leaf: MessageId) -> Result<Vec<PathNode>, Error> {
    let (mut nodes, mut next, mut branches) = (Vec::new(), Some(leaf), false);
    while let Some(id) = next {
        next = match branches {
            true => by_parent(tx, id, &mut nodes)?,
            false => {
                let from = tree::linked(tx, id, "parent_id", leaf)?;
                let (above, gave_up) = by_depth(tx, from, &mut nodes)?;
                branches = gave_up || above == next;
                above
            }
        };
    }
    nodes.reverse();
    Ok(nodes)
}

const BY_DEPTH: &str = "
    SELECT id, parent_id, role FROM messages WHERE conversation_id = :conversation_id AND depth <= :depth
    ORDER BY depth DESC";

/// Adds `from` and what its conversation has of the path above it; what comes next, and whether there were too many
/// branches to find it.
fn by_depth(
    tx: &Connection,
    from: Node,
    nodes: &mut Vec<PathNode>,
) -> Result<(Option<MessageId>, bool), Error> {
    let mut statement = tx.prepare_cached(BY_DEPTH)?;
    let mut rows = statement.query(named_params! {":conversation_id": from.conversation_id.as_bytes(),
    ":depth": from.depth.cast_signed()})?;
    let (mut next, mut beside) = (Some(from.id), 0);
    while let (Some(wanted), Some(row)) = (next, rows.next()?) {
        let row = Row::new(row, "messages", "id");
        let id: MessageId = row.id("id")?;
        if id == wanted {
            next = row.opt_id("parent_id")?;
            nodes.push(PathNode { id, role: row.word("role")? });
        } else {
            beside += 1;
            if beside > BESIDE + nodes.len() {
                return Ok((next, true));
            }
        }
    }
    Ok((next, false))
}

/// Adds one message; what stands above it.
fn by_parent(tx: &Connection, id: MessageId, nodes: &mut Vec<PathNode>) -> Result<Option<MessageId>, Error> {
    let mut statement = tx.prepare_cached("SELECT id, parent_id, role FROM messages WHERE id = :id")?;
    let mut rows = statement.query(named_params! {":id": id.as_bytes()})?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let row = Row::new(row, "messages", "id");
    nodes.push(PathNode { id, role: row.word("role")? });
    row.opt_id("parent_id")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tree::tests::{add, converse, database};

    /// A chain of `length` over three conversations, each forked off the last one's leaf, with siblings at each depth.
    fn path_is_found_among(siblings: usize) {
        let dir = tempfile::tempdir().unwrap();
        let mut conn = database(&dir);
        let tx = conn.transaction().unwrap();
        let (mut path, mut leaf) = (Vec::new(), None);
        for _ in 0..3 {
            let id = converse(&tx, leaf.map(|leaf: Node| leaf.id));
            for _ in 0..40 {
                (0..siblings / 2).for_each(|_| {
                    add(&tx, id, leaf);
                });
                let node = add(&tx, id, leaf);
                (siblings / 2..siblings).for_each(|_| {
                    add(&tx, id, leaf);
                });
                path.push(node.id);
                leaf = Some(node);
            }
        }
        let found = path_nodes(&tx, path[path.len() - 1]).unwrap();
        assert!(found.iter().map(|node| node.id).eq(path.iter().copied()));
        let above = path_nodes(&tx, path[50]).unwrap();
        assert!(above.iter().map(|node| node.id).eq(path[..=50].iter().copied()));
    }

    #[test]
    fn a_path_is_found_over_forks_and_among_few_and_many_branches() {
        path_is_found_among(0);
        path_is_found_among(3);
        path_is_found_among(60);
    }
}
