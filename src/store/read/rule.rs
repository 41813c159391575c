//! Remembered yeses.

use rusqlite::{Connection, named_params};

use crate::chat::approval::ApprovalRule;
use crate::clock::Timestamp;
use crate::id::{ConversationId, RuleId, WorkspaceId};
use crate::scope::{Caller, Scope, WorkspaceRole};
use crate::store::Store;
use crate::store::error::Error;
use crate::store::record::{Lane, Record};
use crate::store::row::Row;
use crate::store::writer::queue::Work;

/// Rules of a tool that are looked at for one call.
const MOST: i64 = 1000;

const OF_TOOL: &str = "
    SELECT id, body FROM approval_rules
    WHERE workspace_id = :workspace_id AND tool = :tool
      AND (conversation_id IS NULL OR conversation_id = :conversation_id)
    ORDER BY id DESC LIMIT :limit";

/// Whoever made one sees it, and whoever manages the workspace.
macro_rules! sees {
    () => {
        "workspace_id = :workspace_id AND (made_by = :user_id OR :is_admin)"
    };
}

const LIST: &str = concat!(
    "SELECT id, body FROM approval_rules WHERE id > :after AND ",
    sees!(),
    " ORDER BY id LIMIT :limit"
);
const BY_ID: &str = concat!("SELECT id, body FROM approval_rules WHERE id = :id AND ", sees!());

impl Store {
    /// The newest rules about a tool that may hold in the conversation, also those that expired or were revoked.
    pub async fn rules_about(
        &self,
        workspace_id: WorkspaceId,
        conversation_id: ConversationId,
        tool: &str,
    ) -> Result<Vec<ApprovalRule>, Error> {
        let tool = tool.to_owned();
        self.read(move |tx| {
            let mut statement = tx.prepare_cached(OF_TOOL)?;
            bodies(statement.query(named_params! {
                ":workspace_id": workspace_id.as_bytes(), ":tool": tool,
                ":conversation_id": conversation_id.as_bytes(), ":limit": MOST,
            })?)
        })
        .await
    }

    /// The rules that the scope sees behind that one, and whether there are more.
    pub async fn rules(
        &self,
        scope: &Scope,
        after: Option<RuleId>,
        limit: usize,
    ) -> Result<(Vec<ApprovalRule>, bool), Error> {
        let scope = scope.clone();
        let after = after.unwrap_or(RuleId::from_bytes([0; 16]));
        self.read(move |tx| {
            let mut statement = tx.prepare_cached(LIST)?;
            let mut rules = bodies(statement.query(named_params! {
                ":after": after.as_bytes(), ":workspace_id": scope.workspace_id.as_bytes(),
                ":user_id": scope.user_id.as_bytes(), ":is_admin": scope.role >= WorkspaceRole::Admin,
                ":limit": i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1),
            })?)?;
            let more = rules.len() > limit;
            rules.truncate(limit);
            Ok((rules, more))
        })
        .await
    }

    /// Revokes a rule that the scope sees, once; `None` where it sees none.
    pub async fn revoke_rule(
        &self,
        scope: &Scope,
        id: RuleId,
        caller: Caller,
        at: Timestamp,
    ) -> Result<Option<()>, Error> {
        let by = scope.user_id;
        let scope = scope.clone();
        if self.read(move |tx| rule(tx, &scope, id)).await?.is_none() {
            return Ok(None);
        }
        let record = Record::RevokeRule { rule_id: id, by, at, salt: rand::random(), caller: Some(caller) };
        self.ask(Lane::People, Work::Upkeep(vec![record])).await.map(Some)
    }
}

fn rule(tx: &Connection, scope: &Scope, id: RuleId) -> Result<Option<ApprovalRule>, Error> {
    let mut statement = tx.prepare_cached(BY_ID)?;
    let rows = statement.query(named_params! {
        ":id": id.as_bytes(), ":workspace_id": scope.workspace_id.as_bytes(),
        ":user_id": scope.user_id.as_bytes(), ":is_admin": scope.role >= WorkspaceRole::Admin,
    })?;
    Ok(bodies(rows)?.pop())
}

fn bodies(mut rows: rusqlite::Rows<'_>) -> Result<Vec<ApprovalRule>, Error> {
    let mut rules = Vec::new();
    while let Some(row) = rows.next()? {
        rules.push(Row::new(row, "approval_rules", "id").json("body")?);
    }
    Ok(rules)
}
