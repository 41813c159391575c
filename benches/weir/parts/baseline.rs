//! The disk and SQLite without Weir: one `fdatasync`, and one row for each delta in a transaction of its own.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};

use super::{micros, millis};
use crate::report::Row;
use crate::sample::quantile;
use crate::world::World;

const RUNS: usize = 5;
const SYNCS: u64 = 400;
const INSERTING: Duration = Duration::from_secs(1);
const CONVERSATIONS: i64 = 1000;

pub fn run(world: &World) -> anyhow::Result<Vec<Row>> {
    let (mut p50, mut p99, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..RUNS {
        let mut times = syncs(world.path())?;
        p50.push(millis(quantile(&mut times, 0.5)));
        p99.push(millis(quantile(&mut times, 0.99)));
        rows.push(rows_per_second(&world.path().join(format!("naive-{run}.db")))?);
    }
    Ok(vec![
        Row::new("16 KiB write + fdatasync, p50", "ms", p50),
        Row::new("16 KiB write + fdatasync, p99", "ms", p99),
        Row::new("SQLite, a row and a commit per delta (FULL)", "deltas/s", rows),
    ])
}

/// Times of `fdatasync` after a write of 16 KiB into a file that does not grow, as a WAL in use.
pub fn syncs(directory: &Path) -> anyhow::Result<Vec<u64>> {
    const BLOCK: usize = 16 * 1024;
    const BLOCKS: u64 = 256;
    let path = directory.join("syncs");
    let file = File::create(&path)?;
    file.write_all_at(&vec![1; BLOCK * usize::try_from(BLOCKS)?], 0)?;
    file.sync_all()?;
    let mut times = Vec::new();
    for at in 0..SYNCS {
        let block = vec![u8::try_from(at % 251)?; BLOCK];
        let began = Instant::now();
        file.write_all_at(&block, at % BLOCKS * BLOCK as u64)?;
        file.sync_data()?;
        times.push(micros(began.elapsed()));
    }
    std::fs::remove_file(path)?;
    Ok(times)
}

fn rows_per_second(path: &Path) -> anyhow::Result<f64> {
    let conn = Connection::open(path)?;
    conn.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE deltas (conversation INTEGER, seq INTEGER, body TEXT, PRIMARY KEY (conversation, seq)) WITHOUT ROWID",
    )?;
    let mut insert = conn.prepare("INSERT INTO deltas VALUES (?1, ?2, ?3)")?;
    let body = "x".repeat(150);
    let began = Instant::now();
    let mut rows = 0i64;
    while began.elapsed() < INSERTING {
        insert.execute(params![rows % CONVERSATIONS, rows / CONVERSATIONS, body])?;
        rows += 1;
    }
    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    Ok(rows as f64 / began.elapsed().as_secs_f64())
}
