//! Language-neutral vectors: a conversation's log, and what a client shows of it. `tests/vectors/README.md` says how
//! they are written; `web/client` is held to the same files.
//!
//! `UPDATE_VECTORS=1` records them anew from the real server, whose own snapshots are what is expected.

#[allow(dead_code, reason = "each suite uses its part of what they share")]
mod support;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use weir::chat::event::Event;
use weir::chat::message::Call;

use support::client::Client;
use support::log::{Log, position};
use support::oracle::Tables;
use support::script::Script;
use support::server::Server;
use support::sse::Heard;
use support::upstream::{CONTINUES, Upstream};
use support::within;

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

/// Every vector of every file.
fn vectors() -> Vec<Value> {
    let mut files: Vec<_> =
        std::fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    files.sort();
    let lines = files.iter().flat_map(|path| {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
    });
    lines.collect()
}

#[test]
fn a_log_folds_to_the_messages_that_the_server_says() {
    let vectors = vectors();
    assert!(vectors.len() >= 12, "only {} vectors", vectors.len());
    let mut folded = 0;
    for vector in &vectors {
        // What follows a snapshot is for clients; here the whole log is folded.
        if vector.get("snapshot").is_some() {
            continue;
        }
        folded += 1;
        let mut log = Log::default();
        for event in vector["events"].as_array().unwrap() {
            log.push(event).unwrap_or_else(|wrong| panic!("{}: {wrong}", vector["name"]));
        }
        let tables = Tables::of(&log).unwrap();
        assert_eq!(json!(tables.head), vector["head"], "{}", vector["name"]);
        let path = tables.path(tables.head.as_deref().unwrap());
        let expected = vector["messages"].as_array().unwrap();
        assert_eq!(path.len(), expected.len(), "{}", vector["name"]);
        for (message, expected) in path.into_iter().zip(expected) {
            message.is_what_is_stored(expected).unwrap_or_else(|wrong| panic!("{}: {wrong}", vector["name"]));
        }
        for expected in expected {
            let calls = calls_of(&expected["id"], &vector["events"]);
            assert_eq!(json!(calls), *expected.get("calls").unwrap_or(&json!([])), "{}", vector["name"]);
        }
        for (turn_id, state) in vector["turns"].as_object().unwrap() {
            assert_eq!(tables.turns[turn_id].state, *state, "{}", vector["name"]);
        }
    }
    assert!(folded >= 6, "{folded}");
}

/// The calls of a message, in the order in which they were proposed, as the server itself folds them.
fn calls_of(message_id: &Value, events: &Value) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    let is_about_calls = |event: &&Value| event["type"].as_str().unwrap().starts_with("tool.");
    for event in events.as_array().unwrap().iter().filter(is_about_calls) {
        match serde_json::from_value(event.clone()).unwrap() {
            Event::ToolProposed { call, .. } => calls.push(call),
            event => {
                let about = calls.iter_mut().find(|call| Some(call.id) == event.call_id());
                about.expect("it was proposed").evolve(&event);
            }
        }
    }
    calls.retain(|call| json!(call.message_id) == *message_id);
    calls
}

/// A conversation that is recorded as it streams.
struct Recording {
    client: Client,
    conversation: String,
    events: JoinHandle<Vec<Value>>,
    /// Vectors that begin with a snapshot taken in the middle.
    snapshots: Vec<Value>,
}

impl Recording {
    async fn begin(client: &Client, agent: &str) -> Self {
        let conversation = client.converse(agent).await;
        let (follower, id) = (client.clone(), conversation.clone());
        let events = tokio::spawn(async move {
            let (mut events, mut cursor) = (Vec::<Value>::new(), None::<String>);
            // Until the conversation is archived, over every break.
            loop {
                let after = cursor.as_ref().map(|cursor| format!("?after={cursor}")).unwrap_or_default();
                let path = format!("/v1/conversations/{id}/events{after}");
                let request = follower.request(reqwest::Method::GET, &path).send().await;
                let Ok(response) = request else {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    continue;
                };
                let mut sse = support::sse::Sse::new(response);
                while let Ok(heard) = sse.next().await {
                    if let Heard::Event { cursor: at, event } = heard {
                        let archived = event["changes"]["archived"] == true;
                        events.push(event);
                        if archived {
                            return events;
                        }
                        cursor = Some(at);
                    }
                }
            }
        });
        Self { client: client.clone(), conversation, events, snapshots: Vec::new() }
    }

    async fn say(&self, script: &Script, options: &Value) -> String {
        self.client.say_with(&self.conversation, script, options).await.turn_id
    }

    async fn ended(&self, turn_id: &str) {
        let path = format!("/v1/turns/{turn_id}");
        within("a turn to end", async {
            loop {
                let state = self.client.get(&path).await.expect(200)["state"].clone();
                if ["completed", "failed", "cancelled", "interrupted"].contains(&state.as_str().unwrap()) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    async fn snapshot(&mut self) {
        let path = format!("/v1/conversations/{}/messages?limit=200", self.conversation);
        self.snapshots.push(self.client.get(&path).await.expect(200));
    }

    /// The vectors: the whole log, and from each snapshot a bit before its own position to the end.
    async fn end(self, name: &str) -> Vec<Value> {
        let path = format!("/v1/conversations/{}", self.conversation);
        self.client.send(reqwest::Method::PATCH, &path, &json!({"archived": true})).await.expect(200);
        let events = within("the end of the recording", self.events).await.expect("nobody panicked");
        let page = self.client.get(&format!("{path}/messages?limit=200")).await.expect(200);
        let mut messages = page["items"].as_array().unwrap().clone();
        messages.reverse();
        for message in &mut messages {
            message.as_object_mut().unwrap().remove("siblings");
        }
        let mut turns = serde_json::Map::new();
        for event in &events {
            if let (Some(turn_id), true) = (event["turn_id"].as_str(), event["type"] == "turn.started") {
                let turn = self.client.get(&format!("/v1/turns/{turn_id}")).await.expect(200);
                turns.insert(turn_id.to_owned(), turn["state"].clone());
            }
        }
        let whole = json!({"name": name, "events": events, "head": page["head"], "messages": messages,
            "turns": turns});
        let mut vectors = vec![whole.clone()];
        for (at, snapshot) in self.snapshots.into_iter().enumerate() {
            let known = position(snapshot["cursor"].as_str().unwrap());
            // The last few that the snapshot holds already come again: they change nothing.
            let overlap = events.iter().filter(|event| event["seq"].as_u64().unwrap() <= known).count();
            let rest: Vec<_> = events.iter().skip(overlap.saturating_sub(3)).cloned().collect();
            let mut vector = whole.clone();
            vector["name"] = json!(format!("{name}, from snapshot {at}"));
            vector["events"] = json!(joined(rest, known));
            vector["snapshot"] = snapshot;
            vectors.push(vector);
        }
        vectors
    }
}

/// Deltas around that position as a replay might merge them: one delta from before it to behind it.
fn joined(events: Vec<Value>, position: u64) -> Vec<Value> {
    let mut joined: Vec<Value> = Vec::new();
    for event in events {
        let around = event["prev"].as_u64().unwrap() <= position + 60;
        if let Some(last) = joined.last_mut()
            && around
            && last["type"] == "part.delta"
            && event["type"] == "part.delta"
            && (&last["message_id"], &last["index"]) == (&event["message_id"], &event["index"])
        {
            last["text"] =
                json!(format!("{}{}", last["text"].as_str().unwrap(), event["text"].as_str().unwrap()));
            last["seq"] = event["seq"].clone();
            continue;
        }
        joined.push(event);
    }
    joined
}

/// Records all of them anew. Their ids and times change; what they show stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_vectors_can_be_recorded_from_the_server() {
    let upstream = Upstream::start().await;
    let mut server = Server::start(&upstream.config()).await;
    let client = server.client();
    upstream.pace(Duration::from_millis(2));
    let plain = json!({});
    let mut recorded = Vec::new();

    let mut one = Recording::begin(&client, "default").await;
    let turn = one.say(&Script { reasoning: 80, piece: 9, ..Script::new("reasoning", 240) }, &plain).await;
    tokio::time::sleep(Duration::from_millis(25)).await;
    one.snapshot().await;
    one.ended(&turn).await;
    recorded.extend(one.end("reasoning and text").await);

    let mut one = Recording::begin(&client, "default").await;
    let turn = one.say(&Script { calls: 2, piece: 11, ..Script::new("calls", 160) }, &plain).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    one.snapshot().await;
    one.ended(&turn).await;
    recorded.extend(one.end("two parallel calls").await);

    let mut one = Recording::begin(&client, "default").await;
    let turn = one.say(&Script::new("cancelled", 200).held_at(80), &plain).await;
    upstream.is_asked("cancelled", 1).await;
    tokio::time::sleep(Duration::from_millis(40)).await;
    one.snapshot().await;
    client.cancel(&turn).await.expect(200);
    one.ended(&turn).await;
    recorded.extend(one.end("cancelled").await);

    let mut one = Recording::begin(&client, "default").await;
    let first = one.say(&Script::new("first", 120).held_at(40), &plain).await;
    let second = one.say(&Script::new("second", 60), &plain).await;
    let third = one.say(&Script::new("third", 60), &plain).await;
    let withdrawn = one.say(&Script::new("withdrawn", 60), &plain).await;
    let queue = format!("/v1/conversations/{}/queue", one.conversation);
    client.send(reqwest::Method::DELETE, &format!("{queue}/{withdrawn}"), &plain).await;
    let order = json!({"turn_ids": [third, second]});
    client.send(reqwest::Method::PUT, &queue, &order).await.expect(200);
    one.snapshot().await;
    upstream.release("first");
    for turn in [&first, &second, &third] {
        one.ended(turn).await;
    }
    recorded.extend(one.end("queued, reordered and withdrawn").await);

    let one = Recording::begin(&client, "default").await;
    let turn = one.say(&Script::new("title", 40), &plain).await;
    one.ended(&turn).await;
    let path = format!("/v1/conversations/{}", one.conversation);
    for title in [json!("A title"), json!(null), json!("Ein anderer 🌊")] {
        client.send(reqwest::Method::PATCH, &path, &json!({"title": title})).await.expect(200);
    }
    recorded.extend(one.end("renamed").await);

    let mut recovered = Vec::new();
    for agent in ["default", "restart", "fail"] {
        let one = Recording::begin(&client, agent).await;
        let id = format!("cut-{agent}");
        let turn = one.say(&Script { reasoning: 30, ..Script::new(&id, 300).held_at(120) }, &plain).await;
        upstream.is_asked(&id, 1).await;
        recovered.push((agent, one, turn));
    }
    tokio::time::sleep(Duration::from_millis(150)).await;
    for (_, one, _) in &mut recovered {
        one.snapshot().await;
    }
    server.kill9();
    server.restart().await;
    upstream.release_all();
    for (agent, one, turn) in recovered {
        one.ended(&turn).await;
        recorded.extend(one.end(&format!("killed in mid-answer, recovery {agent}")).await);
    }

    assert!(recorded.len() >= 14, "{}", recorded.len());
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        let lines: String = recorded.iter().map(|vector| format!("{vector}\n")).collect();
        std::fs::write(directory().join("recorded.jsonl"), lines).unwrap();
    }
}

/// A tool server that fails at the fifth tool, and says nothing at all when it is first asked for the sixth.
async fn tool_server() -> (u16, Arc<AtomicUsize>) {
    async fn run(State(hung): State<Arc<AtomicUsize>>, Json(body): Json<Value>) -> Response {
        match body["args"]["n"].as_u64() {
            Some(4) => (StatusCode::BAD_REQUEST, "no such order").into_response(),
            Some(5) if hung.fetch_add(1, Ordering::Relaxed) == 0 => std::future::pending().await,
            _ => format!("ran with {}", body["args"]).into_response(),
        }
    }
    let hung = Arc::new(AtomicUsize::new(0));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let port = listener.local_addr().expect("it listens").port();
    let router = Router::new().route("/run", post(run)).with_state(hung.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (port, hung)
}

impl Recording {
    /// The approvals that wait here, once there are so many.
    async fn asked(&self, count: usize) -> Vec<Value> {
        let path = format!("/v1/approvals?conversation_id={}", self.conversation);
        within("people to be asked", async {
            loop {
                let items = self.client.get(&path).await.expect(200)["items"].as_array().unwrap().clone();
                if items.len() == count {
                    return items;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
    }

    /// Waits until the one call that hangs is all that a kill could leave unknown.
    async fn all_but_one_over(&self) {
        let path = format!("/v1/conversations/{}/messages", self.conversation);
        within("all calls but one to be over", async {
            loop {
                let messages = self.client.get(&path).await.expect(200);
                let calls = messages["items"][0]["calls"].as_array().unwrap();
                let is_over = |call: &&Value| {
                    ["succeeded", "failed", "denied"].contains(&call["state"].as_str().unwrap())
                };
                if calls.iter().filter(is_over).count() + 1 == calls.len() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    async fn decide(&self, approval: &Value, mut decision: Value) {
        decision["args_hash"] = approval["args_hash"].clone();
        let path = format!("/v1/approvals/{}/decide", approval["id"].as_str().unwrap());
        self.client.post(&path, &decision).await.expect(200);
    }
}

/// One that may run, one that is approved with other arguments, one that people deny and one that the policy denies, one
/// that fails, and one that a kill leaves unknown and that is then done again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_calls_can_be_recorded_from_the_server() {
    let upstream = Upstream::start().await;
    let (port, hung) = tool_server().await;
    let tools: Vec<_> = (0..6).map(|tool| format!("tool_{tool}")).collect();
    let mut config = upstream.config();
    config.push_str(&format!(
        "[agents.tools]\nprovider = \"mock\"\nmodel = \"{CONTINUES}\"\ntitles = false\ntools = {tools:?}\n\
         [agents.tools.policy]\n\"tool_0\" = \"allow\"\n\"tool_3\" = \"deny\"\n\"tool_4\" = \"allow\"\n\"tool_5\" = \"allow\"\n"
    ));
    for tool in &tools {
        config.push_str(&format!(
            "[tools.{tool}]\nurl = \"http://127.0.0.1:{port}/run\"\ndescription = \"tries\"\n\
             schema = {{ type = \"object\" }}\nallow_private_address = true\n"
        ));
    }
    let mut server = Server::start(&config).await;
    let client = server.client();

    let mut one = Recording::begin(&client, "tools").await;
    // Not every script's arguments are JSON.
    let is_json =
        |script: &Script| (0..6).all(|call| serde_json::from_str::<Value>(&script.arguments(call)).is_ok());
    let scripts = (0..).map(|nth| Script { calls: 6, piece: 40, ..Script::new(format!("tools-{nth}"), 60) });
    let script = scripts.into_iter().find(is_json).expect("one of them is");
    let turn = one.say(&script, &json!({})).await;
    let asked = one.asked(2).await;
    within("the tool to be asked", async {
        while hung.load(Ordering::Relaxed) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    one.snapshot().await;
    let args = json!({"n": 1, "query": "in other words"});
    one.decide(&asked[0], json!({"decision": "approve", "args": args})).await;
    one.decide(&asked[1], json!({"decision": "deny", "reason": "not on a Sunday"})).await;
    one.all_but_one_over().await;
    server.kill9();
    server.restart().await;
    within("the turn to wait", async {
        let path = format!("/v1/turns/{turn}");
        while client.get(&path).await.expect(200)["waiting_for"] != "resolution" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    one.snapshot().await;
    let messages = client.get(&format!("/v1/conversations/{}/messages", one.conversation)).await.expect(200);
    let calls = messages["items"][0]["calls"].as_array().unwrap().clone();
    let unknown = calls.iter().find(|call| call["state"] == "unknown").expect("one is unknown");
    let resolve = format!("/v1/tool-calls/{}/resolve", unknown["id"].as_str().unwrap());
    client.post(&resolve, &json!({"as": "retry"})).await.expect(200);
    let again = one.asked(1).await;
    one.decide(&again[0], json!({"decision": "approve"})).await;
    one.ended(&turn).await;
    let recorded = one.end("calls that people and the policy decide about").await;

    assert_eq!(recorded.len(), 3);
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        let lines: String = recorded.iter().map(|vector| format!("{vector}\n")).collect();
        std::fs::write(directory().join("calls.jsonl"), lines).unwrap();
    }
}
