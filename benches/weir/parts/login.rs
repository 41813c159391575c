//! What guessing passwords does to those who read: 400 streams of 50 deltas a second, with 2,000 attempts to sign in
//! during each run and without, in turn.

use std::time::Duration;

use super::millis;
use crate::attack::Repelled;
use crate::process::{Role, Server};
use crate::report::Row;
use crate::world::World;

const RUNS: usize = 5;
const STREAMS: usize = 400;
const WINDOW: Duration = Duration::from_secs(4);
const ATTEMPTS: u64 = 2_000;

#[expect(clippy::cast_precision_loss, reason = "some thousands")]
pub fn run(world: &World) -> anyhow::Result<Vec<Row>> {
    let house = world.house("login")?;
    // Each attempt comes from another place, as far as the server can tell.
    let config = std::fs::read_to_string(house.join("weir.toml"))?;
    std::fs::write(house.join("weir.toml"), config + "[server]\ntrusted_proxies = [\"127.0.0.0/8\"]\n")?;
    let server = Server::start(&house)?;
    let mut attacker = Role::start(&["attack", &server.address])?;
    let (mut calm, mut attacked, mut hashed) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        calm.push(world.stream(&server, STREAMS, "paced-50", WINDOW)?.counted);
        let mut repelled = Repelled::default();
        let streamed = world.stream_while(
            &server,
            STREAMS,
            "paced-50",
            |window| {
                let answer = attacker.ask(&format!("{ATTEMPTS} {}", window.as_millis()))?;
                repelled = serde_json::from_str(&answer)?;
                Ok(())
            },
            WINDOW,
        )?;
        attacked.push(streamed.counted);
        hashed.push(repelled.wrong as f64 / streamed.counted.seconds);
        eprintln!("  {} passwords were hashed, {} attempts refused", repelled.wrong, repelled.refused);
    }
    let ratios = attacked.iter().zip(&calm).map(|(attacked, calm)| attacked.p99 as f64 / calm.p99 as f64);
    Ok(vec![
        Row::new(
            "a delta while passwords are guessed, 20k/s, p50",
            "ms",
            attacked.iter().map(|run| millis(run.p50)),
        )
        .beside("in peace", calm.iter().map(|run| millis(run.p50))),
        Row::new(
            "a delta while passwords are guessed, 20k/s, p99",
            "ms",
            attacked.iter().map(|run| millis(run.p99)),
        )
        .beside("in peace", calm.iter().map(|run| millis(run.p99))),
        Row::new("p99 while passwords are guessed, of that in peace", "×", ratios).at_most(1.1),
        Row::new("passwords that are hashed meanwhile", "/s", hashed),
    ])
}
