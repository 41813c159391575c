//! One import from its file to its end. A thread of its own reads; a few conversations are stored at a time.

use std::fs::File;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;
use tracing::{info, warn};

use super::super::Runtime;
use super::store::{Outcome, store};
use super::{Import, ImportState, Imports, Job};
use crate::import::{self, Found, Plan, Reason, Refused, Skipped};

/// Conversations that are stored at a time.
const AT_ONCE: usize = 16;

/// What was read and is not stored yet holds about so many KiB, and one conversation besides.
const AHEAD_KIB: u32 = 32 * 1024;

const NOTED_EVERY: Duration = Duration::from_secs(1);

/// Items of the report that are kept in memory between two notes.
const REPORT: usize = 1000;

/// A conversation in which an actor is awake is left until the end, and then given so long to fall asleep.
const PATIENCE: Duration = Duration::from_secs(90);
const AGAIN: Duration = Duration::from_millis(200);

/// What the reader found, in the order of the file.
enum Item {
    Plan(Box<Plan>, OwnedSemaphorePermit),
    Skipped(Skipped),
}

/// What became of an item.
#[derive(Default)]
struct Done {
    skipped: Vec<Skipped>,
    outcome: Option<Outcome>,
    /// To be tried again at the end.
    busy: Option<Box<Plan>>,
}

pub(super) async fn work(imports: &Imports, job: &Arc<Job>) {
    let clock = imports.0.runtime.clock();
    let ended = match fetch(imports, job).await {
        Ok(()) => read_and_store(imports, job).await,
        Err(error) => Some((ImportState::Failed, Some(format!("the file cannot be fetched: {error}")))),
    };
    // The process ends; the next one goes on.
    let Some((state, failure)) = ended else { return };
    let (noted, now) = (job.clone(), clock.now());
    {
        let mut import = job.import.lock();
        import.failure = failure;
        import.end(state, now);
        info!(import_id = %import.id, state = ?import.state, counts = ?import.counts, "an import has ended");
    }
    let removed = imports.0.runtime.aside(move || {
        noted.note();
        std::fs::remove_file(noted.files.upload())
    });
    // What could not be removed goes with the whole directory.
    drop(removed.await);
}

/// Copies the operator's file, which may be gone tomorrow.
async fn fetch(imports: &Imports, job: &Arc<Job>) -> std::io::Result<()> {
    let Some(source) = job.import.lock().source.clone() else { return Ok(()) };
    let fetching = job.clone();
    imports
        .0
        .runtime
        .aside(move || {
            let part: PathBuf = fetching.files.dir().join("upload.part");
            std::fs::copy(&source, &part)?;
            File::open(&part)?.sync_all()?;
            std::fs::rename(part, fetching.files.upload())?;
            fetching.import.lock().source = None;
            fetching.note();
            Ok(())
        })
        .await
}

async fn read_and_store(imports: &Imports, job: &Arc<Job>) -> Option<(ImportState, Option<String>)> {
    let runtime = &imports.0.runtime;
    let (items, found) = mpsc::channel(AT_ONCE);
    let progress = Arc::new(AtomicU64::new(0));
    let mut reader = std::pin::pin!(read(imports, job, items, progress.clone()));
    let mut read = None;
    let found = stream::unfold(found, |mut found| async move { Some((found.recv().await?, found)) });
    let mut settled = std::pin::pin!(found.map(|item| settle(imports, job, item)).buffered(AT_ONCE));
    let mut pen = Pen::new(job.clone());
    let mut busy = Vec::new();
    loop {
        tokio::select! {
            outcome = &mut reader, if read.is_none() => read = Some(outcome),
            next = settled.next() => {
                let Some(next) = next else { break };
                if let Some(Outcome::Ended) = next.outcome {
                    return None;
                }
                busy.extend(pen.take(next, progress.load(Ordering::Relaxed)));
                pen.note_in_time(runtime).await;
            }
        }
    }
    for plan in busy {
        let last = wait_for(imports, job, plan).await;
        if let Some(Outcome::Ended) = last.outcome {
            return None;
        }
        pen.write(last);
    }
    let read = match read {
        Some(read) => read,
        None => reader.await,
    };
    pen.finish(runtime).await;
    Some(match read {
        Ok(()) => (ImportState::Completed, None),
        Err(refused) => (ImportState::Failed, Some(refused.to_string())),
    })
}

/// Reads on a thread of its own, not further ahead than there is room for.
async fn read(
    imports: &Imports,
    job: &Arc<Job>,
    items: mpsc::Sender<Item>,
    progress: Arc<AtomicU64>,
) -> Result<(), Refused> {
    let (path, bounds) = (job.files.upload(), imports.0.options.bounds);
    let (agents, now) = (imports.0.options.agents.clone(), imports.0.runtime.clock().now());
    let (identity, skip) = {
        let import = job.import.lock();
        (import.owner(), import.done)
    };
    let job = job.clone();
    let ahead = Arc::new(Semaphore::new(AHEAD_KIB as usize));
    let handle = tokio::runtime::Handle::current();
    let reading = move || {
        let mut at = 0;
        let mut take = |found: Found| {
            at += 1;
            // An earlier life has done it.
            if at <= skip {
                return ControlFlow::Continue(());
            }
            if job.import.lock().ended_at.is_some() {
                return ControlFlow::Break(());
            }
            let item = match found {
                Found::Skipped(skipped) => Item::Skipped(skipped),
                Found::Conversation(conversation) => {
                    let plan = Plan::new(*conversation, &identity, &agents, now);
                    let kib = u32::try_from(plan.weight() / 1024).unwrap_or(u32::MAX).clamp(1, AHEAD_KIB);
                    let room = handle.block_on(ahead.clone().acquire_many_owned(kib));
                    Item::Plan(Box::new(plan), room.expect("nobody closes it"))
                }
            };
            match items.blocking_send(item) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        };
        import::read(File::open(path)?, &bounds, progress, &mut take).map(|_| ())
    };
    imports.0.runtime.aside(reading).await
}

async fn settle(imports: &Imports, job: &Job, item: Item) -> Done {
    let (mut plan, _room) = match item {
        Item::Plan(plan, room) => (plan, room),
        Item::Skipped(skipped) => return Done { skipped: vec![skipped], ..Done::default() },
    };
    if plan.is_empty() {
        let mut skipped = std::mem::take(&mut plan.skipped);
        skipped.push(Skipped::new(Reason::MissingMessages).of(&plan.external_id));
        return Done { skipped, ..Done::default() };
    }
    let identity = {
        let import = job.import.lock();
        // Cancelled: what is under way ends, and nothing more begins.
        if import.ended_at.is_some() {
            return Done::default();
        }
        import.owner()
    };
    match store(&imports.0.runtime, &identity, &mut plan).await {
        Outcome::Busy => Done { busy: Some(plan), ..Done::default() },
        outcome => Done { skipped: std::mem::take(&mut plan.skipped), outcome: Some(outcome), busy: None },
    }
}

/// Tries a conversation again until its actor sleeps, or says that it is busy.
async fn wait_for(imports: &Imports, job: &Job, mut plan: Box<Plan>) -> Done {
    let (began, identity) = (Instant::now(), job.import.lock().owner());
    let outcome = loop {
        let cancelled = job.import.lock().ended_at.is_some();
        match store(&imports.0.runtime, &identity, &mut plan).await {
            Outcome::Busy if began.elapsed() < PATIENCE && !cancelled => {
                imports.0.runtime.ask_to_sleep(plan.id());
                tokio::time::sleep(AGAIN).await;
            }
            Outcome::Busy => break Outcome::Skipped(Skipped::new(Reason::Busy).of(&plan.external_id)),
            outcome => break outcome,
        }
    };
    Done { skipped: std::mem::take(&mut plan.skipped), outcome: Some(outcome), busy: None }
}

/// Counts, and writes the report.
struct Pen {
    job: Arc<Job>,
    lines: Vec<Skipped>,
    noted: Instant,
    /// How things stood before the first conversation that was left for later: a restart goes on from there.
    held_back: Option<Import>,
}

impl Pen {
    fn new(job: Arc<Job>) -> Self {
        Self { job, lines: Vec::new(), noted: Instant::now(), held_back: None }
    }

    /// The next item in the order of the file. What is busy comes back.
    fn take(&mut self, mut done: Done, bytes_read: u64) -> Option<Box<Plan>> {
        let busy = done.busy.take();
        if busy.is_some() && self.held_back.is_none() {
            self.held_back = Some(self.job.import.lock().clone());
        }
        self.write(done);
        let mut import = self.job.import.lock();
        import.done += 1;
        import.bytes_read = bytes_read.min(import.bytes);
        busy
    }

    fn write(&mut self, done: Done) {
        let mut import = self.job.import.lock();
        let (mut skipped, counts) = (done.skipped, &mut import.counts);
        match done.outcome {
            Some(Outcome::Created { messages }) => {
                counts.created += 1;
                counts.messages += messages;
            }
            Some(Outcome::Grown { messages }) => {
                counts.grown += 1;
                counts.messages += messages;
            }
            Some(Outcome::Unchanged) => counts.unchanged += 1,
            Some(Outcome::Skipped(item)) => skipped.push(item),
            Some(Outcome::Busy | Outcome::Ended) | None => {}
        }
        for item in &skipped {
            *import.reasons.entry(item.reason).or_default() += 1;
            import.counts.skipped += u64::from(item.is_conversation());
        }
        drop(import);
        self.lines.extend(skipped);
    }

    async fn note_in_time(&mut self, runtime: &Runtime) {
        if self.noted.elapsed() >= NOTED_EVERY || self.lines.len() >= REPORT {
            self.note(runtime, false).await;
        }
    }

    async fn finish(&mut self, runtime: &Runtime) {
        self.held_back = None;
        self.note(runtime, true).await;
    }

    async fn note(&mut self, runtime: &Runtime, whole: bool) {
        self.noted = Instant::now();
        let (job, lines) = (self.job.clone(), std::mem::take(&mut self.lines));
        let held_back = self.held_back.clone();
        let noting = move || {
            let length = job.import.lock().report_bytes;
            match job.files.append(length, &lines) {
                Ok(length) => job.import.lock().report_bytes = length,
                Err(error) => warn!(%error, "the report of an import could not be written"),
            }
            match held_back {
                Some(held_back) => drop(job.files.write(&held_back)),
                None if whole => {}
                None => job.note(),
            }
        };
        runtime.aside(noting).await;
    }
}
