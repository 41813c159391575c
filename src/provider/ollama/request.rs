//! A request as Ollama's native chat takes it.

use serde_json::{Map, Value, json};

use crate::chat::context::{Item, PromptPart};
use crate::chat::message::Part;
use crate::provider::Request;
use crate::provider::files::Piece;
use crate::provider::prompt::arguments;
use crate::provider::tool_names::ToolNames;

pub(crate) fn body(request: &Request, names: &ToolNames) -> Value {
    let settings = &request.settings;
    let mut options = Map::new();
    if let Some(tokens) = request.context_tokens {
        options.insert("num_ctx".into(), tokens.into());
    }
    if let Some(temperature) = settings.temperature {
        options.insert("temperature".into(), temperature.into());
    }
    if let Some(limit) = settings.max_output_tokens {
        options.insert("num_predict".into(), limit.into());
    }
    let mut body = Map::new();
    body.insert("model".into(), request.model.as_str().into());
    body.insert("messages".into(), messages(request, names).into());
    body.insert("stream".into(), true.into());
    body.insert("options".into(), options.into());
    if !request.tools.is_empty() {
        let tools = request.tools.iter().map(|tool| {
            json!({
                "type": "function",
                "function": {"name": names.theirs(&tool.name), "description": tool.description, "parameters": tool.schema},
            })
        });
        body.insert("tools".into(), tools.collect());
    }
    if let Some(effort) = &settings.reasoning_effort {
        body.insert("think".into(), think(&request.model, effort));
    }
    if let Some(format) = settings.response_format.as_ref().and_then(format) {
        body.insert("format".into(), format);
    }
    Value::Object(body)
}

/// gpt-oss knows levels; the others think or don't.
fn think(model: &str, effort: &str) -> Value {
    match (effort, model.contains("gpt-oss")) {
        ("none", _) => false.into(),
        ("low" | "medium" | "high", true) => effort.into(),
        _ => true.into(),
    }
}

fn format(response_format: &Value) -> Option<Value> {
    match response_format.get("type")?.as_str()? {
        "json_object" => Some("json".into()),
        "json_schema" => response_format.pointer("/json_schema/schema").cloned(),
        _ => None,
    }
}

fn messages(request: &Request, names: &ToolNames) -> Vec<Value> {
    let mut messages = Vec::new();
    if let Some(system) = &request.prompt.system {
        messages.push(json!({"role": "system", "content": system}));
    }
    for item in &request.prompt.items {
        match item {
            Item::User { parts } => messages.push(asked(request.files.pieces(parts))),
            Item::Assistant { parts } => messages.extend(assistant(parts, names)),
            Item::ToolResult { name, output, .. } => {
                messages.push(json!({"role": "tool", "tool_name": names.theirs(name), "content": output}));
            }
        }
    }
    messages
}

/// Images stand beside the text; documents are not taken.
fn asked(pieces: Vec<Piece<'_>>) -> Value {
    let (mut texts, mut images) = (Vec::new(), Vec::new());
    for piece in pieces {
        match piece {
            Piece::Text(text) => texts.push(text),
            Piece::Image { data, .. } => images.push(data),
            Piece::Pdf { name, .. } => texts.push(Piece::unseen(name)),
        }
    }
    let mut message = json!({"role": "user", "content": texts.join("\n\n")});
    if !images.is_empty() {
        message["images"] = images.into();
    }
    message
}

fn assistant(parts: &[PromptPart], names: &ToolNames) -> Option<Value> {
    let mut text = String::new();
    let mut thinking = String::new();
    let mut calls = Vec::new();
    for part in parts {
        match &part.part {
            Part::Text { text: said } => text.push_str(said),
            Part::Reasoning { text: thought } => thinking.push_str(thought),
            Part::ToolCall { name, args_text, discarded: false, .. } => {
                calls.push(
                    json!({"function": {"name": names.theirs(name), "arguments": arguments(args_text)}}),
                );
            }
            Part::ToolCall { discarded: true, .. }
            | Part::File { .. }
            | Part::Source { .. }
            | Part::Notice { .. } => {}
        }
    }
    if text.is_empty() && calls.is_empty() {
        return None;
    }
    let mut message = json!({"role": "assistant", "content": text});
    if !calls.is_empty() {
        message["tool_calls"] = calls.into();
        // Between a call and its result the model goes on with its thoughts.
        if !thinking.is_empty() {
            message["thinking"] = thinking.into();
        }
    }
    Some(message)
}
