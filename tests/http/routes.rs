//! The route table, walked with every kind of caller. A new route is walked as soon as it stands in the table.

use axum::http::Method;
use serde_json::json;

use weir::http::{Rule, every_route};
use weir::id::{
    ApprovalId, CallId, CompactionId, ConversationId, DeliveryId, FileId, ImportId, MemoryId, MessageId,
    QuestionId, RuleId, TurnId, WebhookId,
};

use crate::app::{Answer, NUMBERS, TestApp};

/// One of the owner's own things, and one that does not exist.
struct Targets {
    conversation: String,
    turn: String,
    import: String,
    message: String,
    compaction: String,
    approval: String,
    call: String,
    file: String,
    rule: String,
    memory: String,
    webhook: String,
    delivery: String,
}

impl Targets {
    async fn of_owner(app: &TestApp) -> Self {
        let conversation = app.conversation().await;
        let said = app.talk(&conversation, "count to 2").await;
        app.talk(&conversation, "count to 3").await;
        let made =
            app.post(&format!("{conversation}/compact"), &json!({"message_id": said["message_id"]})).await;
        let id = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let import = app.post("/v1/imports", &json!({})).await.is(202);
        let file = app.upload("a.txt", b"text".to_vec()).await;
        let parts = json!({"parts": [{"type": "file", "file_id": file["id"]}]});
        let path = format!("{conversation}/messages");
        let sent = app.request(reqwest::Method::POST, &path, &app.people.owner).header("Prefer", "wait=15");
        Answer::of(sent.json(&parts)).await.is(200);
        let remembered = asked(app).await;
        let yes = json!({
            "decision": "approve", "args_hash": remembered["args_hash"],
            "remember": {"scope": "conversation", "match": "exact"},
        });
        app.post(&format!("/v1/approvals/{}/decide", id(&remembered["id"])), &yes).await.is(200);
        let rules = app.get("/v1/approval-rules").await.is(200);
        let noted = json!({"agent": "default", "text": "likes tables"});
        let memory = app.post("/v1/memories", &noted).await.is(201);
        let asked = asked(app).await;
        let compacted = made;
        let made =
            app.as_operator(Method::POST, "/v1/webhooks", &json!({"url": "http://hooks.internal/"})).await;
        let made = made.is(201);
        let test = format!("/v1/webhooks/{}/test", made["webhook"]["id"].as_str().unwrap());
        let tested = app.as_operator(Method::POST, &test, &json!({})).await.is(202);
        Self {
            conversation: conversation.rsplit('/').next().unwrap().to_owned(),
            turn: id(&said["turn"]["id"]),
            message: id(&said["message_id"]),
            compaction: id(&compacted.is(201)["id"]),
            import: id(&import["id"]),
            approval: id(&asked["id"]),
            call: id(&asked["call_id"]),
            file: id(&file["id"]),
            rule: id(&rules["items"][0]["id"]),
            memory: id(&memory["id"]),
            webhook: id(&made["webhook"]["id"]),
            delivery: id(&tested["id"]),
        }
    }

    fn missing() -> Self {
        Self {
            conversation: ConversationId::new().to_string(),
            turn: TurnId::new().to_string(),
            import: ImportId::new().to_string(),
            message: MessageId::new().to_string(),
            compaction: CompactionId::new().to_string(),
            approval: ApprovalId::new().to_string(),
            call: CallId::new().to_string(),
            file: FileId::new().to_string(),
            rule: RuleId::new().to_string(),
            memory: MemoryId::new().to_string(),
            webhook: WebhookId::new().to_string(),
            delivery: DeliveryId::new().to_string(),
        }
    }

    fn path(&self, path: &str) -> String {
        path.replace("{conversation_id}", &self.conversation)
            .replace("{turn_id}", &self.turn)
            .replace("{import_id}", &self.import)
            .replace("{message_id}", &self.message)
            .replace("{compaction_id}", &self.compaction)
            .replace("{approval_id}", &self.approval)
            .replace("{call_id}", &self.call)
            .replace("{file_id}", &self.file)
            .replace("{rule_id}", &self.rule)
            .replace("{memory_id}", &self.memory)
            .replace("{webhook_id}", &self.webhook)
            .replace("{delivery_id}", &self.delivery)
            .replace("/v1/search", "/v1/search?q=hello")
    }

    async fn call(&self, app: &TestApp, method: &Method, path: &str, token: &str) -> Answer {
        call(app, method, &self.path(path), token, &self.message).await
    }
}

/// An approval that the owner is asked for.
async fn asked(app: &TestApp) -> serde_json::Value {
    let sent = json!({"agent": "tooled", "message": {"text": "what is 12*7"}});
    app.post("/v1/conversations", &sent).await.is(201);
    loop {
        let queue = app.get("/v1/approvals").await.is(200);
        if !queue["items"][0].is_null() {
            return queue["items"][0].clone();
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

async fn call(app: &TestApp, method: &Method, path: &str, token: &str, message: &str) -> Answer {
    let method = reqwest::Method::from_bytes(method.as_str().as_bytes()).unwrap();
    let body = match path.rsplit('/').next() {
        Some("head") => json!({"message_id": message}),
        Some("queue") => json!({"turn_ids": []}),
        Some("bulk") => json!({"ids": [ConversationId::new()], "action": "archive"}),
        Some("messages") => json!({"text": "hello"}),
        Some("tokens") => json!({"ttl": 60}),
        Some("decide") if path.ends_with("/approvals/decide") => json!({"items": [], "decision": "deny"}),
        Some("decide") => json!({"decision": "approve", "args_hash": "of something else"}),
        Some("result") => json!({"output": "84"}),
        Some("webhooks") => json!({"url": "https://example.com/"}),
        Some("answer") => json!({"question_id": QuestionId::new(), "action": "decline"}),
        Some("resolve") => json!({"as": "failed"}),
        Some("memories") => json!({"agent": "default", "text": "likes lists"}),
        Some(last) if last.starts_with("mem_") => json!({"text": "likes neither"}),
        Some(last) if last.starts_with("comp_") => json!({"summary": "in other words"}),
        Some(last) if last.starts_with("turn_") => json!({"text": "hello"}),
        Some(_) | None => json!({}),
    };
    let request = app.request(method.clone(), path, token);
    Answer::of(if method == reqwest::Method::GET { request } else { request.json(&body) }).await
}

/// Whoever asks is let in as far as the body, which says nothing here.
fn is_open(answer: &Answer, method: &Method, path: &str) {
    let expected = if *method == Method::GET { 200 } else { 422 };
    assert_eq!(answer.status, expected, "{method} {path}");
}

#[tokio::test]
async fn nobody_and_revoked_keys_get_nothing_but_the_public_routes() {
    let app = TestApp::demo().await;
    let targets = Targets::of_owner(&app).await;
    for (method, path, rule) in every_route() {
        for token in ["", "weir_made_up", app.people.revoked.as_str()] {
            let answer = targets.call(&app, &method, &path, token).await;
            match rule {
                Rule::Public => is_open(&answer, &method, &path),
                // Without a header it is the first frame that signs in.
                Rule::Socket if token.is_empty() => assert_eq!(answer.problem(426), "upgrade-required"),
                Rule::SignedIn(_)
                | Rule::AnyScope
                | Rule::Account
                | Rule::Admin
                | Rule::Operator
                | Rule::Socket
                | Rule::Metrics => {
                    assert_eq!(answer.problem(401), "unauthorized", "{method} {path}");
                    assert_eq!(answer.header("www-authenticate"), "Bearer");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_key_without_the_scope_is_forbidden_everything_that_needs_it() {
    let app = TestApp::demo().await;
    let targets = Targets::of_owner(&app).await;
    for (method, path, rule) in every_route() {
        let answer = targets.call(&app, &method, &path, &app.people.narrow).await;
        match rule {
            Rule::Public => is_open(&answer, &method, &path),
            Rule::AnyScope => assert!(answer.status.is_success(), "{method} {path}"),
            Rule::Metrics => assert_eq!(answer.problem(401), "unauthorized"),
            Rule::SignedIn(_) | Rule::Account | Rule::Admin | Rule::Operator | Rule::Socket => {
                assert_eq!(answer.problem(403), "forbidden", "{method} {path}")
            }
        }
    }
}

#[tokio::test]
async fn what_is_private_foreign_or_missing_is_not_found_in_the_same_words() {
    let app = TestApp::demo().await;
    let (targets, missing) = (Targets::of_owner(&app).await, Targets::missing());
    let mut walked = 0;
    for (method, path, rule) in every_route() {
        // Keys and sessions are no part of a conversation; tests/http/sign_in.rs asks for other people's. What
        // belongs to admins they all see; tests/http/webhooks.rs asks for another workspace's.
        if !path.contains('{') || matches!(rule, Rule::Account | Rule::Admin | Rule::Operator) {
            continue;
        }
        walked += 1;
        let words = missing.call(&app, &method, &path, &app.people.owner).await;
        assert_eq!(words.problem(404), "not-found", "{method} {path}");
        let mut others = vec![&app.people.member, &app.people.stranger];
        // What is remembered for others is theirs to end as well.
        if !path.contains("{rule_id}") {
            others.push(&app.people.admin);
        }
        for token in others {
            let answer = targets.call(&app, &method, &path, token).await;
            assert_eq!(answer.problem(404), "not-found", "{method} {path}");
            assert_eq!(answer.text, words.text, "{method} {path}");
        }
        let malformed = path.replace("{conversation_id}", "conv_nonsense").replace("{turn_id}", "%ff");
        let malformed = malformed.replace("{message_id}", "msg_").replace("{compaction_id}", "msg_");
        let malformed = malformed.replace("{import_id}", "imp_nonsense").replace("{call_id}", "call_");
        let malformed = malformed.replace("{approval_id}", "appr_nonsense").replace("{file_id}", "file_x");
        let malformed = malformed.replace("{approval_id}", "appr_nonsense");
        let malformed = malformed.replace("{rule_id}", "rule_").replace("{memory_id}", "mem_");
        let answer = call(&app, &method, &malformed, &app.people.owner, &targets.message).await;
        assert_eq!(answer.text, words.text, "{method} {path}");
    }
    assert!(walked > 10, "{walked}");
}

#[tokio::test]
async fn a_viewer_reads_what_is_shared_and_writes_nothing() {
    let app = TestApp::demo().await;
    let targets = Targets::of_owner(&app).await;
    let shared = format!("/v1/conversations/{}", targets.conversation);
    app.patch(&shared, &json!({"visibility": "workspace"})).await.is(200);
    for (method, path, rule) in every_route() {
        // An import is nobody else's.
        if !path.contains('{') || path.contains("{import_id}") || path.ends_with("/events") {
            continue;
        }
        let answer = targets.call(&app, &method, &path, &app.people.viewer).await;
        match rule {
            Rule::SignedIn(permission) if permission.as_str() == "conversations:read" => {
                assert_eq!(answer.status, 200, "{method} {path}");
            }
            Rule::SignedIn(_) => assert_eq!(answer.problem(403), "forbidden", "{method} {path}"),
            Rule::Account | Rule::Admin | Rule::Operator => {
                assert_eq!(answer.problem(403), "forbidden", "{method} {path}")
            }
            Rule::Public | Rule::AnyScope | Rule::Socket | Rule::Metrics => {}
        }
    }
}

#[tokio::test]
async fn the_owner_reaches_every_route() {
    let app = TestApp::demo().await;
    let mut routes = every_route();
    // What deletes comes last, and the whole after its pieces.
    routes.sort_by_key(|(method, path, _)| (*method == Method::DELETE, std::cmp::Reverse(path.len())));
    let targets = Targets::of_owner(&app).await;
    for (method, path, rule) in routes {
        if path == "/v1/feed" || path.ends_with("{conversation_id}/events") {
            continue;
        }
        // This key is no admin's; tests/mcp calls those.
        if matches!(rule, Rule::Account | Rule::Operator) {
            continue;
        }
        let token = match rule {
            Rule::Metrics => NUMBERS,
            Rule::Admin | Rule::Operator => &app.people.operator,
            _ => &app.people.owner,
        };
        let answer = targets.call(&app, &method, &path, token).await;
        let expected: &[u16] = match (method.as_str(), path.as_str()) {
            (_, "/v1/socket") => &[426],
            (_, "/v1/auth/setup" | "/v1/auth/login") => &[422],
            // The turn is no longer queued, and in the end deleted with its message.
            ("PATCH", path) if path.ends_with("/queue/{turn_id}") => &[409],
            ("DELETE", path) if path.ends_with("/queue/{turn_id}") => &[404],
            // All but the last exchange is summarised already.
            ("POST", path) if path.ends_with("/compact") => &[201, 409],
            // Asked about other arguments, of a tool that runs here, and not unknown.
            ("POST", path) if path.ends_with("{approval_id}/decide") => &[409],
            ("POST", path) if path.starts_with("/v1/tool-calls/") => &[409],
            // A turn runs by now, and what was sent waits for it.
            ("PUT", path) if path.ends_with("/queue") => &[200, 409],
            _ => &[200, 201, 202, 204],
        };
        assert!(
            expected.contains(&answer.status.as_u16()),
            "{method} {path}: {} {}",
            answer.status,
            answer.text
        );
    }
}

#[tokio::test]
async fn what_is_not_in_the_table_is_a_problem_too() {
    let app = TestApp::demo().await;
    assert_eq!(app.get("/v1/nonsense").await.problem(404), "not-found");
    assert_eq!(app.get("/nonsense").await.problem(404), "not-found");
    let answer = app.delete("/v1/conversations").await;
    assert_eq!(answer.problem(405), "method-not-allowed");
    assert!(answer.header("allow").contains("POST"), "{:?}", answer.headers);
}

#[tokio::test]
async fn every_answer_says_how_it_may_be_kept_and_which_one_it_is() {
    let app = TestApp::demo().await;
    for path in ["/v1/conversations", "/healthz", "/nowhere"] {
        let answer = app.get(path).await;
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("x-request-id").len(), 32, "{path}");
    }
}

#[tokio::test]
async fn a_stopping_server_is_alive_and_not_ready() {
    let app = TestApp::demo().await;
    app.get("/readyz").await.is(200);
    app.state.stop();
    assert_eq!(app.get("/readyz").await.problem(503), "shutting-down");
    app.get("/healthz").await.is(200);
}

#[test]
fn the_committed_document_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(path, weir::http::openapi::document()).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap();
    let is_up_to_date = committed == weir::http::openapi::document();
    assert!(is_up_to_date, "openapi.json is out of date; run this test with UPDATE_OPENAPI=1");
}

#[test]
fn the_document_names_every_route_once_and_its_problems() {
    let document: serde_json::Value = serde_json::from_str(&weir::http::openapi::document()).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let mut ids = Vec::new();
    for (method, path, _) in every_route() {
        let operation = &document["paths"][&path][method.as_str().to_lowercase()];
        let problem =
            &operation["responses"]["default"]["content"]["application/problem+json"]["schema"]["$ref"];
        assert_eq!(*problem, "#/components/schemas/Problem", "{method} {path}");
        for (status, response) in operation["responses"].as_object().unwrap() {
            assert!(response["description"].is_string(), "{method} {path} {status}");
        }
        ids.push(operation["operationId"].as_str().unwrap().to_owned());
    }
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count);

    let text = document.to_string();
    let mut rest = text.as_str();
    while let Some((_, tail)) = rest.split_once("\"#/components/schemas/") {
        let (name, tail) = tail.split_once('"').unwrap();
        assert!(document["components"]["schemas"][name].is_object(), "there is no schema {name}");
        rest = tail;
    }
}
