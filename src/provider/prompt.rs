//! What every API does alike with a prompt's parts.

use serde_json::{Value, json};

use crate::chat::context::Item;
use crate::chat::message::{Opaque, Part};
use crate::id::CallId;
use crate::provider::Kind;

/// What a person sent, as text. A file is named.
pub(crate) fn user_text(parts: &[Part]) -> String {
    let texts: Vec<String> = parts
        .iter()
        .filter_map(|part| match part {
            Part::Text { text } => Some(text.clone()),
            Part::File { name, media_type, size, .. } => Some(in_words(name, media_type, Some(*size))),
            Part::Source { url, title } => {
                Some(title.as_ref().map_or_else(|| url.clone(), |title| format!("{title} <{url}>")))
            }
            Part::Reasoning { .. } | Part::ToolCall { .. } | Part::Notice { .. } => None,
        })
        .collect();
    texts.join("\n\n")
}

/// A file that the model does not see.
pub(crate) fn in_words(name: &str, media_type: &str, size: Option<u64>) -> String {
    let size = size.map_or_else(String::new, |size| format!(", {size} bytes"));
    format!("[File \"{name}\": {media_type}{size}; it is not shown to you.]")
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

/// What a kind of API wrote beside a part; another one's is nothing to it.
pub(crate) fn own(opaque: Option<&Opaque>, kind: Kind) -> Option<&Value> {
    opaque.filter(|opaque| opaque.api == kind.name()).map(|opaque| &opaque.data)
}

/// The ids of calls as the provider made them; where another one did, short ones of ours that all of them take
/// (Mistral wants nine letters or digits).
pub(crate) struct CallIds(Vec<(CallId, String)>);

impl CallIds {
    pub(crate) fn of(items: &[Item], kind: Kind) -> Self {
        let parts = items.iter().flat_map(|item| match item {
            Item::Assistant { parts } => parts.as_slice(),
            Item::User { .. } | Item::ToolResult { .. } => &[],
        });
        let ids = parts.filter_map(|part| match &part.part {
            Part::ToolCall { call_id, .. } => {
                Some((*call_id, wire_id(*call_id, own(part.opaque.as_ref(), kind))))
            }
            Part::Text { .. }
            | Part::Reasoning { .. }
            | Part::File { .. }
            | Part::Source { .. }
            | Part::Notice { .. } => None,
        });
        Self(ids.collect())
    }

    pub(crate) fn of_call(&self, id: CallId) -> String {
        match self.0.iter().find(|(call, _)| *call == id) {
            Some((_, wire)) => wire.clone(),
            None => wire_id(id, None),
        }
    }
}

fn wire_id(id: CallId, own: Option<&Value>) -> String {
    let given = own.and_then(|data| data["id"].as_str()).filter(|id| !id.is_empty());
    given.map_or_else(|| id.to_string().split_off(CallId::PREFIX.len() + 1 + 17), str::to_owned)
}
