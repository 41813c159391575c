//! A cursor on a conversation's log: replay from the store, then live, without a gap and without a repeat.
//!
//! At every step the next thing is looked up at the cursor itself, first in memory, then in the store; so whatever
//! moves from one to the other in between is found in one of them. Only the store says that a cursor is past the
//! end.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::frame::{Frame, FrameEffect};
use super::live::{Found, Live};
use crate::chat::event::{Cursor, Problem, Seq};
use crate::id::{ConversationId, TurnId};
use crate::store::{self, EntryKind, LogEntry, Replay, Store};

/// At most about so much is handed out at once, and read from the store in one transaction.
const BATCH_BYTES: usize = 256 * 1024;

/// A position that is in the store's log must be published soon after; a cursor that finds nothing for longer
/// points into the middle of a character.
const PUBLISHED_WITHIN: Duration = Duration::from_secs(5);

/// Beyond every position.
const END_OF_TIME: Seq = Seq(i64::MAX as u64);

const PAST_END: &str = "the cursor is past the end of the log";
const INSIDE_CHARACTER: &str = "the cursor is inside a character";

pub struct Follow {
    conversation_id: ConversationId,
    live: Arc<Live>,
    changed: watch::Receiver<()>,
    store: Store,
    cursor: Seq,
    /// Where the log ended, as far as memory knew, when this follower came.
    attached_at: Option<Seq>,
    caught_up: bool,
    /// Since when nothing is found at the cursor. Kept here, since whoever waits may give up and ask again.
    lost_since: Option<Instant>,
    only_turn: Option<TurnId>,
    ended: bool,
}

/// What comes next for a follower.
#[derive(Debug)]
pub enum Next {
    /// In order, each beginning where the one before it ended (but for frames of other turns that were left out).
    Frames(Vec<Frame>),
    /// Everything that was there when the follower came has been handed out.
    CaughtUp(Cursor),
    /// The cursor points to no place in this log: load a snapshot and follow from there.
    Resync { reason: &'static str, cursor: Cursor },
    /// The server can go on only after a restart.
    Sealed(Problem),
    /// The turn that was followed is over.
    End,
}

impl Follow {
    pub(super) fn new(conversation_id: ConversationId, live: Arc<Live>, store: Store, cursor: Seq) -> Self {
        let changed = live.watch();
        let attached_at = live.end();
        Self {
            conversation_id,
            live,
            changed,
            store,
            cursor,
            attached_at,
            caught_up: false,
            lost_since: None,
            only_turn: None,
            ended: false,
        }
    }

    /// Leaves out what belongs to other turns, and ends with this one.
    pub fn only(mut self, turn_id: TurnId) -> Self {
        self.only_turn = Some(turn_id);
        self
    }

    pub fn cursor(&self) -> Cursor {
        self.live.framer.cursor(self.cursor)
    }

    /// Cancel-safe: what was not returned is returned by the next call.
    pub async fn next(&mut self) -> Result<Next, store::Error> {
        if self.ended {
            return Ok(Next::End);
        }
        loop {
            self.changed.borrow_and_update();
            if !self.caught_up && self.attached_at.is_some_and(|end| self.cursor >= end) {
                self.attached_at = None;
                // A cursor past the end is not caught up; the look-up below finds out.
                if self.live.end().is_some_and(|end| self.cursor <= end) {
                    return Ok(self.catch_up());
                }
            }
            match self.live.read(self.cursor, BATCH_BYTES) {
                Found::Frames(frames) => {
                    if let Some(next) = self.hand_out(frames) {
                        return Ok(next);
                    }
                }
                Found::End if self.caught_up => self.wait().await,
                Found::End => return Ok(self.catch_up()),
                Found::Sealed(problem) => return Ok(Next::Sealed(problem)),
                Found::Elsewhere => {
                    if let Some(next) = self.read_store().await? {
                        return Ok(next);
                    }
                }
            }
        }
    }

    async fn read_store(&mut self) -> Result<Option<Next>, store::Error> {
        let memory_end = self.live.end();
        let replay = self.store.replay(self.conversation_id, self.cursor, END_OF_TIME, BATCH_BYTES).await?;
        let page = match replay {
            Replay::Page(page) => page,
            Replay::PastEnd => return Ok(Some(self.resync(PAST_END, memory_end.unwrap_or_default()))),
            Replay::InsideCharacter => {
                return Ok(Some(self.resync(INSIDE_CHARACTER, memory_end.unwrap_or_default())));
            }
        };
        let end = page.end.max(memory_end.unwrap_or_default());
        if self.cursor > end {
            return Ok(Some(self.resync(PAST_END, end)));
        }
        metrics::histogram!("weir_follower_lag_bytes").record((end.0 - self.cursor.0) as f64);
        // What is open is in memory: the next look finds it there.
        let frames: Vec<Frame> = page.entries.iter().map_while(|entry| self.frame(entry)).collect();
        if !frames.is_empty() {
            return Ok(self.hand_out(frames));
        }
        if self.cursor < end {
            // Committed but not yet shown, or no place where a piece of text begins.
            let patience = *self.lost_since.get_or_insert_with(Instant::now) + PUBLISHED_WITHIN;
            if Instant::now() >= patience {
                return Ok(Some(self.resync(INSIDE_CHARACTER, end)));
            }
            // Something new, or the end of patience: the next look finds out.
            drop(tokio::time::timeout_at(patience, self.changed.changed()).await);
            return Ok(None);
        }
        // The end of a log that nobody writes to at the moment.
        if !self.caught_up {
            return Ok(Some(self.catch_up()));
        }
        self.wait().await;
        Ok(None)
    }

    fn frame(&self, entry: &LogEntry) -> Option<Frame> {
        let framer = &self.live.framer;
        match &entry.kind {
            EntryKind::Event { at, turn_id, body } => {
                Some(framer.stored_event(entry.prev, *at, *turn_id, body))
            }
            EntryKind::Delta { message_id, turn_id, index, text } => {
                Some(framer.text(entry.prev, *turn_id, *message_id, *index, text))
            }
            EntryKind::Redacted => Some(framer.redacted(entry.prev, entry.seq)),
            EntryKind::Open => None,
        }
    }

    /// Moves the cursor over the frames; `None` where none of them is for this follower.
    fn hand_out(&mut self, mut frames: Vec<Frame>) -> Option<Next> {
        if let Some(last) = frames.last() {
            self.cursor = last.seq;
            self.lost_since = None;
        }
        if let Some(turn_id) = self.only_turn {
            frames.retain(|frame| frame.turn_id == Some(turn_id));
            // What is said of its calls later is no longer part of it.
            if let Some(last) = frames.iter().position(|frame| frame.effect == FrameEffect::EndsTurn) {
                frames.truncate(last + 1);
                self.ended = true;
            }
        }
        (!frames.is_empty()).then_some(Next::Frames(frames))
    }

    fn catch_up(&mut self) -> Next {
        self.caught_up = true;
        Next::CaughtUp(self.cursor())
    }

    fn resync(&self, reason: &'static str, end: Seq) -> Next {
        Next::Resync { reason, cursor: self.live.framer.cursor(end) }
    }

    async fn wait(&mut self) {
        // The sender lives in `self.live`: it cannot be gone.
        let _ = self.changed.changed().await;
    }
}
