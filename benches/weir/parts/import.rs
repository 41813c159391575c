//! Reading conversations in: how many messages a second, and what streams beside it notice.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rusqlite::{Connection, named_params};
use serde_json::Value;

use super::millis;
use crate::process::Server;
use crate::report::Row;
use crate::upload::{self, begin, end};
use crate::world::World;

const RUNS: usize = 3;

/// A conversation has so many messages, each of so many bytes of text.
const MESSAGES: usize = 20;
const BYTES: usize = 200;

/// Messages of one measured import, and of one that has to last longer than the streams beside it.
const MEASURED: usize = 100_000;
const LASTING: usize = 400_000;

const STREAMS: usize = 400;
const WINDOW: Duration = Duration::from_secs(4);

pub fn run(world: &World) -> anyhow::Result<Vec<Row>> {
    let server = Server::start(&world.house("import")?)?;
    let (mut imported, mut raw) = (Vec::new(), Vec::new());
    for run in 0..RUNS {
        let file = upload::file(run, MEASURED / MESSAGES, MESSAGES, BYTES);
        raw.push(store_raw(&world.path().join(format!("raw-{run}.db")), &file)?);
        let mut client = server.client()?;
        let began = Instant::now();
        let import = begin(&mut client, &file)?;
        let counts = end(&mut client, &import)?;
        anyhow::ensure!(counts["messages"] == MEASURED, "not everything was imported: {counts}");
        imported.push(per_second(MEASURED, began.elapsed()));
    }
    let (mut alone, mut beside, mut under_load) = (Vec::new(), Vec::new(), Vec::new());
    for run in RUNS..2 * RUNS {
        alone.push(world.stream(&server, STREAMS, "paced-50", WINDOW)?.counted);
        let mut client = server.client()?;
        let import = begin(&mut client, &upload::file(run, LASTING / MESSAGES, MESSAGES, BYTES))?;
        let began = Instant::now();
        beside.push(world.stream(&server, STREAMS, "paced-50", WINDOW)?.counted);
        let status = client.get(&import)?.json()?;
        let done = status["counts"]["messages"].as_u64().context("no count")?;
        if status["state"] != "running" {
            bail!("the import was over before the streams were: {status}");
        }
        under_load.push(per_second(usize::try_from(done)?, began.elapsed()));
        client.delete(&import)?;
        end(&mut client, &import)?;
    }
    let p99 = |runs: &[crate::load::Counted]| runs.iter().map(|run| millis(run.p99)).collect::<Vec<_>>();
    let p50 = |runs: &[crate::load::Counted]| runs.iter().map(|run| millis(run.p50)).collect::<Vec<_>>();
    let goal = 1.1 * crate::sample::Spread::of(p99(&alone)).median;
    Ok(vec![
        Row::new("import, upload to end", "messages/s", imported)
            .beside("raw SQLite", raw)
            .at_least(20_000.0),
        Row::new("import beside 20,000 deltas/s", "messages/s", under_load),
        Row::new("a delta beside an import, 20k/s, p50", "ms", p50(&beside)).beside("alone", p50(&alone)),
        Row::new("a delta beside an import, 20k/s, p99", "ms", p99(&beside))
            .beside("alone", p99(&alone))
            .at_most(goal),
    ])
}

#[expect(clippy::cast_precision_loss, reason = "some hundred thousand")]
fn per_second(messages: usize, took: Duration) -> f64 {
    messages as f64 / took.as_secs_f64()
}

/// What SQLite makes of the same messages: a row of its JSON and one of its text for each, a thousand in a commit.
fn store_raw(path: &Path, file: &[u8]) -> anyhow::Result<f64> {
    let conn = Connection::open(path)?;
    conn.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE messages (conversation INTEGER, id TEXT, body TEXT, PRIMARY KEY (conversation, id)) WITHOUT ROWID;
         CREATE TABLE parts (conversation INTEGER, id TEXT, text TEXT, PRIMARY KEY (conversation, id)) WITHOUT ROWID;",
    )?;
    let began = Instant::now();
    let conversations: Vec<Value> = serde_json::from_slice(file)?;
    let mut stored = 0;
    for (number, chunk) in conversations.chunks(1000 / MESSAGES).enumerate() {
        let tx = conn.unchecked_transaction()?;
        for (index, conversation) in chunk.iter().enumerate() {
            let conversation_number = i64::try_from(number * 1000 + index)?;
            for (id, node) in conversation["mapping"].as_object().context("no mapping")? {
                let text = node["message"]["content"]["parts"][0].as_str().context("no text")?;
                tx.prepare_cached("INSERT INTO messages VALUES (:conversation, :id, :body)")?.execute(
                    named_params! {":conversation": conversation_number, ":id": id, ":body": node.to_string()},
                )?;
                tx.prepare_cached("INSERT INTO parts VALUES (:conversation, :id, :text)")?.execute(
                    named_params! {":conversation": conversation_number, ":id": id, ":text": text},
                )?;
                stored += 1;
            }
        }
        tx.commit()?;
    }
    Ok(per_second(stored, began.elapsed()))
}
