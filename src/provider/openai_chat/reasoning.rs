//! Reasoning as chat completions carry it: text to show, and OpenRouter's details to send back.

use serde_json::{Map, Value, json};

use crate::chat::message::Opaque;
use crate::provider::Kind;
use crate::provider::openai_chat::chunk::DetailDelta;

/// The details of one reasoning part, put together again from their deltas.
#[derive(Debug, Default)]
pub(crate) struct Details(Vec<Detail>);

#[derive(Debug)]
struct Detail {
    kind: String,
    index: Option<u64>,
    id: String,
    format: String,
    text: String,
    summary: String,
    data: String,
    signature: String,
}

impl Details {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn add(&mut self, delta: &DetailDelta<'_>) {
        let fits = |detail: &Detail| {
            detail.kind == delta.kind.as_str()
                && detail.index == delta.index.0
                && (delta.id.is_empty() || detail.id.is_empty() || detail.id == delta.id.as_str())
                && (delta.data.is_empty() || detail.data.is_empty())
        };
        let at = self.0.iter().rposition(fits).unwrap_or(self.0.len());
        if at == self.0.len() {
            self.0.push(Detail {
                kind: delta.kind.as_str().to_owned(),
                index: delta.index.0,
                id: String::new(),
                format: String::new(),
                text: String::new(),
                summary: String::new(),
                data: String::new(),
                signature: String::new(),
            });
        }
        let detail = &mut self.0[at];
        detail.text.push_str(delta.text.as_str());
        detail.summary.push_str(delta.summary.as_str());
        detail.data.push_str(delta.data.as_str());
        for (kept, new) in [
            (&mut detail.id, &delta.id),
            (&mut detail.format, &delta.format),
            (&mut detail.signature, &delta.signature),
        ] {
            if let Some(new) = new.given() {
                new.clone_into(kept);
            }
        }
    }

    fn into_json(self) -> Vec<Value> {
        self.0.into_iter().map(Detail::into_json).collect()
    }
}

impl Detail {
    fn into_json(self) -> Value {
        let mut json = Map::new();
        json.insert("type".to_owned(), self.kind.into());
        if let Some(index) = self.index {
            json.insert("index".to_owned(), index.into());
        }
        for (key, text) in [
            ("id", self.id),
            ("format", self.format),
            ("text", self.text),
            ("summary", self.summary),
            ("data", self.data),
            ("signature", self.signature),
        ] {
            if !text.is_empty() {
                json.insert(key.to_owned(), text.into());
            }
        }
        Value::Object(json)
    }
}

/// Under which key the text came, where the provider wants it back under the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    ReasoningContent,
    Elsewhere,
}

/// What the provider needs back of a reasoning part, if anything.
pub(crate) fn opaque(origin: Origin, details: Details) -> Option<Opaque> {
    let data = match (origin, details.is_empty()) {
        (Origin::Elsewhere, true) => return None,
        (Origin::ReasoningContent, true) => json!({"field": "reasoning_content"}),
        (_, false) => json!({"reasoning_details": details.into_json()}),
    };
    Some(Opaque { api: Kind::OpenaiChat.name().to_owned(), data })
}
