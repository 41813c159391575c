//! Imports and exports of the real binary: from the command line with and without a server, and killed in the middle.

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "each suite uses its part of what they share")]
mod support;

mod commands;
#[cfg(feature = "failpoints")]
mod killed;

use serde_json::json;

/// A file of so many conversations in ChatGPT's format, each with a branch.
fn many(conversations: usize, messages: usize) -> String {
    let conversation = |number: usize| {
        let mut mapping = serde_json::Map::new();
        for at in 0..messages {
            let parent = match at {
                0 => json!(null),
                // Every seventh is another answer to what the one before it answers.
                at if at % 7 == 0 => json!(format!("{}", at - 2)),
                at => json!(format!("{}", at - 1)),
            };
            let role = if at % 2 == 0 { "user" } else { "assistant" };
            let node = json!({"id": at.to_string(), "parent": parent, "children": [], "message": {
                "author": {"role": role}, "create_time": 1_700_000_000 + number * 1000 + at,
                "content": {"content_type": "text", "parts": [format!("message {at} of {number}")]}}});
            mapping.insert(at.to_string(), node);
        }
        json!({"conversation_id": format!("c{number}"), "title": format!("conversation {number}"),
            "create_time": 1_700_000_000 + number * 1000, "mapping": mapping})
        .to_string()
    };
    let all: Vec<_> = (0..conversations).map(conversation).collect();
    format!("[{}]", all.join(","))
}
