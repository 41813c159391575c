//! What a call costs that nobody is asked about: turns of two steps, of which the first calls the clock once or
//! seventeen times. The steps are the same, so the difference is that of sixteen calls.

use std::time::Instant;

use serde_json::json;

use crate::parts::{baseline, micros, millis};
use crate::process::Server;
use crate::report::Row;
use crate::sample::quantile;
use crate::world::{World, create};

const RUNS: usize = 5;
/// Of each kind in a run.
const TURNS: usize = 60;
const MORE_CALLS: f64 = 16.0;

pub fn run(world: &World) -> anyhow::Result<Vec<Row>> {
    let server = Server::start(&super::house(world, "calls")?)?;
    let (mut two_plain, mut one_call, mut further, mut syncs) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let (mut plain, mut one, mut many) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..TURNS {
            plain.push(turn(&server, "instant")? + turn(&server, "instant")?);
            one.push(turn(&server, "clock-1")?);
            many.push(turn(&server, "clock-17")?);
        }
        let [plain, one, many] = [plain, one, many].map(|mut times| millis(quantile(&mut times, 0.5)));
        two_plain.push(plain);
        one_call.push(one);
        further.push((many - one) / MORE_CALLS);
        syncs.push(millis(quantile(&mut baseline::syncs(world.path())?, 0.5)));
    }
    Ok(vec![
        Row::new("a turn of two steps with one call between them, p50", "ms", one_call)
            .beside("two turns of one step", two_plain),
        Row::new("each further call of a step, p50", "ms", further).beside("fdatasync", syncs),
    ])
}

/// A turn in a conversation of its own, from the send to the end of its stream, in microseconds.
fn turn(server: &Server, agent: &str) -> anyhow::Result<u64> {
    let ids = create(server, 1, &json!({"agent": agent}))?;
    let mut client = server.client()?;
    let began = Instant::now();
    let path = format!("/v1/conversations/{}/messages", ids[0]);
    let answer = client.post_for_stream(&path, &json!({"text": "What time is it?"}))?;
    let took = micros(began.elapsed());
    let has_ended = memchr::memmem::find(&answer.body, b"turn.completed").is_some();
    anyhow::ensure!(has_ended, "the turn did not complete: {}", String::from_utf8_lossy(&answer.body));
    Ok(took)
}
