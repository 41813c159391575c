//! What the search index is to look at again: a row in the transaction of the change itself.

use rusqlite::{Transaction, named_params};

use crate::id::{ConversationId, MessageId};
use crate::store::error::Error;

const NEXT: &str = "
    INSERT INTO meta (key, value) VALUES ('search', 1) ON CONFLICT (key) DO UPDATE SET value = value + 1
    RETURNING value";
const ADD: &str = "INSERT INTO search_changes (position, kind, subject) VALUES (:position, :kind, :subject)";

/// The texts of a message, of its calls and files, or the name of a branch that begins with it: or it is gone.
pub(super) fn message(tx: &Transaction<'_>, id: MessageId) -> Result<(), Error> {
    add(tx, "message", id.as_bytes())
}

/// The title of a conversation, or it is gone.
pub(super) fn conversation(tx: &Transaction<'_>, id: ConversationId) -> Result<(), Error> {
    add(tx, "conversation", id.as_bytes())
}

fn add(tx: &Transaction<'_>, kind: &str, subject: &[u8; 16]) -> Result<(), Error> {
    let position: i64 = tx.prepare_cached(NEXT)?.query_row([], |row| row.get(0))?;
    tx.prepare_cached(ADD)?.execute(named_params! {
    ":position": position, ":kind": kind, ":subject": subject})?;
    Ok(())
}

const FORGET: &str = "
    DELETE FROM search_changes WHERE position IN (
        SELECT position FROM search_changes WHERE position <= :through ORDER BY position LIMIT :slice)";

/// A slice of what the index has been told of.
pub(super) fn forget(tx: &Transaction<'_>, through: u64, slice: i64) -> Result<(), Error> {
    tx.prepare_cached(FORGET)?.execute(named_params! {":through": through.cast_signed(), ":slice": slice})?;
    Ok(())
}
