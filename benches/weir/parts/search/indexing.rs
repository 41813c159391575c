//! Everything is indexed anew, by both.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::fts5::Built;
use crate::parts::search::{Archive, Fts5};
use crate::process::{anonymous_bytes, forget_most_resident, most_resident_bytes};
use crate::report::Row;
use crate::world::World;

const RUNS: usize = 3;
const LOOKS_EVERY: Duration = Duration::from_millis(20);
const MIB: f64 = 1024.0 * 1024.0;

pub fn run(world: &World) -> anyhow::Result<Vec<Row>> {
    let archive = Archive::open(world)?;
    let mut fts5 = Fts5::start(world)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let (mut sizes, mut their_sizes) = (Vec::new(), Vec::new());
    let (mut memory, mut anonymous) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let built: Built = fts5.order("build")?;
        theirs.push(per_second(built.documents, built.seconds));
        their_sizes.push(mib(built.bytes));
        forget_most_resident(archive.server.id())?;
        let (seconds, bytes) = most_anonymous(archive.server.id(), || archive.rebuild())?;
        anonymous.push(bytes / MIB);
        ours.push(per_second(archive.messages, seconds));
        sizes.push(mib(archive.index_bytes()?));
        memory.push(most_resident_bytes(archive.server.id())? / MIB);
    }
    Ok(vec![
        Row::new("everything indexed anew", "messages/s", ours).beside("FTS5", theirs).at_least(20_000.0),
        Row::new("size of the index", "MiB", sizes).beside("FTS5", their_sizes),
        Row::new("server's most memory, indexing anew", "MiB", anonymous)
            .beside("with mapped files", memory)
            .at_most(300.0),
    ])
}

/// What is measured, and the most memory of its own that the process had meanwhile.
fn most_anonymous<T>(id: u32, measured: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<(T, f64)> {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let looking = scope.spawn(|| {
            let mut most: f64 = 0.0;
            while !over.load(Ordering::Relaxed) {
                most = most.max(anonymous_bytes(id)?);
                std::thread::sleep(LOOKS_EVERY);
            }
            Ok(most)
        });
        let measured = measured();
        over.store(true, Ordering::Relaxed);
        let most: anyhow::Result<f64> = looking.join().expect("it does not panic");
        Ok((measured?, most?))
    })
}

#[expect(clippy::cast_precision_loss, reason = "millions")]
fn per_second(messages: usize, seconds: f64) -> f64 {
    messages as f64 / seconds
}

#[expect(clippy::cast_precision_loss, reason = "gigabytes")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / MIB
}
