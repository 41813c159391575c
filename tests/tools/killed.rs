//! The server is killed with SIGKILL around approval and execution, at failpoints and at any moment; a tool server
//! outside counts: nothing runs without a yes, and nothing twice.
//!
//! `WEIR_TORTURE=1` is 10,000 kills; `support/lives.rs` says how a run is repeated, and goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::scene::Scene;
use crate::support::lives::{Life, Run};
use crate::support::within;

const FEW: u32 = 40;
const MANY: u32 = 10_000;

/// A failpoint that is not come to by then is given up, and the server killed where it is.
const REACHED_WITHIN: Duration = Duration::from_millis(300);

const FAILPOINTS: &[&str] = &[
    "runtime::before_commit",
    "store::before_commit",
    "store::after_commit",
    "store::after_answer",
    "runtime::after_commit",
    "runtime::after_publish",
    "runtime::before_answer",
    "runtime::tool_before",
    "runtime::tool_after",
];

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Count {
    kills: u32,
    at_failpoints: u32,
    calls: u32,
    ran: u32,
    unknown: u32,
    denied: u32,
}

impl std::ops::AddAssign for Count {
    fn add_assign(&mut self, more: Self) {
        self.kills += more.kills;
        self.at_failpoints += more.at_failpoints;
        self.calls += more.calls;
        self.ran += more.ran;
        self.unknown += more.unknown;
        self.denied += more.denied;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_runs_without_a_yes_and_nothing_twice_whenever_the_server_dies() {
    let count: Count = Run::of("killed", FEW, MANY).lives(live).await;
    assert!(count.ran > 0 && count.unknown > 0 && count.denied > 0 && count.at_failpoints > 0, "{count:?}");
}

/// What was decided about a call, as its decider knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Yes,
    No,
}

async fn live(life: Life) -> Count {
    let mut rng = StdRng::seed_from_u64(u64::from(life.seed) << 32 | u64::from(life.number));
    let mut scene = Scene::new().await;
    let mut count = Count::default();
    for cycle in 0..life.kills {
        // Each time a conversation of its own, so that logs stay short.
        scene.conversation = scene.client.converse("default").await;
        let calls: Vec<Value> = (0..rng.random_range(1..=3))
            .map(|n| json!({"tool": "refund", "args": {"order": format!("{cycle}.{n}")}}))
            .collect();
        count.calls += calls.len() as u32;
        let turn = scene.calls(&json!(calls)).await;
        scene.turn_is(&turn, "waiting").await;
        let said = decide_and_die(&mut scene, &mut rng, &mut count).await;
        settle(&mut scene, &turn, said, &mut count).await;
    }
    count
}

/// Decides about each, and kills the server meanwhile or soon after; what was said, heard or not.
async fn decide_and_die(scene: &mut Scene, rng: &mut StdRng, count: &mut Count) -> BTreeMap<String, Said> {
    let pending = scene.pending().await;
    let failpoint = rng.random_bool(0.6).then(|| *FAILPOINTS.choose(rng).expect("there are some"));
    if let Some(failpoint) = failpoint {
        scene.server.arm(failpoint, rng.random_range(1..6));
    }
    let mut said = BTreeMap::new();
    let mut deciding = JoinSet::new();
    for approval in &pending {
        let word = if rng.random_bool(0.75) { Said::Yes } else { Said::No };
        said.insert(approval["call_id"].as_str().expect("an id").to_owned(), word);
        let decision = if word == Said::Yes { "approve" } else { "deny" };
        let path = format!("/v1/approvals/{}/decide", approval["id"].as_str().expect("an id"));
        let body = json!({"decision": decision, "args_hash": approval["args_hash"]});
        let request = scene.client.request(Method::POST, &path).json(&body);
        let client = scene.client.clone();
        // The server may die before it answers.
        deciding.spawn(async move { drop(client.ask(request).await) });
    }
    match failpoint {
        Some(_) => {
            let reached = tokio::time::timeout(REACHED_WITHIN, async {
                while !scene.server.is_stopped() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            });
            count.at_failpoints += u32::from(reached.await.is_ok());
        }
        None => tokio::time::sleep(Duration::from_micros(rng.random_range(0..25_000))).await,
    }
    count.kills += 1;
    scene.server.kill9();
    deciding.join_all().await;
    scene.server.disarm();
    scene.server.restart().await;
    said
}

/// Says again what may not have been heard, settles what nobody knows, and looks at what was done.
async fn settle(scene: &mut Scene, turn: &str, said: BTreeMap<String, Said>, count: &mut Count) {
    let scene = &*scene;
    let mut unknown = BTreeSet::new();
    within("the turn to end", async {
        loop {
            let now = scene.client.get(&format!("/v1/turns/{turn}")).await.expect(200);
            if now["state"] == "completed" {
                return;
            }
            for approval in scene.pending().await {
                let call = approval["call_id"].as_str().expect("an id");
                let decision = if said[call] == Said::Yes { "approve" } else { "deny" };
                let reply = scene.decide(&approval, json!({"decision": decision})).await;
                assert!([200, 409].contains(&reply.status), "{reply:?}");
            }
            for (call, state) in states(scene).await {
                if state == "unknown" && unknown.insert(call.clone()) {
                    let path = format!("/v1/tool-calls/{call}/resolve");
                    let word = json!({"as": "succeeded", "output": "looked it up"});
                    scene.client.post(&path, &word).await.expect(200);
                }
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;

    let mut times: BTreeMap<String, u32> = BTreeMap::new();
    for ran in scene.outside.ran() {
        *times.entry(ran.call_id).or_default() += 1;
    }
    for (call, state) in states(scene).await {
        let (times, said) = (times.get(&call).copied().unwrap_or_default(), said[&call]);
        match (said, state.as_str()) {
            (Said::No, "denied") => assert_eq!(times, 0, "{call} ran, and nobody said yes"),
            (Said::Yes, "succeeded") => assert_eq!(times, 1, "{call} ran {times} times"),
            (Said::Yes, "unknown") => assert!(times <= 1, "{call} ran {times} times"),
            other => panic!("{call}: {other:?}, and ran {times} times"),
        }
        count.ran += times;
        count.denied += u32::from(said == Said::No);
    }
    count.unknown += unknown.len() as u32;
}

/// Every call of the conversation, and its state by the log.
async fn states(scene: &Scene) -> BTreeMap<String, String> {
    let log = scene.client.log(&scene.conversation).await;
    let mut states = BTreeMap::new();
    for event in log.events() {
        let kind = event["type"].as_str().expect("a type");
        match kind.strip_prefix("tool.") {
            Some("proposed") => {
                states.insert(event["call"]["id"].as_str().expect("an id").to_owned(), "proposed".to_owned());
            }
            // A later fact about a call that stays what it is.
            Some("resolved" | "progress") | None => {}
            Some(state) => {
                states.insert(event["call_id"].as_str().expect("an id").to_owned(), state.to_owned());
            }
        }
    }
    states
}
