//! What is live of one conversation: the last frames, the open text, and who is woken by more.
//!
//! Written by the conversation's actor after each commit, read by every follower at its own cursor. It outlives the
//! actor while someone follows. It never holds what is not durable.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::frame::{Frame, Framer};
use super::open_text::OpenTexts;
use crate::chat::event::{Entry, Problem, Seq};

/// Frames of one conversation that are kept for its followers.
const RING_BYTES: usize = 128 * 1024;

/// The same, once all rings together are over their budget.
const LEAN_RING_BYTES: usize = 4 * 1024;

/// Frames that are looked at before a ring is searched.
const NEWEST: usize = 4;

/// The bytes that all rings hold together.
#[derive(Debug)]
pub struct RingBudget {
    used: AtomicUsize,
    limit: usize,
}

impl RingBudget {
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { used: AtomicUsize::new(0), limit })
    }

    fn ring_limit(&self) -> usize {
        if self.used.load(Ordering::Relaxed) > self.limit { LEAN_RING_BYTES } else { RING_BYTES }
    }
}

#[derive(Debug)]
pub struct Live {
    pub framer: Framer,
    state: Mutex<State>,
    changed: watch::Sender<()>,
    budget: Arc<RingBudget>,
}

#[derive(Debug, Default)]
struct State {
    /// Where the log ends; unknown until an actor was here.
    end: Option<Seq>,
    /// Where the last structural event ends.
    structural: Seq,
    /// Contiguous, up to `end`.
    ring: VecDeque<Frame>,
    ring_bytes: usize,
    open: OpenTexts,
    sealed: Option<Problem>,
}

impl State {
    /// Where in the ring the frame is that begins at `cursor`.
    fn place_of(&self, cursor: Seq) -> Option<usize> {
        // Who keeps up wants what was just added: a search would look all over the ring for it.
        let newest = self.ring.iter().rev().take(NEWEST).position(|frame| frame.prev == cursor);
        match newest {
            Some(back) => Some(self.ring.len() - 1 - back),
            None => self.ring.binary_search_by_key(&cursor, |frame| frame.prev).ok(),
        }
    }
}

/// What a follower finds at its cursor.
#[derive(Debug)]
pub enum Found {
    /// Frames from the cursor on, in order.
    Frames(Vec<Frame>),
    /// The cursor is at the end of the log.
    End,
    /// Not in memory: the store has it.
    Elsewhere,
    /// Nothing more will come before a restart.
    Sealed(Problem),
}

/// The open text together with the position that it reaches to.
#[derive(Debug, Clone)]
pub struct OpenSnapshot {
    pub end: Seq,
    pub structural: Seq,
    pub open: OpenTexts,
}

impl Live {
    pub fn new(framer: Framer, budget: Arc<RingBudget>) -> Self {
        Self { framer, state: Mutex::default(), changed: watch::Sender::new(()), budget }
    }

    pub fn watch(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    pub fn has_followers(&self) -> bool {
        self.changed.receiver_count() > 0
    }

    /// An actor has loaded the conversation. What followers already have from an earlier actor stays.
    pub fn load(&self, end: Seq, structural: Seq, open: OpenTexts) {
        let mut state = self.state.lock();
        if state.end != Some(end) {
            self.budget.used.fetch_sub(state.ring_bytes, Ordering::Relaxed);
            state.ring.clear();
            state.ring_bytes = 0;
        }
        state.end = Some(end);
        state.structural = structural;
        state.open = open;
        drop(state);
        self.changed.send_replace(());
    }

    /// Shows what was committed: `frames` and the `entries` that they were made of.
    pub fn publish(&self, frames: Vec<Frame>, entries: &[(Seq, Entry)]) {
        let ring_limit = self.budget.ring_limit();
        let mut state = self.state.lock();
        let before = state.ring_bytes;
        for (prev, entry) in entries {
            state.open.evolve(*prev, entry);
            if let Entry::Event(_) = entry {
                state.structural = prev.plus(1);
            }
        }
        for frame in frames {
            state.end = Some(frame.seq);
            state.ring_bytes += frame.bytes();
            state.ring.push_back(frame);
        }
        while state.ring_bytes > ring_limit && state.ring.len() > 1 {
            let Some(oldest) = state.ring.pop_front() else { break };
            state.ring_bytes -= oldest.bytes();
        }
        let after = state.ring_bytes;
        drop(state);
        if after >= before {
            self.budget.used.fetch_add(after - before, Ordering::Relaxed);
        } else {
            self.budget.used.fetch_sub(before - after, Ordering::Relaxed);
        }
        self.changed.send_replace(());
    }

    /// What was published is not handed out again from memory: some of it was deleted.
    pub fn forget(&self) {
        let mut state = self.state.lock();
        self.budget.used.fetch_sub(state.ring_bytes, Ordering::Relaxed);
        state.ring.clear();
        state.ring_bytes = 0;
    }

    /// The store takes no more writes: followers are told, and end.
    pub fn seal(&self, problem: Problem) {
        self.state.lock().sealed = Some(problem);
        self.changed.send_replace(());
    }

    /// What follows `cursor`, at most about `max_bytes` of it.
    pub fn read(&self, cursor: Seq, max_bytes: usize) -> Found {
        let state = self.state.lock();
        let Some(end) = state.end else {
            return state.sealed.clone().map_or(Found::Elsewhere, Found::Sealed);
        };
        if cursor == end {
            return state.sealed.clone().map_or(Found::End, Found::Sealed);
        }
        if let Some(first) = state.place_of(cursor) {
            let mut bytes = 0;
            let fits = |frame: &&Frame| {
                let fits = bytes < max_bytes;
                bytes += frame.bytes();
                fits
            };
            return Found::Frames(state.ring.range(first..).take_while(fits).cloned().collect());
        }
        for open in state.open.iter() {
            if let Some(piece) = open.piece_at(cursor) {
                let frame =
                    self.framer.text(cursor, Some(open.turn_id), open.message_id, piece.index, piece.text);
                return Found::Frames(vec![frame]);
            }
        }
        Found::Elsewhere
    }

    /// Where the log ends, as far as memory knows.
    pub fn end(&self) -> Option<Seq> {
        self.state.lock().end
    }

    /// The open text that a commit may complete.
    pub fn open(&self) -> OpenTexts {
        self.state.lock().open.clone()
    }

    pub fn open_snapshot(&self) -> Option<OpenSnapshot> {
        let state = self.state.lock();
        let end = state.end?;
        Some(OpenSnapshot { end, structural: state.structural, open: state.open.clone() })
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.state.get_mut().ring_bytes, Ordering::Relaxed);
    }
}

/// Many frames as one write.
pub fn joined(frames: &[Frame]) -> Bytes {
    if let [frame] = frames {
        return frame.sse();
    }
    let mut bytes = BytesMut::with_capacity(frames.iter().map(Frame::bytes).sum());
    for frame in frames {
        bytes.extend_from_slice(&frame.sse());
    }
    bytes.freeze()
}
