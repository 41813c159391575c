//! What guessing passwords does to those who read: 100 streams of 50 deltas a second, in peace, with 2,000 requests during
//! each run that try no password, and with 2,000 that do, in turn.

use std::time::Duration;

use super::millis;
use crate::attack::Repelled;
use crate::load::Counted;
use crate::process::{Role, Server};
use crate::report::Row;
use crate::world::World;

const RUNS: usize = 7;
const STREAMS: usize = 100;
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
    let mut beside = |path: &str| -> anyhow::Result<(Counted, Repelled)> {
        let mut repelled = Repelled::default();
        let attack = |window: Duration| {
            let answer = attacker.ask(&format!("{path} {ATTEMPTS} {}", window.as_millis()))?;
            repelled = serde_json::from_str(&answer)?;
            Ok(())
        };
        let streamed = world.stream_while(&server, STREAMS, "paced-50", attack, WINDOW)?;
        Ok((streamed.counted, repelled))
    };
    let (mut calm, mut busy, mut attacked, mut hashed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        calm.push(world.stream(&server, STREAMS, "paced-50", WINDOW)?.counted);
        busy.push(beside("/v1/nowhere")?.0);
        let (counted, repelled) = beside("/v1/auth/login")?;
        attacked.push(counted);
        hashed.push(repelled.wrong as f64 / counted.seconds);
        eprintln!("  {} passwords were hashed, {} attempts refused", repelled.wrong, repelled.refused);
    }
    let p50 = |runs: &[Counted]| runs.iter().map(|run| millis(run.p50)).collect::<Vec<_>>();
    let p99 = |runs: &[Counted]| runs.iter().map(|run| millis(run.p99)).collect::<Vec<_>>();
    let ratios = |of: &[Counted]| -> Vec<f64> {
        of.iter().zip(&calm).map(|(of, calm)| of.p99 as f64 / calm.p99 as f64).collect()
    };
    Ok(vec![
        Row::new("a delta while passwords are guessed, 5k/s, p50", "ms", p50(&attacked))
            .beside("in peace", p50(&calm)),
        Row::new("a delta while passwords are guessed, 5k/s, p99", "ms", p99(&attacked))
            .beside("in peace", p99(&calm)),
        Row::new("p99 while passwords are guessed, of that in peace", "×", ratios(&attacked))
            .beside("as many other requests", ratios(&busy))
            .at_most(1.1),
        Row::new("passwords that are hashed meanwhile", "/s", hashed),
    ])
}
