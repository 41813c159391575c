//! A yes that somebody gave for the next times too.

use serde_json::Value;

use crate::chat::approval::{ApprovalRule, RememberMatch, RememberScope};
use crate::scope::WorkspaceRole;

use super::number::Number;
use super::{Asking, Question};

/// A rule that somebody made with an approval, with what its maker may do now. Always an allow.
#[derive(Debug, Clone, PartialEq)]
pub struct Remembered {
    pub rule: ApprovalRule,
    /// The maker's role today, or when it was made, whichever is less.
    pub role: WorkspaceRole,
    /// Whether the maker may write to the conversation that is asked about.
    pub may_write: bool,
}

impl Remembered {
    fn applies(&self, tool_hash: &str, question: &Question) -> bool {
        let rule = &self.rule;
        let alive = rule.revoked_at.is_none() && rule.expires_at.is_none_or(|end| question.now < end);
        let here = match rule.scope {
            RememberScope::Conversation => rule.conversation_id == Some(question.conversation_id),
            RememberScope::Agent => rule.agent.as_deref() == Some(question.agent),
            RememberScope::Workspace => true,
        };
        let args = match (rule.matches, &rule.args) {
            (RememberMatch::Tool, _) => true,
            (RememberMatch::Exact, Some(args)) => is_exact(question.args) && args == question.args,
            (RememberMatch::Exact, None) => false,
        };
        alive && here && args && rule.tool == question.tool && rule.tool_hash == tool_hash
    }

    /// Whether its maker could decide what is asked.
    fn may_decide(&self, asking: &Asking) -> bool {
        match asking.role {
            Some(role) => self.role >= role,
            None => self.may_write,
        }
    }
}

/// The rule that answers the ask: the first of as many people's as it wants approvals.
pub fn answer<'a>(
    remembered: &'a [Remembered],
    asking: &Asking,
    tool_hash: &str,
    question: &Question,
) -> Option<&'a Remembered> {
    let stands = |rule: &&Remembered| rule.may_decide(asking) && rule.applies(tool_hash, question);
    let votes: Vec<_> = remembered.iter().filter(stands).collect();
    let mut makers: Vec<_> = votes.iter().map(|vote| vote.rule.made_by).collect();
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
