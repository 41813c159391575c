//! What is deleted and purged is in no file of the server any more.

#[allow(dead_code, reason = "each suite uses its part of what they share")]
mod support;

use std::path::Path;

use reqwest::Method;
use serde_json::json;

use support::script::Script;
use support::server::Server;
use support::upstream::Upstream;
use support::within;

const SECRET: &str = "doomedwalnut";

/// The files below a directory that have these bytes.
fn files_with(dir: &Path, bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("it can be listed") {
        let path = entry.expect("it is listed").path();
        if path.is_dir() {
            found.extend(files_with(&path, bytes));
        } else if let Ok(content) = std::fs::read(&path)
            && content.windows(bytes.len()).any(|window| window == bytes)
        {
            found.push(path.display().to_string());
        }
    }
    found
}

/// Deletes something that is streaming elsewhere keeps in the journal.
#[tokio::test]
async fn what_was_streamed_is_gone_once_it_is_purged_while_others_stream() {
    let upstream = Upstream::start().await;
    let mut server = Server::start(&upstream.config()).await;
    let client = server.client();
    let beside = client.converse("default").await;
    let held = client.say(&beside, &Script::new("beside", 4000).held_at(1000)).await;
    upstream.is_asked("beside", 1).await;

    let doomed = client.converse("default").await;
    let path = format!("/v1/conversations/{doomed}");
    client.send(Method::PATCH, &path, &json!({"title": format!("The {SECRET}")})).await.expect(200);
    let script = Script { piece: 16, ..Script::new(SECRET, 40_000) };
    let said = client.say(&doomed, &script).await;
    client.turn_is(&said.turn_id, "completed").await;
    assert!(!files_with(&server.data(), SECRET.as_bytes()).is_empty());

    client.send(Method::DELETE, &path, &json!({})).await.expect(204);
    let (fine, out, error) = server.operate(&["purge"]);
    assert!(fine, "{out}{error}");
    assert_eq!(files_with(&server.data(), SECRET.as_bytes()), Vec::<String>::new());

    // And nothing of what streams is lost, also over a kill.
    server.kill9();
    server.restart().await;
    upstream.release_all();
    client.turn_is(&held.turn_id, "completed").await;
    let log = within("the log", client.log(&beside)).await;
    assert!(log.unfinished_turns().is_empty());
}
