//! Every error as the client reads it: `application/problem+json` (RFC 9457), from one table.
//!
//! A message never holds a secret, a path or a stack: what came from inside is logged here and called `internal`.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

use super::rate::Left;
use crate::auth::AuthError;
use crate::blob;
use crate::chat::approval::VoteRefusal;
use crate::chat::conversation::Refusal;
use crate::chat::event::{FieldError, InvalidCursor, Problem};
use crate::runtime;
use crate::runtime::compaction::NotCompacted;
use crate::store::{self, Conflict};

/// The media type of every error.
pub const PROBLEM_JSON: &str = "application/problem+json";

macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident = $slug:literal, $status:literal, $title:literal;)*) => {
        /// What may be wrong: a stable slug, its status and its title.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Kind { $($(#[$doc])* $name,)* }

        impl Kind {
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            pub const fn slug(self) -> &'static str {
                match self { $(Self::$name => $slug,)* }
            }

            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
        }
    };
}

problems! {
    MalformedRequest = "malformed-request", 400, "The request cannot be read";
    InvalidCursor = "invalid-cursor", 400, "That is not a cursor";
    Unauthorized = "unauthorized", 401, "You are not signed in";
    Forbidden = "forbidden", 403, "You may not do this";
    /// A browser came with its cookie and without proof that a page of ours asks.
    CrossSite = "cross-site", 403, "Another website asked for this";
    SetupCode = "setup-code", 403, "The code does not count";
    /// Also what belongs to another workspace, or is not visible.
    NotFound = "not-found", 404, "There is nothing here";
    MethodNotAllowed = "method-not-allowed", 405, "This cannot be done here";
    RequestTimeout = "request-timeout", 408, "The request took too long to arrive";
    Conflict = "conflict", 409, "Something else is in the way";
    TurnInProgress = "turn-in-progress", 409, "A turn is running there";
    TurnWaiting = "turn-waiting", 409, "A turn is waiting for a person there";
    ApprovalClosed = "approval-closed", 409, "The approval is no longer open";
    /// What was looked at is not what would be decided about.
    ApprovalChanged = "approval-changed", 409, "The approval is about other arguments";
    QueueDiffers = "queue-differs", 409, "The queue holds other turns";
    NotQueued = "turn-not-queued", 409, "The turn is not queued";
    KeyReused = "idempotency-key-reused", 409, "The idempotency key was used with another request";
    TooLarge = "payload-too-large", 413, "The request is too large";
    QuotaExceeded = "quota-exceeded", 413, "There is no room for the file";
    RangeNotSatisfiable = "range-not-satisfiable", 416, "There is no such stretch";
    /// The request came under a name that is not this server's.
    Misdirected = "misdirected", 421, "This is another server";
    UnsupportedMediaType = "unsupported-media-type", 415, "The body has to be JSON";
    InvalidRequest = "invalid-request", 422, "The request is not valid";
    UpgradeRequired = "upgrade-required", 426, "This is a WebSocket";
    RateLimited = "rate-limited", 429, "Too much at once";
    HeadersTooLarge = "headers-too-large", 431, "The headers are too large";
    Internal = "internal", 500, "Something went wrong in the server";
    Unavailable = "unavailable", 503, "Not available at the moment";
    StorageFull = "storage-full", 503, "The disk is full";
    /// Whether the request was carried out is unknown; a retry under the same key finds out.
    StorageSealed = "storage-sealed", 503, "The outcome is unknown";
    ShuttingDown = "shutting-down", 503, "The server is stopping";
    Timeout = "timeout", 504, "The server took too long to answer";
}

/// A request that was not carried out, and why.
#[derive(Debug, Clone)]
pub struct Error(Box<Answer>);

#[derive(Debug, Clone)]
struct Answer {
    problem: Problem,
    retry_after: Option<Duration>,
    left: Option<Left>,
    /// The current state, where that is what the caller has to look at.
    state: Map<String, Value>,
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let problem = Problem {
            kind: kind.slug().to_owned(),
            title: kind.title().to_owned(),
            status: kind.status(),
            detail: detail.into(),
            errors: Vec::new(),
        };
        let retry_after = (kind.status() == 503).then_some(Duration::from_secs(1));
        Self(Box::new(Answer { problem, retry_after, left: None, state: Map::new() }))
    }

    /// In the same words for what is missing, foreign or hidden.
    pub fn not_found() -> Self {
        Self::new(Kind::NotFound, "there is nothing here that you can see")
    }

    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(Kind::Forbidden, detail)
    }

    /// One field of the body is not valid. `pointer` is RFC 6901; of a query parameter it is `/name`.
    pub fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        let (pointer, detail) = (pointer.into(), detail.into());
        let named = if pointer.is_empty() { "the request" } else { pointer.as_str() };
        let mut error = Self::new(Kind::InvalidRequest, format!("{named}: {detail}"));
        error.0.problem.errors.push(FieldError { pointer, detail });
        error
    }

    /// What a tool's schema says about the value at `pointer`.
    pub fn invalid_below(pointer: &str, errors: Vec<FieldError>) -> Self {
        let mut error =
            Self::new(Kind::InvalidRequest, format!("{pointer}: that is not what the tool takes"));
        let below =
            |error: FieldError| FieldError { pointer: format!("{pointer}{}", error.pointer), ..error };
        error.0.problem.errors = errors.into_iter().map(below).collect();
        error
    }

    /// What went wrong inside is for the log alone.
    pub fn internal(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(%cause, "a request failed");
        Self::new(Kind::Internal, "the request could not be carried out")
    }

    /// A problem that was put into words below.
    pub fn of_problem(problem: Problem) -> Self {
        Self(Box::new(Answer { problem, retry_after: None, left: None, state: Map::new() }))
    }

    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// Says what is left of an allowance.
    pub fn rate(mut self, left: Left) -> Self {
        self.0.left = Some(left);
        self
    }

    /// Adds a member that says how things stand.
    pub fn with(mut self, member: &str, state: impl serde::Serialize) -> Self {
        let state = serde_json::to_value(state).expect("the state is made of JSON types");
        self.0.state.insert(member.to_owned(), state);
        self
    }

    pub fn status(&self) -> u16 {
        self.0.problem.status
    }

    /// The error as the data of a `problem` event.
    pub fn body(&self) -> Value {
        let mut body = self.0.state.clone();
        if let Ok(Value::Object(problem)) = serde_json::to_value(&self.0.problem) {
            body.extend(problem);
        }
        Value::Object(body)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = Response::new(Body::from(self.body().to_string()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(wait) = self.0.retry_after {
            let seconds = u64::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u64::MAX);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        if let Some(left) = self.0.left {
            left.write(headers);
        }
        response
    }
}

impl From<runtime::Error> for Error {
    fn from(error: runtime::Error) -> Self {
        let detail = error.to_string();
        match error {
            runtime::Error::NotFound => Self::not_found(),
            runtime::Error::Refused(refusal) => refusal.into(),
            runtime::Error::KeyReused => Self::new(Kind::KeyReused, detail),
            runtime::Error::TooManyTurns { .. } | runtime::Error::QueueFull { .. } => {
                Self::new(Kind::RateLimited, detail).retry_after(Duration::from_secs(5))
            }
            runtime::Error::Draining => {
                Self::new(Kind::ShuttingDown, detail).retry_after(Duration::from_secs(5))
            }
            runtime::Error::Unavailable => Self::new(Kind::Unavailable, detail),
            runtime::Error::UnknownAgent | runtime::Error::NotCompacted(NotCompacted::Nothing(_)) => {
                Self::new(Kind::Conflict, detail)
            }
            runtime::Error::Model(problem) | runtime::Error::NotCompacted(NotCompacted::Model(problem)) => {
                Self::of_problem(problem)
            }
            runtime::Error::Store(error) => error.into(),
        }
    }
}

impl From<runtime::import::Error> for Error {
    fn from(error: runtime::import::Error) -> Self {
        let detail = error.to_string();
        match error {
            runtime::import::Error::TooMany => {
                Self::new(Kind::RateLimited, detail).retry_after(Duration::from_secs(10))
            }
            runtime::import::Error::TooLarge(_) => Self::new(Kind::TooLarge, detail),
            runtime::import::Error::Full => Self::new(Kind::StorageFull, detail),
            runtime::import::Error::Io(_) => Self::internal(&error),
        }
    }
}

impl From<runtime::files::Error> for Error {
    fn from(error: runtime::files::Error) -> Self {
        let detail = error.to_string();
        match error {
            runtime::files::Error::TooLarge(_) => Self::new(Kind::TooLarge, detail),
            runtime::files::Error::NoRoom(_) => Self::new(Kind::QuotaExceeded, detail),
            runtime::files::Error::Empty | runtime::files::Error::TooManyPixels => Self::invalid("", detail),
            runtime::files::Error::TooMany => {
                Self::new(Kind::RateLimited, detail).retry_after(Duration::from_secs(5))
            }
            runtime::files::Error::Blob(blob::Error::Full) => Self::new(Kind::StorageFull, detail),
            runtime::files::Error::Blob(_) => Self::internal(&error),
            runtime::files::Error::Store(error) => error.into(),
        }
    }
}

impl From<runtime::search::Error> for Error {
    fn from(error: runtime::search::Error) -> Self {
        let detail = error.to_string();
        match error {
            runtime::search::Error::NotYet | runtime::search::Error::Index(_) => {
                Self::new(Kind::Unavailable, detail).retry_after(Duration::from_secs(5))
            }
            runtime::search::Error::Busy => {
                Self::new(Kind::RateLimited, detail).retry_after(Duration::from_secs(1))
            }
            runtime::search::Error::Store(error) => error.into(),
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            Refusal::TurnInProgress { turn_id } => {
                Self::new(Kind::TurnInProgress, detail).with("turn_id", turn_id)
            }
            Refusal::TurnWaiting { turn_id } => Self::new(Kind::TurnWaiting, detail).with("turn_id", turn_id),
            Refusal::QueueFull | Refusal::TooManyTurns => {
                Self::new(Kind::RateLimited, detail).retry_after(Duration::from_secs(5))
            }
            Refusal::Inherited { .. } | Refusal::NotWaiting { .. } | Refusal::TooLateToRetry { .. } => {
                Self::new(Kind::Conflict, detail)
            }
            Refusal::NotAsked { .. } | Refusal::Vote(VoteRefusal::Closed(_) | VoteRefusal::Expired) => {
                Self::new(Kind::ApprovalClosed, detail)
            }
            Refusal::Vote(VoteRefusal::OtherArgs) => Self::new(Kind::ApprovalChanged, detail),
            Refusal::Vote(VoteRefusal::Twice) => Self::new(Kind::Conflict, detail),
            Refusal::NotQueued { .. } | Refusal::Deleted => Self::not_found(),
            Refusal::QueueDiffers { turn_ids } => {
                Self::new(Kind::QueueDiffers, detail).with("turn_ids", turn_ids)
            }
        }
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Refused(conflict) => conflict.into(),
            store::Error::Full => Self::new(Kind::StorageFull, "nothing was stored; try again in a moment"),
            store::Error::Sealed => Self::new(
                Kind::StorageSealed,
                "whether this was stored is unknown; retry with the same idempotency key",
            ),
            store::Error::Busy => Self::new(Kind::Unavailable, "too much is waiting for the disk"),
            store::Error::Closed => Self::new(Kind::ShuttingDown, "the server is stopping"),
            store::Error::Corrupt { .. }
            | store::Error::NewerSchema { .. }
            | store::Error::OldSqlite { .. }
            | store::Error::Database(_)
            | store::Error::Migration(_)
            | store::Error::Io(_) => Self::internal(&error),
        }
    }
}

impl From<Conflict> for Error {
    fn from(conflict: Conflict) -> Self {
        match conflict {
            Conflict::UnknownConversation(_)
            | Conflict::ConversationDeleted(_)
            | Conflict::UnknownMessage(_)
            | Conflict::UnknownTurn(_)
            | Conflict::UnknownCall(_)
            | Conflict::UnknownApproval(_) => Self::not_found(),
            // Bare: whose it is, and what it is called by, is not for everyone.
            Conflict::NameTaken { .. } => Self::new(Kind::Conflict, "that name is taken for this agent"),
            Conflict::ConversationExists(_) | Conflict::MessageExists(_) | Conflict::Position { .. } => {
                Self::new(Kind::Conflict, "someone else was faster; try again")
            }
            Conflict::DuplicateIdempotencyKey => {
                Self::new(Kind::KeyReused, "the idempotency key was used before")
            }
            Conflict::NoRoom { what } => Self::new(Kind::QuotaExceeded, what),
            Conflict::MessageNotOpen(_) | Conflict::ContentMismatch(_) | Conflict::Constraint(_) => {
                Self::internal(&conflict)
            }
        }
    }
}

impl From<AuthError> for Error {
    /// Why a credential does not count is nobody's business: the words are the same.
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Missing => {
                Self::new(Kind::Unauthorized, "send a token as `Authorization: Bearer <token>`")
            }
            AuthError::Unknown | AuthError::Revoked | AuthError::Expired | AuthError::Suspended => {
                Self::new(Kind::Unauthorized, "the token does not let you in")
            }
        }
    }
}

impl From<InvalidCursor> for Error {
    fn from(error: InvalidCursor) -> Self {
        Self::new(Kind::InvalidCursor, error.to_string())
    }
}

/// What lay in the panic stays in the log.
pub fn of_panic(panic: Box<dyn std::any::Any + Send>) -> Response {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("(not text)");
    tracing::error!(panic = text, "a request panicked");
    Error::new(Kind::Internal, "the request could not be carried out").into_response()
}

/// An error that was made below the handlers, by axum or hyper, in the words of the table.
pub fn of_status(status: StatusCode) -> Option<Error> {
    let kind = Kind::ALL.iter().find(|kind| kind.status() == status.as_u16());
    match kind {
        Some(Kind::NotFound) => Some(Error::not_found()),
        Some(kind) => Some(Error::new(*kind, kind.title().to_lowercase())),
        None if status.is_client_error() => {
            Some(Error::new(Kind::MalformedRequest, "the request cannot be read"))
        }
        None if status.is_server_error() => Some(Error::internal(&status)),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use axum::body::HttpBody;
    use serde_json::json;

    use super::*;
    use crate::id::TurnId;

    #[test]
    fn a_conflict_carries_the_current_state() {
        let turn_id = TurnId::from_bytes([1; 16]);
        let error = Error::from(Refusal::TurnInProgress { turn_id });
        let expected = json!({
            "type": "turn-in-progress", "title": "A turn is running there", "status": 409,
            "detail": format!("the turn {turn_id} is running on that leaf"), "turn_id": turn_id,
        });
        assert_eq!(error.body(), expected);
    }

    #[test]
    fn every_slug_stands_once() {
        let mut slugs: Vec<_> = Kind::ALL.iter().map(|kind| kind.slug()).collect();
        slugs.sort_unstable();
        let count = slugs.len();
        slugs.dedup();
        assert_eq!(slugs.len(), count);
    }

    #[test]
    fn what_is_missing_foreign_or_hidden_is_one_and_the_same() {
        let words = |error: Error| error.body().to_string();
        let missing = words(Error::not_found());
        assert_eq!(words(runtime::Error::NotFound.into()), missing);
        assert_eq!(words(Refusal::Deleted.into()), missing);
        assert_eq!(words(Error(of_status(StatusCode::NOT_FOUND).unwrap().0)), missing);
    }

    #[test]
    fn a_panic_is_an_internal_error_that_says_nothing() {
        let response = of_panic(Box::new("the secret was in the stack"));
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.headers()[CONTENT_TYPE], PROBLEM_JSON);
        let words = Error::new(Kind::Internal, "the request could not be carried out").into_response();
        assert_eq!(response.body().size_hint().exact(), words.body().size_hint().exact());
    }
}
