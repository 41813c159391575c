//! A file is killed on its way in: either it is there, or nothing of it is; and no content stays that nobody knows.

#![cfg(feature = "failpoints")]

#[allow(dead_code, reason = "each suite uses its part of what they share")]
mod support;

use std::path::Path;

use reqwest::Method;
use serde_json::Value;

use support::client::Client;
use support::server::Server;
use support::within;

const CONFIG: &str = "[providers.demo]\nkind = \"demo\"\n[agents.default]\nprovider = \"demo\"\n";

/// Sends the file under one key.
async fn send(client: &Client) -> Option<Value> {
    let request = client.request(Method::POST, "/v1/files?name=a.txt").header("Idempotency-Key", "once");
    Some(client.ask(request.body("what is in it")).await.ok()?.expect(201))
}

fn contents(data: &Path) -> Vec<String> {
    let whole = std::fs::read_dir(data.join("files/whole")).expect("the directory is there");
    let below =
        whole.flat_map(|dir| std::fs::read_dir(dir.expect("it is readable").path()).expect("a directory"));
    below.map(|entry| entry.expect("it is readable").file_name().to_string_lossy().into_owned()).collect()
}

fn arriving(data: &Path) -> usize {
    std::fs::read_dir(data.join("files/arriving")).expect("the directory is there").count()
}

#[tokio::test]
async fn a_file_that_is_killed_on_its_way_in_is_there_or_leaves_nothing() {
    for (failpoint, is_there) in
        [("runtime::file_before_row", false), ("store::before_commit", false), ("store::after_commit", true)]
    {
        let mut server = Server::start(CONFIG).await;
        server.arm(failpoint, 1);
        let sending = {
            let client = server.client();
            tokio::spawn(async move { send(&client).await })
        };
        within(failpoint, async {
            while !server.is_stopped() {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
        })
        .await;
        server.kill9();
        assert_eq!(sending.await.expect("nobody panicked"), None, "it was answered at {failpoint}");
        assert_eq!(contents(&server.data()).len(), 1, "{failpoint}: the content comes first");
        server.disarm();
        server.restart().await;
        let client = server.client();
        let listed = client.get("/v1/files").await.expect(200);
        assert_eq!(listed["items"].as_array().map(Vec::len), Some(usize::from(is_there)), "{failpoint}");
        within("what nobody knows to be swept", async {
            while contents(&server.data()).len() != usize::from(is_there) {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        })
        .await;

        let again = send(&client).await.expect("it is answered");
        let listed = client.get("/v1/files").await.expect(200);
        assert_eq!(listed["items"], serde_json::json!([again]), "{failpoint}: once");
        assert_eq!((contents(&server.data()).len(), arriving(&server.data())), (1, 0));
    }
}

#[tokio::test]
async fn half_a_file_is_gone_after_a_kill() {
    let mut server = Server::start(CONFIG).await;
    let client = server.client();
    let (sender, body) = tokio::sync::mpsc::channel::<Result<Vec<u8>, std::io::Error>>(1);
    let body = futures_util::stream::unfold(body, |mut body| async { Some((body.recv().await?, body)) });
    let request = client.request(Method::POST, "/v1/files").body(reqwest::Body::wrap_stream(body));
    let sending = tokio::spawn(async move { client.ask(request).await });
    sender.send(Ok(vec![7; 3 << 20])).await.expect("it is taken");
    within("a piece to be on the disk", async {
        while arriving(&server.data()) == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
    server.kill9();
    assert!(sending.await.expect("nobody panicked").is_err());
    server.restart().await;
    assert_eq!((contents(&server.data()).len(), arriving(&server.data())), (0, 0));
}
