//! One `chat.completion.chunk`, or a whole `chat.completion`, read in place.
//!
//! async-openai's types know neither reasoning nor what compatible servers leave out, so they are not used here.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::chat::message::Usage;
use crate::provider::lenient::{Count, Text};

#[derive(Debug, Deserialize)]
pub(crate) struct Chunk<'a> {
    #[serde(borrow, default)]
    pub(crate) model: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) choices: Option<Vec<Choice<'a>>>,
    #[serde(borrow, default)]
    pub(crate) usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) x_groq: Option<Groq<'a>>,
    #[serde(borrow, default)]
    pub(crate) error: Option<&'a RawValue>,
    /// Where an error object is not wrapped (vLLM: `{"object":"error","message":..}`).
    #[serde(borrow, default)]
    pub(crate) object: Text<'a>,
    /// Perplexity.
    #[serde(borrow, default)]
    pub(crate) search_results: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Groq<'a> {
    #[serde(borrow, default)]
    pub(crate) usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) error: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Choice<'a> {
    #[serde(default)]
    pub(crate) index: Count,
    #[serde(borrow, default)]
    pub(crate) delta: Option<Delta<'a>>,
    /// Of a whole completion. Perplexity sends the text so far in it, beside each delta.
    #[serde(borrow, default)]
    pub(crate) message: Option<Delta<'a>>,
    #[serde(borrow, default)]
    pub(crate) finish_reason: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) error: Option<&'a RawValue>,
    /// Moonshot puts it here.
    #[serde(borrow, default)]
    pub(crate) usage: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Delta<'a> {
    #[serde(borrow, default)]
    pub(crate) content: Content<'a>,
    #[serde(borrow, default)]
    pub(crate) refusal: Content<'a>,
    /// DeepSeek, vLLM, xAI, Moonshot, llama.cpp.
    #[serde(borrow, default)]
    pub(crate) reasoning_content: Content<'a>,
    /// OpenRouter, Groq, newer vLLM.
    #[serde(borrow, default)]
    pub(crate) reasoning: Content<'a>,
    #[serde(borrow, default)]
    pub(crate) thinking: Content<'a>,
    #[serde(borrow, default)]
    pub(crate) reasoning_details: Option<Vec<DetailDelta<'a>>>,
    #[serde(borrow, default)]
    pub(crate) tool_calls: Option<Vec<CallDelta<'a>>>,
    /// Before there were tools.
    #[serde(borrow, default)]
    pub(crate) function_call: Option<FunctionDelta<'a>>,
    #[serde(borrow, default)]
    pub(crate) annotations: Option<&'a RawValue>,
}

/// OpenRouter's account of the reasoning, to be sent back as it came.
#[derive(Debug, Deserialize)]
pub(crate) struct DetailDelta<'a> {
    #[serde(borrow, default, rename = "type")]
    pub(crate) kind: Text<'a>,
    #[serde(default)]
    pub(crate) index: Count,
    #[serde(borrow, default)]
    pub(crate) id: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) format: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) text: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) summary: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) data: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) signature: Text<'a>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct CallDelta<'a> {
    #[serde(default)]
    pub(crate) index: Count,
    #[serde(borrow, default)]
    pub(crate) id: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) function: Option<FunctionDelta<'a>>,
    /// Gemini's thought signature, to be sent back with the call.
    #[serde(borrow, default)]
    pub(crate) extra_content: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct FunctionDelta<'a> {
    #[serde(borrow, default)]
    pub(crate) name: Text<'a>,
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
}

impl<'a> FunctionDelta<'a> {
    /// The arguments' text. Some servers send the object itself instead.
    pub(crate) fn arguments(&self) -> Cow<'a, str> {
        let Some(raw) = self.arguments.map(RawValue::get) else {
            return Cow::Borrowed("");
        };
        match raw.starts_with('"') {
            true => serde_json::from_str::<Text<'a>>(raw).map(|text| text.0).unwrap_or_default(),
            false => Cow::Borrowed(raw),
        }
    }
}

/// Text as a string, or as Mistral's list of pieces.
#[derive(Debug, Default)]
pub(crate) enum Content<'a> {
    #[default]
    Nothing,
    Text(Cow<'a, str>),
    Pieces(Vec<Piece<'a>>),
}

#[derive(Debug, Deserialize)]
pub(crate) struct Piece<'a> {
    #[serde(borrow, default)]
    pub(crate) text: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) thinking: Content<'a>,
}

impl<'a> Content<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Text(text) => text.is_empty(),
            Self::Pieces(pieces) => {
                pieces.iter().all(|piece| piece.text.is_empty() && piece.thinking.is_empty())
            }
        }
    }

    /// All its text, of whatever sort.
    pub(crate) fn flat(&self) -> Cow<'_, str> {
        match self {
            Self::Nothing => Cow::Borrowed(""),
            Self::Text(text) => Cow::Borrowed(text),
            Self::Pieces(pieces) => pieces
                .iter()
                .map(|piece| format!("{}{}", piece.text.as_str(), piece.thinking.flat()))
                .collect(),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text, or pieces of it")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Content<'de>, E> {
        Ok(Content::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Content<'de>, E> {
        Ok(Content::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Content<'de>, E> {
        Ok(Content::Text(Cow::Owned(text)))
    }

    fn visit_unit<E: Error>(self) -> Result<Content<'de>, E> {
        Ok(Content::Nothing)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Content<'de>, E> {
        Ok(Content::Nothing)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Content<'de>, E> {
        Ok(Content::Nothing)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Content<'de>, E> {
        Ok(Content::Nothing)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Content<'de>, E> {
        Ok(Content::Nothing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Content<'de>, A::Error> {
        let mut pieces = Vec::new();
        while let Some(item) = items.next_element::<Content<'de>>()? {
            match item {
                Content::Nothing => {}
                Content::Text(text) => pieces.push(Piece { text: Text(text), thinking: Content::Nothing }),
                Content::Pieces(more) => pieces.extend(more),
            }
        }
        Ok(Content::Pieces(pieces))
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Content<'de>, A::Error> {
        Piece::deserialize(MapAccessDeserializer::new(entries)).map(|piece| Content::Pieces(vec![piece]))
    }
}

/// Tokens, under the names of the various servers.
#[derive(Debug, Deserialize)]
struct WireUsage {
    #[serde(default)]
    prompt_tokens: Count,
    #[serde(default)]
    completion_tokens: Count,
    #[serde(default)]
    total_tokens: Count,
    #[serde(default)]
    reasoning_tokens: Count,
    #[serde(default)]
    prompt_tokens_details: Option<PromptDetails>,
    #[serde(default)]
    completion_tokens_details: Option<CompletionDetails>,
    /// DeepSeek.
    #[serde(default)]
    prompt_cache_hit_tokens: Count,
}

#[derive(Debug, Deserialize)]
struct PromptDetails {
    #[serde(default)]
    cached_tokens: Count,
    #[serde(default)]
    cache_write_tokens: Count,
}

#[derive(Debug, Deserialize)]
struct CompletionDetails {
    #[serde(default)]
    reasoning_tokens: Count,
}

/// `None` where the object counts nothing.
pub(crate) fn usage(raw: &RawValue) -> Option<Usage> {
    let wire: WireUsage = serde_json::from_str(raw.get()).ok()?;
    if wire.prompt_tokens.0.is_none() && wire.completion_tokens.0.is_none() {
        return None;
    }
    let input = wire.prompt_tokens.or_zero();
    let output = wire.completion_tokens.or_zero();
    let detailed = wire.completion_tokens_details.and_then(|details| details.reasoning_tokens.0);
    let reasoning = detailed.or(wire.reasoning_tokens.0).unwrap_or(0);
    // xAI counts the reasoning beside the completion; its total gives it away.
    let beside = reasoning > 0 && wire.total_tokens.0 == Some(input + output + reasoning);
    let cached = wire.prompt_tokens_details.as_ref().and_then(|details| details.cached_tokens.0);
    Some(Usage {
        input_tokens: input,
        output_tokens: if beside { output + reasoning } else { output },
        reasoning_tokens: reasoning,
        cached_input_tokens: cached.or(wire.prompt_cache_hit_tokens.0).unwrap_or(0),
        cache_write_tokens: wire
            .prompt_tokens_details
            .map_or(0, |details| details.cache_write_tokens.or_zero()),
    })
}
