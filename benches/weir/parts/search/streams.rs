//! What streams notice of searches, and of everything being indexed anew beside them. So few streams that the machine is
//! not full without that: there the goal would speak of the scheduler. What is asked is made up before.
//!
//! The goal is what streams are alone. On two cores they notice any request: what they notice of as many that search
//! nothing stands beside it.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{Archive, Askers};
use crate::load::Counted;
use crate::parts::millis;
use crate::question::{Kind, Question};
use crate::report::Row;
use crate::sample::Spread;
use crate::world::World;

const RUNS: usize = 7;
const STREAMS: usize = 100;
const WINDOW: Duration = Duration::from_secs(4);

/// Searches a second meanwhile, of every kind in turn: of the two hundred people, each searches every twenty seconds, or
/// every four.
const SEARCHES: [u32; 2] = [10, 50];

pub fn run(world: &World) -> anyhow::Result<Vec<Row>> {
    let archive = Archive::open(world)?;
    let most = SEARCHES[1] * u32::try_from(WINDOW.as_secs())?;
    let questions: Vec<_> = (0..most)
        .map(|number| {
            let kind = Kind::ALL[number as usize % Kind::ALL.len()];
            Question::draw(&archive.corpus, kind, number.into())
        })
        .collect();
    let stream = |meanwhile: &mut dyn FnMut(Duration) -> anyhow::Result<()>| -> anyhow::Result<Counted> {
        Ok(world.stream_while(&archive.server, STREAMS, "paced-50", meanwhile, WINDOW)?.counted)
    };
    let beside = |what, per_second| {
        let mut askers = Askers::of(&archive, &questions)?;
        stream(&mut |window| ask(&mut askers, &questions, what, per_second, window))
    };
    let (mut alone, mut indexed) = (Vec::new(), Vec::new());
    let [mut searched, mut requested] = [(); 2].map(|()| SEARCHES.map(|_| Vec::new()));
    // In turn: the machine is not equally fast all the time. Alone they are not what comes first behind an index.
    for _ in 0..RUNS {
        for (rate, per_second) in SEARCHES.into_iter().enumerate() {
            requested[rate].push(beside(What::Nothing, per_second)?);
        }
        alone.push(stream(&mut |window| {
            std::thread::sleep(window);
            Ok(())
        })?);
        for (rate, per_second) in SEARCHES.into_iter().enumerate() {
            searched[rate].push(beside(What::Search, per_second)?);
        }
        let over = AtomicBool::new(false);
        indexed.push(std::thread::scope(|scope| {
            let indexing = scope.spawn(|| archive.rebuild_until(&over));
            let counted = beside(What::Search, SEARCHES[0]);
            over.store(true, Ordering::Relaxed);
            indexing.join().expect("it does not panic")?;
            counted
        })?);
        // What an index leaves to be written to the disk would be the next one's burden.
        anyhow::ensure!(Command::new("sync").status()?.success(), "sync failed");
    }
    let of = |runs: &[Counted], time: fn(&Counted) -> u64| -> Vec<f64> {
        runs.iter().map(|run| millis(time(run))).collect()
    };
    let goal = 1.1 * Spread::of(of(&alone, |run| run.p99)).median;
    let row = |what: &str, runs: &[Counted], name: &str, time: fn(&Counted) -> u64| {
        Row::new(format!("a delta beside {what}, 5k/s, {name}"), "ms", of(runs, time))
            .beside("alone", of(&alone, time))
    };
    let [few, many] = SEARCHES.map(|per_second| format!("{per_second} searches/s"));
    let anew = format!("{few} and an index that is made anew");
    let searches = [(few, &searched[0]), (many, &searched[1]), (anew, &indexed)];
    let mut rows: Vec<_> = searches
        .into_iter()
        .flat_map(|(what, runs)| {
            [row(&what, runs, "p50", |run| run.p50), row(&what, runs, "p99", |run| run.p99).at_most(goal)]
        })
        .collect();
    for (per_second, runs) in SEARCHES.into_iter().zip(&requested) {
        let what = format!("{per_second} requests/s that search nothing");
        rows.extend([row(&what, runs, "p50", |run| run.p50), row(&what, runs, "p99", |run| run.p99)]);
    }
    Ok(rows)
}

#[derive(Clone, Copy)]
enum What {
    Search,
    Nothing,
}

fn ask(
    askers: &mut Askers<'_>,
    questions: &[Question],
    what: What,
    per_second: u32,
    window: Duration,
) -> anyhow::Result<()> {
    let began = Instant::now();
    for (asked, question) in (1..).zip(questions.iter().cycle()) {
        if began.elapsed() >= window {
            break;
        }
        // Whoever asks looks at the answer on a machine of their own.
        let answer = match what {
            What::Search => askers.send(question)?,
            What::Nothing => askers.send_nothing(question)?,
        };
        anyhow::ensure!(answer.status == 200, "status {}", answer.status);
        let due = began + Duration::from_secs(1) * asked / per_second;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    Ok(())
}
