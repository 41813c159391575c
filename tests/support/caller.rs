//! A model over HTTP that calls the tools that the person's text names, and then says what it was told.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

/// The person writes `[{"tool": .., "args": ..}]`, with the names that the model is told.
pub fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/v1/models", get(|| async { Json(json!({"data": [{"id": "m"}]})) }))
        .route("/v1/chat/completions", post(answer))
}

/// Where it listens.
pub async fn start() -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let port = listener.local_addr().expect("it listens").port();
    tokio::spawn(async move { axum::serve(listener, router()).await });
    port
}

async fn answer(Json(request): Json<Value>) -> Response {
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
    chunks.push(json!({
        "id": "1", "object": "chat.completion.chunk", "model": "m", "choices": [],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }));
    let mut body: String = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
    body.push_str("data: [DONE]\n\n");
    ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
}
