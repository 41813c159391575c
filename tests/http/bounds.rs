//! What one user may have running, and what may wait.

use std::time::Instant;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use weir::runtime::Bounds;

use crate::app::{Answer, PATIENCE, TestApp};

/// Ten seconds of the demo model.
const LONG: &str = "count to 500";

async fn send(app: &TestApp, token: &str, conversation: &str) -> Answer {
    let path = format!("{conversation}/messages");
    Answer::of(app.request(Method::POST, &path, token).json(&json!({"text": LONG}))).await
}

async fn create_with_message(app: &TestApp, token: &str) -> Answer {
    let body = json!({"message": {"text": LONG}});
    Answer::of(app.request(Method::POST, "/v1/conversations", token).json(&body)).await
}

async fn count(app: &TestApp) -> usize {
    let listed: Value = app.get("/v1/conversations").await.is(200);
    listed["items"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_user_has_so_many_turns_running_and_no_more() {
    let bounds = Bounds { turns_per_user: 2, ..Bounds::default() };
    let mut app = TestApp::with_bounds(bounds).await;
    let owner = app.people.owner.clone();
    let places = [app.conversation().await, app.conversation().await, app.conversation().await];
    app.talk(&places[2], "count to 2").await;
    let first = send(&app, &owner, &places[0]).await.is(202);
    send(&app, &owner, &places[1]).await.is(202);

    let refused = send(&app, &owner, &places[2]).await;
    assert_eq!(refused.problem(429), "rate-limited");
    assert!(refused.header("retry-after").parse::<u32>().unwrap() > 0);
    let before = count(&app).await;
    assert_eq!(create_with_message(&app, &owner).await.problem(429), "rate-limited");
    assert_eq!(count(&app).await, before, "what was refused made no conversation");
    let another = app.post(&format!("{}/regenerate", places[2]), &json!({})).await;
    assert_eq!(another.problem(429), "rate-limited");
    // What waits behind a running turn runs in its place.
    send(&app, &owner, &places[0]).await.is(202);
    create_with_message(&app, &app.people.member).await.is(201);

    // It is what runs that counts, also what was recovered.
    app.restart().await;
    assert_eq!(send(&app, &owner, &places[2]).await.problem(429), "rate-limited");

    let turn = |answer: &Value| answer["turn"]["id"].as_str().unwrap().to_owned();
    let waiting = app.get(&format!("{}/queue", places[0])).await.is(200);
    for id in [waiting["items"][0]["id"].as_str().unwrap().to_owned(), turn(&first)] {
        app.post(&format!("/v1/turns/{id}/cancel"), &json!({})).await;
    }
    let since = Instant::now();
    while send(&app, &owner, &places[2]).await.status != 202 {
        assert!(since.elapsed() < PATIENCE, "the place of the cancelled turn is not free");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn sends_at_the_same_moment_share_what_is_left() {
    let app = TestApp::with_bounds(Bounds { turns_per_user: 5, ..Bounds::default() }).await;
    let mut sends = JoinSet::new();
    for _ in 0..40 {
        let request = app.request(Method::POST, "/v1/conversations", &app.people.owner);
        sends.spawn(Answer::of(request.json(&json!({"message": {"text": LONG}}))));
    }
    let answers = sends.join_all().await;
    let with = |status: u16| answers.iter().filter(|answer| answer.status.as_u16() == status).count();
    assert_eq!((with(201), with(429)), (5, 35));
}

#[tokio::test]
async fn so_many_messages_wait_in_a_conversation_and_no_more() {
    let app = TestApp::with_bounds(Bounds { queue_per_conversation: 1, ..Bounds::default() }).await;
    let conversation = app.conversation().await;
    for _ in 0..2 {
        send(&app, &app.people.owner, &conversation).await.is(202);
    }
    assert_eq!(send(&app, &app.people.owner, &conversation).await.problem(429), "rate-limited");
    let limits = app.get("/v1/meta").await.is(200)["limits"].clone();
    assert_eq!(limits["queued_turns_per_conversation"], 1);
}
