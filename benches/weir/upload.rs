//! Conversations to be imported, in ChatGPT's format.

use std::fmt::Write;
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

use crate::http::Client;

/// Its path.
pub fn begin(client: &mut Client, file: &[u8]) -> anyhow::Result<String> {
    let import = client.upload("/v1/imports", file)?.json()?;
    Ok(format!("/v1/imports/{}", import["id"].as_str().context("an import without an id")?))
}

/// What it came to, once it is over.
pub fn end(client: &mut Client, import: &str) -> anyhow::Result<Value> {
    loop {
        let status = client.get(import)?.json()?;
        if !status["ended_at"].is_null() {
            return Ok(status["counts"].clone());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Each run has conversations of its own, each of them so many messages, and each message so many bytes of text.
pub fn file(run: usize, conversations: usize, messages: usize, bytes: usize) -> Vec<u8> {
    let text = "lorem ipsum dolor sit amet ".repeat(bytes / 27 + 1);
    let mut file = String::from("[");
    for number in 0..conversations {
        let comma = if number > 0 { "," } else { "" };
        let at = 1_600_000_000 + number * 100;
        write!(
            file,
            r#"{comma}{{"conversation_id":"{run}-{number}","title":"talk {number}","create_time":{at},"current_node":"{}","mapping":{{"#,
            messages - 1
        )
        .expect("memory takes it");
        for index in 0..messages {
            let comma = if index > 0 { "," } else { "" };
            let role = if index % 2 == 0 { "user" } else { "assistant" };
            let parent = if index > 0 { format!("\"{}\"", index - 1) } else { "null".to_owned() };
            let created = at + index;
            write!(
                file,
                r#"{comma}"{index}":{{"id":"{index}","parent":{parent},"children":[],"message":{{"author":{{"role":"{role}"}},"create_time":{created},"content":{{"content_type":"text","parts":["{index} {}"]}},"status":"finished_successfully","weight":1.0,"metadata":{{"model_slug":"m"}},"recipient":"all"}}}}"#,
                &text[..bytes]
            )
            .expect("memory takes it");
        }
        file.push_str("}}");
    }
    file.push(']');
    file.into_bytes()
}
