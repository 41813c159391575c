//! Conversations from a file, for whoever needs many.

use reqwest::Method;

use crate::support::client::Client;
use crate::support::within;

/// Imports them, and waits for the end.
pub async fn upload(client: &Client, file: Vec<u8>) {
    let upload =
        client.request(Method::POST, "/v1/imports").header("Content-Type", "application/octet-stream");
    let import = client.ask(upload.body(file)).await.expect("an upload is answered").expect(202);
    let import = format!("/v1/imports/{}", import["id"].as_str().expect("an import has an id"));
    within("the import", async {
        while client.get(&import).await.expect(200)["ended_at"].is_null() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    })
    .await;
}
