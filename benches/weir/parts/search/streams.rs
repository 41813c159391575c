//! What streams notice of searches, and of everything being indexed anew beside them. So few streams that the machine is
//! not full without that: there the goal would speak of the scheduler. What is asked is made up before.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{Archive, Askers};
use crate::load::Counted;
use crate::parts::millis;
use crate::question::{Kind, Question};
use crate::report::Row;
use crate::sample::Spread;
use crate::world::World;

const RUNS: usize = 5;
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
    let beside_searches = |per_second| {
        let mut askers = Askers::of(&archive, &questions)?;
        stream(&mut |window| search(&mut askers, &questions, per_second, window))
    };
    let (mut alone, mut searched, mut indexed) = (Vec::new(), SEARCHES.map(|_| Vec::new()), Vec::new());
    for _ in 0..RUNS {
        alone.push(stream(&mut |window| {
            std::thread::sleep(window);
            Ok(())
        })?);
        for (searched, per_second) in searched.iter_mut().zip(SEARCHES) {
            searched.push(beside_searches(per_second)?);
        }
    }
    // Afterwards: what an index leaves to be written to the disk would be the next one's burden.
    for _ in 0..RUNS {
        let over = AtomicBool::new(false);
        indexed.push(std::thread::scope(|scope| {
            let indexing = scope.spawn(|| archive.rebuild_until(&over));
            let counted = beside_searches(SEARCHES[0]);
            over.store(true, Ordering::Relaxed);
            indexing.join().expect("it does not panic")?;
            counted
        })?);
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
    Ok([(few, &searched[0]), (many, &searched[1]), (anew, &indexed)]
        .into_iter()
        .flat_map(|(what, runs)| {
            [row(&what, runs, "p50", |run| run.p50), row(&what, runs, "p99", |run| run.p99).at_most(goal)]
        })
        .collect())
}

fn search(
    askers: &mut Askers<'_>,
    questions: &[Question],
    per_second: u32,
    window: Duration,
) -> anyhow::Result<()> {
    let began = Instant::now();
    for (asked, question) in (1..).zip(questions.iter().cycle()) {
        if began.elapsed() >= window {
            break;
        }
        // Whoever asks looks at the answer on a machine of their own.
        let answer = askers.send(question)?;
        anyhow::ensure!(answer.status == 200, "status {}", answer.status);
        let due = began + Duration::from_secs(1) * asked / per_second;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    Ok(())
}
