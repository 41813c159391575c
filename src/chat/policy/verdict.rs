//! What was decided about a call, and which of two decisions holds.

use std::time::Duration;

use crate::scope::WorkspaceRole;

/// Why a call runs, waits or is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub effect: Effect,
    /// What made it, as shown on the call: the configured pattern (`files.*`, or `refund[1]` of a list) or the id of a
    /// remembered rule. Absent: nothing matched.
    pub rule: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    Allow,
    Ask(Asking),
    Deny,
}

/// Who is asked, how long, and how many of them must agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asking {
    /// At least this one. Absent: whoever may write to the conversation.
    pub role: Option<WorkspaceRole>,
    pub expires_after: Duration,
    /// At least 1.
    pub approvals: u32,
}

impl Default for Asking {
    fn default() -> Self {
        Self { role: None, expires_after: Duration::from_hours(7 * 24), approvals: 1 }
    }
}

/// What satisfies both: a denial over an ask over an allow; two asks become one with the higher role, the more
/// approvals and the shorter expiry. Neither order nor repetition matters.
pub fn stricter(a: Verdict, b: Verdict) -> Verdict {
    let (lower, upper) = if a.order() < b.order() { (a, b) } else { (b, a) };
    let effect = match (lower.effect, upper.effect) {
        (Effect::Ask(one), Effect::Ask(other)) => Effect::Ask(Asking {
            role: one.role.max(other.role),
            expires_after: one.expires_after.min(other.expires_after),
            approvals: one.approvals.max(other.approvals),
        }),
        (Effect::Allow | Effect::Ask(_) | Effect::Deny, effect) => effect,
    };
    Verdict { effect, rule: upper.rule }
}

impl Verdict {
    /// Whose rule is shown. Only of what the stricter of two keeps as it was: else three verdicts would show another
    /// rule with each order in which they are combined.
    fn order(&self) -> (u8, Option<WorkspaceRole>, Option<&str>) {
        let (rank, role) = match &self.effect {
            Effect::Allow => (0, None),
            Effect::Ask(asking) => (1, asking.role),
            Effect::Deny => (2, None),
        };
        (rank, role, self.rule.as_deref())
    }
}
