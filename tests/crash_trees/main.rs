//! The server is killed with SIGKILL while people edit, regenerate, fork, switch, delete and summarise branches of
//! conversations that stream; then the oracle looks for what was lost, half done, or has come back.
//!
//! `WEIR_SEED` repeats a run; `WEIR_KILLS` says how many kills; `WEIR_TORTURE=1` is 1,000 of them.

#![cfg(feature = "failpoints")]

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "each suite uses its part of what they share")]
mod support;

mod judge;
mod talk;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use support::oracle::database_is_sound;
use support::server::{Server, Started};
use support::upstream::Upstream;
use support::within;
use talk::Talk;
use weir::failpoint;

/// What `make test` spends on this.
const FEW: u32 = 24;
const MANY: u32 = 1_000;

const TALKS: usize = 2;
/// Cycles after which the conversations are replaced, so that their logs stay short.
const CYCLES_OF_A_TALK: u32 = 5;
/// A failpoint that is not come to by then is given up.
const REACHED_WITHIN: Duration = Duration::from_millis(600);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trees_that_were_acknowledged_survive_a_kill_and_deleted_branches_do_not_come_back() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u32>().expect("a number"));
    let torture = std::env::var("WEIR_TORTURE").is_ok_and(|value| value == "1");
    let kills = number("WEIR_KILLS").unwrap_or(if torture { MANY } else { FEW });
    let seed = number("WEIR_SEED").unwrap_or_else(rand::random);
    println!("WEIR_SEED={seed} WEIR_KILLS={kills}");

    let mut rng = StdRng::seed_from_u64(seed.into());
    let mut count = Count::default();
    let upstream = Upstream::start().await;
    let mut server = Server::start(&upstream.config()).await;
    let client = server.client();
    let mut talks = Vec::new();
    let mut cycle = 0;
    while count.kills < kills {
        if cycle % CYCLES_OF_A_TALK == 0 {
            upstream.pace(Duration::ZERO);
            talks.clear();
            for n in 0..TALKS {
                talks.push(Talk::begin(&client, format!("{cycle}.{n}"), &mut rng).await);
            }
        }
        upstream.pace(Duration::from_micros(rng.random_range(200..2000)));
        run_and_kill(&mut server, &upstream, &mut talks, cycle, &mut rng, &mut count).await;
        for talk in &mut talks {
            let judged = talk.is_as_it_should_be(&client, &mut count).await;
            judged.unwrap_or_else(|wrong| panic!("{} ({}) in cycle {cycle}: {wrong}", talk.id, talk.name));
        }
        assert_eq!(upstream.complaints(), Vec::<String>::new());
        cycle += 1;
    }
    println!("WEIR_SEED={seed}: {count:?}");
}

/// What a run went through.
#[derive(Debug, Default)]
struct Count {
    kills: u32,
    at_failpoints: BTreeMap<&'static str, u32>,
    done: BTreeMap<&'static str, u32>,
    refused: BTreeMap<&'static str, u32>,
    /// What was tried once, and cut off by a kill: found done, and found undone.
    cut_and_done: u32,
    cut_and_undone: u32,
    messages_deleted: usize,
    redacted: u64,
}

/// One process comes to its end while all talk; then the server is brought back until everything is answered.
async fn run_and_kill(
    server: &mut Server,
    upstream: &Upstream,
    talks: &mut [Talk],
    cycle: u32,
    rng: &mut StdRng,
    count: &mut Count,
) {
    let client = server.client();
    let mut moment = Moment::drawn(rng, cycle);
    moment.is_armed(server);
    let people: Vec<_> = talks.iter_mut().map(|talk| tokio::spawn(talk.act(&client, rng))).collect();
    let keepers: Vec<_> = talks.iter_mut().map(|talk| tokio::spawn(talk.summarise(&client, rng))).collect();
    moment.comes(server, count).await;
    kill(server, count);
    // Again while it recovers, or erases what was deleted.
    for _ in 0..rng.random_range(0..=2_u32).saturating_sub(1) {
        moment = Moment::drawn_for_a_start(rng);
        moment.is_armed(server);
        if server.restart_or_stop().await == Started::Ready {
            moment.comes(server, count).await;
        }
        kill(server, count);
    }
    server.disarm();
    upstream.pace(Duration::ZERO);
    server.restart().await;
    for ((talk, person), keeper) in talks.iter_mut().zip(people).zip(keepers) {
        let done = within("everything to be answered", person).await.expect("nobody panicked");
        talk.done.extend(done);
        talk.done.extend(within("the summaries", keeper).await.expect("nobody panicked"));
    }
}

enum Moment {
    After(Duration),
    At { failpoint: &'static str, hit: u32 },
}

impl Moment {
    /// The first kills come to what only trees come past, the others where chance will have them.
    fn drawn(rng: &mut StdRng, cycle: u32) -> Self {
        match failpoint::OF_TREES.get(cycle as usize % (2 * failpoint::OF_TREES.len())) {
            Some(failpoint) => Self::At { failpoint, hit: rng.random_range(1..=2) },
            None if rng.random_bool(0.4) => Self::After(Duration::from_micros(rng.random_range(0..300_000))),
            None => {
                let failpoint = failpoint::NAMES[rng.random_range(0..failpoint::NAMES.len())];
                Self::At { failpoint, hit: rng.random_range(1..=120) }
            }
        }
    }

    fn drawn_for_a_start(rng: &mut StdRng) -> Self {
        match rng.random_range(0..3) {
            0 => Self::After(Duration::from_micros(rng.random_range(0..50_000))),
            1 => Self::At { failpoint: "store::before_erased", hit: 1 },
            _ => Self::At { failpoint: "store::before_commit", hit: rng.random_range(1..=4) },
        }
    }

    fn is_armed(&self, server: &Server) {
        match self {
            Self::After(_) => server.disarm(),
            Self::At { failpoint, hit } => server.arm(failpoint, *hit),
        }
    }

    async fn comes(&self, server: &Server, count: &mut Count) {
        let failpoint = match self {
            Self::After(pause) => return tokio::time::sleep(*pause).await,
            Self::At { failpoint, .. } => failpoint,
        };
        let deadline = Instant::now() + REACHED_WITHIN;
        while !server.is_stopped() && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        if server.is_stopped() {
            *count.at_failpoints.entry(failpoint).or_default() += 1;
        }
    }
}

fn kill(server: &mut Server, count: &mut Count) {
    server.kill9();
    count.kills += 1;
    database_is_sound(&server.data()).unwrap_or_else(|wrong| panic!("after a kill: {wrong}"));
}
