//! What was found: a line for each check.

use std::fmt;

use serde::Serialize;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    check: String,
    state: State,
    found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Ok,
    /// It works, but not as well or as safely as it could.
    Warn,
    /// Something does not work.
    Fail,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The worst of the checks.
    state: State,
    checks: Vec<Check>,
}

impl Check {
    pub fn ok(check: impl Into<String>, found: impl Into<String>) -> Self {
        Self { check: check.into(), state: State::Ok, found: found.into(), advice: None }
    }

    pub fn warn(check: impl Into<String>, found: impl Into<String>, advice: impl Into<String>) -> Self {
        let advice = Some(advice.into());
        Self { check: check.into(), state: State::Warn, found: found.into(), advice }
    }

    pub fn fail(check: impl Into<String>, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { state: State::Fail, ..Self::warn(check, found, advice) }
    }
}

impl Report {
    pub(super) fn of(checks: Vec<Check>) -> Self {
        let state = checks.iter().map(|check| check.state).max().unwrap_or(State::Ok);
        Self { state, checks }
    }

    pub fn state(&self) -> State {
        self.state
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for check in &self.checks {
            writeln!(f, "{check}")?;
        }
        let count = |state| self.checks.iter().filter(|check| check.state == state).count();
        match (count(State::Fail), count(State::Warn)) {
            (0, 0) => write!(f, "all is well"),
            (0, warned) => write!(f, "it works; {warned} to look at"),
            (failed, warned) => write!(f, "{failed} to mend, {warned} to look at"),
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Ok => "ok  ",
            State::Warn => "warn",
            State::Fail => "fail",
        };
        write!(f, "{state}  {}: {}", self.check, self.found)?;
        match &self.advice {
            Some(advice) => write!(f, " -> {advice}"),
            None => Ok(()),
        }
    }
}
