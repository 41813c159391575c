//! Tools and approvals, on the real server with a tool server outside that counts: what runs, how often, and with what.

#[allow(dead_code, reason = "each suite uses its part of what they share")]
mod support;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use parking_lot::Mutex;
use serde_json::{Value, json};

use support::client::Client;
use support::server::Server;
use support::within;

/// A model that calls the tools that the person's text names, and then says what it was told.
async fn model(Json(request): Json<Value>) -> Response {
    let messages = request["messages"].as_array().expect("messages").clone();
    let last = messages.last().expect("a message");
    let mut chunks = Vec::new();
    let mut say = |delta: Value, finish: Value| {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
        chunks.push(json!({"id": "1", "object": "chat.completion.chunk", "model": "m", "choices": [choice]}));
    };
    if last["role"] == "tool" {
        let results = messages.iter().rev().take_while(|message| message["role"] == "tool");
        let mut told: Vec<String> =
            results.map(|message| message["content"].as_str().expect("text").to_owned()).collect();
        told.reverse();
        say(json!({"role": "assistant", "content": format!("told: {}", told.join(" | "))}), Value::Null);
        say(json!({}), json!("stop"));
    } else {
        let calls: Vec<Value> =
            serde_json::from_str(last["content"].as_str().expect("text")).expect("a list of calls");
        for (index, call) in calls.iter().enumerate() {
            let function = json!({"name": call["tool"], "arguments": call["args"].to_string()});
            let call =
                json!({"index": index, "id": format!("c{index}"), "type": "function", "function": function});
            say(json!({"role": "assistant", "tool_calls": [call]}), Value::Null);
        }
        say(json!({}), json!("tool_calls"));
    }
    let mut body: String = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
    body.push_str("data: [DONE]\n\n");
    ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
}

/// One request that a tool server got.
#[derive(Debug, Clone, PartialEq)]
struct Ran {
    call_id: String,
    args: Value,
}

/// A tool server that counts. Arguments say how it answers: `fail`, `hang`.
#[derive(Clone, Default)]
struct Outside(Arc<Mutex<Vec<Ran>>>);

impl Outside {
    async fn start() -> (Self, u16) {
        let outside = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("it listens").port();
        let router = Router::new()
            .route("/v1/models", get(|| async { Json(json!({"data": [{"id": "m"}]})) }))
            .route("/v1/chat/completions", post(model))
            .route("/run", post(run))
            .with_state(outside.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (outside, port)
    }

    fn ran(&self) -> Vec<Ran> {
        self.0.lock().clone()
    }
}

async fn run(State(outside): State<Outside>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    let call_id = body["call_id"].as_str().expect("a call id").to_owned();
    assert_eq!(headers["idempotency-key"], call_id, "the call's id is its key");
    let args = body["args"].clone();
    outside.0.lock().push(Ran { call_id, args: args.clone() });
    match args["how"].as_str() {
        Some("fail") => (StatusCode::BAD_REQUEST, "no such order").into_response(),
        Some("hang") => {
            tokio::time::sleep(Duration::from_secs(600)).await;
            StatusCode::OK.into_response()
        }
        _ => format!("ran with {args}").into_response(),
    }
}

struct Scene {
    outside: Outside,
    server: Server,
    client: Client,
    conversation: String,
}

impl Scene {
    async fn new() -> Self {
        let (outside, port) = Outside::start().await;
        let schema = r#"{ type = "object", properties = { order = { type = "string" }, how = { type = "string" } }, required = ["order"] }"#;
        let tool = |name: &str, rest: &str| {
            format!(
                "[tools.{name}]\nurl = \"http://127.0.0.1:{port}/run\"\ndescription = \"{name} an order\"\nschema = {schema}\n\
                 allow_private_address = true\n{rest}\n"
            )
        };
        let config = format!(
            "[providers.mock]\nkind = \"openai-chat\"\nbase_url = \"http://127.0.0.1:{port}/v1\"\napi_key = \"unused\"\n\
             [agents.default]\nprovider = \"mock\"\nmodel = \"m\"\ntitles = false\ntools = [\"clock\", \"calculator\", \"refund\", \"look\", \"wipe\", \"twice\"]\n\
             [agents.default.policy]\n\"calculator\" = \"allow\"\n\"look\" = \"allow\"\n\"wipe\" = \"deny\"\n\
             \"twice\" = {{ ask = \"admin\", approvals = 2 }}\n\
             {}{}{}{}",
            tool("refund", ""),
            tool("look", "idempotent = true"),
            tool("wipe", ""),
            tool("twice", "")
        );
        let server = Server::start(&config).await;
        let client = server.client();
        let conversation = client.converse("default").await;
        Self { outside, server, client, conversation }
    }

    /// Has the model call these tools; the turn's id.
    async fn calls(&self, calls: &Value) -> String {
        let path = format!("/v1/conversations/{}/messages", self.conversation);
        let sent = self.client.post(&path, &json!({"text": calls.to_string()})).await.expect(202);
        sent["turn"]["id"].as_str().expect("a turn").to_owned()
    }

    async fn turn_is(&self, turn_id: &str, state: &str) -> Value {
        within(&format!("{turn_id} to be {state}"), async {
            loop {
                let turn = self.client.get(&format!("/v1/turns/{turn_id}")).await.expect(200);
                if turn["state"] == state {
                    return turn;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await
    }

    /// What the model said in the end.
    async fn answer(&self, turn_id: &str) -> String {
        self.turn_is(turn_id, "completed").await;
        let path = format!("/v1/conversations/{}/messages?limit=1", self.conversation);
        let page = self.client.get(&path).await.expect(200);
        page["items"][0]["parts"][0]["text"].as_str().expect("an answer").to_owned()
    }

    async fn pending(&self) -> Vec<Value> {
        let queue = self.client.get("/v1/approvals").await.expect(200);
        queue["items"].as_array().expect("a list").clone()
    }

    async fn decide(&self, approval: &Value, body: Value) -> support::client::Reply {
        let mut body = body;
        body["args_hash"] = body.get("args_hash").unwrap_or(&approval["args_hash"]).clone();
        let id = approval["id"].as_str().expect("an id");
        self.client.post(&format!("/v1/approvals/{id}/decide"), &body).await
    }

    async fn kill_and_restart(&mut self) {
        self.server.kill9();
        self.server.restart().await;
    }
}

fn refund(order: &str) -> Value {
    json!({"tool": "refund", "args": {"order": order}})
}

#[tokio::test]
async fn nothing_runs_before_the_yes_and_once_after_it() {
    let scene = Scene::new().await;
    let turn = scene.calls(&json!([refund("7")])).await;
    scene.turn_is(&turn, "waiting").await;
    assert_eq!(scene.outside.ran(), []);
    let pending = scene.pending().await;
    let approval = &pending[0];
    assert_eq!((pending.len(), &approval["args"]), (1, &json!({"order": "7"})));
    assert_eq!(approval["context"]["tool"]["description"], "refund an order");
    assert_eq!(approval["context"]["recent"][0]["role"], "user");

    // Not for other arguments than were looked at.
    let wrong = json!({"decision": "approve", "args_hash": "0".repeat(64)});
    assert_eq!(scene.decide(approval, wrong).await.expect(409)["type"], "approval-changed");
    assert_eq!(scene.outside.ran(), []);

    let decided = scene.decide(approval, json!({"decision": "approve"})).await.expect(200);
    assert_eq!(decided["state"], "approved");
    assert_eq!(scene.answer(&turn).await, r#"told: ran with {"order":"7"}"#);
    let ran = scene.outside.ran();
    assert_eq!((ran.len(), ran[0].call_id.as_str()), (1, approval["call_id"].as_str().unwrap()));

    // The outcome is fixed.
    let late = scene.decide(approval, json!({"decision": "deny"})).await.expect(409);
    assert_eq!((&late["type"], &late["approval"]["state"]), (&json!("approval-closed"), &json!("approved")));
    assert_eq!(scene.outside.ran().len(), 1);
    assert_eq!(scene.pending().await, Vec::<Value>::new());
}

#[tokio::test]
async fn eight_calls_end_each_in_its_own_way_and_the_model_is_told_the_truth() {
    let scene = Scene::new().await;
    let calls = json!([
        {"tool": "calculator", "args": {"expression": "12*7"}},
        {"tool": "look", "args": {"order": "1"}},
        refund("2"),
        {"tool": "refund", "args": {"order": 3}},
        {"tool": "wipe", "args": {"order": "4"}},
        refund("5"),
        {"tool": "nowhere", "args": {}},
        {"tool": "refund", "args": {"order": "6", "how": "fail"}},
    ]);
    let turn = scene.calls(&calls).await;
    scene.turn_is(&turn, "waiting").await;
    let pending = scene.pending().await;
    let orders: Vec<&Value> = pending.iter().map(|approval| &approval["args"]["order"]).collect();
    assert_eq!(orders.len(), 3);
    let of = |order: &str| pending.iter().find(|approval| approval["args"]["order"] == order).expect(order);
    // Only the allowed one has run, and the fifth is approved without its neighbours.
    assert_eq!(scene.outside.ran().iter().map(|ran| &ran.args["order"]).collect::<Vec<_>>(), [&json!("1")]);
    scene.decide(of("5"), json!({"decision": "approve"})).await.expect(200);
    scene.decide(of("2"), json!({"decision": "deny", "reason": "too old"})).await.expect(200);
    scene.decide(of("6"), json!({"decision": "approve"})).await.expect(200);
    let told = scene.answer(&turn).await;
    let told: Vec<&str> = told.strip_prefix("told: ").expect("told").split(" | ").collect();
    assert_eq!(told[0], "84");
    assert_eq!(told[1], r#"ran with {"order":"1"}"#);
    assert_eq!(told[2], "a person did not allow this call: too old");
    assert!(told[3].starts_with("the arguments are not what the tool takes"), "{}", told[3]);
    assert_eq!(told[4], "the operator's policy does not allow this call");
    assert_eq!(told[5], r#"ran with {"order":"5"}"#);
    assert_eq!(told[6], "the tool `nowhere` is not available");
    assert!(told[7].contains("no such order"), "{}", told[7]);
    let mut orders: Vec<String> =
        scene.outside.ran().iter().map(|ran| ran.args["order"].to_string()).collect();
    orders.sort();
    assert_eq!(orders, [r#""1""#, r#""5""#, r#""6""#]);
}

#[tokio::test]
async fn an_approval_outlives_five_kills_and_then_runs_once() {
    let mut scene = Scene::new().await;
    let turn = scene.calls(&json!([refund("7")])).await;
    scene.turn_is(&turn, "waiting").await;
    let before = scene.pending().await;
    for _ in 0..5 {
        scene.kill_and_restart().await;
        assert_eq!(scene.pending().await, before, "the question is as it was");
        scene.turn_is(&turn, "waiting").await;
    }
    scene.decide(&before[0], json!({"decision": "approve"})).await.expect(200);
    assert_eq!(scene.answer(&turn).await, r#"told: ran with {"order":"7"}"#);
    assert_eq!(scene.outside.ran().len(), 1);
}

#[tokio::test]
async fn what_was_started_and_cut_waits_for_a_person_and_is_never_run_again_by_itself() {
    let mut scene = Scene::new().await;
    let hang = json!([{"tool": "refund", "args": {"order": "7", "how": "hang"}}]);
    let turn = scene.calls(&hang).await;
    scene.turn_is(&turn, "waiting").await;
    let approval = scene.pending().await.remove(0);
    scene.decide(&approval, json!({"decision": "approve"})).await.expect(200);
    within("the tool to be asked", async {
        while scene.outside.ran().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    scene.kill_and_restart().await;
    let waiting = scene.turn_is(&turn, "waiting").await;
    assert_eq!(waiting["waiting_for"], "resolution");
    scene.kill_and_restart().await;
    assert_eq!(scene.outside.ran().len(), 1, "nobody knows whether it happened");

    let call_id = approval["call_id"].as_str().unwrap();
    let resolve = format!("/v1/tool-calls/{call_id}/resolve");
    scene.client.post(&resolve, &json!({"as": "succeeded", "output": "it was refunded"})).await.expect(200);
    assert_eq!(scene.client.post(&resolve, &json!({"as": "retry"})).await.status, 409, "once");
    assert_eq!(scene.answer(&turn).await, "told: it was refunded");
    assert_eq!(scene.outside.ran().len(), 1);
}

#[tokio::test]
async fn a_retry_asks_people_again_and_the_model_is_told_of_the_second_try() {
    let mut scene = Scene::new().await;
    let turn = scene.calls(&json!([{"tool": "refund", "args": {"order": "7", "how": "hang"}}])).await;
    scene.turn_is(&turn, "waiting").await;
    let approval = scene.pending().await.remove(0);
    scene.decide(&approval, json!({"decision": "approve"})).await.expect(200);
    within("the tool to be asked", async {
        while scene.outside.ran().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    scene.kill_and_restart().await;
    scene.turn_is(&turn, "waiting").await;
    let call_id = approval["call_id"].as_str().unwrap();
    scene
        .client
        .post(&format!("/v1/tool-calls/{call_id}/resolve"), &json!({"as": "retry"}))
        .await
        .expect(200);
    let again = within("people to be asked again", async {
        loop {
            if let Some(approval) = scene.pending().await.pop() {
                return approval;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert_ne!(again["call_id"], approval["call_id"]);
    assert_eq!(scene.outside.ran().len(), 1, "not before the second yes");
    let changed = json!({"decision": "approve", "args": {"order": "8"}});
    scene.decide(&again, changed).await.expect(200);
    let told = scene.answer(&turn).await;
    assert!(told.contains(r#"ran with {"order":"8"}"#), "{told}");
    assert!(told.contains("changed the arguments"), "the model is told of it: {told}");
    assert_eq!(scene.outside.ran()[1].args, json!({"order": "8"}));
}

#[tokio::test]
async fn changed_arguments_pass_the_schema_again_and_are_what_runs() {
    let scene = Scene::new().await;
    let turn = scene.calls(&json!([refund("7")])).await;
    scene.turn_is(&turn, "waiting").await;
    let approval = scene.pending().await.remove(0);
    for wrong in [json!({"order": 8}), json!({}), json!([]), json!("8")] {
        let body = json!({"decision": "approve", "args": wrong});
        assert_eq!(scene.decide(&approval, body).await.status, 422);
    }
    let decided =
        scene.decide(&approval, json!({"decision": "approve", "args": {"order": "8"}})).await.expect(200);
    assert_eq!(
        (&decided["args"], &decided["decided_args"]),
        (&json!({"order": "7"}), &json!({"order": "8"}))
    );
    let told = scene.answer(&turn).await;
    assert!(told.contains(r#"ran with {"order":"8"}"#), "{told}");
    assert_eq!(scene.outside.ran().len(), 1);
}

#[tokio::test]
async fn a_cancelled_turn_takes_its_questions_back() {
    let scene = Scene::new().await;
    let turn = scene.calls(&json!([refund("7")])).await;
    scene.turn_is(&turn, "waiting").await;
    let approval = scene.pending().await.remove(0);
    scene.client.cancel(&turn).await.expect(200);
    assert_eq!(scene.pending().await, Vec::<Value>::new());
    let late = scene.decide(&approval, json!({"decision": "approve"})).await.expect(409);
    assert_eq!(late["approval"]["state"], "withdrawn");
    assert_eq!(scene.outside.ran(), []);
}

#[tokio::test]
async fn a_thousand_deciders_come_to_one_outcome_and_one_run() {
    let scene = Scene::new().await;
    let turn = scene.calls(&json!([refund("7")])).await;
    scene.turn_is(&turn, "waiting").await;
    let approval = scene.pending().await.remove(0);
    let decide = |n: usize| {
        let decision = if n.is_multiple_of(2) { "approve" } else { "deny" };
        scene.decide(&approval, json!({"decision": decision}))
    };
    let answers = futures_util::future::join_all((0..1000).map(decide)).await;
    let heard: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(heard.len(), 1, "one decision counts");
    assert!(answers.iter().all(|answer| [200, 409].contains(&answer.status)));
    scene.turn_is(&turn, "completed").await;
    let approved = heard[0].body["state"] == "approved";
    assert_eq!(scene.outside.ran().len(), usize::from(approved));
}

#[tokio::test]
async fn a_tool_of_the_client_waits_for_the_client_and_hears_the_first() {
    let mut scene = Scene::new().await;
    let path = format!("/v1/conversations/{}/messages", scene.conversation);
    let tool = json!({"name": "locate", "description": "where", "schema": {"type": "object"}});
    let text = json!([{"tool": "locate", "args": {}}]).to_string();
    let sent = scene.client.post(&path, &json!({"text": text, "tools": [tool]})).await.expect(202);
    let turn = sent["turn"]["id"].as_str().unwrap().to_owned();
    let waiting = scene.turn_is(&turn, "waiting").await;
    assert_eq!(waiting["waiting_for"], "client_tool");
    scene.kill_and_restart().await;
    scene.turn_is(&turn, "waiting").await;
    let log = scene.client.log(&scene.conversation).await;
    let call = log.events().find(|event| event["type"] == "tool.proposed").expect("a call");
    let result = format!("/v1/tool-calls/{}/result", call["call"]["id"].as_str().unwrap());
    assert_eq!(scene.client.post(&result, &json!({})).await.status, 422);
    assert_eq!(scene.client.post(&result, &json!({"output": "a", "error": "b"})).await.status, 422);
    scene.client.post(&result, &json!({"output": "Bern"})).await.expect(200);
    assert_eq!(scene.client.post(&result, &json!({"output": "Basel"})).await.status, 409);
    assert_eq!(scene.answer(&turn).await, "told: Bern");
}
