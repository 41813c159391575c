//! What every API does alike with a prompt's parts.

use serde_json::{Value, json};

use crate::chat::message::Part;

/// What a person sent, as text. A file is named: its content is not part of a prompt.
pub(crate) fn user_text(parts: &[Part]) -> String {
    let texts: Vec<String> = parts
        .iter()
        .filter_map(|part| match part {
            Part::Text { text } => Some(text.clone()),
            Part::File { file_id } => Some(format!("[file {file_id}]")),
            Part::Source { url, title } => {
                Some(title.as_ref().map_or_else(|| url.clone(), |title| format!("{title} <{url}>")))
            }
            Part::Reasoning { .. } | Part::ToolCall { .. } | Part::Notice { .. } => None,
        })
        .collect();
    texts.join("\n\n")
}

/// A call's arguments as the JSON object that providers insist on: verbatim where it is one. What the model wrote
/// wrongly is kept inside an object.
pub(crate) fn arguments_text(args_text: &str) -> String {
    match serde_json::from_str(args_text) {
        Ok(Value::Object(_)) => args_text.to_owned(),
        Ok(_) | Err(_) => arguments(args_text).to_string(),
    }
}

pub(crate) fn arguments(args_text: &str) -> Value {
    if args_text.trim().is_empty() {
        return json!({});
    }
    match serde_json::from_str(args_text) {
        Ok(object @ Value::Object(_)) => object,
        Ok(_) | Err(_) => json!({"invalid_arguments": args_text}),
    }
}
