//! The life of a call: what runs, how often, and with what.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::scene::{Scene, refund};
use crate::support::client::read_to_the_end;
use crate::support::sse::Heard;
use crate::support::within;

#[tokio::test]
async fn nothing_runs_before_the_yes_and_once_after_it() {
    let scene = Scene::new().await;
    let turn = scene.calls(&json!([refund("7")])).await;
    scene.turn_is(&turn, "waiting").await;
    assert_eq!(scene.outside.ran(), []);
    let pending = scene.pending().await;
    let approval = &pending[0];
    assert_eq!((pending.len(), &approval["args"]), (1, &json!({"order": "7"})));
    assert_eq!(approval["context"]["tool"]["description"], "refund an order");
    assert_eq!(approval["context"]["recent"][0]["role"], "user");

    // Not for other arguments than were looked at.
    let wrong = json!({"decision": "approve", "args_hash": "0".repeat(64)});
    assert_eq!(scene.decide(approval, wrong).await.expect(409)["type"], "approval-changed");
    assert_eq!(scene.outside.ran(), []);

    let decided = scene.decide(approval, json!({"decision": "approve"})).await.expect(200);
    assert_eq!(decided["state"], "approved");
    assert_eq!(scene.answer(&turn).await, r#"told: ran with {"order":"7"}"#);
    let ran = scene.outside.ran();
    assert_eq!((ran.len(), ran[0].call_id.as_str()), (1, approval["call_id"].as_str().unwrap()));

    // The outcome is fixed.
    let late = scene.decide(approval, json!({"decision": "deny"})).await.expect(409);
    assert_eq!((&late["type"], &late["approval"]["state"]), (&json!("approval-closed"), &json!("approved")));
    assert_eq!(scene.outside.ran().len(), 1);
    assert_eq!(scene.pending().await, Vec::<Value>::new());
}

#[tokio::test]
async fn eight_calls_end_each_in_its_own_way_and_the_model_is_told_the_truth() {
    let scene = Scene::new().await;
    let calls = json!([
        {"tool": "calculator", "args": {"expression": "12*7"}},
        {"tool": "look", "args": {"order": "1"}},
        refund("2"),
        {"tool": "refund", "args": {"order": 3}},
        {"tool": "wipe", "args": {"order": "4"}},
        refund("5"),
        {"tool": "nowhere", "args": {}},
        {"tool": "refund", "args": {"order": "6", "how": "fail"}},
    ]);
    let turn = scene.calls(&calls).await;
    scene.turn_is(&turn, "waiting").await;
    let pending = scene.pending().await;
    let orders: Vec<&Value> = pending.iter().map(|approval| &approval["args"]["order"]).collect();
    assert_eq!(orders.len(), 3);
    let of = |order: &str| pending.iter().find(|approval| approval["args"]["order"] == order).expect(order);
    // Only the allowed one has run, and the fifth is approved without its neighbours.
    assert_eq!(scene.outside.ran().iter().map(|ran| &ran.args["order"]).collect::<Vec<_>>(), [&json!("1")]);
    scene.decide(of("5"), json!({"decision": "approve"})).await.expect(200);
    scene.decide(of("2"), json!({"decision": "deny", "reason": "too old"})).await.expect(200);
    scene.decide(of("6"), json!({"decision": "approve"})).await.expect(200);
    let told = scene.answer(&turn).await;
    let told: Vec<&str> = told.strip_prefix("told: ").expect("told").split(" | ").collect();
    assert_eq!(told[0], "84");
    assert_eq!(told[1], r#"ran with {"order":"1"}"#);
    assert_eq!(told[2], "a person did not allow this call: too old");
    assert!(told[3].starts_with("the arguments are not what the tool takes"), "{}", told[3]);
    assert_eq!(told[4], "the operator's policy does not allow this call");
    assert_eq!(told[5], r#"ran with {"order":"5"}"#);
    assert_eq!(told[6], "the tool `nowhere` is not available");
    assert!(told[7].contains("no such order"), "{}", told[7]);
    let mut orders: Vec<String> =
        scene.outside.ran().iter().map(|ran| ran.args["order"].to_string()).collect();
    orders.sort();
    assert_eq!(orders, [r#""1""#, r#""5""#, r#""6""#]);
}

#[tokio::test]
async fn of_eight_calls_one_is_denied_one_expires_one_fails_and_one_is_cut_by_a_kill() {
    let mut scene = Scene::new().await;
    let look = |order: &str| json!({"tool": "look", "args": {"order": order}});
    let calls = json!([
        {"tool": "calculator", "args": {"expression": "1+1"}},
        look("1"),
        look("2"),
        refund("3"),
        {"tool": "brief", "args": {"order": "4"}},
        {"tool": "look", "args": {"order": "5", "how": "fail"}},
        {"tool": "refund", "args": {"order": "6", "how": "hang"}},
        look("7"),
    ]);
    let turn = scene.calls(&calls).await;
    scene.turn_is(&turn, "waiting").await;
    let pending = scene.pending().await;
    assert_eq!(pending.len(), 3, "three ask");
    let of = |order: &str| pending.iter().find(|approval| approval["args"]["order"] == order).expect(order);
    scene.decide(of("3"), json!({"decision": "deny", "reason": "not this one"})).await.expect(200);
    scene.decide(of("6"), json!({"decision": "approve"})).await.expect(200);
    within("the sixth to be asked for, and the fourth to expire", async {
        while scene.outside.ran().iter().all(|ran| ran.args["order"] != "6")
            || !scene.pending().await.is_empty()
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    scene.kill_and_restart().await;
    let waiting = scene.turn_is(&turn, "waiting").await;
    assert_eq!(waiting["waiting_for"], "resolution");
    let resolve = format!("/v1/tool-calls/{}/resolve", of("6")["call_id"].as_str().expect("an id"));
    scene.client.post(&resolve, &json!({"as": "failed", "output": "it never arrived"})).await.expect(200);

    let told = scene.answer(&turn).await;
    let told: Vec<&str> = told.strip_prefix("told: ").expect("told").split(" | ").collect();
    assert_eq!((told.len(), told[0], told[1]), (8, "2", r#"ran with {"order":"1"}"#));
    assert_eq!(told[3], "a person did not allow this call: not this one");
    assert_eq!(told[4], "nobody decided about this call in time");
    assert!(told[5].contains("no such order"), "{}", told[5]);
    assert!(told[6].contains("it never arrived"), "{}", told[6]);
    assert_eq!(told[7], r#"ran with {"order":"7"}"#);
    let mut ran: Vec<String> = scene.outside.ran().iter().map(|ran| ran.args["order"].to_string()).collect();
    ran.sort();
    assert_eq!(ran, [r#""1""#, r#""2""#, r#""5""#, r#""6""#, r#""7""#], "each at most once");
}

#[tokio::test]
async fn an_approval_outlives_five_kills_and_then_runs_once() {
    let mut scene = Scene::new().await;
    let turn = scene.calls(&json!([refund("7")])).await;
    scene.turn_is(&turn, "waiting").await;
    let before = scene.pending().await;
    for _ in 0..5 {
        scene.kill_and_restart().await;
        assert_eq!(scene.pending().await, before, "the question is as it was");
        scene.turn_is(&turn, "waiting").await;
    }
    scene.decide(&before[0], json!({"decision": "approve"})).await.expect(200);
    assert_eq!(scene.answer(&turn).await, r#"told: ran with {"order":"7"}"#);
    assert_eq!(scene.outside.ran().len(), 1);
}

#[tokio::test]
async fn what_was_started_and_cut_waits_for_a_person_and_is_never_run_again_by_itself() {
    let mut scene = Scene::new().await;
    let hang = json!([{"tool": "refund", "args": {"order": "7", "how": "hang"}}]);
    let turn = scene.calls(&hang).await;
    scene.turn_is(&turn, "waiting").await;
    let approval = scene.pending().await.remove(0);
    scene.decide(&approval, json!({"decision": "approve"})).await.expect(200);
    scene.has_asked_for("7").await;
    scene.kill_and_restart().await;
    let waiting = scene.turn_is(&turn, "waiting").await;
    assert_eq!(waiting["waiting_for"], "resolution");
    scene.kill_and_restart().await;
    assert_eq!(scene.outside.ran().len(), 1, "nobody knows whether it happened");

    let call_id = approval["call_id"].as_str().unwrap();
    let resolve = format!("/v1/tool-calls/{call_id}/resolve");
    scene.client.post(&resolve, &json!({"as": "succeeded", "output": "it was refunded"})).await.expect(200);
    assert_eq!(scene.client.post(&resolve, &json!({"as": "retry"})).await.status, 409, "once");
    assert_eq!(scene.answer(&turn).await, "told: it was refunded");
    assert_eq!(scene.outside.ran().len(), 1);
}

#[tokio::test]
async fn what_a_cancel_left_unknown_is_put_on_record_later_once_and_never_run_again() {
    let mut scene = Scene::new().await;
    let hang = json!([{"tool": "refund", "args": {"order": "7", "how": "hang"}}]);
    let turn = scene.calls(&hang).await;
    scene.turn_is(&turn, "waiting").await;
    let approval = scene.pending().await.remove(0);
    scene.decide(&approval, json!({"decision": "approve"})).await.expect(200);
    scene.has_asked_for("7").await;
    scene.client.cancel(&turn).await.expect(200);
    scene.turn_is(&turn, "cancelled").await;
    scene.kill_and_restart().await;

    let resolve = format!("/v1/tool-calls/{}/resolve", approval["call_id"].as_str().unwrap());
    let refused = scene.client.post(&resolve, &json!({"as": "retry"})).await.expect(409);
    assert!(refused["detail"].as_str().unwrap().contains("has ended: say whether it happened"), "{refused}");
    let word = json!({"as": "succeeded", "output": "a canary was refunded"});
    scene.client.post(&resolve, &word).await.expect(200);
    for again in ["failed", "retry", "succeeded"] {
        assert_eq!(scene.client.post(&resolve, &json!({"as": again})).await.status, 409, "{again}");
    }
    let path = format!("/v1/conversations/{}/messages", scene.conversation);
    let page = scene.client.get(&path).await.expect(200);
    let call = &page["items"][0]["calls"][0];
    assert_eq!((&call["state"], &call["resolved"]), (&json!("unknown"), &json!("succeeded")));
    assert_eq!(call["output"], "a canary was refunded");
    let log = scene.client.log(&scene.conversation).await;
    let kinds: Vec<_> = log.events().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds[kinds.len() - 3..], ["tool.unknown", "turn.cancelled", "tool.resolved"]);

    // The turn's own stream ends where the turn did.
    let stream = scene.client.follow(&format!("/v1/turns/{turn}/events?after=0"), &[]).await;
    let heard = read_to_the_end(&mut stream.expect("it is there")).await;
    let mut events = heard.iter().filter_map(|heard| match heard {
        Heard::Event { event, .. } => Some(&event["type"]),
        _ => None,
    });
    assert_eq!(events.next_back(), Some(&json!("turn.cancelled")));

    assert_eq!(scene.outside.ran().len(), 1);

    // What was said of it goes with the message, although it was said later.
    let first = page["items"].as_array().unwrap().last().unwrap()["id"].as_str().unwrap();
    scene.client.send(Method::DELETE, &format!("{path}/{first}"), &json!({})).await.expect(204);
    let log = scene.client.log(&scene.conversation).await;
    assert!(log.events().all(|event| !event.to_string().contains("canary")));
    assert_eq!(scene.client.post(&resolve, &json!({"as": "failed"})).await.status, 404);
}

#[tokio::test]
async fn a_retry_asks_people_again_and_the_model_is_told_of_the_second_try() {
    let mut scene = Scene::new().await;
    let turn = scene.calls(&json!([{"tool": "refund", "args": {"order": "7", "how": "hang"}}])).await;
    scene.turn_is(&turn, "waiting").await;
    let approval = scene.pending().await.remove(0);
    scene.decide(&approval, json!({"decision": "approve"})).await.expect(200);
    scene.has_asked_for("7").await;
    scene.kill_and_restart().await;
    scene.turn_is(&turn, "waiting").await;
    let call_id = approval["call_id"].as_str().unwrap();
    scene
        .client
        .post(&format!("/v1/tool-calls/{call_id}/resolve"), &json!({"as": "retry"}))
        .await
        .expect(200);
    let again = within("people to be asked again", async {
        loop {
            if let Some(approval) = scene.pending().await.pop() {
                return approval;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert_ne!(again["call_id"], approval["call_id"]);
    assert_eq!(scene.outside.ran().len(), 1, "not before the second yes");
    let changed = json!({"decision": "approve", "args": {"order": "8"}});
    scene.decide(&again, changed).await.expect(200);
    let told = scene.answer(&turn).await;
    assert!(told.contains(r#"ran with {"order":"8"}"#), "{told}");
    assert!(told.contains("changed the arguments"), "the model is told of it: {told}");
    assert_eq!(scene.outside.ran()[1].args, json!({"order": "8"}));
}

#[tokio::test]
async fn a_call_is_found_by_its_changed_arguments_while_it_runs() {
    let scene = Scene::new().await;
    let turn = scene.calls(&json!([refund("walnut")])).await;
    scene.turn_is(&turn, "waiting").await;
    let approval = scene.pending().await.remove(0);
    scene.client.get("/v1/search?q=walnut&after=0.0").await.expect(200);
    let changed = json!({"decision": "approve", "args": {"order": "zyzzyva", "how": "hang"}});
    scene.decide(&approval, changed).await.expect(200);
    scene.has_asked_for("zyzzyva").await;
    let found = scene.client.get("/v1/search?q=zyzzyva&after=0.0").await.expect(200);
    assert_eq!(found["items"][0]["kind"], "call", "{found}");
    let (fine, out, error) = scene.server.operate(&["index", "check"]);
    assert!(fine, "{out}{error}");
    scene.client.cancel(&turn).await.expect(200);
}

#[tokio::test]
async fn changed_arguments_pass_the_schema_again_and_are_what_runs() {
    let scene = Scene::new().await;
    let turn = scene.calls(&json!([refund("7")])).await;
    scene.turn_is(&turn, "waiting").await;
    let approval = scene.pending().await.remove(0);
    for wrong in [json!({"order": 8}), json!({}), json!([]), json!("8")] {
        let body = json!({"decision": "approve", "args": wrong});
        assert_eq!(scene.decide(&approval, body).await.status, 422);
    }
    let decided =
        scene.decide(&approval, json!({"decision": "approve", "args": {"order": "8"}})).await.expect(200);
    assert_eq!(
        (&decided["args"], &decided["decided_args"]),
        (&json!({"order": "7"}), &json!({"order": "8"}))
    );
    let told = scene.answer(&turn).await;
    assert!(told.contains(r#"ran with {"order":"8"}"#), "{told}");
    assert_eq!(scene.outside.ran().len(), 1);
}

#[tokio::test]
async fn a_cancelled_turn_takes_its_questions_back() {
    let scene = Scene::new().await;
    let turn = scene.calls(&json!([refund("7")])).await;
    scene.turn_is(&turn, "waiting").await;
    let approval = scene.pending().await.remove(0);
    scene.client.cancel(&turn).await.expect(200);
    assert_eq!(scene.pending().await, Vec::<Value>::new());
    let late = scene.decide(&approval, json!({"decision": "approve"})).await.expect(409);
    assert_eq!(late["approval"]["state"], "withdrawn");
    assert_eq!(scene.outside.ran(), []);
}

#[tokio::test]
async fn a_thousand_deciders_come_to_one_outcome_and_one_run() {
    let scene = Scene::new().await;
    let turn = scene.calls(&json!([refund("7")])).await;
    scene.turn_is(&turn, "waiting").await;
    let approval = scene.pending().await.remove(0);
    let decide = |n: usize| {
        let decision = if n.is_multiple_of(2) { "approve" } else { "deny" };
        scene.decide(&approval, json!({"decision": decision}))
    };
    let answers = futures_util::future::join_all((0..1000).map(decide)).await;
    let heard: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(heard.len(), 1, "one decision counts");
    assert!(answers.iter().all(|answer| [200, 409].contains(&answer.status)));
    scene.turn_is(&turn, "completed").await;
    let approved = heard[0].body["state"] == "approved";
    assert_eq!(scene.outside.ran().len(), usize::from(approved));
}

#[tokio::test]
async fn a_tool_of_the_client_waits_for_the_client_and_hears_the_first() {
    let mut scene = Scene::new().await;
    let path = format!("/v1/conversations/{}/messages", scene.conversation);
    let tool = json!({"name": "locate", "description": "where", "schema": {"type": "object"}});
    let text = json!([{"tool": "locate", "args": {}}]).to_string();
    let sent = scene.client.post(&path, &json!({"text": text, "tools": [tool]})).await.expect(202);
    let turn = sent["turn"]["id"].as_str().unwrap().to_owned();
    let waiting = scene.turn_is(&turn, "waiting").await;
    assert_eq!(waiting["waiting_for"], "client_tool");
    scene.kill_and_restart().await;
    scene.turn_is(&turn, "waiting").await;
    let log = scene.client.log(&scene.conversation).await;
    let call = log.events().find(|event| event["type"] == "tool.proposed").expect("a call");
    let result = format!("/v1/tool-calls/{}/result", call["call"]["id"].as_str().unwrap());
    assert_eq!(scene.client.post(&result, &json!({})).await.status, 422);
    assert_eq!(scene.client.post(&result, &json!({"output": "a", "error": "b"})).await.status, 422);
    scene.client.post(&result, &json!({"output": "Bern"})).await.expect(200);
    assert_eq!(scene.client.post(&result, &json!({"output": "Basel"})).await.status, 409);
    assert_eq!(scene.answer(&turn).await, "told: Bern");
}

#[tokio::test]
async fn a_tool_that_the_client_declares_is_no_tool_of_the_agent_and_has_a_real_schema() {
    let scene = Scene::new().await;
    let path = format!("/v1/conversations/{}/messages", scene.conversation);
    for (name, schema, pointer) in [
        ("refund", json!({"type": "object"}), "/tools/0/name"),
        ("locate", json!({"type": "nothing"}), "/tools/0/schema"),
        ("locate", json!([]), "/tools/0/schema"),
    ] {
        let tool = json!({"name": name, "description": "", "schema": schema});
        let refused = scene.client.post(&path, &json!({"text": "[]", "tools": [tool]})).await.expect(422);
        assert_eq!(refused["errors"][0]["pointer"], pointer, "{refused}");
    }
}
