//! The parts of the benchmark, each a question of its own.

mod baseline;
mod cpu;
mod gate;
mod idle;
mod import;
mod login;
mod resume;
mod search;
mod sustained;
mod tools;
mod trees;
mod wake;

use std::time::{Duration, Instant};

use crate::process::raise_open_files;
use crate::report::{self, Row};
use crate::world::World;

type Part = fn(&World) -> anyhow::Result<Vec<Row>>;

const PARTS: &[(&str, Part)] = &[
    ("baseline", baseline::run),
    ("gate", gate::run),
    ("login", login::run),
    ("cpu", cpu::run),
    ("sustained", sustained::run),
    ("idle", idle::run),
    ("resume", resume::run),
    ("wake", wake::run),
    ("trees", trees::run),
    ("import", import::run),
    ("tools", tools::run),
    ("search:index", search::index),
    ("search:ask", search::ask),
    ("search:live", search::ask_live),
    ("search:see", search::see),
    ("search:streams", search::stream),
];

/// Runs the parts that the variable `ONLY` names, or all. `search` is all that begin so.
pub fn run() -> anyhow::Result<()> {
    let only = std::env::var("ONLY").unwrap_or_default();
    let wanted: Vec<&str> = only.split([',', ' ']).filter(|part| !part.is_empty()).collect();
    raise_open_files()?;
    let world = World::new()?;
    let mut rows = Vec::new();
    let is_wanted = |name: &str| {
        let whole = name.split(':').next().unwrap_or(name);
        wanted.is_empty() || wanted.contains(&name) || wanted.contains(&whole)
    };
    for (name, part) in PARTS.iter().filter(|(name, _)| is_wanted(name)) {
        let began = Instant::now();
        eprintln!("{name} ...");
        match part(&world) {
            Ok(of_part) => {
                report::print(&of_part);
                rows.extend(of_part);
            }
            // The others are worth having all the same.
            Err(error) => eprintln!("{name} could not be measured: {error:#}"),
        }
        eprintln!("{name}: {:.0} s", began.elapsed().as_secs_f64());
    }
    println!("\nAll parts; median (least–most) of the runs:");
    report::print(&rows);
    Ok(())
}

pub fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn millis(micros: u64) -> f64 {
    micros as f64 / 1000.0
}
