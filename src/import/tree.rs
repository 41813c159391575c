//! Nodes made into a tree: parents first, siblings in their order, and whatever is wrong with the links mended.
//!
//! Everything walks with a stack of its own; a chain may be as long as a conversation.

use std::collections::HashMap;

use super::conversation::{Call, Content, Conversation, Node, Said};
use super::report::{Reason, Skipped};
use crate::chat::message::Role;

/// The messages of a conversation as they will be written.
pub struct Tree {
    /// Parents before their children, siblings in their order.
    pub messages: Vec<Placed>,
    /// Where the current branch ends.
    pub head: Option<usize>,
}

pub struct Placed {
    pub external_id: String,
    pub parent: Option<usize>,
    pub said: Said,
}

pub fn arrange(conversation: &mut Conversation) -> Tree {
    let skipped = &mut conversation.skipped;
    let mut nodes = std::mem::take(&mut conversation.nodes);
    let mut index = HashMap::with_capacity(nodes.len());
    nodes.retain(|node| {
        let next = index.len();
        let first = *index.entry(node.external_id.clone()).or_insert(next) == next;
        if !first {
            skipped.push(Skipped::message(Reason::DuplicateId, &node.external_id));
        }
        first
    });
    let parents = parents(&nodes, &index, skipped);
    // Our own export has siblings in their order; elsewhere their times say more than their places.
    let by_time = conversation.own.is_none();
    let children = children(&nodes, &parents, &index, by_time);
    let mut walk = Walk { messages: Vec::with_capacity(nodes.len()), place: vec![None; nodes.len()] };
    // What is still to be placed, with the message that it will hang on.
    let mut open: Vec<(usize, Option<usize>)> = roots(&parents).rev().map(|root| (root, None)).collect();
    while let Some((at, above)) = open.pop() {
        let node = std::mem::replace(&mut nodes[at], Node::gone());
        let place = walk.place(node, above);
        walk.place[at] = place;
        open.extend(children[at].iter().rev().map(|child| (*child, place)));
    }
    let head = match &conversation.head {
        Some(id) => match index.get(id) {
            // Of a node that is no message, the message above it.
            Some(at) => walk.place[*at],
            None => {
                skipped.push(Skipped::message(Reason::MissingHead, id));
                None
            }
        },
        None => None,
    };
    let head = head.or_else(|| newest_leaf(&walk.messages));
    Tree { messages: walk.messages, head }
}

impl Node {
    fn gone() -> Self {
        Self { external_id: String::new(), parent: None, children: Vec::new(), content: Content::Nothing }
    }
}

/// The parent of each node. What names a parent that is not there, or its own descendant, is a root.
fn parents(nodes: &[Node], index: &HashMap<String, usize>, skipped: &mut Vec<Skipped>) -> Vec<Option<usize>> {
    let mut parents: Vec<Option<usize>> = Vec::with_capacity(nodes.len());
    for node in nodes {
        let parent = node.parent.as_ref().filter(|parent| !parent.is_empty());
        let found = parent.and_then(|parent| index.get(parent).copied());
        // The placeholder at the top of some exports is a parent that is nowhere.
        if let (Some(parent), None) = (parent, found)
            && parent != "client-created-root"
        {
            skipped.push(Skipped::message(Reason::MissingParent, &node.external_id).detail(parent));
        }
        parents.push(found);
    }
    // The walk that came by a node last; meeting one's own walk again closes a circle.
    let mut seen: Vec<usize> = vec![usize::MAX; nodes.len()];
    for start in 0..nodes.len() {
        let mut at = start;
        while seen[at] == usize::MAX {
            seen[at] = start;
            match parents[at] {
                None => break,
                Some(parent) if seen[parent] == start => {
                    // The first node of the circle in the file becomes its root.
                    let mut first = parent;
                    let mut around = parent;
                    while let Some(next) = parents[around].filter(|next| *next != parent) {
                        first = first.min(next);
                        around = next;
                    }
                    parents[first] = None;
                    skipped.push(Skipped::message(Reason::Cycle, &nodes[first].external_id));
                    break;
                }
                Some(parent) => at = parent,
            }
        }
    }
    parents
}

fn roots(parents: &[Option<usize>]) -> impl DoubleEndedIterator<Item = usize> + '_ {
    parents.iter().enumerate().filter(|(_, parent)| parent.is_none()).map(|(at, _)| at)
}

/// The children of each node: in the order of its own list, then those that it does not list, oldest first or as they
/// stand in the file.
fn children(
    nodes: &[Node],
    parents: &[Option<usize>],
    index: &HashMap<String, usize>,
    by_time: bool,
) -> Vec<Vec<usize>> {
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for (at, parent) in parents.iter().enumerate() {
        if let Some(parent) = parent {
            children[*parent].push(at);
        }
    }
    let mut rank = vec![usize::MAX; nodes.len()];
    for (at, listed) in children.iter_mut().enumerate().filter(|(_, listed)| listed.len() > 1) {
        for (order, id) in nodes[at].children.iter().enumerate() {
            if let Some(child) = index.get(id) {
                rank[*child] = rank[*child].min(order);
            }
        }
        listed
            .sort_by_key(|child| (rank[*child], by_time.then(|| created(&nodes[*child])).flatten(), *child));
    }
    children
}

fn created(node: &Node) -> Option<crate::clock::Timestamp> {
    match &node.content {
        Content::Message(said) => said.created_at,
        Content::Output(output) => output.created_at,
        Content::Nothing => None,
    }
}

struct Walk {
    messages: Vec<Placed>,
    /// Of each node that was passed: the message that its children hang on.
    place: Vec<Option<usize>>,
}

impl Walk {
    fn place(&mut self, node: Node, above: Option<usize>) -> Option<usize> {
        let said = match node.content {
            Content::Nothing => return above,
            Content::Message(said) => *said,
            Content::Output(output) => {
                let asked = above.and_then(|above| self.messages[above].said.calls_mut().last());
                if let Some(call) = asked {
                    call.answer(output.text, output.is_error);
                    return above;
                }
                // A tool that nobody called: the call is made up, so that what it said is kept.
                let mut call = Call { name: output.tool, args_text: "{}".to_owned(), ..Call::default() };
                call.answer(output.text, output.is_error);
                let mut said = Said::new(Role::Assistant);
                said.created_at = output.created_at;
                said.call(call);
                said
            }
        };
        self.messages.push(Placed { external_id: node.external_id, parent: above, said });
        Some(self.messages.len() - 1)
    }
}

/// The leaf that was made last; of equals the last one.
fn newest_leaf(messages: &[Placed]) -> Option<usize> {
    let mut is_leaf = vec![true; messages.len()];
    for parent in messages.iter().filter_map(|message| message.parent) {
        is_leaf[parent] = false;
    }
    (0..messages.len()).filter(|at| is_leaf[*at]).max_by_key(|at| (messages[*at].said.created_at, *at))
}
