//! Where one is signed in.

use axum::Json as Answered;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth;
use crate::http::State;
use crate::http::auth::SessionInPath;
use crate::http::problem::{Error, Result};
use crate::id::SessionId;
use crate::scope::{Credential, Scope};

#[derive(Debug, Serialize, ToSchema)]
pub struct Sessions {
    /// Newest first.
    items: Vec<Session>,
    /// Always `null`: all of them are one page.
    next: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Session {
    #[serde(flatten)]
    session: auth::Session,
    /// The one that asks.
    current: bool,
}

/// Your sessions.
#[utoipa::path(get, path = "/v1/auth/sessions", tag = "people", operation_id = "list_sessions",
    responses((status = 200, body = Sessions)))]
pub async fn list(state: State, scope: Scope) -> Answered<Sessions> {
    let current = |session: &auth::Session| scope.credential == Credential::Session(session.id);
    let own = state.directory().own_sessions(&scope).into_iter();
    let items = own.map(|session| Session { current: current(&session), session }).collect();
    Answered(Sessions { items, next: None })
}

/// End one of your sessions, and within 5 seconds what is open with it.
#[utoipa::path(delete, path = "/v1/auth/sessions/{session_id}", tag = "people", operation_id = "end_session",
    params(("session_id" = SessionId, Path)), responses((status = 204)))]
pub async fn end(state: State, scope: Scope, SessionInPath(id): SessionInPath) -> Result<StatusCode> {
    match state.with_directory(move |directory| directory.end_own_session(&scope, id)).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Error::not_found()),
    }
}
