//! A client that knows the protocol, and nothing else about the server.

use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::log::Log;
use super::script::Script;
use super::socket::Socket;
use super::sse::{Heard, Over, Sse};
use super::within;

/// Between two tries of a request that must be answered in the end.
const AGAIN: Duration = Duration::from_millis(10);

#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    key: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    pub status: u16,
    pub body: Value,
}

impl Reply {
    /// The body of an answer that must have this status.
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }
}

/// What is known of a send that was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    pub message_id: String,
    pub turn_id: String,
    pub cursor: String,
}

impl Ack {
    pub fn of(body: &Value) -> Self {
        let string =
            |value: &Value| value.as_str().unwrap_or_else(|| panic!("not a receipt: {body}")).to_owned();
        Self {
            message_id: string(&body["message_id"]),
            turn_id: string(&body["turn"]["id"]),
            cursor: string(&body["cursor"]),
        }
    }
}

impl Client {
    pub fn new(base: String, key: &str) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().expect("a client can be made");
        Self { http, base, key: key.to_owned() }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.key)
    }

    pub async fn ask(&self, request: RequestBuilder) -> Result<Reply, reqwest::Error> {
        let response = request.send().await?;
        let status = response.status().as_u16();
        let text = response.text().await?;
        let body = match text.as_str() {
            "" => Value::Null,
            text => {
                serde_json::from_str(text).unwrap_or_else(|error| panic!("{status}: {error} in {text:?}"))
            }
        };
        Ok(Reply { status, body })
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.ask(self.request(Method::GET, path)).await.unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    pub async fn send(&self, method: Method, path: &str, body: &Value) -> Reply {
        let request = self.request(method.clone(), path).json(body);
        self.ask(request).await.unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(Method::POST, path, body).await
    }

    /// Says the same under the same key until somebody answers, whatever happens to the server meanwhile.
    pub async fn insist(&self, method: Method, path: &str, body: &Value, key: &str) -> Reply {
        within(path, async {
            loop {
                let request = self.request(method.clone(), path).header("Idempotency-Key", key).json(body);
                match self.ask(request).await {
                    Ok(reply) if reply.status != 503 => return reply,
                    Ok(_) | Err(_) => tokio::time::sleep(AGAIN).await,
                }
            }
        })
        .await
    }

    /// Makes an empty conversation with this agent.
    pub async fn converse(&self, agent: &str) -> String {
        let made = self.post("/v1/conversations", &json!({"agent": agent})).await.expect(201);
        id_of(&made["conversation"])
    }

    /// Sends a script; the receipt, once it is durable.
    pub async fn say(&self, conversation: &str, script: &Script) -> Ack {
        self.say_with(conversation, script, &json!({})).await
    }

    pub async fn say_with(&self, conversation: &str, script: &Script, options: &Value) -> Ack {
        let reply =
            self.post(&format!("/v1/conversations/{conversation}/messages"), &message(script, options)).await;
        Ack::of(&reply.expect(202))
    }

    /// Says that, whatever becomes of it; the turn's id.
    pub async fn tell(&self, conversation: &str, text: &str) -> String {
        let path = format!("/v1/conversations/{conversation}/messages");
        let sent = self.post(&path, &json!({"text": text})).await.expect(202);
        sent["turn"]["id"].as_str().expect("a turn").to_owned()
    }

    pub async fn turn_is(&self, turn_id: &str, state: &str) -> Value {
        within(&format!("{turn_id} to be {state}"), async {
            loop {
                let turn = self.get(&format!("/v1/turns/{turn_id}")).await.expect(200);
                if turn["state"] == state {
                    return turn;
                }
                tokio::time::sleep(AGAIN).await;
            }
        })
        .await
    }

    /// What the model said in the end.
    pub async fn answer(&self, conversation: &str, turn_id: &str) -> String {
        self.turn_is(turn_id, "completed").await;
        let path = format!("/v1/conversations/{conversation}/messages?limit=1");
        let page = self.get(&path).await.expect(200);
        page["items"][0]["parts"][0]["text"].as_str().expect("an answer").to_owned()
    }

    pub async fn cancel(&self, turn_id: &str) -> Reply {
        self.post(&format!("/v1/turns/{turn_id}/cancel"), &json!({})).await
    }

    /// Follows a stream; the answer itself where it is none.
    pub async fn follow(&self, path: &str, headers: &[(&str, &str)]) -> Result<Sse, Reply> {
        let mut request = self.request(Method::GET, path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap_or_else(|error| panic!("GET {path}: {error}"));
        if response.status() == 200 {
            return Ok(Sse::new(response));
        }
        let status = response.status().as_u16();
        let text = response.text().await.unwrap_or_default();
        Err(Reply { status, body: serde_json::from_str(&text).unwrap_or(Value::Null) })
    }

    pub async fn events(&self, conversation: &str, after: Option<&str>) -> Sse {
        let after = after.map(|cursor| format!("?after={cursor}")).unwrap_or_default();
        let path = format!("/v1/conversations/{conversation}/events{after}");
        self.follow(&path, &[]).await.unwrap_or_else(|reply| panic!("GET {path}: {reply:?}"))
    }

    pub async fn socket(&self) -> Socket {
        Socket::connect(&self.base, &self.key).await.expect("a socket is opened")
    }

    pub async fn try_socket(&self) -> Option<Socket> {
        Socket::connect(&self.base, &self.key).await.ok()
    }

    /// The log as it stands.
    pub async fn log(&self, conversation: &str) -> Log {
        self.log_after(conversation, None).await
    }

    pub async fn log_after(&self, conversation: &str, after: Option<&str>) -> Log {
        let mut sse = self.events(conversation, after).await;
        let mut log = Log::starting_at(after.map_or(0, super::log::position));
        read_until_caught_up(&mut sse, &mut log).await;
        log
    }
}

/// Returns the cursor that it was caught up at.
pub async fn read_until_caught_up(sse: &mut Sse, log: &mut Log) -> String {
    within("a stream to catch up", async {
        loop {
            match sse.next().await {
                Ok(Heard::Event { event, .. }) => log.push(&event).unwrap_or_else(|wrong| panic!("{wrong}")),
                Ok(Heard::CaughtUp { cursor }) => return cursor,
                other => panic!("while catching up: {other:?}"),
            }
        }
    })
    .await
}

/// Everything up to the end of the stream.
pub async fn read_to_the_end(sse: &mut Sse) -> Vec<Heard> {
    within("a stream to end", async {
        let mut heard = Vec::new();
        loop {
            match sse.next().await {
                Ok(one) => heard.push(one),
                Err(Over::Ended) => return heard,
                Err(Over::Broken) => panic!("the stream broke after {:?}", heard.last()),
            }
        }
    })
    .await
}

pub fn message(script: &Script, options: &Value) -> Value {
    let mut body = json!({"text": script.to_text()});
    for (name, value) in options.as_object().expect("options are an object") {
        body[name] = value.clone();
    }
    body
}

pub fn id_of(body: &Value) -> String {
    body["id"].as_str().unwrap_or_else(|| panic!("no id in {body}")).to_owned()
}
