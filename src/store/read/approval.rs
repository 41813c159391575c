//! The queue of approvals, over all conversations of a workspace.
//!
//! Whoever may decide an approval may read it with its context, also where the conversation is not theirs to read.

use rusqlite::{Connection, named_params};

use super::conversation;
use crate::chat::approval::{Approval, ApprovalState};
use crate::id::{ApprovalId, CallId, ConversationId, TurnId};
use crate::scope::{Scope, WorkspaceRole};
use crate::store::Store;
use crate::store::error::Error;
use crate::store::row::{Row, word};

/// What the queue is narrowed to; what is absent narrows nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApprovalFilter {
    pub state: Option<ApprovalState>,
    pub agent: Option<String>,
    pub conversation_id: Option<ConversationId>,
    pub tool: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ApprovalPage {
    pub approvals: Vec<Approval>,
    /// Whether there are more behind the last one.
    pub more: bool,
    /// Where to follow the feed from, so that no later change is missed.
    pub feed_cursor: u64,
}

/// Where an approval asks for no role, whoever may write to the conversation decides.
macro_rules! decides {
    () => {
        "CASE a.required_role WHEN 'owner' THEN :is_owner WHEN 'admin' THEN :is_admin
             WHEN 'member' THEN :is_member WHEN 'viewer' THEN 1
             ELSE c.created_by = :user_id OR (c.visibility = 'workspace' AND :is_member) END
         AND (:only IS NULL OR hex(a.conversation_id) IN (SELECT value FROM json_each(:only)))"
    };
}

const QUEUE: &str = concat!(
    "SELECT a.id, a.body
     FROM approvals a JOIN conversations c ON c.id = a.conversation_id
     WHERE a.workspace_id = :workspace_id AND a.state = :state AND a.id > :after AND c.deleted_at IS NULL
       AND ",
    decides!(),
    " AND (:agent IS NULL OR a.agent = :agent)
      AND (:tool IS NULL OR a.tool = :tool)
      AND (:conversation_id IS NULL OR a.conversation_id = :conversation_id)
      ORDER BY a.id LIMIT :limit"
);

const BY_ID: &str = concat!(
    "SELECT a.id, a.body
     FROM approvals a JOIN conversations c ON c.id = a.conversation_id
     WHERE a.id = :id AND a.workspace_id = :workspace_id AND c.deleted_at IS NULL AND ",
    decides!()
);

const OF_CALL: &str = "
    SELECT m.conversation_id, c.turn_id FROM calls c JOIN messages m ON m.id = c.message_id WHERE c.id = :id";

impl Store {
    /// The approvals of that state (pending, unless given) that the scope may decide, oldest first.
    pub async fn approvals(
        &self,
        scope: &Scope,
        filter: ApprovalFilter,
        after: Option<ApprovalId>,
        limit: usize,
    ) -> Result<ApprovalPage, Error> {
        let scope = scope.clone();
        self.read(move |tx| page(tx, &scope, &filter, after, limit)).await
    }

    /// `None` where the scope may not decide it.
    pub async fn approval(&self, scope: &Scope, id: ApprovalId) -> Result<Option<Approval>, Error> {
        let scope = scope.clone();
        self.read(move |tx| {
            let role = |least: WorkspaceRole| scope.role >= least;
            let mut statement = tx.prepare_cached(BY_ID)?;
            let mut rows = statement.query(named_params! {
                ":id": id.as_bytes(), ":workspace_id": scope.workspace_id.as_bytes(),
                ":user_id": scope.user_id.as_bytes(), ":is_owner": role(WorkspaceRole::Owner),
                ":is_admin": role(WorkspaceRole::Admin), ":is_member": role(WorkspaceRole::Member),
                ":only": only(&scope),
            })?;
            rows.next()?.map(|row| Row::new(row, "approvals", "id").json("body")).transpose()
        })
        .await
    }

    /// The conversation and the turn that a call was made in, where the scope sees that.
    pub async fn place_of_call(
        &self,
        scope: &Scope,
        id: CallId,
    ) -> Result<Option<(ConversationId, TurnId)>, Error> {
        let scope = scope.clone();
        self.read(move |tx| {
            let mut statement = tx.prepare_cached(OF_CALL)?;
            let mut rows = statement.query(named_params! {":id": id.as_bytes()})?;
            let Some(row) = rows.next()? else { return Ok(None) };
            let row = Row::new(row, "messages", "conversation_id");
            let (conversation_id, turn_id) = (row.id("conversation_id")?, row.id("turn_id")?);
            Ok(conversation::find(tx, &scope, conversation_id)?.map(|_| (conversation_id, turn_id)))
        })
        .await
    }
}

fn page(
    tx: &Connection,
    scope: &Scope,
    filter: &ApprovalFilter,
    after: Option<ApprovalId>,
    limit: usize,
) -> Result<ApprovalPage, Error> {
    let role = |least: WorkspaceRole| scope.role >= least;
    let after = after.unwrap_or(ApprovalId::from_bytes([0; 16]));
    let mut statement = tx.prepare_cached(QUEUE)?;
    let mut rows = statement.query(named_params! {
        ":workspace_id": scope.workspace_id.as_bytes(),
        ":state": word(&filter.state.unwrap_or(ApprovalState::Pending)),
        ":after": after.as_bytes(),
        ":user_id": scope.user_id.as_bytes(),
        ":is_owner": role(WorkspaceRole::Owner),
        ":is_admin": role(WorkspaceRole::Admin),
        ":is_member": role(WorkspaceRole::Member),
        ":only": only(scope),
        ":agent": filter.agent,
        ":tool": filter.tool,
        ":conversation_id": filter.conversation_id.as_ref().map(|id| id.as_bytes()),
        ":limit": i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1),
    })?;
    let mut approvals = Vec::new();
    while let Some(row) = rows.next()? {
        approvals.push(Row::new(row, "approvals", "id").json("body")?);
    }
    let more = approvals.len() > limit;
    approvals.truncate(limit);
    Ok(ApprovalPage { approvals, more, feed_cursor: super::feed::position(tx)? })
}

fn only(scope: &Scope) -> Option<String> {
    let hex =
        |id: &ConversationId| id.as_bytes().iter().map(|byte| format!("{byte:02X}")).collect::<String>();
    let only: Vec<String> = scope.only.as_ref()?.iter().map(hex).collect();
    Some(serde_json::to_string(&only).expect("strings serialise"))
}
