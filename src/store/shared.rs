//! What the store's threads and its handles share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::chat::event::Event;
use crate::id::ConversationId;
use crate::store::keeper::Signal;
use crate::store::record::{Batch, Record};
use crate::store::tails::OpenTail;
use crate::store::writer::queue::Queue;

#[derive(Debug)]
pub(super) struct Shared {
    pub queue: Queue,
    pub keeper: Signal,
    /// Counts the commits that may have changed the feed.
    pub feed: watch::Sender<u64>,
    pub recovered: Recovered,
    pub closed: watch::Sender<bool>,
}

impl Shared {
    pub fn new(queue_limit: usize, recovered: HashMap<ConversationId, Vec<OpenTail>>) -> Self {
        Self {
            queue: Queue::new(queue_limit),
            keeper: Signal::default(),
            feed: watch::Sender::new(0),
            recovered: Recovered::new(recovered),
            closed: watch::Sender::new(false),
        }
    }

    /// The batch is durable.
    pub fn committed(&self, batch: &Batch, journal_bytes: u64, floor: Option<u64>) {
        self.keeper.committed(journal_bytes, batch.journal_from, floor);
        let mut changes_tables = false;
        for record in batch.jobs.iter().flatten() {
            changes_tables |= !matches!(record, Record::Delta { .. });
            self.recovered.forget_after(record);
        }
        if changes_tables {
            self.feed.send_modify(|commits| *commits += 1);
        }
    }
}

/// The tails that the start found, each until its message completes or grows.
#[derive(Debug)]
pub(super) struct Recovered {
    tails: Mutex<HashMap<ConversationId, Vec<OpenTail>>>,
    count: AtomicUsize,
}

impl Recovered {
    fn new(tails: HashMap<ConversationId, Vec<OpenTail>>) -> Self {
        Self { count: AtomicUsize::new(tails.len()), tails: Mutex::new(tails) }
    }

    pub fn get(&self, id: ConversationId) -> Option<Vec<OpenTail>> {
        match self.count.load(Ordering::Acquire) {
            0 => None,
            _ => self.tails.lock().get(&id).cloned(),
        }
    }

    fn forget_after(&self, record: &Record) {
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut tails = self.tails.lock();
        match record {
            Record::Event { conversation_id, event: Event::MessageCompleted { message_id, .. }, .. } => {
                if let Some(open) = tails.get_mut(conversation_id) {
                    open.retain(|tail| tail.message_id != *message_id);
                }
            }
            Record::Event { conversation_id, event: Event::ConversationDeleted {}, .. }
            | Record::Event { conversation_id, event: Event::MessageCreated { .. }, .. }
            | Record::Delta { conversation_id, .. } => {
                tails.remove(conversation_id);
            }
            Record::Event { .. }
            | Record::Content { .. }
            | Record::IdempotencyKey(_)
            | Record::Remember { .. }
            | Record::Forget { .. }
            | Record::RevokeRule { .. }
            | Record::Audit(_)
            | Record::Spill { .. }
            | Record::Purge { .. }
            | Record::Erase { .. }
            | Record::Erased { .. }
            | Record::FileKept { .. }
            | Record::FileReleased { .. }
            | Record::FilesForgotten { .. }
            | Record::Expire { .. }
            | Record::Indexed { .. } => {}
        }
        tails.retain(|_, open| !open.is_empty());
        self.count.store(tails.len(), Ordering::Release);
    }
}
