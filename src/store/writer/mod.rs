//! The one thread that writes: takes what waits, applies it, and commits it as one batch, then answers.
//!
//! There is no timer: while one batch is being synced the next one gathers. Between applying and COMMIT a batch
//! is replicated. Nobody is answered before the COMMIT.

pub(super) mod gate;
pub(super) mod journal;
pub(super) mod pace;
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
use self::pace::Pace;
use self::queue::{Waiting, Work};
use crate::store::error::Error;
use crate::store::record::{Batch, Replicate};
use crate::store::shared::Shared;

pub(super) struct Writer {
    pub conn: Connection,
    pub gate: Gate,
    pub pace: Pace,
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
        while let Some(depth) = shared.queue.take(&mut people, self.pace.next()) {
            metrics::gauge!("weir_store_queue_depth").set(depth as f64);
            match self.health {
                Health::Sealed => self.refuse(&mut people, &Error::Sealed),
                Health::FullUntil(until) if Instant::now() < until => self.refuse(&mut people, &Error::Full),
                Health::Well | Health::FullUntil(_) => self.commit(&mut people),
            }
        }
    }

    fn refuse(&self, people: &mut VecDeque<Waiting>, error: &Error) {
        let bulk = std::iter::from_fn(|| self.shared.queue.take_bulk(true));
        for waiting in people.drain(..).chain(bulk) {
            let _ = waiting.answer.send(Err(error.clone()));
        }
    }

    fn commit(&mut self, people: &mut VecDeque<Waiting>) {
        let started = Instant::now();
        let any_people = !people.is_empty();
        let mut answers = Vec::with_capacity(people.len());
        let mut bulk = Duration::ZERO;
        let outcome = self.try_commit(people, &mut answers, &mut bulk);
        self.pace.settle(started, Instant::now(), any_people, bulk);
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
        bulk: &mut Duration,
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
        let bulk_may = Instant::now() >= self.pace.next();
        loop {
            let waiting = match people.pop_front() {
                Some(waiting) => waiting,
                None if bulk_began.is_some_and(|began: Instant| began.elapsed() > self.pace.slice()) => break,
                None => match self.shared.queue.take_bulk(bulk_may) {
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
        *bulk = bulk_began.map_or(Duration::ZERO, |began| began.elapsed());
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
        } else if error.is_busy() {
            tracing::warn!("another program holds the database");
            Error::Busy
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::conversation::{ConversationInfo, Visibility};
    use crate::chat::event::{Event, Seq};
    use crate::clock::Timestamp;
    use crate::id::{ConversationId, UserId, WorkspaceId};
    use crate::store::record::{Job, Lane, Record};
    use crate::store::{Options, assemble};

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn creation(title: String) -> Job {
        let conversation = ConversationInfo {
            id: ConversationId::new(),
            workspace_id: WorkspaceId::new(),
            created_by: UserId::new(),
            agent: "default".to_owned(),
            name: None,
            title: Some(title),
            visibility: Visibility::Private,
            settings: Default::default(),
            metadata: None,
            archived: false,
            created_at: NOW,
            parent: None,
        };
        let conversation_id = conversation.id;
        let event = Event::ConversationCreated { conversation };
        let records = vec![Record::Event { conversation_id, prev: Seq::START, at: NOW, event }];
        Job { conversation_id, expected_last_seq: Seq::START, records }
    }

    /// Commits the jobs as one batch.
    fn commit(writer: &mut Writer, jobs: Vec<Job>) -> Vec<Result<(), Error>> {
        let shared = Arc::clone(&writer.shared);
        let push = |job| shared.queue.push(Lane::People, Work::Job(job)).unwrap();
        let answers: Vec<_> = jobs.into_iter().map(push).collect();
        let mut people = VecDeque::new();
        shared.queue.take(&mut people, Instant::now());
        writer.commit(&mut people);
        answers.into_iter().map(|answer| answer.blocking_recv().unwrap()).collect()
    }

    #[test]
    fn a_batch_that_finds_no_page_fails_whole_and_the_next_one_has_room() {
        let dir = tempfile::tempdir().unwrap();
        let options =
            Options { retry_full_after: Duration::ZERO, ..Options::new(dir.path().join("weir.db")) };
        let (mut writer, _) = assemble(options, NOW).unwrap();
        assert!(commit(&mut writer, vec![creation("first".to_owned())])[0].is_ok());

        let pages: i64 = writer.conn.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        let limit = |writer: &Writer, pages: i64| {
            writer.conn.pragma_update(None, "max_page_count", pages).unwrap();
        };
        limit(&writer, pages + 4);
        let fits = creation("fits".to_owned());
        let mut stale = creation("stale".to_owned());
        stale.expected_last_seq = Seq(7);
        let batch = vec![fits.clone(), stale, creation("x".repeat(100_000)), creation("last".to_owned())];
        let answers = commit(&mut writer, batch);
        assert!(answers.iter().all(|answer| matches!(answer, Err(Error::Full))), "{answers:?}");
        let count = |writer: &Writer| -> i64 {
            writer.conn.query_row("SELECT count(*) FROM conversations", [], |row| row.get(0)).unwrap()
        };
        assert_eq!(count(&writer), 1);

        limit(&writer, 1 << 30);
        let answers = commit(&mut writer, vec![fits]);
        assert!(answers[0].is_ok(), "{answers:?}");
        assert_eq!((count(&writer), writer.journal.next), (2, 3));
    }

    #[test]
    fn one_refused_job_leaves_the_others_of_its_batch() {
        let dir = tempfile::tempdir().unwrap();
        let (mut writer, _) = assemble(Options::new(dir.path().join("weir.db")), NOW).unwrap();
        let mut twice = creation("twice".to_owned());
        twice.records.extend(twice.records.clone());
        let answers = commit(&mut writer, vec![creation("a".to_owned()), twice, creation("b".to_owned())]);
        let stored: Vec<_> = answers.iter().map(Result::is_ok).collect();
        assert_eq!(stored, [true, false, true]);
        let titles = "SELECT group_concat(title, ' ' ORDER BY title) FROM conversations";
        let titles: String = writer.conn.query_row(titles, [], |row| row.get(0)).unwrap();
        assert_eq!(titles, "a b");
    }
}
