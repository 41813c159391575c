//! Branches: editing, regenerating, switching, forking, marking, deleting.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{Answer, Event, TestApp};
use crate::runtime::Script;

fn items(page: &Value) -> &Vec<Value> {
    page["items"].as_array().unwrap()
}

fn text(message: &Value) -> &str {
    message["parts"][0]["text"].as_str().unwrap_or_default()
}

/// The texts of the current path, oldest first.
async fn path(app: &TestApp, at: &str) -> Vec<String> {
    let page = app.get(&format!("{at}/messages")).await.is(200);
    items(&page).iter().rev().map(|message| text(message).to_owned()).collect()
}

async fn say(app: &TestApp, at: &str, body: &Value) -> Value {
    let request = app.request(Method::POST, &format!("{at}/messages"), &app.people.owner);
    Answer::of(request.header("Prefer", "wait=15").json(body)).await.is(200)
}

async fn regenerate(app: &TestApp, at: &str, body: &Value) -> Value {
    let request = app.request(Method::POST, &format!("{at}/regenerate"), &app.people.owner);
    Answer::of(request.header("Prefer", "wait=15").json(body)).await.is(200)
}

async fn fork(app: &TestApp, at: &str, body: &Value) -> String {
    let forked = app.post(&format!("{at}/fork"), body).await.is(201);
    format!("/v1/conversations/{}", forked["conversation"]["id"].as_str().unwrap())
}

async fn log(app: &TestApp, at: &str) -> Vec<Event> {
    app.stream(&format!("{at}/events"), |events| events.last().is_some_and(|last| last.kind == "caught_up"))
        .await
}

/// The log tiles from 0 on, and ends where the snapshot says.
fn tiles(events: &[Event]) {
    let mut end = 0;
    for event in events.iter().filter(|event| event.kind != "caught_up") {
        assert_eq!(event.data["prev"], end, "{}", event.data);
        end = event.data["seq"].as_u64().unwrap();
    }
}

async fn demo() -> (TestApp, String) {
    let app = TestApp::demo().await;
    let at = app.conversation().await;
    (app, at)
}

#[tokio::test]
async fn editing_makes_a_sibling_and_every_message_knows_its_siblings() {
    let (app, at) = demo().await;
    app.talk(&at, "count to 2").await;
    let second = app.talk(&at, "count to 3").await;
    let page = app.get(&format!("{at}/messages")).await.is(200);
    let parent = &items(&page)[1]["parent_id"];
    let edited = say(&app, &at, &json!({"text": "count to 4", "parent_id": parent})).await;
    assert_eq!(path(&app, &at).await, ["count to 2", "1, 2", "count to 4", "1, 2, 3, 4"]);
    let page = app.get(&format!("{at}/messages")).await.is(200);
    let ids = json!([second["message_id"], edited["message_id"]]);
    assert_eq!(items(&page)[1]["siblings"], json!({"count": 2, "index": 1, "ids": ids}));
    assert_eq!(items(&page)[0]["siblings"]["count"], 1);
}

#[tokio::test]
async fn a_new_root_is_a_sibling_of_the_first_message() {
    let (app, at) = demo().await;
    app.talk(&at, "count to 2").await;
    say(&app, &at, &json!({"text": "count to 3", "parent_id": null})).await;
    assert_eq!(path(&app, &at).await, ["count to 3", "1, 2, 3"]);
    let page = app.get(&format!("{at}/messages")).await.is(200);
    assert_eq!(items(&page)[1]["siblings"]["count"], 2);
}

#[tokio::test]
async fn regenerating_makes_another_answer_beside_the_first() {
    let (app, at) = demo().await;
    let said = app.talk(&at, "count to 2").await;
    let again = regenerate(&app, &at, &json!({})).await;
    assert_eq!(again["message_id"], said["message_id"], "it answers the same message");
    assert_ne!(again["turn"]["id"], said["turn"]["id"]);
    let page = app.get(&format!("{at}/messages")).await.is(200);
    assert_eq!(items(&page).len(), 2, "the question was not asked twice");
    assert_eq!(items(&page)[0]["siblings"]["count"], 2);
    assert_eq!(items(&page)[0]["siblings"]["index"], 1);
    assert_eq!(items(&page)[0]["turn_id"], again["turn"]["id"]);
    tiles(&log(&app, &at).await);
    // An answer further up is regenerated where it stands, and the view goes along.
    app.talk(&at, "count to 3").await;
    regenerate(&app, &at, &json!({"message_id": said["message_id"]})).await;
    assert_eq!(path(&app, &at).await, ["count to 2", "1, 2"]);
}

#[tokio::test]
async fn what_cannot_be_regenerated_is_refused() {
    let (app, at) = demo().await;
    assert_eq!(app.post(&format!("{at}/regenerate"), &json!({})).await.problem(409), "conflict");
    app.talk(&at, "count to 2").await;
    let other = app.conversation().await;
    let foreign = app.talk(&other, "count to 2").await["message_id"].clone();
    let answer = app.post(&format!("{at}/regenerate"), &json!({"message_id": foreign})).await;
    assert_eq!(answer.problem(404), "not-found");
    assert_eq!(app.post(&format!("{at}/regenerate"), &json!({"message": 1})).await.invalid(), "/message");
}

#[tokio::test]
async fn a_regenerate_under_the_same_key_is_made_once() {
    let (app, at) = demo().await;
    app.talk(&at, "count to 2").await;
    let ask = || {
        let request = app.request(Method::POST, &format!("{at}/regenerate"), &app.people.owner);
        Answer::of(request.header("Idempotency-Key", "again").json(&json!({})))
    };
    let (first, second) = (ask().await.is(202), ask().await.is(202));
    assert_eq!(first["turn"]["id"], second["turn"]["id"]);
    // Also once the old answer is gone that it was asked beside.
    let named = app.talk(&app.conversation().await, "count to 2").await;
    let at = format!("/v1/conversations/{}", named["turn"]["conversation_id"].as_str().unwrap());
    let old = &named["messages"][1]["id"];
    let ask = || {
        let request = app.request(Method::POST, &format!("{at}/regenerate"), &app.people.owner);
        Answer::of(request.header("Idempotency-Key", "named").json(&json!({"message_id": old})))
    };
    let first = ask().await.is(202);
    app.delete(&format!("{at}/messages/{}", old.as_str().unwrap())).await.is(204);
    assert_eq!(ask().await.is(202)["turn"]["id"], first["turn"]["id"]);
}

#[tokio::test]
async fn the_head_may_be_switched_while_a_turn_runs_and_everyone_sees_it() {
    let script = Script::saying("one two three").gated();
    let app = TestApp::new(std::sync::Arc::new(script.clone())).await;
    let at = app.conversation().await;
    script.open_gate();
    let first = app.talk(&at, "first").await;
    let elsewhere = say(&app, &at, &json!({"text": "second", "parent_id": null})).await;
    let head = &elsewhere["messages"][1]["id"];
    let put = |id: &Value| {
        let body = json!({"message_id": id});
        let path = format!("{at}/head");
        let app = &app;
        async move { app.put(&path, &body).await }
    };
    let switched = put(&first["messages"][1]["id"]).await.is(200);
    assert_eq!(switched["head"], first["messages"][1]["id"]);
    assert_eq!(path(&app, &at).await, ["first", "one two three"]);
    // Switching to where one is says nothing.
    assert_eq!(put(&first["messages"][1]["id"]).await.is(200)["cursor"], switched["cursor"]);
    let events = log(&app, &at).await;
    assert_eq!(events[events.len() - 2].kind, "conversation.head_changed");
    assert_eq!(put(head).await.is(200)["head"], *head);
    let stranger = app.conversation().await;
    let theirs = app.talk(&stranger, "x").await["message_id"].clone();
    assert_eq!(put(&theirs).await.problem(404), "not-found");
}

#[tokio::test]
async fn a_switch_may_go_down_to_the_end_of_the_newest_branch() {
    let (app, at) = demo().await;
    let first = app.talk(&at, "count to 2").await;
    app.talk(&at, "count to 3").await;
    say(&app, &at, &json!({"text": "elsewhere, count to 1", "parent_id": null})).await;
    let body = json!({"message_id": first["message_id"], "descend": true});
    app.put(&format!("{at}/head"), &body).await.is(200);
    assert_eq!(path(&app, &at).await, ["count to 2", "1, 2", "count to 3", "1, 2, 3"]);
    // In a fork, down the path that it inherited, and on where it went from there.
    let forked = fork(&app, &at, &json!({"message_id": first["messages"][1]["id"]})).await;
    app.put(&format!("{forked}/head"), &body).await.is(200);
    assert_eq!(path(&app, &forked).await, ["count to 2", "1, 2"]);
    app.talk(&forked, "count to 4").await;
    app.put(&format!("{forked}/head"), &body).await.is(200);
    assert_eq!(path(&app, &forked).await.len(), 4);
}

#[tokio::test]
async fn the_tree_shows_every_node_parents_first_in_pages() {
    let (app, at) = demo().await;
    app.talk(&at, "count to 2").await;
    say(&app, &at, &json!({"text": "count to 3", "parent_id": null})).await;
    regenerate(&app, &at, &json!({})).await;
    let tree = app.get(&format!("{at}/tree")).await.is(200);
    let seen: Vec<(String, bool)> = items(&tree)
        .iter()
        .map(|node| (node["preview"].as_str().unwrap().to_owned(), node["on_path"].as_bool().unwrap()))
        .collect();
    let expected =
        [("count to 2", false), ("count to 3", true), ("1, 2", false), ("1, 2, 3", false), ("1, 2, 3", true)];
    assert_eq!(seen, expected.map(|(text, on_path)| (text.to_owned(), on_path)));
    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = app.get(&format!("{at}/tree?limit=2{cursor}")).await.is(200);
        paged.extend(items(&page).clone());
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(&paged, items(&tree));
    assert_eq!(app.get(&format!("{at}/tree?cursor=x")).await.problem(400), "invalid-cursor");
}

#[tokio::test]
async fn a_fork_begins_at_any_message_and_goes_its_own_way() {
    let (app, at) = demo().await;
    let first = app.talk(&at, "count to 2").await;
    app.talk(&at, "count to 3").await;
    let answer = &first["messages"][1]["id"];
    let forked = fork(&app, &at, &json!({"message_id": answer, "title": "another way"})).await;
    assert_eq!(path(&app, &forked).await, ["count to 2", "1, 2"]);
    let seen = app.get(&forked).await.is(200);
    assert_eq!(seen["title"], "another way");
    assert_eq!(seen["forked_from"]["message_id"], *answer);
    assert_eq!(seen["head"], *answer);
    app.talk(&forked, "count to 4").await;
    assert_eq!(path(&app, &forked).await, ["count to 2", "1, 2", "count to 4", "1, 2, 3, 4"]);
    assert_eq!(path(&app, &at).await, ["count to 2", "1, 2", "count to 3", "1, 2, 3"]);
    // Neither sees the other's branch, whatever it asks for.
    let (here, there) =
        (app.get(&at).await.is(200)["head"].clone(), app.get(&forked).await.is(200)["head"].clone());
    for (place, foreign) in [(&at, &there), (&forked, &here)] {
        let id = foreign.as_str().unwrap();
        assert_eq!(app.get(&format!("{place}/messages?head={id}")).await.problem(404), "not-found");
        assert_eq!(
            app.put(&format!("{place}/head"), &json!({"message_id": id})).await.problem(404),
            "not-found"
        );
        assert_eq!(
            app.post(&format!("{place}/fork"), &json!({"message_id": id})).await.problem(404),
            "not-found"
        );
        let sent = app.post(&format!("{place}/messages"), &json!({"text": "x", "parent_id": id})).await;
        assert_eq!(sent.invalid(), "/parent_id");
        let page = app.get(&format!("{place}/messages")).await.is(200);
        assert!(items(&page).iter().all(|message| message["siblings"]["count"] == 1), "{page}");
        let tree = app.get(&format!("{place}/tree")).await.is(200);
        assert_eq!(items(&tree).len(), 4);
        assert!(items(&tree).iter().all(|node| node["id"] != id));
    }
    let events = log(&app, &forked).await;
    tiles(&events);
    let kinds: Vec<&str> = events.iter().take(2).map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["conversation.created", "conversation.forked"]);
}

#[tokio::test]
async fn a_fork_of_a_fork_outlives_both_its_origins() {
    let (mut app, at) = demo().await;
    app.talk(&at, "count to 2").await;
    let middle = fork(&app, &at, &json!({})).await;
    app.talk(&middle, "count to 3").await;
    let last = fork(&app, &middle, &json!({})).await;
    let kept = ["count to 2", "1, 2", "count to 3", "1, 2, 3"];
    for gone in [&at, &middle] {
        app.delete(gone).await.is(204);
        app.tidy().await;
        assert_eq!(path(&app, &last).await, kept);
    }
    app.restart().await;
    assert_eq!(path(&app, &last).await, kept);
    app.talk(&last, "count to 1").await;
    assert_eq!(path(&app, &last).await.len(), 6);
    // With the last that needs them, the messages go.
    app.delete(&last).await.is(204);
    for _ in 0..3 {
        app.tidy().await;
    }
    app.close().await;
    assert_eq!(app.rows("SELECT count(*) FROM messages"), 0);
    assert_eq!(app.rows("SELECT count(*) FROM parts"), 0);
}

#[tokio::test]
async fn forks_of_forks_have_an_end() {
    let (app, at) = demo().await;
    app.talk(&at, "count to 2").await;
    let mut last = at;
    for _ in 0..100 {
        last = fork(&app, &last, &json!({})).await;
    }
    assert_eq!(app.post(&format!("{last}/fork"), &json!({})).await.problem(409), "conflict");
    assert_eq!(path(&app, &last).await, ["count to 2", "1, 2"]);
}

#[tokio::test]
async fn a_fork_is_private_and_stays_when_its_origin_is_closed_to_its_maker() {
    let (app, at) = demo().await;
    app.talk(&at, "count to 2").await;
    app.patch(&at, &json!({"visibility": "workspace"})).await.is(200);
    let member = &app.people.member;
    let request = app.request(Method::POST, &format!("{at}/fork"), member).json(&json!({}));
    let forked = Answer::of(request).await.is(201);
    let forked = format!("/v1/conversations/{}", forked["conversation"]["id"].as_str().unwrap());
    assert_eq!(app.get(&forked).await.problem(404), "not-found");
    app.patch(&at, &json!({"visibility": "private"})).await.is(200);
    let page = Answer::of(app.request(Method::GET, &format!("{forked}/messages"), member)).await.is(200);
    assert_eq!(items(&page).len(), 2);
}

#[tokio::test]
async fn a_streaming_message_is_not_forked_yet() {
    let script = Script::saying("one two three").gated();
    let app = TestApp::new(std::sync::Arc::new(script.clone())).await;
    let at = app.conversation().await;
    assert_eq!(app.post(&format!("{at}/fork"), &json!({})).await.problem(409), "conflict");
    app.post(&format!("{at}/messages"), &json!({"text": "go"})).await.is(202);
    app.stream(&format!("{at}/events"), |events| events.iter().any(|event| event.kind == "part.delta")).await;
    assert_eq!(app.post(&format!("{at}/fork"), &json!({})).await.problem(409), "conflict");
    script.open_gate();
}

#[tokio::test]
async fn a_fork_under_the_same_key_is_made_once() {
    let (app, at) = demo().await;
    app.talk(&at, "count to 2").await;
    let ask = || {
        let request = app.request(Method::POST, &format!("{at}/fork"), &app.people.owner);
        Answer::of(request.header("Idempotency-Key", "a-fork").json(&json!({})))
    };
    let (first, second) = (ask().await.is(201), ask().await.is(201));
    assert_eq!(first["conversation"]["id"], second["conversation"]["id"]);
    // Also once the message is gone that it began at.
    let root = items(&app.get(&format!("{at}/tree")).await.is(200))[0]["id"].as_str().unwrap().to_owned();
    app.delete(&format!("{at}/messages/{root}")).await.is(204);
    assert_eq!(ask().await.is(201)["conversation"]["id"], first["conversation"]["id"]);
}

#[tokio::test]
async fn marks_are_kept_and_a_fork_takes_them_along_as_they_were() {
    let (app, at) = demo().await;
    let said = app.talk(&at, "count to 2").await;
    let message = format!("{at}/messages/{}", said["message_id"].as_str().unwrap());
    let marks = app.patch(&message, &json!({"branch_name": "Plan B", "starred": true})).await.is(200);
    assert_eq!(marks, json!({"branch_name": "Plan B", "starred": true, "pinned": false}));
    let forked = fork(&app, &at, &json!({})).await;
    let marks = app.patch(&message, &json!({"branch_name": null})).await.is(200);
    assert_eq!(marks, json!({"starred": true, "pinned": false}));
    let node = |tree: &Value| items(tree)[0].clone();
    let here = node(&app.get(&format!("{at}/tree")).await.is(200));
    assert_eq!((&here["branch_name"], &here["starred"]), (&Value::Null, &json!(true)));
    let there = node(&app.get(&format!("{forked}/tree")).await.is(200));
    assert_eq!(there["branch_name"], "Plan B");
    // What the fork says is its own.
    let theirs = format!("{forked}/messages/{}", said["message_id"].as_str().unwrap());
    app.patch(&theirs, &json!({"starred": false})).await.is(200);
    assert_eq!(node(&app.get(&format!("{at}/tree")).await.is(200))["starred"], true);
    assert_eq!(node(&app.get(&format!("{forked}/tree")).await.is(200))["starred"], false);
    // A star is nothing that is found by its words.
    let position = "SELECT value FROM meta WHERE key = 'search'";
    let before = app.rows(position);
    app.patch(&theirs, &json!({"starred": true})).await.is(200);
    assert_eq!(app.rows(position), before);
    app.patch(&theirs, &json!({"branch_name": "Plan C"})).await.is(200);
    assert!(app.rows(position) > before);
    let unknown = format!("{at}/messages/msg_00000000000000000000000000");
    assert_eq!(app.patch(&unknown, &json!({"starred": true})).await.problem(404), "not-found");
    assert_eq!(app.patch(&message, &json!({"branch_name": ""})).await.invalid(), "/branch_name");
}

#[tokio::test]
async fn a_deleted_branch_is_gone_from_the_tree_and_the_log_and_cursors_stay() {
    let (app, at) = demo().await;
    app.talk(&at, "count to 2").await;
    let doomed = app.talk(&at, "a secret, count to 9").await;
    let id = doomed["message_id"].as_str().unwrap();
    app.delete(&format!("{at}/messages/{id}")).await.is(204);
    assert_eq!(path(&app, &at).await, ["count to 2", "1, 2"]);
    assert_eq!(items(&app.get(&format!("{at}/tree")).await.is(200)).len(), 2);
    let gone = [
        format!("{at}/messages?head={id}"),
        format!("/v1/turns/{}", doomed["turn"]["id"].as_str().unwrap()),
        format!("/v1/turns/{}/events", doomed["turn"]["id"].as_str().unwrap()),
    ];
    for path in gone {
        assert_eq!(app.get(&path).await.problem(404), "not-found", "{path}");
    }
    let events = log(&app, &at).await;
    tiles(&events);
    let whole = events.iter().map(|event| event.data.to_string()).collect::<String>();
    assert!(!whole.contains("secret") && !whole.contains("8, 9"), "{whole}");
    let gone = events.iter().position(|event| event.kind == "redacted").unwrap();
    let kinds: Vec<&str> = events[gone..].iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["redacted", "conversation.head_changed", "branch.deleted", "caught_up"]);
    // From anywhere inside of what is gone, a cursor resumes.
    let redacted = &events[gone].data;
    assert_eq!(redacted["through"], redacted["seq"]);
    let middle = (redacted["prev"].as_u64().unwrap() + redacted["seq"].as_u64().unwrap()) / 2;
    let epoch = app.get(&at).await.is(200)["cursor"].as_str().unwrap().split('.').next().unwrap().to_owned();
    let path = format!("{at}/events?after={epoch}.{middle}");
    let rest = app.stream(&path, |events| events.last().is_some_and(|last| last.kind == "caught_up")).await;
    assert_eq!(rest[0].data["prev"], middle);
    assert_eq!(rest[0].kind, "redacted");
    // On the disk as well.
    app.close().await;
    assert_eq!(app.rows("SELECT count(*) FROM parts WHERE text LIKE '%secret%'"), 0);
    assert_eq!(app.rows("SELECT count(*) FROM events WHERE body LIKE '%secret%'"), 0);
}

#[tokio::test]
async fn deleting_an_answer_leaves_its_question() {
    let (app, at) = demo().await;
    let said = app.talk(&at, "count to 7").await;
    let id = said["messages"][1]["id"].as_str().unwrap();
    app.delete(&format!("{at}/messages/{id}")).await.is(204);
    assert_eq!(path(&app, &at).await, ["count to 7"]);
    let events = log(&app, &at).await;
    tiles(&events);
    assert!(events.iter().any(|event| event.kind == "turn.completed"));
    assert!(!events.iter().any(|event| event.data.to_string().contains("6, 7")));
    // And may be answered again.
    regenerate(&app, &at, &json!({})).await;
    assert_eq!(path(&app, &at).await, ["count to 7", "1, 2, 3, 4, 5, 6, 7"]);
}

#[tokio::test]
async fn what_runs_and_waits_on_a_deleted_branch_ends() {
    let script = Script::saying("one two three").gated();
    let app = TestApp::new(std::sync::Arc::new(script.clone())).await;
    let at = app.conversation().await;
    let running = app.post(&format!("{at}/messages"), &json!({"text": "doomed"})).await.is(202);
    let queued = app.post(&format!("{at}/messages"), &json!({"text": "waiting"})).await.is(202);
    assert_eq!(queued["turn"]["state"], "queued");
    app.stream(&format!("{at}/events"), |events| events.iter().any(|event| event.kind == "part.delta")).await;
    let id = running["message_id"].as_str().unwrap();
    app.delete(&format!("{at}/messages/{id}")).await.is(204);
    let seen = app.get(&at).await.is(200);
    assert_eq!(seen["head"], Value::Null);
    assert_eq!(seen["turns"], json!({"running": [], "waiting": [], "queued": []}));
    let events = log(&app, &at).await;
    tiles(&events);
    // Nor is it told what waited to be said.
    assert!(!format!("{events:?}").contains("waiting"), "{events:?}");
    let turn = format!("/v1/turns/{}", queued["turn"]["id"].as_str().unwrap());
    assert_eq!(app.get(&turn).await.problem(404), "not-found");
    script.open_gate();
    app.talk(&at, "a new root").await;
    assert_eq!(path(&app, &at).await, ["a new root", "one two three"]);
}

#[tokio::test]
async fn a_deleted_branch_stays_for_its_fork_alone_and_goes_with_it() {
    let (mut app, at) = demo().await;
    let root = app.talk(&at, "count to 2").await["message_id"].as_str().unwrap().to_owned();
    app.talk(&at, "count to 3").await;
    let forked = fork(&app, &at, &json!({})).await;
    app.talk(&at, "beside the fork").await;
    app.delete(&format!("{at}/messages/{root}")).await.is(204);
    assert_eq!(path(&app, &at).await, Vec::<String>::new());
    assert_eq!(items(&app.get(&format!("{at}/tree")).await.is(200)).len(), 0);
    assert_eq!(app.get(&format!("{at}/messages?head={root}")).await.problem(404), "not-found");
    let kept = ["count to 2", "1, 2", "count to 3", "1, 2, 3"];
    assert_eq!(path(&app, &forked).await, kept);
    let inherited = app.delete(&format!("{forked}/messages/{root}")).await;
    assert_eq!(inherited.problem(409), "conflict");
    app.restart().await;
    assert_eq!(path(&app, &forked).await, kept);
    assert_eq!(path(&app, &at).await, Vec::<String>::new());
    app.delete(&forked).await.is(204);
    for _ in 0..2 {
        app.tidy().await;
    }
    app.close().await;
    assert_eq!(app.rows("SELECT count(*) FROM messages"), 0);
    assert_eq!(app.rows("SELECT count(*) FROM deleted_branches"), 0);
}

/// How much of three exchanges is left where a fork of all of them is deleted, and its own fork needs the first.
async fn left_for_a_fork_of_a_deleted_fork(branch_alone: bool) -> i64 {
    let (app, at) = demo().await;
    let root = app.talk(&at, "count to 2").await["message_id"].as_str().unwrap().to_owned();
    let first = app.get(&at).await.is(200)["head"].as_str().unwrap().to_owned();
    app.patch(&format!("{at}/messages/{first}"), &json!({"starred": true})).await.is(200);
    app.talk(&at, "count to 3").await;
    app.talk(&at, "count to 4").await;
    let middle = fork(&app, &at, &json!({})).await;
    app.patch(&format!("{middle}/messages/{root}"), &json!({"starred": true})).await.is(200);
    let last = fork(&app, &middle, &json!({"message_id": first})).await;
    match branch_alone {
        true => app.delete(&format!("{at}/messages/{root}")).await.is(204),
        false => app.delete(&at).await.is(204),
    };
    app.tidy().await;
    app.delete(&middle).await.is(204);
    for _ in 0..3 {
        app.tidy().await;
    }
    let left = app.rows("SELECT count(*) FROM messages");
    assert_eq!(path(&app, &last).await, ["count to 2", "1, 2"]);
    let tree = app.get(&format!("{last}/tree")).await.is(200);
    let starred: Vec<_> = items(&tree).iter().map(|node| node["starred"] == true).collect();
    assert_eq!(starred, [true, true]);
    app.delete(&last).await.is(204);
    for _ in 0..3 {
        app.tidy().await;
    }
    assert_eq!(app.rows("SELECT count(*) FROM messages"), 0);
    left
}

#[tokio::test]
async fn a_deleted_fork_holds_no_more_than_its_own_forks_need() {
    assert_eq!(left_for_a_fork_of_a_deleted_fork(false).await, 2);
    assert_eq!(left_for_a_fork_of_a_deleted_fork(true).await, 2);
}

#[tokio::test]
async fn what_a_fork_answered_itself_stays_when_its_origin_deletes_what_was_asked() {
    let (mut app, at) = demo().await;
    let root = app.talk(&at, "count to 2").await["message_id"].clone();
    let forked = fork(&app, &at, &json!({"message_id": root})).await;
    let again = regenerate(&app, &forked, &json!({"message_id": root})).await;
    let turn = format!("/v1/turns/{}", again["turn"]["id"].as_str().unwrap());
    app.delete(&format!("{at}/messages/{}", root.as_str().unwrap())).await.is(204);
    for _ in 0..2 {
        assert_eq!(app.get(&turn).await.is(200)["state"], "completed");
        assert_eq!(path(&app, &forked).await, ["count to 2", "1, 2"]);
        tiles(&log(&app, &forked).await);
        app.restart().await;
    }
    // And what it deletes itself is gone from its own log.
    let answer = again["messages"][0]["id"].as_str().unwrap();
    app.delete(&format!("{forked}/messages/{answer}")).await.is(204);
    let events = log(&app, &forked).await;
    tiles(&events);
    assert!(!format!("{events:?}").contains("1, 2"), "{events:?}");
}

#[tokio::test]
async fn turns_run_on_several_leaves_at_once() {
    let script = Script::saying("one two three").gated();
    let app = TestApp::new(std::sync::Arc::new(script.clone())).await;
    let at = app.conversation().await;
    let send = |text: &str| {
        let body = json!({"text": text, "parent_id": null});
        let (app, path) = (&app, format!("{at}/messages"));
        async move { app.post(&path, &body).await }
    };
    for text in ["a", "b", "c", "d"] {
        assert_eq!(send(text).await.is(202)["turn"]["state"], "running");
    }
    assert_eq!(send("e").await.problem(429), "rate-limited");
    script.open_gate();
    let all = |events: &[Event]| events.iter().filter(|event| event.kind == "turn.completed").count() == 4;
    let events =
        tokio::time::timeout(Duration::from_secs(20), app.stream(&format!("{at}/events"), all)).await;
    tiles(&events.unwrap());
    let tree = app.get(&format!("{at}/tree")).await.is(200);
    assert_eq!(items(&tree).len(), 8);
    // The last one sent is where the view is.
    assert_eq!(path(&app, &at).await, ["d", "one two three"]);
}

#[tokio::test]
async fn two_clients_that_edit_at_once_make_two_siblings() {
    let (app, at) = demo().await;
    app.talk(&at, "count to 1").await;
    let head = app.get(&at).await.is(200)["head"].clone();
    let edit = |text: &str| {
        let body = json!({"text": text, "parent_id": head});
        let app = &app;
        let at = &at;
        async move { say(app, at, &body).await }
    };
    let (one, two) = tokio::join!(edit("count to 2"), edit("count to 3"));
    assert_eq!(one["turn"]["state"], "completed");
    assert_eq!(two["turn"]["state"], "completed");
    let page = app.get(&format!("{at}/messages")).await.is(200);
    assert_eq!(items(&page)[1]["siblings"]["count"], 2);
    tiles(&log(&app, &at).await);
}
