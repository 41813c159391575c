//! A request as the responses API takes it. The whole conversation goes along each time: it keeps nothing for us.

use serde_json::{Map, Value, json};

use crate::chat::context::{Item, PromptPart};
use crate::chat::message::Part;
use crate::provider::files::Piece;
use crate::provider::openai_responses::Keeping;
use crate::provider::prompt::{CallIds, arguments_text, own};
use crate::provider::tool_names::ToolNames;
use crate::provider::{Capability, Kind, Model, Request};

pub(crate) fn body(request: &Request, names: &ToolNames, keeping: Keeping) -> Value {
    let settings = &request.settings;
    let mut body = Map::new();
    body.insert("model".into(), request.model.as_str().into());
    body.insert("input".into(), input(request, names).into());
    body.insert("stream".into(), true.into());
    match keeping {
        Keeping::Nothing => {
            body.insert("store".into(), false.into());
        }
        Keeping::Background => {
            body.insert("store".into(), true.into());
            body.insert("background".into(), true.into());
        }
    }
    if let Some(system) = &request.prompt.system {
        body.insert("instructions".into(), system.as_str().into());
    }
    // Models that don't reason refuse to be asked for it.
    let reasons =
        Model::named(&request.model).reasoning == Capability::Yes || settings.reasoning_effort.is_some();
    if reasons {
        body.insert("include".into(), json!(["reasoning.encrypted_content"]));
    }
    if let Some(effort) = &settings.reasoning_effort {
        body.insert("reasoning".into(), json!({"effort": effort, "summary": "auto"}));
    }
    if !request.tools.is_empty() {
        let tools = request.tools.iter().map(|tool| {
            json!({
                "type": "function",
                "name": names.theirs(&tool.name),
                "description": tool.description,
                "parameters": tool.schema,
                // Our schemas are not written for OpenAI's strict mode, which is the default here.
                "strict": false,
            })
        });
        body.insert("tools".into(), tools.collect());
        if let Some(choice) = &request.tool_choice {
            body.insert("tool_choice".into(), tool_choice(choice, names));
        }
    }
    if let Some(temperature) = settings.temperature {
        body.insert("temperature".into(), temperature.into());
    }
    if let Some(limit) = settings.max_output_tokens {
        body.insert("max_output_tokens".into(), limit.into());
    }
    if let Some(format) = &settings.response_format {
        body.insert("text".into(), json!({"format": format_of(format)}));
    }
    Value::Object(body)
}

/// Chat completions wrap the function; responses don't.
fn tool_choice(choice: &Value, names: &ToolNames) -> Value {
    match choice.pointer("/function/name").or_else(|| choice.get("name")).and_then(Value::as_str) {
        Some(name) => json!({"type": "function", "name": names.theirs(name)}),
        None => choice.clone(),
    }
}

fn format_of(response_format: &Value) -> Value {
    let Some(Value::Object(schema)) = response_format.get("json_schema") else {
        return response_format.clone();
    };
    let mut format = schema.clone();
    format.insert("type".into(), "json_schema".into());
    Value::Object(format)
}

fn input(request: &Request, names: &ToolNames) -> Vec<Value> {
    let ids = CallIds::of(&request.prompt.items, Kind::OpenaiResponses);
    let mut input = Vec::new();
    for item in &request.prompt.items {
        match item {
            Item::User { parts } => input.push(json!({
                "role": "user",
                "content": request.files.pieces(parts).iter().map(piece).collect::<Vec<_>>(),
            })),
            Item::Assistant { parts } => {
                input.extend(parts.iter().filter_map(|part| output(part, names, &ids)))
            }
            Item::ToolResult { call_id, output, .. } => input.push(json!({
                "type": "function_call_output",
                "call_id": ids.of_call(*call_id),
                "output": output,
            })),
        }
    }
    input
}

fn piece(piece: &Piece<'_>) -> Value {
    match piece {
        Piece::Text(text) => json!({"type": "input_text", "text": text}),
        Piece::Image { media_type, data } => {
            json!({"type": "input_image", "image_url": format!("data:{media_type};base64,{data}")})
        }
        Piece::Pdf { name, data } => json!({
            "type": "input_file",
            "filename": name,
            "file_data": format!("data:application/pdf;base64,{data}"),
        }),
    }
}

/// A part of an earlier answer, as an item of its own.
fn output(part: &PromptPart, names: &ToolNames, ids: &CallIds) -> Option<Value> {
    let own = own(part.opaque.as_ref(), Kind::OpenaiResponses);
    match &part.part {
        Part::Text { text } if text.is_empty() => None,
        Part::Text { text } => {
            let mut message = json!({
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": text, "annotations": []}],
            });
            if let Some(phase) = own.and_then(|data| data.get("phase")) {
                message["phase"] = phase.clone();
            }
            Some(message)
        }
        // Only what the provider encrypted is accepted back.
        Part::Reasoning { .. } => own?.get("item").cloned(),
        Part::ToolCall { call_id, name, args_text, discarded: false } => Some(json!({
            "type": "function_call",
            "call_id": ids.of_call(*call_id),
            "name": names.theirs(name),
            "arguments": arguments_text(args_text),
        })),
        Part::ToolCall { discarded: true, .. }
        | Part::File { .. }
        | Part::Source { .. }
        | Part::Notice { .. } => None,
    }
}
