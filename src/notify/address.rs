//! Where people want to be written to. Nobody is written to at an address that was not confirmed, but for its code.

use std::time::Duration;

use rusqlite::{OptionalExtension, named_params};
use serde::Serialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use utoipa::ToSchema;

use super::{Error, Notices, row};
use crate::clock::Timestamp;
use crate::id::UserId;

/// A code counts for so long,
const CODE_LASTS: Duration = Duration::from_secs(15 * 60);
/// for so many tries,
const CODE_TRIES: i64 = 5;
/// and so many are sent to one user in an hour.
const CODES_AN_HOUR: i64 = 3;
pub(super) const HOUR: Duration = Duration::from_secs(60 * 60);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Address {
    pub address: String,
    /// Whether its owner has named the code that was sent there.
    pub confirmed: bool,
    /// Whether mails are wanted.
    pub notifications: bool,
}

/// What is sent to an address, to be named by whoever reads there.
pub struct Code(String);

impl Code {
    fn random() -> Self {
        // No letter that looks like a digit.
        const LETTERS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
        let bytes: [u8; 10] = rand::random();
        Self(bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect())
    }

    pub fn expose(&self) -> &str {
        &self.0
    }
}

fn hash(user_id: UserId, code: &str) -> [u8; 32] {
    let typed = code.trim().to_ascii_uppercase();
    Sha256::new().chain_update(user_id.as_bytes()).chain_update(typed).finalize().into()
}

const FIND: &str = "SELECT address, confirmed_at, enabled FROM addresses WHERE user_id = :user_id";
const SET: &str = "
    INSERT INTO addresses (user_id, address, confirmed_at, enabled, code, code_until, code_tries)
    VALUES (:user_id, :address, NULL, 1, :code, :until, 0)
    ON CONFLICT (user_id) DO UPDATE
    SET address = excluded.address, confirmed_at = NULL, code = excluded.code, code_until = excluded.code_until,
        code_tries = 0";
const ENABLE: &str = "UPDATE addresses SET enabled = :enabled WHERE user_id = :user_id";
const REMOVE: &str = "DELETE FROM addresses WHERE user_id = :user_id";
const FORGET_MAILS: &str = "DELETE FROM mails WHERE user_id = :user_id";
const CODE: &str = "
    UPDATE addresses SET code_tries = code_tries + 1
    WHERE user_id = :user_id AND code IS NOT NULL AND code_until > :now AND code_tries < :tries
    RETURNING code";
const CONFIRM: &str = "UPDATE addresses SET confirmed_at = :now, code = NULL WHERE user_id = :user_id";
const RECIPIENTS: &str = "SELECT user_id FROM addresses WHERE confirmed_at IS NOT NULL AND enabled = 1";
const SENT: &str =
    "SELECT count(*) FROM sent_mails WHERE user_id = :user_id AND kind = 'code' AND at > :since";
const SENDING: &str = "INSERT INTO sent_mails (user_id, at, kind) VALUES (:user_id, :now, 'code')";

impl Notices {
    pub fn address(&self, user_id: UserId) -> Result<Option<Address>, Error> {
        let db = self.0.db.lock();
        let mut statement = db.prepare_cached(FIND)?;
        let found = statement.query_row(named_params! {":user_id": user_id.to_string()}, |found| {
            Ok(Address {
                address: found.get("address")?,
                confirmed: row::opt_at(found, "confirmed_at")?.is_some(),
                notifications: found.get("enabled")?,
            })
        });
        Ok(found.optional()?)
    }

    /// The code that the owner of the new address has to name. `None` where too many were asked for.
    pub fn set_address(&self, user_id: UserId, address: &str, now: Timestamp) -> Result<Option<Code>, Error> {
        let (code, user) = (Code::random(), user_id.to_string());
        let mut db = self.0.db.lock();
        let tx = db.transaction()?;
        let since = now.minus(HOUR).millis();
        let sent: i64 =
            tx.query_row(SENT, named_params! {":user_id": user, ":since": since}, |row| row.get(0))?;
        if sent >= CODES_AN_HOUR {
            return Ok(None);
        }
        tx.execute(
            SET,
            named_params! {
                ":user_id": user, ":address": address, ":code": hash(user_id, code.expose()),
                ":until": now.plus(CODE_LASTS).millis(),
            },
        )?;
        tx.execute(SENDING, named_params! {":user_id": user, ":now": now.millis()})?;
        tx.commit()?;
        Ok(Some(code))
    }

    pub fn want_mails(&self, user_id: UserId, wanted: bool) -> Result<(), Error> {
        let named = named_params! {":user_id": user_id.to_string(), ":enabled": wanted};
        self.0.db.lock().execute(ENABLE, named)?;
        Ok(())
    }

    pub fn remove_address(&self, user_id: UserId) -> Result<(), Error> {
        let mut db = self.0.db.lock();
        let tx = db.transaction()?;
        for sql in [REMOVE, FORGET_MAILS] {
            tx.execute(sql, named_params! {":user_id": user_id.to_string()})?;
        }
        Ok(tx.commit()?)
    }

    /// Whether the code is the one that was sent; each try counts.
    pub fn confirm_address(&self, user_id: UserId, code: &str, now: Timestamp) -> Result<bool, Error> {
        let mut db = self.0.db.lock();
        let tx = db.transaction()?;
        let user = user_id.to_string();
        let named = named_params! {":user_id": user, ":now": now.millis(), ":tries": CODE_TRIES};
        let expected: Option<[u8; 32]> = tx.query_row(CODE, named, |row| row.get(0)).optional()?;
        let is_it = expected.is_some_and(|expected| expected.ct_eq(&hash(user_id, code)).into());
        if is_it {
            tx.execute(CONFIRM, named_params! {":user_id": user, ":now": now.millis()})?;
        }
        tx.commit()?;
        Ok(is_it)
    }

    /// Who wants mails and may get them.
    pub fn recipients(&self) -> Result<Vec<UserId>, Error> {
        let db = self.0.db.lock();
        let mut statement = db.prepare_cached(RECIPIENTS)?;
        Ok(statement.query_map([], |found| row::id(found, "user_id"))?.collect::<Result<_, _>>()?)
    }
}
