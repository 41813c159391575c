//! ChatGPT's export: `mapping`, an object of nodes that name their parent and their children.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::conversation::{Call, Content, Conversation, NODES, Node, Output, Said, args_text};
use super::format::{Format, Pairs, id_of, malformed, time};
use super::report::{Reason, Skipped};
use crate::chat::message::{FinishReason, Role};

#[derive(Deserialize)]
struct File<'a> {
    id: Option<String>,
    conversation_id: Option<String>,
    title: Option<String>,
    create_time: Option<f64>,
    current_node: Option<String>,
    #[serde(borrow)]
    mapping: Option<Pairs<&'a RawValue>>,
}

#[derive(Deserialize)]
struct Mapped<'a> {
    parent: Option<String>,
    #[serde(default)]
    children: Vec<String>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Message {
    author: Author,
    create_time: Option<f64>,
    content: Option<Contents>,
    status: Option<String>,
    weight: Option<f64>,
    recipient: Option<String>,
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Author {
    role: String,
    name: Option<String>,
}

#[derive(Deserialize)]
struct Contents {
    content_type: String,
    #[serde(default)]
    parts: Option<Vec<Value>>,
    text: Option<String>,
    language: Option<String>,
    thoughts: Option<Vec<Thought>>,
    content: Option<Value>,
    url: Option<String>,
    title: Option<String>,
    result: Option<String>,
    user_profile: Option<String>,
    user_instructions: Option<String>,
}

#[derive(Deserialize)]
struct Thought {
    summary: Option<String>,
    content: Option<String>,
}

#[derive(Deserialize)]
struct Metadata {
    model_slug: Option<String>,
    is_visually_hidden_from_conversation: Option<bool>,
    finish_details: Option<FinishDetails>,
    attachments: Option<Vec<Attachment>>,
}

#[derive(Deserialize)]
struct FinishDetails {
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Attachment {
    id: Option<String>,
    name: Option<String>,
}

pub fn read(json: &[u8]) -> Result<Conversation, Box<Skipped>> {
    let file: File<'_> = serde_json::from_slice(json).map_err(|error| malformed(None, &error))?;
    let external_id = id_of(file.conversation_id.or(file.id), json);
    let Some(Pairs(mapping)) = file.mapping.filter(|mapping| !mapping.0.is_empty()) else {
        return Err(Box::new(Skipped::new(Reason::MissingMessages).of(&external_id)));
    };
    if mapping.len() > NODES {
        let detail = format!("{} messages, and {NODES} are read at most", mapping.len());
        return Err(Box::new(Skipped::new(Reason::TooManyMessages).of(&external_id).detail(detail)));
    }
    let (mut nodes, mut skipped) = (Vec::with_capacity(mapping.len()), Vec::new());
    for (id, raw) in mapping {
        match serde_json::from_str::<Mapped<'_>>(raw.get()) {
            Ok(mapped) => {
                let content = match mapped.message {
                    Some(message) => content(&id, message, &mut skipped),
                    None => Content::Nothing,
                };
                let (parent, children) = (mapped.parent, mapped.children);
                nodes.push(Node { external_id: id, parent, children, content });
            }
            Err(error) => skipped.push(Skipped::message(Reason::Malformed, &id).detail(error)),
        }
    }
    Ok(Conversation {
        format: Format::ChatGpt,
        external_id,
        title: file.title,
        created_at: time(file.create_time),
        head: file.current_node,
        nodes,
        own: None,
        skipped,
    })
}

fn content(id: &str, raw: &RawValue, skipped: &mut Vec<Skipped>) -> Content {
    let message: Message = match serde_json::from_str(raw.get()) {
        Ok(message) => message,
        Err(error) => {
            skipped.push(Skipped::message(Reason::Malformed, id).detail(error));
            return Content::Nothing;
        }
    };
    let metadata = message.metadata.as_ref();
    let hidden = message.weight == Some(0.0)
        || metadata.is_some_and(|metadata| metadata.is_visually_hidden_from_conversation == Some(true));
    if hidden {
        skipped.push(Skipped::message(Reason::Hidden, id));
        return Content::Nothing;
    }
    let role = match message.author.role.as_str() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" | "developer" => Role::System,
        "tool" => return output(id, message, skipped),
        other => {
            skipped.push(Skipped::message(Reason::UnknownRole, id).detail(other));
            return Content::Nothing;
        }
    };
    let mut said = Said::new(role);
    said.created_at = time(message.create_time);
    said.model =
        metadata.and_then(|metadata| metadata.model_slug.clone()).filter(|_| role == Role::Assistant);
    let recipient = message.recipient.as_deref().filter(|recipient| *recipient != "all");
    match (message.content, recipient) {
        (Some(contents), Some(tool)) if role == Role::Assistant => {
            let args = args_text(argument_of(&contents), plain(&contents));
            said.call(Call { name: tool.to_owned(), args_text: args, ..Call::default() });
        }
        (Some(contents), _) => pieces(&mut said, contents, message.metadata.as_ref(), id, skipped),
        (None, _) => {}
    }
    attachments(&mut said, message.metadata.as_ref());
    if said.pieces.is_empty() {
        skipped.push(Skipped::message(Reason::Empty, id));
        return Content::Nothing;
    }
    let finish = message.metadata.and_then(|metadata| metadata.finish_details?.kind);
    if role == Role::Assistant {
        match (finish.as_deref(), message.status.as_deref()) {
            (Some("interrupted"), _) | (_, Some("in_progress" | "finished_partial_completion")) => {
                said.interrupted();
            }
            (Some("max_tokens"), _) => said.finish_reason = Some(FinishReason::Length),
            (Some("stop"), _) => said.finish_reason = Some(FinishReason::Stop),
            (_, _) => {}
        }
    }
    Content::Message(Box::new(said))
}

fn output(id: &str, message: Message, skipped: &mut Vec<Skipped>) -> Content {
    let Some(contents) = message.content else {
        skipped.push(Skipped::message(Reason::Empty, id));
        return Content::Nothing;
    };
    let is_error = contents.content_type == "system_error";
    Content::Output(Output {
        tool: message.author.name.unwrap_or_else(|| "tool".to_owned()),
        text: plain(&contents),
        is_error,
        created_at: time(message.create_time),
    })
}

/// What the only argument of a call is called, where the call is no JSON.
fn argument_of(contents: &Contents) -> &'static str {
    if contents.content_type == "code" { "code" } else { "input" }
}

fn pieces(
    said: &mut Said,
    contents: Contents,
    metadata: Option<&Metadata>,
    id: &str,
    skipped: &mut Vec<Skipped>,
) {
    match contents.content_type.as_str() {
        "text" | "multimodal_text" => {
            for part in contents.parts.unwrap_or_default() {
                piece(said, &part, metadata, id, skipped);
            }
        }
        "code" => {
            let code = contents.text.unwrap_or_default();
            match contents.language.as_deref() {
                Some(language) if language != "unknown" && !code.is_empty() => {
                    said.text(format!("```{language}\n{code}\n```"));
                }
                Some(_) | None => said.text(code),
            }
        }
        "thoughts" => {
            for thought in contents.thoughts.unwrap_or_default() {
                let texts = [thought.summary, thought.content].into_iter().flatten();
                let texts: Vec<_> = texts.filter(|text| !text.trim().is_empty()).collect();
                said.reasoning(texts.join("\n\n"));
            }
        }
        "reasoning_recap" => {
            if let Some(Value::String(text)) = contents.content {
                said.notice("reasoning_recap", text);
            }
        }
        "tether_quote" => {
            if let Some(url) = contents.url.clone().filter(|url| !url.is_empty()) {
                said.source(url, contents.title.clone());
            }
            said.text(plain(&contents));
        }
        "execution_output"
        | "tether_browsing_display"
        | "user_editable_context"
        | "model_editable_context"
        | "system_error" => said.text(plain(&contents)),
        other => {
            let text = plain(&contents);
            if text.trim().is_empty() {
                said.notice("unsupported_content", other);
                skipped.push(Skipped::message(Reason::UnsupportedContent, id).detail(other));
            } else {
                said.text(text);
            }
        }
    }
}

fn piece(said: &mut Said, part: &Value, metadata: Option<&Metadata>, id: &str, skipped: &mut Vec<Skipped>) {
    let text = |key: &str| part.get(key).and_then(Value::as_str);
    match (part, text("content_type")) {
        (Value::String(text), _) => said.text(text.as_str()),
        (_, Some("audio_transcription")) => said.text(text("text").unwrap_or_default()),
        (_, Some(kind)) => match text("asset_pointer") {
            Some(pointer) => {
                let file_id = pointer.rsplit('/').next().unwrap_or(pointer);
                let name = attached(metadata)
                    .find(|attachment| attachment.id.as_deref() == Some(file_id))
                    .and_then(|attachment| attachment.name.clone());
                said.attachment(name.unwrap_or_else(|| file_id.to_owned()));
            }
            None => unsupported(said, kind, text("text"), id, skipped),
        },
        (Value::Object(_), None) => unsupported(said, "object", text("text"), id, skipped),
        (_, None) => unsupported(said, "value", None, id, skipped),
    }
}

fn unsupported(said: &mut Said, kind: &str, text: Option<&str>, id: &str, skipped: &mut Vec<Skipped>) {
    if let Some(text) = text {
        return said.text(text);
    }
    said.notice("unsupported_content", kind);
    skipped.push(Skipped::message(Reason::UnsupportedContent, id).detail(kind));
}

fn attached(metadata: Option<&Metadata>) -> impl Iterator<Item = &Attachment> {
    metadata.into_iter().filter_map(|metadata| metadata.attachments.as_ref()).flatten()
}

/// Those that no part of the message stands for.
fn attachments(said: &mut Said, metadata: Option<&Metadata>) {
    use super::conversation::Piece;
    use crate::chat::message::Part;

    for attachment in attached(metadata) {
        let Some(name) = attachment.name.as_ref().or(attachment.id.as_ref()) else { continue };
        let there = said.pieces.iter().any(
            |piece| matches!(piece, Piece::Part(Part::Notice { code, text }) if code == "attachment" && text == name),
        );
        if !there {
            said.attachment(name.as_str());
        }
    }
}

/// Whatever text there is.
fn plain(contents: &Contents) -> String {
    let mut texts: Vec<&str> = Vec::new();
    for part in contents.parts.iter().flatten() {
        texts.extend(part.as_str().or_else(|| part.get("text").and_then(Value::as_str)));
    }
    texts.extend(contents.text.as_deref());
    texts.extend(contents.result.as_deref());
    texts.extend(contents.user_profile.as_deref());
    texts.extend(contents.user_instructions.as_deref());
    texts.extend(contents.content.as_ref().and_then(Value::as_str));
    texts.retain(|text| !text.is_empty());
    texts.join("\n")
}
