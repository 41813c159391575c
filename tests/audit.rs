//! The audit of the real server: each decision and each run once, whatever is killed, and a chain that a stranger checks.

#[allow(dead_code, reason = "each suite uses its part of what they share")]
mod support;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use support::errand::Errand;
use support::within;

/// The audit as an admin reads it.
async fn audit(errand: &Errand) -> Vec<Value> {
    let page = errand.client.get("/v1/audit?limit=200").await.expect(200);
    assert_eq!(page["next"], Value::Null);
    page["items"].as_array().expect("a list").clone()
}

fn actions(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["action"].as_str().expect("an action")).collect()
}

fn sha256(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// As the document says it, without a line of the server's.
fn check_chain(rows: &[Value]) -> String {
    let mut before = "0".repeat(64);
    for row in rows {
        if row["erased"] == false {
            let salt = row["salt"].as_str().expect("a salt");
            let salt: Vec<u8> =
                (0..32).map(|at| u8::from_str_radix(&salt[2 * at..2 * at + 2], 16).unwrap()).collect();
            let content = [salt, row["body"].to_string().into_bytes()].concat();
            let hash: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(row["content_hash"], hash, "{row}");
        }
        let facts = json!([
            "weir-audit-1",
            before,
            row["workspace_id"],
            row["n"],
            row["at"],
            row["action"],
            row["actor"],
            row["tool"],
            row["conversation_id"],
            row["turn_id"],
            row["call_id"],
            row["approval_id"],
            row["content_hash"]
        ]);
        assert_eq!(row["hash"], sha256(&facts.to_string()), "{row}");
        before = row["hash"].as_str().expect("a hash").to_owned();
    }
    before
}

#[tokio::test]
async fn each_decision_and_each_run_stands_in_it_once_with_who_from_where_and_what() {
    let mut errand = Errand::new("").await;
    let me = errand.client.get("/v1/me").await.expect(200)["user"]["id"].clone();
    let first = errand.calls("look", &json!({"order": "1"})).await;
    errand.turn_is(&first, "completed").await;
    let second = errand.calls("refund", &json!({"order": "2"})).await;
    let approval = errand.asked().await;
    errand.kill_and_restart().await;
    errand.decide(&approval, "approve").await.expect(200);
    errand.turn_is(&second, "completed").await;
    let third = errand.calls("refund", &json!({"order": "3", "how": "hang"})).await;
    let approval = errand.asked().await;
    errand.decide(&approval, "approve").await.expect(200);
    within("the tool to be asked", async {
        while errand.outside.ran().len() < 3 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    })
    .await;
    errand.kill_and_restart().await;
    errand.turn_is(&third, "waiting").await;
    let call_id = approval["call_id"].as_str().unwrap();
    let resolve = format!("/v1/tool-calls/{call_id}/resolve");
    errand.client.post(&resolve, &json!({"as": "succeeded", "output": "a secret"})).await.expect(200);
    errand.turn_is(&third, "completed").await;
    let fourth = errand.calls("refund", &json!({"order": "4"})).await;
    let asked = errand.asked().await;
    errand.decide(&asked, "deny").await.expect(200);
    errand.turn_is(&fourth, "completed").await;

    let rows = audit(&errand).await;
    let asking = ["approval.requested", "approval.voted", "approval.decided"];
    let expected: Vec<&str> = ["tool.started", "tool.succeeded"]
        .into_iter()
        .chain(asking)
        .chain(["tool.started", "tool.succeeded"])
        .chain(asking)
        .chain(["tool.started", "tool.unknown", "tool.resolved"])
        .chain(asking)
        .chain(["tool.denied"])
        .collect();
    assert_eq!(actions(&rows), expected);
    let started = rows.iter().filter(|row| row["action"] == "tool.started");
    assert_eq!(started.map(|row| row["call_id"].clone()).collect::<Vec<_>>(), errand.outside.ran());
    assert_eq!((&rows[0]["actor"], &rows[0]["body"]["rule"]), (&Value::Null, &json!("look")));
    let voted = &rows[3];
    assert_eq!((&voted["actor"], &voted["tool"]), (&me, &json!("refund")));
    assert_eq!(voted["body"]["address"], "127.0.0.1");
    assert_eq!(voted["body"]["credential"], "root");
    assert_eq!(voted["body"]["shown_args_text"], r#"{"order":"2"}"#);
    assert_eq!(rows[2]["body"]["tool_description"], "refund an order");
    assert_eq!(rows[5]["body"]["args_text"], r#"{"order":"2"}"#);
    assert_eq!(rows[5]["body"]["approved_args_hash"], voted["body"]["shown_args_hash"]);
    assert_eq!(rows[12]["actor"], me);
    assert!(!format!("{rows:?}").contains("a secret"), "what came out is not the admins' to read");

    let head = check_chain(&rows);
    let page = errand.client.get("/v1/audit?limit=2&action=tool.started").await.expect(200);
    assert_eq!(page["head"], json!({"n": rows.len(), "hash": head}));
    assert_eq!(actions(page["items"].as_array().unwrap()), ["tool.started", "tool.started"]);
    let next =
        errand.client.get(&format!("/v1/audit?action=tool.started&after={}", page["next"])).await.expect(200);
    assert_eq!((next["items"][0]["n"].clone(), &next["next"]), (rows[10]["n"].clone(), &Value::Null));

    // Nobody else is told from where somebody decided.
    let id = asked["id"].as_str().unwrap();
    let approval = errand.client.get(&format!("/v1/approvals/{id}")).await.expect(200);
    assert!(!approval.to_string().contains("127.0.0.1"), "{approval}");
    let log = errand.client.log(&errand.conversation).await;
    assert!(log.events().all(|event| !event.to_string().contains("127.0.0.1")));
}

#[tokio::test]
async fn a_deleted_conversation_is_erased_from_it_and_the_chain_holds() {
    let errand = Errand::new("").await;
    let turn = errand.calls("look", &json!({"order": "a canary"})).await;
    errand.turn_is(&turn, "completed").await;
    let path = format!("/v1/conversations/{}", errand.conversation);
    errand.client.send(reqwest::Method::DELETE, &path, &json!({})).await.expect(204);
    let rows = within("the conversation to be purged", async {
        loop {
            let rows = audit(&errand).await;
            if rows[0]["erased"] == true {
                return rows;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    })
    .await;
    assert_eq!(actions(&rows), ["tool.started", "tool.succeeded", "conversation.deleted"]);
    assert!(!format!("{rows:?}").contains("a canary"));
    assert_eq!((&rows[0]["tool"], &rows[2]["erased"]), (&json!("look"), &json!(false)));
    let head = check_chain(&rows);

    // Beside the running server.
    let (well, said, _) = errand.command(&["audit", "verify", "--head", &head]);
    assert!(well && said.contains("\t3 rows\t2 erased\t") && said.contains(&head), "{said}");
    let (well, _, wrong) = errand.command(&["audit", "verify", "--head", &"0".repeat(64)]);
    assert!(!well && wrong.contains("no row has the hash"), "{wrong}");
    let (well, lines, _) = errand.command(&["audit", "export"]);
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(well);
    assert_eq!(lines, rows);
}

#[tokio::test]
async fn a_rule_stands_in_it_when_it_is_made_when_it_answers_and_when_it_is_revoked() {
    let errand = Errand::new("").await;
    let turn = errand.calls("refund", &json!({"order": "1"})).await;
    let approval = errand.asked().await;
    let decide = format!("/v1/approvals/{}/decide", approval["id"].as_str().unwrap());
    let yes = json!({
        "decision": "approve", "args_hash": approval["args_hash"],
        "remember": {"scope": "workspace", "match": "tool"},
    });
    errand.client.post(&decide, &yes).await.expect(200);
    errand.turn_is(&turn, "completed").await;
    let turn = errand.calls("refund", &json!({"order": "2"})).await;
    errand.turn_is(&turn, "completed").await;
    let rules = errand.client.get("/v1/approval-rules").await.expect(200);
    let rule = rules["items"][0]["id"].as_str().unwrap().to_owned();
    for status in [204, 204] {
        let path = format!("/v1/approval-rules/{rule}");
        errand.client.send(reqwest::Method::DELETE, &path, &json!({})).await.expect(status);
    }

    let rows = audit(&errand).await;
    let (ran, decided) =
        (["tool.started", "tool.succeeded"], ["approval.voted", "approval.decided", "rule.made"]);
    let expected: Vec<&str> = ["approval.requested"]
        .into_iter()
        .chain(decided)
        .chain(ran)
        .chain(ran)
        .chain(["rule.revoked"])
        .collect();
    assert_eq!(actions(&rows), expected);
    assert_eq!(
        (&rows[1]["body"]["remembered_as"], &rows[3]["body"]["rule_id"]),
        (&json!(rule), &json!(rule))
    );
    assert_eq!((&rows[3]["actor"], &rows[3]["body"]["scope"]), (&rows[1]["actor"], &json!("workspace")));
    assert!(rows[6]["body"]["rule"].as_str().unwrap().contains(&rule), "{}", rows[6]);
    assert_eq!((&rows[8]["actor"], &rows[8]["body"]["address"]), (&rows[1]["actor"], &json!("127.0.0.1")));
    check_chain(&rows);
}

#[tokio::test]
async fn a_deleted_conversation_goes_out_of_the_rules_that_were_made_in_it_for_elsewhere() {
    let mut errand = Errand::new("").await;
    let remember = async |order: &str, remember: Value| {
        let turn = errand.calls("refund", &json!({"order": order})).await;
        let approval = errand.asked().await;
        let decide = format!("/v1/approvals/{}/decide", approval["id"].as_str().unwrap());
        let yes = json!({"decision": "approve", "args_hash": approval["args_hash"], "remember": remember});
        errand.client.post(&decide, &yes).await.expect(200);
        errand.turn_is(&turn, "completed").await;
    };
    remember("canary 1", json!({"scope": "workspace", "match": "exact"})).await;
    remember("canary 2", json!({"scope": "agent", "match": "exact"})).await;
    let rules = errand.client.get("/v1/approval-rules").await.expect(200);
    let revoked = format!("/v1/approval-rules/{}", rules["items"][0]["id"].as_str().unwrap());
    errand.client.send(reqwest::Method::DELETE, &revoked, &json!({})).await.expect(204);
    remember("canary 3", json!({"scope": "workspace", "match": "tool"})).await;
    let known = format!("{:?}{:?}", audit(&errand).await, errand.client.get("/v1/approval-rules").await.body);
    assert_eq!(known.matches("\"args\": Object {\"order\": String(\"canary").count(), 2, "{known}");

    let first = format!("/v1/conversations/{}", errand.conversation);
    errand.client.send(reqwest::Method::DELETE, &first, &json!({})).await.expect(204);
    let rows = within("the conversation to be purged", async {
        loop {
            let rows = audit(&errand).await;
            if rows.iter().filter(|row| row["erased"] == false).count() == 1 {
                return rows;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    })
    .await;
    let of = |action: &str| rows.iter().find(|row| row["action"] == action).expect("a row").clone();
    assert_eq!(of("conversation.deleted")["erased"], false);
    assert_eq!(of("rule.revoked")["conversation_id"], json!(errand.conversation));
    check_chain(&rows);

    // A rule for the tool says nothing of what was said, and goes on.
    let left = errand.client.get("/v1/approval-rules").await.expect(200);
    let left: Vec<&Value> = left["items"].as_array().unwrap().iter().collect();
    assert_eq!((left.len(), &left[0]["match"], &left[0]["args"]), (1, &json!("tool"), &Value::Null));
    assert!(!format!("{left:?}").contains("canary"));
    errand.conversation = errand.client.converse("default").await;
    let turn = errand.calls("refund", &json!({"order": "4"})).await;
    errand.turn_is(&turn, "completed").await;
}
