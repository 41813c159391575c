//! Forgetting: what deleted conversations leave behind goes in small slices, and old notifications go by age.
//!
//! `secure_delete` overwrites what is deleted here.

use rusqlite::{Transaction, named_params};

use crate::clock::Timestamp;
use crate::id::ConversationId;
use crate::store::error::Error;

/// Rows per slice, chosen so that a slice takes about a millisecond.
const SLICE: i64 = 64;
/// Messages per slice: their parts may be long.
const MESSAGES: i64 = 8;

/// The steps in their order; one that deletes anything is the whole slice.
const STEPS: [&str; 4] = [
    "DELETE FROM turns WHERE id IN (
         SELECT turn_id FROM events WHERE conversation_id = :id ORDER BY seq LIMIT :slice)",
    "DELETE FROM events WHERE conversation_id = :id AND seq IN (
         SELECT seq FROM events WHERE conversation_id = :id ORDER BY seq LIMIT :slice)",
    "DELETE FROM idempotency_keys WHERE scope = :id AND (user_id, key) IN (
         SELECT user_id, key FROM idempotency_keys WHERE scope = :id ORDER BY user_id, key LIMIT :slice)",
    "DELETE FROM runs WHERE conversation_id = :id AND prev IN (
         SELECT prev FROM runs WHERE conversation_id = :id ORDER BY prev LIMIT :slice)",
];

const FORKED: &str =
    "SELECT EXISTS (SELECT 1 FROM conversations WHERE origin_id = :id AND deleted_at IS NULL)";

const NEXT_MESSAGES: &str =
    "SELECT id FROM messages WHERE conversation_id = :id ORDER BY parent_id DESC, id DESC LIMIT :slice";
const OF_MESSAGE: [&str; 4] = [
    "DELETE FROM parts WHERE message_id = :id",
    "DELETE FROM calls WHERE message_id = :id",
    "DELETE FROM chunks WHERE message_id = :id",
    "DELETE FROM messages WHERE id = :id",
];

/// The row stays as a tombstone without content: an id is never given twice.
const FINISH: &str = "
    UPDATE conversations
    SET name = NULL, title = NULL, metadata = NULL, state = NULL, head = NULL, purged = :purged
    WHERE id = :id AND deleted_at IS NOT NULL";

/// Everything but the messages is gone; those are read by forks. A deleted fork takes its origin up again.
const KEPT_FOR_FORKS: i64 = 2;
const PURGED: i64 = 1;

pub(super) fn slice(tx: &Transaction<'_>, id: ConversationId) -> Result<(), Error> {
    let mut deleted = 0;
    for (step, sql) in STEPS.iter().enumerate() {
        deleted += tx.prepare_cached(sql)?.execute(named_params! {":id": id.as_bytes(), ":slice": SLICE})?;
        // The turns of a slice of events go with it.
        if step > 0 && deleted > 0 {
            return Ok(());
        }
    }
    let forked: bool =
        tx.prepare_cached(FORKED)?.query_row(named_params! {":id": id.as_bytes()}, |row| row.get(0))?;
    if !forked && delete_messages(tx, id)? > 0 {
        return Ok(());
    }
    let purged = if forked { KEPT_FOR_FORKS } else { PURGED };
    tx.prepare_cached(FINISH)?.execute(named_params! {":id": id.as_bytes(), ":purged": purged})?;
    Ok(())
}

fn delete_messages(tx: &Transaction<'_>, id: ConversationId) -> Result<usize, Error> {
    let ids: Vec<[u8; 16]> = tx
        .prepare_cached(NEXT_MESSAGES)?
        .query_map(named_params! {":id": id.as_bytes(), ":slice": MESSAGES}, |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for id in &ids {
        for sql in OF_MESSAGE {
            tx.prepare_cached(sql)?.execute(named_params! {":id": id})?;
        }
    }
    Ok(ids.len())
}

const TAKE_UP_ORIGIN: &str = "
    UPDATE conversations SET purged = 0
    WHERE id = (SELECT origin_id FROM conversations WHERE id = :id) AND purged = 2";

/// A fork goes: its origin may have been waiting for that.
pub(super) fn take_up_origin(tx: &Transaction<'_>, fork: ConversationId) -> Result<(), Error> {
    tx.prepare_cached(TAKE_UP_ORIGIN)?.execute(named_params! {":id": fork.as_bytes()})?;
    Ok(())
}

const LAST_OLD: &str = "
    SELECT max(position) FROM (SELECT position, at FROM feed ORDER BY position LIMIT :slice) WHERE at < :before";
const FORGET_FEED: &str = "DELETE FROM feed WHERE position <= :through";
const FEED_FROM: &str = "
    INSERT INTO meta (key, value) VALUES ('feed_trimmed', :through)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value";
const FORGET_KEYS: &str = "
    DELETE FROM idempotency_keys WHERE turn_id IS NULL AND (scope, user_id, key) IN (
        SELECT scope, user_id, key FROM idempotency_keys
        WHERE turn_id IS NULL AND at < :before ORDER BY at LIMIT :slice)";

/// A slice of the notifications, and of the answers kept for retries, that are older than `before`.
pub(super) fn expire(tx: &Transaction<'_>, before: Timestamp) -> Result<(), Error> {
    let bounds = named_params! {":before": before.millis(), ":slice": SLICE};
    let through: Option<i64> = tx.prepare_cached(LAST_OLD)?.query_row(bounds, |row| row.get(0))?;
    if let Some(through) = through {
        tx.prepare_cached(FORGET_FEED)?.execute(named_params! {":through": through})?;
        tx.prepare_cached(FEED_FROM)?.execute(named_params! {":through": through})?;
    }
    tx.prepare_cached(FORGET_KEYS)?.execute(bounds)?;
    Ok(())
}
