//! What people's yes and what calls of tools cost: from a decision to the start, the queue of many who wait, and a
//! call that nobody is asked about.

mod calls;
mod decisions;
mod queue;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rusqlite::{Connection, OpenFlags};

use crate::report::Row;
use crate::world::World;

pub fn run(world: &World) -> anyhow::Result<Vec<Row>> {
    let mut rows = decisions::run(world)?;
    rows.extend(calls::run(world)?);
    rows.extend(queue::run(world)?);
    Ok(rows)
}

/// The directory of a new server with tools. `book` and `release` are asked about, `clock` is not; an agent's name
/// says what its model calls, and how often.
fn house(world: &World, name: &str) -> anyhow::Result<PathBuf> {
    let house = world.house(name)?;
    let mut config = std::fs::read_to_string(house.join("weir.toml"))?;
    for tool in ["book", "release"] {
        config += &format!(
            "[tools.{tool}]\nurl = \"http://{}/tool\"\ndescription = \"{tool} a room\"\nallow_private_address = true\n\
             schema = {{ type = \"object\", properties = {{ timezone = {{ type = \"string\" }} }} }}\n",
            world.upstream_address()
        );
    }
    for (tool, count) in [("book", 1), ("book", 16), ("release", 1), ("clock", 1), ("clock", 17)] {
        config += &format!(
            "[agents.{tool}-{count}]\nprovider = \"mock\"\nmodel = \"calls-{tool}-{count}\"\ntitles = false\n\
             tools = [\"{tool}\"]\npolicy = {{ clock = \"allow\" }}\n"
        );
    }
    std::fs::write(house.join("weir.toml"), config)?;
    Ok(house)
}

/// Waits until so many approvals are pending, as the server's database has them.
fn wait_for_pending(house: &Path, count: usize) -> anyhow::Result<()> {
    const PATIENCE: Duration = Duration::from_secs(300);
    const PENDING: &str = "SELECT count(*) FROM approvals WHERE state = 'pending'";
    let conn = Connection::open_with_flags(house.join("data/weir.db"), OpenFlags::SQLITE_OPEN_READ_ONLY)
        .context("the server's database cannot be read")?;
    let began = Instant::now();
    let mut pending = 0;
    while began.elapsed() < PATIENCE {
        pending = conn.query_row(PENDING, [], |row| row.get(0))?;
        if pending == i64::try_from(count)? {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    bail!("{pending} approvals are pending, not {count}")
}
