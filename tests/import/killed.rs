//! The server is killed with SIGKILL in the middle of an import, several times; then it goes on, and what is there in
//! the end is what an import without a kill brings.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;

use crate::many;
use crate::support::oracle::database_is_sound;
use crate::support::server::{ROOT_KEY, Server};
use crate::support::within;

const CONVERSATIONS: usize = 300;
const MESSAGES: usize = 20;

const KILLS: usize = 6;

fn http(server: &Server, method: Method, path: &str) -> reqwest::RequestBuilder {
    reqwest::Client::new().request(method, format!("{}{path}", server.base())).bearer_auth(ROOT_KEY)
}

async fn get(server: &Server, path: &str) -> Value {
    http(server, Method::GET, path).send().await.unwrap().json().await.unwrap()
}

async fn upload(server: &Server, file: &str) -> String {
    let request = http(server, Method::POST, "/v1/imports").header("Content-Type", "application/json");
    let answer = request.body(file.to_owned()).send().await.unwrap();
    assert_eq!(answer.status(), 202);
    answer.headers()["location"].to_str().unwrap().to_owned()
}

async fn ended(server: &Server, import: &str) -> Value {
    within("the import to end", async {
        loop {
            let now = get(server, import).await;
            if !now["ended_at"].is_null() {
                return now;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
}

/// Every conversation with its messages, as the command line exports them without a server.
fn everything(server: &Server) -> Vec<Value> {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args(["export", "--all"]).current_dir(server.path()).env_clear().env("WEIR_DATA", server.data());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let mut lines: Vec<Value> =
        lines.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect();
    for line in &mut lines {
        // Ids follow from whose import it is, and each server has an owner of its own.
        let message = ["message", "conversation"].into_iter().find(|kind| line[*kind].is_object());
        for key in ["id", "parent_id", "head", "workspace_id", "created_by"] {
            if let Some(object) = message.and_then(|kind| line[kind].as_object_mut()) {
                object.remove(key);
            }
        }
    }
    lines.sort_by_key(Value::to_string);
    lines
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_that_is_killed_goes_on_and_brings_the_same() {
    let file = many(CONVERSATIONS, MESSAGES);
    let mut spared = Server::start("").await;
    let import = upload(&spared, &file).await;
    assert_eq!(ended(&spared, &import).await["counts"]["messages"], CONVERSATIONS * MESSAGES);
    spared.kill9();

    let points =
        ["store::before_commit", "store::after_commit", "store::before_apply", "store::after_answer"];
    let mut server = Server::start("").await;
    server.arm(points[0], 9);
    let import = upload(&server, &file).await;
    let mut stopped = 0;
    for kill in 1..=KILLS {
        let reached = async {
            while !server.is_stopped() {
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
        };
        // On a fast machine it may be over before the last kills.
        stopped += usize::from(tokio::time::timeout(Duration::from_secs(2), reached).await.is_ok());
        server.kill9();
        server.disarm();
        if kill < KILLS {
            server.arm(points[kill % points.len()], 40);
        }
        server.restart_or_stop().await;
    }
    assert!(stopped >= 2, "the import was cut only {stopped} times");
    let done = ended(&server, &import).await;
    assert_eq!(
        (done["state"].as_str(), &done["counts"]["skipped"]),
        (Some("completed"), &Value::from(0)),
        "{done}"
    );

    // Once more, nothing is new.
    let again = upload(&server, &file).await;
    let again = ended(&server, &again).await;
    assert_eq!(again["counts"]["unchanged"], CONVERSATIONS, "{again}");
    server.kill9();
    database_is_sound(&server.data()).unwrap();
    assert_eq!(everything(&server), everything(&spared));
    println!("cut {stopped} times");
}
