//! The queue with 100,000 pending approvals: its first page for whoever made their conversations, narrowed to what is
//! rare in it (the last ten), and for somebody to whom none of them is shown.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::wait_for_pending;
use crate::http::Client;
use crate::parts::{micros, millis};
use crate::process::Server;
use crate::report::Row;
use crate::sample::quantile;
use crate::world::{World, create};

const RUNS: usize = 5;
const PENDING: usize = 100_000;
/// Calls of one step.
const AT_ONCE: usize = 16;
const RARE: usize = 10;
const PAGE: usize = 50;

/// Each figure of a run is of so many requests, or fewer where they take long.
const TIMES: usize = 200;
const FEWEST_TIMES: usize = 10;
const LONGEST: Duration = Duration::from_secs(2);

const GOAL: f64 = 5.0;

pub fn run(world: &World) -> anyhow::Result<Vec<Row>> {
    let house = super::house(world, "queue")?;
    let server = Server::start(&house)?;
    let began = Instant::now();
    create(&server, PENDING / AT_ONCE, &json!({"agent": "book-16", "message": {"text": "Book them all."}}))?;
    wait_for_pending(&house, PENDING)?;
    let rare = create(&server, RARE, &json!({"agent": "release-1", "message": {"text": "Release it."}}))?;
    wait_for_pending(&house, PENDING + RARE)?;
    eprintln!("  {} approvals are pending after {:.0} s", PENDING + RARE, began.elapsed().as_secs_f64());

    let mut owner = server.client()?;
    let token = owner.post("/v1/auth/tokens", &json!({"subject": "stranger", "ttl": 3600}))?.json()?;
    let mut stranger = server.client()?.named(token["token"].as_str().unwrap_or_default());
    let shows = |what: &str, narrowed: &str, items: usize| Question {
        what: what.to_owned(),
        path: format!("/v1/approvals?limit={PAGE}{narrowed}"),
        items,
        times: Vec::new(),
    };
    let mut questions = [
        shows("first page", "", PAGE),
        shows("first page, by the tool of nearly all", "&tool=book", PAGE),
        shows("first page, by the agent of nearly all", "&agent=book-16", PAGE),
        shows("first page, by the tool of the last ten", "&tool=release", RARE),
        shows("first page, by the agent of the last ten", "&agent=release-1", RARE),
        shows("of one conversation", &format!("&conversation_id={}", rare[0]), 1),
    ];
    let mut nothing = shows("for a member to whom none is shown", "", 0);
    let mut round_trips = Vec::new();
    for _ in 0..RUNS {
        round_trips.push(times(|| owner.get("/healthz").map(drop))?);
        for question in &mut questions {
            question.ask(&mut owner)?;
        }
        nothing.ask(&mut stranger)?;
    }
    Ok(questions.iter().chain([&nothing]).flat_map(|question| question.rows(&round_trips)).collect())
}

struct Question {
    what: String,
    path: String,
    /// What has to be in its answer.
    items: usize,
    times: Vec<Vec<u64>>,
}

impl Question {
    fn ask(&mut self, client: &mut Client) -> anyhow::Result<()> {
        let page: Value = client.get(&self.path)?.json()?;
        let items = page["items"].as_array().map_or(0, Vec::len);
        anyhow::ensure!(items == self.items, "{} has {items} items", self.path);
        self.times.push(times(|| {
            let answer = client.get(&self.path)?;
            anyhow::ensure!(answer.status == 200, "{} was answered {}", self.path, answer.status);
            Ok(())
        })?);
        Ok(())
    }

    fn rows(&self, round_trips: &[Vec<u64>]) -> [Row; 2] {
        [(0.5, "p50"), (0.99, "p99")].map(|(share, name)| {
            let of = |runs: &[Vec<u64>]| -> Vec<f64> {
                runs.iter().map(|run| millis(quantile(&mut run.clone(), share))).collect()
            };
            Row::new(format!("100,000 pending, {}, {name}", self.what), "ms", of(&self.times))
                .beside("a request that reads nothing", of(round_trips))
                .at_most(GOAL)
        })
    }
}

fn times(mut what: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<Vec<u64>> {
    let (begin, mut took) = (Instant::now(), Vec::new());
    while took.len() < FEWEST_TIMES || (took.len() < TIMES && begin.elapsed() < LONGEST) {
        let began = Instant::now();
        what()?;
        took.push(micros(began.elapsed()));
    }
    Ok(took)
}
