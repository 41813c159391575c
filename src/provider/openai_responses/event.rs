//! One event of a response stream, read in place.
//!
//! async-openai's enum of events is closed: a new event or item would end the stream. Here it has none of the fields.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::chat::message::Usage;
use crate::provider::lenient::{Count, Text};

#[derive(Debug, Deserialize)]
pub(crate) struct Event<'a> {
    #[serde(borrow, default, rename = "type")]
    pub(crate) kind: Text<'a>,
    #[serde(default)]
    pub(crate) output_index: Count,
    #[serde(default)]
    pub(crate) content_index: Count,
    #[serde(default)]
    pub(crate) summary_index: Count,
    #[serde(borrow, default)]
    pub(crate) delta: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) text: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) refusal: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) arguments: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) item: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) annotation: Option<Annotation<'a>>,
    #[serde(borrow, default)]
    pub(crate) response: Option<Response<'a>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Response<'a> {
    #[serde(borrow, default)]
    pub(crate) id: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) model: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) status: Text<'a>,
    #[serde(default)]
    pub(crate) background: Option<bool>,
    #[serde(borrow, default)]
    pub(crate) error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) incomplete_details: Option<Incomplete<'a>>,
    #[serde(borrow, default)]
    pub(crate) output: Option<Vec<&'a RawValue>>,
    #[serde(default)]
    usage: Option<WireUsage>,
}

impl Response<'_> {
    pub(crate) fn usage(&self) -> Option<Usage> {
        let usage = self.usage.as_ref()?;
        let input = usage.input_tokens_details.as_ref();
        Some(Usage {
            input_tokens: usage.input_tokens.or_zero(),
            output_tokens: usage.output_tokens.or_zero(),
            reasoning_tokens: usage
                .output_tokens_details
                .as_ref()
                .map_or(0, |details| details.reasoning_tokens.or_zero()),
            cached_input_tokens: input.map_or(0, |details| details.cached_tokens.or_zero()),
            cache_write_tokens: input.map_or(0, |details| details.cache_write_tokens.or_zero()),
        })
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Incomplete<'a> {
    #[serde(borrow, default)]
    pub(crate) reason: Text<'a>,
}

#[derive(Debug, Deserialize)]
struct WireUsage {
    #[serde(default)]
    input_tokens: Count,
    #[serde(default)]
    input_tokens_details: Option<InputDetails>,
    #[serde(default)]
    output_tokens: Count,
    #[serde(default)]
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Debug, Deserialize)]
struct InputDetails {
    #[serde(default)]
    cached_tokens: Count,
    #[serde(default)]
    cache_write_tokens: Count,
}

#[derive(Debug, Deserialize)]
struct OutputDetails {
    #[serde(default)]
    reasoning_tokens: Count,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Item<'a> {
    #[serde(borrow, default, rename = "type")]
    pub(crate) kind: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) id: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) call_id: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) name: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) arguments: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) phase: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) encrypted_content: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) content: Option<Vec<Piece<'a>>>,
    #[serde(borrow, default)]
    pub(crate) summary: Option<Vec<Piece<'a>>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Piece<'a> {
    #[serde(borrow, default)]
    pub(crate) text: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) refusal: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) annotations: Option<Vec<Annotation<'a>>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Annotation<'a> {
    #[serde(borrow, default)]
    pub(crate) url: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) title: Text<'a>,
}
