//! Tool calls: their state and output, beside the part that asked for them.

use rusqlite::{Transaction, named_params};

use super::{Place, search};
use crate::chat::event::Event;
use crate::chat::message::Call;
use crate::id::{CallId, MessageId};
use crate::store::error::{Conflict, Error};
use crate::store::read;
use crate::store::row::{json, word};

const PROPOSE: &str = "
    INSERT INTO calls (id, message_id, turn_id, tool, args_text, state, output, error, rule, retry_of, seq)
    VALUES (:id, :message_id, :turn_id, :tool, :args_text, :state, :output, :error, :rule, :retry_of, :seq)";

pub(super) fn propose(tx: &Transaction<'_>, place: Place, call: &Call) -> Result<(), Error> {
    tx.prepare_cached(PROPOSE)?.execute(named_params! {
        ":id": call.id.as_bytes(),
        ":message_id": call.message_id.as_bytes(),
        ":turn_id": call.turn_id.as_bytes(),
        ":tool": call.tool,
        ":args_text": call.args_text,
        ":state": word(&call.state),
        ":output": call.output,
        ":error": call.error,
        ":rule": call.rule,
        ":retry_of": call.retry_of.as_ref().map(|id| id.as_bytes()),
        ":seq": place.seq.0.cast_signed(),
    })?;
    search::message(tx, call.message_id)
}

const CHANGE: &str = "
    UPDATE calls SET args_text = :args_text, state = :state, output = :output, error = :error, rule = :rule,
        progress = :progress, question = :question, child_id = :child_id, resolved = :resolved, seq = :seq
    WHERE id = :id";

/// The same as the event makes of the call in memory. The message whose call it is.
pub(super) fn change(
    tx: &Transaction<'_>,
    place: Place,
    id: CallId,
    event: &Event,
) -> Result<MessageId, Error> {
    let mut call = read::call(tx, id)?.ok_or(Conflict::UnknownCall(id))?;
    let before = call.args_text.clone();
    call.evolve(event);
    tx.prepare_cached(CHANGE)?.execute(named_params! {
        ":id": id.as_bytes(),
        ":args_text": call.args_text,
        ":state": word(&call.state),
        ":output": call.output,
        ":error": call.error,
        ":rule": call.rule,
        ":child_id": call.child_id.as_ref().map(|id| id.as_bytes()),
        ":progress": call.progress.as_ref().map(json),
        ":question": call.question.as_ref().map(json),
        ":resolved": call.resolved.as_ref().map(word),
        ":seq": place.seq.0.cast_signed(),
    })?;
    if call.state.is_terminal() || call.args_text != before {
        search::message(tx, call.message_id)?;
    }
    Ok(call.message_id)
}
