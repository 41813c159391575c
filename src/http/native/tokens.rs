//! Short-lived tokens: for a page that embeds us, for one conversation, for somebody else.

use std::time::Duration;

use axum::Json as Answered;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::given;
use crate::auth::{LONGEST_TTL, MintError, NewToken};
use crate::clock::Timestamp;
use crate::http::State;
use crate::http::json::Json;
use crate::http::limits::BULK_IDS;
use crate::http::problem::{Error, Result};
use crate::id::ConversationId;
use crate::scope::{Scope, WorkspaceRole};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// Whose token it is. Absent: yours. For anyone else you need the scope `tokens:mint`: what you call them, and who
    /// was never named before is made a user; or the id of a user who was made so.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    subject: Option<String>,
    /// Absent: yours, for anyone else `member`.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    role: Option<WorkspaceRole>,
    /// Seconds that it lives, at most 86,400.
    ttl: u64,
    /// Absent: all that its holder sees.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    conversation_ids: Option<Vec<ConversationId>>,
}

/// A JSON Web Token, to be sent as `Authorization: Bearer <token>`.
#[derive(Debug, Serialize, ToSchema)]
pub struct Token {
    token: String,
    expires_at: Timestamp,
}

/// Make a short-lived token, with no right that you do not have. It ends with what you made it with.
#[utoipa::path(post, path = "/v1/auth/tokens", tag = "people", operation_id = "mint_token",
    request_body = TokenRequest, responses((status = 201, body = Token)))]
pub async fn mint(
    state: State,
    scope: Scope,
    Json { body, .. }: Json<TokenRequest>,
) -> Result<(StatusCode, Answered<Token>)> {
    let TokenRequest { subject, role, ttl, conversation_ids } = body;
    let longest = LONGEST_TTL.as_secs();
    if !(1..=longest).contains(&ttl) {
        return Err(Error::invalid("/ttl", format!("from 1 to {longest} seconds")));
    }
    match &conversation_ids {
        Some(ids) if ids.is_empty() || ids.len() > BULK_IDS => {
            return Err(Error::invalid("/conversation_ids", format!("from 1 to {BULK_IDS} ids")));
        }
        Some(ids) => {
            for id in ids {
                let found = state.runtime().store().conversation(&scope, *id).await?;
                found.ok_or_else(Error::not_found)?;
            }
        }
        None => {}
    }
    let new = NewToken { subject, role, ttl: Duration::from_secs(ttl), conversation_ids };
    let directory = state.shared_directory();
    let minted = state.runtime().aside(move || directory.mint_token(&scope, new)).await;
    let (token, expires_at) = minted.map_err(|error| match error {
        MintError::NotForOthers | MintError::Stronger => Error::forbidden(error.to_string()),
        MintError::NoSuchUser => Error::invalid("/subject", error.to_string()),
        MintError::Directory(error) => Error::internal(&error),
    })?;
    Ok((StatusCode::CREATED, Answered(Token { token, expires_at })))
}
