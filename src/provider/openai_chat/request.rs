//! A request as chat completions take it.
//!
//! Written with our own JSON: async-openai's request type has closed enums for what servers extend (efforts, formats,
//! tool choices), rounds the temperature to 32 bits, and has no place for reasoning that is sent back.

use serde_json::{Map, Value, json};

use crate::chat::context::{Item, PromptPart};
use crate::chat::message::Part;
use crate::provider::prompt::{CallIds, arguments_text, own, user_text};
use crate::provider::tool_names::ToolNames;
use crate::provider::{Ending, Kind, Request};

/// Where a server wants something else than OpenAI's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Openai,
    /// Knows `max_tokens` only.
    Compatible,
    /// The same, and wants a trailing assistant message marked (Mistral, DeepSeek).
    MarkedPrefix,
}

impl Dialect {
    pub(crate) fn of(host: &str) -> Self {
        match host {
            _ if host.ends_with("openai.com") || host.ends_with("azure.com") => Self::Openai,
            _ if host.ends_with("mistral.ai") || host.ends_with("deepseek.com") => Self::MarkedPrefix,
            _ => Self::Compatible,
        }
    }
}

pub(crate) fn body(request: &Request, names: &ToolNames, dialect: Dialect) -> Value {
    let mut body = Map::new();
    body.insert("model".into(), request.model.as_str().into());
    body.insert("messages".into(), messages(request, names, dialect).into());
    body.insert("stream".into(), true.into());
    body.insert("stream_options".into(), json!({"include_usage": true}));
    if !request.tools.is_empty() {
        let tools: Vec<Value> = request.tools.iter().map(|tool| json!({
            "type": "function",
            "function": {"name": names.theirs(&tool.name), "description": tool.description, "parameters": tool.schema},
        })).collect();
        body.insert("tools".into(), tools.into());
        if let Some(choice) = &request.tool_choice {
            body.insert("tool_choice".into(), tool_choice(choice, names));
        }
    }
    let settings = &request.settings;
    if let Some(temperature) = settings.temperature {
        body.insert("temperature".into(), temperature.into());
    }
    if let Some(effort) = &settings.reasoning_effort {
        body.insert("reasoning_effort".into(), effort.as_str().into());
    }
    if let Some(format) = &settings.response_format {
        body.insert("response_format".into(), format.clone());
    }
    if let Some(limit) = settings.max_output_tokens {
        let key = match dialect {
            _ if reasons(&request.model) => "max_completion_tokens",
            Dialect::Openai => "max_completion_tokens",
            Dialect::Compatible | Dialect::MarkedPrefix => "max_tokens",
        };
        body.insert(key.into(), limit.into());
    }
    Value::Object(body)
}

/// OpenAI's reasoning models refuse `max_tokens`, wherever they are served.
fn reasons(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model);
    ["o1", "o3", "o4", "gpt-5"].iter().any(|family| name.starts_with(family))
}

fn tool_choice(choice: &Value, names: &ToolNames) -> Value {
    let mut choice = choice.clone();
    if let Some(Value::String(name)) = choice.pointer_mut("/function/name") {
        *name = names.theirs(name).into_owned();
    }
    choice
}

fn messages(request: &Request, names: &ToolNames, dialect: Dialect) -> Vec<Value> {
    let ids = CallIds::of(&request.prompt.items, Kind::OpenaiChat);
    let mut messages = Vec::new();
    if let Some(system) = &request.prompt.system {
        messages.push(json!({"role": "system", "content": system}));
    }
    for item in &request.prompt.items {
        match item {
            Item::User { parts } => messages.push(json!({"role": "user", "content": user_text(parts)})),
            Item::Assistant { parts } => messages.extend(assistant(parts, names, &ids)),
            Item::ToolResult { call_id, output, .. } => {
                messages
                    .push(json!({"role": "tool", "tool_call_id": ids.of_call(*call_id), "content": output}));
            }
        }
    }
    if let (Ending::Prefill, Dialect::MarkedPrefix, Some(last)) =
        (request.ending, dialect, messages.last_mut())
    {
        last["prefix"] = true.into();
    }
    messages
}

/// `None` where nothing of the answer can be sent back.
fn assistant(parts: &[PromptPart], names: &ToolNames, ids: &CallIds) -> Option<Value> {
    let mut text = String::new();
    let mut calls = Vec::new();
    let mut details = Vec::new();
    let mut reasoning = String::new();
    for PromptPart { part, opaque } in parts {
        let own = own(opaque.as_ref(), Kind::OpenaiChat);
        match part {
            Part::Text { text: said } => text.push_str(said),
            Part::Reasoning { text: thought } => {
                if let Some(Value::Array(kept)) = own.and_then(|data| data.get("reasoning_details")) {
                    details.extend(kept.iter().cloned());
                }
                if own.is_some_and(|data| data["field"] == "reasoning_content") {
                    reasoning.push_str(thought);
                }
            }
            Part::ToolCall { call_id, name, args_text, discarded: false } => {
                let mut call = json!({
                    "id": ids.of_call(*call_id),
                    "type": "function",
                    "function": {"name": names.theirs(name), "arguments": arguments_text(args_text)},
                });
                if let Some(extra) = own.and_then(|data| data.get("extra_content")) {
                    call["extra_content"] = extra.clone();
                }
                calls.push(call);
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
    if text.is_empty() {
        message["content"] = Value::Null;
    }
    if !details.is_empty() {
        message["reasoning_details"] = details.into();
    }
    if !calls.is_empty() {
        message["tool_calls"] = calls.into();
        // DeepSeek and Moonshot want it back with a call, and refuse it without one.
        if !reasoning.is_empty() {
            message["reasoning_content"] = reasoning.into();
        }
    }
    Some(message)
}
