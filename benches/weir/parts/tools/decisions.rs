//! From a decision to its call's start, both as a client sees them: the request leaves on one connection, the event
//! arrives on another. Beside it a plain send and its turn's start, which go the same way without an approval.

use anyhow::Context;
use serde_json::{Value, json};

use super::wait_for_pending;
use crate::http::Client;
use crate::parts::{baseline, micros, millis};
use crate::process::Server;
use crate::report::Row;
use crate::sample::quantile;
use crate::world::{World, create};

const RUNS: usize = 5;
/// In each run, and as many plain sends between them.
const DECISIONS: usize = 500;

pub fn run(world: &World) -> anyhow::Result<Vec<Row>> {
    let house = super::house(world, "decisions")?;
    let server = Server::start(&house)?;
    let mut client = server.client()?;
    let (mut decided, mut sent, mut syncs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let others = create(&server, DECISIONS, &json!({"agent": "instant"}))?;
        create(&server, DECISIONS, &json!({"agent": "book-1", "message": {"text": "Book them."}}))?;
        wait_for_pending(&house, DECISIONS)?;
        let approvals = pending(&mut client)?;
        anyhow::ensure!(approvals.len() == DECISIONS, "{} approvals are listed", approvals.len());
        let (mut decisions, mut sends) = (Vec::new(), Vec::new());
        for (approval, other) in approvals.iter().zip(&others) {
            let text = |field: &str| approval[field].as_str().context("an approval without its fields");
            let decide = format!("/v1/approvals/{}/decide", text("id")?);
            let yes = json!({"decision": "approve", "args_hash": text("args_hash")?});
            let send = format!("/v1/conversations/{other}/messages");
            let message = json!({"text": "And then?"});
            decisions.push(time(
                &server,
                text("conversation_id")?,
                &mut client,
                &decide,
                &yes,
                "tool.started",
            )?);
            sends.push(time(&server, other, &mut client, &send, &message, "turn.started")?);
        }
        decided.push(decisions);
        sent.push(sends);
        syncs.push(baseline::syncs(world.path())?);
    }
    let of = |runs: &[Vec<u64>], share: f64| -> Vec<f64> {
        runs.iter().map(|run| millis(quantile(&mut run.clone(), share))).collect()
    };
    Ok(vec![
        Row::new("decide to tool.started, p50", "ms", of(&decided, 0.5))
            .beside("send to turn.started", of(&sent, 0.5)),
        Row::new("decide to tool.started, p99", "ms", of(&decided, 0.99))
            .beside("send to turn.started", of(&sent, 0.99))
            .at_most(5.0),
        Row::new("16 KiB write + fdatasync meanwhile, p50", "ms", of(&syncs, 0.5)),
        Row::new("16 KiB write + fdatasync meanwhile, p99", "ms", of(&syncs, 0.99)),
    ])
}

/// All of the queue.
fn pending(client: &mut Client) -> anyhow::Result<Vec<Value>> {
    let mut found = Vec::new();
    let mut path = "/v1/approvals?limit=100".to_owned();
    loop {
        let mut page = client.get(&path)?.json()?;
        found.append(page["items"].as_array_mut().context("a queue without items")?);
        match page["next"].as_str() {
            Some(next) => path = format!("/v1/approvals?limit=100&after={next}"),
            None => return Ok(found),
        }
    }
}

/// From the request until a follower that is there already has the event, in microseconds. Returns once all is quiet.
fn time(
    server: &Server,
    conversation: &str,
    client: &mut Client,
    path: &str,
    body: &Value,
    event: &str,
) -> anyhow::Result<u64> {
    let mut follower = server.client()?;
    follower.follow(&format!("/v1/conversations/{conversation}/events?after=0"))?;
    follower.read_until("caught_up")?;
    let began = std::time::Instant::now();
    client.ask(path, body)?;
    follower.read_until(event)?;
    let took = micros(began.elapsed());
    client.answer()?.json()?;
    follower.read_until("turn.completed")?;
    Ok(took)
}
