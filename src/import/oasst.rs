//! Trees of OpenAssistant: a prompt with its replies inside each other.

use serde::Deserialize;

use super::conversation::{Content, Conversation, NODES, Node, Said};
use super::format::{Format, id_of, malformed, time_text};
use super::nested::{Flat, flatten};
use super::report::{Reason, Skipped};
use crate::chat::message::Role;

#[derive(Deserialize)]
struct Tree<'a> {
    message_tree_id: Option<String>,
    #[serde(borrow)]
    prompt: Option<&'a serde_json::value::RawValue>,
}

#[derive(Deserialize)]
struct Message {
    message_id: Option<String>,
    parent_id: Option<String>,
    text: Option<String>,
    role: Option<String>,
    rank: Option<f64>,
    synthetic: Option<bool>,
    model_name: Option<String>,
    created_date: Option<String>,
    deleted: Option<bool>,
}

/// What is known of a message beside its node.
struct Ranked {
    parent: Option<usize>,
    rank: f64,
}

pub fn read(json: &[u8]) -> Result<Conversation, Box<Skipped>> {
    let tree: Tree<'_> = serde_json::from_slice(json).map_err(|error| malformed(None, &error))?;
    let external_id = id_of(tree.message_tree_id, json);
    let Some(prompt) = tree.prompt else {
        return Err(Box::new(Skipped::new(Reason::MissingMessages).of(&external_id)));
    };
    let flat = flatten(prompt.get().as_bytes(), "replies")
        .map_err(|_| Box::new(Skipped::new(Reason::TooDeep).of(&external_id)))?;
    if flat.len() > NODES {
        let detail = format!("{} messages, and {NODES} are read at most", flat.len());
        return Err(Box::new(Skipped::new(Reason::TooManyMessages).of(&external_id).detail(detail)));
    }
    let (mut nodes, mut ranks, mut skipped) = (Vec::<Node>::new(), Vec::new(), Vec::new());
    for (index, Flat { json, parent }) in flat.into_iter().enumerate() {
        let above = parent.map(|parent| nodes[parent].external_id.clone());
        let read = serde_json::from_slice::<Message>(&json);
        let (id, parent_id, rank, content) = match read {
            Ok(message) => {
                let id = message.message_id.clone().unwrap_or_else(|| index.to_string());
                let parent_id = message.parent_id.clone();
                let rank = message.rank.unwrap_or(f64::MAX);
                (id.clone(), parent_id, rank, content(&id, message, &mut skipped))
            }
            Err(error) => {
                let id = index.to_string();
                skipped.push(Skipped::message(Reason::Malformed, &id).detail(error));
                (id, None, f64::MAX, Content::Nothing)
            }
        };
        ranks.push(Ranked { parent, rank });
        nodes.push(Node { external_id: id, parent: parent_id.or(above), children: Vec::new(), content });
    }
    let title = nodes.first().and_then(|node| match &node.content {
        Content::Message(said) => said.pieces.first().map(first_line),
        Content::Output(_) | Content::Nothing => None,
    });
    Ok(Conversation {
        format: Format::Oasst,
        external_id,
        title,
        created_at: None,
        head: best(&ranks).map(|index| nodes[index].external_id.clone()),
        nodes,
        own: None,
        skipped,
    })
}

fn content(id: &str, message: Message, skipped: &mut Vec<Skipped>) -> Content {
    let role = match message.role.as_deref() {
        Some("prompter") => Role::User,
        Some("assistant") => Role::Assistant,
        Some("system") => Role::System,
        other => {
            skipped.push(Skipped::message(Reason::UnknownRole, id).detail(other.unwrap_or("none")));
            return Content::Nothing;
        }
    };
    if message.deleted == Some(true) {
        skipped.push(Skipped::message(Reason::Hidden, id));
        return Content::Nothing;
    }
    let mut said = Said::new(role);
    said.created_at = time_text(message.created_date);
    said.model = message.model_name.filter(|_| role == Role::Assistant && message.synthetic == Some(true));
    said.text(message.text.unwrap_or_default());
    if said.pieces.is_empty() {
        skipped.push(Skipped::message(Reason::Empty, id));
        return Content::Nothing;
    }
    Content::Message(Box::new(said))
}

/// The end of the path that takes the best ranked reply everywhere, the first among equals.
fn best(ranks: &[Ranked]) -> Option<usize> {
    let mut chosen: Vec<Option<usize>> = vec![None; ranks.len()];
    for (index, Ranked { parent, rank }) in ranks.iter().enumerate() {
        let Some(parent) = *parent else { continue };
        if chosen[parent].is_none_or(|other| *rank < ranks[other].rank) {
            chosen[parent] = Some(index);
        }
    }
    let mut at = (!ranks.is_empty()).then_some(0)?;
    while let Some(next) = chosen[at] {
        at = next;
    }
    Some(at)
}

fn first_line(piece: &super::conversation::Piece) -> String {
    match piece {
        super::conversation::Piece::Part(part) => {
            part.streamed().trim().lines().next().unwrap_or_default().chars().take(80).collect()
        }
        super::conversation::Piece::Call(call) => call.name.clone(),
    }
}
