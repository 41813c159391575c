//! Coming in and going out: the setup link, name and password, and who one is then.

use std::time::Duration;

use axum::Extension;
use axum::Json as Answered;
use axum::http::header::{SET_COOKIE, USER_AGENT};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::auth::{
    self, Directory, HashedPassword, LEAST_PASSWORD_CHARS, MOST_PASSWORD_BYTES, Opened, Visitor,
};
use crate::clock::Timestamp;
use crate::http::State;
use crate::http::cookie;
use crate::http::edge::Place;
use crate::http::json::Json;
use crate::http::limits::{self, NAME_CHARS};
use crate::http::problem::{Error, Kind, Result};
use crate::id::{SessionId, UserId, WorkspaceId};
use crate::scope::{Credential, Permission, Scope, WorkspaceRole};

/// Of a browser's name so much is kept.
const USER_AGENT_CHARS: usize = 300;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetupRequest {
    /// From the link that `weir setup-link` prints; it counts once, and for a day.
    code: String,
    /// What to sign in with from now on.
    name: String,
    /// At least 10 characters.
    #[schema(value_type = String)]
    password: SecretString,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    name: String,
    #[schema(value_type = String)]
    password: SecretString,
}

/// Who you are, and how far you may reach.
#[derive(Debug, Serialize, ToSchema)]
pub struct Me {
    user: Named<UserId>,
    workspace: Named<WorkspaceId>,
    role: WorkspaceRole,
    scopes: Vec<Permission>,
    via: Via,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<SessionId>,
    /// When the credential in use expires at the latest.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Named<T> {
    id: T,
    name: String,
}

/// What you came in with.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Via {
    Root,
    Key,
    Session,
    Token,
}

/// Choose a name and a password with the code of a setup link, and sign in.
#[utoipa::path(post, path = "/v1/auth/setup", tag = "people", operation_id = "set_up",
    request_body = SetupRequest,
    responses((status = 201, body = Me, headers(("Set-Cookie" = String))),
        (status = 403, description = "The code was used, has expired, or never was one",
            body = crate::chat::event::Problem, content_type = "application/problem+json")))]
pub async fn set_up(
    state: State,
    Extension(place): Extension<Place>,
    headers: HeaderMap,
    Json { body, .. }: Json<SetupRequest>,
) -> Result<Response> {
    limits::line("/name", &body.name, NAME_CHARS)?;
    check_password(&body.password)?;
    state.rates().setup(place.address)?;
    let visitor = visitor(&headers, &place);
    let SetupRequest { code, name, password } = body;
    let code = state.with_directory(move |directory| Ok(directory.check_setup_code(&code).map(|()| code)));
    let code = code.await?.map_err(refused)?;
    let hashed = quietly(&state, move || HashedPassword::of(&password)).await?;
    let set_up = move |directory: &Directory| Ok(directory.set_up(&code, name, &hashed, visitor));
    let opened = state.with_directory(set_up).await?.map_err(refused)?;
    answer(&state, &place, StatusCode::CREATED, &opened)
}

fn refused(error: auth::Error) -> Error {
    match error {
        auth::Error::NoSuchCode => Error::new(Kind::SetupCode, "ask for a new link: weir setup-link"),
        auth::Error::LoginTaken(_) => Error::invalid("/name", "someone else signs in with this name"),
        auth::Error::InvalidName => Error::invalid("/name", error.to_string()),
        other => Error::internal(&other),
    }
}

/// Sign in with a name and a password. The answer sets a cookie.
#[utoipa::path(post, path = "/v1/auth/login", tag = "people", operation_id = "log_in",
    request_body = LoginRequest,
    responses((status = 200, body = Me, headers(("Set-Cookie" = String)))))]
pub async fn log_in(
    state: State,
    Extension(place): Extension<Place>,
    headers: HeaderMap,
    Json { body, .. }: Json<LoginRequest>,
) -> Result<Response> {
    if body.password.expose_secret().len() > MOST_PASSWORD_BYTES || body.name.len() > 4 * NAME_CHARS {
        return Err(wrong());
    }
    state.rates().attempt(&body.name, place.address)?;
    let visitor = visitor(&headers, &place);
    let LoginRequest { name, password } = body;
    let candidate = state.with_directory(move |directory| directory.candidate(&name)).await?;
    let tried = state.rates().stranger(place.address, candidate.addresses())?;
    let proven = quietly(&state, move || candidate.prove(&password)).await?.ok_or_else(wrong)?;
    state.rates().proven(tried);
    let opened = state.with_directory(move |directory| directory.log_in(proven, visitor)).await?;
    let opened = opened.ok_or_else(wrong)?;
    answer(&state, &place, StatusCode::OK, &opened)
}

/// In the same words whether there is such a name, whether its user may come in, and whatever the password is.
fn wrong() -> Error {
    Error::new(Kind::Unauthorized, "the name or the password is wrong")
}

/// End the session, or do nothing where there is none.
#[utoipa::path(post, path = "/v1/auth/logout", tag = "people", operation_id = "log_out",
    responses((status = 204, headers(("Set-Cookie" = String)))))]
pub async fn log_out(state: State, scope: Scope, Extension(place): Extension<Place>) -> Result<Response> {
    if let Credential::Session(id) = scope.credential {
        state.with_directory(move |directory| directory.end_own_session(&scope, id)).await?;
    }
    Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, cookie::closed(&place))]).into_response())
}

/// Who you are.
#[utoipa::path(get, path = "/v1/me", tag = "people", operation_id = "get_me",
    responses((status = 200, body = Me)))]
pub async fn me(state: State, scope: Scope) -> Result<Answered<Me>> {
    Ok(Answered(describe(&state, &scope)?))
}

fn describe(state: &State, scope: &Scope) -> Result<Me> {
    let directory = state.directory();
    let who = directory.who(scope).map_err(|error| Error::internal(&error))?;
    let (user, workspace) = who.ok_or_else(|| Error::from(auth::AuthError::Unknown))?;
    let (via, session_id) = match scope.credential {
        Credential::Root => (Via::Root, None),
        Credential::Key(_) => (Via::Key, None),
        Credential::Token { .. } => (Via::Token, None),
        Credential::Session(id) => (Via::Session, Some(id)),
    };
    Ok(Me {
        user: Named { id: user.id, name: user.name },
        workspace: Named { id: workspace.id, name: workspace.name },
        role: scope.role,
        scopes: scope.permissions.clone(),
        via,
        session_id,
        expires_at: directory.expires_at(scope),
    })
}

fn answer(state: &State, place: &Place, status: StatusCode, opened: &Opened) -> Result<Response> {
    let seconds = opened.session.expires_at.since(opened.session.created_at).as_secs();
    let cookie = cookie::opened(&opened.token, place, seconds.cast_signed());
    Ok((status, [(SET_COOKIE, cookie)], Answered(describe(state, &opened.scope)?)).into_response())
}

/// Runs what hashes a password: some 20 ms of a core, which nobody's stream is to notice.
async fn quietly<T: Send + 'static>(state: &State, f: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let busy = || {
        let busy = Error::new(Kind::RateLimited, "many people sign in right now; try again");
        busy.retry_after(Duration::from_secs(2))
    };
    state.runtime().quietly(f).await.ok_or_else(busy)
}

fn visitor(headers: &HeaderMap, place: &Place) -> Visitor {
    let user_agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
    Visitor {
        user_agent: user_agent.map(|text| text.chars().take(USER_AGENT_CHARS).collect()),
        address: place.address.map(|address| address.to_string()),
    }
}

fn check_password(password: &SecretString) -> Result<()> {
    let password = password.expose_secret();
    if password.chars().count() < LEAST_PASSWORD_CHARS {
        return Err(Error::invalid("/password", format!("at least {LEAST_PASSWORD_CHARS} characters")));
    }
    match password.len() <= MOST_PASSWORD_BYTES {
        true => Ok(()),
        false => Err(Error::invalid("/password", format!("at most {MOST_PASSWORD_BYTES} bytes"))),
    }
}
