//! The thread that keeps house off the gate: it checkpoints the WAL and lets old open text go from the journal.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::clock::Timestamp;
use crate::id::MessageId;
use crate::store::error::Error;
use crate::store::journal;
use crate::store::record::{Lane, Piece, Record};
use crate::store::shared::Shared;
use crate::store::tails::{self, Gathered};
use crate::store::writer::queue::Work;

/// Between two looks at a busy store.
const BREATH: Duration = Duration::from_millis(50);
/// A store without a commit for this long is quiet.
const QUIET: Duration = Duration::from_secs(2);
/// Until readers let go of the WAL, with a breath in between.
const TRIES: u32 = 100;
/// 4 MiB of WAL.
const CHECKPOINT_PAGES: i64 = 1024;
/// 32 MiB of WAL. While commits never pause, some frames always come after a checkpoint, and the WAL would grow for
/// ever: then one holds the writer back for the few that are left, so that the WAL begins anew.
const RESTART_PAGES: i64 = 8192;

#[derive(Debug, Default)]
pub(super) struct Signal {
    news: Mutex<News>,
    changed: Condvar,
    /// Who wants what was deleted off the disk.
    asked: Mutex<Vec<Asked>>,
}

type Asked = oneshot::Sender<Result<(), Error>>;

#[derive(Debug, Clone, Copy, Default)]
struct News {
    commits: u64,
    journal_bytes: u64,
    journal_from: u64,
    floor: Option<u64>,
    closed: bool,
    sealed: bool,
}

impl Signal {
    pub fn committed(&self, journal_bytes: u64, journal_from: u64, floor: Option<u64>) {
        let mut news = self.news.lock();
        news.commits += 1;
        (news.journal_bytes, news.journal_from, news.floor) = (journal_bytes, journal_from, floor);
        drop(news);
        self.changed.notify_one();
    }

    /// Has the journal and the WAL let go of what was deleted.
    pub fn ask(&self, asked: Asked) {
        // `wait` looks with the same lock held.
        let news = self.news.lock();
        self.asked.lock().push(asked);
        drop(news);
        self.changed.notify_one();
    }

    /// What the disk holds is unknown: nothing touches it any more.
    pub fn seal(&self) {
        self.news.lock().sealed = true;
    }

    pub fn is_sealed(&self) -> bool {
        self.look().sealed
    }

    /// The writer is gone.
    pub fn close(&self) {
        self.news.lock().closed = true;
        self.changed.notify_one();
    }

    fn look(&self) -> News {
        *self.news.lock()
    }

    /// Waits for a commit after `seen`, at most `patience` if there is any.
    fn wait(&self, seen: u64, patience: Option<Duration>) -> News {
        let mut news = self.news.lock();
        while news.commits == seen && !news.closed && self.asked.lock().is_empty() {
            match patience {
                None => self.changed.wait(&mut news),
                Some(patience) if self.changed.wait_for(&mut news, patience).timed_out() => break,
                Some(_) => {}
            }
        }
        *news
    }
}

pub(super) struct Keeper {
    pub conn: Connection,
    pub shared: Arc<Shared>,
    pub journal_limit: u64,
}

impl Keeper {
    pub fn run(self) {
        let mut seen = 0;
        let mut untidy = false;
        loop {
            let news = self.shared.keeper.wait(seen, untidy.then_some(QUIET));
            let quiet = news.commits == seen;
            seen = news.commits;
            if news.closed {
                break;
            }
            for asked in std::mem::take(&mut *self.shared.keeper.asked.lock()) {
                // Who asked may have gone.
                let _ = asked.send(self.forget());
            }
            let tended = match (news.sealed, quiet) {
                (true, _) => Ok(()),
                (false, true) => self.truncate(),
                (false, false) => self.tend(news),
            };
            if let Err(error) = tended {
                tracing::warn!(%error, "the store's upkeep failed; it will be tried again");
            }
            untidy = !quiet;
            if !quiet {
                std::thread::sleep(BREATH);
            }
        }
        if !self.shared.keeper.look().sealed {
            let _ = self.truncate();
        }
        let Self { conn, shared, .. } = self;
        drop(conn);
        shared.closed.send_replace(true);
    }

    fn tend(&self, news: News) -> Result<(), Error> {
        let (log, done) = self.checkpoint("PRAGMA wal_checkpoint(NOOP)")?;
        metrics::gauge!("weir_store_wal_bytes").set(log as f64 * 4096.0);
        if log - done > CHECKPOINT_PAGES {
            self.checkpoint("PRAGMA wal_checkpoint(PASSIVE)")?;
            if log > RESTART_PAGES {
                self.checkpoint("PRAGMA wal_checkpoint(RESTART)")?;
            }
        }
        // What can be trimmed goes with the next commits; only text of open messages has to be moved.
        if news.journal_bytes > self.journal_limit
            && let Some(floor) = news.floor
            && news.journal_from >= floor
        {
            // The older half.
            self.spill(floor, floor + self.last()?.saturating_sub(floor) / 2)?;
        }
        Ok(())
    }

    fn truncate(&self) -> Result<(), Error> {
        let (log, _) = self.checkpoint("PRAGMA wal_checkpoint(NOOP)")?;
        if log > 0 {
            self.checkpoint("PRAGMA wal_checkpoint(TRUNCATE)")?;
        }
        Ok(())
    }

    /// Lets go of the text of all that has ended, wherever else it is streamed meanwhile, and of the WAL.
    fn forget(&self) -> Result<(), Error> {
        let trims = || self.tell(Record::Expire { before: Timestamp::from_millis(0) });
        trims()?;
        let through = self.last()?;
        if let Some(floor) = self.shared.keeper.look().floor {
            self.spill(floor, through)?;
        }
        let behind = || through.saturating_sub(self.shared.keeper.look().journal_from);
        let mut patience = behind() + u64::from(TRIES);
        while behind() > 0 {
            patience = patience.checked_sub(1).ok_or(Error::Busy)?;
            trims()?;
        }
        for _ in 0..TRIES {
            let busy: bool = self.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
            if !busy {
                return Ok(());
            }
            std::thread::sleep(BREATH);
        }
        Err(Error::Busy)
    }

    fn tell(&self, record: Record) -> Result<(), Error> {
        let answer = self.shared.queue.push(Lane::Bulk, Work::Upkeep(vec![record]))?;
        answer.blocking_recv().map_err(|_| Error::Closed)?
    }

    fn last(&self) -> Result<u64, Error> {
        let last: i64 = self.conn.query_row("SELECT max(position) FROM journal", [], |row| row.get(0))?;
        Ok(last.unsigned_abs())
    }

    /// Pages in the WAL, and how many of them are in the database as well.
    fn checkpoint(&self, pragma: &str) -> Result<(i64, i64), Error> {
        Ok(self.conn.query_row(pragma, [], |row| Ok((row.get(1)?, row.get(2)?)))?)
    }

    /// Moves the open text from the journal into chunks up to a row, each byte once.
    fn spill(&self, floor: u64, through: u64) -> Result<(), Error> {
        let mut answers = Vec::new();
        for record in self.open_text(floor, through)? {
            answers.push(self.shared.queue.push(Lane::Bulk, Work::Upkeep(vec![record]))?);
        }
        for answer in answers {
            // A message that completed meanwhile needs no chunk: its refusal is as good.
            let _ = answer.blocking_recv();
        }
        Ok(())
    }

    /// A spill for every open message, also of no text: each lets go of what is up to there.
    fn open_text(&self, floor: u64, through: u64) -> Result<Vec<Record>, Error> {
        let tx = self.conn.unchecked_transaction()?;
        let open = tails::streaming(&tx, None)?;
        let mut pieces: HashMap<MessageId, Vec<Piece>> = HashMap::new();
        journal::scan(&tx, floor, through, |position, entry| {
            if open.get(&entry.message_id).is_some_and(|gathered| gathered.lacks(position)) {
                Piece::push_to(pieces.entry(entry.message_id).or_default(), &entry);
            }
        })?;
        let spill = |(message_id, gathered): (_, Gathered)| Record::Spill {
            conversation_id: gathered.conversation_id,
            message_id,
            through,
            pieces: pieces.remove(&message_id).unwrap_or_default(),
        };
        Ok(open.into_iter().map(spill).collect())
    }
}
