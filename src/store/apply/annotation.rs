//! What a conversation says about messages that it sees, each row true from one position of the log to another.

use rusqlite::{OptionalExtension, Transaction, named_params};

use super::Place;
use super::search;
use crate::chat::compaction::Compaction;
use crate::chat::message::Marks;
use crate::id::{CompactionId, MessageId};
use crate::store::error::{Conflict, Error};
use crate::store::row::json;
use crate::store::tree;

const END: &str = "
    UPDATE annotations SET until = :seq
    WHERE conversation_id = :conversation_id AND kind = :kind AND subject = :subject AND until IS NULL";
const BEGIN: &str = "
    INSERT INTO annotations (conversation_id, kind, subject, seq, message_id, body)
    VALUES (:conversation_id, :kind, :subject, :seq, :message_id, :body)";

const NAME: &str = "
    SELECT body ->> '$.branch_name' FROM annotations
    WHERE conversation_id = :conversation_id AND kind = 'marks' AND subject = :subject AND until IS NULL";

pub(super) fn mark(tx: &Transaction<'_>, place: Place, id: MessageId, marks: &Marks) -> Result<(), Error> {
    let before: Option<Option<String>> = tx
        .prepare_cached(NAME)?
        .query_row(
            named_params! {":conversation_id": place.conversation_id.as_bytes(), ":subject": id.as_bytes()},
            |row| row.get(0),
        )
        .optional()?;
    write(tx, place, Subject { kind: "marks", id: id.as_bytes(), message_id: id }, Some(&json(marks)))?;
    // Nothing else that is said of a message is found by its words.
    match before.flatten() == marks.branch_name {
        true => Ok(()),
        false => search::message(tx, id),
    }
}

pub(super) fn compact(tx: &Transaction<'_>, place: Place, compaction: &Compaction) -> Result<(), Error> {
    let subject =
        Subject { kind: "compaction", id: compaction.id.as_bytes(), message_id: compaction.message_id };
    write(tx, place, subject, Some(&json(compaction)))
}

pub(super) fn uncompact(
    tx: &Transaction<'_>,
    place: Place,
    id: CompactionId,
    message_id: MessageId,
) -> Result<(), Error> {
    write(tx, place, Subject { kind: "compaction", id: id.as_bytes(), message_id }, None)
}

struct Subject<'a> {
    kind: &'static str,
    id: &'a [u8; 16],
    message_id: MessageId,
}

fn write(tx: &Transaction<'_>, place: Place, subject: Subject<'_>, body: Option<&str>) -> Result<(), Error> {
    let Subject { kind, id, message_id } = subject;
    let node = tree::node(tx, message_id)?.ok_or(Conflict::UnknownMessage(message_id))?;
    if !tree::visible(tx, place.conversation_id, &node)? {
        return Err(Conflict::UnknownMessage(message_id).into());
    }
    let (conversation_id, seq) = (place.conversation_id.as_bytes(), place.seq.0.cast_signed());
    tx.prepare_cached(END)?.execute(named_params! {
    ":conversation_id": conversation_id, ":kind": kind, ":subject": id, ":seq": seq})?;
    tx.prepare_cached(BEGIN)?.execute(named_params! {
    ":conversation_id": conversation_id, ":kind": kind, ":subject": id, ":seq": seq,
    ":message_id": message_id.as_bytes(), ":body": body})?;
    Ok(())
}
