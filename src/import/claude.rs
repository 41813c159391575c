//! Claude's export: messages in a list, each naming its parent; older ones are a line without parents.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::conversation::{Call, Content, Conversation, NODES, Node, Said};
use super::format::{Format, id_of, malformed, time_text};
use super::report::{Reason, Skipped};
use crate::chat::message::{FinishReason, Role};

#[derive(Deserialize)]
struct File<'a> {
    uuid: Option<String>,
    name: Option<String>,
    created_at: Option<String>,
    #[serde(borrow)]
    chat_messages: Option<Vec<&'a RawValue>>,
    current_leaf_message_uuid: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    uuid: Option<String>,
    sender: Option<String>,
    text: Option<String>,
    content: Option<Vec<Block>>,
    parent_message_uuid: Option<String>,
    created_at: Option<String>,
    stop_reason: Option<String>,
    model: Option<String>,
    truncated: Option<bool>,
    attachments: Option<Vec<Attachment>>,
    files: Option<Vec<Attached>>,
}

#[derive(Deserialize)]
struct Block {
    #[serde(rename = "type")]
    kind: Option<String>,
    text: Option<String>,
    thinking: Option<String>,
    id: Option<String>,
    name: Option<String>,
    input: Option<Value>,
    tool_use_id: Option<String>,
    content: Option<Value>,
    is_error: Option<bool>,
}

#[derive(Deserialize)]
struct Attachment {
    file_name: Option<String>,
    extracted_content: Option<String>,
}

#[derive(Deserialize)]
struct Attached {
    file_name: Option<String>,
    file_uuid: Option<String>,
}

pub fn read(json: &[u8]) -> Result<Conversation, Box<Skipped>> {
    let file: File<'_> = serde_json::from_slice(json).map_err(|error| malformed(None, &error))?;
    let external_id = id_of(file.uuid, json);
    let Some(messages) = file.chat_messages.filter(|messages| !messages.is_empty()) else {
        return Err(Box::new(Skipped::new(Reason::MissingMessages).of(&external_id)));
    };
    if messages.len() > NODES {
        let detail = format!("{} messages, and {NODES} are read at most", messages.len());
        return Err(Box::new(Skipped::new(Reason::TooManyMessages).of(&external_id).detail(detail)));
    }
    let (mut read, mut skipped) = (Vec::with_capacity(messages.len()), Vec::new());
    for (index, raw) in messages.into_iter().enumerate() {
        match serde_json::from_str::<Message>(raw.get()) {
            Ok(message) => read.push((index, message)),
            Err(error) => skipped.push(Skipped::message(Reason::Malformed, &index.to_string()).detail(error)),
        }
    }
    let is_line = read.iter().all(|(_, message)| message.parent_message_uuid.is_none());
    let (mut nodes, mut before) = (Vec::with_capacity(read.len()), None);
    for (index, message) in read {
        let id = message.uuid.clone().unwrap_or_else(|| index.to_string());
        let parent = match is_line {
            true => before.replace(id.clone()),
            false => message.parent_message_uuid.clone().filter(|parent| !is_sentinel(parent)),
        };
        let content = content(&id, message, &mut skipped);
        nodes.push(Node { external_id: id, parent, children: Vec::new(), content });
    }
    let head = file.current_leaf_message_uuid.or_else(|| {
        let last = nodes.last().filter(|_| is_line);
        last.map(|node| node.external_id.clone())
    });
    Ok(Conversation {
        format: Format::Claude,
        external_id,
        title: file.name,
        created_at: time_text(file.created_at),
        head,
        nodes,
        own: None,
        skipped,
    })
}

/// What a root names as its parent.
fn is_sentinel(uuid: &str) -> bool {
    uuid == "00000000-0000-4000-8000-000000000000" || uuid.bytes().all(|byte| matches!(byte, b'0' | b'-'))
}

fn content(id: &str, message: Message, skipped: &mut Vec<Skipped>) -> Content {
    let role = match message.sender.as_deref() {
        Some("human") => Role::User,
        Some("assistant") => Role::Assistant,
        other => {
            skipped.push(Skipped::message(Reason::UnknownRole, id).detail(other.unwrap_or("none")));
            return Content::Nothing;
        }
    };
    let mut said = Said::new(role);
    said.created_at = time_text(message.created_at);
    said.model = message.model.filter(|_| role == Role::Assistant);
    for block in message.content.unwrap_or_default() {
        take(&mut said, block, id, skipped);
    }
    if said.pieces.is_empty() {
        said.text(message.text.unwrap_or_default());
    }
    for Attachment { file_name, extracted_content } in message.attachments.unwrap_or_default() {
        said.attachment(
            file_name.filter(|name| !name.is_empty()).unwrap_or_else(|| "pasted text".to_owned()),
        );
        said.text(extracted_content.unwrap_or_default());
    }
    for Attached { file_name, file_uuid } in message.files.unwrap_or_default() {
        let name = file_name.filter(|name| !name.is_empty()).or(file_uuid);
        said.attachment(name.unwrap_or_else(|| "file".to_owned()));
    }
    if said.pieces.is_empty() {
        skipped.push(Skipped::message(Reason::Empty, id));
        return Content::Nothing;
    }
    match message.stop_reason.as_deref() {
        Some("user_canceled" | "user_cancelled") => said.interrupted(),
        Some("max_tokens") => said.finish_reason = Some(FinishReason::Length),
        Some("stop_sequence" | "end_turn") => said.finish_reason = Some(FinishReason::Stop),
        Some(_) | None if message.truncated == Some(true) && role == Role::Assistant => said.interrupted(),
        Some(_) | None => {}
    }
    Content::Message(Box::new(said))
}

fn take(said: &mut Said, block: Block, id: &str, skipped: &mut Vec<Skipped>) {
    match block.kind.as_deref() {
        Some("text") => said.text(block.text.unwrap_or_default()),
        Some("thinking") => said.reasoning(block.thinking.or(block.text).unwrap_or_default()),
        Some("tool_use") => said.call(Call {
            external_id: block.id,
            name: block.name.unwrap_or_else(|| "tool".to_owned()),
            args_text: block.input.map_or_else(|| "{}".to_owned(), |input| input.to_string()),
            ..Call::default()
        }),
        Some("tool_result") => {
            let text = block.content.as_ref().map(spoken).unwrap_or_default();
            let (wanted, name) = (block.tool_use_id, block.name);
            let is_error = block.is_error == Some(true);
            let mut calls: Vec<&mut Call> = said.calls_mut().collect();
            let asked = calls.iter().position(|call| wanted.is_some() && call.external_id == wanted);
            let open = |call: &&mut Call| call.output.is_none() && call.error.is_none();
            let asked = asked.or_else(|| calls.iter().position(open));
            match asked {
                Some(index) => calls[index].answer(text, is_error),
                None => {
                    let mut call = Call {
                        external_id: wanted,
                        name: name.unwrap_or_else(|| "tool".to_owned()),
                        args_text: "{}".to_owned(),
                        ..Call::default()
                    };
                    call.answer(text, is_error);
                    said.call(call);
                }
            }
        }
        // How much the model was allowed to think: nothing that was said.
        Some("token_budget") => {}
        other => match block.text.filter(|text| !text.trim().is_empty()) {
            Some(text) => said.text(text),
            None => {
                let kind = other.unwrap_or("none");
                said.notice("unsupported_content", kind);
                skipped.push(Skipped::message(Reason::UnsupportedContent, id).detail(kind));
            }
        },
    }
}

/// The text of a result: of its text blocks, or else its JSON.
fn spoken(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => {
            let texts: Vec<String> = blocks
                .iter()
                .map(|block| match block.get("text").and_then(Value::as_str) {
                    Some(text) => text.to_owned(),
                    None => block.to_string(),
                })
                .collect();
            texts.join("\n")
        }
        Value::Null => String::new(),
        Value::Object(_) | Value::Bool(_) | Value::Number(_) => content.to_string(),
    }
}
