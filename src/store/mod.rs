//! The conversations of one node, in one SQLite database: the only place that knows SQL about them.
//!
//! A write is a [`Job`] of [`Record`]s, stored as a whole or refused as a whole by the one writer thread, and
//! answered only once it is durable. A read is one read transaction. Where a read touches a tenant's data it
//! takes a [`Scope`](crate::scope::Scope); what the scope may not see is not there.
//!
//! **Following a log without a gap** (see [`Store::replay`]): take from the actor, in one step, the live position
//! `L`, the tails of the open messages as they are there, and a place in the live stream after `L`; then replay from
//! the store up to `L`, and fill what it reports as [`EntryKind::Open`] from those tails; then go live.

mod apply;
pub mod audit;
mod error;
mod files;
mod journal;
mod keeper;
mod open;
mod read;
mod readers;
mod record;
mod row;
mod shared;
mod tails;
mod tidy;
mod tree;
mod writer;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;

pub use self::error::{Conflict, Error};
pub use self::open::{Options, SCHEMA};
pub use self::read::*;
pub use self::record::{
    Alone, Audit, Batch, FileRoom, IdempotencyKey, Job, KeyScope, Lane, Piece, Record, Replicate,
    ReplicateError, Run,
};
pub use self::tails::OpenTail;

use self::keeper::Keeper;
use self::read::Reaches;
use self::readers::Readers;
use self::shared::Shared;
use self::tails::Gathered;
use self::writer::gate::Gate;
use self::writer::journal::Journal;
use self::writer::pace::Pace;
use self::writer::positions::{End, OpenMessage, Positions};
use self::writer::queue::Work;
use self::writer::{Health, Writer};
use crate::chat::event::Epoch;
use crate::clock::Timestamp;
use crate::id::ConversationId;

/// A handle on the database; clones share it. It ends with the last of them, or with [`Store::close`].
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    epoch: Epoch,
    shared: Arc<Shared>,
    readers: Arc<Readers>,
    reaches: Arc<Reaches>,
}

/// What the last process left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Startup {
    /// Conversations with a turn that is queued, running or waiting.
    pub unfinished: Vec<ConversationId>,
}

impl Store {
    /// Opens or creates the database and starts its threads. Reads only what was unfinished, whatever the size.
    pub fn open(options: Options, now: Timestamp) -> Result<(Self, Startup), Error> {
        let (place, readers, journal_limit) = (options.place(), options.readers, options.journal_limit);
        let (writer, epoch) = assemble(options, now)?;
        let startup = Startup { unfinished: read::unfinished(&writer.conn)? };
        let shared = Arc::clone(&writer.shared);
        let keeper = Keeper { conn: place.keeper()?, shared: Arc::clone(&shared), journal_limit };
        let readers = Readers::start((0..readers).map(|_| place.reader()).collect::<Result<_, _>>()?)?;
        std::thread::Builder::new().name("store-keep".to_owned()).spawn(move || keeper.run())?;
        std::thread::Builder::new().name("store-write".to_owned()).spawn(move || writer.run())?;
        Ok((Self { inner: Arc::new(Inner { epoch, shared, readers, reaches: Arc::default() }) }, startup))
    }

    /// Makes an empty database into what the batches made of another: the same tables, text included. `now` is when
    /// the other one was created.
    pub fn rebuild(
        options: Options,
        now: Timestamp,
        batches: impl IntoIterator<Item = Batch>,
    ) -> Result<(), Error> {
        let (mut writer, _) = assemble(options, now)?;
        batches.into_iter().try_for_each(|batch| writer.follow(batch))
    }

    /// Which history the positions of this database belong to.
    pub fn epoch(&self) -> Epoch {
        self.inner.epoch
    }

    /// Whether nothing is stored any more until the process starts again; reads go on.
    pub fn is_sealed(&self) -> bool {
        self.inner.shared.keeper.is_sealed()
    }

    /// Stores a job. `Ok` means durable; `Refused`, `Full` and `Busy` mean that nothing of it was stored;
    /// `Sealed` leaves that open.
    pub async fn commit(&self, lane: Lane, job: Job) -> Result<(), Error> {
        self.ask(lane, Work::Job(job)).await
    }

    async fn ask(&self, lane: Lane, work: Work) -> Result<(), Error> {
        self.inner.shared.queue.push(lane, work)?.await.unwrap_or(Err(Error::Sealed))
    }

    /// Changes whenever a commit may have added to the feed.
    pub fn feed_changes(&self) -> watch::Receiver<u64> {
        self.inner.shared.feed.subscribe()
    }

    /// Does what waits, moves the WAL into the database, and ends the threads. Later calls answer `Closed`.
    pub async fn close(&self) {
        let mut closed = self.inner.shared.closed.subscribe();
        self.inner.shared.queue.close();
        let _ = closed.wait_for(|closed| *closed).await;
        self.inner.readers.close();
    }

    async fn read<T: Send + 'static>(
        &self,
        f: impl FnOnce(&rusqlite::Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.inner.readers.read(f).await
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.queue.close();
        self.readers.close();
    }
}

/// The writer, knowing what the database knows, not yet running.
fn assemble(options: Options, now: Timestamp) -> Result<(Writer, Epoch), Error> {
    let conn = options.place().writer()?;
    let epoch = open::epoch(&conn, now)?;
    let tails = tails::gather(&conn, None)?;
    let gate = Gate { positions: Positions::new(ends(&conn, &tails)?), ..Gate::default() };
    let journal = Journal::read(&conn)?;
    let shared = Arc::new(Shared::new(options.queue_limit, by_conversation(tails)));
    let Options { replica, retry_full_after, .. } = options;
    let health = Health::Well;
    let pace = Pace::new(Instant::now());
    Ok((Writer { conn, gate, pace, journal, replica, shared, retry_full_after, health }, epoch))
}

fn ends(
    conn: &rusqlite::Connection,
    tails: &HashMap<crate::id::MessageId, Gathered>,
) -> Result<HashMap<ConversationId, End>, Error> {
    let mut ends = HashMap::new();
    for Gathered { conversation_id, tail, mark, .. } in tails.values() {
        let end: &mut End = match ends.entry(*conversation_id) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(new) => {
                new.insert(writer::positions::read_end(conn, *conversation_id)?)
            }
        };
        end.last = end.last.max(tail.seq());
        end.open.push(OpenMessage { mark: *mark, bytes: tail.bytes(), ..OpenMessage::new(tail.message_id) });
    }
    Ok(ends)
}

fn by_conversation(tails: HashMap<crate::id::MessageId, Gathered>) -> HashMap<ConversationId, Vec<OpenTail>> {
    let mut found: HashMap<_, Vec<_>> = HashMap::new();
    for Gathered { conversation_id, tail, .. } in tails.into_values() {
        found.entry(conversation_id).or_default().push(tail);
    }
    for open in found.values_mut() {
        open.sort_by_key(|tail| tail.message_id);
    }
    found
}
