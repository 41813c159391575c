//! Connections: how the database is opened, what its settings are, and what it must be.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, named_params};
use rusqlite_migration::{HookResult, M, Migrations};

use crate::chat::event::Epoch;
use crate::clock::Timestamp;
use crate::id::CallId;
use crate::store::error::Error;
use crate::store::record::{Alone, Replicate};

/// How a store is opened.
pub struct Options {
    pub path: PathBuf,
    /// The name of a registered SQLite VFS; absent: the system's.
    pub vfs: Option<String>,
    pub replica: Box<dyn Replicate>,
    /// Past so many bytes of open text, the oldest lets go of the journal.
    pub journal_limit: u64,
    /// How long a full disk is left alone before the next batch is tried.
    pub retry_full_after: Duration,
    pub readers: usize,
    /// The most jobs that wait in one lane.
    pub queue_limit: usize,
}

impl Options {
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            vfs: None,
            replica: Box::new(Alone),
            journal_limit: 64 << 20,
            retry_full_after: Duration::from_secs(1),
            readers: 3,
            queue_limit: 65_536,
        }
    }
}

impl Options {
    pub(super) fn place(&self) -> Place {
        Place { path: self.path.clone(), vfs: self.vfs.clone() }
    }
}

/// Where the connections of one store go.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub path: PathBuf,
    pub vfs: Option<String>,
}

const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/0001_init.sql"),
    include_str!("../../migrations/0002_trees.sql"),
    include_str!("../../migrations/0003_tools.sql"),
    include_str!("../../migrations/0004_rules.sql"),
    include_str!("../../migrations/0005_files.sql"),
    include_str!("../../migrations/0006_audit.sql"),
    include_str!("../../migrations/0007_questions.sql"),
    include_str!("../../migrations/0008_queue.sql"),
    include_str!("../../migrations/0009_resolved.sql"),
    include_str!("../../migrations/0010_rules_of_approvals.sql"),
    include_str!("../../migrations/0011_search.sql"),
    include_str!("../../migrations/0012_reaches.sql"),
    include_str!("../../migrations/0013_covering.sql"),
    CALLS_OF_FORKS,
];
const CALLS_OF_FORKS: &str = include_str!("../../migrations/0014_calls_of_forks.sql");

/// The version of the tables that this program knows.
pub const SCHEMA: i64 = MIGRATIONS.len() as i64;

const STATEMENTS: usize = 128;
const BUSY: Duration = Duration::from_secs(5);
/// A checkpoint that finds readers at work comes again.
const PATIENCE: Duration = Duration::from_millis(250);

impl Place {
    pub fn writer(&self) -> Result<Connection, Error> {
        check_sqlite()?;
        if self.vfs.is_none() {
            // Its owner's alone, wherever it is copied to. SQLite gives its -wal and -shm files the same mode.
            OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&self.path)?;
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let mut conn = self.connect(flags)?;
        conn.pragma_update(None, "journal_mode", "WAL")?;
        conn.pragma_update(None, "synchronous", "FULL")?;
        // Checkpoints run on the keeper's connection, off the gate.
        conn.pragma_update(None, "wal_autocheckpoint", 0)?;
        conn.pragma_update(None, "secure_delete", true)?;
        conn.pragma_update(None, "cache_size", -65_536)?;
        // Savepoints keep what they may have to put back in memory, not in a file.
        conn.pragma_update(None, "temp_store", "MEMORY")?;
        migrate(&mut conn)?;
        Ok(conn)
    }

    pub fn keeper(&self) -> Result<Connection, Error> {
        let conn = self.connect(OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        conn.pragma_update(None, "synchronous", "FULL")?;
        conn.pragma_update(None, "wal_autocheckpoint", 0)?;
        conn.busy_timeout(PATIENCE)?;
        Ok(conn)
    }

    pub fn reader(&self) -> Result<Connection, Error> {
        let conn = self.connect(OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        conn.pragma_update(None, "query_only", true)?;
        conn.pragma_update(None, "cache_size", -16_384)?;
        Ok(conn)
    }

    fn connect(&self, flags: OpenFlags) -> Result<Connection, Error> {
        let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let path: &Path = &self.path;
        let conn = match &self.vfs {
            Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs.as_str())?,
            None => Connection::open_with_flags(path, flags)?,
        };
        conn.busy_timeout(BUSY)?;
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
        // Every reference is checked by the record that makes it.
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, false)?;
        // The keeper does it, unless the store is sealed.
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        conn.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(conn)
    }
}

/// Earlier ones may lose a commit when the WAL is reset (fixed in 3.51.3).
fn check_sqlite() -> Result<(), Error> {
    match rusqlite::version_number() >= 3_051_003 {
        true => Ok(()),
        false => Err(Error::OldSqlite { found: rusqlite::version() }),
    }
}

fn migrate(conn: &mut Connection) -> Result<(), Error> {
    let found: i64 = conn.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let known = MIGRATIONS.len() as i64;
    if found > known {
        return Err(Error::NewerSchema { found, known });
    }
    let migration = |sql: &&'static str| match *sql == CALLS_OF_FORKS {
        true => M::up_with_hook(sql, place_calls),
        false => M::up(sql),
    };
    let migrations = Migrations::new(MIGRATIONS.iter().map(migration).collect());
    Ok(migrations.to_latest(conn)?)
}

const SAID_OF_CALLS: &str = "
    SELECT seq, coalesce(body ->> '$.call_id', body ->> '$.call.id') FROM events
    WHERE conversation_id IN (SELECT origin_id FROM conversations WHERE origin_id IS NOT NULL)
      AND body ->> '$.type' LIKE 'tool.%'
    ORDER BY conversation_id, seq";

/// When each call of what was forked last changed, as its log has it.
fn place_calls(tx: &Transaction<'_>) -> HookResult {
    let mut said = tx.prepare(SAID_OF_CALLS)?;
    let mut place = tx.prepare("UPDATE calls SET seq = :seq WHERE id = :id")?;
    let mut rows = said.query([])?;
    while let Some(row) = rows.next()? {
        let (seq, id): (i64, Option<String>) = (row.get(0)?, row.get(1)?);
        if let Some(id) = id.and_then(|id| id.parse::<CallId>().ok()) {
            place.execute(named_params! {":seq": seq, ":id": id.as_bytes()})?;
        }
    }
    Ok(())
}

const EPOCH: &str = "SELECT value FROM meta WHERE key = 'epoch'";
const NEW_EPOCH: &str = "INSERT INTO meta (key, value) VALUES ('epoch', :epoch)";

/// Seconds since 1970 when the history began, so that a restored copy never takes one that was used before.
pub(super) fn epoch(conn: &Connection, now: Timestamp) -> Result<Epoch, Error> {
    let found: Option<i64> = conn.query_row(EPOCH, [], |row| row.get(0)).optional()?;
    let epoch = match found {
        Some(epoch) => epoch,
        None => {
            let epoch = now.millis().div_euclid(1000).max(1);
            conn.execute(NEW_EPOCH, named_params! {":epoch": epoch})?;
            epoch
        }
    };
    Ok(Epoch(epoch.unsigned_abs()))
}
