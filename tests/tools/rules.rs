//! Yeses for the next times: where they hold, for whom, and how they end.

use reqwest::Method;
use serde_json::{Value, json};

use crate::scene::{Scene, refund};
use crate::support::client::Client;

const REMEMBER_EXACTLY: &str = r#"{"scope": "conversation", "match": "exact"}"#;

impl Scene {
    /// Has people asked about this refund in the conversation, and approves it with a rule; the rule.
    async fn remember(&self, order: &str, remember: &str) -> Value {
        let turn = self.calls(&json!([refund(order)])).await;
        self.turn_is(&turn, "waiting").await;
        let approval = self.pending().await.remove(0);
        let remember: Value = serde_json::from_str(remember).expect("JSON");
        self.decide(&approval, json!({"decision": "approve", "remember": remember})).await.expect(200);
        self.turn_is(&turn, "completed").await;
        let rules = self.rules(&self.client).await;
        rules.last().expect("a rule was made").clone()
    }

    async fn rules(&self, client: &Client) -> Vec<Value> {
        client.get("/v1/approval-rules").await.expect(200)["items"].as_array().expect("a list").clone()
    }

    async fn is_asked(&self, order: &str) -> bool {
        let turn = self.calls(&json!([refund(order)])).await;
        let asked = !self.settled(&turn).await;
        if asked {
            self.client.cancel(&turn).await.expect(200);
        }
        asked
    }

    /// Whether the turn ended without asking anyone.
    async fn settled(&self, turn: &str) -> bool {
        loop {
            let now = self.client.get(&format!("/v1/turns/{turn}")).await.expect(200);
            match now["state"].as_str() {
                Some("completed") => return true,
                Some("waiting") => return false,
                _ => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
            }
        }
    }
}

#[tokio::test]
async fn a_yes_that_is_remembered_answers_the_same_question_in_its_conversation() {
    let mut scene = Scene::new().await;
    let rule = scene.remember("7", REMEMBER_EXACTLY).await;
    assert_eq!((&rule["tool"], &rule["args"]), (&json!("refund"), &json!({"order": "7"})));
    assert_eq!((&rule["conversation_id"], &rule["void"]), (&json!(scene.conversation), &json!(false)));
    assert!(rule["made_by"].is_string());

    assert!(!scene.is_asked("7").await);
    assert_eq!(scene.outside.ran().len(), 2);
    let log = scene.client.log(&scene.conversation).await;
    let started: Vec<_> = log.events().filter(|event| event["type"] == "tool.started").collect();
    assert_eq!(started[1]["rule"], rule["id"], "the call says which rule let it run");
    assert!(scene.is_asked("8").await, "other arguments");
    scene.kill_and_restart().await;
    assert!(!scene.is_asked("7").await, "it outlives the server");

    let first = scene.conversation.clone();
    let fork = scene.client.post(&format!("/v1/conversations/{first}/fork"), &json!({})).await.expect(201);
    scene.conversation = fork["conversation"]["id"].as_str().expect("an id").to_owned();
    assert!(scene.is_asked("7").await, "a fork inherits no yes");
    scene.conversation = scene.client.converse("default").await;
    assert!(scene.is_asked("7").await, "another conversation");
}

#[tokio::test]
async fn a_rule_that_is_revoked_or_whose_tool_changed_asks_again() {
    let mut scene = Scene::new().await;
    let rule = scene.remember("7", r#"{"scope": "agent", "match": "tool"}"#).await;
    assert_eq!((&rule["agent"], &rule["match"]), (&json!("default"), &json!("tool")));
    scene.conversation = scene.client.converse("default").await;
    assert!(!scene.is_asked("8").await, "wherever the agent asks");

    // Another description: not what the person said yes to.
    let path = scene.server.path().join("weir.toml");
    let config = std::fs::read_to_string(&path).expect("it is there");
    std::fs::write(&path, config.replace("refund an order", "refund any order")).expect("it is changed");
    scene.kill_and_restart().await;
    assert!(scene.is_asked("8").await);
    assert_eq!(scene.rules(&scene.client).await[0]["void"], true);
    std::fs::write(&path, config).expect("it is changed back");
    scene.kill_and_restart().await;
    assert!(!scene.is_asked("8").await);

    let id = rule["id"].as_str().expect("an id");
    let path = format!("/v1/approval-rules/{id}");
    scene.client.send(Method::DELETE, &path, &json!({})).await.expect(204);
    assert!(scene.is_asked("8").await);
    assert!(scene.rules(&scene.client).await[0]["revoked_at"].is_string());
}

#[tokio::test]
async fn a_rule_answers_no_question_that_is_already_open() {
    let scene = Scene::new().await;
    let turn = scene.calls(&json!([refund("7"), refund("7")])).await;
    scene.turn_is(&turn, "waiting").await;
    let pending = scene.pending().await;
    let remember = json!({"scope": "workspace", "match": "tool"});
    let yes = json!({"decision": "approve", "remember": remember});
    scene.decide(&pending[0], yes).await.expect(200);
    scene.turn_is(&turn, "waiting").await;
    assert_eq!(scene.pending().await.len(), 1);
    let denied = json!({"decision": "deny", "remember": remember});
    assert_eq!(scene.decide(&pending[1], denied).await.status, 422);
    let past = json!({"scope": "workspace", "match": "tool", "expires_at": "2001-01-01T00:00:00.000Z"});
    let past = json!({"decision": "approve", "remember": past});
    assert_eq!(scene.decide(&pending[1], past).await.status, 422);
    scene.decide(&pending[1], json!({"decision": "deny"})).await.expect(200);
    scene.turn_is(&turn, "completed").await;
    assert_eq!(scene.outside.ran().len(), 1);
}

#[tokio::test]
async fn a_rule_holds_where_its_maker_could_decide_and_is_seen_by_who_made_it() {
    let mut scene = Scene::new().await;
    let owner = scene.client.clone();
    let (anna, ben) = (scene.person("anna", "member").await, scene.person("ben", "member").await);
    scene.client = anna.clone();
    scene.conversation = anna.converse("default").await;
    let rule = scene.remember("7", r#"{"scope": "workspace", "match": "tool"}"#).await;
    assert!(!scene.is_asked("8").await);

    // Ben's private conversation is not Anna's to decide in, nor is the owner's.
    for other in [&ben, &owner] {
        scene.client = other.clone();
        scene.conversation = other.converse("default").await;
        assert!(scene.is_asked("8").await);
    }
    // In one that is shared with everyone she could.
    let path = format!("/v1/conversations/{}", scene.conversation);
    owner.send(Method::PATCH, &path, &json!({"visibility": "workspace"})).await.expect(200);
    assert!(!scene.is_asked("8").await);

    assert_eq!(scene.rules(&ben).await, Vec::<Value>::new());
    assert_eq!(scene.rules(&owner).await.len(), 1);
    let path = format!("/v1/approval-rules/{}", rule["id"].as_str().expect("an id"));
    assert_eq!(ben.send(Method::DELETE, &path, &json!({})).await.status, 404);
    owner.send(Method::DELETE, &path, &json!({})).await.expect(204);
    assert!(scene.is_asked("8").await);
}

#[tokio::test]
async fn an_ask_for_two_people_is_answered_by_the_rules_of_two() {
    let mut scene = Scene::new().await;
    let (anna, ben) = (scene.person("anna", "admin").await, scene.person("ben", "admin").await);
    let twice = |order: &str| json!([{"tool": "twice", "args": {"order": order}}]);
    let remember = json!({"scope": "workspace", "match": "tool"});
    let turn = scene.calls(&twice("7")).await;
    scene.turn_is(&turn, "waiting").await;
    let owner = scene.client.clone();
    for (decider, remember) in [(&anna, Some(&remember)), (&ben, None)] {
        scene.client = decider.clone();
        let approval = scene.pending().await.remove(0);
        let mut yes = json!({"decision": "approve"});
        if let Some(remember) = remember {
            yes["remember"] = remember.clone();
        }
        scene.decide(&approval, yes).await.expect(200);
    }
    scene.client = owner.clone();
    scene.turn_is(&turn, "completed").await;

    let turn = scene.calls(&twice("8")).await;
    assert!(!scene.settled(&turn).await, "one rule is one person's");
    for decider in [&anna, &ben] {
        scene.client = decider.clone();
        let approval = scene.pending().await.remove(0);
        let yes = json!({"decision": "approve", "remember": remember});
        scene.decide(&approval, yes).await.expect(200);
    }
    scene.client = owner;
    scene.turn_is(&turn, "completed").await;
    let turn = scene.calls(&twice("9")).await;
    assert!(scene.settled(&turn).await);
    assert_eq!(scene.outside.ran().len(), 3);
}
