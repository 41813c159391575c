//! A request as chat completions take it.
//!
//! Its shape is async-openai's. Added to its JSON is what that has no place for: reasoning that is sent back and the
//! marks of some servers; and what it would narrow: efforts, formats and tool choices that servers extend, and a
//! temperature of 64 bits.

use async_openai::types::chat::{
    ChatCompletionMessageToolCall, ChatCompletionMessageToolCalls, ChatCompletionRequestAssistantMessage,
    ChatCompletionRequestMessage, ChatCompletionRequestMessageContentPartFile,
    ChatCompletionRequestMessageContentPartImage, ChatCompletionRequestSystemMessage,
    ChatCompletionRequestToolMessage, ChatCompletionRequestUserMessage,
    ChatCompletionRequestUserMessageContent, ChatCompletionRequestUserMessageContentPart,
    ChatCompletionStreamOptions, ChatCompletionTool, ChatCompletionTools, CreateChatCompletionRequest,
    FileObject, FunctionCall, FunctionObject, ImageUrl,
};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::chat::context::{Item, PromptPart, ToolSpec};
use crate::chat::message::Part;
use crate::provider::files::Piece;
use crate::provider::prompt::{CallIds, arguments_text, own};
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
    let tools = request.tools.iter().map(|tool| tool_of(tool, names)).collect::<Vec<_>>();
    let choice = request.tool_choice.as_ref().filter(|_| !tools.is_empty());
    let mut body = object(&CreateChatCompletionRequest {
        model: request.model.clone(),
        stream: Some(true),
        stream_options: Some(ChatCompletionStreamOptions {
            include_usage: Some(true),
            include_obfuscation: None,
        }),
        tools: (!tools.is_empty()).then_some(tools),
        ..Default::default()
    });
    body.insert("messages".into(), messages(request, names, dialect).into());
    let settings = &request.settings;
    if let Some(choice) = choice {
        body.insert("tool_choice".into(), tool_choice(choice, names));
    }
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

fn object(typed: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(typed) {
        Ok(Value::Object(object)) => object,
        Ok(_) | Err(_) => unreachable!("a request is a JSON object"),
    }
}

fn tool_of(tool: &ToolSpec, names: &ToolNames) -> ChatCompletionTools {
    let function = FunctionObject {
        name: names.theirs(&tool.name).into_owned(),
        description: Some(tool.description.clone()),
        parameters: Some(tool.schema.clone()),
        strict: None,
    };
    ChatCompletionTools::Function(ChatCompletionTool { function })
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
    let system = request.prompt.system.as_deref().map(ChatCompletionRequestSystemMessage::from);
    let system = system.map(|system| object(&ChatCompletionRequestMessage::System(system)));
    let rest = request.prompt.items.iter().filter_map(|item| match item {
        Item::User { parts } => {
            let message =
                ChatCompletionRequestUserMessage { content: asked(request.files.pieces(parts)), name: None };
            Some(object(&ChatCompletionRequestMessage::User(message)))
        }
        Item::Assistant { parts } => assistant(parts, names, &ids),
        Item::ToolResult { call_id, output, .. } => {
            let message = ChatCompletionRequestToolMessage {
                content: output.as_str().into(),
                tool_call_id: ids.of_call(*call_id),
            };
            Some(object(&ChatCompletionRequestMessage::Tool(message)))
        }
    });
    let mut messages: Vec<Map<String, Value>> = system.into_iter().chain(rest).collect();
    if let (Ending::Prefill, Dialect::MarkedPrefix, Some(last)) =
        (request.ending, dialect, messages.last_mut())
    {
        last.insert("prefix".into(), true.into());
    }
    messages.into_iter().map(Value::Object).collect()
}

/// Text alone is text: many servers take nothing else.
fn asked(pieces: Vec<Piece<'_>>) -> ChatCompletionRequestUserMessageContent {
    let mut parts = Vec::with_capacity(pieces.len());
    for piece in pieces {
        parts.push(match piece {
            Piece::Text(text) => ChatCompletionRequestUserMessageContentPart::Text(text.into()),
            Piece::Image { media_type, data } => {
                let image_url = ImageUrl { url: format!("data:{media_type};base64,{data}"), detail: None };
                let image =
                    ChatCompletionRequestMessageContentPartImage { image_url, prompt_cache_breakpoint: None };
                ChatCompletionRequestUserMessageContentPart::ImageUrl(image)
            }
            Piece::Pdf { name, data } => {
                let file = FileObject {
                    file_data: Some(format!("data:application/pdf;base64,{data}")),
                    file_id: None,
                    filename: Some(name.to_owned()),
                };
                let file =
                    ChatCompletionRequestMessageContentPartFile { file, prompt_cache_breakpoint: None };
                ChatCompletionRequestUserMessageContentPart::File(file)
            }
        });
    }
    match parts.as_slice() {
        [] => String::new().into(),
        [ChatCompletionRequestUserMessageContentPart::Text(text)] => text.text.clone().into(),
        _ => parts.into(),
    }
}

/// `None` where nothing of the answer can be sent back.
fn assistant(parts: &[PromptPart], names: &ToolNames, ids: &CallIds) -> Option<Map<String, Value>> {
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
                let function = FunctionCall {
                    name: names.theirs(name).into_owned(),
                    arguments: arguments_text(args_text),
                };
                let call = ChatCompletionMessageToolCall { id: ids.of_call(*call_id), function };
                let mut call = object(&ChatCompletionMessageToolCalls::Function(call));
                if let Some(extra) = own.and_then(|data| data.get("extra_content")) {
                    call.insert("extra_content".into(), extra.clone());
                }
                calls.push(Value::Object(call));
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
    let nothing = text.is_empty();
    let message = ChatCompletionRequestAssistantMessage::from(text);
    let mut message = object(&ChatCompletionRequestMessage::Assistant(message));
    if nothing {
        message.insert("content".into(), Value::Null);
    }
    if !details.is_empty() {
        message.insert("reasoning_details".into(), details.into());
    }
    if !calls.is_empty() {
        message.insert("tool_calls".into(), calls.into());
        // DeepSeek and Moonshot want it back with a call, and refuse it without one.
        if !reasoning.is_empty() {
            message.insert("reasoning_content".into(), reasoning.into());
        }
    }
    Some(message)
}
