//! Coming back to a conversation of 100,000 deltas, at any cursor: in one message, and in a hundred.

use std::time::Instant;

use anyhow::Context;
use serde_json::{Value, json};

use super::{micros, millis};
use crate::process::Server;
use crate::report::Row;
use crate::sample::quantile;
use crate::world::World;

const RUNS: usize = 5;
const CURSORS: u64 = 100;

pub fn run(world: &World) -> anyhow::Result<Vec<Row>> {
    let server = Server::start(&world.house("resume")?)?;
    let mut rows = Vec::new();
    for (shape, agent, turns) in [("one message", "unpaced-100000", 1), ("100 messages", "unpaced-1000", 100)]
    {
        let id = speak(&server, agent, turns)?;
        rows.extend(resume(&server, &id, shape)?);
    }
    Ok(rows)
}

/// A conversation with that many turns, all ended.
fn speak(server: &Server, agent: &str, turns: usize) -> anyhow::Result<String> {
    let mut client = server.client()?;
    let created = client.post("/v1/conversations", &json!({"agent": agent}))?.json()?;
    let id = created["id"].as_str().context("a conversation without an id")?.to_owned();
    for _ in 0..turns {
        client.post_for_stream(&format!("/v1/conversations/{id}/messages"), &json!({"text": "Go on."}))?;
    }
    Ok(id)
}

fn resume(server: &Server, id: &str, shape: &str) -> anyhow::Result<Vec<Row>> {
    let snapshot: Value = server.client()?.get(&format!("/v1/conversations/{id}"))?.json()?;
    let cursor = snapshot["cursor"].as_str().context("a conversation without a cursor")?;
    let (epoch, end) = cursor.split_once('.').context("a cursor without an epoch")?;
    let end: u64 = end.parse()?;
    let log = format!("/v1/conversations/{id}/events");

    let (mut p50, mut p99, mut replay, mut empty, mut empty_p99) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for run in 0..RUNS as u64 {
        let (mut first_bytes, mut round_trips) = (Vec::new(), Vec::new());
        for pick in 0..CURSORS {
            // Scattered over the whole log; the same ones in each benchmark. All text is ASCII.
            let seq = (run * CURSORS + pick).wrapping_mul(0x9e37_79b9_7f4a_7c15) % end;
            let mut client = server.client()?;
            let began = Instant::now();
            client.get("/healthz")?;
            round_trips.push(micros(began.elapsed()));
            let mut client = server.client()?;
            let first = client.time_until(&format!("{log}?after={epoch}.{seq}"), "\nid: ")?;
            first_bytes.push(micros(first));
        }
        p50.push(millis(quantile(&mut first_bytes, 0.5)));
        p99.push(millis(quantile(&mut first_bytes, 0.99)));
        empty.push(millis(quantile(&mut round_trips, 0.5)));
        empty_p99.push(millis(quantile(&mut round_trips, 0.99)));
        let whole = server.client()?.time_until(&format!("{log}?after=0"), "caught_up")?;
        replay.push(millis(micros(whole)));
    }
    Ok(vec![
        Row::new(format!("resume in 100k deltas, {shape}: first event, p50"), "ms", p50)
            .beside("/healthz", empty)
            .at_most(1.0),
        Row::new(format!("resume in 100k deltas, {shape}: first event, p99"), "ms", p99)
            .beside("/healthz", empty_p99),
        Row::new(format!("replay of all 100k deltas, {shape}"), "ms", replay).at_most(20.0),
    ])
}
