//! The feed's rows: what changed for the people of a workspace, derived from the events themselves.

use rusqlite::{Transaction, named_params};
use serde_json::json;

use super::Place;
use crate::chat::approval::Approval;
use crate::chat::turn::TurnState;
use crate::id::TurnId;
use crate::store::error::Error;
use crate::store::row::word;

/// Why a conversation moved in its readers' lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Listed {
    Created,
    Renamed,
    MovedUp,
    Shared,
    Archived,
    Unarchived,
}

/// Who is told of a conversation that left the lists: present rights no longer say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Audience {
    Creator,
    Others,
    Workspace,
}

pub(super) fn listed(tx: &Transaction<'_>, place: Place, change: Listed) -> Result<(), Error> {
    add(tx, place, "conversation.listed", "readers", &json!({ "change": change }))
}

pub(super) fn unlisted(tx: &Transaction<'_>, place: Place, audience: Audience) -> Result<(), Error> {
    let audience = match audience {
        Audience::Creator => "creator",
        Audience::Others => "others",
        Audience::Workspace => "workspace",
    };
    add(tx, place, "conversation.unlisted", audience, &json!({}))
}

pub(super) fn turn_finished(
    tx: &Transaction<'_>,
    place: Place,
    id: TurnId,
    state: TurnState,
) -> Result<(), Error> {
    let body = json!({ "turn_id": id, "state": word(&state) });
    add(tx, place, "turn.finished", "readers", &body)
}

/// Told to whoever may decide it.
pub(super) fn approval(
    tx: &Transaction<'_>,
    place: Place,
    kind: &str,
    approval: &Approval,
) -> Result<(), Error> {
    let audience = match approval.required_role {
        None => "deciders".to_owned(),
        Some(role) => format!("deciders:{}", word(&role)),
    };
    let body = json!({
        "approval_id": approval.id, "call_id": approval.call_id, "tool": approval.tool, "state": approval.state,
    });
    add(tx, place, kind, &audience, &body)
}

const ADD: &str = "
    INSERT INTO feed (position, workspace_id, conversation_id, at, kind, audience, body)
    SELECT :position, workspace_id, id, :at, :kind, :audience, :body FROM conversations WHERE id = :conversation_id
      -- What works for another conversation stands in no list.
      AND (parent IS NULL OR :kind NOT IN ('conversation.listed', 'conversation.unlisted'))";

const NEXT: &str = "
    INSERT INTO meta (key, value) VALUES ('feed', 1) ON CONFLICT (key) DO UPDATE SET value = value + 1
    RETURNING value";

fn add(
    tx: &Transaction<'_>,
    place: Place,
    kind: &str,
    audience: &str,
    body: &serde_json::Value,
) -> Result<(), Error> {
    let position: i64 = tx.prepare_cached(NEXT)?.query_row([], |row| row.get(0))?;
    tx.prepare_cached(ADD)?.execute(named_params! {
        ":position": position,
        ":conversation_id": place.conversation_id.as_bytes(),
        ":at": place.at.millis(),
        ":kind": kind,
        ":audience": audience,
        ":body": body.to_string(),
    })?;
    Ok(())
}
