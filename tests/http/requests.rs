//! What a client may send that is no request at all: every one of these is one 4xx, and nobody else notices.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::app::{Answer, PATIENCE, TestApp};

async fn raw(app: &TestApp, bytes: &[u8]) -> String {
    let mut socket = TcpStream::connect(app.address).await.unwrap();
    socket.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // A reset after the answer is as good as an end.
    let _ = tokio::time::timeout(PATIENCE, socket.read_to_end(&mut answer))
        .await
        .expect("it is answered in time");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_body_has_to_be_json() {
    let app = TestApp::demo().await;
    let post = |content_type: &'static str, body: &'static str| {
        let request = app.request(Method::POST, "/v1/conversations", &app.people.owner);
        Answer::of(request.header("content-type", content_type).body(body))
    };
    for content_type in ["text/plain", "application/x-www-form-urlencoded", ""] {
        assert_eq!(post(content_type, "{}").await.problem(415), "unsupported-media-type", "{content_type}");
    }
    post("application/json; charset=utf-8", "{}").await.is(201);
    for body in ["", "{", "{}{}", "\"\\ud800\"", "{\"title\": \"\\ud800\"}"] {
        assert_eq!(post("application/json", body).await.problem(400), "malformed-request", "{body}");
    }
}

#[tokio::test]
async fn deep_nesting_is_refused_and_the_server_lives() {
    let app = TestApp::demo().await;
    let bomb = format!("{{\"metadata\": {{\"a\": {}", "[".repeat(500_000));
    let request = app.request(Method::POST, "/v1/conversations", &app.people.owner);
    let answer = Answer::of(request.header("content-type", "application/json").body(bomb)).await;
    assert_eq!(answer.problem(400), "malformed-request");
    app.get("/healthz").await.is(200);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_before_it_is_read() {
    let app = TestApp::demo().await;
    let head = format!(
        "POST /v1/conversations HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: 2147483648\r\nconnection: close\r\n\r\n{{",
        app.people.owner
    );
    let answer = raw(&app, head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("payload-too-large"), "{answer}");
}

#[tokio::test]
async fn a_body_that_never_ends_is_not_waited_for() {
    let app = TestApp::demo().await;
    let head = format!(
        "POST /v1/conversations HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: 20\r\nconnection: close\r\n\r\n{{",
        app.people.owner
    );
    let answer = raw(&app, head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("request-timeout"), "{answer}");
}

#[tokio::test]
async fn floods_of_headers_and_nonsense_end_their_own_connection() {
    let app = TestApp::demo().await;
    let flood = format!("GET /healthz HTTP/1.1\r\nhost: x\r\nx-flood: {}\r\n\r\n", "x".repeat(100_000));
    let answer = raw(&app, flood.as_bytes()).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    let answer = raw(&app, b"\x16\x03\x01\x02\x00nonsense\r\n\r\n").await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    app.get("/healthz").await.is(200);
}

#[tokio::test]
async fn an_answer_names_no_token_and_no_path() {
    let app = TestApp::demo().await;
    let token = app.people.revoked.clone();
    let answer = Answer::of(app.request(Method::GET, "/v1/conversations", &token)).await;
    assert_eq!(answer.problem(401), "unauthorized");
    assert!(!answer.text.contains(&token) && !answer.text.contains("revoked"), "{}", answer.text);
    // A token never stands in a URL.
    let query = app.request(Method::GET, &format!("/v1/conversations?token={}", app.people.owner), "");
    assert_eq!(Answer::of(query).await.problem(401), "unauthorized");
}

#[tokio::test]
async fn pages_of_allowed_origins_may_read_and_others_not() {
    let options = weir::http::Options {
        allowed_origins: vec!["https://app.example.com".to_owned()],
        ..TestApp::options()
    };
    let demo = weir::provider::Options::new(weir::provider::Kind::Demo);
    let demo = weir::provider::connect(&demo, &|_| None, weir::clock::Clock::System).unwrap();
    let app = TestApp::with(demo, options).await;
    let preflight = |origin: &'static str| {
        let request = app.request(Method::OPTIONS, "/v1/conversations", "");
        let request = request.header("origin", origin).header("access-control-request-method", "POST");
        Answer::of(request.header("access-control-request-headers", "authorization,idempotency-key"))
    };
    let allowed = preflight("https://app.example.com").await;
    assert_eq!(allowed.header("access-control-allow-origin"), "https://app.example.com");
    assert_eq!(allowed.header("access-control-allow-credentials"), "");
    assert_eq!(preflight("https://evil.example.com").await.header("access-control-allow-origin"), "");
    let read = app.request(Method::GET, "/v1/meta", "").header("origin", "https://app.example.com");
    assert!(Answer::of(read).await.header("access-control-expose-headers").contains("location"));
}

#[tokio::test]
async fn one_slow_client_delays_nobody() {
    let app = TestApp::demo().await;
    let mut slow = TcpStream::connect(app.address).await.unwrap();
    slow.write_all(b"GET /healthz HTTP/1.1\r\nhost:").await.unwrap();
    let quick = tokio::time::timeout(Duration::from_secs(2), app.get("/healthz")).await;
    quick.expect("it is not behind the slow one").is(200);
    assert_eq!(app.post("/v1/conversations", &json!({"x": 1})).await.invalid(), "/x");
}
