//! Approvals: a row each, in the queue of their workspace.

use rusqlite::{OptionalExtension, Transaction, named_params};

use super::{Place, feed, rule};
use crate::chat::approval::{Approval, ApprovalState};
use crate::chat::event::Event;
use crate::id::ApprovalId;
use crate::store::error::{Conflict, Error};
use crate::store::row::{json, word};

const REQUEST: &str = "
    INSERT INTO approvals
        (id, workspace_id, conversation_id, call_id, tool, agent, state, required_role, audience, requested_at, body)
    SELECT :id, workspace_id, id, :call_id, :tool, :agent, :state, :required_role,
        coalesce(:required_role, CASE visibility WHEN 'workspace' THEN 'workspace' ELSE hex(created_by) END),
        :requested_at, :body
    FROM conversations WHERE id = :conversation_id";

pub(super) fn request(tx: &Transaction<'_>, place: Place, approval: &Approval) -> Result<(), Error> {
    tx.prepare_cached(REQUEST)?.execute(named_params! {
        ":id": approval.id.as_bytes(),
        ":conversation_id": place.conversation_id.as_bytes(),
        ":call_id": approval.call_id.as_bytes(),
        ":tool": approval.tool,
        ":agent": approval.context.agent,
        ":state": word(&approval.state),
        ":required_role": approval.required_role.as_ref().map(word),
        ":requested_at": approval.requested_at.millis(),
        ":body": json(approval),
    })?;
    feed::approval(tx, place, "approval.requested", approval)
}

const READDRESS: &str = "
    UPDATE approvals SET audience = (
        SELECT CASE visibility WHEN 'workspace' THEN 'workspace' ELSE hex(created_by) END
        FROM conversations WHERE id = :conversation_id)
    WHERE conversation_id = :conversation_id AND required_role IS NULL";

/// After its conversation was shared, or is shared no longer.
pub(super) fn readdress(tx: &Transaction<'_>, place: Place) -> Result<(), Error> {
    tx.prepare_cached(READDRESS)?
        .execute(named_params! {":conversation_id": place.conversation_id.as_bytes()})?;
    Ok(())
}

const BODY: &str = "SELECT body FROM approvals WHERE id = :id";
const CHANGE: &str = "UPDATE approvals SET state = :state, body = :body WHERE id = :id";

/// The same as the event makes of the approval in memory.
pub(super) fn change(tx: &Transaction<'_>, place: Place, id: ApprovalId, event: &Event) -> Result<(), Error> {
    let body: Option<String> = tx
        .prepare_cached(BODY)?
        .query_row(named_params! {":id": id.as_bytes()}, |row| row.get(0))
        .optional()?;
    let body = body.ok_or(Conflict::UnknownApproval(id))?;
    let corrupt = |_| Error::Corrupt { table: "approvals", column: "body", key: id.to_string() };
    let mut approval: Approval = serde_json::from_str(&body).map_err(corrupt)?;
    approval.evolve(event);
    tx.prepare_cached(CHANGE)?.execute(named_params! {
        ":id": id.as_bytes(), ":state": word(&approval.state), ":body": json(&approval),
    })?;
    match approval.state {
        // A vote that decides nothing.
        ApprovalState::Pending => Ok(()),
        _ if matches!(event, Event::ApprovalVoted { .. }) => Ok(()),
        ApprovalState::Approved | ApprovalState::Denied => {
            if approval.state == ApprovalState::Approved {
                approval.rules().try_for_each(|made| rule::make(tx, place, &made))?;
            }
            feed::approval(tx, place, "approval.decided", &approval)
        }
        ApprovalState::Expired | ApprovalState::Withdrawn | ApprovalState::Void => {
            feed::approval(tx, place, "approval.closed", &approval)
        }
    }
}
