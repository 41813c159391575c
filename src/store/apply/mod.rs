//! The only place that changes rows: one record into the tables, as a function of the record and the tables.
//!
//! Nothing here reads a clock, random numbers or a rowid, so that every replica makes the same rows.

mod annotation;
mod approval;
mod audit;
mod branch;
mod call;
mod content;
mod conversation;
mod feed;
mod file;
mod memory;
mod message;
mod purge;
mod rule;
mod search;
mod turn;

pub(super) use self::conversation::info_from_row;

use rusqlite::{Transaction, named_params};

use crate::chat::event::{Event, Seq};
use crate::clock::Timestamp;
use crate::id::ConversationId;
use crate::store::error::{Conflict, Error};
use crate::store::record::{IdempotencyKey, Record};
use crate::store::row::json;

/// Rows that an `Indexed` forgets at a time.
const INDEXED_SLICE: i64 = 512;

/// Where and when an event happened.
#[derive(Debug, Clone, Copy)]
struct Place {
    conversation_id: ConversationId,
    seq: Seq,
    at: Timestamp,
}

/// Deltas change no table: they are in the journal row of their batch.
pub(super) fn apply(tx: &Transaction<'_>, record: &Record) -> Result<(), Error> {
    match record {
        Record::Event { conversation_id, prev, at, event } => {
            let place = Place { conversation_id: *conversation_id, seq: prev.plus(1), at: *at };
            log(tx, place, event)?;
            fold(tx, place, event)
        }
        Record::Delta { .. } => Ok(()),
        Record::Content { conversation_id, message_id, parts, runs } => {
            content::store(tx, *conversation_id, *message_id, parts, runs)
        }
        Record::IdempotencyKey(key) => remember(tx, key),
        Record::Remember { workspace_id, user_id, memory } => {
            memory::remember(tx, *workspace_id, *user_id, memory)
        }
        Record::Forget { memory_id } => memory::forget(tx, *memory_id),
        Record::RevokeRule { rule_id, by, at, salt, caller } => match rule::revoke(tx, *rule_id, *by, *at)? {
            Some(revoked) => audit::rule_revoked(tx, &revoked, caller.as_ref(), *salt),
            None => Ok(()),
        },
        Record::Audit(note) => audit::write(tx, note),
        Record::Spill { conversation_id, message_id, through, pieces } => {
            content::spill(tx, *conversation_id, *message_id, *through, pieces)
        }
        Record::FileKept { file, room } => file::keep(tx, file, *room),
        Record::FileReleased { id } => file::release(tx, *id),
        Record::FilesForgotten { ids, before } => {
            ids.iter().try_for_each(|id| file::forget(tx, *id, Some(*before)))
        }
        Record::Purge { conversation_id } => purge::slice(tx, *conversation_id),
        Record::Erase { conversation_id, message_ids } => branch::erase(tx, *conversation_id, message_ids),
        Record::Erased { conversation_id, message_id } => branch::finish(tx, *conversation_id, *message_id),
        Record::Expire { before } => purge::expire(tx, *before),
        Record::Indexed { through } => search::forget(tx, *through, INDEXED_SLICE),
    }
}

const LOG: &str = "
    INSERT INTO events (conversation_id, seq, at, turn_id, body)
    VALUES (:conversation_id, :seq, :at, :turn_id, :body)";

fn log(tx: &Transaction<'_>, place: Place, event: &Event) -> Result<(), Error> {
    tx.prepare_cached(LOG)?.execute(named_params! {
        ":conversation_id": place.conversation_id.as_bytes(),
        ":seq": place.seq.0.cast_signed(),
        ":at": place.at.millis(),
        ":turn_id": event.turn_id().as_ref().map(|id| id.as_bytes()),
        ":body": json(event),
    })?;
    Ok(())
}

fn fold(tx: &Transaction<'_>, place: Place, event: &Event) -> Result<(), Error> {
    match event {
        Event::ConversationCreated { conversation } => conversation::create(tx, place, conversation),
        Event::ConversationUpdated { changes } => conversation::update(tx, place, changes),
        Event::HeadChanged { head } => conversation::move_head(tx, place, *head),
        Event::ConversationForked { origin } => conversation::fork(tx, place, *origin),
        Event::ConversationCompacted { compaction } => annotation::compact(tx, place, compaction),
        Event::ConversationUncompacted { compaction_id, message_id } => {
            annotation::uncompact(tx, place, *compaction_id, *message_id)
        }
        Event::ConversationDeleted {} => conversation::delete(tx, place),
        Event::BranchDeleted { message_id, turn_ids } => branch::delete(tx, place, *message_id, turn_ids),
        Event::MessageMarked { message_id, marks } => annotation::mark(tx, place, *message_id, marks),
        Event::MessageCreated { turn_id, message, .. } => message::create(tx, place, *turn_id, message),
        Event::PartStarted { message_id, index, part, .. } => {
            content::start_part(tx, *message_id, *index, part)
        }
        Event::PartCompleted { message_id, index, part, .. } => match part {
            Some(part) => content::replace_head(tx, *message_id, *index, part),
            None => Ok(()),
        },
        Event::MessageCompleted { message_id, status, finish_reason, usage, .. } => {
            message::complete(tx, place, *message_id, *status, finish_reason.as_ref(), usage.as_ref())
        }
        Event::TurnQueued { turn_id, turn } => turn::queue(tx, place, *turn_id, turn),
        Event::TurnStarted { turn_id, turn } => turn::start(tx, place, *turn_id, turn),
        Event::TurnWaiting { turn_id, waiting_for } => turn::wait(tx, *turn_id, *waiting_for),
        Event::TurnResumed { turn_id, attempt, .. } => turn::resume(tx, *turn_id, *attempt),
        Event::TurnCompleted { turn_id, usage, steered_into } => {
            turn::end(tx, place, *turn_id, turn::Outcome::Completed { usage, steered_into: *steered_into })
        }
        Event::TurnFailed { turn_id, problem } => {
            turn::end(tx, place, *turn_id, turn::Outcome::Failed { problem })
        }
        Event::TurnCancelled { turn_id } => turn::end(tx, place, *turn_id, turn::Outcome::Cancelled),
        Event::TurnInterrupted { turn_id, problem } => {
            turn::end(tx, place, *turn_id, turn::Outcome::Interrupted { problem: problem.as_ref() })
        }
        Event::QueueChanged { turn_ids } => turn::reorder(tx, place, turn_ids),
        Event::QueueEdited { turn_id, parts } => turn::edit(tx, place, *turn_id, parts),
        Event::ToolProposed { call, .. } => call::propose(tx, place, call),
        Event::ToolSucceeded { call_id, files, .. } => {
            let message_id = call::change(tx, place, *call_id, event)?;
            file::change(tx, place, message_id, files)
        }
        Event::ToolPending { call_id, .. }
        | Event::ToolApproved { call_id, .. }
        | Event::ToolStarted { call_id, .. }
        | Event::ToolProgress { call_id, .. }
        | Event::ToolAsked { call_id, .. }
        | Event::ToolAnswered { call_id, .. }
        | Event::ToolFailed { call_id, .. }
        | Event::ToolDenied { call_id, .. }
        | Event::ToolExpired { call_id, .. }
        | Event::ToolCancelled { call_id, .. }
        | Event::ToolUnknown { call_id, .. }
        | Event::ToolResolved { call_id, .. } => call::change(tx, place, *call_id, event).map(drop),
        Event::ApprovalRequested { approval, .. } => approval::request(tx, place, approval),
        Event::ApprovalVoted { approval_id, .. }
        | Event::ApprovalDecided { approval_id, .. }
        | Event::ApprovalClosed { approval_id, .. } => approval::change(tx, place, *approval_id, event),
        Event::Notice { .. } => Ok(()),
    }
}

const REMEMBER: &str = "
    INSERT INTO idempotency_keys (scope, user_id, key, fingerprint, response, turn_id, at)
    VALUES (:scope, :user_id, :key, :fingerprint, :response, :turn_id, :at)
    ON CONFLICT DO NOTHING";

fn remember(tx: &Transaction<'_>, key: &IdempotencyKey) -> Result<(), Error> {
    let added = tx.prepare_cached(REMEMBER)?.execute(named_params! {
        ":scope": key.scope.as_bytes(),
        ":user_id": key.user_id.as_bytes(),
        ":key": key.key,
        ":fingerprint": key.fingerprint,
        ":response": key.response,
        ":turn_id": key.turn_id.as_ref().map(|id| id.as_bytes()),
        ":at": key.at.millis(),
    })?;
    match added {
        1 => Ok(()),
        _ => Err(Conflict::DuplicateIdempotencyKey.into()),
    }
}
