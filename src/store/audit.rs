//! The audit: who decided what, and what ran, as a chain of hashes per workspace that is only ever added to.
//!
//! A row's `content_hash` is the SHA-256 of its salt and its body, and its `hash` that of everything but the two, with
//! the hash of the row before. So a purge may erase salt and body, and the chain still verifies. That its last rows
//! are gone is seen only by whoever kept a later hash (an anchor).

mod verify;

pub use self::verify::{Bad, Chain, export, verify};

use serde::Serialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::clock::Timestamp;
use crate::id::{ApprovalId, CallId, ConversationId, TurnId, UserId, WorkspaceId};
use crate::store::error::Error;
use crate::store::row::Row;

/// What the first row of a chain follows.
pub const BEGINNING: [u8; 32] = [0; 32];

/// What a chain's rows are hashed under; another one would be another format.
const FORMAT: &str = "weir-audit-1";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    pub workspace_id: WorkspaceId,
    /// From 1, without gaps.
    pub n: u64,
    pub at: Timestamp,
    /// As the events are called: `approval.decided`, `tool.started`.
    pub action: String,
    /// Absent where the policy, the clock or a tool brought it about.
    pub actor: Option<UserId>,
    pub tool: Option<String>,
    pub conversation_id: Option<ConversationId>,
    pub turn_id: Option<TurnId>,
    pub call_id: Option<CallId>,
    pub approval_id: Option<ApprovalId>,
    /// `None` once it was erased.
    pub content: Option<Content>,
    pub content_hash: [u8; 32],
    pub hash: [u8; 32],
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    pub salt: [u8; 32],
    /// A JSON object, verbatim as it was hashed.
    pub body: String,
}

impl Content {
    pub fn hash(&self) -> [u8; 32] {
        Sha256::new().chain_update(self.salt).chain_update(&self.body).finalize().into()
    }
}

impl AuditRow {
    /// What `hash` has to be behind `before`: the SHA-256 of a JSON array, without spaces.
    pub fn hash_after(&self, before: &[u8; 32]) -> [u8; 32] {
        let facts: Value = json!([
            FORMAT,
            hex(before),
            self.workspace_id,
            self.n,
            self.at,
            self.action,
            self.actor,
            self.tool,
            self.conversation_id,
            self.turn_id,
            self.call_id,
            self.approval_id,
            hex(&self.content_hash),
        ]);
        Sha256::digest(facts.to_string()).into()
    }

    pub(super) fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        let salt: Option<[u8; 32]> = row.get("salt")?;
        let body: Option<String> = row.get("body")?;
        let content = match (salt, body) {
            (Some(salt), Some(body)) if serde_json::from_str::<IgnoredAny>(&body).is_ok() => {
                Some(Content { salt, body })
            }
            (None, None) => None,
            (Some(_), _) | (None, Some(_)) => return Err(row.corrupt("body")),
        };
        Ok(Self {
            workspace_id: row.id("workspace_id")?,
            n: row.number("n")?,
            at: row.at("at")?,
            action: row.get("action")?,
            actor: row.opt_id("actor")?,
            tool: row.get("tool")?,
            conversation_id: row.opt_id("conversation_id")?,
            turn_id: row.opt_id("turn_id")?,
            call_id: row.opt_id("call_id")?,
            approval_id: row.opt_id("approval_id")?,
            content,
            content_hash: row.get("content_hash")?,
            hash: row.get("hash")?,
        })
    }
}

/// A row as it is told, with its body verbatim, so that whoever reads it can hash it again.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditEntry {
    n: u64,
    at: Timestamp,
    /// As the events are called: `approval.decided`, `tool.started`.
    action: String,
    /// Who did it; `null` where the policy, the clock or a tool brought it about.
    actor: Option<UserId>,
    tool: Option<String>,
    workspace_id: WorkspaceId,
    conversation_id: Option<ConversationId>,
    turn_id: Option<TurnId>,
    call_id: Option<CallId>,
    approval_id: Option<ApprovalId>,
    /// Its content was erased when its conversation was deleted; the chain still holds.
    erased: bool,
    /// What was shown, what was said, what ran, and from where it was asked for.
    #[schema(value_type = Option<Object>)]
    body: Option<Box<RawValue>>,
    /// In hex; `content_hash` is the SHA-256 of its bytes and the text of `body`.
    salt: Option<String>,
    content_hash: String,
    /// The SHA-256 of a JSON array without spaces: `weir-audit-1`, the hash of the row before (64 zeros for the
    /// first), `workspace_id`, `n`, `at`, `action`, `actor`, `tool`, `conversation_id`, `turn_id`, `call_id`,
    /// `approval_id`, `content_hash`.
    hash: String,
}

impl From<AuditRow> for AuditEntry {
    fn from(row: AuditRow) -> Self {
        let content = row.content;
        Self {
            n: row.n,
            at: row.at,
            action: row.action,
            actor: row.actor,
            tool: row.tool,
            workspace_id: row.workspace_id,
            conversation_id: row.conversation_id,
            turn_id: row.turn_id,
            call_id: row.call_id,
            approval_id: row.approval_id,
            erased: content.is_none(),
            salt: content.as_ref().map(|content| hex(&content.salt)),
            body: content.map(|content| RawValue::from_string(content.body).expect("it was written as JSON")),
            content_hash: hex(&row.content_hash),
            hash: hex(&row.hash),
        }
    }
}

/// The columns that [`AuditRow::from_row`] reads.
macro_rules! audit_columns {
    () => {
        "workspace_id, n, at, action, actor, tool, conversation_id, turn_id, call_id, approval_id, salt, body,
         content_hash, hash"
    };
}
pub(super) use audit_columns;

pub fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}
