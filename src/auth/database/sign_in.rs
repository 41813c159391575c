//! Logins, setup codes and sessions as rows.

use rusqlite::{Connection, OptionalExtension, Row, named_params};

use super::{parsed, time};
use crate::auth::key::KeyHash;
use crate::auth::{Error, Session};
use crate::clock::Timestamp;
use crate::id::{SessionId, UserId};

pub fn count_logins(db: &Connection) -> Result<u64, Error> {
    Ok(db.query_row("SELECT count(*) FROM logins", [], |row| row.get::<_, i64>(0))?.unsigned_abs())
}

/// The user of that name in lower case, and the hash of their password.
pub fn login(db: &Connection, name: &str) -> Result<Option<(UserId, String)>, Error> {
    const SQL: &str = "SELECT user_id, password FROM logins WHERE name = :name";
    let from_row = |row: &Row| Ok((parsed(row, 0)?, row.get(1)?));
    Ok(db.prepare_cached(SQL)?.query_row(named_params! {":name": name}, from_row).optional()?)
}

/// A user who had a login has another one now.
pub fn set_login(
    db: &Connection,
    user_id: UserId,
    name: &str,
    password: &str,
    now: Timestamp,
) -> Result<(), Error> {
    const SQL: &str = "INSERT INTO logins (user_id, name, password, changed_at)
        VALUES (:user, :name, :password, :now)
        ON CONFLICT (user_id) DO UPDATE SET name = :name, password = :password, changed_at = :now";
    db.execute(
        SQL,
        named_params! {
            ":user": user_id.to_string(), ":name": name, ":password": password, ":now": now.millis(),
        },
    )?;
    Ok(())
}

pub fn set_user_name(db: &Connection, user_id: UserId, name: &str) -> Result<(), Error> {
    const SQL: &str = "UPDATE users SET name = :name WHERE id = :id";
    db.execute(SQL, named_params! {":name": name, ":id": user_id.to_string()})?;
    Ok(())
}

pub fn insert_setup_code(
    db: &Connection,
    hash: &KeyHash,
    user_id: UserId,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<(), Error> {
    const SQL: &str = "INSERT INTO setup_codes (hash, user_id, created_at, expires_at)
        VALUES (:hash, :user, :now, :expires_at)";
    db.execute(
        SQL,
        named_params! {
            ":hash": hash.0, ":user": user_id.to_string(), ":now": now.millis(),
            ":expires_at": expires_at.millis(),
        },
    )?;
    Ok(())
}

/// Whether a code still counts.
pub fn setup_code_counts(db: &Connection, hash: &KeyHash, now: Timestamp) -> Result<bool, Error> {
    const SQL: &str = "SELECT count(*) FROM setup_codes
        WHERE hash = :hash AND used_at IS NULL AND expires_at > :now";
    let params = named_params! {":hash": hash.0, ":now": now.millis()};
    Ok(db.prepare_cached(SQL)?.query_row(params, |row| row.get::<_, i64>(0))? > 0)
}

/// Uses a code up; whose it is, if it still counted.
pub fn use_setup_code(db: &Connection, hash: &KeyHash, now: Timestamp) -> Result<Option<UserId>, Error> {
    const SQL: &str = "UPDATE setup_codes SET used_at = :now
        WHERE hash = :hash AND used_at IS NULL AND expires_at > :now RETURNING user_id";
    let mut statement = db.prepare_cached(SQL)?;
    let params = named_params! {":hash": hash.0, ":now": now.millis()};
    Ok(statement.query_row(params, |row| parsed(row, 0)).optional()?)
}

/// A user's other codes are of no more use.
pub fn void_setup_codes(db: &Connection, user_id: UserId, now: Timestamp) -> Result<(), Error> {
    const SQL: &str = "UPDATE setup_codes SET used_at = :now WHERE user_id = :user AND used_at IS NULL";
    db.execute(SQL, named_params! {":user": user_id.to_string(), ":now": now.millis()})?;
    Ok(())
}

pub fn insert_session(db: &Connection, session: &Session, hash: &KeyHash) -> Result<(), Error> {
    const SQL: &str = "INSERT INTO sessions
            (id, workspace_id, user_id, hash, created_at, expires_at, last_used_at, user_agent, address)
        VALUES (:id, :workspace, :user, :hash, :created_at, :expires_at, :last_used_at, :user_agent, :address)";
    db.execute(
        SQL,
        named_params! {
            ":id": session.id.to_string(),
            ":workspace": session.workspace_id.to_string(),
            ":user": session.user_id.to_string(),
            ":hash": hash.0,
            ":created_at": session.created_at.millis(),
            ":expires_at": session.expires_at.millis(),
            ":last_used_at": session.last_used_at.millis(),
            ":user_agent": session.user_agent,
            ":address": session.address,
        },
    )?;
    Ok(())
}

/// From where the user has signed in before.
pub fn addresses_of(db: &Connection, user_id: UserId) -> Result<Vec<String>, Error> {
    const SQL: &str =
        "SELECT DISTINCT address FROM sessions WHERE user_id = :user AND address IS NOT NULL LIMIT 1000";
    let rows = &mut db.prepare_cached(SQL)?;
    let rows = rows.query_map(named_params! {":user": user_id.to_string()}, |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Sessions that were not revoked and have not expired, with the hashes of their tokens.
pub fn sessions(db: &Connection, now: Timestamp) -> Result<Vec<(Session, KeyHash)>, Error> {
    const SQL: &str = "SELECT id, workspace_id, user_id, created_at, expires_at, last_used_at, user_agent,
            address, hash
        FROM sessions WHERE revoked_at IS NULL AND expires_at > :now ORDER BY id";
    let rows = &mut db.prepare_cached(SQL)?;
    let rows = rows.query_map(named_params! {":now": now.millis()}, from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn from_row(row: &Row) -> rusqlite::Result<(Session, KeyHash)> {
    let session = Session {
        id: parsed(row, 0)?,
        workspace_id: parsed(row, 1)?,
        user_id: parsed(row, 2)?,
        created_at: time(row, 3)?,
        expires_at: time(row, 4)?,
        last_used_at: time(row, 5)?,
        user_agent: row.get(6)?,
        address: row.get(7)?,
    };
    Ok((session, KeyHash(row.get(8)?)))
}

pub fn touch_session(db: &Connection, id: SessionId, used: Timestamp) -> Result<(), Error> {
    const SQL: &str = "UPDATE sessions SET last_used_at = :used WHERE id = :id";
    db.prepare_cached(SQL)?.execute(named_params! {":used": used.millis(), ":id": id.to_string()})?;
    Ok(())
}

pub fn revoke_session(db: &Connection, id: SessionId, now: Timestamp) -> Result<(), Error> {
    const SQL: &str = "UPDATE sessions SET revoked_at = :now WHERE id = :id AND revoked_at IS NULL";
    db.execute(SQL, named_params! {":now": now.millis(), ":id": id.to_string()})?;
    Ok(())
}

pub fn revoke_sessions_of(db: &Connection, user_id: UserId, now: Timestamp) -> Result<(), Error> {
    const SQL: &str = "UPDATE sessions SET revoked_at = :now WHERE user_id = :user AND revoked_at IS NULL";
    db.execute(SQL, named_params! {":now": now.millis(), ":user": user_id.to_string()})?;
    Ok(())
}
