//! What a connection costs that waits: memory of the server with 10,000 of them, each on a conversation of its own.

use std::time::Duration;

use serde_json::json;

use crate::load::Kind;
use crate::process::{Server, resident_bytes};
use crate::report::Row;
use crate::world::{Load, World, create};

const RUNS: usize = 3;
const CONNECTIONS: usize = 9_800;

/// Buffers of the last requests go, and what was just opened is idle.
const SETTLE: Duration = Duration::from_millis(1500);

pub fn run(world: &World) -> anyhow::Result<Vec<Row>> {
    let house = world.house("idle")?;
    let filled = Server::start(&house)?;
    let ids = create(&filled, CONNECTIONS, &json!({}))?;
    filled.stop()?;

    let per_connection = |kind: Kind, target: fn(&String) -> String| -> anyhow::Result<f64> {
        // A new server each time: freed memory would serve the next run.
        let server = Server::start(&house)?;
        std::thread::sleep(SETTLE);
        let before = resident_bytes(server.id())?;
        let load = Load::open(&server.address, kind, ids.iter().map(target))?;
        std::thread::sleep(SETTLE);
        let with = resident_bytes(server.id())?;
        drop(load);
        #[expect(clippy::cast_precision_loss, reason = "thousands")]
        Ok((with - before) / 1024.0 / CONNECTIONS as f64)
    };
    let (mut sse, mut sockets) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        sse.push(per_connection(Kind::Sse, |id| format!("/v1/conversations/{id}/events?after=0"))?);
        sockets.push(per_connection(Kind::WebSocket, String::clone)?);
    }
    Ok(vec![
        Row::new("an idle SSE connection", "KiB", sse).at_most(16.0),
        Row::new("an idle WebSocket", "KiB", sockets).at_most(10.0),
    ])
}
