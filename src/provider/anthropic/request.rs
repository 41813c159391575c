//! A request as the messages API takes it.

use serde_json::{Map, Value, json};

use crate::chat::context::{Item, PromptPart};
use crate::chat::message::Part;
use crate::provider::files::Piece;
use crate::provider::prompt::{CallIds, arguments, own};
use crate::provider::tool_names::ToolNames;
use crate::provider::{Ending, Kind, Model, Request};

/// Of a model that nobody knows.
const MAX_TOKENS: u64 = 8_192;
/// The least that the API takes.
const SMALLEST_BUDGET: u64 = 1_024;

pub(crate) fn body(request: &Request, names: &ToolNames) -> Value {
    let settings = &request.settings;
    let max_tokens = settings
        .max_output_tokens
        .map(u64::from)
        .or(Model::named(&request.model).max_output_tokens)
        .unwrap_or(MAX_TOKENS);
    let mut body = Map::new();
    body.insert("model".into(), request.model.as_str().into());
    body.insert("max_tokens".into(), max_tokens.into());
    body.insert("messages".into(), messages(request, names).into());
    body.insert("stream".into(), true.into());
    if let Some(system) = request.prompt.system.as_ref().filter(|system| !system.trim().is_empty()) {
        body.insert("system".into(), system.as_str().into());
    }
    if !request.tools.is_empty() {
        let tools = request.tools.iter().map(|tool| {
            json!({"name": names.theirs(&tool.name), "description": tool.description, "input_schema": tool.schema})
        });
        body.insert("tools".into(), tools.collect());
        if let Some(choice) = request.tool_choice.as_ref().and_then(|choice| tool_choice(choice, names)) {
            body.insert("tool_choice".into(), choice);
        }
    }
    let mut output = Map::new();
    match thinking(request, max_tokens) {
        Some(Thinking::Adaptive(effort)) => {
            body.insert("thinking".into(), json!({"type": "adaptive"}));
            output.insert("effort".into(), effort.into());
        }
        Some(Thinking::Budget(tokens)) => {
            body.insert("thinking".into(), json!({"type": "enabled", "budget_tokens": tokens}));
        }
        // Thinking goes only with the default temperature.
        None => {
            if let Some(temperature) = settings.temperature {
                body.insert("temperature".into(), temperature.into());
            }
        }
    }
    if let Some(schema) =
        settings.response_format.as_ref().and_then(|format| format.pointer("/json_schema/schema"))
    {
        output.insert("format".into(), json!({"type": "json_schema", "schema": schema}));
    }
    if !output.is_empty() {
        body.insert("output_config".into(), output.into());
    }
    Value::Object(body)
}

enum Thinking<'a> {
    Adaptive(&'a str),
    Budget(u64),
}

/// Newer models decide themselves how long they think; older ones get a budget, which must stay below `max_tokens`.
/// A forced tool and a prefilled answer allow neither.
fn thinking(request: &Request, max_tokens: u64) -> Option<Thinking<'_>> {
    let effort = request.settings.reasoning_effort.as_deref().filter(|effort| *effort != "none")?;
    let forced =
        request.tool_choice.as_ref().is_some_and(|choice| !matches!(choice.as_str(), Some("auto" | "none")));
    if forced || request.ending == Ending::Prefill {
        return None;
    }
    if generation(&request.model) >= (4, 6) {
        return Some(Thinking::Adaptive(if effort == "minimal" { "low" } else { effort }));
    }
    let budget = match effort {
        "minimal" | "low" => 2_048,
        "medium" => 8_192,
        _ => 24_576,
    };
    let budget = budget.min(max_tokens.saturating_sub(SMALLEST_BUDGET));
    (budget >= SMALLEST_BUDGET).then_some(Thinking::Budget(budget))
}

/// `claude-sonnet-4-6` is of generation 4.6, `claude-3-5-haiku-20241022` of 3.5. Dates are longer.
fn generation(model: &str) -> (u32, u32) {
    let mut numbers = model
        .split(['-', '.', '@', '/'])
        .filter(|word| word.len() <= 2)
        .filter_map(|word| word.parse::<u32>().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// From the words of OpenAI's chat completions.
fn tool_choice(choice: &Value, names: &ToolNames) -> Option<Value> {
    match choice {
        Value::String(word) if word == "required" => Some(json!({"type": "any"})),
        Value::String(word) => Some(json!({"type": word})),
        Value::Object(_) => {
            let name = choice.pointer("/function/name").or_else(|| choice.get("name"))?.as_str()?;
            Some(json!({"type": "tool", "name": names.theirs(name)}))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
    }
}

/// Roles alternate: what follows under the same role is merged, so that all results of one answer stand together.
fn messages(request: &Request, names: &ToolNames) -> Vec<Value> {
    let ids = CallIds::of(&request.prompt.items, Kind::Anthropic);
    let mut messages: Vec<(&str, Vec<Value>)> = Vec::new();
    for item in &request.prompt.items {
        let (role, blocks) = match item {
            Item::User { parts } => ("user", request.files.pieces(parts).iter().filter_map(piece).collect()),
            Item::Assistant { parts } => ("assistant", assistant(parts, names, &ids)),
            Item::ToolResult { call_id, output, is_error, .. } => {
                ("user", vec![tool_result(&ids.of_call(*call_id), output, *is_error)])
            }
        };
        match messages.last_mut() {
            _ if blocks.is_empty() => {}
            Some((last, merged)) if *last == role => merged.extend(blocks),
            Some(_) | None => messages.push((role, blocks)),
        }
    }
    if messages.first().is_some_and(|(role, _)| *role == "assistant") {
        messages.insert(0, ("user", vec![json!({"type": "text", "text": "(The beginning was left out.)"})]));
    }
    if request.ending == Ending::Prefill {
        trim_end(messages.last_mut());
    }
    messages.into_iter().map(|(role, content)| json!({"role": role, "content": content})).collect()
}

fn piece(piece: &Piece<'_>) -> Option<Value> {
    match piece {
        Piece::Text(text) => said(text),
        Piece::Image { media_type, data } => Some(json!({
            "type": "image",
            "source": {"type": "base64", "media_type": media_type, "data": data},
        })),
        Piece::Pdf { name, data } => Some(json!({
            "type": "document",
            "title": name,
            "source": {"type": "base64", "media_type": "application/pdf", "data": data},
        })),
    }
}

/// Text blocks without any letter are refused.
fn said(text: &str) -> Option<Value> {
    (!text.trim().is_empty()).then(|| json!({"type": "text", "text": text}))
}

fn tool_result(id: &str, output: &str, is_error: bool) -> Value {
    let mut result = json!({"type": "tool_result", "tool_use_id": id});
    if !output.is_empty() {
        result["content"] = output.into();
    }
    if is_error {
        result["is_error"] = true.into();
    }
    result
}

fn assistant(parts: &[PromptPart], names: &ToolNames, ids: &CallIds) -> Vec<Value> {
    parts.iter().filter_map(|part| block(part, names, ids)).collect()
}

fn block(part: &PromptPart, names: &ToolNames, ids: &CallIds) -> Option<Value> {
    let own = own(part.opaque.as_ref(), Kind::Anthropic);
    match &part.part {
        Part::Text { text } => said(text),
        // Without its signature thinking is refused.
        Part::Reasoning { text } => {
            let own = own?;
            match (own.get("signature"), own.get("redacted")) {
                (Some(signature), _) => {
                    Some(json!({"type": "thinking", "thinking": text, "signature": signature}))
                }
                (None, Some(data)) => Some(json!({"type": "redacted_thinking", "data": data})),
                (None, None) => None,
            }
        }
        Part::ToolCall { call_id, name, args_text, discarded: false } => Some(json!({
            "type": "tool_use",
            "id": ids.of_call(*call_id),
            "name": names.theirs(name),
            "input": arguments(args_text),
        })),
        Part::ToolCall { discarded: true, .. }
        | Part::File { .. }
        | Part::Source { .. }
        | Part::Notice { .. } => None,
    }
}

/// A prefilled answer must not end in white space.
fn trim_end(message: Option<&mut (&str, Vec<Value>)>) {
    let text = message.and_then(|(_, blocks)| blocks.last_mut()).and_then(|block| block.get_mut("text"));
    if let Some(Value::String(text)) = text {
        text.truncate(text.trim_end().len());
    }
}

/// The white space that [`trim_end`] took away: it was shown, so it must not be shown twice.
pub(crate) fn withheld_space(request: &Request) -> String {
    let (Ending::Prefill, Some(Item::Assistant { parts })) = (request.ending, request.prompt.items.last())
    else {
        return String::new();
    };
    match parts.last().map(|part| &part.part) {
        Some(Part::Text { text }) => text[text.trim_end().len()..].to_owned(),
        Some(
            Part::Reasoning { .. }
            | Part::ToolCall { .. }
            | Part::File { .. }
            | Part::Source { .. }
            | Part::Notice { .. },
        )
        | None => String::new(),
    }
}
