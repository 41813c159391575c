//! What the gate adds to a delta's way: 400 streams of 50 deltas a second, through the server and through the relay.

use std::time::Duration;

use super::{baseline, millis};
use crate::process::Server;
use crate::report::Row;
use crate::sample::{Spread, quantile};
use crate::world::World;

const RUNS: usize = 5;
const STREAMS: usize = 400;
const WINDOW: Duration = Duration::from_secs(4);

pub fn run(world: &World) -> anyhow::Result<Vec<Row>> {
    let server = Server::start(&world.house("gate")?)?;
    let (mut gated, mut relayed, mut syncs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        relayed.push(world.relay(STREAMS, "paced-50", WINDOW)?.counted);
        gated.push(world.stream(&server, STREAMS, "paced-50", WINDOW)?.counted);
        syncs.push(millis(quantile(&mut baseline::syncs(world.path())?, 0.5)));
    }
    let added = |of: fn(&crate::load::Counted) -> u64| -> Vec<f64> {
        gated.iter().zip(&relayed).map(|(gated, relayed)| millis(of(gated)) - millis(of(relayed))).collect()
    };
    let sync = Spread::of(syncs.iter().copied()).median;
    Ok(vec![
        Row::new("a delta, upstream to client, 20k/s, p50", "ms", gated.iter().map(|run| millis(run.p50)))
            .beside("raw hyper", relayed.iter().map(|run| millis(run.p50))),
        Row::new("a delta, upstream to client, 20k/s, p99", "ms", gated.iter().map(|run| millis(run.p99)))
            .beside("raw hyper", relayed.iter().map(|run| millis(run.p99))),
        Row::new("gate cost at 20k deltas/s, FULL, p50", "ms", added(|run| run.p50))
            .beside("fdatasync", syncs)
            .at_most(2.0 * sync + 0.1),
        Row::new("gate cost at 20k deltas/s, FULL, p99", "ms", added(|run| run.p99)).at_most(2.0),
    ])
}
