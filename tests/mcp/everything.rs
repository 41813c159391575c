//! The reference server with everything in it, over a process and over HTTP.

use std::time::Duration;

use serde_json::{Value, json};

use crate::node::{OverHttp, everything, free_port, node};
use crate::scene::Scene;
use crate::support::sse::Heard;
use crate::support::within;

const ALLOW: &str = "\"outside.*\" = \"allow\"";
const LONG: &str = "trigger-long-running-operation";
const ELICITS: &str = "trigger-elicitation-request";

/// Writes its process id where the test finds it.
async fn over_a_process(policy: &str) -> (Scene, tempfile::TempDir) {
    let notes = tempfile::tempdir().expect("a directory");
    let (node, everything, pid) = (node(), everything(), notes.path().join("pid"));
    let script =
        format!("echo $$ > {}; exec {} {} stdio", pid.display(), node.display(), everything.display());
    let scene = Scene::new(&format!("command = [\"/bin/sh\", \"-c\", \"{script}\"]"), policy).await;
    scene.outside_is_ready().await;
    (scene, notes)
}

fn pid(notes: &tempfile::TempDir) -> u32 {
    let text = std::fs::read_to_string(notes.path().join("pid")).expect("it was started");
    text.trim().parse().expect("a process id")
}

fn kill(pid: u32) {
    let status = std::process::Command::new("kill").arg("-9").arg(pid.to_string()).status();
    assert!(status.expect("kill is there").success());
}

fn is_alive(pid: u32) -> bool {
    // A zombie is not.
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z'))
}

async fn over_http(policy: &str) -> (Scene, OverHttp) {
    let outside = OverHttp::start(free_port()).await;
    let mcp = format!("url = \"http://127.0.0.1:{}/mcp\"\nallow_private_address = true", outside.port);
    let scene = Scene::new(&mcp, policy).await;
    scene.outside_is_ready().await;
    (scene, outside)
}

async fn everything_works(scene: &Scene) {
    let outside = scene.outside_is("list its tools", |outside| {
        outside["tools"].as_array().is_some_and(|tools| tools.contains(&json!(format!("outside.{ELICITS}"))))
    });
    let outside = outside.await;
    assert_eq!(outside["protocol"], "2025-11-25", "{outside}");
    assert_eq!(outside["left_out"], json!([]), "{outside}");

    // A call that people are asked about: the policy names another tool.
    let turn = scene.calls(&[("echo", json!({"message": "hello"}))]).await;
    scene.turn_is(&turn, "waiting").await;
    let pending = scene.pending().await;
    assert_eq!(
        (&pending[0]["tool"], &pending[0]["context"]["tool"]["source"]),
        (&json!("outside.echo"), &json!("mcp"))
    );
    scene.approve(&pending[0]).await.expect(200);
    assert_eq!(scene.answer(&turn).await, "told: Echo: hello");

    // Arguments that the server's schema refuses never get there.
    let turn = scene.calls(&[("echo", json!({"message": 7}))]).await;
    assert!(scene.answer(&turn).await.starts_with("told: the arguments are not what the tool takes"));

    let turn = scene.calls(&[(LONG, json!({"duration": 2, "steps": 4}))]).await;
    let call = scene.call_is("say how far it is", |call| call["progress"]["fraction"].is_number()).await;
    assert!(
        call["progress"]["fraction"].as_f64().is_some_and(|fraction| (0.25..=1.0).contains(&fraction)),
        "{call}"
    );
    assert!(scene.answer(&turn).await.contains("Long running operation completed"));

    let turn = scene.calls(&[(ELICITS, json!({}))]).await;
    let call = scene.call_is("ask", |call| call["question"].is_object()).await;
    assert_eq!(call["question"]["message"], "Please provide inputs for the following fields:");
    assert_eq!(call["question"]["schema"]["type"], "object");
    // What the form does not take is not passed on, and the question stays.
    let wrong = scene.answers(&call, "accept", Some(json!({"check": "perhaps"}))).await.expect(422);
    assert_eq!(wrong["type"], "invalid-request");
    let content = json!({"name": "Ada Secret-Lovelace", "check": true});
    scene.answers(&call, "accept", Some(content.clone())).await.expect(200);
    scene.answers(&call, "decline", None).await.expect(409);
    assert!(scene.answer(&turn).await.contains("Ada Secret-Lovelace"), "the tool was told");
}

/// What no rule covers is asked.
const ASK_ABOUT_ECHO: &str = "\"outside.trigger-*\" = \"allow\"";

#[tokio::test]
async fn everything_works_over_a_process() {
    let (scene, _notes) = over_a_process(ASK_ABOUT_ECHO).await;
    everything_works(&scene).await;
}

#[tokio::test]
async fn everything_works_over_http() {
    let (scene, _outside) = over_http(ASK_ABOUT_ECHO).await;
    everything_works(&scene).await;
}

#[tokio::test]
async fn what_is_filled_in_stands_in_no_event() {
    let (scene, _notes) = over_a_process(ALLOW).await;
    let turn = scene.calls(&[(ELICITS, json!({}))]).await;
    let call = scene.call_is("ask", |call| call["question"].is_object()).await;
    scene.answers(&call, "decline", None).await.expect(200);
    scene.turn_is(&turn, "completed").await;
    let turn = scene.calls(&[(ELICITS, json!({}))]).await;
    let call = scene.call_is("ask", |call| call["question"].is_object()).await;
    let secret = "canary-7261";
    let before = scene.client.get(&format!("/v1/turns/{turn}")).await.expect(200);
    assert_eq!(before["state"], "running", "nobody waits for a policy");
    scene.answers(&call, "accept", Some(json!({"name": secret, "check": false}))).await.expect(200);
    scene.turn_is(&turn, "completed").await;
    let mut sse = scene.client.events(&scene.conversation, None).await;
    let mut answered = 0;
    while let Ok(Heard::Event { event, .. }) = within("the log", sse.next()).await {
        if event["type"] == "tool.answered" {
            answered += 1;
            assert!(!event.to_string().contains(secret), "{event}");
        }
    }
    assert_eq!(answered, 2);
    assert!(!scene.server.said().contains(secret), "nor in what the server says");
}

#[tokio::test]
async fn a_server_that_dies_in_the_middle_of_a_call_leaves_it_unknown_and_comes_back() {
    let (scene, notes) = over_a_process(ALLOW).await;
    let turn = scene.calls(&[(LONG, json!({"duration": 60, "steps": 120}))]).await;
    scene.call_is("run", |call| call["progress"].is_object()).await;
    let first = pid(&notes);
    kill(first);
    let call = scene.call_is("be unknown", |call| call["state"] == "unknown").await;
    scene.turn_is(&turn, "waiting").await;
    scene.outside_is_ready().await;
    let path = format!("/v1/tool-calls/{}/resolve", call["id"].as_str().expect("an id"));
    scene.client.post(&path, &json!({"as": "failed", "output": "it was cut"})).await.expect(200);
    assert_eq!(scene.answer(&turn).await, "told: it was cut");

    within("another process", async {
        while pid(&notes) == first {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let turn = scene.calls(&[("echo", json!({"message": "again"}))]).await;
    assert_eq!(scene.answer(&turn).await, "told: Echo: again");
}

#[tokio::test]
async fn a_call_waits_for_a_server_that_is_down() {
    let (scene, mut outside) = over_http(ALLOW).await;
    outside.child.kill().await.expect("it ran");
    let turn = scene.calls(&[("echo", json!({"message": "late"}))]).await;
    scene.call_is("start", |call| call["state"] == "started").await;
    let _again = OverHttp::start(outside.port).await;
    assert_eq!(scene.answer(&turn).await, "told: Echo: late");
}

#[tokio::test]
async fn an_approved_call_survives_a_restart_and_runs_once_its_server_is_there() {
    let (mut scene, _notes) = over_a_process("").await;
    let turn = scene.calls(&[("echo", json!({"message": "still"}))]).await;
    scene.turn_is(&turn, "waiting").await;
    scene.server.kill9();
    scene.server.restart().await;
    // Before anything has come from the MCP server.
    let pending = scene.pending().await;
    scene.approve(&pending[0]).await.expect(200);
    assert_eq!(scene.answer(&turn).await, "told: Echo: still");
}

#[tokio::test]
async fn no_process_is_left_behind() {
    let notes = tempfile::tempdir().expect("a directory");
    let (node, everything, pid_file) = (node(), everything(), notes.path().join("pid"));
    // One of its own that would go on for long, and does not notice when its parent ends.
    let script = format!(
        "sleep 600 & echo $! > {}; exec {} {} stdio",
        pid_file.display(),
        node.display(),
        everything.display()
    );
    let mut scene = Scene::new(&format!("command = [\"/bin/sh\", \"-c\", \"{script}\"]"), ALLOW).await;
    scene.outside_is_ready().await;
    let grandchild = pid(&notes);
    assert!(is_alive(grandchild));
    scene.server.sigterm();
    scene.server.ended().await;
    within("what the MCP server started to end", async {
        while is_alive(grandchild) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_cancelled_turn_stops_its_call() {
    let (scene, _notes) = over_a_process(ALLOW).await;
    let turn = scene.calls(&[(LONG, json!({"duration": 60, "steps": 120}))]).await;
    scene.call_is("run", |call| call["progress"].is_object()).await;
    scene.client.cancel(&turn).await.expect(200);
    scene.turn_is(&turn, "cancelled").await;
    let turn = scene.calls(&[("echo", json!({"message": "next"}))]).await;
    assert_eq!(scene.answer(&turn).await, "told: Echo: next");
}

#[tokio::test]
async fn a_page_to_open_is_shown_as_a_question() {
    let (scene, _notes) = over_a_process(ALLOW).await;
    let args = json!({"url": "https://example.com/connect", "message": "Sign in there"});
    let turn = scene.calls(&[("trigger-url-elicitation", args)]).await;
    let call = scene.call_is("ask", |call| call["question"].is_object()).await;
    let question = &call["question"];
    assert_eq!(
        (&question["message"], &question["url"], &question["schema"]),
        (&json!("Sign in there"), &json!("https://example.com/connect"), &Value::Null)
    );
    scene.answers(&call, "cancel", None).await.expect(200);
    scene.turn_is(&turn, "completed").await;
}
