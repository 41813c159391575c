//! One job into the open transaction: checks its preconditions, applies its records, takes it all back if it fails.

use rusqlite::Transaction;

use super::positions::{End, Life, OpenMessage, Positions};
use super::queue::Work;
use crate::chat::event::{Delta, Event, Seq};
use crate::chat::message::MessageStatus;
use crate::id::{ConversationId, MessageId};
use crate::store::apply::apply;
use crate::store::error::{Conflict, Error};
use crate::store::journal::Entry;
use crate::store::record::{Record, Run};

#[derive(Debug, Default)]
pub(in crate::store) struct Gate {
    pub positions: Positions,
    /// The deltas of this batch, as its journal row will hold them.
    pub deltas: Vec<u8>,
    /// The position of this batch.
    pub position: u64,
    pub delta_count: u64,
}

impl Gate {
    /// On an error nothing of the work is left, unless SQLite rolled back the whole transaction.
    pub fn run(&mut self, tx: &Transaction<'_>, work: &Work) -> Result<(), Error> {
        let (mark, buffered, counted) = (self.positions.mark(), self.deltas.len(), self.delta_count);
        let records = match work {
            Work::Job(job) => &job.records,
            Work::Upkeep(records) => records,
        };
        let changes_tables = records.iter().any(|record| !matches!(record, Record::Delta { .. }));
        let result = match changes_tables {
            true => in_savepoint(tx, || self.admit_all(tx, mark, work, records)),
            false => self.admit_all(tx, mark, work, records),
        };
        result.inspect_err(|_| {
            self.positions.roll_back_to(mark);
            self.deltas.truncate(buffered);
            self.delta_count = counted;
        })
    }

    fn admit_all(
        &mut self,
        tx: &Transaction<'_>,
        mark: usize,
        work: &Work,
        records: &[Record],
    ) -> Result<(), Error> {
        if let Work::Job(job) = work {
            let found = self.positions.touch(tx, mark, job.conversation_id)?.last;
            if found != job.expected_last_seq {
                let (conversation_id, expected) = (job.conversation_id, job.expected_last_seq);
                return Err(Conflict::Position { conversation_id, expected, found }.into());
            }
        }
        for record in records {
            self.admit(tx, mark, record)?;
            apply(tx, record)?;
        }
        Ok(())
    }

    /// What the tables alone cannot say: whether the log ends where the record begins, and what is open.
    fn admit(&mut self, tx: &Transaction<'_>, mark: usize, record: &Record) -> Result<(), Error> {
        match record {
            Record::Event { conversation_id, prev, at: _, event } => {
                let end = self.positions.touch(tx, mark, *conversation_id)?;
                admit_event(end, *conversation_id, *prev, event)?;
            }
            Record::Delta { conversation_id, prev, delta } => {
                let end = self.positions.touch(tx, mark, *conversation_id)?;
                admit_delta(end, *conversation_id, *prev, delta, self.position)?;
                Entry::of(*conversation_id, *prev, delta).write_to(&mut self.deltas);
                self.delta_count += 1;
            }
            Record::Content { conversation_id, message_id, parts, runs } => {
                let end = self.positions.touch(tx, mark, *conversation_id)?;
                let lengths: Vec<_> = parts.iter().map(|stored| stored.part.streamed().len()).collect();
                admit_content(end, *message_id, &lengths, runs)?;
            }
            Record::Spill { conversation_id, message_id, through, pieces: _ } => {
                let end = self.positions.touch(tx, mark, *conversation_id)?;
                let mark = &mut end.open(*message_id)?.mark;
                *mark = mark.map(|mark| mark.max(through + 1));
            }
            Record::IdempotencyKey(_)
            | Record::Remember { .. }
            | Record::Forget { .. }
            | Record::RevokeRule { .. }
            | Record::Audit(_)
            | Record::Purge { .. }
            | Record::Erase { .. }
            | Record::Erased { .. }
            | Record::FileKept { .. }
            | Record::FileReleased { .. }
            | Record::FilesForgotten { .. }
            | Record::Expire { .. }
            | Record::Indexed { .. } => {}
        }
        Ok(())
    }
}

fn admit_event(end: &mut End, id: ConversationId, prev: Seq, event: &Event) -> Result<(), Conflict> {
    let creates = matches!(event, Event::ConversationCreated { .. });
    match (end.life, creates) {
        (Life::Unborn, true) => end.life = Life::Alive,
        (Life::Alive, false) => {}
        (Life::Unborn, false) => return Err(Conflict::UnknownConversation(id)),
        (Life::Deleted, false) => return Err(Conflict::ConversationDeleted(id)),
        (Life::Alive | Life::Deleted, true) => return Err(Conflict::ConversationExists(id)),
    }
    end.append(id, prev, 1)?;
    if let Event::MessageCreated { message, .. } = event
        && message.status == MessageStatus::Streaming
    {
        end.open.push(OpenMessage::new(message.id));
    }
    if let Event::MessageCompleted { message_id, .. } = event {
        close_message(end, *message_id)?;
    }
    if let Event::ConversationDeleted {} = event {
        end.life = Life::Deleted;
        end.open.clear();
    }
    Ok(())
}

fn close_message(end: &mut End, id: MessageId) -> Result<(), Conflict> {
    let open = end.open(id)?;
    if open.bytes > 0 && !open.content {
        return Err(Conflict::ContentMismatch(id));
    }
    end.open.retain(|open| open.id != id);
    Ok(())
}

fn admit_delta(
    end: &mut End,
    id: ConversationId,
    prev: Seq,
    delta: &Delta,
    position: u64,
) -> Result<(), Conflict> {
    let length = delta.text.len() as u64;
    end.append(id, prev, length)?;
    let open = end.open(delta.message_id)?;
    open.mark.get_or_insert(position);
    open.bytes += length;
    Ok(())
}

fn admit_content(end: &mut End, id: MessageId, lengths: &[usize], runs: &[Run]) -> Result<(), Conflict> {
    let open = end.open(id)?;
    open.check_runs(lengths, runs)?;
    open.content = true;
    Ok(())
}

fn in_savepoint(tx: &Transaction<'_>, f: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
    tx.prepare_cached("SAVEPOINT job")?.execute([])?;
    let result = f();
    if result.is_err() && !tx.is_autocommit() {
        tx.prepare_cached("ROLLBACK TO job")?.execute([])?;
    }
    if !tx.is_autocommit() {
        tx.prepare_cached("RELEASE job")?.execute([])?;
    }
    result
}
