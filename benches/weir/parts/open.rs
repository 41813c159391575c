//! Opening a conversation of 10,000 messages at its end, and forking it anywhere.

use std::time::Instant;

use anyhow::Context;
use serde_json::{Value, json};

use super::{micros, millis};
use crate::process::Server;
use crate::report::Row;
use crate::sample::quantile;
use crate::world::{World, create, talk};

const RUNS: usize = 5;
const OPENINGS: usize = 100;
const TURNS: usize = 5000;

pub fn run(world: &World) -> anyhow::Result<Vec<Row>> {
    let server = Server::start(&world.house("open")?)?;
    let ids = create(&server, 1, &json!({"agent": "instant"}))?;
    let began = Instant::now();
    talk(&server, &ids, TURNS)?;
    #[expect(clippy::cast_precision_loss, reason = "thousands")]
    let a_turn = began.elapsed().as_secs_f64() * 1000.0 / TURNS as f64;
    let conversation = format!("/v1/conversations/{}", ids[0]);
    let last = format!("{conversation}/messages?limit=50");

    let mut client = server.client()?;
    let page: Value = client.get(&last)?.json()?;
    anyhow::ensure!(
        page["items"].as_array().is_some_and(|items| items.len() == 50),
        "not a page of 50 messages"
    );
    let (mut p50, mut p99, mut empty) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let (mut opened, mut round_trips) = (Vec::new(), Vec::new());
        for _ in 0..OPENINGS {
            let began = Instant::now();
            client.get("/healthz")?;
            round_trips.push(micros(began.elapsed()));
            let began = Instant::now();
            client.get(&last)?;
            opened.push(micros(began.elapsed()));
        }
        p50.push(millis(quantile(&mut opened, 0.5)));
        p99.push(millis(quantile(&mut opened, 0.99)));
        empty.push(millis(quantile(&mut round_trips, 0.5)));
    }
    let mut rows = vec![
        Row::new("open 10,000 messages (last 50), p50", "ms", p50).beside("/healthz", empty).at_most(2.0),
        Row::new("open 10,000 messages (last 50), p99", "ms", p99),
        Row::new("a whole turn of 10,000 messages, one after the other", "ms", [a_turn]),
    ];
    let message_id = page["items"][0]["id"].as_str().context("a message without an id")?;
    let fork = json!({"message_id": message_id});
    if client.post(&format!("{conversation}/fork"), &fork)?.status == 201 {
        let mut p50 = Vec::new();
        for _ in 0..RUNS {
            let mut times = Vec::new();
            for _ in 0..OPENINGS {
                let began = Instant::now();
                client.post(&format!("{conversation}/fork"), &fork)?.json()?;
                times.push(micros(began.elapsed()));
            }
            p50.push(millis(quantile(&mut times, 0.5)));
        }
        rows.push(Row::new("fork of 10,000 messages, p50", "ms", p50).at_most(1.0));
    }
    Ok(rows)
}
