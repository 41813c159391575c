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
    Node::from_row(&Row::new(row, "messages", "id"), id).map(Some)
}

impl Node {
    /// From its columns behind its id.
    pub fn from_row(row: &Row<'_>, id: MessageId) -> Result<Self, Error> {
        Ok(Self {
            id,
            conversation_id: row.id("conversation_id")?,
            parent_id: row.opt_id("parent_id")?,
            depth: row.number("depth")?,
            jump_id: row.id("jump_id")?,
        })
    }
}

/// A node that another one points at.
pub(super) fn linked(
    tx: &Connection,
    id: MessageId,
    column: &'static str,
    from: MessageId,
) -> Result<Node, Error> {
    there(node(tx, id)?, column, from)
}

fn there(node: Option<Node>, column: &'static str, from: MessageId) -> Result<Node, Error> {
    node.ok_or_else(|| Error::Corrupt { table: "messages", column, key: from.to_string() })
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
    climb(from, depth, |id| node(tx, id))
}

/// The same, for who knows some of the nodes already.
pub(super) fn climb(
    from: Node,
    depth: u64,
    mut node: impl FnMut(MessageId) -> Result<Option<Node>, Error>,
) -> Result<Option<Node>, Error> {
    if depth > from.depth {
        return Ok(None);
    }
    let mut at = from;
    while at.depth > depth {
        let jump = there(node(at.jump_id)?, "jump_id", at.id)?;
        at = match (jump.depth >= depth, at.parent_id) {
            (true, _) => jump,
            (false, Some(parent)) => there(node(parent)?, "parent_id", at.id)?,
            (false, None) => return Ok(None),
        };
    }
    Ok(Some(at))
}

/// The deepest message that is on the paths to both.
pub(super) fn meet(tx: &Connection, a: Node, b: Node) -> Result<Option<Node>, Error> {
    let depth = a.depth.min(b.depth);
    let (Some(mut a), Some(mut b)) = (ancestor(tx, a, depth)?, ancestor(tx, b, depth)?) else {
        return Ok(None);
    };
    // Of the same depth, their jump pointers lead equally far up.
    while a.id != b.id {
        let (Some(above_a), Some(above_b)) = (a.parent_id, b.parent_id) else { return Ok(None) };
        (a, b) = match a.jump_id == b.jump_id {
            true => (linked(tx, above_a, "parent_id", a.id)?, linked(tx, above_b, "parent_id", b.id)?),
            false => (linked(tx, a.jump_id, "jump_id", a.id)?, linked(tx, b.jump_id, "jump_id", b.id)?),
        };
    }
    Ok(Some(a))
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

const DELETED: &str =
    "SELECT message_id, depth FROM deleted_branches WHERE conversation_id = :id AND depth <= :depth";

/// Whether its own conversation deleted a message, or one above it.
fn deleted(tx: &Connection, message: &Node) -> Result<bool, Error> {
    let mut statement = tx.prepare_cached(DELETED)?;
    let mut rows = statement.query(named_params! {
    ":id": message.conversation_id.as_bytes(), ":depth": message.depth.cast_signed()})?;
    while let Some(row) = rows.next()? {
        let row = Row::new(row, "deleted_branches", "message_id");
        let (root, depth): (MessageId, u64) = (row.id("message_id")?, row.number("depth")?);
        if ancestor(tx, *message, depth)?.is_some_and(|found| found.id == root) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a conversation sees a message: it made it and did not delete it, or the message is on the path above its
/// fork point.
pub(super) fn visible(
    tx: &Connection,
    conversation_id: ConversationId,
    message: &Node,
) -> Result<bool, Error> {
    if message.conversation_id == conversation_id {
        return Ok(!deleted(tx, message)?);
    }
    let Some(fork) = fork_point(tx, conversation_id)? else { return Ok(false) };
    Ok(ancestor(tx, fork, message.depth)?.is_some_and(|found| found.id == message.id))
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;
    use rusqlite::named_params;

    use super::*;
    use crate::store::open::Place;

    const INSERT: &str = "
        INSERT INTO messages (id, conversation_id, parent_id, depth, jump_id, role, status, created_at, seq)
        VALUES (:id, :conversation_id, :parent_id, :depth, :jump_id, 'user', 'complete', 0, 0)";
    const CONVERSATION: &str = "
        INSERT INTO conversations (id, workspace_id, created_by, agent, visibility, settings, archived, created_at,
                                   active_at, fork_message_id)
        VALUES (:id, zeroblob(16), zeroblob(16), '', 'private', '{}', 0, 0, 0, :fork_message_id)";

    pub fn add(tx: &Connection, conversation_id: ConversationId, parent: Option<Node>) -> Node {
        let id = MessageId::new();
        let (depth, jump_id) = match &parent {
            None => (0, id),
            Some(parent) => (parent.depth + 1, jump_of_child(tx, parent).unwrap()),
        };
        let parent_id = parent.map(|parent| parent.id);
        tx.execute(
            INSERT,
            named_params! {":id": id.as_bytes(), ":conversation_id": conversation_id.as_bytes(),
            ":parent_id": parent_id.as_ref().map(|id| id.as_bytes()), ":depth": depth.cast_signed(),
            ":jump_id": jump_id.as_bytes()},
        )
        .unwrap();
        Node { id, conversation_id, parent_id, depth, jump_id }
    }

    pub fn converse(tx: &Connection, fork: Option<MessageId>) -> ConversationId {
        let id = ConversationId::new();
        let fork = fork.as_ref().map(|id| id.as_bytes());
        tx.execute(CONVERSATION, named_params! {":id": id.as_bytes(), ":fork_message_id": fork}).unwrap();
        id
    }

    /// The path from a message to its root, by its parents alone.
    fn walk(nodes: &[Node], from: Node) -> Vec<Node> {
        let mut path = vec![from];
        while let Some(parent) = path[path.len() - 1].parent_id {
            path.push(*nodes.iter().find(|node| node.id == parent).unwrap());
        }
        path
    }

    pub fn database(dir: &tempfile::TempDir) -> Connection {
        Place { path: dir.path().join("weir.db"), vfs: None }.writer().unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn jump_pointers_answer_as_a_walk_over_the_parents_does(
            // Each message hangs on one of the last few before it, so that paths grow long; now and then a fork.
            steps in proptest::collection::vec((0..4usize, 0..3usize, prop::bool::weighted(0.05)), 1..120),
        ) {
            let dir = tempfile::tempdir().unwrap();
            let mut conn = database(&dir);
            let tx = conn.transaction().unwrap();
            let mut conversations = vec![(converse(&tx, None), None)];
            let mut nodes: Vec<Node> = Vec::new();
            let sees = |nodes: &[Node], (id, fork): (ConversationId, Option<Node>), node: &Node| {
                node.conversation_id == id
                    || fork.is_some_and(|fork| walk(nodes, fork).iter().any(|above| above.id == node.id))
            };
            for (back, by, fork) in steps {
                let (id, point) = conversations[by % conversations.len()];
                let seen: Vec<_> = nodes.iter().filter(|node| sees(&nodes, (id, point), node)).copied().collect();
                let parent = seen.len().checked_sub(1 + back).map(|index| seen[index]);
                if let (true, Some(point)) = (fork, parent) {
                    conversations.push((converse(&tx, Some(point.id)), Some(point)));
                }
                nodes.push(add(&tx, id, parent));
            }
            for from in &nodes {
                let path = walk(&nodes, *from);
                for (depth, expected) in (0..).zip(path.iter().rev()) {
                    prop_assert_eq!(ancestor(&tx, *from, depth).unwrap(), Some(*expected));
                }
                prop_assert_eq!(ancestor(&tx, *from, from.depth + 1).unwrap(), None);
                for other in &nodes {
                    let both = walk(&nodes, *other);
                    let expected = path.iter().find(|node| both.contains(node)).copied();
                    prop_assert_eq!(meet(&tx, *from, *other).unwrap(), expected);
                }
                for conversation in &conversations {
                    let expected = sees(&nodes, *conversation, from);
                    prop_assert_eq!(visible(&tx, conversation.0, from).unwrap(), expected);
                }
            }
        }
    }

    #[test]
    fn an_ancestor_is_found_in_few_steps() {
        let dir = tempfile::tempdir().unwrap();
        let mut conn = database(&dir);
        let tx = conn.transaction().unwrap();
        let id = converse(&tx, None);
        let (mut nodes, mut last) = (Vec::new(), None);
        for _ in 0..5000 {
            let node = add(&tx, id, last);
            nodes.push(node);
            last = Some(node);
        }
        for depth in [0, 1, 2, 1000, 2500, 4095, 4096, 4998] {
            let (mut at, mut steps) = (nodes[4999], 0);
            while at.depth > depth {
                let jump = *nodes.iter().find(|node| node.id == at.jump_id).unwrap();
                at = if jump.depth >= depth { jump } else { nodes[at.depth as usize - 1] };
                steps += 1;
            }
            assert!(steps <= 3 * 13, "{steps} steps to {depth}");
        }
    }
}
