//! Agents that work for agents.

use reqwest::Method;
use serde_json::{Value, json};

use crate::scene::{Scene, refund};
use crate::support::within;

fn helper(task: &Value) -> Value {
    json!({"tool": "agent.helper", "args": {"task": task.to_string()}})
}

impl Scene {
    async fn asked(&self) -> Value {
        within("somebody to be asked", async {
            loop {
                if let Some(approval) = self.pending().await.pop() {
                    return approval;
                }
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        })
        .await
    }
}

#[tokio::test]
async fn an_agent_that_works_for_another_asks_in_the_same_queue_and_its_result_comes_up() {
    let mut scene = Scene::new().await;
    let turn = scene.calls(&json!([helper(&json!([refund("7")]))])).await;
    let approval = scene.asked().await;
    let parents = &approval["context"]["parents"];
    assert_eq!(parents[0]["conversation_id"], scene.conversation);
    assert_eq!((&parents[0]["agent"], parents.as_array().map(Vec::len)), (&json!("default"), Some(1)));
    assert_eq!(approval["context"]["agent"], "helper");
    let child = approval["conversation_id"].as_str().expect("an id").to_owned();

    // It stands in no list, and is its requester's.
    let list = scene.client.get("/v1/conversations").await.expect(200);
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1));
    let shown = scene.client.get(&format!("/v1/conversations/{child}")).await.expect(200);
    assert_eq!(shown["parent"]["call_id"], parents[0]["call_id"]);
    let anna = scene.person("anna", "admin").await;
    assert_eq!(anna.get(&format!("/v1/conversations/{child}")).await.status, 404);

    // It goes on over a restart.
    scene.kill_and_restart().await;
    assert_eq!(scene.asked().await["id"], approval["id"]);
    assert_eq!(scene.outside.ran(), []);
    scene.decide(&approval, json!({"decision": "approve"})).await.expect(200);
    assert_eq!(scene.answer(&turn).await, r#"told: told: ran with {"order":"7"}"#);
    assert_eq!(scene.outside.ran().len(), 1);

    let log = scene.client.log(&scene.conversation).await;
    let started = log.events().find(|event| event["type"] == "tool.started").expect("it was started");
    assert_eq!(started["child_id"], child);
    let progress = |event: &&Value| event["type"] == "tool.progress";
    let told: Vec<&Value> = log.events().filter(progress).map(|event| &event["message"]).collect();
    assert!(told.contains(&&json!("waits for a person: refund")), "{told:?}");
    let usage = &scene.client.get(&format!("/v1/turns/{turn}")).await.expect(200)["usage"];
    assert_eq!(usage["output_tokens"], 4 * 5, "two steps of each");
}

#[tokio::test]
async fn a_cancel_goes_down_and_a_deletion_too() {
    let mut scene = Scene::new().await;
    let turn = scene.calls(&json!([helper(&json!([helper(&json!([refund("7")]))]))])).await;
    let approval = scene.asked().await;
    assert_eq!(approval["context"]["parents"].as_array().map(Vec::len), Some(2), "the whole path");
    let below = approval["turn_id"].as_str().expect("an id").to_owned();
    scene.client.cancel(&turn).await.expect(200);
    scene.turn_is(&below, "cancelled").await;
    let late = scene.decide(&approval, json!({"decision": "approve"})).await.expect(409);
    assert_eq!(late["approval"]["state"], "withdrawn");
    assert_eq!(scene.outside.ran(), []);

    let path = format!("/v1/conversations/{}", scene.conversation);
    scene.client.send(Method::DELETE, &path, &json!({})).await.expect(204);
    let child = format!("/v1/conversations/{}", approval["conversation_id"].as_str().expect("an id"));
    within("the conversation below to go", async {
        while scene.client.get(&child).await.status != 404 {
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    })
    .await;
    scene.conversation = scene.client.converse("default").await;
}

#[tokio::test]
async fn what_was_cancelled_while_the_server_died_is_stopped_at_the_next_start() {
    let mut scene = Scene::new().await;
    let turn = scene.calls(&json!([helper(&json!([refund("7")]))])).await;
    let approval = scene.asked().await;
    scene.server.arm("runtime::before_cancelling_below", 1);
    scene.client.cancel(&turn).await.expect(200);
    within("the failpoint", async {
        while !scene.server.is_stopped() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
    scene.server.disarm();
    scene.kill_and_restart().await;
    scene.turn_is(approval["turn_id"].as_str().expect("an id"), "cancelled").await;
    assert_eq!(scene.pending().await, Vec::<Value>::new());
    assert_eq!(scene.outside.ran(), []);
}

#[tokio::test]
async fn agents_ask_agents_only_so_deep_and_with_what_is_left_of_the_budget() {
    let scene = Scene::new().await;
    let look = json!([{"tool": "look", "args": {"order": "1"}}]);
    let deep = (0..4).fold(look.clone(), |task, _| json!([helper(&task)]));
    let turn = scene.calls(&deep).await;
    let told = scene.answer(&turn).await;
    assert!(told.contains("agents that work for agents may not ask others"), "{told}");
    assert_eq!(scene.outside.ran(), []);
    let turn = scene.calls(&(0..3).fold(look, |task, _| json!([helper(&task)]))).await;
    let told = scene.answer(&turn).await;
    assert_eq!(told, r#"told: told: told: told: ran with {"order":"1"}"#);

    // The thrifty agent has 40 tokens for the whole turn, and each step costs 15.
    let thrifty = scene.client.converse("thrifty").await;
    let task = json!([helper(&json!([{"tool": "look", "args": {"order": "2"}}]))]);
    let turn = scene.client.tell(&thrifty, &task.to_string()).await;
    let failed = scene.turn_is(&turn, "failed").await;
    assert!(failed["problem"]["detail"].as_str().expect("why").contains("tokens"), "{failed}");
}

#[tokio::test]
async fn agents_that_worked_for_a_call_are_in_the_index_and_go_with_it_when_it_is_purged() {
    let scene = Scene::new().await;
    let look = json!([{"tool": "look", "args": {"order": "1"}}]);
    let turn = scene.calls(&json!([helper(&json!([helper(&look)]))])).await;
    scene.answer(&turn).await;
    let operate = |what: &[&str]| {
        let (fine, out, error) = scene.server.operate(what);
        assert!(fine, "{what:?}: {out}{error}");
    };
    operate(&["index", "check"]);
    let (mut at, mut all) = (scene.conversation.clone(), Vec::new());
    while let Some(started) = scene.client.log(&at).await.events_of_type("tool.started").next()
        && let Some(child) = started["child_id"].as_str()
    {
        at = child.to_owned();
        all.push(at.clone());
    }
    assert_eq!(all.len(), 2);
    let title = json!({"title": "something else"});
    scene.client.send(Method::PATCH, &format!("/v1/conversations/{at}"), &title).await.expect(200);
    operate(&["index", "check"]);

    let whole = format!("/v1/conversations/{}", scene.conversation);
    scene.client.send(Method::DELETE, &whole, &json!({})).await.expect(204);
    operate(&["purge"]);
    for child in all {
        assert_eq!(scene.client.get(&format!("/v1/conversations/{child}")).await.status, 404);
    }
    operate(&["index", "check"]);
}
