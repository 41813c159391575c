//! A run of many lives: in each, a data directory of its own goes through a few kills.
//!
//! `WEIR_SEED` repeats a run, and `WEIR_LIFE` one life of it; `WEIR_KILLS` says how many kills. `WEIR_TORTURE=1` is
//! many of them, and goes on where an earlier run with the same seed stopped.

use std::collections::BTreeMap;
use std::fs;
use std::ops::{AddAssign, Range};
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;

use futures_util::FutureExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;

/// Kills that one data directory goes through.
const KILLS_OF_A_LIFE: u32 = 20;
/// Servers that live and die at the same time.
const AT_ONCE: usize = 2;

pub struct Run {
    suite: &'static str,
    seed: u32,
    kills: u32,
    life: Option<u32>,
    torture: bool,
}

/// One of a run: what it draws by chance comes from the seed and its number.
#[derive(Debug, Clone, Copy)]
pub struct Life {
    pub seed: u32,
    pub number: u32,
    pub kills: u32,
}

impl Run {
    /// As the environment has it: so many kills, or so many in `make torture`.
    pub fn of(suite: &'static str, few: u32, many: u32) -> Self {
        let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u32>().expect("a number"));
        let torture = std::env::var("WEIR_TORTURE").is_ok_and(|value| value == "1");
        let kills = number("WEIR_KILLS").unwrap_or(if torture { many } else { few });
        let seed = number("WEIR_SEED").unwrap_or_else(rand::random);
        Self { suite, seed, kills, life: number("WEIR_LIFE"), torture }
    }

    /// Goes through every life that is left; what all of them came to, those of earlier runs as well.
    pub async fn lives<C, L>(&self, live: impl Fn(Life) -> L) -> C
    where
        C: std::fmt::Debug + Clone + Default + AddAssign + Serialize + DeserializeOwned + Send + 'static,
        L: Future<Output = C> + Send + 'static,
    {
        println!("WEIR_SEED={} WEIR_KILLS={}", self.seed, self.kills);
        let mut done: BTreeMap<u32, C> = self.done();
        let mut left = self.numbers().filter(|life| !done.contains_key(life)).collect::<Vec<_>>().into_iter();
        let mut living = JoinSet::new();
        loop {
            while living.len() < AT_ONCE
                && let Some(number) = left.next()
            {
                let life = live(Life { seed: self.seed, number, kills: self.kills_of(number) });
                living.spawn(async move { (number, AssertUnwindSafe(life).catch_unwind().await) });
            }
            let Some(ended) = living.join_next().await else { break };
            match ended.expect("panics are caught") {
                (life, Ok(count)) => {
                    println!("life {life}: {count:?}");
                    done.insert(life, count);
                    self.remember(&done);
                }
                (life, Err(panic)) => {
                    println!("again: WEIR_SEED={} WEIR_KILLS={} WEIR_LIFE={life}", self.seed, self.kills);
                    std::panic::resume_unwind(panic);
                }
            }
        }
        let (lives, mut whole) = (done.len(), C::default());
        done.into_values().for_each(|count| whole += count);
        println!("WEIR_SEED={}: {lives} lives, {whole:?}", self.seed);
        whole
    }

    fn numbers(&self) -> Range<u32> {
        match self.life {
            Some(life) => life..life + 1,
            None => 0..self.kills.div_ceil(KILLS_OF_A_LIFE),
        }
    }

    fn kills_of(&self, life: u32) -> u32 {
        KILLS_OF_A_LIFE.min(self.kills.saturating_sub(life * KILLS_OF_A_LIFE))
    }

    fn progress(&self) -> PathBuf {
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{}.lives", self.suite, self.seed))
    }

    /// The lives that an earlier run with this seed went through.
    fn done<C: DeserializeOwned>(&self) -> BTreeMap<u32, C> {
        let earlier = fs::read(self.progress()).ok().filter(|_| self.torture && self.life.is_none());
        let Some(earlier) = earlier else { return BTreeMap::new() };
        let done: BTreeMap<u32, C> = serde_json::from_slice(&earlier).expect("the progress was noted whole");
        println!("going on after {} lives, see {}", done.len(), self.progress().display());
        done
    }

    fn remember<C: Serialize>(&self, done: &BTreeMap<u32, C>) {
        if self.torture && self.life.is_none() {
            let next = self.progress().with_extension("next");
            let noted = serde_json::to_vec(done).expect("counts are plain");
            fs::write(&next, noted).expect("the progress can be noted");
            fs::rename(next, self.progress()).expect("the progress can be noted");
        }
    }
}
