//! Where each conversation's log ends, as the writer knows it, and which messages are open.
//!
//! Only conversations with an open message stay in memory between commits: of every other one the last event
//! is the end. What a failed job or batch changed is put back from `undo`.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, named_params};

use crate::chat::event::Seq;
use crate::id::{ConversationId, MessageId};
use crate::store::error::{Conflict, Error};
use crate::store::record::Run;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct End {
    pub last: Seq,
    pub life: Life,
    pub open: Vec<OpenMessage>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Life {
    Unborn,
    Alive,
    Deleted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct OpenMessage {
    pub id: MessageId,
    /// The first journal row that may hold text of it.
    pub mark: Option<u64>,
    /// How much was streamed.
    pub bytes: u64,
    /// Its final parts are in the job.
    pub content: bool,
}

#[derive(Debug, Default)]
pub(in crate::store) struct Positions {
    ends: HashMap<ConversationId, End>,
    undo: Vec<(ConversationId, Option<End>)>,
    /// The lowest mark of all open messages.
    floor: Option<u64>,
}

const END_OF_LOG: &str = "
    SELECT c.deleted_at IS NOT NULL,
           (SELECT max(seq) FROM events WHERE conversation_id = c.id)
    FROM conversations c WHERE c.id = :id";

impl Positions {
    pub fn new(ends: HashMap<ConversationId, End>) -> Self {
        let mut positions = Self { ends, undo: Vec::new(), floor: None };
        positions.find_floor();
        positions
    }

    /// The end of a conversation's log, for this job to move. `mark` is where the job began in the undo list.
    pub fn touch(&mut self, tx: &Connection, mark: usize, id: ConversationId) -> Result<&mut End, Error> {
        if !self.undo[mark..].iter().any(|(touched, _)| *touched == id) {
            let before = self.ends.get(&id).cloned();
            if before.is_none() {
                self.ends.insert(id, read_end(tx, id)?);
            }
            self.undo.push((id, before));
        }
        Ok(self.ends.get_mut(&id).expect("touched conversations are in memory"))
    }

    pub fn mark(&self) -> usize {
        self.undo.len()
    }

    pub fn roll_back_to(&mut self, mark: usize) {
        for (id, before) in self.undo.drain(mark..).rev() {
            match before {
                Some(end) => self.ends.insert(id, end),
                None => self.ends.remove(&id),
            };
        }
    }

    /// The batch is committed.
    pub fn settle(&mut self) {
        let mut let_go = false;
        for (id, before) in self.undo.drain(..) {
            let after = self.ends.get(&id).map_or(&[][..], |end| &end.open);
            let_go |= before.iter().flat_map(|end| &end.open).any(|message| {
                message.mark.is_some()
                    && message.mark <= self.floor
                    && after.iter().all(|now| (now.id, now.mark) != (message.id, message.mark))
            });
            if self.floor.is_none() && after.iter().any(|message| message.mark.is_some()) {
                let_go = true;
            }
            if after.is_empty() {
                self.ends.remove(&id);
            }
        }
        if let_go {
            self.find_floor();
        }
    }

    pub fn floor(&self) -> Option<u64> {
        self.floor
    }

    fn find_floor(&mut self) {
        self.floor = self.ends.values().flat_map(|end| &end.open).filter_map(|message| message.mark).min();
    }
}

pub(in crate::store) fn read_end(tx: &Connection, id: ConversationId) -> Result<End, Error> {
    let found = tx
        .prepare_cached(END_OF_LOG)?
        .query_row(named_params! {":id": id.as_bytes()}, |row| {
            Ok((row.get::<_, bool>(0)?, row.get::<_, Option<i64>>(1)?))
        })
        .optional()?;
    let (life, last) = match found {
        None => (Life::Unborn, 0),
        Some((true, last)) => (Life::Deleted, last.unwrap_or(0)),
        Some((false, last)) => (Life::Alive, last.unwrap_or(0)),
    };
    Ok(End { last: Seq(last.unsigned_abs()), life, open: Vec::new() })
}

impl End {
    /// Moves the end by an entry that says where it begins.
    pub fn append(&mut self, id: ConversationId, prev: Seq, width: u64) -> Result<(), Conflict> {
        if prev != self.last {
            return Err(Conflict::Position { conversation_id: id, expected: prev, found: self.last });
        }
        self.last = prev.plus(width);
        Ok(())
    }

    pub fn open(&mut self, id: MessageId) -> Result<&mut OpenMessage, Conflict> {
        self.open.iter_mut().find(|open| open.id == id).ok_or(Conflict::MessageNotOpen(id))
    }
}

impl OpenMessage {
    pub const fn new(id: MessageId) -> Self {
        Self { id, mark: None, bytes: 0, content: false }
    }

    /// Checks that the runs are the streamed text: all of it, each part's from its beginning and without a hole.
    pub fn check_runs(&self, lengths: &[usize], runs: &[Run]) -> Result<(), Conflict> {
        let mismatch = Conflict::ContentMismatch(self.id);
        let mut covered = vec![0u64; lengths.len()];
        for run in runs {
            let Some(covered) = covered.get_mut(run.index as usize) else { return Err(mismatch) };
            if run.offset != *covered || run.length == 0 {
                return Err(mismatch);
            }
            *covered += run.length;
        }
        let tiled = runs.windows(2).all(|pair| pair[0].seq() <= pair[1].prev);
        let whole =
            covered.iter().zip(lengths).all(|(&covered, &length)| covered == 0 || covered == length as u64);
        match tiled && whole && covered.iter().sum::<u64>() == self.bytes {
            true => Ok(()),
            false => Err(mismatch),
        }
    }
}
