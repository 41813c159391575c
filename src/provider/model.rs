//! What is known of a model, and which one to take.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::provider::failure::Failure;
use crate::provider::{Provider, families};

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Model {
    pub id: String,
    /// Input and output together. `None`: nobody said.
    pub context_tokens: Option<u64>,
    pub max_output_tokens: Option<u64>,
    pub input: Vec<InputKind>,
    pub tools: Capability,
    pub reasoning: Capability,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum InputKind {
    Text,
    Image,
    Pdf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    Yes,
    No,
    Unknown,
}

impl Model {
    /// A model of which only the name is known: the rest is what its family is known for.
    pub fn named(id: impl Into<String>) -> Self {
        let id = id.into();
        let family = families::of(&id);
        Self {
            context_tokens: family.map(|family| family.context_tokens),
            max_output_tokens: family.map(|family| family.max_output_tokens),
            input: family.map_or_else(|| vec![InputKind::Text], |family| family.input.to_vec()),
            tools: family.map_or(Capability::Unknown, |_| Capability::Yes),
            reasoning: family.map_or(Capability::Unknown, |family| family.reasoning),
            id,
        }
    }
}

/// The model to use where `wanted` is asked for. `auto` is the first usable one of the provider's list; any other
/// name is taken as it is, with what the list or its family says of it.
pub async fn choose(provider: &dyn Provider, wanted: &str) -> Result<Model, Failure> {
    let list = provider.models().await;
    if wanted != "auto" {
        let listed = list.ok().and_then(|models| models.into_iter().find(|model| model.id == wanted));
        return Ok(listed.unwrap_or_else(|| Model::named(wanted)));
    }
    list?
        .into_iter()
        .find(|model| answers_in_words(&model.id))
        .ok_or_else(|| Failure::refused("the provider lists no model that can chat; name one in `model`"))
}

/// Whether a model's name tells of nothing but conversation.
fn answers_in_words(id: &str) -> bool {
    const OTHERWISE: &[&str] = &[
        "embed",
        "whisper",
        "tts",
        "dall-e",
        "image",
        "moderation",
        "transcribe",
        "realtime",
        "audio",
        "babbage",
        "davinci",
        "gpt-3.5-turbo-instruct",
        "sora",
        "rerank",
        "guard",
        "ocr",
        "video",
        "veo",
        "imagen",
        "lyria",
        "stable-diffusion",
        "flux",
        "bge-",
        "minilm",
        "deep-research",
        "computer-use",
        "-asr",
        "orpheus",
        "distil-",
        "aqa",
        "omni-",
        "clip",
        "nomic",
        "gte-",
        "e5-",
        "jina-",
        "voxtral",
    ];
    let id = id.to_lowercase();
    !OTHERWISE.iter().any(|word| id.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_models_that_chat_are_chosen_by_themselves() {
        for id in [
            "gpt-4o-mini",
            "llama-3.3-70b-versatile",
            "claude-sonnet-4-5",
            "qwen3:8b",
            "mistral-large-latest",
        ] {
            assert!(answers_in_words(id), "{id}");
        }
        for id in [
            "text-embedding-3-small",
            "whisper-large-v3",
            "tts-1-hd",
            "gpt-image-1",
            "omni-moderation-latest",
            "dall-e-3",
            "gpt-4o-realtime-preview",
            "davinci-002",
            "meta-llama/llama-guard-4-12b",
            "nomic-embed-text:latest",
        ] {
            assert!(!answers_in_words(id), "{id}");
        }
    }
}
