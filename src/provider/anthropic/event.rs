//! One event of a message stream, or a whole message, read in place.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::chat::message::Usage;
use crate::provider::lenient::{Count, Text};

/// All events in one shape: an unknown one has none of the fields.
#[derive(Debug, Deserialize)]
pub(crate) struct Event<'a> {
    #[serde(borrow, default, rename = "type")]
    pub(crate) kind: Text<'a>,
    #[serde(default)]
    pub(crate) index: Count,
    #[serde(borrow, default)]
    pub(crate) message: Option<Message<'a>>,
    #[serde(borrow, default)]
    pub(crate) content_block: Option<Block<'a>>,
    #[serde(borrow, default)]
    pub(crate) delta: Option<Delta<'a>>,
    #[serde(default)]
    pub(crate) usage: Option<WireUsage>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Message<'a> {
    #[serde(borrow, default)]
    pub(crate) model: Text<'a>,
    /// Filled only where the answer did not come as a stream.
    #[serde(borrow, default)]
    pub(crate) content: Option<Vec<Block<'a>>>,
    #[serde(borrow, default)]
    pub(crate) stop_reason: Text<'a>,
    #[serde(default)]
    pub(crate) usage: Option<WireUsage>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Block<'a> {
    #[serde(borrow, default, rename = "type")]
    pub(crate) kind: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) text: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) thinking: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) signature: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) data: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) id: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) name: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) input: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) citations: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Delta<'a> {
    #[serde(borrow, default, rename = "type")]
    pub(crate) kind: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) text: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) thinking: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) signature: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) partial_json: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) citation: Option<Citation<'a>>,
    #[serde(borrow, default)]
    pub(crate) stop_reason: Text<'a>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Citation<'a> {
    #[serde(borrow, default)]
    pub(crate) url: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) title: Text<'a>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct WireUsage {
    #[serde(default)]
    input_tokens: Count,
    #[serde(default)]
    cache_read_input_tokens: Count,
    #[serde(default)]
    cache_creation_input_tokens: Count,
    #[serde(default)]
    output_tokens: Count,
    #[serde(default)]
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Debug, Deserialize)]
struct OutputDetails {
    #[serde(default)]
    thinking_tokens: Count,
}

/// What was counted so far. Later events count again from the start of the message, and may leave fields out.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    uncached: u64,
    read: u64,
    written: u64,
    output: u64,
    thinking: u64,
    any: bool,
}

impl Counted {
    pub(crate) fn update(&mut self, usage: &WireUsage) {
        self.any = true;
        for (counted, told) in [
            (&mut self.uncached, usage.input_tokens),
            (&mut self.read, usage.cache_read_input_tokens),
            (&mut self.written, usage.cache_creation_input_tokens),
            (&mut self.output, usage.output_tokens),
            (
                &mut self.thinking,
                usage.output_tokens_details.as_ref().map_or(Count(None), |d| d.thinking_tokens),
            ),
        ] {
            if let Some(told) = told.0 {
                *counted = told;
            }
        }
    }

    /// Anthropic counts cached input beside the rest; we count it in.
    pub(crate) fn usage(&self) -> Option<Usage> {
        self.any.then(|| Usage {
            input_tokens: self.uncached + self.read + self.written,
            output_tokens: self.output,
            reasoning_tokens: self.thinking,
            cached_input_tokens: self.read,
            cache_write_tokens: self.written,
        })
    }
}
