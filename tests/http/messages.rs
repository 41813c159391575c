//! Sending, reading, cancelling and queueing.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{Answer, TestApp, read_events};
use crate::runtime::Script;

async fn gated() -> (TestApp, Script) {
    let script = Script::saying("one two three four five").gated();
    (TestApp::new(std::sync::Arc::new(script.clone())).await, script)
}

fn items(page: &Value) -> &Vec<Value> {
    page["items"].as_array().unwrap()
}

#[tokio::test]
async fn a_send_is_accepted_and_says_where_its_stream_is() {
    let app = TestApp::demo().await;
    let at = app.conversation().await;
    let answer = app.post(&format!("{at}/messages"), &json!({"text": "count to 3"})).await;
    let sent = answer.is(202);
    let turn = sent["turn"]["id"].as_str().unwrap();
    assert_eq!(answer.header("location"), format!("/v1/turns/{turn}/events"));
    assert_eq!(sent["turn"]["state"], "running");
    assert_eq!(sent["turn"]["message_id"], sent["message_id"]);
    let events = app.stream(answer.header("location"), |_| false).await;
    assert_eq!(events.last().unwrap().kind, "turn.completed");
    assert_eq!(app.get(&format!("/v1/turns/{turn}")).await.is(200)["state"], "completed");
}

#[tokio::test]
async fn a_send_that_accepts_a_stream_is_answered_by_it() {
    let app = TestApp::demo().await;
    let at = app.conversation().await;
    let request = app.request(Method::POST, &format!("{at}/messages"), &app.people.owner);
    let request = request.header("Accept", "text/event-stream").json(&json!({"text": "count to 3"}));
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert!(response.headers()["location"].to_str().unwrap().starts_with("/v1/turns/turn_"));
    let events = read_events(response, |_| false).await;
    assert_eq!(events.last().unwrap().kind, "turn.completed");
    assert!(events.iter().any(|event| event.kind == "part.delta"));
}

#[tokio::test]
async fn a_send_that_prefers_to_wait_gets_the_finished_turn() {
    let app = TestApp::demo().await;
    let at = app.conversation().await;
    let done = app.talk(&at, "count to 3").await;
    assert_eq!(done["turn"]["state"], "completed");
    let messages = done["messages"].as_array().unwrap();
    assert_eq!(messages[0]["parts"], json!([{"type": "text", "text": "count to 3"}]));
    assert_eq!(messages[1]["parts"], json!([{"type": "text", "text": "1, 2, 3"}]));
}

#[tokio::test]
async fn a_wait_that_is_over_tells_what_there_is() {
    let (app, script) = gated().await;
    let at = app.conversation().await;
    let request = app.request(Method::POST, &format!("{at}/messages"), &app.people.owner);
    let answer = Answer::of(request.header("Prefer", "wait=1").json(&json!({"text": "hi"}))).await;
    let so_far = answer.is(202);
    assert_eq!(so_far["turn"]["state"], "running");
    assert_eq!(so_far["messages"][1]["status"], "streaming");
    assert_eq!(so_far["messages"][1]["parts"][0]["text"], "one two");
    script.open_gate();
}

#[tokio::test]
async fn the_same_key_is_the_same_message() {
    let app = TestApp::demo().await;
    let at = app.conversation().await;
    let send = |body: Value, key: &'static str| {
        let request = app.request(Method::POST, &format!("{at}/messages"), &app.people.owner);
        Answer::of(request.header("Idempotency-Key", key).json(&body))
    };
    let (first, twin) = tokio::join!(send(json!({"text": "hi"}), "k"), send(json!({"text": "hi"}), "k"));
    let first = first.is(202);
    assert_eq!(twin.is(202)["message_id"], first["message_id"]);
    assert_eq!(send(json!({"text": "hi"}), "k").await.is(202)["turn"]["id"], first["turn"]["id"]);
    assert_eq!(send(json!({"text": "ho"}), "k").await.problem(409), "idempotency-key-reused");
    for key in ["", "two words", "ü"] {
        assert_eq!(send(json!({"text": "hi"}), key).await.invalid(), "/Idempotency-Key", "{key}");
    }
    let long: &'static str = "k".repeat(256).leak();
    assert_eq!(send(json!({"text": "hi"}), long).await.invalid(), "/Idempotency-Key");
}

#[tokio::test]
async fn a_refusal_is_not_remembered() {
    let (app, script) = gated().await;
    let at = format!("{}/messages", app.conversation().await);
    let turn = app.post(&at, &json!({"text": "hi"})).await.is(202)["turn"]["id"].clone();
    let send = || {
        let request = app.request(Method::POST, &at, &app.people.owner).header("Idempotency-Key", "again");
        Answer::of(request.json(&json!({"text": "and?", "on_busy": "reject"})))
    };
    let refused = send().await;
    assert_eq!(refused.problem(409), "turn-in-progress");
    assert_eq!(refused.is(409)["turn_id"], turn);
    script.open_gate();
    app.stream(&format!("/v1/turns/{}/events", turn.as_str().unwrap()), |_| false).await;
    send().await.is(202);
}

#[tokio::test]
async fn the_path_comes_newest_page_first_and_edits_are_siblings() {
    let app = TestApp::demo().await;
    let at = app.conversation().await;
    for text in ["count to 1", "count to 2", "count to 3"] {
        app.talk(&at, text).await;
    }
    let list = format!("{at}/messages");
    let first = app.get(&format!("{list}?limit=4")).await.is(200);
    let texts = |page: &Value| -> Vec<String> {
        items(page).iter().map(|item| item["parts"][0]["text"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(texts(&first), ["1, 2, 3", "count to 3", "1, 2", "count to 2"]);
    let before = first["next"].as_str().unwrap();
    let second = app.get(&format!("{list}?limit=4&before={before}")).await.is(200);
    assert_eq!(texts(&second), ["1", "count to 1"]);
    assert_eq!(second["next"], Value::Null);

    let edited = &items(&first)[1];
    let sibling = json!({"text": "count to 4", "parent_id": edited["parent_id"]});
    app.post(&list, &sibling).await.is(202);
    let root = json!({"text": "count to 5", "parent_id": null});
    let rooted = app.post(&list, &root).await.is(202);
    let old = app.get(&format!("{list}?head={}", edited["id"].as_str().unwrap())).await.is(200);
    let siblings = &items(&old)[0]["siblings"];
    assert_eq!((&siblings["count"], &siblings["index"]), (&json!(2), &json!(0)), "{siblings}");
    let head = app.get(&format!("{list}?head={}", rooted["message_id"].as_str().unwrap())).await.is(200);
    assert_eq!(items(&head)[0]["parent_id"], Value::Null);
    assert_eq!(items(&head)[0]["siblings"]["count"], 2);
}

#[tokio::test]
async fn a_message_of_another_conversation_is_no_parent_and_no_head() {
    let app = TestApp::demo().await;
    let (here, there) = (app.conversation().await, app.conversation().await);
    let foreign = app.talk(&there, "count to 1").await["message_id"].as_str().unwrap().to_owned();
    let body = json!({"text": "hi", "parent_id": foreign});
    assert_eq!(app.post(&format!("{here}/messages"), &body).await.invalid(), "/parent_id");
    assert_eq!(app.get(&format!("{here}/messages?head={foreign}")).await.problem(404), "not-found");
    assert_eq!(app.get(&format!("{here}/messages?before={foreign}")).await.problem(404), "not-found");
    assert_eq!(app.get(&format!("{here}/messages?before=nonsense")).await.invalid(), "/before");
}

#[tokio::test]
async fn a_send_refuses_what_does_not_fit() {
    let app = TestApp::demo().await;
    let at = format!("{}/messages", app.conversation().await);
    let part = json!({"type": "text", "text": "x"});
    let tool = |name: &str| json!({"name": name, "schema": {}});
    for (body, pointer) in [
        (json!({}), "/text"),
        (json!({"text": ""}), "/text"),
        (json!({"text": 7}), "/text"),
        (json!({"text": null}), "/text"),
        (json!({"text": "a\u{0}"}), "/text"),
        (json!({"text": "a", "parts": [part]}), "/parts"),
        (json!({"parts": []}), "/parts"),
        (json!({"parts": vec![part.clone(); 101]}), "/parts"),
        (json!({"parts": [part, {"type": "reasoning", "text": "x"}]}), "/parts/1/type"),
        (json!({"parts": [{"type": "text", "text": "x", "bold": true}]}), "/parts/0/bold"),
        (
            json!({"parts": [{"type": "file", "file_id": "file_01h2xcejqtf2nbrexx3vqjhp41"}]}),
            "/parts/0/file_id",
        ),
        (json!({"text": "a", "parent_id": 4}), "/parent_id"),
        (json!({"text": "a", "on_busy": "panic"}), "/on_busy"),
        (json!({"text": "a", "settings": {"temperature": 9}}), "/settings/temperature"),
        (json!({"text": "a", "settings": {"top_k": 9}}), "/settings/top_k"),
        (json!({"text": "a", "settings": [0.5]}), "/settings"),
        (json!({"parts": [["text", "x"]]}), "/parts/0"),
        (json!({"text": "a", "settings": {"max_output_tokens": 0}}), "/settings/max_output_tokens"),
        (json!({"text": "a", "tools": [tool("ok"), tool("not ok")]}), "/tools/1/name"),
        (json!({"text": "a", "tools": [tool("same"), tool("same")]}), "/tools/1/name"),
        (json!({"text": "a", "tools": vec![tool("x"); 129]}), "/tools"),
        (json!({"text": "a", "metadata": "x"}), "/metadata"),
        (json!({"text": "a", "role": "system"}), "/role"),
    ] {
        assert_eq!(
            app.post(&at, &body).await.invalid(),
            pointer,
            "{}",
            body.to_string().get(..80).unwrap_or("it")
        );
    }
    let huge = json!({"text": "x".repeat((1 << 20) + 1)});
    assert_eq!(app.post(&at, &huge).await.problem(413), "payload-too-large");
}

#[tokio::test]
async fn a_turn_is_cancelled_once_and_stays_so() {
    let (app, _script) = gated().await;
    let at = app.conversation().await;
    let sent = app.post(&format!("{at}/messages"), &json!({"text": "hi"})).await.is(202);
    let turn = format!("/v1/turns/{}", sent["turn"]["id"].as_str().unwrap());
    app.stream(&format!("{turn}/events"), |events| events.iter().any(|event| event.kind == "part.delta"))
        .await;
    assert_eq!(app.post(&format!("{turn}/cancel"), &json!({})).await.is(200)["state"], "cancelled");
    assert_eq!(app.post(&format!("{turn}/cancel"), &json!({})).await.is(200)["state"], "cancelled");
    let page = app.get(&format!("{at}/messages")).await.is(200);
    assert_eq!(items(&page)[0]["status"], "cancelled");
    assert!(items(&page)[0]["parts"][0]["text"].as_str().unwrap().starts_with("one"));
}

#[tokio::test]
async fn who_has_not_the_rights_of_the_sender_does_not_edit_what_waits() {
    let app = TestApp::demo().await;
    let at = app.conversation().await;
    app.patch(&at, &json!({"visibility": "workspace"})).await.is(200);
    let path = format!("{at}/messages");
    app.post(&path, &json!({"text": "count to 500"})).await.is(202);
    let queued = app.post(&path, &json!({"text": "mine"})).await.is(202);
    let turn = format!("{at}/queue/{}", queued["turn"]["id"].as_str().unwrap());
    let id = at.rsplit('/').next().unwrap();
    let minted = app.post("/v1/auth/tokens", &json!({"ttl": 60, "conversation_ids": [id]})).await.is(201);
    let body = json!({"text": "search everything of theirs"});
    let edit = |token: &str, turn: &str| Answer::of(app.request(Method::PATCH, turn, token).json(&body));
    let narrow = minted["token"].as_str().unwrap();
    for token in [&*app.people.admin, narrow] {
        assert_eq!(edit(token, &turn).await.problem(403), "forbidden");
    }
    edit(&app.people.owner, &turn).await.is(200);
    // What it sent itself it edits, and so does its person.
    let sent =
        Answer::of(app.request(Method::POST, &path, narrow).json(&json!({"text": "from there"}))).await;
    let turn = format!("{at}/queue/{}", sent.is(202)["turn"]["id"].as_str().unwrap());
    for token in [narrow, &app.people.owner] {
        edit(token, &turn).await.is(200);
    }
}

#[tokio::test]
async fn the_queue_is_reordered_edited_and_withdrawn_from() {
    let (app, script) = gated().await;
    let at = app.conversation().await;
    let send = |text: &'static str| {
        let request = app.request(Method::POST, &format!("{at}/messages"), &app.people.owner);
        Answer::of(request.json(&json!({"text": text})))
    };
    let running = send("first").await.is(202)["turn"]["id"].clone();
    let mut queued = Vec::new();
    for text in ["a", "b", "c"] {
        let sent = send(text).await.is(202);
        assert_eq!(sent["turn"]["state"], "queued");
        queued.push(sent["turn"]["id"].as_str().unwrap().to_owned());
    }
    let queue = format!("{at}/queue");
    let ids = |page: &Value| -> Vec<String> {
        items(page).iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&app.get(&queue).await.is(200)), queued);

    let order = json!({"turn_ids": [queued[2], queued[0], queued[1]]});
    assert_eq!(ids(&app.put(&queue, &order).await.is(200)), [&*queued[2], &*queued[0], &*queued[1]]);
    let differs = app.put(&queue, &json!({"turn_ids": [queued[0]]})).await;
    assert_eq!(differs.problem(409), "queue-differs");
    assert_eq!(differs.is(409)["turn_ids"], order["turn_ids"]);

    let edited = app.patch(&format!("{queue}/{}", queued[0]), &json!({"text": "A"})).await.is(200);
    assert_eq!(edited["parts"][0]["text"], "A");
    assert_eq!(app.patch(&format!("{queue}/{}", queued[0]), &json!({})).await.invalid(), "/text");
    app.delete(&format!("{queue}/{}", queued[1])).await.is(204);
    assert_eq!(app.delete(&format!("{queue}/{}", queued[1])).await.problem(409), "turn-not-queued");
    let started = app.delete(&format!("{queue}/{}", running.as_str().unwrap())).await;
    assert_eq!(started.problem(409), "turn-not-queued");
    assert_eq!(started.is(409)["turn"]["state"], "running");

    script.open_gate();
    for id in [&queued[2], &queued[0]] {
        let events = app.stream(&format!("/v1/turns/{id}/events"), |_| false).await;
        assert_eq!(events.last().unwrap().kind, "turn.completed");
    }
    let page = app.get(&format!("{at}/messages")).await.is(200);
    let said: Vec<_> = items(&page).iter().filter(|item| item["role"] == "user").collect();
    let said: Vec<_> = said.iter().rev().map(|item| item["parts"][0]["text"].as_str().unwrap()).collect();
    assert_eq!(said, ["first", "c", "A"]);
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let mut app = TestApp::demo().await;
    let at = app.conversation().await;
    let request = app.request(Method::POST, &format!("{at}/messages"), &app.people.owner);
    let first =
        Answer::of(request.header("Idempotency-Key", "k").json(&json!({"text": "count to 30"}))).await;
    let first = first.is(202);
    tokio::time::sleep(Duration::from_millis(150)).await;
    app.restart().await;
    let request = app.request(Method::POST, &format!("{at}/messages"), &app.people.owner);
    let again =
        Answer::of(request.header("Idempotency-Key", "k").json(&json!({"text": "count to 30"}))).await;
    assert_eq!(again.is(202)["message_id"], first["message_id"]);
    let turn = first["turn"]["id"].as_str().unwrap();
    let events = app.stream(&format!("/v1/turns/{turn}/events"), |_| false).await;
    assert_eq!(events.last().unwrap().kind, "turn.completed");
    let count = app.get(&format!("{at}/messages")).await.is(200);
    assert_eq!(items(&count).iter().filter(|item| item["role"] == "user").count(), 1);
}
