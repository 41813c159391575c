//! A server with tools that live outside of it and count.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::support::caller;
use crate::support::client::{Client, Reply};
use crate::support::server::Server;
use crate::support::within;

/// One request that a tool server got.
#[derive(Debug, Clone, PartialEq)]
pub struct Ran {
    pub call_id: String,
    pub args: Value,
}

/// A tool server that counts. Arguments say how it answers: `fail`, `hang`.
#[derive(Clone, Default)]
pub struct Outside(Arc<Mutex<Vec<Ran>>>);

impl Outside {
    pub async fn start() -> (Self, u16) {
        let outside = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("it listens").port();
        let router = caller::router().route("/run", post(run)).with_state(outside.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (outside, port)
    }

    pub fn ran(&self) -> Vec<Ran> {
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

pub struct Scene {
    pub outside: Outside,
    pub server: Server,
    pub client: Client,
    pub conversation: String,
}

impl Scene {
    pub async fn new() -> Self {
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
             [agents.default]\nprovider = \"mock\"\nmodel = \"m\"\ncontext_tokens = 400000\ntitles = false\ntools = [\"agent.*\", \"ask_user\", \"memory\", \"search_conversations\", \"clock\", \"calculator\", \"refund\", \"look\", \"wipe\", \"twice\", \"patient\", \"brief\"]\n\
             [agents.default.policy]\n\"calculator\" = \"allow\"\n\"memory\" = \"allow\"\n\"agent.*\" = \"allow\"\n\"search_*\" = \"allow\"\n\"look\" = \"allow\"\n\"wipe\" = \"deny\"\n\
             \"twice\" = {{ ask = \"admin\", approvals = 2 }}\n\"patient\" = {{ effect = \"ask\", expires = \"60d\" }}\n\"brief\" = {{ effect = \"ask\", expires = \"2s\" }}\n\
             [agents.helper]\nprovider = \"mock\"\nmodel = \"m\"\ntitles = false\ntools = [\"refund\", \"look\", \"agent.helper\"]\n\
             [agents.helper.policy]\n\"look\" = \"allow\"\n\"agent.*\" = \"allow\"\n\
             [agents.thrifty]\nprovider = \"mock\"\nmodel = \"m\"\ntitles = false\ntools = [\"agent.helper\"]\nmax_tokens = 40\n\
             [agents.thrifty.policy]\n\"agent.*\" = \"allow\"\n\
             {}{}{}{}{}{}",
            tool("refund", ""),
            tool("look", "idempotent = true"),
            tool("wipe", ""),
            tool("twice", ""),
            tool("patient", ""),
            tool("brief", "")
        );
        let server = Server::start(&config).await;
        let client = server.client();
        let conversation = client.converse("default").await;
        Self { outside, server, client, conversation }
    }

    /// Has the model call these tools; the turn's id.
    pub async fn calls(&self, calls: &Value) -> String {
        self.client.tell(&self.conversation, &calls.to_string()).await
    }

    pub async fn turn_is(&self, turn_id: &str, state: &str) -> Value {
        self.client.turn_is(turn_id, state).await
    }

    /// What the model said in the end.
    pub async fn answer(&self, turn_id: &str) -> String {
        self.client.answer(&self.conversation, turn_id).await
    }

    /// Waits until the tool server was asked for this order.
    pub async fn has_asked_for(&self, order: &str) {
        within("the tool to be asked", async {
            while self.outside.ran().iter().all(|ran| ran.args["order"] != order) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }

    pub async fn pending(&self) -> Vec<Value> {
        let queue = self.client.get("/v1/approvals").await.expect(200);
        queue["items"].as_array().expect("a list").clone()
    }

    pub async fn decide(&self, approval: &Value, body: Value) -> Reply {
        let mut body = body;
        body["args_hash"] = body.get("args_hash").unwrap_or(&approval["args_hash"]).clone();
        let id = approval["id"].as_str().expect("an id");
        self.client.post(&format!("/v1/approvals/{id}/decide"), &body).await
    }

    /// Somebody else of the workspace.
    pub async fn person(&self, name: &str, role: &str) -> Client {
        let wanted = json!({"subject": name, "role": role, "ttl": 600});
        let token = self.client.post("/v1/auth/tokens", &wanted).await.expect(201);
        Client::new(self.server.base(), token["token"].as_str().expect("a token"))
    }

    pub async fn kill_and_restart(&mut self) {
        self.server.kill9();
        self.server.restart().await;
    }
}

pub fn refund(order: &str) -> Value {
    json!({"tool": "refund", "args": {"order": order}})
}
