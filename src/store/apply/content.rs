//! The parts of messages, and which bytes of them stand at which positions of the log.

use rusqlite::{Transaction, named_params};

use crate::chat::message::{Part, StoredPart};
use crate::id::{ConversationId, MessageId};
use crate::store::error::Error;
use crate::store::journal::Entry;
use crate::store::record::{Piece, Run};
use crate::store::row::json;

const PUT: &str = "
    INSERT INTO parts (message_id, idx, kind, data, text, opaque)
    VALUES (:message_id, :idx, :kind, :data, :text, :opaque)
    ON CONFLICT (message_id, idx)
    DO UPDATE SET kind = excluded.kind, data = excluded.data, text = excluded.text, opaque = excluded.opaque";

pub(super) fn put(tx: &Transaction<'_>, id: MessageId, index: u32, part: &StoredPart) -> Result<(), Error> {
    tx.prepare_cached(PUT)?.execute(named_params! {
        ":message_id": id.as_bytes(),
        ":idx": index,
        ":kind": kind(&part.part),
        ":data": head(&part.part),
        ":text": part.part.streamed(),
        ":opaque": part.opaque.as_ref().map(json),
    })?;
    Ok(())
}

pub(super) fn start_part(tx: &Transaction<'_>, id: MessageId, index: u32, part: &Part) -> Result<(), Error> {
    put(tx, id, index, &StoredPart { part: part.clone(), opaque: None })
}

const REPLACE_HEAD: &str =
    "UPDATE parts SET kind = :kind, data = :data WHERE message_id = :message_id AND idx = :idx";

pub(super) fn replace_head(
    tx: &Transaction<'_>,
    id: MessageId,
    index: u32,
    part: &Part,
) -> Result<(), Error> {
    tx.prepare_cached(REPLACE_HEAD)?.execute(named_params! {
    ":message_id": id.as_bytes(), ":idx": index, ":kind": kind(part), ":data": head(part)})?;
    Ok(())
}

const RUN: &str = "
    INSERT INTO runs (conversation_id, prev, message_id, idx, offset, length)
    VALUES (:conversation_id, :prev, :message_id, :idx, :offset, :length)";

/// The final parts of a message.
pub(super) fn store(
    tx: &Transaction<'_>,
    conversation_id: ConversationId,
    id: MessageId,
    parts: &[StoredPart],
    runs: &[Run],
) -> Result<(), Error> {
    for (index, part) in (0..).zip(parts) {
        put(tx, id, index, part)?;
    }
    for run in runs {
        tx.prepare_cached(RUN)?.execute(named_params! {
            ":conversation_id": conversation_id.as_bytes(),
            ":prev": run.prev.0.cast_signed(),
            ":message_id": id.as_bytes(),
            ":idx": run.index,
            ":offset": run.offset.cast_signed(),
            ":length": run.length.cast_signed(),
        })?;
    }
    Ok(())
}

const SPILL: &str = "
    INSERT INTO chunks (message_id, through, deltas) VALUES (:message_id, :through, :deltas)";

pub(super) fn spill(
    tx: &Transaction<'_>,
    conversation_id: ConversationId,
    message_id: MessageId,
    through: u64,
    pieces: &[Piece],
) -> Result<(), Error> {
    if pieces.is_empty() {
        return Ok(());
    }
    let mut deltas = Vec::new();
    for Piece { prev, index, text } in pieces {
        Entry { conversation_id, message_id, index: *index, prev: *prev, text }.write_to(&mut deltas);
    }
    tx.prepare_cached(SPILL)?.execute(named_params! {
    ":message_id": message_id.as_bytes(), ":through": through.cast_signed(), ":deltas": deltas})?;
    Ok(())
}

const DROP_CHUNKS: &str = "DELETE FROM chunks WHERE message_id = :message_id";

pub(super) fn drop_chunks(tx: &Transaction<'_>, id: MessageId) -> Result<(), Error> {
    tx.prepare_cached(DROP_CHUNKS)?.execute(named_params! {":message_id": id.as_bytes()})?;
    Ok(())
}

fn head(part: &Part) -> String {
    json(&part.clone().with_streamed(String::new()))
}

const fn kind(part: &Part) -> &'static str {
    match part {
        Part::Text { .. } => "text",
        Part::Reasoning { .. } => "reasoning",
        Part::ToolCall { .. } => "tool_call",
        Part::File { .. } => "file",
        Part::Source { .. } => "source",
        Part::Notice { .. } => "notice",
    }
}
