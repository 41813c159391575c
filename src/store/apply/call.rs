//! Tool calls: their state and output, beside the part that asked for them.

use rusqlite::{Transaction, named_params};

use crate::chat::message::Call;
use crate::id::CallId;
use crate::store::error::{Conflict, Error};
use crate::store::row::word;

const PROPOSE: &str = "
    INSERT INTO calls (id, message_id, turn_id, tool, args_text, state, output, error)
    VALUES (:id, :message_id, :turn_id, :tool, :args_text, :state, :output, :error)";

pub(super) fn propose(tx: &Transaction<'_>, call: &Call) -> Result<(), Error> {
    tx.prepare_cached(PROPOSE)?.execute(named_params! {
        ":id": call.id.as_bytes(),
        ":message_id": call.message_id.as_bytes(),
        ":turn_id": call.turn_id.as_bytes(),
        ":tool": call.tool,
        ":args_text": call.args_text,
        ":state": word(&call.state),
        ":output": call.output,
        ":error": call.error,
    })?;
    Ok(())
}

const FAIL: &str = "UPDATE calls SET state = 'failed', error = :error WHERE id = :id";

pub(super) fn fail(tx: &Transaction<'_>, id: CallId, error: &str) -> Result<(), Error> {
    match tx.prepare_cached(FAIL)?.execute(named_params! {":id": id.as_bytes(), ":error": error})? {
        1 => Ok(()),
        _ => Err(Conflict::UnknownCall(id).into()),
    }
}
