//! How many deltas a second get through when there are more than can.

use std::time::Duration;

use crate::process::Server;
use crate::report::Row;
use crate::world::World;

const RUNS: usize = 3;
const WINDOW: Duration = Duration::from_secs(5);

pub fn run(world: &World) -> anyhow::Result<Vec<Row>> {
    let server = Server::start(&world.house("sustained")?)?;
    let mut rows = Vec::new();
    let shapes =
        [("400 unpaced streams", 400, "unpaced-0"), ("1,000 streams, 100,000/s offered", 1000, "paced-100")];
    for (shape, streams, model) in shapes {
        let (mut served, mut relayed) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            relayed.push(world.relay(streams, model, WINDOW)?);
            served.push(world.stream(&server, streams, model, WINDOW)?);
        }
        rows.push(
            Row::new(format!("sustained, {shape}"), "deltas/s", served.iter().map(|run| run.per_second()))
                .beside("raw hyper", relayed.iter().map(|run| run.per_second()))
                .at_least(50_000.0),
        );
        rows.push(
            Row::new(format!("CPU per delta, {shape}"), "µs", served.iter().map(|run| run.cpu_micros()))
                .beside("raw hyper", relayed.iter().map(|run| run.cpu_micros())),
        );
    }
    Ok(rows)
}
