//! The one thread that writes: takes what waits, applies it, and commits it as one batch, then answers.
//!
//! There is no timer: while one batch is being synced the next one gathers. Between applying and COMMIT a batch
//! is replicated. Nobody is answered before the COMMIT.

pub(super) mod gate;
pub(super) mod journal;
pub(super) mod positions;
pub(super) mod queue;
mod replica;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use self::gate::Gate;
use self::journal::Journal;
use self::queue::{Waiting, Work};
use crate::store::error::Error;
use crate::store::record::{Batch, Replicate};
use crate::store::shared::Shared;

/// Bulk work of one batch ends once it took this long.
const BULK_SLICE: Duration = Duration::from_millis(1);

pub(super) struct Writer {
    pub conn: Connection,
    pub gate: Gate,
    pub journal: Journal,
    pub replica: Box<dyn Replicate>,
    pub shared: Arc<Shared>,
    pub retry_full_after: Duration,
    pub health: Health,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    Well,
    /// Refuses everything until then; the next batch is a probe.
    FullUntil(Instant),
    Sealed,
}

/// How a job fared, told to its caller only once the batch is settled.
type Answer = (oneshot::Sender<Result<(), Error>>, Result<(), Error>);

impl Writer {
    pub fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let _gone = Gone(&shared);
        let mut people = VecDeque::new();
        while let Some(depth) = shared.queue.take(&mut people) {
            metrics::gauge!("weir_store_queue_depth").set(depth as f64);
            match self.health {
                Health::Sealed => self.refuse(&mut people, &Error::Sealed),
                Health::FullUntil(until) if Instant::now() < until => self.refuse(&mut people, &Error::Full),
                Health::Well | Health::FullUntil(_) => self.commit(&mut people),
            }
        }
    }

    fn refuse(&self, people: &mut VecDeque<Waiting>, error: &Error) {
        let bulk = std::iter::from_fn(|| self.shared.queue.take_bulk());
        for waiting in people.drain(..).chain(bulk) {
            let _ = waiting.answer.send(Err(error.clone()));
        }
    }

    fn commit(&mut self, people: &mut VecDeque<Waiting>) {
        let started = Instant::now();
        let mut answers = Vec::with_capacity(people.len());
        let outcome = self.try_commit(people, &mut answers);
        let outcome = match outcome {
            Ok(batch) => {
                self.settle(&batch);
                metrics::histogram!("weir_store_commit_seconds").record(started.elapsed().as_secs_f64());
                metrics::histogram!("weir_store_commit_jobs").record(batch.jobs.len() as f64);
                Ok(())
            }
            Err(error) => Err(self.roll_back(&error)),
        };
        for (answer, result) in answers {
            let _ = answer.send(outcome.clone().and(result));
        }
        fail::fail_point!("store::after_answer");
    }

    /// Leaves the batch committed, or nothing of it in the database.
    fn try_commit(
        &mut self,
        people: &mut VecDeque<Waiting>,
        answers: &mut Vec<Answer>,
    ) -> Result<Batch, Error> {
        fail::fail_point!("store::before_apply");
        let mut batch =
            Batch { position: self.journal.next, jobs: Vec::new(), journal_from: self.journal.first };
        self.gate.position = batch.position;
        let begun = Transaction::new_unchecked(&self.conn, TransactionBehavior::Immediate);
        let tx = match begun {
            Ok(tx) => tx,
            Err(error) => {
                answers.extend(people.drain(..).map(|waiting| (waiting.answer, Ok(()))));
                return Err(error.into());
            }
        };
        let mut broken = None;
        let mut bulk_began = None;
        loop {
            let waiting = match people.pop_front() {
                Some(waiting) => waiting,
                None if bulk_began.is_some_and(|began: Instant| began.elapsed() > BULK_SLICE) => break,
                None => match self.shared.queue.take_bulk() {
                    Some(waiting) => {
                        bulk_began.get_or_insert_with(Instant::now);
                        waiting
                    }
                    None => break,
                },
            };
            // Once the batch has failed nothing more runs in it.
            if broken.is_some() {
                answers.push((waiting.answer, Ok(())));
                continue;
            }
            let result = self.gate.run(&tx, &waiting.work);
            let result = match result {
                Err(error) if tx.is_autocommit() || !error.spares_the_batch() => {
                    broken = Some(error);
                    Ok(())
                }
                Err(error) => Err(error.into_refusal()),
                Ok(()) => {
                    batch.jobs.push(match waiting.work {
                        Work::Job(job) => job.records,
                        Work::Upkeep(records) => records,
                    });
                    Ok(())
                }
            };
            answers.push((waiting.answer, result));
        }
        if let Some(error) = broken {
            return Err(error);
        }
        if batch.jobs.is_empty() {
            return Ok(batch);
        }
        self.journal.write(&tx, &mut batch, &self.gate.deltas, self.gate.positions.floor())?;
        self.replica.replicate(&batch).map_err(|error| {
            tracing::error!(%error, position = batch.position, "the batch was not replicated");
            Error::Sealed
        })?;
        fail::fail_point!("store::before_commit");
        tx.commit()?;
        fail::fail_point!("store::after_commit");
        Ok(batch)
    }

    fn settle(&mut self, batch: &Batch) {
        self.health = Health::Well;
        self.gate.positions.settle();
        let deltas = std::mem::take(&mut self.gate.delta_count);
        self.gate.deltas.clear();
        if batch.jobs.is_empty() {
            return;
        }
        self.journal.settle();
        self.shared.committed(batch, self.journal.bytes(), self.gate.positions.floor());
        metrics::counter!("weir_store_commits_total").increment(1);
        metrics::counter!("weir_store_deltas_total").increment(deltas);
        metrics::gauge!("weir_store_journal_bytes").set(self.journal.bytes() as f64);
    }

    /// The transaction is gone; memory follows. What may yet come back on recovery seals the store. A write that found
    /// no room cannot: its commit frame was not written.
    fn roll_back(&mut self, error: &Error) -> Error {
        self.gate.positions.roll_back_to(0);
        self.gate.deltas.clear();
        self.gate.delta_count = 0;
        self.journal.roll_back();
        if error.is_full() {
            self.health = Health::FullUntil(Instant::now() + self.retry_full_after);
            tracing::warn!("the disk is full: nothing is stored until there is room");
            Error::Full
        } else {
            self.health = Health::Sealed;
            self.shared.keeper.seal();
            tracing::error!(%error, "the store is sealed until the next start");
            Error::Sealed
        }
    }
}

/// However the writer ends, nobody waits for it.
struct Gone<'a>(&'a Shared);

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        self.0.queue.abandon();
        self.0.keeper.close();
    }
}
