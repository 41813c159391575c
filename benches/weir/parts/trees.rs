//! A conversation of 10,000 messages: opened at its end, forked near its beginning and at its end, and made into the
//! context of a model call, both of a window that all of it fits into and of the usual one. Beside it what the usual ways cost in SQLite itself, without a server around them: to read
//! the whole path by a recursive query, and to copy the messages of a fork.

use std::time::{Duration, Instant};

use anyhow::Context;
use rusqlite::{Connection, named_params};
use serde_json::{Value, json};

use super::{micros, millis};
use crate::http::Client;
use crate::process::Server;
use crate::report::Row;
use crate::sample::quantile;
use crate::upload::{self, begin, end};
use crate::world::{World, create, talk};

const RUNS: usize = 5;
const TIMES: usize = 100;
/// Of what takes milliseconds.
const FEWER_TIMES: usize = 20;
const TURNS: usize = 5000;
/// Two to a turn.
const MESSAGES: usize = 2 * TURNS;
const SHALLOW: usize = 10;
const BYTES: usize = 1000;

pub fn run(world: &World) -> anyhow::Result<Vec<Row>> {
    let house = world.house("trees")?;
    // All of it is to fit.
    let config = std::fs::read_to_string(house.join("weir.toml"))?;
    let wide =
        "[agents.wide]\nprovider = \"mock\"\nmodel = \"instant\"\ntitles = false\ncontext_tokens = 2000000\n";
    std::fs::write(house.join("weir.toml"), config + wide)?;
    let server = Server::start(&house)?;
    let ids = create(&server, 1, &json!({"agent": "wide"}))?;
    let began = Instant::now();
    talk(&server, &ids, TURNS)?;
    #[expect(clippy::cast_precision_loss, reason = "thousands")]
    let a_turn = began.elapsed().as_secs_f64() * 1000.0 / TURNS as f64;

    let mut client = server.client()?;
    let conversation = format!("/v1/conversations/{}", ids[0]);
    let (last, context) = (format!("{conversation}/messages?limit=50"), format!("{conversation}/context"));
    let page: Value = client.get(&last)?.json()?;
    anyhow::ensure!(page["items"].as_array().is_some_and(|items| items.len() == 50), "not a page of 50");
    let planned = client.get(&context)?.json()?;
    let planned = planned["items"].as_array().context("a context without items")?;
    anyhow::ensure!(planned.len() == MESSAGES, "{} messages are in the context", planned.len());
    anyhow::ensure!(planned.iter().all(|item| item["state"] == "sent"), "not all of it fits");
    let at = |depth: usize| planned[depth - 1]["message_id"].clone();
    let (shallow, deep) = (json!({"message_id": at(SHALLOW)}), json!({"message_id": at(MESSAGES)}));
    let fork = format!("{conversation}/fork");

    // Of a kilobyte each, most of them do not fit.
    let import = begin(&mut client, &upload::file(0, 1, MESSAGES, BYTES))?;
    anyhow::ensure!(end(&mut client, &import)?["messages"] == MESSAGES, "not everything was imported");
    let found = client.get("/v1/conversations")?.json()?;
    let found = found["items"].as_array().context("no list")?.iter().find(|item| item["title"] == "talk 0");
    let long = found.and_then(|item| item["id"].as_str()).context("no conversation was imported")?;
    let usual = format!("/v1/conversations/{long}/context");
    let planned = client.get(&usual)?.json()?;
    let planned = planned["items"].as_array().context("a context without items")?;
    anyhow::ensure!(planned.len() == MESSAGES && planned[0]["state"] == "left_out", "all of it fits");

    let mut raw = Raw::new(&world.path().join("raw-tree.db"))?;
    let mut table = Table::default();
    for _ in 0..RUNS {
        table.time(Column::RoundTrip, TIMES, || client.get("/healthz").map(drop))?;
        table.time(Column::Open, TIMES, || expect(&mut client, "GET", &last, None))?;
        table.time(Column::RawPath, FEWER_TIMES, || raw.whole_path())?;
        table.time(Column::ForkShallow, TIMES, || expect(&mut client, "POST", &fork, Some(&shallow)))?;
        table.time(Column::ForkDeep, TIMES, || expect(&mut client, "POST", &fork, Some(&deep)))?;
        table.time(Column::CopyShallow, FEWER_TIMES, || raw.copying_fork(SHALLOW))?;
        table.time(Column::CopyDeep, FEWER_TIMES, || raw.copying_fork(MESSAGES))?;
        table.time(Column::UsualContext, FEWER_TIMES, || expect(&mut client, "GET", &usual, None))?;
        table.time(Column::Context, FEWER_TIMES, || expect(&mut client, "GET", &context, None))?;
    }
    let all = "whole path, recursive query";
    Ok(vec![
        Row::new("open 10,000 messages (last 50), p50", "ms", table.p50(Column::Open))
            .beside(all, table.p50(Column::RawPath))
            .at_most(2.0),
        Row::new("open 10,000 messages (last 50), p99", "ms", table.p99(Column::Open)),
        Row::new("a request that reads nothing, p50", "ms", table.p50(Column::RoundTrip)),
        Row::new("fork at depth 10, p50", "ms", table.p50(Column::ForkShallow))
            .beside("copy in SQL", table.p50(Column::CopyShallow))
            .at_most(1.0),
        Row::new("fork at depth 10,000, p50", "ms", table.p50(Column::ForkDeep))
            .beside("copy in SQL", table.p50(Column::CopyDeep))
            .at_most(1.0),
        Row::new("context of 10,000 messages, 128,000 tokens, p50", "ms", table.p50(Column::UsualContext))
            .beside(all, table.p50(Column::RawPath))
            .at_most(10.0),
        Row::new("context of 10,000 messages, all of them sent, p50", "ms", table.p50(Column::Context))
            .beside(all, table.p50(Column::RawPath))
            .at_most(10.0),
        Row::new("a whole turn of 10,000 messages, one after the other", "ms", [a_turn]),
    ])
}

fn expect(client: &mut Client, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<()> {
    let answer = match body {
        Some(body) => client.post(path, body)?,
        None => client.get(path)?,
    };
    anyhow::ensure!(answer.status < 300, "{method} {path} was answered {}", answer.status);
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    RoundTrip,
    Open,
    RawPath,
    ForkShallow,
    ForkDeep,
    CopyShallow,
    CopyDeep,
    UsualContext,
    Context,
}

/// Runs of each column, as microseconds of each time.
#[derive(Debug, Default)]
struct Table(Vec<(Column, Vec<u64>)>);

impl Table {
    fn time(
        &mut self,
        column: Column,
        times: usize,
        mut what: impl FnMut() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut took = Vec::with_capacity(times);
        for _ in 0..times {
            let began = Instant::now();
            what()?;
            took.push(micros(began.elapsed()));
        }
        self.0.push((column, took));
        Ok(())
    }

    fn p50(&self, column: Column) -> Vec<f64> {
        self.of(column, 0.5)
    }

    fn p99(&self, column: Column) -> Vec<f64> {
        self.of(column, 0.99)
    }

    fn of(&self, column: Column, share: f64) -> Vec<f64> {
        let runs = self.0.iter().filter(|(of, _)| *of == column);
        runs.map(|(_, took)| millis(quantile(&mut took.clone(), share))).collect()
    }
}

/// The same number of messages in a table of their own, each pointing at its parent.
struct Raw {
    conn: Connection,
    forks: i64,
}

impl Raw {
    fn new(path: &std::path::Path) -> anyhow::Result<Self> {
        let conn = Connection::open(path)?;
        conn.busy_timeout(Duration::from_secs(5))?;
        conn.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             CREATE TABLE messages (conversation INTEGER, id INTEGER, parent_id INTEGER, role TEXT, text TEXT,
                                    PRIMARY KEY (conversation, id)) WITHOUT ROWID;",
        )?;
        let tx = conn.unchecked_transaction()?;
        for id in 1..=MESSAGES {
            let id = i64::try_from(id)?;
            tx.prepare_cached("INSERT INTO messages VALUES (0, :id, :parent, :role, :text)")?.execute(
                named_params! {":id": id, ":parent": id - 1, ":role": if id % 2 == 1 { "user" } else { "assistant" },
                ":text": "And what comes after that?"},
            )?;
        }
        tx.commit()?;
        Ok(Self { conn, forks: 0 })
    }

    /// From the leaf to the root, then the order of reading.
    fn whole_path(&self) -> anyhow::Result<()> {
        const PATH: &str = "
            WITH RECURSIVE up (id, parent_id, role, text) AS (
                SELECT id, parent_id, role, text FROM messages WHERE conversation = 0 AND id = :leaf
                UNION ALL
                SELECT m.id, m.parent_id, m.role, m.text FROM up
                JOIN messages m ON m.conversation = 0 AND m.id = up.parent_id
            )
            SELECT id, role, text FROM up ORDER BY id";
        let mut statement = self.conn.prepare_cached(PATH)?;
        let mut rows = statement.query(named_params! {":leaf": i64::try_from(MESSAGES)?})?;
        let mut path = Vec::new();
        while let Some(row) = rows.next()? {
            path.push((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?));
        }
        anyhow::ensure!(path.len() == MESSAGES, "the path has {} messages", path.len());
        Ok(())
    }

    fn copying_fork(&mut self, depth: usize) -> anyhow::Result<()> {
        self.forks += 1;
        let tx = self.conn.transaction()?;
        tx.prepare_cached(
            "INSERT INTO messages SELECT :fork, id, parent_id, role, text FROM messages
             WHERE conversation = 0 AND id <= :depth",
        )?
        .execute(named_params! {":fork": self.forks, ":depth": i64::try_from(depth)?})?;
        tx.commit()?;
        Ok(())
    }
}
