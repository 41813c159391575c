//! CPU time of the server for a delta: 1,000 streams of 50 deltas a second.

use std::time::Duration;

use super::millis;
use crate::process::Server;
use crate::report::Row;
use crate::world::World;

const RUNS: usize = 3;
const STREAMS: usize = 1000;
const WINDOW: Duration = Duration::from_secs(8);

pub fn run(world: &World) -> anyhow::Result<Vec<Row>> {
    let server = Server::start(&world.house("cpu")?)?;
    let (mut served, mut relayed) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        relayed.push(world.relay(STREAMS, "paced-50", WINDOW)?);
        served.push(world.stream(&server, STREAMS, "paced-50", WINDOW)?);
    }
    Ok(vec![
        Row::new("server CPU per delta at 1,000 × 50/s", "µs", served.iter().map(|run| run.cpu_micros()))
            .beside("raw hyper", relayed.iter().map(|run| run.cpu_micros()))
            .at_most(15.0),
        Row::new("delivered of 50,000 deltas/s", "deltas/s", served.iter().map(|run| run.per_second()))
            .beside("raw hyper", relayed.iter().map(|run| run.per_second())),
        Row::new(
            "a delta, upstream to client, 50k/s, p50",
            "ms",
            served.iter().map(|run| millis(run.counted.p50)),
        )
        .beside("raw hyper", relayed.iter().map(|run| millis(run.counted.p50))),
        Row::new(
            "a delta, upstream to client, 50k/s, p99",
            "ms",
            served.iter().map(|run| millis(run.counted.p99)),
        )
        .beside("raw hyper", relayed.iter().map(|run| millis(run.counted.p99))),
    ])
}
