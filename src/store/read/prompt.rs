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
use crate::store::tree;

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
    let Climbed { messages, top, more } = climb(tx, leaf, covered, budget)?;

    let pinned: BTreeSet<MessageId> = annotations.pinned().collect();
    let mut above = Vec::new();
    for id in &pinned {
        if messages.iter().any(|message| message.id == *id) {
            continue;
        }
        let Some(found) = message::by_id(tx, *id)? else { continue };
        let on_path = tree::ancestor(tx, leaf_node, found.node.depth)?;
        if on_path.is_some_and(|node| node.id == *id) {
            above.push((found.node.depth, whole(tx, found)?));
        }
    }
    if !messages.iter().any(|message| message.role == Role::User)
        && let Some(asked) = asked_above(tx, top)?
        && !pinned.contains(&asked.node.id)
    {
        above.push((asked.node.depth, whole(tx, asked)?));
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
fn climb(tx: &Connection, leaf: Found, covered: Option<MessageId>, budget: usize) -> Result<Climbed, Error> {
    let (mut messages, mut left, mut next) = (Vec::new(), budget, Some(leaf));
    let (mut top, mut more) = (None, false);
    while let Some(found) = next {
        let (id, parent_id) = (found.node.id, found.node.parent_id);
        let is_covered = Some(id) == covered;
        if is_covered && !messages.is_empty() {
            top = Some(id);
            break;
        }
        let message = whole(tx, found)?;
        let bytes = weight(&message.parts, &message.calls);
        if bytes > left && !messages.is_empty() {
            (top, more) = (Some(id), true);
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
            Some(parent) => Some(message::linked(tx, parent, id)?),
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

fn whole(tx: &Connection, found: Found) -> Result<PathMessage, Error> {
    let id = found.node.id;
    let parts = message::parts(tx, id)?;
    let calls = match parts.iter().any(|stored| matches!(stored.part, Part::ToolCall { .. })) {
        true => message::calls(tx, id)?,
        false => Vec::new(),
    };
    let Message { parent_id, role, status, turn_id, .. } = found.message;
    Ok(PathMessage { id, parent_id, role, status, turn_id, parts, calls })
}

fn weight(parts: &[StoredPart], calls: &[Call]) -> usize {
    let text: usize = parts.iter().map(|stored| stored.part.streamed().len()).sum();
    let outputs: usize = calls.iter().filter_map(|call| call.output.as_ref()).map(String::len).sum();
    text + outputs
}

const PATH: &str = "
    WITH RECURSIVE up (id, parent_id, role, depth) AS (
        SELECT id, parent_id, role, depth FROM messages WHERE id = :id
        UNION ALL
        SELECT m.id, m.parent_id, m.role, m.depth FROM up JOIN messages m ON m.id = up.parent_id
    )
    SELECT id, role FROM up";

fn path_nodes(tx: &Connection, leaf: MessageId) -> Result<Vec<PathNode>, Error> {
    let mut statement = tx.prepare_cached(PATH)?;
    let mut rows = statement.query(named_params! {":id": leaf.as_bytes()})?;
    let mut nodes = Vec::new();
    while let Some(row) = rows.next()? {
        let row = Row::new(row, "messages", "id");
        nodes.push(PathNode { id: row.id("id")?, role: row.word("role")? });
    }
    nodes.reverse();
    Ok(nodes)
}
