//! Forgetting: what deleted conversations leave behind goes in small slices, and old notifications go by age.
//!
//! `secure_delete` overwrites what is deleted here.

use rusqlite::{Transaction, named_params};

use super::{audit, branch, rule, search};
use crate::clock::Timestamp;
use crate::id::{ConversationId, MessageId};
use crate::store::error::Error;

/// Rows per slice, chosen so that a slice takes about a millisecond.
const SLICE: i64 = 64;
/// Messages per slice: their parts may be long.
const MESSAGES: i64 = 8;

/// The steps in their order; one that deletes anything is the whole slice.
const STEPS: [&str; 12] = [
    "DELETE FROM idempotency_keys WHERE turn_id IN (
         SELECT turn_id FROM events WHERE conversation_id = :id ORDER BY seq LIMIT :slice)",
    "DELETE FROM turns WHERE id IN (
         SELECT turn_id FROM events WHERE conversation_id = :id ORDER BY seq LIMIT :slice)",
    "DELETE FROM events WHERE conversation_id = :id AND seq IN (
         SELECT seq FROM events WHERE conversation_id = :id ORDER BY seq LIMIT :slice)",
    "DELETE FROM idempotency_keys WHERE scope = :id AND (user_id, key) IN (
         SELECT user_id, key FROM idempotency_keys WHERE scope = :id ORDER BY user_id, key LIMIT :slice)",
    rule::FORGET_OF_CONVERSATION,
    "DELETE FROM approvals WHERE conversation_id = :id AND id IN (
         SELECT id FROM approvals WHERE conversation_id = :id ORDER BY id LIMIT :slice)",
    "DELETE FROM approval_rules WHERE id IN (
         SELECT id FROM approval_rules WHERE conversation_id = :id LIMIT :slice)",
    audit::ERASE_OF_CONVERSATION,
    "DELETE FROM runs WHERE conversation_id = :id AND prev IN (
         SELECT prev FROM runs WHERE conversation_id = :id ORDER BY prev LIMIT :slice)",
    "DELETE FROM redactions WHERE conversation_id = :id AND prev IN (
         SELECT prev FROM redactions WHERE conversation_id = :id ORDER BY prev LIMIT :slice)",
    "DELETE FROM deleted_branches WHERE conversation_id = :id AND message_id IN (
         SELECT message_id FROM deleted_branches WHERE conversation_id = :id ORDER BY message_id LIMIT :slice)",
    // Of what waited in the queue; the uses of messages go with them.
    "DELETE FROM file_uses WHERE message_id IN (
         SELECT message_id FROM file_uses u
         WHERE conversation_id = :id AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.id = u.message_id)
         LIMIT :slice)",
];

/// Those that nothing hangs on, neither a child nor a fork, in whatever conversation; the newest first.
const NEXT_MESSAGES: &str = "
    SELECT id FROM messages m
    WHERE conversation_id = :id
      AND NOT EXISTS (SELECT 1 FROM messages c WHERE c.parent_id = m.id)
      AND NOT EXISTS (SELECT 1 FROM conversations f WHERE f.fork_message_id = m.id AND f.deleted_at IS NULL)
    ORDER BY depth DESC LIMIT :slice";

/// The row stays as a tombstone without content: an id is never given twice. Messages that are left, and what was said
/// about them, are read by forks, also by forks of a fork that made no message itself; when one of those goes, its
/// origin is taken up again.
const FINISH: [&str; 4] = [
    "UPDATE conversations
     SET name = NULL, title = NULL, metadata = NULL, state = NULL, head = NULL,
         purged = CASE WHEN EXISTS (SELECT 1 FROM messages WHERE conversation_id = :id)
                         OR EXISTS (SELECT 1 FROM conversations f WHERE f.origin_id = :id AND f.purged <> 1)
                       THEN 2 ELSE 1 END
     WHERE id = :id AND deleted_at IS NOT NULL",
    "DELETE FROM annotations
     WHERE conversation_id = :id AND (SELECT purged FROM conversations WHERE id = :id) = 1",
    "UPDATE conversations SET purged = 0
     WHERE purged = 2 AND id = (SELECT origin_id FROM conversations WHERE id = :id AND purged <> 0)",
    "UPDATE deleted_branches SET erased = 0
     WHERE conversation_id = (SELECT origin_id FROM conversations WHERE id = :id AND purged <> 0)",
];

pub(super) fn slice(tx: &Transaction<'_>, id: ConversationId) -> Result<(), Error> {
    let mut deleted = 0;
    for (step, sql) in STEPS.iter().enumerate() {
        deleted += tx.prepare_cached(sql)?.execute(named_params! {":id": id.as_bytes(), ":slice": SLICE})?;
        // The turns of a slice of events go with it, and their keys.
        if step > 1 && deleted > 0 {
            return Ok(());
        }
    }
    if delete_messages(tx, id)? > 0 {
        return Ok(());
    }
    name_no_more(tx, id)?;
    for sql in FINISH {
        tx.prepare_cached(sql)?.execute(named_params! {":id": id.as_bytes()})?;
    }
    Ok(())
}

const NAMED: &str = "
    SELECT message_id FROM annotations WHERE conversation_id = :id AND kind = 'marks' AND until IS NULL";

/// Names that the conversation gave to branches that begin with messages of others.
fn name_no_more(tx: &Transaction<'_>, id: ConversationId) -> Result<(), Error> {
    let named: Vec<[u8; 16]> = tx
        .prepare_cached(NAMED)?
        .query_map(named_params! {":id": id.as_bytes()}, |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    named.into_iter().try_for_each(|message_id| search::message(tx, MessageId::from_bytes(message_id)))
}

fn delete_messages(tx: &Transaction<'_>, id: ConversationId) -> Result<usize, Error> {
    let ids: Vec<[u8; 16]> = tx
        .prepare_cached(NEXT_MESSAGES)?
        .query_map(named_params! {":id": id.as_bytes(), ":slice": MESSAGES}, |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    ids.iter().try_for_each(|id| branch::remove(tx, MessageId::from_bytes(*id)))?;
    Ok(ids.len())
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
