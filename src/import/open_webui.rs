//! Open WebUI's export: the whole chat with its `history`, an object of messages that name their parents.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::conversation::{Content, Conversation, NODES, Node, Said};
use super::format::{Format, Pairs, id_of, malformed, time};
use super::report::{Reason, Skipped};
use crate::chat::message::Role;

#[derive(Deserialize)]
struct File<'a> {
    id: Option<String>,
    title: Option<String>,
    created_at: Option<f64>,
    #[serde(borrow)]
    chat: Chat<'a>,
}

#[derive(Deserialize)]
struct Chat<'a> {
    id: Option<String>,
    title: Option<String>,
    timestamp: Option<f64>,
    #[serde(borrow)]
    history: Option<History<'a>>,
    /// The current path alone, as old exports have it.
    #[serde(borrow)]
    messages: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
struct History<'a> {
    #[serde(borrow)]
    messages: Option<Pairs<&'a RawValue>>,
    #[serde(rename = "currentId")]
    current_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    id: Option<String>,
    parent_id: Option<String>,
    #[serde(default)]
    children_ids: Vec<String>,
    role: Option<String>,
    content: Option<Value>,
    reasoning_content: Option<String>,
    timestamp: Option<f64>,
    model: Option<String>,
    done: Option<bool>,
    error: Option<Value>,
    files: Option<Vec<Value>>,
    sources: Option<Vec<Value>>,
}

pub fn read(json: &[u8]) -> Result<Conversation, Box<Skipped>> {
    let file: File<'_> = serde_json::from_slice(json).map_err(|error| malformed(None, &error))?;
    let Chat { id, title, timestamp, history, messages } = file.chat;
    let external_id = id_of(file.id.or(id), json);
    let (head, mapped) = match history {
        Some(History { messages: Some(Pairs(mapped)), current_id }) if !mapped.is_empty() => {
            (current_id, mapped)
        }
        Some(_) | None => {
            let line = messages.unwrap_or_default().into_iter().enumerate();
            (None, line.map(|(index, raw)| (index.to_string(), raw)).collect())
        }
    };
    if mapped.is_empty() {
        return Err(Box::new(Skipped::new(Reason::MissingMessages).of(&external_id)));
    }
    if mapped.len() > NODES {
        let detail = format!("{} messages, and {NODES} are read at most", mapped.len());
        return Err(Box::new(Skipped::new(Reason::TooManyMessages).of(&external_id).detail(detail)));
    }
    let (mut nodes, mut skipped) = (Vec::<Node>::with_capacity(mapped.len()), Vec::new());
    let mut links = false;
    for (key, raw) in mapped {
        match serde_json::from_str::<Message>(raw.get()) {
            Ok(mut message) => {
                let id = message.id.take().unwrap_or(key);
                let (parent, children) =
                    (message.parent_id.take(), std::mem::take(&mut message.children_ids));
                links |= parent.is_some() || !children.is_empty();
                let content = content(&id, message, &mut skipped);
                nodes.push(Node { external_id: id, parent, children, content });
            }
            Err(error) => skipped.push(Skipped::message(Reason::Malformed, &key).detail(error)),
        }
    }
    let mut head = head;
    if !links {
        for index in 1..nodes.len() {
            nodes[index].parent = Some(nodes[index - 1].external_id.clone());
        }
        head = nodes.last().map(|node| node.external_id.clone());
    }
    Ok(Conversation {
        format: Format::OpenWebui,
        external_id,
        title: file.title.or(title),
        created_at: time(file.created_at).or_else(|| time(timestamp)),
        head,
        nodes,
        own: None,
        skipped,
    })
}

fn content(id: &str, message: Message, skipped: &mut Vec<Skipped>) -> Content {
    let role = match message.role.as_deref() {
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some("system") => Role::System,
        other => {
            skipped.push(Skipped::message(Reason::UnknownRole, id).detail(other.unwrap_or("none")));
            return Content::Nothing;
        }
    };
    let mut said = Said::new(role);
    said.created_at = time(message.timestamp);
    said.model = message.model.filter(|_| role == Role::Assistant);
    said.reasoning(message.reasoning_content.unwrap_or_default());
    match message.content {
        Some(Value::String(text)) => spoken(&mut said, &text),
        Some(Value::Array(parts)) => {
            for part in parts {
                match part.get("text").and_then(Value::as_str) {
                    Some(text) => spoken(&mut said, text),
                    None => {
                        let kind = part.get("type").and_then(Value::as_str).unwrap_or("object");
                        said.notice("unsupported_content", kind);
                        skipped.push(Skipped::message(Reason::UnsupportedContent, id).detail(kind));
                    }
                }
            }
        }
        Some(_) | None => {}
    }
    for file in message.files.unwrap_or_default() {
        let name = [&file["name"], &file["file"]["filename"], &file["id"], &file["type"]];
        let name = name.into_iter().find_map(|value| value.as_str().filter(|name| !name.is_empty()));
        said.attachment(name.unwrap_or("file"));
    }
    for source in message.sources.unwrap_or_default() {
        let (url, name) = (source["source"]["url"].as_str(), source["source"]["name"].as_str());
        match url {
            Some(url) => said.source(url.to_owned(), name.map(str::to_owned)),
            None => said.notice("source", name.unwrap_or("source")),
        }
    }
    if let Some(error) = message.error.filter(|error| error.is_object() || error.is_string()) {
        let text = error.as_str().or_else(|| error["content"].as_str()).map(str::to_owned);
        said.notice("error", text.unwrap_or_else(|| error.to_string()));
        said.interrupted();
    }
    if message.done == Some(false) && role == Role::Assistant {
        said.interrupted();
    }
    if said.pieces.is_empty() {
        skipped.push(Skipped::message(Reason::Empty, id));
        return Content::Nothing;
    }
    Content::Message(Box::new(said))
}

/// Text, and the reasoning that stands folded away in it: `<details type="reasoning">`.
fn spoken(said: &mut Said, text: &str) {
    const OPEN: &str = "<details type=\"reasoning\"";
    const CLOSE: &str = "</details>";
    let mut rest = text;
    while let Some(start) = rest.find(OPEN) {
        let (before, details) = rest.split_at(start);
        let Some(end) = details.find(CLOSE) else { break };
        said.text(before.trim_end());
        let body = details[..end].split_once('>').map_or("", |(_, body)| body);
        let body = body.split_once("</summary>").map_or(body, |(_, body)| body);
        let lines = body.trim().lines().map(|line| line.strip_prefix('>').map_or(line, str::trim_start));
        said.reasoning(lines.collect::<Vec<_>>().join("\n"));
        rest = details[end + CLOSE.len()..].trim_start();
    }
    said.text(rest);
}
