//! What may go wrong between us and a model provider, in few enough words to act upon.
//!
//! A detail that came from a provider has passed [`crate::provider::redact::Redactor`] before it gets here.

use std::time::Duration;

use crate::chat::context::TooLong;
use crate::chat::event::Problem;
use crate::chat::turn::CallFailure;

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{detail}")]
pub struct Failure {
    pub kind: FailureKind,
    /// For people: a lowercase fragment.
    pub detail: String,
    /// The HTTP status of the answer, or the one that an error object named.
    pub status: Option<u16>,
    /// How long the provider asked to wait.
    pub retry_after: Option<Duration>,
    retry: Retry,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// The answer broke off, or turned into nonsense, after it had begun.
    Broken,
    /// The key is wrong, or may not do this.
    Unauthorized,
    RateLimited,
    Overloaded,
    /// No connection.
    Unreachable,
    /// Nothing came in time.
    Timeout,
    ContextTooLong,
    /// The request is not to the provider's liking; its own message says why.
    Refused,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Retry {
    Worthwhile,
    Pointless,
}

impl Failure {
    fn new(kind: FailureKind, retry: Retry, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), status: None, retry_after: None, retry }
    }

    /// The stream ended without a `Finished` and without an error.
    pub fn ended_early() -> Self {
        Self::cut("the answer ended early")
    }

    /// The answer is whole, and there is nothing in it.
    pub fn said_nothing() -> Self {
        Self::refused("the model said nothing")
    }

    /// The bytes stopped: the same request may fare better.
    pub(crate) fn cut(detail: impl Into<String>) -> Self {
        Self::new(FailureKind::Broken, Retry::Worthwhile, detail)
    }

    /// The bytes are wrong: the same request would bring the same.
    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(FailureKind::Broken, Retry::Pointless, detail)
    }

    pub(crate) fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(FailureKind::Unauthorized, Retry::Pointless, detail)
    }

    pub(crate) fn rate_limited(detail: impl Into<String>) -> Self {
        Self::new(FailureKind::RateLimited, Retry::Worthwhile, detail)
    }

    pub(crate) fn overloaded(detail: impl Into<String>) -> Self {
        Self::new(FailureKind::Overloaded, Retry::Worthwhile, detail)
    }

    pub(crate) fn unreachable(detail: impl Into<String>) -> Self {
        Self::new(FailureKind::Unreachable, Retry::Worthwhile, detail)
    }

    pub(crate) fn timeout(detail: impl Into<String>) -> Self {
        Self::new(FailureKind::Timeout, Retry::Worthwhile, detail)
    }

    pub(crate) fn context_too_long(detail: impl Into<String>) -> Self {
        Self::new(FailureKind::ContextTooLong, Retry::Pointless, detail)
    }

    /// What must be sent is more than the model takes.
    pub fn does_not_fit(why: &TooLong) -> Self {
        Self::context_too_long(why.to_string())
    }

    pub(crate) fn refused(detail: impl Into<String>) -> Self {
        Self::new(FailureKind::Refused, Retry::Pointless, detail)
    }

    pub(crate) fn with_status(self, status: u16) -> Self {
        Self { status: Some(status), ..self }
    }

    pub(crate) fn with_retry_after(self, retry_after: Option<Duration>) -> Self {
        Self { retry_after, ..self }
    }

    /// Whether the same request may succeed a little later.
    pub fn is_retryable(&self) -> bool {
        self.retry == Retry::Worthwhile
    }

    /// The same, once a part of the answer was shown: whatever the reason, the answer broke off.
    pub(crate) fn after_output(self) -> Self {
        Self { kind: FailureKind::Broken, ..self }
    }

    /// The same, where nothing was shown and no retry is left: there is no answer that could have broken off.
    pub(crate) fn without_output(self) -> Self {
        let kind = match (self.kind, self.retry) {
            (FailureKind::Broken, Retry::Worthwhile) => FailureKind::Unreachable,
            (FailureKind::Broken, Retry::Pointless) => FailureKind::Refused,
            (kind, _) => kind,
        };
        Self { kind, ..self }
    }

    /// What a client is told.
    pub fn problem(&self) -> Problem {
        let (kind, title, status) = match self.kind {
            FailureKind::Broken => ("provider-interrupted", "The model provider's answer broke off", 502),
            FailureKind::Unauthorized => ("provider-unauthorized", "The model provider refused our key", 502),
            FailureKind::RateLimited => {
                ("provider-rate-limited", "The model provider limits our requests", 429)
            }
            FailureKind::Overloaded => ("provider-overloaded", "The model provider is overloaded", 503),
            FailureKind::Unreachable => ("provider-unreachable", "The model provider cannot be reached", 502),
            FailureKind::Timeout => ("provider-timeout", "The model provider did not answer in time", 504),
            FailureKind::ContextTooLong => {
                ("context-too-long", "The conversation is too long for the model", 422)
            }
            FailureKind::Refused => ("provider-refused", "The model provider refused the request", 502),
        };
        Problem {
            kind: kind.to_owned(),
            title: title.to_owned(),
            status,
            detail: self.detail.clone(),
            errors: Vec::new(),
        }
    }
}

impl From<Failure> for CallFailure {
    fn from(failure: Failure) -> Self {
        match failure.kind {
            FailureKind::Broken => Self::Broken { problem: failure.problem() },
            FailureKind::ContextTooLong => Self::TooLong { problem: failure.problem() },
            FailureKind::Unauthorized
            | FailureKind::RateLimited
            | FailureKind::Overloaded
            | FailureKind::Unreachable
            | FailureKind::Timeout
            | FailureKind::Refused => Self::Refused { problem: failure.problem() },
        }
    }
}
