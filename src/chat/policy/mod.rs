//! Whether one call may run, must be asked for, or never runs: rules of the configuration, tried in order, and
//! rules that people made when they approved.
//!
//! Nothing here makes a verdict looser than the configuration says, except a remembered rule that answers an ask. What
//! cannot be judged (an argument that is missing or of another type) is judged to the stricter side.

mod condition;
mod glob;
mod number;
mod read;
mod remembered;
mod rule;
mod verdict;

use serde_json::Value;

use crate::clock::Timestamp;
use crate::id::ConversationId;
use crate::scope::WorkspaceRole;

pub use remembered::Remembered;
pub use rule::Rule;
pub use verdict::{Asking, Effect, Verdict, stricter};

/// How the world is asked about one call.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    pub tool: &'a str,
    pub args: &'a Value,
    pub conversation_id: ConversationId,
    /// The key of the agent in the configuration.
    pub agent: &'a str,
    /// Of who asked for the turn.
    pub role: WorkspaceRole,
    pub hints: Hints,
    pub now: Timestamp,
}

/// What a tool says of itself, as in MCP. A stranger's word: it can make a verdict stricter, never looser.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hints {
    pub destructive: Option<bool>,
    pub open_world: Option<bool>,
}

/// An agent's rules, in the order in which they are tried: the first match wins, and what matches nothing is asked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Policy {
    rules: Vec<Rule>,
}

impl Policy {
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// What the configuration alone says.
    fn verdict(&self, question: &Question) -> Verdict {
        // Rules that may or may not be meant: each can only make what follows stricter.
        let mut doubts: Vec<Verdict> = Vec::new();
        let matching = self.rules.iter().filter(|rule| rule.covers(question.tool));
        let decided =
            matching.flat_map(|rule| rule.judged(question)).find_map(|(judgement, verdict)| {
                match (judgement, &verdict.effect) {
                    (condition::Judgement::Yes, _) => Some(verdict),
                    (condition::Judgement::Unclear, Effect::Ask(_) | Effect::Deny) => {
                        doubts.push(verdict);
                        None
                    }
                    (condition::Judgement::Unclear, Effect::Allow) | (condition::Judgement::No, _) => None,
                }
            });
        let unmatched = || Verdict { effect: Effect::Ask(Asking::default()), rule: None };
        doubts.into_iter().fold(decided.unwrap_or_else(unmatched), stricter)
    }
}

/// What happens with a call. `remembered` are the rules about its tool of makers who are still there; `tool_hash`
/// stands for the tool's name, schema and description as they are now.
///
/// A remembered rule turns an ask into an allow, and nothing else: it is one maker's standing vote, so it counts only
/// where its maker could decide now, and an ask for two approvals needs the rules of two people.
pub fn evaluate(policy: &Policy, remembered: &[Remembered], tool_hash: &str, question: &Question) -> Verdict {
    let configured = policy.verdict(question);
    let Effect::Ask(asking) = &configured.effect else { return configured };
    match remembered::answer(remembered, asking, tool_hash, question) {
        Some(found) => Verdict { effect: Effect::Allow, rule: Some(found.rule.id.to_string()) },
        None => configured,
    }
}
