//! Remembered yeses: made with an approval, and revoked.

use rusqlite::{Transaction, named_params};

use super::Place;
use crate::chat::approval::ApprovalRule;
use crate::clock::Timestamp;
use crate::id::{RuleId, UserId, WorkspaceId};
use crate::store::error::Error;
use crate::store::row::{Row, json};

/// Rules for certain arguments, wherever they hold: the arguments are what was said in the conversation. Of the
/// approvals that the next step of the purge takes away.
pub(super) const FORGET_OF_CONVERSATION: &str = "
    DELETE FROM approval_rules WHERE body -> '$.args' IS NOT NULL AND body ->> '$.approval_id' IN (
        SELECT body ->> '$.id' FROM approvals WHERE conversation_id = :id ORDER BY id LIMIT :slice)";

pub(super) const FORGET_OF_MESSAGE: &str = "
    DELETE FROM approval_rules WHERE body -> '$.args' IS NOT NULL AND body ->> '$.approval_id' IN (
        SELECT body ->> '$.id' FROM approvals WHERE call_id IN (SELECT id FROM calls WHERE message_id = :id))";

const MAKE: &str = "
    INSERT INTO approval_rules (id, workspace_id, tool, conversation_id, made_by, body)
    SELECT :id, workspace_id, :tool, :only, :made_by, :body FROM conversations WHERE id = :conversation_id";

pub(super) fn make(tx: &Transaction<'_>, place: Place, rule: &ApprovalRule) -> Result<(), Error> {
    tx.prepare_cached(MAKE)?.execute(named_params! {
        ":id": rule.id.as_bytes(),
        ":tool": rule.tool,
        ":only": rule.conversation_id.as_ref().map(|id| id.as_bytes()),
        ":made_by": rule.made_by.as_bytes(),
        ":body": json(rule),
        ":conversation_id": place.conversation_id.as_bytes(),
    })?;
    Ok(())
}

const FIND: &str = "SELECT id, workspace_id, body FROM approval_rules WHERE id = :id";
const CHANGE: &str = "UPDATE approval_rules SET body = :body WHERE id = :id";

/// A rule that counts no more from here on.
pub(super) struct Revoked {
    pub workspace_id: WorkspaceId,
    pub rule: ApprovalRule,
    pub by: UserId,
    pub at: Timestamp,
}

/// Once. One that is gone has nothing to revoke.
pub(super) fn revoke(
    tx: &Transaction<'_>,
    id: RuleId,
    by: UserId,
    at: Timestamp,
) -> Result<Option<Revoked>, Error> {
    let mut statement = tx.prepare_cached(FIND)?;
    let mut rows = statement.query(named_params! {":id": id.as_bytes()})?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let row = Row::new(row, "approval_rules", "id");
    let (workspace_id, mut rule) = (row.id("workspace_id")?, row.json::<ApprovalRule>("body")?);
    if rule.revoked_at.is_some() {
        return Ok(None);
    }
    (rule.revoked_at, rule.revoked_by) = (Some(at), Some(by));
    tx.prepare_cached(CHANGE)?.execute(named_params! {":id": id.as_bytes(), ":body": json(&rule)})?;
    Ok(Some(Revoked { workspace_id, rule, by, at }))
}
