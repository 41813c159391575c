//! Sizes of well-known model families, for providers whose list does not tell. From the vendors' model pages.

use crate::provider::model::{Capability, InputKind};

pub(crate) struct Family {
    prefix: &'static str,
    pub(crate) context_tokens: u64,
    pub(crate) max_output_tokens: u64,
    pub(crate) input: &'static [InputKind],
    pub(crate) reasoning: Capability,
}

const TEXT: &[InputKind] = &[InputKind::Text];
const IMAGES: &[InputKind] = &[InputKind::Text, InputKind::Image];
const ALL: &[InputKind] = &[InputKind::Text, InputKind::Image, InputKind::Pdf];

const fn family(
    prefix: &'static str,
    context_tokens: u64,
    max_output_tokens: u64,
    input: &'static [InputKind],
    reasoning: Capability,
) -> Family {
    Family { prefix, context_tokens, max_output_tokens, input, reasoning }
}

/// The first prefix that fits counts, so the longer ones stand first.
const FAMILIES: &[Family] = &[
    family("gpt-5-chat", 128_000, 16_384, ALL, Capability::No),
    family("gpt-5", 400_000, 128_000, ALL, Capability::Yes),
    family("gpt-4.1", 1_047_576, 32_768, ALL, Capability::No),
    family("gpt-4o", 128_000, 16_384, ALL, Capability::No),
    family("gpt-4-turbo", 128_000, 4_096, IMAGES, Capability::No),
    family("gpt-4", 8_192, 4_096, TEXT, Capability::No),
    family("gpt-3.5", 16_385, 4_096, TEXT, Capability::No),
    family("gpt-oss", 131_072, 32_768, TEXT, Capability::Yes),
    family("o1", 200_000, 100_000, ALL, Capability::Yes),
    family("o3", 200_000, 100_000, ALL, Capability::Yes),
    family("o4", 200_000, 100_000, ALL, Capability::Yes),
    family("claude-opus-4-5", 200_000, 64_000, ALL, Capability::Yes),
    family("claude-opus-4", 200_000, 32_000, ALL, Capability::Yes),
    family("claude-sonnet-4", 200_000, 64_000, ALL, Capability::Yes),
    family("claude-haiku-4", 200_000, 64_000, ALL, Capability::Yes),
    family("claude-3-7", 200_000, 64_000, ALL, Capability::Yes),
    family("claude-3-5", 200_000, 8_192, ALL, Capability::No),
    family("claude-3", 200_000, 4_096, IMAGES, Capability::No),
    family("claude", 200_000, 32_000, ALL, Capability::Yes),
    family("gemini-2", 1_048_576, 65_536, ALL, Capability::Yes),
    family("gemini-3", 1_048_576, 65_536, ALL, Capability::Yes),
    family("gemini-1.5", 1_048_576, 8_192, ALL, Capability::No),
    family("deepseek-r", 65_536, 32_768, TEXT, Capability::Yes),
    family("deepseek", 131_072, 8_192, TEXT, Capability::Unknown),
    family("mistral-large", 131_072, 32_768, IMAGES, Capability::No),
    family("mistral", 131_072, 32_768, TEXT, Capability::Unknown),
    family("magistral", 131_072, 32_768, IMAGES, Capability::Yes),
    family("grok-4", 262_144, 32_768, IMAGES, Capability::Yes),
    family("grok-3", 131_072, 32_768, TEXT, Capability::Unknown),
    family("llama-4", 131_072, 8_192, IMAGES, Capability::No),
    family("llama-3", 131_072, 8_192, TEXT, Capability::No),
    family("llama3", 131_072, 8_192, TEXT, Capability::No),
    family("qwen3", 131_072, 16_384, TEXT, Capability::Yes),
    family("qwen2.5", 32_768, 8_192, TEXT, Capability::No),
    family("kimi-k2", 262_144, 16_384, TEXT, Capability::Unknown),
    family("glm-4", 131_072, 32_768, TEXT, Capability::Yes),
    family("command-a", 262_144, 8_192, TEXT, Capability::Unknown),
    family("command-r", 131_072, 4_096, TEXT, Capability::No),
    family("sonar", 131_072, 8_192, TEXT, Capability::Unknown),
];

/// The family of a model, also behind a vendor's prefix such as `openai/gpt-4o`.
pub(crate) fn of(id: &str) -> Option<&'static Family> {
    let id = id.to_lowercase();
    let name = id.rsplit('/').next().unwrap_or(&id);
    FAMILIES.iter().find(|family| name.starts_with(family.prefix))
}
