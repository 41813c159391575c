//! How long a search takes, over HTTP, with its snippets; in quiet, and while people write.

use std::time::Instant;

use super::{Archive, Askers, Fts5};
use crate::fts5::TIMES;
use crate::parts::{micros, millis};
use crate::process::{Role, anonymous_bytes, resident_bytes};
use crate::question::Kind;
use crate::report::Row;
use crate::sample::{Spread, quantile};
use crate::talk::Talked;
use crate::world::World;

const RUNS: u64 = 5;

/// What we are to be faster by.
const TIMES_FTS5: f64 = 10.0;

/// Searches that go before, to have in memory what is asked for all the time.
const WARMING: u64 = 20;

/// Turns a second while people write; each is two messages.
pub const TURNS: u32 = 500;

pub fn run(world: &World) -> anyhow::Result<Vec<Row>> {
    let archive = Archive::open(world)?;
    let mut fts5 = Fts5::start(world)?;
    fts5.ready()?;
    let mut askers = Askers::new(&archive);
    let mut rows = vec![round_trips(&archive)?];
    for kind in Kind::ALL {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        askers.ask(kind, RUNS * TIMES, WARMING)?;
        for run in 0..RUNS {
            theirs.push(fts5.order::<Vec<u64>>(&format!("ask {} {}", run * TIMES, kind.name()))?);
            ours.push(askers.ask(kind, run * TIMES, TIMES)?);
        }
        rows.extend(compared(kind.name(), &ours, &theirs));
    }
    let id = archive.server.id();
    let mib = |bytes: f64| bytes / f64::from(1 << 20);
    rows.push(
        Row::new("server's memory after the searches", "MiB", [mib(anonymous_bytes(id)?)])
            .beside("with mapped files", [mib(resident_bytes(id)?)])
            .at_most(300.0),
    );
    Ok(rows)
}

pub fn while_indexing(world: &World) -> anyhow::Result<Vec<Row>> {
    let archive = Archive::open(world)?;
    let mut fts5 = Fts5::start(world)?;
    fts5.ready()?;
    let mut talk = Role::start(&["talk", &archive.server.address])?;
    let mut askers = Askers::new(&archive);
    let (mut rows, mut rates) = (Vec::new(), Vec::new());
    for kind in Kind::ALL {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for run in 0..RUNS {
            fts5.order::<()>(&format!("write {}", 2 * TURNS))?;
            theirs.push(fts5.order::<Vec<u64>>(&format!("ask {} {}", run * TIMES, kind.name()))?);
            fts5.order::<()>("rest")?;
            talk.ask(&format!("begin {TURNS}"))?;
            ours.push(askers.ask(kind, run * TIMES, TIMES)?);
            let talked: Talked = serde_json::from_str(&talk.ask("end")?)?;
            rates.push(talked.messages_per_second());
        }
        rows.extend(compared(&format!("{}, while indexing", kind.name()), &ours, &theirs));
    }
    rows.push(Row::new("messages written meanwhile", "messages/s", rates));
    Ok(rows)
}

fn round_trips(archive: &Archive) -> anyhow::Result<Row> {
    let mut client = archive.client_of(0)?;
    let mut runs = Vec::new();
    for _ in 0..RUNS {
        let mut times = Vec::new();
        for _ in 0..TIMES {
            let began = Instant::now();
            client.get("/v1/me")?;
            times.push(micros(began.elapsed()));
        }
        runs.push(millis(quantile(&mut times, 0.5)));
    }
    Ok(Row::new("a request that searches nothing, p50", "ms", runs))
}

/// The goal is a time for each quantile, and ten times as many searches a second as FTS5 answers.
fn compared(what: &str, ours: &[Vec<u64>], theirs: &[Vec<u64>]) -> [Row; 3] {
    let quantiles = |runs: &[Vec<u64>], share: f64| -> Vec<f64> {
        runs.iter().map(|run| millis(quantile(&mut run.clone(), share))).collect()
    };
    let row = |share: f64, name: &str, goal: f64| {
        Row::new(format!("search for {what}, {name}"), "ms", quantiles(ours, share))
            .beside("FTS5", quantiles(theirs, share))
            .at_most(goal)
    };
    let rates = |runs: &[Vec<u64>]| -> Vec<f64> { runs.iter().map(|run| rate(run)).collect() };
    let goal = TIMES_FTS5 * Spread::of(rates(theirs)).median;
    let per_second = Row::new(format!("search for {what}, one after another"), "1/s", rates(ours));
    [row(0.5, "p50", 2.0), row(0.99, "p99", 20.0), per_second.beside("FTS5", rates(theirs)).at_least(goal)]
}

/// How many in a second, if each takes what these took, in microseconds.
#[expect(clippy::cast_precision_loss, reason = "some seconds")]
fn rate(times: &[u64]) -> f64 {
    times.len() as f64 * 1e6 / times.iter().sum::<u64>().max(1) as f64
}
