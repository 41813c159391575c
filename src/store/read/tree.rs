//! The tree of a conversation: every node that it sees, parents before their children, and what stands where.

use std::collections::BTreeSet;
use std::str::FromStr;

use rusqlite::{Connection, named_params};

use super::annotation::{self, Annotations};
use super::conversation::{self, position};
use super::message::{self, Found};
use crate::chat::event::Seq;
use crate::chat::message::{Marks, MessageStatus, Role};
use crate::clock::Timestamp;
use crate::id::{ConversationId, MessageId, TurnId};
use crate::scope::Scope;
use crate::store::Store;
use crate::store::error::Error;
use crate::store::row::Row;
use crate::store::tree::{self, Node};

/// Letters of a message's text that stand for it.
const PREVIEW: u32 = 120;

#[derive(Debug, Clone, PartialEq)]
pub struct Tree {
    pub head: Option<MessageId>,
    pub nodes: Vec<TreeNode>,
    pub next: Option<TreeCursor>,
    pub position: Seq,
}

/// A message without its content.
#[derive(Debug, Clone, PartialEq)]
pub struct TreeNode {
    pub id: MessageId,
    pub parent_id: Option<MessageId>,
    pub role: Role,
    pub status: MessageStatus,
    pub turn_id: Option<TurnId>,
    pub created_at: Timestamp,
    /// The beginning of its text.
    pub preview: String,
    /// Whether it is on the path to the head.
    pub on_path: bool,
    pub marks: Marks,
}

/// The last node of a page. Opaque to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeCursor {
    depth: u64,
    id: MessageId,
}

/// A message, and what of its conversation is on the branch that begins with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch {
    pub parent_id: Option<MessageId>,
    /// The conversation made the message itself; it did not find it above its fork point.
    pub own: bool,
    pub places: BTreeSet<MessageId>,
}

impl Store {
    /// `None` where the scope does not see the conversation.
    pub async fn tree(
        &self,
        scope: &Scope,
        id: ConversationId,
        after: Option<TreeCursor>,
        limit: usize,
    ) -> Result<Option<Tree>, Error> {
        let scope = scope.clone();
        self.read(move |tx| match conversation::find(tx, &scope, id)? {
            Some(row) => page(tx, id, row.head, after, limit).map(Some),
            None => Ok(None),
        })
        .await
    }

    /// Without a scope: for the conversation's actor. `None` where the conversation does not see the message.
    pub async fn branch(
        &self,
        id: ConversationId,
        root: MessageId,
        places: BTreeSet<MessageId>,
    ) -> Result<Option<Branch>, Error> {
        self.read(move |tx| branch(tx, id, root, &places)).await
    }

    /// The end of the newest branch below a message that the conversation sees. Without a scope: the caller has checked
    /// that.
    pub async fn newest_leaf(&self, id: ConversationId, from: MessageId) -> Result<MessageId, Error> {
        self.read(move |tx| newest_leaf(tx, id, from)).await
    }

    /// What a conversation made at or below a message, children before their parents.
    pub(in crate::store) async fn below(
        &self,
        id: ConversationId,
        root: MessageId,
    ) -> Result<Vec<MessageId>, Error> {
        self.read(move |tx| below(tx, id, root)).await
    }
}

const OWN: &str = "
    SELECT id, depth FROM messages
    WHERE conversation_id = :id AND (depth, id) > (:depth, :after) ORDER BY depth, id LIMIT :limit";

fn page(
    tx: &Connection,
    id: ConversationId,
    head: Option<MessageId>,
    after: Option<TreeCursor>,
    limit: usize,
) -> Result<Tree, Error> {
    let position = position(tx, id)?;
    let fork = tree::fork_point(tx, id)?;
    // Depths are counted from 0, so that nothing is before (0, 0…0).
    let TreeCursor { depth, id: last } =
        after.unwrap_or(TreeCursor { depth: 0, id: MessageId::from_bytes([0; 16]) });
    let mut statement = tx.prepare_cached(OWN)?;
    let mut rows = statement.query(named_params! {
    ":id": id.as_bytes(), ":depth": depth.cast_signed(), ":after": last.as_bytes(),
    ":limit": i64::try_from(limit + 1).unwrap_or(i64::MAX)})?;
    let mut places: Vec<(u64, MessageId)> = Vec::new();
    while let Some(row) = rows.next()? {
        let row = Row::new(row, "messages", "id");
        places.push((row.number("depth")?, row.id("id")?));
    }
    if let Some(fork) = fork {
        places.extend(inherited(tx, fork, (depth, last), limit + 1)?);
        places.sort_unstable();
    }
    let more = places.len() > limit;
    places.truncate(limit);
    let next = places.last().filter(|_| more).map(|(depth, id)| TreeCursor { depth: *depth, id: *id });

    let head_node = head.map_or(Ok(None), |head| tree::node(tx, head))?;
    let annotations = annotation::all(tx, id)?;
    let mut nodes = Vec::with_capacity(places.len());
    for (_, message_id) in places {
        let Some(found) = message::by_id(tx, message_id)? else { continue };
        if tree::visible(tx, id, &found.node)? {
            nodes.push(light(tx, found, head_node, &annotations)?);
        }
    }
    Ok(Tree { head, nodes, next, position })
}

/// The path down to the fork point, from the place after `after` on.
fn inherited(
    tx: &Connection,
    fork: Node,
    after: (u64, MessageId),
    limit: usize,
) -> Result<Vec<(u64, MessageId)>, Error> {
    let deepest = fork.depth.min(after.0.saturating_add(limit as u64));
    let Some(mut at) = tree::ancestor(tx, fork, deepest)? else { return Ok(Vec::new()) };
    let mut path = Vec::new();
    while (at.depth, at.id) > after {
        path.push((at.depth, at.id));
        let Some(parent) = at.parent_id else { break };
        let Some(node) = tree::node(tx, parent)? else { break };
        at = node;
    }
    Ok(path)
}

fn light(
    tx: &Connection,
    found: Found,
    head: Option<Node>,
    annotations: &Annotations,
) -> Result<TreeNode, Error> {
    let node = found.node;
    let on_path = match head {
        Some(head) => tree::ancestor(tx, head, node.depth)?.is_some_and(|above| above.id == node.id),
        None => false,
    };
    let preview = preview(tx, node.id)?;
    let message = found.message;
    Ok(TreeNode {
        id: node.id,
        parent_id: node.parent_id,
        role: message.role,
        status: message.status,
        turn_id: message.turn_id,
        created_at: message.created_at,
        preview,
        on_path,
        marks: annotations.marks(node.id),
    })
}

const TEXT: &str = "
    SELECT substr(text, 1, :letters) FROM parts
    WHERE message_id = :id AND kind = 'text' AND text <> '' ORDER BY idx LIMIT 1";

fn preview(tx: &Connection, id: MessageId) -> Result<String, Error> {
    let mut statement = tx.prepare_cached(TEXT)?;
    let mut rows = statement.query(named_params! {":id": id.as_bytes(), ":letters": PREVIEW})?;
    let text: String = rows.next()?.map(|row| row.get(0)).transpose()?.unwrap_or_default();
    Ok(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn branch(
    tx: &Connection,
    id: ConversationId,
    root: MessageId,
    places: &BTreeSet<MessageId>,
) -> Result<Option<Branch>, Error> {
    let Some(root) = tree::node(tx, root)? else { return Ok(None) };
    if !tree::visible(tx, id, &root)? {
        return Ok(None);
    }
    let mut on_branch = BTreeSet::new();
    for place in places {
        let Some(node) = tree::node(tx, *place)? else { continue };
        if tree::ancestor(tx, node, root.depth)?.is_some_and(|above| above.id == root.id) {
            on_branch.insert(*place);
        }
    }
    Ok(Some(Branch { parent_id: root.parent_id, own: root.conversation_id == id, places: on_branch }))
}

const NEWEST_CHILD: &str = "
    SELECT id FROM messages
    WHERE conversation_id = :id AND parent_id = :parent_id
      AND id NOT IN (SELECT message_id FROM deleted_branches WHERE conversation_id = :id)
    ORDER BY id DESC LIMIT 1";

/// What the conversation made itself is newer than what it found above its fork point.
fn newest_leaf(tx: &Connection, id: ConversationId, from: MessageId) -> Result<MessageId, Error> {
    let fork = tree::fork_point(tx, id)?;
    let mut statement = tx.prepare_cached(NEWEST_CHILD)?;
    let mut at = from;
    loop {
        let mut rows = statement.query(named_params! {":id": id.as_bytes(), ":parent_id": at.as_bytes()})?;
        let own = rows.next()?.map(|row| row.get(0)).transpose()?.map(MessageId::from_bytes);
        drop(rows);
        let next = match (own, fork) {
            (Some(own), _) => Some(own),
            (None, Some(fork)) => inherited_child(tx, fork, at)?,
            (None, None) => None,
        };
        let Some(next) = next else { return Ok(at) };
        at = next;
    }
}

/// The message below `parent` on the path to the fork point.
fn inherited_child(tx: &Connection, fork: Node, parent: MessageId) -> Result<Option<MessageId>, Error> {
    let Some(parent) = tree::node(tx, parent)? else { return Ok(None) };
    let child = tree::ancestor(tx, fork, parent.depth + 1)?;
    Ok(child.filter(|child| child.parent_id == Some(parent.id)).map(|child| child.id))
}

const CHILDREN: &str = "SELECT id FROM messages WHERE conversation_id = :id AND parent_id = :parent_id";

fn below(tx: &Connection, id: ConversationId, root: MessageId) -> Result<Vec<MessageId>, Error> {
    let mut found = vec![root];
    let mut statement = tx.prepare_cached(CHILDREN)?;
    let mut next = 0;
    while next < found.len() {
        let parent = found[next];
        let children = statement
            .query_map(named_params! {":id": id.as_bytes(), ":parent_id": parent.as_bytes()}, |row| {
                row.get(0)
            })?;
        for child in children {
            found.push(MessageId::from_bytes(child?));
        }
        next += 1;
    }
    found.reverse();
    Ok(found)
}

impl std::fmt::Display for TreeCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.depth, self.id)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a cursor of a tree is what `next` of the page before said")]
pub struct InvalidTreeCursor;

impl FromStr for TreeCursor {
    type Err = InvalidTreeCursor;

    fn from_str(text: &str) -> Result<Self, InvalidTreeCursor> {
        let (depth, id) = text.split_once('.').ok_or(InvalidTreeCursor)?;
        let depth: u32 = depth.parse().map_err(|_| InvalidTreeCursor)?;
        Ok(Self { depth: u64::from(depth), id: id.parse().map_err(|_| InvalidTreeCursor)? })
    }
}
