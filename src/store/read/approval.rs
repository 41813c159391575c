//! The queue of approvals, over all conversations of a workspace.
//!
//! Whoever may decide an approval may read it with its context, also where the conversation is not theirs to read.

use rusqlite::{Connection, named_params};

use super::{conversation, message};
use crate::chat::approval::{Approval, ApprovalState};
use crate::chat::message::Call;
use crate::chat::question::Question;
use crate::id::{ApprovalId, CallId, ConversationId, TurnId};
use crate::scope::{Scope, WorkspaceRole};
use crate::store::Store;
use crate::store::error::Error;
use crate::store::row::{Row, word};
use crate::store::tree;

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
    /// Behind which there are more.
    pub next: Option<ApprovalId>,
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

/// One walk of an index. Which audience it is for says only where to look; who may decide is asked of every row.
macro_rules! arm {
    ($index:literal, $($walked:literal),+) => {
        concat!(
            "SELECT a.id AS id, a.body
             FROM approvals a INDEXED BY ",
            $index,
            " CROSS JOIN conversations c ON c.id = a.conversation_id
             WHERE a.workspace_id = :workspace_id AND a.state = :state AND ",
            $($walked,)+
            " AND a.id > :after AND c.deleted_at IS NULL AND ",
            decides!(),
            " AND (:agent IS NULL OR a.agent = :agent)
              AND (:tool IS NULL OR a.tool = :tool)
              AND (:conversation_id IS NULL OR a.conversation_id = :conversation_id)"
        )
    };
}

/// The walks of every audience that somebody may belong to, merged in the order of ids.
macro_rules! queue {
    ($index:literal, $narrowed:literal) => {
        concat!(
            arm!($index, "a.audience = hex(:user_id)", $narrowed),
            " UNION ALL ",
            arm!($index, "a.audience = 'workspace'", $narrowed),
            " UNION ALL ",
            arm!($index, "a.audience = 'viewer'", $narrowed),
            " UNION ALL ",
            arm!($index, "a.audience = 'member' AND :is_member", $narrowed),
            " UNION ALL ",
            arm!($index, "a.audience = 'admin' AND :is_admin", $narrowed),
            " UNION ALL ",
            arm!($index, "a.audience = 'owner' AND :is_owner", $narrowed),
            " ORDER BY id LIMIT :limit"
        )
    };
}

const QUEUE: &str = queue!("approvals_queue", "");
const OF_TOOL: &str = queue!("approvals_of_tool", " AND a.tool = :tool");
const OF_AGENT: &str = queue!("approvals_of_agent", " AND a.agent = :agent");
const OF_CONVERSATION: &str = concat!(
    arm!("approvals_of_conversation", "a.conversation_id = :conversation_id"),
    " ORDER BY a.id LIMIT :limit"
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
            let Some(row) = rows.next()? else { return Ok(None) };
            let approval: Approval = Row::new(row, "approvals", "id").json("body")?;
            Ok(if is_shown(tx, &approval)? { Some(approval) } else { None })
        })
        .await
    }

    /// Whether a call waits for its result from outside.
    pub async fn awaits_result(&self, id: CallId) -> Result<bool, Error> {
        const AWAITS: &str = "
            SELECT EXISTS (SELECT 1 FROM calls WHERE id = :id AND state = 'pending')
               AND NOT EXISTS (SELECT 1 FROM approvals WHERE call_id = :id AND state = 'pending')";
        self.read(move |tx| {
            let mut statement = tx.prepare_cached(AWAITS)?;
            Ok(statement.query_row(named_params! {":id": id.as_bytes()}, |row| row.get(0))?)
        })
        .await
    }

    /// Whether a call whose turn has ended is one of which nobody knows what came of it, and nobody has said so.
    pub async fn is_left_unresolved(
        &self,
        conversation_id: ConversationId,
        id: CallId,
    ) -> Result<bool, Error> {
        const ENDED: &str = "SELECT EXISTS (SELECT 1 FROM turns WHERE id = :id AND ended_at IS NOT NULL)";
        self.read(move |tx| {
            let Some(call) = message::call(tx, id)?.filter(Call::is_unresolved) else { return Ok(false) };
            let Some(found) = message::by_id(tx, call.message_id)? else { return Ok(false) };
            let turn = named_params! {":id": call.turn_id.as_bytes()};
            let has_ended: bool = tx.prepare_cached(ENDED)?.query_row(turn, |row| row.get(0))?;
            Ok(has_ended && tree::visible(tx, conversation_id, &found.node)?)
        })
        .await
    }

    /// What a call asks people, where the scope sees its conversation.
    pub async fn question_of_call(&self, scope: &Scope, id: CallId) -> Result<Option<Question>, Error> {
        let scope = scope.clone();
        self.read(move |tx| {
            let mut statement = tx.prepare_cached(OF_CALL)?;
            let mut rows = statement.query(named_params! {":id": id.as_bytes()})?;
            let Some(row) = rows.next()? else { return Ok(None) };
            let conversation_id = Row::new(row, "messages", "conversation_id").id("conversation_id")?;
            if conversation::find(tx, &scope, conversation_id)?.is_none() {
                return Ok(None);
            }
            Ok(message::call(tx, id)?.and_then(|call| call.question))
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

/// What is about a deleted message is gone with it, also while a fork keeps its rows. (A pending one was withdrawn.)
fn is_shown(tx: &Connection, approval: &Approval) -> Result<bool, Error> {
    if approval.state == ApprovalState::Pending {
        return Ok(true);
    }
    let Some(call) = message::call(tx, approval.call_id)? else { return Ok(false) };
    let Some(found) = message::by_id(tx, call.message_id)? else { return Ok(false) };
    tree::visible(tx, approval.conversation_id, &found.node)
}

const PENDING_OF: &str =
    "SELECT id, body FROM approvals WHERE conversation_id = :id AND state = 'pending' ORDER BY id";

/// For whoever reads the conversation, and so its log, which says the same.
pub(super) fn pending_of(tx: &Connection, id: ConversationId) -> Result<Vec<Approval>, Error> {
    let mut statement = tx.prepare_cached(PENDING_OF)?;
    let mut rows = statement.query(named_params! {":id": id.as_bytes()})?;
    let mut approvals = Vec::new();
    while let Some(row) = rows.next()? {
        approvals.push(Row::new(row, "approvals", "id").json("body")?);
    }
    Ok(approvals)
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
    let query = match filter {
        ApprovalFilter { conversation_id: Some(_), .. } => OF_CONVERSATION,
        ApprovalFilter { tool: Some(_), .. } => OF_TOOL,
        ApprovalFilter { agent: Some(_), .. } => OF_AGENT,
        ApprovalFilter { state: _, agent: None, conversation_id: None, tool: None } => QUEUE,
    };
    let mut statement = tx.prepare_cached(query)?;
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
    let next = approvals.last().filter(|_| more).map(|last: &Approval| last.id);
    let mut shown = Vec::with_capacity(approvals.len());
    for approval in approvals {
        if is_shown(tx, &approval)? {
            shown.push(approval);
        }
    }
    Ok(ApprovalPage { approvals: shown, next, feed_cursor: super::feed::position(tx)? })
}

fn only(scope: &Scope) -> Option<String> {
    let hex =
        |id: &ConversationId| id.as_bytes().iter().map(|byte| format!("{byte:02X}")).collect::<String>();
    let only: Vec<String> = scope.only.as_ref()?.iter().map(hex).collect();
    Some(serde_json::to_string(&only).expect("strings serialise"))
}
