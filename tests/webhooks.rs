//! Webhooks of the real server: signed, at least once over kills, tried again, and never led to where they must not go.

#[allow(dead_code, reason = "each suite uses its part of what they share")]
mod support;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use data_encoding::BASE64;
use parking_lot::Mutex;
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use support::client::Client;
use support::errand::Errand;
use support::within;

const POLL: Duration = Duration::from_millis(10);

const CONFIG: &str =
    "[webhooks]\nallow_private_addresses = [\"127.0.0.1\"]\nretry = [\"100ms\", \"100ms\"]\n";

#[derive(Debug, Clone, PartialEq)]
struct Told {
    id: String,
    timestamp: String,
    signature: String,
    body: String,
}

impl Told {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    fn kind(&self) -> String {
        self.json()["type"].as_str().expect("a type").to_owned()
    }
}

/// Answers by path, and remembers what it was told there: `ok`, `flaky` (500 once for each id), `busy` and
/// `dated` (wait, once), `broken`, `gone`, `slow`, `endless`, `elsewhere`.
#[derive(Clone, Default)]
struct Receiver(Arc<Mutex<HashMap<String, Vec<Told>>>>);

impl Receiver {
    async fn start() -> (Self, String) {
        let receiver = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let base = format!("http://{}", listener.local_addr().expect("it listens"));
        let router = Router::new().route("/{how}", post(take)).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (receiver, base)
    }

    fn told(&self, how: &str) -> Vec<Told> {
        self.0.lock().get(how).cloned().unwrap_or_default()
    }

    async fn is_told(&self, how: &str, times: usize) -> Vec<Told> {
        within(&format!("{how} to be told {times} times"), async {
            while self.told(how).len() < times {
                tokio::time::sleep(POLL).await;
            }
        })
        .await;
        self.told(how)
    }
}

async fn take(
    State(receiver): State<Receiver>,
    Path(how): Path<String>,
    headers: HeaderMap,
    body: String,
) -> Response {
    let header = |name: &str| headers[name].to_str().expect("text").to_owned();
    let told = Told {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signature: header("webhook-signature"),
        body,
    };
    let before = {
        let mut all = receiver.0.lock();
        let here = all.entry(how.clone()).or_default();
        let before = here.iter().filter(|earlier| earlier.id == told.id).count();
        here.push(told);
        before
    };
    match how.as_str() {
        "flaky" if before == 0 => (StatusCode::INTERNAL_SERVER_ERROR, "not now").into_response(),
        "busy" if before == 0 => (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "3600")]).into_response(),
        "dated" if before == 0 => {
            let date = [("retry-after", "Tue, 01 Jan 2999 00:00:00 GMT")];
            (StatusCode::TOO_MANY_REQUESTS, date).into_response()
        }
        "broken" => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        "gone" => StatusCode::GONE.into_response(),
        "elsewhere" => (StatusCode::FOUND, [("location", "/ok")]).into_response(),
        slow if slow.starts_with("slow") => {
            tokio::time::sleep(Duration::from_secs(600)).await;
            StatusCode::OK.into_response()
        }
        "endless" => {
            let more = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>("x".repeat(100)));
            Body::from_stream(more).into_response()
        }
        _ => "thanks".into_response(),
    }
}

/// HMAC-SHA-256 as RFC 2104 has it, with nothing of the server's.
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = [0u8; 64];
    block[..key.len()].copy_from_slice(key);
    let pad = |with: u8| block.map(|byte| byte ^ with);
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

fn signature(secret: &str, told: &Told) -> String {
    let key = BASE64.decode(secret.strip_prefix("whsec_").expect("its prefix").as_bytes()).expect("base64");
    let signed = format!("{}.{}.{}", told.id, told.timestamp, told.body);
    format!("v1,{}", BASE64.encode(&hmac(&key, signed.as_bytes())))
}

struct Hook {
    id: String,
    secret: String,
}

async fn hook(errand: &Errand, body: &Value) -> Hook {
    let made = errand.client.post("/v1/webhooks", body).await.expect(201);
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    Hook { id: text(&made["webhook"]["id"]), secret: text(&made["secret"]) }
}

async fn deliveries(errand: &Errand, hook: &Hook) -> Vec<Value> {
    let page = errand.client.get(&format!("/v1/webhooks/{}/deliveries", hook.id)).await.expect(200);
    page["items"].as_array().expect("a list").clone()
}

/// The newest delivery, once it is in that state.
async fn delivery_is(errand: &Errand, hook: &Hook, state: &str) -> Value {
    within(&format!("a delivery to be {state}"), async {
        loop {
            match deliveries(errand, hook).await.first() {
                Some(newest) if newest["state"] == state => return newest.clone(),
                _ => tokio::time::sleep(POLL).await,
            }
        }
    })
    .await
}

async fn look(errand: &Errand) {
    let turn = errand.calls("look", &json!({"order": "a secret order"})).await;
    errand.turn_is(&turn, "completed").await;
}

#[tokio::test]
async fn approvals_and_turns_are_told_signed_and_without_what_was_said() {
    let (receiver, base) = Receiver::start().await;
    let errand = Errand::new(CONFIG).await;
    let hook = hook(&errand, &json!({"url": format!("{base}/ok"), "description": "ours"})).await;
    let deaf = self::hook(&errand, &json!({"url": format!("{base}/deaf"), "enabled": false})).await;
    let turns = json!({"url": format!("{base}/turns"), "events": ["turn.finished"], "agents": ["default"]});
    self::hook(&errand, &turns).await;
    let turn = errand.calls("refund", &json!({"order": "a secret order"})).await;
    let approval = errand.asked().await;
    errand.decide(&approval, "approve").await.expect(200);
    errand.turn_is(&turn, "completed").await;

    let mut told = receiver.is_told("ok", 3).await;
    told.sort_by_key(Told::kind);
    let kinds: Vec<String> = told.iter().map(Told::kind).collect();
    assert_eq!(kinds, ["approval.decided", "approval.requested", "turn.finished"]);
    for one in &told {
        assert_eq!(one.signature, signature(&hook.secret, one));
        assert!(one.id.starts_with("dlv_"), "{}", one.id);
        assert!(!one.body.contains("a secret order"), "{}", one.body);
    }
    let data = told[1].json()["data"].clone();
    assert_eq!(
        data,
        json!({
            "approval_id": approval["id"], "conversation_id": errand.conversation, "turn_id": turn,
            "call_id": approval["call_id"], "tool": "refund", "agent": "default", "state": "pending",
        })
    );
    assert_eq!(told[2].json()["data"]["state"], "completed");
    let only: Vec<String> = receiver.is_told("turns", 1).await.iter().map(Told::kind).collect();
    assert_eq!((only, receiver.told("deaf")), (vec!["turn.finished".to_owned()], vec![]));
    let listed = delivery_is(&errand, &hook, "delivered").await;
    assert_eq!(
        (&listed["status"], &listed["answer"], &listed["attempts"]),
        (&json!(200), &json!("thanks"), &json!(1))
    );

    // The secret is shown once, and nowhere else.
    let shown = errand.client.get("/v1/webhooks").await.expect(200);
    assert!(!shown.to_string().contains("whsec_"), "{shown}");
    assert_eq!(deliveries(&errand, &deaf).await, Vec::<Value>::new());

    let path = format!("/v1/webhooks/{}", hook.id);
    let rotated = errand.client.post(&format!("{path}/rotate-secret"), &json!({})).await.expect(200);
    errand.client.post(&format!("{path}/test"), &json!({})).await.expect(202);
    let tested = receiver.is_told("ok", 4).await.pop().expect("one more");
    let both = format!(
        "{} {}",
        signature(rotated["secret"].as_str().expect("a secret"), &tested),
        signature(&hook.secret, &tested)
    );
    assert_eq!((tested.kind(), tested.signature.clone()), ("webhook.test".to_owned(), both));

    errand.client.send(Method::DELETE, &path, &json!({})).await.expect(204);
    look(&errand).await;
    receiver.is_told("turns", 2).await;
    assert_eq!(receiver.told("ok").len(), 4);
}

#[tokio::test]
async fn what_is_not_taken_is_tried_again_under_the_same_id_and_once_more_when_asked() {
    let (receiver, base) = Receiver::start().await;
    let errand = Errand::new(CONFIG).await;
    let flaky = hook(&errand, &json!({"url": format!("{base}/flaky"), "events": ["turn.finished"]})).await;
    let gone = hook(&errand, &json!({"url": format!("{base}/gone"), "events": ["turn.finished"]})).await;
    let led = hook(&errand, &json!({"url": format!("{base}/elsewhere"), "events": ["turn.finished"]})).await;
    look(&errand).await;
    let told = receiver.is_told("flaky", 2).await;
    assert_eq!((&told[0].id, &told[0].body), (&told[1].id, &told[1].body));
    let taken = delivery_is(&errand, &flaky, "delivered").await;
    assert_eq!((&taken["attempts"], &taken["answer"]), (&json!(2), &json!("thanks")));
    let shown = errand.client.get(&format!("/v1/webhooks/{}", flaky.id)).await.expect(200);
    assert_eq!(shown["failing_since"], Value::Null);

    let again = format!("/v1/webhooks/{}/deliveries/{}/redeliver", flaky.id, told[0].id);
    errand.client.post(&again, &json!({})).await.expect(202);
    assert_eq!(receiver.is_told("flaky", 3).await[2].id, told[0].id);

    delivery_is(&errand, &gone, "dead").await;
    let shown = errand.client.get(&format!("/v1/webhooks/{}", gone.id)).await.expect(200);
    assert_eq!(shown["enabled"], false);
    assert!(shown["disabled_reason"].as_str().expect("a reason").contains("410"), "{shown}");
    let test = format!("/v1/webhooks/{}/test", gone.id);
    assert_eq!(errand.client.post(&test, &json!({})).await.status, 409);

    // A redirect is an answer, and not the one that was hoped for.
    let dead = delivery_is(&errand, &led, "dead").await;
    assert_eq!((&dead["status"], &dead["attempts"]), (&json!(302), &json!(3)));
    assert_eq!(receiver.told("ok"), vec![]);
}

/// How much later a delivery is tried again than it was written down.
fn pause(delivery: &Value) -> Duration {
    let at = |name: &str| {
        let text = delivery[name].as_str().unwrap_or_else(|| panic!("no {name} in {delivery}"));
        text.parse::<jiff::Timestamp>().expect("a time")
    };
    at("next_at").duration_since(at("created_at")).unsigned_abs()
}

async fn was_tried(errand: &Errand, hook: &Hook, times: u64) -> Value {
    within(&format!("a delivery to be tried {times} times"), async {
        loop {
            match deliveries(errand, hook).await.first() {
                Some(newest) if newest["attempts"] == times => return newest.clone(),
                _ => tokio::time::sleep(POLL).await,
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_receiver_that_asks_to_wait_is_waited_for_at_most_a_day() {
    let (receiver, base) = Receiver::start().await;
    let mut errand = Errand::new(CONFIG).await;
    let busy = hook(&errand, &json!({"url": format!("{base}/busy"), "events": ["turn.finished"]})).await;
    let dated = hook(&errand, &json!({"url": format!("{base}/dated"), "events": ["turn.finished"]})).await;
    look(&errand).await;
    let waits = was_tried(&errand, &busy, 1).await;
    assert_eq!((&waits["state"], &waits["status"]), (&json!("pending"), &json!(503)));
    assert!(pause(&waits) >= Duration::from_secs(3600), "{waits}");
    // In the year 2999, says its date.
    let waits = was_tried(&errand, &dated, 1).await;
    let day = Duration::from_hours(24);
    assert!(pause(&waits) >= day && pause(&waits) < day * 2, "{waits}");

    errand.server.move_clock(Duration::from_hours(25));
    errand.kill_and_restart().await;
    for hook in [&busy, &dated] {
        assert_eq!(delivery_is(&errand, hook, "delivered").await["attempts"], 2);
    }
    assert_eq!((receiver.told("busy").len(), receiver.told("dated").len()), (2, 2));
}

#[tokio::test]
async fn a_webhook_of_which_every_attempt_fails_for_five_days_is_disabled() {
    let (receiver, base) = Receiver::start().await;
    let retry = "[webhooks]\nallow_private_addresses = [\"127.0.0.1\"]\nretry = [\"1h\", \"72h\", \"72h\"]\n";
    let mut errand = Errand::new(retry).await;
    let hook = hook(&errand, &json!({"url": format!("{base}/broken"), "events": ["turn.finished"]})).await;
    let path = format!("/v1/webhooks/{}", hook.id);
    look(&errand).await;
    was_tried(&errand, &hook, 1).await;
    let shown = errand.client.get(&path).await.expect(200);
    let since = shown["failing_since"].clone();
    assert!(since.is_string() && shown["enabled"] == true, "{shown}");
    for (days, attempts) in [(1, 2), (5, 3)] {
        let shown = errand.client.get(&path).await.expect(200);
        assert_eq!((&shown["enabled"], &shown["failing_since"]), (&json!(true), &since), "before day {days}");
        errand.server.move_clock(Duration::from_hours(24 * days));
        errand.kill_and_restart().await;
        was_tried(&errand, &hook, attempts).await;
    }
    let shown = errand.client.get(&path).await.expect(200);
    assert_eq!(shown["enabled"], false);
    let reason = format!("every attempt has failed since {}", since.as_str().unwrap());
    assert_eq!(shown["disabled_reason"], json!(reason));
    // What happens from here on is not told, also when it is enabled again.
    look(&errand).await;
    errand.client.send(Method::PATCH, &path, &json!({"enabled": true})).await.expect(200);
    look(&errand).await;
    receiver.is_told("broken", 4).await;
    assert_eq!(deliveries(&errand, &hook).await.len(), 2);
}

#[tokio::test]
async fn what_happens_while_a_webhook_is_disabled_is_never_told_however_short_that_is() {
    let (receiver, base) = Receiver::start().await;
    let errand = Errand::new(CONFIG).await;
    let hook = hook(&errand, &json!({"url": format!("{base}/ok"), "events": ["approval.decided"]})).await;
    let path = format!("/v1/webhooks/{}", hook.id);
    let enable = async |enabled: bool| {
        errand.client.send(Method::PATCH, &path, &json!({"enabled": enabled})).await.expect(200);
    };
    for round in 0..=8 {
        let turn = errand.calls("refund", &json!({"order": round.to_string()})).await;
        let approval = errand.asked().await;
        if round < 8 {
            enable(false).await;
        }
        errand.decide(&approval, "approve").await.expect(200);
        enable(true).await;
        errand.turn_is(&turn, "completed").await;
    }
    receiver.is_told("ok", 1).await;
    assert_eq!(deliveries(&errand, &hook).await.len(), 1);
}

#[tokio::test]
async fn a_kill_between_the_delivery_and_its_record_delivers_again_under_the_same_id() {
    let (receiver, base) = Receiver::start().await;
    let mut errand = Errand::new(CONFIG).await;
    let hook = hook(&errand, &json!({"url": format!("{base}/ok"), "events": ["turn.finished"]})).await;
    errand.server.arm("runtime::webhook_sent", 1);
    let turn = errand.calls("look", &json!({})).await;
    let first = receiver.is_told("ok", 1).await;
    within("the server to stop", async {
        while !errand.server.is_stopped() {
            tokio::time::sleep(POLL).await;
        }
    })
    .await;
    errand.server.kill9();
    errand.server.disarm();
    errand.server.restart().await;
    let told = receiver.is_told("ok", 2).await;
    assert_eq!((&told[1].id, &told[1].body), (&first[0].id, &first[0].body));
    assert_eq!(told[1].json()["data"]["turn_id"], turn);
    delivery_is(&errand, &hook, "delivered").await;

    // And what may not even be written down.
    errand.turn_is(&turn, "completed").await;
    look(&errand).await;
    errand.kill_and_restart().await;
    let ids =
        |told: &[Told]| told.iter().map(|one| one.id.clone()).collect::<std::collections::BTreeSet<_>>();
    within("the second turn to be told", async {
        while ids(&receiver.told("ok")).len() < 2 {
            tokio::time::sleep(POLL).await;
        }
    })
    .await;
}

#[tokio::test]
async fn who_hangs_or_never_ends_holds_no_other_up() {
    let (receiver, base) = Receiver::start().await;
    let errand = Errand::new(CONFIG).await;
    let slow = hook(&errand, &json!({"url": format!("{base}/slow"), "events": ["turn.finished"]})).await;
    let endless =
        hook(&errand, &json!({"url": format!("{base}/endless"), "events": ["turn.finished"]})).await;
    hook(&errand, &json!({"url": format!("{base}/ok"), "events": ["turn.finished"]})).await;
    for _ in 0..3 {
        look(&errand).await;
    }
    receiver.is_told("ok", 3).await;
    let taken = delivery_is(&errand, &endless, "delivered").await;
    assert_eq!(taken["answer"].as_str().expect("an answer").len(), 1024);
    assert_eq!(deliveries(&errand, &slow).await[0]["state"], "pending");
    let failed = within("the slow one to be given up for now", async {
        loop {
            let first = deliveries(&errand, &slow).await.pop().expect("one");
            if first["attempts"] != 0 {
                return first;
            }
            tokio::time::sleep(POLL).await;
        }
    })
    .await;
    assert!(failed["error"].as_str().expect("why").contains("no answer within"), "{failed}");
}

#[tokio::test]
async fn a_workspace_whose_endpoints_all_hang_holds_no_other_up() {
    const HANGING: usize = 12;
    let (receiver, base) = Receiver::start().await;
    let errand = Errand::new(CONFIG).await;
    let mut hanging = Vec::new();
    for n in 0..HANGING {
        let body = json!({"url": format!("{base}/slow{n}"), "events": ["turn.finished"]});
        hanging.push(hook(&errand, &body).await);
    }
    for hook in &hanging {
        for _ in 0..4 {
            let test = format!("/v1/webhooks/{}/test", hook.id);
            errand.client.post(&test, &json!({})).await.expect(202);
        }
    }
    let told = || (0..HANGING).map(|n| receiver.told(&format!("slow{n}")).len()).sum::<usize>();
    within("its endpoints to hang", async {
        while told() < 8 {
            tokio::time::sleep(POLL).await;
        }
    })
    .await;

    let run = |arguments: &[&str]| {
        let (well, printed, said) = errand.command(arguments);
        assert!(well, "{said}");
        printed
    };
    run(&["workspaces", "create", "--name", "other"]);
    run(&["users", "create", "--name", "Grace", "--workspace", "other", "--role", "admin"]);
    let key = run(&["keys", "create", "--name", "hooks", "--user", "Grace", "--scopes", "admin"]);
    let grace = Client::new(errand.server.base(), key.trim());
    let made = grace.post("/v1/webhooks", &json!({"url": format!("{base}/ok")})).await.expect(201);
    let test = format!("/v1/webhooks/{}/test", made["webhook"]["id"].as_str().expect("an id"));
    grace.post(&test, &json!({})).await.expect(202);
    receiver.is_told("ok", 1).await;

    // It may be that some were given up meanwhile; the next ones have their slots.
    let told = told() as u64;
    let mut given_up = 0;
    for hook in &hanging {
        given_up +=
            deliveries(&errand, hook).await.iter().filter_map(|one| one["attempts"].as_u64()).sum::<u64>();
    }
    assert!(told <= 8 + given_up, "{told} were told, {given_up} given up");
}

#[tokio::test]
async fn what_happens_after_a_restore_is_told_although_its_place_was_told_before() {
    let (receiver, base) = Receiver::start().await;
    let mut errand = Errand::new(CONFIG).await;
    let hook = hook(&errand, &json!({"url": format!("{base}/ok"), "events": ["turn.finished"]})).await;
    let kept = errand.database().await;
    for _ in 0..3 {
        look(&errand).await;
    }
    receiver.is_told("ok", 3).await;
    errand.restore(&kept).await;
    let turns = async |count: usize| {
        for _ in 0..count {
            look(&errand).await;
        }
    };
    turns(3).await;
    // What was told and not yet noted when the server was killed is told again, under the same id.
    let told = || receiver.told("ok").into_iter().map(|one| one.id).collect::<HashSet<_>>().len();
    within("six deliveries to be told", async {
        while told() < 6 {
            tokio::time::sleep(POLL).await;
        }
    })
    .await;
    assert_eq!(deliveries(&errand, &hook).await.len(), 6);
}

#[tokio::test]
async fn no_webhook_leads_to_an_address_that_is_not_public() {
    let (receiver, base) = Receiver::start().await;
    let port = base.rsplit(':').next().expect("a port").to_owned();
    let errand =
        Errand::new("[webhooks]\nretry = []\nallow_private_addresses = [\"vouched.example\"]\n").await;
    for url in [
        format!("https://127.0.0.1:{port}/ok"),
        "https://169.254.169.254/latest/meta-data".to_owned(),
        format!("https://[::ffff:127.0.0.1]:{port}/ok"),
        format!("https://[::1]:{port}/ok"),
        format!("https://2130706433:{port}/ok"),
        format!("http://localhost:{port}/ok"),
        "http://example.com/".to_owned(),
        "https://user@example.com/".to_owned(),
        "nonsense".to_owned(),
    ] {
        let refused = errand.client.post("/v1/webhooks", &json!({"url": url})).await;
        assert_eq!((refused.status, &refused.body["errors"][0]["pointer"]), (422, &json!("/url")), "{url}");
    }
    // A name says nothing before it is looked up; the address that it has is what counts.
    let led = hook(&errand, &json!({"url": format!("https://localhost:{port}/ok")})).await;
    errand.client.post(&format!("/v1/webhooks/{}/test", led.id), &json!({})).await.expect(202);
    let dead = delivery_is(&errand, &led, "dead").await;
    assert!(dead["error"].as_str().expect("why").contains("`localhost` is not a public address"), "{dead}");
    assert_eq!(receiver.told("ok"), vec![]);
}
