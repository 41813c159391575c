//! A yes that somebody gave for the next times too.

use serde_json::Value;

use crate::clock::Timestamp;
use crate::id::{ConversationId, UserId};
use crate::scope::WorkspaceRole;

use super::number::Number;
use super::{Asking, Question};

/// Made with an approval; always an allow.
#[derive(Debug, Clone, PartialEq)]
pub struct Remembered {
    pub id: String,
    pub scope: RememberedScope,
    pub tool: String,
    pub matches: Match,
    /// Of the tool as its maker saw it. With another schema or description the rule is void.
    pub tool_hash: [u8; 32],
    pub made_by: UserId,
    /// The maker's, when it was made.
    pub made_as: WorkspaceRole,
    pub expires_at: Option<Timestamp>,
    pub revoked: bool,
}

/// Where it holds. Which conversation a question is about is the caller's knowledge, so those are chosen by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RememberedScope {
    Conversation(ConversationId),
    /// The agent's key in the configuration.
    Agent(String),
    Workspace,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Match {
    /// These arguments as JSON values: the order of keys and white space don't count, `1` is not `1.0`.
    Exact(Value),
    /// Any arguments.
    Tool,
}

impl Remembered {
    fn applies(&self, tool_hash: &[u8; 32], question: &Question) -> bool {
        let alive = !self.revoked && self.expires_at.is_none_or(|end| question.now < end);
        let agent = match &self.scope {
            RememberedScope::Agent(agent) => agent == question.agent,
            RememberedScope::Conversation(_) | RememberedScope::Workspace => true,
        };
        let args = match &self.matches {
            Match::Exact(args) => is_exact(question.args) && args == question.args,
            Match::Tool => true,
        };
        alive && agent && args && self.tool == question.tool && self.tool_hash == *tool_hash
    }
}

/// The rule that answers the ask: the first of as many people's as it wants approvals.
pub fn answer<'a>(
    remembered: &'a [Remembered],
    asking: &Asking,
    tool_hash: &[u8; 32],
    question: &Question,
) -> Option<&'a Remembered> {
    // A viewer writes to no conversation, and so approves nothing.
    let role = asking.role.unwrap_or(WorkspaceRole::Member);
    let votes: Vec<_> =
        remembered.iter().filter(|rule| rule.made_as >= role && rule.applies(tool_hash, question)).collect();
    let mut makers: Vec<_> = votes.iter().map(|rule| rule.made_by).collect();
    makers.sort_unstable();
    makers.dedup();
    let enough = makers.len() >= usize::try_from(asking.approvals).unwrap_or(usize::MAX);
    if enough { votes.first().copied() } else { None }
}

/// Whether every number in it is what was written. Two that were rounded may look the same and not be.
fn is_exact(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => true,
        Value::Number(number) => Number::of(number).is_some(),
        Value::Array(items) => items.iter().all(is_exact),
        Value::Object(fields) => fields.values().all(is_exact),
    }
}
