//! From a message that is durable to a search that finds it, while people write.

use std::time::{Duration, Instant};

use anyhow::bail;
use serde_json::json;

use super::Archive;
use super::asking::TURNS;
use crate::http::Client;
use crate::parts::{micros, millis};
use crate::process::Role;
use crate::report::Row;
use crate::sample::quantile;
use crate::talk::Talked;
use crate::world::World;

const RUNS: usize = 5;
const MESSAGES: usize = 40;

/// It is asked for again after so long: a figure is that much too large at most.
const AGAIN: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(10);

/// Before the first message of a run, and between two, so that they fall anywhere between two commits of the index.
const PAUSE: Duration = Duration::from_millis(37);

pub fn run(world: &World) -> anyhow::Result<Vec<Row>> {
    let archive = Archive::open(world)?;
    let mut talk = Role::start(&["talk", &archive.server.address])?;
    let mut client = archive.client_of(0)?;
    let (mut quiet, mut busy, mut awaited, mut rates) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut number = 0;
    let mut times = |client: &mut Client, see: fn(&mut Client, &str, &str) -> anyhow::Result<()>| {
        let mut times = Vec::new();
        for _ in 0..MESSAGES {
            std::thread::sleep(PAUSE);
            number += 1;
            let word = format!("zq{number:08}x{}", std::process::id());
            let message =
                json!({"agent": "instant", "message": {"text": format!("Remember the word {word} for me.")}});
            let made = client.post("/v1/conversations", &message)?.json()?;
            let durable = Instant::now();
            see(client, &word, made["cursor"].as_str().unwrap_or_default())?;
            times.push(micros(durable.elapsed()));
        }
        anyhow::Ok(times)
    };
    for _ in 0..RUNS {
        quiet.push(times(&mut client, appear)?);
        talk.ask(&format!("begin {TURNS}"))?;
        busy.push(times(&mut client, appear)?);
        awaited.push(times(&mut client, await_it)?);
        let talked: Talked = serde_json::from_str(&talk.ask("end")?)?;
        rates.push(talked.messages_per_second());
    }
    let of = |runs: &[Vec<u64>], share: f64| -> Vec<f64> {
        runs.iter().map(|run| millis(quantile(&mut run.clone(), share))).collect()
    };
    Ok(vec![
        Row::new("messages written meanwhile", "messages/s", rates),
        Row::new("a message is found after, p50", "ms", of(&busy, 0.5)).beside("in quiet", of(&quiet, 0.5)),
        Row::new("a message is found after, p99", "ms", of(&busy, 0.99)).beside("in quiet", of(&quiet, 0.99)),
        Row::new("a message is found after, at most", "ms", of(&busy, 1.0))
            .beside("in quiet", of(&quiet, 1.0))
            .at_most(1000.0),
        Row::new("a search that waits for its message, p50", "ms", of(&awaited, 0.5)),
        Row::new("a search that waits for its message, p99", "ms", of(&awaited, 0.99)).at_most(1000.0),
    ])
}

fn appear(client: &mut Client, word: &str, _: &str) -> anyhow::Result<()> {
    let began = Instant::now();
    while !finds(client, &format!("/v1/search?q={word}"))? {
        if began.elapsed() > PATIENCE {
            bail!("{word} is not found after {PATIENCE:?}");
        }
        std::thread::sleep(AGAIN);
    }
    Ok(())
}

fn await_it(client: &mut Client, word: &str, cursor: &str) -> anyhow::Result<()> {
    anyhow::ensure!(
        finds(client, &format!("/v1/search?q={word}&after={cursor}"))?,
        "it was not waited for {word}"
    );
    Ok(())
}

fn finds(client: &mut Client, path: &str) -> anyhow::Result<bool> {
    let found = client.get(path)?.json()?;
    Ok(found["items"].as_array().is_some_and(|items| !items.is_empty()))
}
