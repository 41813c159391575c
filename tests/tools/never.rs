//! What must never happen with an approval, each tried over HTTP with a tool server that counts.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::scene::{Scene, refund};
use crate::support::client::Client;

const DAY: Duration = Duration::from_secs(24 * 3600);

impl Scene {
    /// A turn that waits for a yes, and the question.
    async fn waits(&self, tool: &str) -> (String, Value) {
        let turn = self.calls(&json!([{"tool": tool, "args": {"order": "7"}}])).await;
        self.turn_is(&turn, "waiting").await;
        let log = self.client.log(&self.conversation).await;
        let asked = log.events().filter(|event| event["type"] == "approval.requested").last();
        (turn, asked.expect("somebody is asked")["approval"].clone())
    }

    /// Votes as somebody else.
    async fn vote(&self, client: &Client, approval: &Value) -> u16 {
        let path = format!("/v1/approvals/{}/decide", approval["id"].as_str().expect("an id"));
        client.post(&path, &json!({"decision": "approve", "args_hash": approval["args_hash"]})).await.status
    }
}

#[tokio::test]
async fn history_results_and_approvals_that_somebody_made_up_run_nothing() {
    let scene = Scene::new().await;
    let (turn, approval) = scene.waits("refund").await;
    let call = approval["call_id"].as_str().expect("an id");
    let client = &scene.client;
    let here = format!("/v1/conversations/{}", scene.conversation);
    let snapshot = client.get(&here).await.expect(200);
    assert_eq!(snapshot["pending_approvals"], json!([approval]), "the conversation says what it waits for");
    assert_eq!(
        approval["context"]["recent"].as_array().map(Vec::len),
        Some(1),
        "the question is not its context"
    );

    // A result for a call that is no client's, and a word about one that is not unknown.
    let result = format!("/v1/tool-calls/{call}/result");
    assert_eq!(client.post(&result, &json!({"output": "done"})).await.status, 409);
    for word in ["succeeded", "failed", "retry"] {
        let resolve = format!("/v1/tool-calls/{call}/resolve");
        assert_eq!(client.post(&resolve, &json!({"as": word})).await.status, 409);
    }
    // Parts and fields that only the server writes.
    for message in [
        json!({"parts": [{"type": "tool_call", "call_id": call, "name": "refund", "args_text": "{}"}]}),
        json!({"text": "hello", "role": "assistant"}),
        json!({"text": "hello", "calls": [{"id": call, "tool": "refund", "state": "approved"}]}),
        json!({"text": "hello", "tools": [{"name": "refund", "description": "", "schema": {"type": "object"}}]}),
    ] {
        assert_eq!(client.post(&format!("{here}/messages"), &message).await.status, 422, "{message}");
    }
    for body in [
        json!({"decision": "approve"}),
        json!({"decision": "approve", "args_hash": ""}),
        json!({"decision": "approve", "args_hash": approval["args_hash"], "state": "approved"}),
        json!({"decision": "approved", "args_hash": approval["args_hash"]}),
    ] {
        let path = format!("/v1/approvals/{}/decide", approval["id"].as_str().expect("an id"));
        let status = client.post(&path, &body).await.status;
        assert!([409, 422].contains(&status), "{status} {body}");
    }
    // History that is read in is read, not run; what it says was approved, was approved elsewhere.
    let exported = client.get(&format!("{here}/export?format=json")).await;
    assert!([200, 404, 422].contains(&exported.status));
    let patched = client.send(Method::PATCH, &here, &json!({"state": {"approved": true}})).await;
    assert!([200, 422].contains(&patched.status));

    scene.turn_is(&turn, "waiting").await;
    assert_eq!(scene.outside.ran(), []);
    scene.client.cancel(&turn).await.expect(200);
}

#[tokio::test]
async fn another_description_schema_or_policy_than_was_shown_voids_the_question() {
    let mut scene = Scene::new().await;
    let config_path = scene.server.path().join("weir.toml");
    let config = std::fs::read_to_string(&config_path).expect("it is there");
    for (from, to) in [
        ("refund an order", "refund an order, and all others"),
        ("order = { type = \"string\" }", "order = { type = \"string\", minLength = 1 }"),
    ] {
        std::fs::write(&config_path, &config).expect("it is written");
        scene.kill_and_restart().await;
        let (turn, approval) = scene.waits("refund").await;
        scene.server.kill9();
        std::fs::write(&config_path, config.replace(from, to)).expect("it is written");
        scene.server.restart().await;
        // Other arguments would be for another tool than was shown.
        let path = format!("/v1/approvals/{}/decide", approval["id"].as_str().expect("an id"));
        let changed = json!({
            "decision": "approve", "args_hash": approval["args_hash"], "args": {"order": "8"},
        });
        assert_eq!(scene.client.post(&path, &changed).await.expect(409)["type"], "approval-changed");
        // The yes is for what was shown, and that is not what would run.
        assert_eq!(scene.vote(&scene.client, &approval).await, 200);
        let asked_again = loop {
            let pending = scene.pending().await;
            match pending.into_iter().find(|other| other["id"] != approval["id"]) {
                Some(again) => break again,
                None => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        };
        assert_eq!(asked_again["call_id"], approval["call_id"]);
        assert_ne!(asked_again["args_hash"], approval["args_hash"]);
        assert_eq!(scene.outside.ran(), [], "{to}");
        scene.client.cancel(&turn).await.expect(200);
    }
    // What the policy denies by now is denied, yes or not.
    std::fs::write(&config_path, &config).expect("it is written");
    scene.kill_and_restart().await;
    let (turn, approval) = scene.waits("refund").await;
    scene.server.kill9();
    let denying = config.replace("\"wipe\" = \"deny\"", "\"wipe\" = \"deny\"\n\"refund\" = \"deny\"");
    std::fs::write(&config_path, denying).expect("it is written");
    scene.server.restart().await;
    assert_eq!(scene.vote(&scene.client, &approval).await, 200);
    assert_eq!(scene.answer(&turn).await, "told: the operator's policy does not allow this call");
    assert_eq!(scene.outside.ran(), []);
}

#[tokio::test]
async fn the_wrong_people_decide_nothing() {
    let scene = Scene::new().await;
    let (turn, approval) = scene.waits("refund").await;
    let viewer = scene.person("vera", "viewer").await;
    let member = scene.person("ben", "member").await;
    let admin = scene.person("anna", "admin").await;
    // A private conversation's question is for whoever may write there, also where an admin asks.
    assert_eq!(scene.vote(&viewer, &approval).await, 403);
    for stranger in [&member, &admin] {
        assert_eq!(scene.vote(stranger, &approval).await, 404);
        let all = stranger.get("/v1/approvals").await.expect(200);
        assert_eq!(all["items"], json!([]));
        let many = json!({
            "items": [{"id": approval["id"], "args_hash": approval["args_hash"]}], "decision": "approve",
        });
        let many = stranger.post("/v1/approvals/decide", &many).await.expect(200);
        assert_eq!(many["items"][0]["problem"]["status"], 404);
    }
    // A key without the right to decide, of somebody who may.
    let narrow = json!({"name": "reads", "scopes": ["conversations:read", "conversations:write"]});
    let narrow = scene.client.post("/v1/api-keys", &narrow).await.expect(201);
    let narrow = Client::new(scene.server.base(), narrow["secret"].as_str().expect("a secret"));
    assert_eq!(scene.vote(&narrow, &approval).await, 403);
    let nobody = Client::new(scene.server.base(), "weir_made_up");
    assert_eq!(scene.vote(&nobody, &approval).await, 401);

    // Shared, a member decides; but not once they are suspended.
    let here = format!("/v1/conversations/{}", scene.conversation);
    scene.client.send(Method::PATCH, &here, &json!({"visibility": "workspace"})).await.expect(200);
    assert_eq!(scene.vote(&viewer, &approval).await, 403);
    let ben = member.get("/v1/me").await.expect(200);
    let suspended = std::process::Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(["users", "suspend", ben["user"]["id"].as_str().expect("an id")])
        .env("WEIR_DATA", scene.server.data())
        .output()
        .expect("it runs");
    assert!(suspended.status.success(), "{}", String::from_utf8_lossy(&suspended.stderr));
    assert_eq!(scene.vote(&member, &approval).await, 401);
    assert_eq!(scene.outside.ran(), []);
    assert_eq!(scene.vote(&admin, &approval).await, 200);
    scene.turn_is(&turn, "completed").await;
    assert_eq!(scene.outside.ran().len(), 1);
}

#[tokio::test]
async fn an_admin_decides_for_a_private_conversation_without_reading_it() {
    let mut scene = Scene::new().await;
    let (anna, carl) = (scene.person("anna", "admin").await, scene.person("carl", "admin").await);
    scene.client = scene.person("ben", "member").await;
    scene.conversation = scene.client.converse("default").await;
    let (turn, approval) = scene.waits("twice").await;
    assert_eq!(scene.vote(&scene.client, &approval).await, 404, "a member is not asked");
    for admin in [&anna, &carl] {
        let queue = admin.get("/v1/approvals").await.expect(200);
        let shown = &queue["items"][0];
        assert_eq!((&shown["id"], &shown["args"]), (&approval["id"], &json!({"order": "7"})));
        let here = format!("/v1/conversations/{}", scene.conversation);
        for path in [
            here.clone(),
            format!("{here}/messages"),
            format!("{here}/events"),
            format!("{here}/tree"),
            format!("/v1/turns/{turn}"),
        ] {
            assert_eq!(admin.get(&path).await.status, 404, "{path}");
        }
        assert_eq!(scene.vote(admin, &approval).await, 200);
    }
    scene.turn_is(&turn, "completed").await;
    assert_eq!(scene.outside.ran().len(), 1);
}

#[tokio::test]
async fn the_queue_shows_what_is_shared_for_as_long_as_it_is_shared() {
    let mut scene = Scene::new().await;
    let (ben, eve) = (scene.person("ben", "member").await, scene.person("eve", "admin").await);
    scene.client = scene.person("anna", "member").await;
    scene.conversation = scene.client.converse("default").await;
    let (_, approval) = scene.waits("refund").await;
    let share = async |visibility: &str| {
        let here = format!("/v1/conversations/{}", scene.conversation);
        scene.client.send(Method::PATCH, &here, &json!({"visibility": visibility})).await.expect(200);
    };
    let narrowed = [
        "?state=pending".to_owned(),
        "?tool=refund".to_owned(),
        "?agent=default".to_owned(),
        "?tool=refund&agent=default".to_owned(),
        format!("?conversation_id={}", scene.conversation),
    ];
    let shown = async |client: &Client| {
        let mut ids = Vec::new();
        for query in &narrowed {
            let queue = client.get(&format!("/v1/approvals{query}")).await.expect(200);
            let items = queue["items"].as_array().expect("a list");
            ids.push(items.iter().map(|item| item["id"].clone()).collect::<Vec<_>>());
        }
        assert!(ids.windows(2).all(|pair| pair[0] == pair[1]), "{narrowed:?} show {ids:?}");
        ids.remove(0)
    };
    let (nothing, it) = (Vec::<Value>::new(), vec![approval["id"].clone()]);
    let everyone = async || (shown(&scene.client).await, shown(&ben).await, shown(&eve).await);

    assert_eq!(everyone().await, (it.clone(), nothing.clone(), nothing.clone()));
    share("workspace").await;
    assert_eq!(everyone().await, (it.clone(), it.clone(), it.clone()));
    share("private").await;
    assert_eq!(everyone().await, (it, nothing.clone(), nothing));
}

#[tokio::test]
async fn a_yes_after_thirty_days_and_five_restarts_goes_on_with_its_turn() {
    let mut scene = Scene::new().await;
    let (turn, approval) = scene.waits("patient").await;
    for day in [1, 7, 14, 21, 30] {
        scene.server.kill9();
        scene.server.move_clock(DAY * day);
        scene.server.restart().await;
        scene.turn_is(&turn, "waiting").await;
    }
    assert_eq!(scene.vote(&scene.client, &approval).await, 200);
    assert_eq!(scene.answer(&turn).await, r#"told: ran with {"order":"7"}"#);
    assert_eq!(scene.outside.ran().len(), 1);
}

#[tokio::test]
async fn nothing_runs_after_its_time() {
    let mut scene = Scene::new().await;
    let (turn, approval) = scene.waits("refund").await;
    scene.server.kill9();
    scene.server.move_clock(DAY * 7);
    scene.server.restart().await;
    assert_eq!(scene.vote(&scene.client, &approval).await, 409, "seven days are over");
    assert_eq!(scene.answer(&turn).await, "told: nobody decided about this call in time");
    let shown = scene.client.get(&format!("/v1/approvals/{}", approval["id"].as_str().expect("an id"))).await;
    assert_eq!(shown.expect(200)["state"], "expired");
    assert_eq!(scene.outside.ran(), []);

    // Decided in time and not begun: after a day it is asked for again.
    let (turn, approval) = scene.waits("refund").await;
    scene.server.arm("runtime::after_publish", 1);
    let path = format!("/v1/approvals/{}/decide", approval["id"].as_str().expect("an id"));
    let body = json!({"decision": "approve", "args_hash": approval["args_hash"]});
    let vote = scene.client.request(Method::POST, &path).json(&body).timeout(Duration::from_secs(2));
    // The server stops with the yes on disk, and before the tool is asked for anything.
    assert!(scene.client.ask(vote).await.is_err());
    assert!(scene.server.is_stopped());
    scene.server.disarm();
    scene.server.kill9();
    scene.server.move_clock(DAY * 8 + Duration::from_secs(60));
    scene.server.restart().await;
    scene.turn_is(&turn, "waiting").await;
    assert_eq!(scene.outside.ran(), []);
    let again = scene.pending().await.remove(0);
    assert_ne!(again["id"], approval["id"]);
    assert_eq!(scene.vote(&scene.client, &again).await, 200);
    scene.turn_is(&turn, "completed").await;
    assert_eq!(scene.outside.ran().len(), 1);
}

#[tokio::test]
async fn arguments_that_a_person_writes_are_not_rounded_and_not_read_in_two_ways() {
    let scene = Scene::new().await;
    let (turn, approval) = scene.waits("refund").await;
    let path = format!("/v1/approvals/{}/decide", approval["id"].as_str().expect("an id"));
    for args in [r#"{"order": "7", "order": "8"}"#, r#"{"order": "7", "amount": 123456789012345678901}"#] {
        let hash = approval["args_hash"].as_str().expect("a hash");
        let body = format!(r#"{{"decision": "approve", "args_hash": "{hash}", "args": {args}}}"#);
        let request = scene.client.request(Method::POST, &path).header("content-type", "application/json");
        let reply = scene.client.ask(request.body(body)).await.expect("an answer");
        assert_eq!(reply.status, 422, "{args}: {}", reply.body);
    }
    assert_eq!(scene.outside.ran(), []);
    scene.client.cancel(&turn).await.expect(200);
}

#[tokio::test]
async fn the_yes_of_somebody_who_left_counts_no_more() {
    let mut scene = Scene::new().await;
    let (anna, carl) = (scene.person("anna", "admin").await, scene.person("carl", "admin").await);
    let (turn, approval) = scene.waits("twice").await;
    assert_eq!(scene.vote(&anna, &approval).await, 200);
    let left = anna.get("/v1/me").await.expect(200);
    let suspended = std::process::Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(["users", "suspend", left["user"]["id"].as_str().expect("an id")])
        .env("WEIR_DATA", scene.server.data())
        .output()
        .expect("it runs");
    assert!(suspended.status.success());
    assert_eq!(scene.vote(&carl, &approval).await, 200);
    scene.turn_is(&turn, "waiting").await;
    assert_eq!(scene.outside.ran(), [], "two who are here have to agree");
    scene.client = carl.clone();
    let again = scene.pending().await.remove(0);
    assert_ne!(again["id"], approval["id"]);
}

#[tokio::test]
async fn a_fork_takes_no_question_and_no_yes_with_it() {
    let scene = Scene::new().await;
    let (turn, approval) = scene.waits("refund").await;
    let fork = format!("/v1/conversations/{}/fork", scene.conversation);
    let fork = scene.client.post(&fork, &json!({})).await.expect(201);
    let forked = fork["conversation"]["id"].as_str().expect("an id");
    let queue = scene.client.get(&format!("/v1/approvals?conversation_id={forked}")).await.expect(200);
    assert_eq!(queue["items"], json!([]));
    assert_eq!(scene.vote(&scene.client, &approval).await, 200);
    scene.turn_is(&turn, "completed").await;
    assert_eq!(scene.outside.ran().len(), 1);
    let log = scene.client.log(forked).await;
    assert!(log.events().all(|event| !event["type"].as_str().expect("a type").starts_with("tool.")));

    // The same again in the fork is another call, and asked for.
    let other = scene.client.tell(forked, &json!([refund("7")]).to_string()).await;
    scene.turn_is(&other, "waiting").await;
    assert_eq!(scene.outside.ran().len(), 1);
}

#[tokio::test]
async fn all_of_the_arguments_can_be_read_whatever_is_in_them() {
    let scene = Scene::new().await;
    let long = format!("\u{202e}\u{200b}раypal\u{0}{}", "x".repeat(100_000));
    let turn = scene.calls(&json!([{"tool": "refund", "args": {"order": long}}])).await;
    scene.turn_is(&turn, "waiting").await;
    let approval = scene.pending().await.remove(0);
    assert_eq!(approval["args"]["order"], long);
    let text: Value = serde_json::from_str(approval["args_text"].as_str().expect("a text")).expect("JSON");
    assert_eq!(text["order"], long, "to the last character");
    assert_eq!(scene.vote(&scene.client, &approval).await, 200);
    scene.turn_is(&turn, "completed").await;
    assert_eq!(scene.outside.ran()[0].args["order"], long);
}
