//! One line of the configuration: a pattern of tool names, and what it means for a call.

use crate::scope::WorkspaceRole;

use super::condition::{Condition, Judgement};
use super::glob::Glob;
use super::{Asking, Effect, Hints, Question, Verdict};

#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    pattern: Glob,
    /// Tried in order. Where none matches, the next rule is tried.
    clauses: Vec<Clause>,
    /// Whether it was written as a list, whose clauses are shown by their numbers.
    listed: Listed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    Yes,
    No,
}

/// What happens if everything it asks for holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Clause {
    pub when: Vec<Condition>,
    /// Only for turns of people with at least this role.
    pub role: Option<WorkspaceRole>,
    pub effect: Effect,
}

impl Rule {
    pub(super) fn new(pattern: Glob, clauses: Vec<Clause>, listed: Listed) -> Self {
        Self { pattern, clauses, listed }
    }

    /// As it is written: `files.*`.
    pub fn pattern(&self) -> &str {
        self.pattern.as_str()
    }

    /// Whether it decides something about this tool. A `*` stands for any characters.
    pub(super) fn covers(&self, tool: &str) -> bool {
        self.pattern.spans(tool)
    }

    /// Whether no call of a tool that it covers gets past it.
    pub(super) fn is_final(&self) -> bool {
        self.clauses.iter().any(Clause::is_unconditional)
    }

    /// Each clause's verdict, and whether it is meant.
    pub(super) fn judged(&self, question: &Question) -> impl Iterator<Item = (Judgement, Verdict)> {
        self.clauses.iter().enumerate().map(|(at, clause)| {
            let rule = match self.listed {
                Listed::Yes => format!("{}[{at}]", self.pattern()),
                Listed::No => self.pattern().to_owned(),
            };
            let effect = match &clause.effect {
                Effect::Allow if self.is_wary(question.hints) => Effect::Ask(Asking::default()),
                effect => effect.clone(),
            };
            (clause.judge(question), Verdict { effect, rule: Some(rule) })
        })
    }

    /// Whether an allow was hardly meant for a tool that says this of itself: a destructive one has to be named in
    /// full, one that reaches into the world at least by more than `*`.
    fn is_wary(&self, hints: Hints) -> bool {
        let pattern = self.pattern();
        let destroys = hints.destructive == Some(true) && pattern.contains('*');
        let reaches_out = hints.open_world == Some(true) && pattern.chars().all(|c| c == '*');
        destroys || reaches_out
    }
}

impl Clause {
    pub(super) fn is_unconditional(&self) -> bool {
        self.when.is_empty() && self.role.is_none()
    }

    fn judge(&self, question: &Question) -> Judgement {
        if self.role.is_some_and(|role| question.role < role) {
            return Judgement::No;
        }
        Judgement::all(self.when.iter().map(|condition| condition.judge(question.args)))
    }
}
