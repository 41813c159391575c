//! The signing secret, and what others call our users and workspaces.

use rusqlite::{Connection, OptionalExtension, named_params};

use super::parsed;
use crate::auth::Error;
use crate::id::{UserId, WorkspaceId};

pub fn secret(db: &Connection, name: &str) -> Result<Option<Vec<u8>>, Error> {
    const SQL: &str = "SELECT value FROM secrets WHERE name = :name";
    Ok(db.query_row(SQL, named_params! {":name": name}, |row| row.get(0)).optional()?)
}

pub fn insert_secret(db: &Connection, name: &str, value: &[u8]) -> Result<(), Error> {
    const SQL: &str = "INSERT INTO secrets (name, value) VALUES (:name, :value)";
    db.execute(SQL, named_params! {":name": name, ":value": value})?;
    Ok(())
}

pub fn external_user(db: &Connection, issuer: &str, subject: &str) -> Result<Option<UserId>, Error> {
    const SQL: &str = "SELECT user_id FROM external_users WHERE issuer = :issuer AND subject = :subject";
    let params = named_params! {":issuer": issuer, ":subject": subject};
    Ok(db.prepare_cached(SQL)?.query_row(params, |row| parsed(row, 0)).optional()?)
}

pub fn is_external_user(db: &Connection, issuer: &str, user_id: UserId) -> Result<bool, Error> {
    const SQL: &str = "SELECT count(*) FROM external_users WHERE issuer = :issuer AND user_id = :user";
    let params = named_params! {":issuer": issuer, ":user": user_id.to_string()};
    Ok(db.prepare_cached(SQL)?.query_row(params, |row| row.get::<_, i64>(0))? > 0)
}

pub fn insert_external_user(
    db: &Connection,
    issuer: &str,
    subject: &str,
    user_id: UserId,
) -> Result<(), Error> {
    const SQL: &str =
        "INSERT INTO external_users (issuer, subject, user_id) VALUES (:issuer, :subject, :user)";
    db.execute(SQL, named_params! {":issuer": issuer, ":subject": subject, ":user": user_id.to_string()})?;
    Ok(())
}

pub fn external_workspace(
    db: &Connection,
    issuer: &str,
    external_id: &str,
) -> Result<Option<WorkspaceId>, Error> {
    const SQL: &str =
        "SELECT workspace_id FROM external_workspaces WHERE issuer = :issuer AND external_id = :external_id";
    let params = named_params! {":issuer": issuer, ":external_id": external_id};
    Ok(db.prepare_cached(SQL)?.query_row(params, |row| parsed(row, 0)).optional()?)
}

pub fn insert_external_workspace(
    db: &Connection,
    issuer: &str,
    external_id: &str,
    workspace_id: WorkspaceId,
) -> Result<(), Error> {
    const SQL: &str = "INSERT INTO external_workspaces (issuer, external_id, workspace_id)
        VALUES (:issuer, :external_id, :workspace)";
    db.execute(
        SQL,
        named_params! {":issuer": issuer, ":external_id": external_id, ":workspace": workspace_id.to_string()},
    )?;
    Ok(())
}
