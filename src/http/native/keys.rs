//! API keys: made for programs, shown once, never stronger than their maker.

use axum::Json as Answered;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::given;
use crate::auth::{self, ApiKey};
use crate::clock::Timestamp;
use crate::http::State;
use crate::http::auth::KeyInPath;
use crate::http::json::Json;
use crate::http::limits::{self, NAME_CHARS};
use crate::http::problem::{Error, Kind, Result};
use crate::id::KeyId;
use crate::scope::{Permission, Scope};

#[derive(Debug, Serialize, ToSchema)]
pub struct ApiKeys {
    /// Oldest first, with those that were revoked.
    items: Vec<ApiKey>,
    /// Always `null`: all of them are one page.
    next: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKeyRequest {
    name: String,
    /// Absent: all that you may do, save `admin` and `tokens:mint`.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    scopes: Option<Vec<Permission>>,
    /// Absent: never.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    expires_at: Option<Timestamp>,
}

/// A key with its secret, which is not shown again.
#[derive(Debug, Serialize, ToSchema)]
pub struct NewKey {
    key: ApiKey,
    secret: String,
}

/// Your API keys; to an admin, all of the workspace.
#[utoipa::path(get, path = "/v1/api-keys", tag = "people", operation_id = "list_api_keys",
    responses((status = 200, body = ApiKeys)))]
pub async fn list(state: State, scope: Scope) -> Answered<ApiKeys> {
    Answered(ApiKeys { items: state.directory().visible_keys(&scope), next: None })
}

/// Make an API key. Its secret is in the answer, and nowhere else ever.
#[utoipa::path(post, path = "/v1/api-keys", tag = "people", operation_id = "create_api_key",
    request_body = NewKeyRequest, responses((status = 201, body = NewKey)))]
pub async fn create(
    state: State,
    scope: Scope,
    Json { body, .. }: Json<NewKeyRequest>,
) -> Result<(StatusCode, Answered<NewKey>)> {
    limits::line("/name", &body.name, NAME_CHARS)?;
    if body.scopes.as_ref().is_some_and(Vec::is_empty) {
        return Err(Error::invalid("/scopes", "at least one"));
    }
    let NewKeyRequest { name, scopes, expires_at } = body;
    let made = state.with_directory(move |directory| {
        let made = directory.create_own_key(&scope, name, scopes.unwrap_or_default(), expires_at);
        match made {
            Err(error @ auth::Error::BeyondRights(_)) => Ok(Err(Error::forbidden(error.to_string()))),
            Err(error @ auth::Error::AlreadyExpired) => {
                Ok(Err(Error::invalid("/expires_at", error.to_string())))
            }
            Err(error @ auth::Error::InvalidName) => Ok(Err(Error::invalid("/name", error.to_string()))),
            Err(auth::Error::NotAMember(..)) => {
                Ok(Err(Error::new(Kind::Conflict, "you are no longer a member")))
            }
            made => made.map(Ok),
        }
    });
    let (key, secret) = made.await??;
    Ok((StatusCode::CREATED, Answered(NewKey { key, secret: secret.expose().to_owned() })))
}

/// Revoke a key for good; what is open with it ends within 5 seconds.
#[utoipa::path(delete, path = "/v1/api-keys/{key_id}", tag = "people", operation_id = "revoke_api_key",
    params(("key_id" = KeyId, Path)), responses((status = 204)))]
pub async fn revoke(state: State, scope: Scope, KeyInPath(id): KeyInPath) -> Result<StatusCode> {
    match state.with_directory(move |directory| directory.revoke_visible_key(&scope, id)).await? {
        Some(_) => Ok(StatusCode::NO_CONTENT),
        None => Err(Error::not_found()),
    }
}
