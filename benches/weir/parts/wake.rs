//! From a send to a sleeping conversation until the upstream sees the request.

use serde_json::json;

use super::millis;
use crate::process::Server;
use crate::report::Row;
use crate::sample::quantile;
use crate::stamp;
use crate::world::{World, create, talk};

const RUNS: usize = 5;
const CONVERSATIONS: usize = 100;
/// With the answers, 98 messages: the measured runs stay below a hundred.
const TURNS: usize = 44;

pub fn run(world: &World) -> anyhow::Result<Vec<Row>> {
    let house = world.house("wake")?;
    let filled = Server::start(&house)?;
    let ids = create(&filled, CONVERSATIONS, &json!({"agent": "instant"}))?;
    talk(&filled, &ids, TURNS)?;
    filled.stop()?;

    let (mut asleep_p50, mut asleep_p99, mut awake_p50, mut awake_p99) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        // In a server that has just started everyone is asleep.
        let server = Server::start(&house)?;
        let other = create(&server, 1, &json!({"agent": "instant"}))?;
        talk(&server, &other, 3)?;
        let mut asleep = sends(&server, &ids)?;
        asleep_p50.push(millis(quantile(&mut asleep, 0.5)));
        asleep_p99.push(millis(quantile(&mut asleep, 0.99)));
        let mut awake = sends(&server, &vec![other[0].clone(); CONVERSATIONS])?;
        awake_p50.push(millis(quantile(&mut awake, 0.5)));
        awake_p99.push(millis(quantile(&mut awake, 0.99)));
    }
    Ok(vec![
        Row::new("wake: send to upstream request, p50", "ms", asleep_p50).beside("awake", awake_p50),
        Row::new("wake: send to upstream request, p99", "ms", asleep_p99)
            .beside("awake", awake_p99)
            .at_most(2.0),
    ])
}

/// One send to each, and how long it took until the upstream saw its request: its answer says when that was.
fn sends(server: &Server, ids: &[String]) -> anyhow::Result<Vec<u64>> {
    let mut client = server.client()?;
    let mut times = Vec::new();
    for id in ids {
        let path = format!("/v1/conversations/{id}/messages");
        let sent = stamp::now();
        let answer = client.post_for_stream(&path, &json!({"text": "And then?"}))?;
        let mut seen = None;
        stamp::read(&answer.body, |at| seen = seen.or(Some(at)));
        let Some(seen) = seen else { anyhow::bail!("{}", String::from_utf8_lossy(&answer.body)) };
        times.push(seen.saturating_sub(sent));
    }
    Ok(times)
}
