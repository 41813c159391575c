//! The SQL of `control.db`: opening it, and its rows as values.

pub mod sign_in;
pub mod token;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, named_params};
use rusqlite_migration::{M, MigrationDefinitionError, Migrations};

use super::key::KeyHash;
use super::{ApiKey, Error, Membership, User, Workspace};
use crate::clock::Timestamp;
use crate::id::{KeyId, UserId, WorkspaceId};
use crate::scope::WorkspaceRole;

const STEPS: &[M<'_>] = &[
    M::up(include_str!("../../../migrations/control/0001_init.sql")),
    M::up(include_str!("../../../migrations/control/0002_sign_in.sql")),
    M::up(include_str!("../../../migrations/control/0003_tokens.sql")),
    M::up(include_str!("../../../migrations/control/0004_session_addresses.sql")),
];

/// The version of the tables that this program knows.
pub const SCHEMA: i64 = STEPS.len() as i64;

/// Opens or creates the database: readable by its owner only, durable at each commit, its schema the newest.
pub fn open(path: &Path) -> Result<Connection, Error> {
    // SQLite gives its -wal and -shm files the mode of the database.
    OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
    let mut db = Connection::open(path)?;
    db.busy_timeout(Duration::from_secs(5))?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "foreign_keys", true)?;

    let health: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if health != "ok" {
        return Err(Error::Corrupt(health));
    }
    match Migrations::from_slice(STEPS).to_latest(&mut db) {
        Err(rusqlite_migration::Error::MigrationDefinition(
            MigrationDefinitionError::DatabaseTooFarAhead,
        )) => Err(Error::NewerSchema),
        migrated => Ok(migrated.map(|()| db)?),
    }
}

/// The workspace and the owner of the first start, if there was one.
pub fn installation(db: &Connection) -> Result<Option<(WorkspaceId, UserId)>, Error> {
    const SQL: &str = "SELECT workspace_id, owner_id FROM installation WHERE id = 1";
    Ok(db.query_row(SQL, [], |row| Ok((parsed(row, 0)?, parsed(row, 1)?))).optional()?)
}

pub fn insert_installation(
    db: &Connection,
    workspace: WorkspaceId,
    owner: UserId,
    now: Timestamp,
) -> Result<(), Error> {
    const SQL: &str = "INSERT INTO installation (id, workspace_id, owner_id, created_at)
        VALUES (1, :workspace, :owner, :now)";
    db.execute(
        SQL,
        named_params! {":workspace": workspace.to_string(), ":owner": owner.to_string(), ":now": now.millis()},
    )?;
    Ok(())
}

pub fn insert_workspace(db: &Connection, workspace: &Workspace) -> Result<(), Error> {
    const SQL: &str = "INSERT INTO workspaces (id, name, created_at) VALUES (:id, :name, :created_at)
        ON CONFLICT (name) DO NOTHING";
    let inserted = db.execute(
        SQL,
        named_params! {
            ":id": workspace.id.to_string(),
            ":name": workspace.name,
            ":created_at": workspace.created_at.millis(),
        },
    )?;
    if inserted == 1 { Ok(()) } else { Err(Error::NameTaken(workspace.name.clone())) }
}

pub fn workspaces(db: &Connection) -> Result<Vec<Workspace>, Error> {
    const SQL: &str = "SELECT id, name, created_at FROM workspaces ORDER BY id";
    let from_row =
        |row: &Row| Ok(Workspace { id: parsed(row, 0)?, name: row.get(1)?, created_at: time(row, 2)? });
    Ok(db.prepare_cached(SQL)?.query_map([], from_row)?.collect::<Result<_, _>>()?)
}

/// The user and the memberships that it names.
pub fn insert_user(db: &Connection, user: &User) -> Result<(), Error> {
    const USER: &str = "INSERT INTO users (id, name, created_at) VALUES (:id, :name, :created_at)";
    const MEMBERSHIP: &str = "INSERT INTO memberships (workspace_id, user_id, role, created_at)
        VALUES (:workspace, :user, :role, :created_at)";
    let (id, created_at) = (user.id.to_string(), user.created_at.millis());
    db.execute(USER, named_params! {":id": id, ":name": user.name, ":created_at": created_at})?;
    for membership in &user.memberships {
        db.execute(
            MEMBERSHIP,
            named_params! {
                ":workspace": membership.workspace_id.to_string(),
                ":user": id,
                ":role": role_name(membership.role),
                ":created_at": created_at,
            },
        )?;
    }
    Ok(())
}

/// Makes the user a member, or a member of at least that role.
pub fn raise_membership(
    db: &Connection,
    membership: Membership,
    user_id: UserId,
    now: Timestamp,
) -> Result<(), Error> {
    const SQL: &str = "INSERT INTO memberships (workspace_id, user_id, role, created_at)
        VALUES (:workspace, :user, :role, :now)
        ON CONFLICT (workspace_id, user_id) DO UPDATE SET role = :role
        WHERE :rank > CASE role WHEN 'owner' THEN 3 WHEN 'admin' THEN 2 WHEN 'member' THEN 1 ELSE 0 END";
    let rank = match membership.role {
        WorkspaceRole::Viewer => 0,
        WorkspaceRole::Member => 1,
        WorkspaceRole::Admin => 2,
        WorkspaceRole::Owner => 3,
    };
    db.execute(
        SQL,
        named_params! {
            ":workspace": membership.workspace_id.to_string(), ":user": user_id.to_string(),
            ":role": role_name(membership.role), ":rank": rank, ":now": now.millis(),
        },
    )?;
    Ok(())
}

pub fn users(db: &Connection) -> Result<Vec<User>, Error> {
    const SQL: &str = "SELECT id, name, users.created_at, suspended_at, workspace_id, role
        FROM users LEFT JOIN memberships ON memberships.user_id = users.id ORDER BY id, workspace_id";
    let mut users: Vec<User> = Vec::new();
    let mut statement = db.prepare_cached(SQL)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let user = user_from_row(row)?;
        match users.last_mut().filter(|last| last.id == user.id) {
            Some(last) => last.memberships.extend(user.memberships),
            None => users.push(user),
        }
    }
    Ok(users)
}

pub fn user(db: &Connection, id: UserId) -> Result<Option<User>, Error> {
    const SQL: &str = "SELECT id, name, users.created_at, suspended_at, workspace_id, role
        FROM users LEFT JOIN memberships ON memberships.user_id = users.id
        WHERE users.id = :id ORDER BY workspace_id";
    let mut statement = db.prepare_cached(SQL)?;
    let rows = statement.query_map(named_params! {":id": id.to_string()}, user_from_row)?;
    let parts: Vec<User> = rows.collect::<Result<_, _>>()?;
    Ok(parts.into_iter().reduce(|mut user, part| {
        user.memberships.extend(part.memberships);
        user
    }))
}

pub fn set_suspended(db: &Connection, id: UserId, at: Option<Timestamp>) -> Result<(), Error> {
    const SQL: &str = "UPDATE users SET suspended_at = :at WHERE id = :id";
    db.execute(SQL, named_params! {":at": at.map(Timestamp::millis), ":id": id.to_string()})?;
    Ok(())
}

/// A key as it is kept, with what decides whether it lets anyone in.
pub struct KeyRow {
    pub key: ApiKey,
    pub hash: KeyHash,
    pub role: WorkspaceRole,
    pub suspended: bool,
}

pub fn keys(db: &Connection) -> Result<Vec<KeyRow>, Error> {
    const SQL: &str = "SELECT k.id, k.workspace_id, k.user_id, k.name, k.prefix, k.permissions, k.created_at,
            k.expires_at, k.revoked_at, k.last_used_at, k.hash, m.role, u.suspended_at IS NOT NULL
        FROM api_keys k JOIN memberships m USING (workspace_id, user_id) JOIN users u ON u.id = k.user_id
        ORDER BY k.id";
    Ok(db.prepare_cached(SQL)?.query_map([], key_from_row)?.collect::<Result<_, _>>()?)
}

pub fn insert_key(db: &Connection, key: &ApiKey, hash: &KeyHash) -> Result<(), Error> {
    const SQL: &str = "INSERT INTO api_keys
            (id, workspace_id, user_id, name, prefix, hash, permissions, created_at, expires_at)
        VALUES (:id, :workspace, :user, :name, :prefix, :hash, :permissions, :created_at, :expires_at)";
    db.execute(
        SQL,
        named_params! {
            ":id": key.id.to_string(),
            ":workspace": key.workspace_id.to_string(),
            ":user": key.user_id.to_string(),
            ":name": key.name,
            ":prefix": key.prefix,
            ":hash": hash.0,
            ":permissions": serde_json::to_string(&key.permissions).expect("permissions are plain strings"),
            ":created_at": key.created_at.millis(),
            ":expires_at": key.expires_at.map(Timestamp::millis),
        },
    )?;
    Ok(())
}

/// A key that was revoked before keeps the time of the first.
pub fn revoke_key(db: &Connection, id: KeyId, now: Timestamp) -> Result<(), Error> {
    const SQL: &str = "UPDATE api_keys SET revoked_at = :now WHERE id = :id AND revoked_at IS NULL";
    db.execute(SQL, named_params! {":now": now.millis(), ":id": id.to_string()})?;
    Ok(())
}

pub fn touch_key(db: &Connection, id: KeyId, used: Timestamp) -> Result<(), Error> {
    const SQL: &str = "UPDATE api_keys SET last_used_at = :used WHERE id = :id";
    db.prepare_cached(SQL)?.execute(named_params! {":used": used.millis(), ":id": id.to_string()})?;
    Ok(())
}

fn user_from_row(row: &Row) -> rusqlite::Result<User> {
    let membership = match row.get_ref(4)? {
        rusqlite::types::ValueRef::Null => None,
        _ => Some(Membership { workspace_id: parsed(row, 4)?, role: role(row, 5)? }),
    };
    Ok(User {
        id: parsed(row, 0)?,
        name: row.get(1)?,
        created_at: time(row, 2)?,
        suspended_at: optional_time(row, 3)?,
        memberships: membership.into_iter().collect(),
    })
}

fn key_from_row(row: &Row) -> rusqlite::Result<KeyRow> {
    let permissions: String = row.get(5)?;
    Ok(KeyRow {
        key: ApiKey {
            id: parsed(row, 0)?,
            workspace_id: parsed(row, 1)?,
            user_id: parsed(row, 2)?,
            name: row.get(3)?,
            prefix: row.get(4)?,
            permissions: serde_json::from_str(&permissions).map_err(|error| bad(5, error))?,
            created_at: time(row, 6)?,
            expires_at: optional_time(row, 7)?,
            revoked_at: optional_time(row, 8)?,
            last_used_at: optional_time(row, 9)?,
        },
        hash: KeyHash(row.get(10)?),
        role: role(row, 11)?,
        suspended: row.get(12)?,
    })
}

fn parsed<T>(row: &Row, column: usize) -> rusqlite::Result<T>
where
    T: FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    row.get_ref(column)?.as_str()?.parse().map_err(|error| bad(column, error))
}

fn time(row: &Row, column: usize) -> rusqlite::Result<Timestamp> {
    Ok(Timestamp::from_millis(row.get(column)?))
}

fn optional_time(row: &Row, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_millis))
}

fn role(row: &Row, column: usize) -> rusqlite::Result<WorkspaceRole> {
    match row.get_ref(column)?.as_str()? {
        "viewer" => Ok(WorkspaceRole::Viewer),
        "member" => Ok(WorkspaceRole::Member),
        "admin" => Ok(WorkspaceRole::Admin),
        "owner" => Ok(WorkspaceRole::Owner),
        other => Err(bad(column, format!("`{other}` is not a role"))),
    }
}

const fn role_name(role: WorkspaceRole) -> &'static str {
    match role {
        WorkspaceRole::Viewer => "viewer",
        WorkspaceRole::Member => "member",
        WorkspaceRole::Admin => "admin",
        WorkspaceRole::Owner => "owner",
    }
}

fn bad(column: usize, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into())
}
