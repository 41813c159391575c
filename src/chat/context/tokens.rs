//! How many tokens something takes, estimated. The provider's own count is the truth; this one errs upwards.

use super::{Item, PathMessage, ToolSpec, sent_parts, sent_results};
use crate::chat::message::{Call, Part, Role};

/// A tokenizer for English makes a token of about four bytes, of code and JSON of three; a character of three bytes
/// is about one token.
const BYTES_PER_TOKEN: u64 = 3;

/// What a message costs besides its text: role and separators.
const PER_MESSAGE: u64 = 4;

pub fn of_text(text: &str) -> u64 {
    (text.len() as u64).div_ceil(BYTES_PER_TOKEN)
}

/// The bytes that surely hold so many tokens.
pub fn bytes_for(tokens: u64) -> usize {
    usize::try_from(tokens.saturating_mul(BYTES_PER_TOKEN)).unwrap_or(usize::MAX)
}

pub fn of_tools(tools: &[ToolSpec]) -> u64 {
    let of_tool = |tool: &ToolSpec| {
        of_text(&tool.name) + of_text(&tool.description) + of_text(&tool.schema.to_string()) + PER_MESSAGE
    };
    tools.iter().map(of_tool).sum()
}

pub fn of_message(message: &PathMessage) -> u64 {
    let parts: u64 = message.parts.iter().map(|stored| of_part(&stored.part)).sum();
    let results: u64 = message.calls.iter().map(of_result).sum();
    PER_MESSAGE + parts + results
}

/// Of what a model is given of a message: the same as of its items, without making them.
pub(super) fn of_sent(message: &PathMessage) -> u64 {
    match message.role {
        Role::User | Role::System => {
            PER_MESSAGE + message.parts.iter().map(|stored| of_part(&stored.part)).sum::<u64>()
        }
        Role::Assistant => {
            let mut parts = sent_parts(message).map(|stored| of_part(&stored.part)).peekable();
            if parts.peek().is_none() {
                return 0;
            }
            let results = sent_results(message)
                .map(|result| PER_MESSAGE + of_text(result.name) + of_text(&result.output))
                .sum::<u64>();
            PER_MESSAGE + parts.sum::<u64>() + results
        }
    }
}

pub fn of_items(items: &[Item]) -> u64 {
    let of_item = |item: &Item| match item {
        Item::User { parts } => parts.iter().map(of_part).sum::<u64>(),
        Item::Assistant { parts } => parts.iter().map(|part| of_part(&part.part)).sum(),
        Item::ToolResult { name, output, .. } => of_text(name) + of_text(output),
    };
    items.iter().map(|item| PER_MESSAGE + of_item(item)).sum()
}

fn of_part(part: &Part) -> u64 {
    match part {
        Part::Text { text } | Part::Reasoning { text } => of_text(text),
        Part::ToolCall { name, args_text, .. } => PER_MESSAGE + of_text(name) + of_text(args_text),
        Part::File { name, media_type, size, .. } => PER_MESSAGE + of_text(name) + of_file(media_type, *size),
        Part::Source { url, title } => of_text(url) + title.as_deref().map_or(0, of_text),
        Part::Notice { .. } => 0,
    }
}

/// An image is made smaller by its provider until it takes about so much; a document takes more with each page.
fn of_file(media_type: &str, size: u64) -> u64 {
    match media_type {
        image if image.starts_with("image/") => 1_600,
        "application/pdf" => (size / 40).clamp(1_500, 30_000),
        _ => 16,
    }
}

fn of_result(call: &Call) -> u64 {
    let said = call.output.as_deref().or(call.error.as_deref()).unwrap_or("the call was not run");
    PER_MESSAGE + of_text(&call.tool) + of_text(said)
}
