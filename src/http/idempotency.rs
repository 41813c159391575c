//! `Idempotency-Key`: a repeat of a POST gets the first answer.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use sha2::{Digest, Sha256};

use super::State;
use super::problem::{Error, Result};
use crate::id::UserId;
use crate::runtime::Idempotency;
use crate::store::KeyScope;

const MAX_CHARS: usize = 255;

/// The key that the client sent, if it sent one: 1 to 255 visible ASCII characters.
pub struct IdempotencyKey(Option<String>);

impl FromRequestParts<State> for IdempotencyKey {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &State) -> Result<Self> {
        let mut values = parts.headers.get_all("idempotency-key").iter();
        let Some(value) = values.next() else { return Ok(Self(None)) };
        let key = value.as_bytes();
        let valid = (1..=MAX_CHARS).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic);
        if !valid || values.next().is_some() {
            let detail = format!("an idempotency key has 1 to {MAX_CHARS} visible ASCII characters");
            return Err(Error::invalid("/Idempotency-Key", detail));
        }
        Ok(Self(Some(String::from_utf8_lossy(key).into_owned())))
    }
}

impl IdempotencyKey {
    /// Binds the key to its user and place, and to what was asked: the operation and its body.
    pub fn of(self, scope: KeyScope, user_id: UserId, operation: &str, body: &[u8]) -> Option<Idempotency> {
        let key = self.0?;
        let fingerprint =
            Sha256::new().chain_update(operation).chain_update([0]).chain_update(body).finalize();
        Some(Idempotency { scope, user_id, key, fingerprint: fingerprint.into() })
    }
}
