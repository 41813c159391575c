//! Conversations: create or find, list, change, delete, many at once.

use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{Answer, TestApp};

async fn create(app: &TestApp, token: &str, body: Value) -> Answer {
    Answer::of(app.request(Method::POST, "/v1/conversations", token).json(&body)).await
}

#[tokio::test]
async fn one_name_is_one_conversation() {
    let app = TestApp::demo().await;
    let body = json!({"name": "support/42", "title": "Forty-two", "metadata": {"order": 42}});
    let created = app.post("/v1/conversations", &body).await;
    let first = created.is(201);
    let id = first["conversation"]["id"].as_str().unwrap();
    assert_eq!(created.header("location"), format!("/v1/conversations/{id}"));
    let again = app.post("/v1/conversations", &json!({"name": "support/42"})).await.is(200);
    assert_eq!(again["conversation"], first["conversation"]);
    let other = app.post("/v1/conversations", &json!({"name": "support/42", "agent": "other"})).await.is(201);
    assert_ne!(other["conversation"]["id"], first["conversation"]["id"]);
}

#[tokio::test]
async fn someone_elses_private_name_is_a_bare_conflict() {
    let app = TestApp::demo().await;
    let body = json!({"name": "mine", "title": "a secret title"});
    let mine = app.post("/v1/conversations", &body).await.is(201);
    let theirs = create(&app, &app.people.member, json!({"name": "mine"})).await;
    assert_eq!(theirs.problem(409), "conflict");
    let id = mine["conversation"]["id"].as_str().unwrap();
    assert!(!theirs.text.contains(id) && !theirs.text.contains("secret"), "{}", theirs.text);
    // In another workspace the name is free.
    create(&app, &app.people.stranger, json!({"name": "mine"})).await.is(201);
    app.patch(&format!("/v1/conversations/{id}"), &json!({"visibility": "workspace"})).await.is(200);
    let found = create(&app, &app.people.member, json!({"name": "mine"})).await.is(200);
    assert_eq!(found["conversation"]["id"], id);
}

#[tokio::test]
async fn a_conversation_begins_with_its_message_and_a_repeat_makes_no_second_one() {
    let app = TestApp::demo().await;
    let body = json!({"title": "Counting", "message": {"text": "count to 2"}});
    let send = || async {
        let request = app.request(Method::POST, "/v1/conversations", &app.people.owner);
        Answer::of(request.header("Idempotency-Key", "key-1").json(&body)).await
    };
    let (first, twin) = tokio::join!(send(), send());
    let (first, twin, later) = (first.is(201), twin.is(201), send().await.is(201));
    for repeat in [&twin, &later] {
        assert_eq!(repeat["conversation"]["id"], first["conversation"]["id"]);
        assert_eq!((&repeat["message_id"], &repeat["cursor"]), (&first["message_id"], &first["cursor"]));
        assert_eq!(repeat["turn"]["id"], first["turn"]["id"]);
    }
    assert_eq!(app.get("/v1/conversations").await.is(200)["items"].as_array().unwrap().len(), 1);

    let request = app.request(Method::POST, "/v1/conversations", &app.people.owner);
    let other = Answer::of(request.header("Idempotency-Key", "key-1").json(&json!({"title": "Else"}))).await;
    assert_eq!(other.problem(409), "idempotency-key-reused");
}

#[tokio::test]
async fn lists_are_filtered_paged_and_hold_only_what_one_sees() {
    let app = TestApp::demo().await;
    for at in 0..5 {
        let body = json!({"title": format!("c{at}"), "metadata": {"parity": at % 2, "tag": "x/y"}});
        app.post("/v1/conversations", &body).await.is(201);
    }
    create(&app, &app.people.member, json!({"title": "shared", "visibility": "workspace"})).await.is(201);
    create(&app, &app.people.member, json!({"title": "theirs"})).await.is(201);
    create(&app, &app.people.stranger, json!({"title": "foreign", "visibility": "workspace"})).await.is(201);

    let titles = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap().iter();
        items.map(|item| item["title"].as_str().unwrap().to_owned()).collect()
    };
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = app.get(&format!("/v1/conversations?limit=4{cursor}")).await.is(200);
        assert!(page["feed_cursor"].is_string());
        seen.extend(titles(&page));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    seen.sort();
    assert_eq!(seen, ["c0", "c1", "c2", "c3", "c4", "shared"]);

    let odd = app.get("/v1/conversations?metadata.parity=1&metadata.tag=x%2Fy").await.is(200);
    assert_eq!(titles(&odd).len(), 2, "{odd}");
    let none = app.get("/v1/conversations?agent=other").await.is(200);
    assert_eq!(none["items"], json!([]));
    let idle = app.get("/v1/conversations?running=false&archived=false").await.is(200);
    assert_eq!(titles(&idle).len(), 6);
    let late = app.get("/v1/conversations?updated_since=2200-01-01T00:00:00Z").await.is(200);
    assert_eq!(late["items"], json!([]));
}

#[tokio::test]
async fn a_list_refuses_what_it_does_not_know_by_name() {
    let app = TestApp::demo().await;
    for (query, pointer) in [
        ("colour=red", "/colour"),
        ("limit=many", "/limit"),
        ("limit=0", "/limit"),
        ("limit=1&limit=2", "/limit"),
        ("archived=perhaps", "/archived"),
        ("updated_since=yesterday", "/updated_since"),
    ] {
        assert_eq!(app.get(&format!("/v1/conversations?{query}")).await.invalid(), pointer, "{query}");
    }
    assert_eq!(app.get("/v1/conversations?cursor=x").await.problem(400), "invalid-cursor");
}

#[tokio::test]
async fn what_is_changed_is_there_and_the_rest_stays() {
    let app = TestApp::demo().await;
    let at = app.conversation().await;
    let changed =
        app.patch(&at, &json!({"title": "New", "metadata": {"a": 1}, "agent": "other"})).await.is(200);
    assert_eq!((&changed["title"], &changed["metadata"]), (&json!("New"), &json!({"a": 1})));
    let changed = app.patch(&at, &json!({"archived": true})).await.is(200);
    assert_eq!((&changed["title"], &changed["agent"]), (&json!("New"), &json!("other")));
    app.patch(&at, &json!({})).await.is(200);
    let read = app.get(&at).await.is(200);
    assert_eq!((&read["title"], &read["archived"]), (&json!("New"), &json!(true)));
    assert_eq!(read["pending_approvals"], json!([]));
    assert_eq!(read["turns"], json!({"running": [], "waiting": [], "queued": []}));
    assert!(read["cursor"].as_str().unwrap().contains('.'));
}

#[tokio::test]
async fn a_conversation_refuses_what_does_not_fit() {
    let app = TestApp::demo().await;
    let at = app.conversation().await;
    let big = "x".repeat(17 * 1024);
    for (body, pointer) in [
        (json!({"title": ""}), "/title"),
        (json!({"title": "x".repeat(501)}), "/title"),
        (json!({"title": "a\u{0}b"}), "/title"),
        (json!({"visibility": "everyone"}), "/visibility"),
        (json!({"metadata": []}), "/metadata"),
        (json!({"metadata": {"k": big}}), "/metadata"),
        (json!({"agent": "nobody"}), "/agent"),
        (json!({"archived": "yes"}), "/archived"),
        (json!({"head": "msg_x"}), "/head"),
        (json!([]), ""),
    ] {
        assert_eq!(app.patch(&at, &body).await.invalid(), pointer, "{body}");
    }
    assert_eq!(app.post("/v1/conversations", &json!({"name": "x".repeat(201)})).await.invalid(), "/name");
    let message = json!({"message": {"text": "hi", "parent_id": "msg_01h2xcejqtf2nbrexx3vqjhp41"}});
    assert_eq!(app.post("/v1/conversations", &message).await.invalid(), "/parent_id");
}

#[tokio::test]
async fn only_the_creator_or_an_admin_deletes_what_is_shared() {
    let app = TestApp::demo().await;
    let body = json!({"visibility": "workspace"});
    let shared = create(&app, &app.people.member, body).await.is(201);
    let at = format!("/v1/conversations/{}", shared["conversation"]["id"].as_str().unwrap());
    // A second member: the viewer may not even write.
    let request = |method: Method, token: &str| app.request(method, &at, token);
    let viewer = Answer::of(request(Method::DELETE, &app.people.viewer)).await;
    assert_eq!(viewer.problem(403), "forbidden");
    Answer::of(request(Method::DELETE, &app.people.admin)).await.is(204);
    assert_eq!(Answer::of(request(Method::GET, &app.people.member)).await.problem(404), "not-found");

    let mine = app.conversation().await;
    app.patch(&mine, &json!({"visibility": "workspace"})).await.is(200);
    let member = app.request(Method::PATCH, &mine, &app.people.member);
    let renamed = Answer::of(member.json(&json!({"title": "Renamed by a member"}))).await;
    renamed.is(200);
    for refused in [
        Answer::of(app.request(Method::DELETE, &mine, &app.people.member)).await,
        Answer::of(
            app.request(Method::PATCH, &mine, &app.people.member).json(&json!({"visibility": "private"})),
        )
        .await,
    ] {
        assert_eq!(refused.problem(403), "forbidden");
    }
    app.delete(&mine).await.is(204);
    assert_eq!(app.delete(&mine).await.problem(404), "not-found");
}

#[tokio::test]
async fn many_at_once_have_a_result_each() {
    let app = TestApp::demo().await;
    let id = |path: String| path.rsplit('/').next().unwrap().to_owned();
    let (one, two) = (id(app.conversation().await), id(app.conversation().await));
    let foreign = create(&app, &app.people.stranger, json!({})).await.is(201);
    let foreign = foreign["conversation"]["id"].as_str().unwrap();

    let bulk = |action: &str| json!({"ids": [one, foreign, two, one], "action": action});
    let archived = app.post("/v1/conversations/bulk", &bulk("archive")).await.is(200);
    let statuses = |answer: &Value| -> Vec<u64> {
        let items = answer["items"].as_array().unwrap().iter();
        items.map(|item| item["status"].as_u64().unwrap()).collect()
    };
    assert_eq!(statuses(&archived), [200, 404, 200, 200]);
    assert_eq!(archived["items"][1]["problem"]["type"], "not-found");
    assert_eq!(app.get(&format!("/v1/conversations/{one}")).await.is(200)["archived"], true);
    let deleted = app.post("/v1/conversations/bulk", &bulk("delete")).await.is(200);
    assert_eq!(statuses(&deleted), [204, 404, 204, 404]);

    let many: Vec<_> = std::iter::repeat_n(one.clone(), 201).collect();
    for (body, pointer) in [
        (json!({"ids": [], "action": "delete"}), "/ids"),
        (json!({"ids": many, "action": "delete"}), "/ids"),
        (json!({"ids": [one, "nonsense"], "action": "delete"}), "/ids/1"),
        (json!({"ids": [one], "action": "explode"}), "/action"),
        (json!({"ids": [one]}), ""),
    ] {
        assert_eq!(app.post("/v1/conversations/bulk", &body).await.invalid(), pointer);
    }
}

#[tokio::test]
async fn the_catalogue_says_who_answers() {
    let app = TestApp::demo().await;
    let agents = app.get("/v1/agents").await.is(200);
    assert_eq!(agents["items"][0]["id"], "default");
    assert_eq!(agents["items"][0]["models"], json!(["demo"]));
    let models = app.get("/v1/models").await.is(200);
    assert_eq!(
        (&models["items"][0]["id"], &models["items"][0]["provider"]),
        (&json!("demo"), &json!("test"))
    );
    let meta = app.get("/v1/meta").await.is(200);
    assert_eq!(meta["protocol"], "v1");
    assert_eq!(meta["limits"]["message_bytes"], 1 << 20);
}

#[tokio::test]
async fn a_send_is_answered_with_the_settings_of_its_conversation_where_it_names_none() {
    let app = TestApp::demo().await;
    let settings = json!({"temperature": 0.25, "reasoning_effort": "low"});
    let created = app.post("/v1/conversations", &json!({"settings": settings})).await.is(201);
    assert_eq!(created["conversation"]["settings"], settings);
    let path = format!("/v1/conversations/{}", created["conversation"]["id"].as_str().unwrap());
    let send = async |body: Value| app.post(&format!("{path}/messages"), &body).await.is(202);
    send(json!({"text": "count to 1"})).await;
    send(json!({"text": "count to 1", "settings": {"temperature": 1.0}})).await;
    let changed = app.patch(&path, &json!({"settings": {"max_output_tokens": 9}})).await.is(200);
    assert_eq!(changed["settings"], json!({"max_output_tokens": 9}));
    send(json!({"text": "count to 1"})).await;

    let ended = |kind: &str| kind == "turn.completed";
    let events = app
        .stream(&format!("{path}/events"), |events| {
            events.iter().filter(|event| ended(&event.kind)).count() == 3
        })
        .await;
    let started = events.iter().filter(|event| event.kind == "turn.started");
    let used: Vec<&Value> = started.map(|event| &event.data["turn"]["request"]["settings"]).collect();
    let expected =
        [settings, json!({"temperature": 1.0, "reasoning_effort": "low"}), json!({"max_output_tokens": 9})];
    assert_eq!(used, expected.iter().collect::<Vec<_>>());

    let wrong = app.patch(&path, &json!({"settings": {"temperature": 3}})).await;
    assert_eq!(wrong.invalid(), "/settings/temperature");
    assert_eq!(app.patch(&path, &json!({"settings": {"top_k": 3}})).await.invalid(), "/settings/top_k");
}

#[tokio::test]
async fn a_title_is_taken_away_with_null_and_stays_where_it_is_not_named() {
    let app = TestApp::demo().await;
    let created = app.post("/v1/conversations", &json!({"title": "First"})).await.is(201);
    let path = format!("/v1/conversations/{}", created["conversation"]["id"].as_str().unwrap());
    assert_eq!(app.patch(&path, &json!({"archived": true})).await.is(200)["title"], "First");
    let untitled = app.patch(&path, &json!({"title": null})).await.is(200);
    assert_eq!(untitled.get("title"), None, "{untitled}");
    let events = app.stream(&format!("{path}/events"), |events| events.len() == 3).await;
    assert_eq!(events[2].data["changes"], json!({"title": null}));
}
