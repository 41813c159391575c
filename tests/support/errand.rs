//! A server whose model calls the tools that the person's text names, and a tool server outside that counts.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::caller;
use super::client::Client;
use super::server::Server;
use super::within;

const POLL: Duration = Duration::from_millis(10);

const DATABASE: [&str; 3] = ["weir.db", "weir.db-wal", "weir.db-shm"];

/// Of the files of the database, by name.
pub struct Copy(Vec<(&'static str, Vec<u8>)>);

/// The calls that the tool server was asked for, by id.
#[derive(Clone, Default)]
pub struct Outside(Arc<Mutex<Vec<String>>>);

impl Outside {
    pub fn ran(&self) -> Vec<String> {
        self.0.lock().clone()
    }
}

pub struct Errand {
    pub outside: Outside,
    pub server: Server,
    pub client: Client,
    pub conversation: String,
}

impl Errand {
    /// The tools `refund` (asks) and `look` (allowed) are there; `more` is added to the configuration.
    pub async fn new(more: &str) -> Self {
        let outside = Outside::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("it listens").port();
        let router = caller::router().route("/run", post(run)).with_state(outside.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let tool = |name: &str| {
            format!(
                "[tools.{name}]\nurl = \"http://127.0.0.1:{port}/run\"\ndescription = \"{name} an order\"\n\
                 schema = {{ type = \"object\" }}\nallow_private_address = true\n"
            )
        };
        let config = format!(
            "[providers.mock]\nkind = \"openai-chat\"\nbase_url = \"http://127.0.0.1:{port}/v1\"\napi_key = \"unused\"\n\
             [agents.default]\nprovider = \"mock\"\nmodel = \"m\"\ntitles = false\ntools = [\"refund\", \"look\"]\n\
             [agents.default.policy]\n\"look\" = \"allow\"\n{}{}{more}",
            tool("refund"),
            tool("look"),
        );
        let server = Server::start(&config).await;
        let client = server.client();
        let conversation = client.converse("default").await;
        Self { outside, server, client, conversation }
    }

    /// Has the model call a tool with these arguments; the turn's id.
    pub async fn calls(&self, tool: &str, args: &Value) -> String {
        self.client.tell(&self.conversation, &json!([{"tool": tool, "args": args}]).to_string()).await
    }

    pub async fn turn_is(&self, turn_id: &str, state: &str) -> Value {
        self.client.turn_is(turn_id, state).await
    }

    /// A question that waits, once there is one.
    pub async fn asked(&self) -> Value {
        within("somebody to be asked", async {
            loop {
                let queue = self.client.get("/v1/approvals").await.expect(200);
                if let Some(approval) = queue["items"].get(0) {
                    return approval.clone();
                }
                tokio::time::sleep(POLL).await;
            }
        })
        .await
    }

    pub async fn decide(&self, approval: &Value, decision: &str) -> super::client::Reply {
        let id = approval["id"].as_str().expect("an id");
        let body = json!({"decision": decision, "args_hash": approval["args_hash"]});
        self.client.post(&format!("/v1/approvals/{id}/decide"), &body).await
    }

    pub async fn kill_and_restart(&mut self) {
        self.server.kill9();
        self.server.restart().await;
    }

    /// `weir.db` as it is now, as an operator copies it of a server that is stopped for it.
    pub async fn database(&mut self) -> Copy {
        self.server.sigterm();
        self.server.ended().await;
        let read = |name: &&'static str| Some((*name, std::fs::read(self.server.data().join(name)).ok()?));
        let copy = Copy(DATABASE.iter().filter_map(read).collect());
        self.server.restart().await;
        copy
    }

    /// Puts that copy into its place again, and nothing else.
    pub async fn restore(&mut self, copy: &Copy) {
        self.server.kill9();
        for name in DATABASE {
            // There may be none.
            let _ = std::fs::remove_file(self.server.data().join(name));
        }
        for (name, content) in &copy.0 {
            std::fs::write(self.server.data().join(name), content).expect("it can be written");
        }
        self.server.restart().await;
    }

    /// A command of the operator on its data: whether it went well, and what it printed.
    pub fn command(&self, arguments: &[&str]) -> (bool, String, String) {
        self.server.operate(arguments)
    }
}

async fn run(State(outside): State<Outside>, Json(body): Json<Value>) -> Response {
    outside.0.lock().push(body["call_id"].as_str().expect("a call id").to_owned());
    if body["args"]["how"] == "hang" {
        tokio::time::sleep(Duration::from_secs(600)).await;
    }
    "it ran".into_response()
}
