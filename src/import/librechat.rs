//! LibreChat's export: a list of messages that name their parents, or messages inside each other (`children`).

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::conversation::{Call, Content, Conversation, NODES, Node, Said, args_text};
use super::format::{Format, id_of, malformed, time, time_text};
use super::nested::flatten;
use super::report::{Reason, Skipped};
use crate::chat::message::Role;

const NO_PARENT: &str = "00000000-0000-0000-0000-000000000000";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File<'a> {
    conversation_id: Option<String>,
    title: Option<String>,
    created_at: Option<Value>,
    #[serde(borrow)]
    messages: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    message_id: Option<String>,
    parent_message_id: Option<String>,
    sender: Option<String>,
    is_created_by_user: Option<bool>,
    text: Option<String>,
    content: Option<Vec<Value>>,
    created_at: Option<Value>,
    model: Option<String>,
    error: Option<bool>,
    unfinished: Option<bool>,
    cancelled: Option<bool>,
    files: Option<Vec<Value>>,
    attachments: Option<Vec<Value>>,
}

pub fn read(json: &[u8]) -> Result<Conversation, Box<Skipped>> {
    let file: File<'_> = serde_json::from_slice(json).map_err(|error| malformed(None, &error))?;
    let external_id = id_of(file.conversation_id, json);
    let (mut nodes, mut skipped) = (Vec::<Node>::new(), Vec::new());
    for raw in file.messages.unwrap_or_default() {
        let flat = flatten(raw.get().as_bytes(), "children")
            .map_err(|_| Box::new(Skipped::new(Reason::TooDeep).of(&external_id)))?;
        let first = nodes.len();
        for (index, message) in flat.into_iter().enumerate() {
            let fallback = (first + index).to_string();
            let above = message.parent.map(|parent| nodes[first + parent].external_id.clone());
            nodes.push(match serde_json::from_slice::<Message>(&message.json) {
                Ok(read) => node(fallback, above, read, &mut skipped),
                Err(error) => {
                    skipped.push(Skipped::message(Reason::Malformed, &fallback).detail(error));
                    Node {
                        external_id: fallback,
                        parent: above,
                        children: Vec::new(),
                        content: Content::Nothing,
                    }
                }
            });
            if nodes.len() > NODES {
                let detail = format!("{NODES} messages are read at most");
                return Err(Box::new(Skipped::new(Reason::TooManyMessages).of(&external_id).detail(detail)));
            }
        }
    }
    if nodes.is_empty() {
        return Err(Box::new(Skipped::new(Reason::MissingMessages).of(&external_id)));
    }
    Ok(Conversation {
        format: Format::LibreChat,
        external_id,
        title: file.title,
        created_at: at(file.created_at),
        // It does not say which branch was current; the newest message takes that place.
        head: None,
        nodes,
        own: None,
        skipped,
    })
}

fn node(fallback: String, above: Option<String>, message: Message, skipped: &mut Vec<Skipped>) -> Node {
    let external_id = message.message_id.clone().unwrap_or(fallback);
    let parent = message.parent_message_id.clone().filter(|parent| parent != NO_PARENT && !parent.is_empty());
    let content = content(&external_id, message, skipped);
    Node { external_id, parent: parent.or(above), children: Vec::new(), content }
}

fn content(id: &str, message: Message, skipped: &mut Vec<Skipped>) -> Content {
    let by_user = message.is_created_by_user.unwrap_or(message.sender.as_deref() == Some("User"));
    let role = if by_user { Role::User } else { Role::Assistant };
    let mut said = Said::new(role);
    said.created_at = at(message.created_at);
    said.model = message.model.filter(|_| role == Role::Assistant);
    for block in message.content.unwrap_or_default() {
        take(&mut said, &block, id, skipped);
    }
    if said.pieces.is_empty() {
        said.text(message.text.unwrap_or_default());
    }
    for file in message.files.unwrap_or_default().into_iter().chain(message.attachments.unwrap_or_default()) {
        let name = [&file["filename"], &file["name"], &file["file_id"]];
        let name = name.into_iter().find_map(Value::as_str);
        said.attachment(name.unwrap_or("file"));
    }
    if said.pieces.is_empty() {
        skipped.push(Skipped::message(Reason::Empty, id));
        return Content::Nothing;
    }
    let cut = [message.error, message.unfinished, message.cancelled].contains(&Some(true));
    if cut && role == Role::Assistant {
        said.interrupted();
    }
    Content::Message(Box::new(said))
}

fn take(said: &mut Said, block: &Value, id: &str, skipped: &mut Vec<Skipped>) {
    let text = |value: &Value| value.as_str().or_else(|| value["value"].as_str()).map(str::to_owned);
    match block["type"].as_str() {
        Some("text") => said.text(text(&block["text"]).unwrap_or_default()),
        Some("think") => said.reasoning(text(&block["think"]).unwrap_or_default()),
        Some("error") => said.notice("error", text(&block["error"]).unwrap_or_default()),
        Some("tool_call") => {
            let call = &block["tool_call"];
            let args = match &call["args"] {
                Value::String(args) => args.clone(),
                Value::Null => "{}".to_owned(),
                args => args.to_string(),
            };
            said.call(Call {
                external_id: text(&call["id"]),
                name: text(&call["name"]).unwrap_or_else(|| "tool".to_owned()),
                args_text: args_text("input", args),
                output: text(&call["output"]).filter(|output| !output.is_empty()),
                ..Call::default()
            });
        }
        other => {
            let kind = other.unwrap_or("none");
            said.notice("unsupported_content", kind);
            skipped.push(Skipped::message(Reason::UnsupportedContent, id).detail(kind));
        }
    }
}

fn at(value: Option<Value>) -> Option<crate::clock::Timestamp> {
    match value? {
        Value::String(text) => time_text(Some(text)),
        Value::Number(number) => time(number.as_f64()),
        _ => None,
    }
}
