//! Turns: their state, and their place in the queue until they start.

use rusqlite::{OptionalExtension, Transaction, named_params};

use super::Place;
use super::feed;
use super::file;
use crate::chat::event::{Problem, WaitingFor};
use crate::chat::message::{Part, Usage};
use crate::chat::turn::{QueuedTurn, TurnPlan, TurnState};
use crate::id::{MessageId, TurnId};
use crate::store::error::{Conflict, Error};
use crate::store::row::{json, word};

const QUEUE: &str = "
    INSERT INTO turns
        (id, conversation_id, state, agent, request, input_id, lane, attempt, queued, queue_position, first_seq, queued_at)
    SELECT :id, :conversation_id, 'queued', :agent, :request, :input_id, :lane, 0, :queued,
           CASE WHEN :first THEN coalesce(min(queue_position), 0) - 1 ELSE coalesce(max(queue_position), 0) + 1 END,
           :seq, :queued_at
    FROM turns WHERE conversation_id = :conversation_id AND state IN ('queued', 'running', 'waiting')";

pub(super) fn queue(tx: &Transaction<'_>, place: Place, id: TurnId, turn: &QueuedTurn) -> Result<(), Error> {
    tx.prepare_cached(QUEUE)?.execute(named_params! {
        ":id": id.as_bytes(),
        ":conversation_id": place.conversation_id.as_bytes(),
        ":agent": turn.request.agent,
        ":request": json(&turn.request),
        ":input_id": turn.message_id.as_bytes(),
        ":lane": turn.lane.as_bytes(),
        ":queued": json(turn),
        ":first": turn.first,
        ":seq": place.seq.0.cast_signed(),
        ":queued_at": turn.queued_at.millis(),
    })?;
    file::attach(tx, place, turn.message_id, &turn.parts)
}

const START: &str = "
    INSERT INTO turns
        (id, conversation_id, state, agent, request, input_id, lane, attempt, first_seq, started_at)
    VALUES (:id, :conversation_id, 'running', :agent, :request, :input_id, :lane, 1, :seq, :started_at)
    ON CONFLICT (id) DO UPDATE
    SET state = 'running', agent = excluded.agent, request = excluded.request, input_id = excluded.input_id,
        lane = excluded.lane, attempt = 1, queued = NULL, queue_position = NULL, started_at = excluded.started_at";

const INPUT_SEQ: &str = "SELECT seq FROM messages WHERE id = :id AND turn_id = :turn_id";

pub(super) fn start(tx: &Transaction<'_>, place: Place, id: TurnId, plan: &TurnPlan) -> Result<(), Error> {
    // The input's `message.created` may stand before `turn.started` and belongs to the turn as well.
    let input = input_seq(tx, plan.input, id)?.unwrap_or(i64::MAX);
    tx.prepare_cached(START)?.execute(named_params! {
        ":id": id.as_bytes(),
        ":conversation_id": place.conversation_id.as_bytes(),
        ":agent": plan.request.agent,
        ":request": json(&plan.request),
        ":input_id": plan.input.as_bytes(),
        ":lane": plan.lane.as_bytes(),
        ":seq": place.seq.0.cast_signed().min(input),
        ":started_at": plan.started_at.millis(),
    })?;
    Ok(())
}

fn input_seq(tx: &Transaction<'_>, input: MessageId, id: TurnId) -> Result<Option<i64>, Error> {
    let seq = tx
        .prepare_cached(INPUT_SEQ)?
        .query_row(named_params! {":id": input.as_bytes(), ":turn_id": id.as_bytes()}, |row| row.get(0))
        .optional()?;
    Ok(seq)
}

const WAIT: &str = "UPDATE turns SET state = 'waiting', waiting_for = :waiting_for WHERE id = :id";

pub(super) fn wait(tx: &Transaction<'_>, id: TurnId, waiting_for: WaitingFor) -> Result<(), Error> {
    let changed = tx
        .prepare_cached(WAIT)?
        .execute(named_params! {":id": id.as_bytes(), ":waiting_for": word(&waiting_for)})?;
    one(changed, id)
}

const RESUME: &str =
    "UPDATE turns SET state = 'running', waiting_for = NULL, attempt = :attempt WHERE id = :id";

pub(super) fn resume(tx: &Transaction<'_>, id: TurnId, attempt: u32) -> Result<(), Error> {
    let changed =
        tx.prepare_cached(RESUME)?.execute(named_params! {":id": id.as_bytes(), ":attempt": attempt})?;
    one(changed, id)
}

/// How a turn ended.
pub(super) enum Outcome<'a> {
    Completed { usage: &'a Usage, steered_into: Option<TurnId> },
    Failed { problem: &'a Problem },
    Cancelled,
    Interrupted { problem: Option<&'a Problem> },
}

const END: &str = "
    UPDATE turns
    SET state = :state, last_seq = :seq, ended_at = :at, problem = :problem, usage = :usage,
        steered_into = :steered_into, waiting_for = NULL, queued = NULL, queue_position = NULL
    WHERE id = :id AND state IN ('queued', 'running', 'waiting')";

pub(super) fn end(tx: &Transaction<'_>, place: Place, id: TurnId, outcome: Outcome<'_>) -> Result<(), Error> {
    let (state, usage, problem, steered_into) = match outcome {
        Outcome::Completed { usage, steered_into } => (TurnState::Completed, Some(usage), None, steered_into),
        Outcome::Failed { problem } => (TurnState::Failed, None, Some(problem), None),
        Outcome::Cancelled => (TurnState::Cancelled, None, None, None),
        Outcome::Interrupted { problem } => (TurnState::Interrupted, None, problem, None),
    };
    let changed = tx.prepare_cached(END)?.execute(named_params! {
        ":id": id.as_bytes(),
        ":state": word(&state),
        ":seq": place.seq.0.cast_signed(),
        ":at": place.at.millis(),
        ":problem": problem.map(json),
        ":usage": usage.map(json),
        ":steered_into": steered_into.as_ref().map(|id| id.as_bytes()),
    })?;
    one(changed, id)?;
    file::detach(tx, id)?;
    feed::turn_finished(tx, place, id, state)
}

const REORDER: &str = "
    UPDATE turns SET queue_position = :position
    WHERE id = :id AND conversation_id = :conversation_id AND state = 'queued'";

pub(super) fn reorder(tx: &Transaction<'_>, place: Place, ids: &[TurnId]) -> Result<(), Error> {
    for (position, id) in (1i64..).zip(ids) {
        let changed = tx.prepare_cached(REORDER)?.execute(named_params! {
        ":id": id.as_bytes(), ":conversation_id": place.conversation_id.as_bytes(), ":position": position})?;
        one(changed, *id)?;
    }
    Ok(())
}

const QUEUED: &str = "SELECT queued FROM turns WHERE id = :id AND state = 'queued'";
const EDIT: &str = "UPDATE turns SET queued = :queued WHERE id = :id";

pub(super) fn edit(tx: &Transaction<'_>, place: Place, id: TurnId, parts: &[Part]) -> Result<(), Error> {
    let queued: Option<String> = tx
        .prepare_cached(QUEUED)?
        .query_row(named_params! {":id": id.as_bytes()}, |row| row.get(0))
        .optional()?;
    let queued = queued.ok_or(Conflict::UnknownTurn(id))?;
    let corrupt = |_| Error::Corrupt { table: "turns", column: "queued", key: id.to_string() };
    let mut turn: QueuedTurn = serde_json::from_str(&queued).map_err(corrupt)?;
    turn.parts = parts.to_vec();
    tx.prepare_cached(EDIT)?.execute(named_params! {":id": id.as_bytes(), ":queued": json(&turn)})?;
    file::detach(tx, id)?;
    file::attach(tx, place, turn.message_id, parts)
}

fn one(changed: usize, id: TurnId) -> Result<(), Error> {
    match changed {
        1 => Ok(()),
        _ => Err(Conflict::UnknownTurn(id).into()),
    }
}
