//! What an agent asks people, and what it notes about them.

use reqwest::Method;
use serde_json::{Value, json};

use crate::scene::Scene;
use crate::support::client::Client;

#[tokio::test]
async fn a_question_waits_for_an_answer_over_restarts() {
    let mut scene = Scene::new().await;
    let question = json!({"question": "Which one?", "choices": ["red", "blue"]});
    let turn = scene.calls(&json!([{"tool": "ask_user", "args": question}])).await;
    let waiting = scene.turn_is(&turn, "waiting").await;
    assert_eq!(waiting["waiting_for"], "answer");
    assert_eq!(scene.pending().await, Vec::<Value>::new(), "there is nothing to approve");
    scene.kill_and_restart().await;
    scene.turn_is(&turn, "waiting").await;

    let log = scene.client.log(&scene.conversation).await;
    let call = log.events().find(|event| event["type"] == "tool.proposed").expect("a call");
    let pending = log.events().find(|event| event["type"] == "tool.pending").expect("it waits");
    assert_eq!((&call["call"]["args"], &pending["for"]), (&question, &json!("answer")));
    let result = format!("/v1/tool-calls/{}/result", call["call"]["id"].as_str().expect("an id"));
    let stranger = scene.person("ben", "member").await;
    assert_eq!(stranger.post(&result, &json!({"output": "red"})).await.status, 404);
    scene.client.post(&result, &json!({"output": "blue"})).await.expect(200);
    assert_eq!(scene.client.post(&result, &json!({"output": "red"})).await.status, 409);
    assert_eq!(scene.answer(&turn).await, "told: blue");
}

#[tokio::test]
async fn what_an_agent_notes_is_shown_to_its_person_and_told_to_the_model_later() {
    let mut scene = Scene::new().await;
    let save = json!([{"tool": "memory", "args": {"action": "save", "text": "likes short answers"}}]);
    let turn = scene.calls(&save).await;
    let told = scene.answer(&turn).await;
    let notes = scene.memories(&scene.client).await;
    assert_eq!((notes.len(), &notes[0]["text"]), (1, &json!("likes short answers")));
    let id = notes[0]["id"].as_str().expect("an id").to_owned();
    assert_eq!(told, format!("told: noted as {id}"));

    // Another conversation with the same agent begins with it, also after a restart.
    scene.kill_and_restart().await;
    scene.conversation = scene.client.converse("default").await;
    let system = |context: Value| context["system"]["text"].as_str().unwrap_or_default().to_owned();
    let path = format!("/v1/conversations/{}/context", scene.conversation);
    let before = system(scene.client.get(&path).await.expect(200));
    assert!(before.contains(&format!("[{id}] likes short answers")), "{before}");

    // It is the person's: to change, to strike out, and nobody else's to see.
    let anna = scene.person("anna", "admin").await;
    assert_eq!(scene.memories(&anna).await, Vec::<Value>::new());
    let one = format!("/v1/memories/{id}");
    assert_eq!(anna.send(Method::PATCH, &one, &json!({"text": "likes nothing"})).await.status, 404);
    assert_eq!(anna.send(Method::DELETE, &one, &json!({})).await.status, 404);
    let changed = scene.client.send(Method::PATCH, &one, &json!({"text": "likes long answers"})).await;
    assert_eq!(changed.expect(200)["text"], "likes long answers");
    let too_long = json!({"text": "x".repeat(501)});
    assert_eq!(scene.client.send(Method::PATCH, &one, &too_long).await.status, 422);
    scene.client.send(Method::DELETE, &one, &json!({})).await.expect(204);
    let after = system(scene.client.get(&path).await.expect(200));
    assert!(!after.contains("likes"), "{after}");

    let unknown = json!({"agent": "nobody", "text": "x"});
    assert_eq!(scene.client.post("/v1/memories", &unknown).await.status, 422);
    let made = scene.client.post("/v1/memories", &json!({"agent": "default", "text": "is called Kim"})).await;
    made.expect(201);
    let list = json!([{"tool": "memory", "args": {"action": "list"}}]);
    let turn = scene.calls(&list).await;
    assert!(scene.answer(&turn).await.contains("is called Kim"));
    // Where others read along, nothing is told of it.
    let at = format!("/v1/conversations/{}", scene.conversation);
    scene.client.send(Method::PATCH, &at, &json!({"visibility": "workspace"})).await.expect(200);
    let turn = scene.calls(&list).await;
    assert!(!scene.answer(&turn).await.contains("is called Kim"));
    let shared = system(scene.client.get(&path).await.expect(200));
    assert!(!shared.contains("is called Kim"), "{shared}");
}

#[tokio::test]
async fn an_agent_finds_what_was_said_and_only_what_everyone_there_may_see() {
    let mut scene = Scene::new().await;
    let secret = scene.client.converse("default").await;
    let path = format!("/v1/conversations/{secret}/messages");
    let text = json!([{"tool": "calculator", "args": {"expression": "40+2"}}]).to_string();
    let sent = scene.client.post(&path, &json!({"text": text})).await.expect(202);
    scene.turn_is(sent["turn"]["id"].as_str().expect("a turn"), "completed").await;

    let search = |word: &str| json!([{"tool": "search_conversations", "args": {"query": word}}]);
    let turn = scene.calls(&search("40+2")).await;
    let told = scene.answer(&turn).await;
    assert!(told.contains(&secret), "{told}");

    // Somebody else who asks in a conversation that is shared is told nothing of what is private.
    scene.conversation = scene.client.converse("default").await;
    let path = format!("/v1/conversations/{}", scene.conversation);
    scene.client.send(Method::PATCH, &path, &json!({"visibility": "workspace"})).await.expect(200);
    let owner = scene.client.clone();
    scene.client = scene.person("ben", "member").await;
    let turn = scene.calls(&search("40+2")).await;
    let told = scene.answer(&turn).await;
    assert!(!told.contains(&secret), "{told}");
    scene.client = owner.clone();

    // Nor where its owner asks in a conversation that others read, or has an agent ask there.
    scene.client = owner.clone();
    let turn = scene.calls(&search("40+2")).await;
    assert!(!scene.answer(&turn).await.contains(&secret), "others read the answer");
    let token = json!({"ttl": 600, "conversation_ids": [scene.conversation]});
    let token = owner.post("/v1/auth/tokens", &token).await.expect(201);
    let narrow = Client::new(scene.server.base(), token["token"].as_str().expect("a token"));
    scene.client = narrow;
    let turn = scene.calls(&search("40+2")).await;
    let told = scene.answer(&turn).await;
    assert!(told.contains(&scene.conversation) && !told.contains(&secret), "what is said here alone: {told}");
    scene.client = owner.clone();

    // What is deleted is not found.
    let all = owner.get("/v1/conversations").await.expect(200);
    for conversation in all["items"].as_array().expect("a list") {
        let path = format!("/v1/conversations/{}", conversation["id"].as_str().expect("an id"));
        owner.send(Method::DELETE, &path, &json!({})).await.expect(204);
    }
    scene.conversation = owner.converse("default").await;
    let turn = scene.calls(&search("40+2")).await;
    assert_eq!(scene.answer(&turn).await, "told: Nothing was found.");
}

#[tokio::test]
async fn those_whom_an_approval_names_are_named_to_whoever_may_decide_it() {
    let scene = Scene::new().await;
    let turn = scene.calls(&json!([{"tool": "twice", "args": {"order": "7"}}])).await;
    scene.turn_is(&turn, "waiting").await;
    let approval = scene.pending().await.remove(0);
    let path = format!("/v1/approvals/{}/people", approval["id"].as_str().expect("an id"));
    let names = |people: &Value| -> Vec<Value> {
        people["items"].as_array().expect("a list").iter().map(|person| person["name"].clone()).collect()
    };
    let me = scene.client.get("/v1/me").await.expect(200)["user"].clone();
    let asked = scene.client.get(&path).await.expect(200);
    assert_eq!(asked["items"], json!([{"id": me["id"], "name": me["name"]}]), "for whom it was asked");

    let (grace, ben) = (scene.person("grace", "admin").await, scene.person("ben", "member").await);
    let yes = json!({"decision": "approve", "args_hash": approval["args_hash"]});
    let decide = path.replace("/people", "/decide");
    grace.post(&decide, &yes).await.expect(200);
    for client in [&scene.client, &grace] {
        let people = names(&client.get(&path).await.expect(200));
        assert!(
            people.len() == 2 && people.contains(&json!("grace")) && people.contains(&me["name"]),
            "{people:?}"
        );
    }
    assert_eq!(ben.get(&path).await.status, 404, "nor may they read the approval");
}

impl Scene {
    async fn memories(&self, client: &Client) -> Vec<Value> {
        client.get("/v1/memories").await.expect(200)["items"].as_array().expect("a list").clone()
    }
}
