//! Where one wants to be written to about approvals.

use axum::Json as Answered;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::given;
use crate::http::State;
use crate::http::json::Json;
use crate::http::problem::{Error, Kind, Result};
use crate::notify::{self, Address, Notices};
use crate::runtime::notify::is_address;
use crate::scope::Scope;

const CODE_CHARS: usize = 40;

#[derive(Debug, Serialize, ToSchema)]
pub struct MyEmail {
    /// Whether this server writes mails at all.
    available: bool,
    /// `null` while there is none.
    email: Option<Address>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MeChanges {
    /// A code is sent there, and it counts once that was named (`POST /v1/me/email/confirm`). `null`: none any more.
    #[serde(default, deserialize_with = "given")]
    email: Option<Option<String>>,
    /// Whether you want mails about calls that you may decide about.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    email_notifications: Option<bool>,
}

/// Where you are written to.
#[utoipa::path(get, path = "/v1/me/email", tag = "people", operation_id = "get_my_email",
    responses((status = 200, body = MyEmail)))]
pub async fn get(state: State, scope: Scope) -> Result<Answered<MyEmail>> {
    read(&state, &scope).await
}

/// Change where you are written to, and whether.
#[utoipa::path(patch, path = "/v1/me", tag = "people", operation_id = "update_me",
    request_body = MeChanges, responses((status = 200, body = MyEmail)))]
pub async fn update(
    state: State,
    scope: Scope,
    Json { body, .. }: Json<MeChanges>,
) -> Result<Answered<MyEmail>> {
    let user_id = scope.user_id;
    match body.email {
        Some(Some(address)) => set(&state, &scope, address).await?,
        Some(None) => with(&state, move |notices| notices.remove_address(user_id)).await?,
        None => {}
    }
    if let Some(wanted) = body.email_notifications {
        with(&state, move |notices| notices.want_mails(user_id, wanted)).await?;
    }
    read(&state, &scope).await
}

async fn set(state: &State, scope: &Scope, address: String) -> Result<()> {
    if !is_address(&address) {
        return Err(Error::invalid("/email", "expected an address such as ada@example.com"));
    }
    let mails = state.mails().ok_or_else(|| Error::new(Kind::Conflict, "this server writes no mails"))?;
    let (user_id, now, to) = (scope.user_id, state.runtime().clock().now(), address.clone());
    let code = with(state, move |notices| notices.set_address(user_id, &to, now)).await?;
    let often = || Error::new(Kind::RateLimited, "so many codes in an hour; try again later");
    let code = code.ok_or_else(often)?;
    mails.send_code(&address, code.expose()).await.map_err(|error| {
        tracing::warn!(%error, "a code could not be sent");
        Error::new(Kind::Unavailable, "the code could not be sent; try again later")
    })
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmRequest {
    code: String,
}

/// Name the code that was sent to your address. It counts for 15 minutes and 5 tries.
#[utoipa::path(post, path = "/v1/me/email/confirm", tag = "people", operation_id = "confirm_my_email",
    request_body = ConfirmRequest, responses((status = 200, body = MyEmail)))]
pub async fn confirm(
    state: State,
    scope: Scope,
    Json { body, .. }: Json<ConfirmRequest>,
) -> Result<(StatusCode, Answered<MyEmail>)> {
    let wrong = || Error::invalid("/code", "that is not the code, or it counts no longer");
    if body.code.chars().count() > CODE_CHARS {
        return Err(wrong());
    }
    let (user_id, now) = (scope.user_id, state.runtime().clock().now());
    match with(&state, move |notices| notices.confirm_address(user_id, &body.code, now)).await? {
        true => Ok((StatusCode::OK, read(&state, &scope).await?)),
        false => Err(wrong()),
    }
}

async fn read(state: &State, scope: &Scope) -> Result<Answered<MyEmail>> {
    let user_id = scope.user_id;
    let email = with(state, move |notices| notices.address(user_id)).await?;
    Ok(Answered(MyEmail { available: state.mails().is_some(), email }))
}

/// Asks the database of notices, which waits for the disk.
async fn with<T: Send + 'static>(
    state: &State,
    f: impl FnOnce(&Notices) -> Result<T, notify::Error> + Send + 'static,
) -> Result<T> {
    let notices = state.webhooks()?.notices().clone();
    let done = state.runtime().aside(move || f(&notices)).await;
    done.map_err(|error| Error::internal(&error))
}
