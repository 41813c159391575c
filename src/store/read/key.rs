//! Answers kept for retries.

use rusqlite::named_params;

use crate::clock::Timestamp;
use crate::id::{TurnId, UserId};
use crate::store::Store;
use crate::store::error::Error;
use crate::store::record::KeyScope;
use crate::store::row::Row;

/// What was answered under an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// SHA-256 of the request: another one's answer is no answer.
    pub fingerprint: [u8; 32],
    /// JSON text.
    pub response: String,
    pub turn_id: Option<TurnId>,
    pub at: Timestamp,
}

const BY_KEY: &str = "
    SELECT key, fingerprint, response, turn_id, at FROM idempotency_keys
    WHERE scope = :scope AND user_id = :user_id AND key = :key";

impl Store {
    pub async fn idempotency(
        &self,
        scope: KeyScope,
        user_id: UserId,
        key: &str,
    ) -> Result<Option<Remembered>, Error> {
        let key = key.to_owned();
        self.read(move |tx| {
            let mut statement = tx.prepare_cached(BY_KEY)?;
            let mut rows = statement.query(named_params! {
            ":scope": scope.as_bytes(), ":user_id": user_id.as_bytes(), ":key": key})?;
            let Some(row) = rows.next()? else { return Ok(None) };
            let row = Row::new(row, "idempotency_keys", "key");
            Ok(Some(Remembered {
                fingerprint: row.get("fingerprint")?,
                response: row.get("response")?,
                turn_id: row.opt_id("turn_id")?,
                at: row.at("at")?,
            }))
        })
        .await
    }
}
