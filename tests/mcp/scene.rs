//! A server with one MCP server, a model that calls what it is told to, and a conversation.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::client::{Client, Reply};
use crate::support::server::Server;
use crate::support::{caller, within};

pub struct Scene {
    pub server: Server,
    pub client: Client,
    pub conversation: String,
}

impl Scene {
    /// `mcp` is what stands below `[mcp.outside]`; `policy` below the agent's policy.
    pub async fn new(mcp: &str, policy: &str) -> Self {
        let port = caller::start().await;
        let config = format!(
            "[providers.mock]\nkind = \"openai-chat\"\nbase_url = \"http://127.0.0.1:{port}/v1\"\napi_key = \"unused\"\n\
             [agents.default]\nprovider = \"mock\"\nmodel = \"m\"\ntitles = false\ntools = [\"outside.*\"]\n\
             [agents.default.policy]\n{policy}\n[mcp.outside]\n{mcp}\n"
        );
        let server = Server::start(&config).await;
        let client = server.client();
        let conversation = client.converse("default").await;
        Self { server, client, conversation }
    }

    pub async fn outside(&self) -> Value {
        let all = self.client.get("/v1/mcp").await.expect(200);
        all["items"][0].clone()
    }

    pub async fn outside_is(&self, what: &str, enough: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let waited = tokio::time::timeout(crate::support::PATIENCE, async {
            loop {
                last = self.outside().await;
                if enough(&last) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        if waited.await.is_err() {
            panic!("gave up waiting for the MCP server to {what}: {last}\n{}", self.server.said());
        }
        last
    }

    pub async fn outside_is_ready(&self) -> Value {
        self.outside_is("be ready", |outside| outside["state"] == "ready").await
    }

    /// Has the model call these tools; the turn's id.
    pub async fn calls(&self, calls: &[(&str, Value)]) -> String {
        let calls: Vec<Value> = calls
            .iter()
            .map(|(tool, args)| json!({"tool": format!("outside_{tool}"), "args": args}))
            .collect();
        self.client.tell(&self.conversation, &Value::from(calls).to_string()).await
    }

    pub async fn turn_is(&self, turn_id: &str, state: &str) -> Value {
        self.client.turn_is(turn_id, state).await
    }

    /// What the model said in the end.
    pub async fn answer(&self, turn_id: &str) -> String {
        self.client.answer(&self.conversation, turn_id).await
    }

    /// The call of the newest message, once it is as wanted.
    pub async fn call_is(&self, what: &str, enough: impl Fn(&Value) -> bool) -> Value {
        let path = format!("/v1/conversations/{}/messages?limit=1", self.conversation);
        within(&format!("the call to {what}"), async {
            loop {
                let page = self.client.get(&path).await.expect(200);
                let call = &page["items"][0]["calls"][0];
                if enough(call) {
                    return call.clone();
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await
    }

    pub async fn pending(&self) -> Vec<Value> {
        let queue = self.client.get("/v1/approvals").await.expect(200);
        queue["items"].as_array().expect("a list").clone()
    }

    pub async fn approve(&self, approval: &Value) -> Reply {
        let id = approval["id"].as_str().expect("an id");
        let body = json!({"decision": "approve", "args_hash": approval["args_hash"]});
        self.client.post(&format!("/v1/approvals/{id}/decide"), &body).await
    }

    pub async fn answers(&self, call: &Value, action: &str, content: Option<Value>) -> Reply {
        let mut body = json!({"question_id": call["question"]["id"], "action": action});
        if let Some(content) = content {
            body["content"] = content;
        }
        let id = call["id"].as_str().expect("an id");
        self.client.post(&format!("/v1/tool-calls/{id}/answer"), &body).await
    }
}
