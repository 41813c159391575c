//! What a tool of a server answered, as the text that a model and people read.

use rmcp::model::{CallToolResult, ContentBlock, ResourceContents};

use crate::tool::Outcome;

/// Of one answer, in bytes. What is longer is cut, and says so.
const MOST_BYTES: usize = 1 << 20;
const UNKNOWN: &str = "[something that this server does not know]";

pub(super) fn outcome(result: CallToolResult) -> Outcome {
    let mut pieces: Vec<String> = result.content.iter().map(words).collect();
    // A server that speaks to older clients says the same as text; then it is there already.
    if let Some(structured) = result.structured_content {
        let is_said = pieces
            .iter()
            .any(|piece| serde_json::from_str(piece).is_ok_and(|said: serde_json::Value| said == structured));
        if !is_said {
            pieces.push(structured.to_string());
        }
    }
    let text = cut(pieces.join("\n\n"), MOST_BYTES);
    match result.is_error {
        Some(true) => Outcome::Failed(text),
        Some(false) | None => Outcome::Succeeded(text),
    }
}

fn words(block: &ContentBlock) -> String {
    match block {
        ContentBlock::Text(text) => text.text.clone(),
        ContentBlock::Image(image) => unshown("image", &image.mime_type, &image.data),
        ContentBlock::Audio(audio) => unshown("recording", &audio.mime_type, &audio.data),
        ContentBlock::Resource(embedded) => match &embedded.resource {
            ResourceContents::TextResourceContents { uri, text, .. } => format!("{uri}:\n{text}"),
            ResourceContents::BlobResourceContents { uri, mime_type, blob, .. } => {
                let kind = mime_type.as_deref().unwrap_or("application/octet-stream");
                format!("{uri}: {}", unshown("file", kind, blob))
            }
            _ => UNKNOWN.to_owned(),
        },
        ContentBlock::ResourceLink(link) => match &link.description {
            Some(description) => format!("{} ({}): {description}", link.name, link.uri),
            None => format!("{} ({})", link.name, link.uri),
        },
        _ => UNKNOWN.to_owned(),
    }
}

fn unshown(what: &str, media_type: &str, base64: &str) -> String {
    format!("[{what}, {media_type}, about {} bytes, not shown here]", base64.len() / 4 * 3)
}

/// The beginning, up to a whole character.
pub(super) fn cut(mut text: String, most: usize) -> String {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most));
        text.push_str("\n[cut: it goes on]");
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(result: serde_json::Value) -> Outcome {
        outcome(serde_json::from_value(result).unwrap())
    }

    #[test]
    fn texts_are_joined_and_what_cannot_be_read_is_named() {
        let answer = of(json!({"content": [
            {"type": "text", "text": "one"},
            {"type": "image", "data": "AAAA", "mimeType": "image/png"},
            {"type": "resource", "resource": {"uri": "notes://1", "text": "buy milk"}},
            {"type": "resource_link", "uri": "notes://2", "name": "second"},
        ]}));
        let text = "one\n\n[image, image/png, about 3 bytes, not shown here]\n\nnotes://1:\nbuy milk\n\nsecond (notes://2)";
        assert_eq!(answer, Outcome::Succeeded(text.to_owned()));
    }

    #[test]
    fn structured_content_is_said_once() {
        let structured = json!({"sum": 3});
        let twice = of(
            json!({"content": [{"type": "text", "text": "{ \"sum\": 3 }"}], "structuredContent": structured}),
        );
        assert_eq!(twice, Outcome::Succeeded("{ \"sum\": 3 }".to_owned()));
        let once = of(json!({"content": [], "structuredContent": structured}));
        assert_eq!(once, Outcome::Succeeded("{\"sum\":3}".to_owned()));
    }

    #[test]
    fn an_error_of_the_tool_is_a_failure() {
        let answer = of(json!({"content": [{"type": "text", "text": "no such city"}], "isError": true}));
        assert_eq!(answer, Outcome::Failed("no such city".to_owned()));
    }

    #[test]
    fn what_is_too_long_is_cut_at_a_whole_character() {
        assert_eq!(cut("äöü".to_owned(), 3), "ä\n[cut: it goes on]");
        assert_eq!(cut("äöü".to_owned(), 6), "äöü");
    }
}
