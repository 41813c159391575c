//! Servers that change, forget, break off, and mean no good.

use std::time::Duration;

use serde_json::{Value, json};

use crate::pretender::{Pretender, tool};
use crate::scene::Scene;
use crate::support::within;

const ALLOW: &str = "\"outside.*\" = \"allow\"";

#[tokio::test]
async fn a_changed_tool_voids_what_was_approved() {
    let outside = Pretender::open(vec![tool("wipe", "Wipes the table")]).await;
    let scene = Scene::new(&outside.config(), "").await;
    scene.outside_is_ready().await;
    let turn = scene.calls(&[("wipe", json!({}))]).await;
    scene.turn_is(&turn, "waiting").await;
    let shown = scene.pending().await[0].clone();
    assert_eq!(shown["context"]["tool"]["description"], "Wipes the table");

    outside.has(vec![tool("wipe", "Wipes the disk"), tool("new", "Is new")]);
    scene.client.post("/v1/mcp/outside/refresh", &json!({})).await.expect(202);
    scene
        .outside_is("have the new tool", |outside| outside["tools"] == json!(["outside.new", "outside.wipe"]))
        .await;
    scene.approve(&shown).await.expect(200);
    let asked_anew = crate::support::within("people to be asked anew", async {
        loop {
            match scene.pending().await.first() {
                Some(approval) if approval["id"] != shown["id"] => return approval.clone(),
                _ => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
            }
        }
    })
    .await;
    assert_eq!(asked_anew["context"]["tool"]["description"], "Wipes the disk");
    let path = format!("/v1/approvals/{}", shown["id"].as_str().expect("an id"));
    assert_eq!(scene.client.get(&path).await.expect(200)["state"], "void");
    assert_eq!(outside.called(), Vec::<Value>::new());

    scene.approve(&asked_anew).await.expect(200);
    assert_eq!(scene.answer(&turn).await, "told: done");
    assert_eq!(outside.called().len(), 1);
}

#[tokio::test]
async fn a_call_on_a_forgotten_session_runs_once() {
    let outside = Pretender::open(vec![tool("look", "Looks")]).await;
    let scene = Scene::new(&outside.config(), ALLOW).await;
    scene.outside_is_ready().await;
    outside.forget_sessions();
    let turn = scene.calls(&[("look", json!({}))]).await;
    assert_eq!(scene.answer(&turn).await, "told: done");
    assert_eq!(outside.called().len(), 1);
}

#[tokio::test]
async fn an_answer_that_breaks_off_leaves_the_call_unknown() {
    let outside = Pretender::open(vec![tool("look", "Looks")]).await;
    let scene = Scene::new(&outside.config(), ALLOW).await;
    scene.outside_is_ready().await;
    let turn = scene.calls(&[("look", json!({"how": "break"}))]).await;
    scene.call_is("be unknown", |call| call["state"] == "unknown").await;
    scene.turn_is(&turn, "waiting").await;
    assert_eq!(outside.called().len(), 1);
}

#[tokio::test]
async fn what_a_stranger_declares_is_bounded_and_checked() {
    let endless = json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}, "type": "object"});
    let outside = Pretender::open(vec![
        tool("good", "Is good"),
        tool("bad name", "Has a space"),
        json!({"name": "endless", "inputSchema": endless}),
        tool("long", &"x".repeat(100_000)),
        tool("good", "Is there twice"),
        tool("hidden", "Is not wanted"),
    ])
    .await;
    let config = format!("{}\ntools = [\"good\", \"bad*\", \"endless\", \"long\"]", outside.config());
    let scene = Scene::new(&config, ALLOW).await;
    let ready = scene.outside_is_ready().await;
    assert_eq!(ready["tools"], json!(["outside.good", "outside.long"]));
    let left_out: Vec<&str> =
        ready["left_out"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    assert_eq!(left_out.len(), 3, "{left_out:?}");
    assert!(left_out[0].starts_with("bad name: ") && left_out[1].starts_with("endless: "), "{left_out:?}");
    assert_eq!(left_out[2], "good: it is there twice");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let outside = Pretender::open(vec![tool("look", "Looks")]).await;
    let config = outside.config().replace("/mcp\"", "/away\"");
    let scene = Scene::new(&config, ALLOW).await;
    scene.outside_is("fail", |outside| outside["state"] == "failed").await;
}

#[tokio::test]
async fn an_endless_line_and_a_program_that_is_not_there_hold_nothing_up() {
    let scene = Scene::new("command = [\"/bin/sh\", \"-c\", \"yes | tr -d '\\\\n'\"]", ALLOW).await;
    let turn = scene.client.get("/v1/mcp").await.expect(200);
    assert_eq!(turn["items"][0]["tools"], json!([]));
    let asked = scene.calls(&[("look", json!({}))]).await;
    // Nobody offered it, and nobody waits for ever.
    scene.client.cancel(&asked).await.expect(200);

    let scene = Scene::new("command = [\"/nowhere/at/all\"]", ALLOW).await;
    assert_eq!(scene.client.post("/v1/mcp/inside/connect", &json!({})).await.status, 404);
    let failed = scene.outside_is("fail", |outside| outside["state"] == "failed").await;
    assert!(failed["last_error"].as_str().is_some_and(|error| error.contains("/nowhere/at/all")), "{failed}");
}

#[tokio::test]
async fn hints_take_back_an_allow_that_named_no_tool() {
    let mut wipes = tool("wipe", "Wipes");
    wipes["annotations"] = json!({"destructiveHint": true});
    let mut reads = tool("read", "Reads");
    reads["annotations"] = json!({"readOnlyHint": true, "destructiveHint": true, "idempotentHint": true});
    let outside = Pretender::open(vec![wipes, reads]).await;
    let scene = Scene::new(&outside.config(), ALLOW).await;
    scene.outside_is_ready().await;
    let turn = scene.calls(&[("read", json!({})), ("wipe", json!({}))]).await;
    scene.turn_is(&turn, "waiting").await;
    let pending = scene.pending().await;
    assert_eq!((pending.len(), &pending[0]["tool"]), (1, &json!("outside.wipe")));
    let called = outside.called();
    assert_eq!((called.len(), &called[0]["name"]), (1, &json!("read")));
}

#[tokio::test]
async fn the_revision_without_a_handshake_asks_in_rounds() {
    let outside = Pretender::modern(vec![tool("greet", "Greets"), tool("b", "B"), tool("c", "C")]).await;
    let scene = Scene::new(&outside.config(), ALLOW).await;
    let ready = scene.outside_is_ready().await;
    assert_eq!(ready["protocol"], "2026-07-28");
    assert_eq!(ready["tools"], json!(["outside.b", "outside.c", "outside.greet"]));
    let turn = scene.calls(&[("greet", json!({}))]).await;
    let call = scene.call_is("ask", |call| call["question"].is_object()).await;
    assert_eq!(call["question"]["message"], "Who is it for?");
    scene.answers(&call, "accept", Some(json!({"name": "Ada"}))).await.expect(200);
    let answer = scene.answer(&turn).await;
    assert!(answer.contains("accept") && answer.contains("Ada"), "{answer}");
    assert_eq!(outside.called().len(), 2);
    // The list is read again when somebody asks for it, whatever it says of its age.
    outside.has(vec![tool("d", "D")]);
    scene.client.post("/v1/mcp/outside/refresh", &json!({})).await.expect(202);
    scene.outside_is("have the new tool", |outside| outside["tools"] == json!(["outside.d"])).await;
}

#[tokio::test]
async fn a_question_that_names_no_call_is_asked_only_where_one_was_alone() {
    let outside = Pretender::open(vec![tool("look", "Looks")]).await;
    let mut scene = Scene::new(&outside.config(), ALLOW).await;
    scene.outside_is_ready().await;
    let waits = async |scene: &Scene, how: &str| {
        let turn = scene.calls(&[("look", json!({"how": how}))]).await;
        within("the server to be called", async {
            while outside.called().iter().all(|params| params["arguments"]["how"] != how) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        turn
    };
    let cancelled = json!({"action": "cancel"});

    // Alone, it is the one who asks.
    let first = waits(&scene, "wait 1").await;
    let answered = async {
        let call = scene.call_is("ask", |call| call["question"].is_object()).await;
        scene.answers(&call, "accept", Some(json!({"name": "Ada"}))).await.expect(200);
    };
    let (answer, ()) = tokio::join!(outside.asks(), answered);
    assert_eq!((&answer["action"], &answer["content"]), (&json!("accept"), &json!({"name": "Ada"})));

    // Beside another it is not, nor afterwards: the question may be older than the other's end.
    let theirs = std::mem::replace(&mut scene.conversation, scene.client.converse("default").await);
    let second = waits(&scene, "wait 2").await;
    assert_eq!(outside.asks().await, cancelled);
    outside.release("wait 1");
    scene.turn_is(&first, "completed").await;
    assert_eq!(outside.asks().await, cancelled);
    outside.release("wait 2");
    scene.turn_is(&second, "completed").await;

    // Whoever comes next is alone again, unless one was given up, which may go on at the server.
    let third = waits(&scene, "wait 3").await;
    scene.call_is("run", |call| call["state"] == "started").await;
    let declined = async {
        let call = scene.call_is("ask", |call| call["question"].is_object()).await;
        scene.answers(&call, "decline", None).await.expect(200);
    };
    let (answer, ()) = tokio::join!(outside.asks(), declined);
    assert_eq!(answer, json!({"action": "decline"}));
    scene.client.cancel(&third).await.expect(200);
    scene.conversation = theirs;
    let fourth = waits(&scene, "wait 4").await;
    assert_eq!(outside.asks().await, cancelled);
    outside.release("wait 4");
    scene.turn_is(&fourth, "completed").await;
    let log = scene.client.log(&scene.conversation).await;
    assert_eq!(log.events_of_type("tool.asked").count(), 1, "one question of four calls was for them");
}
