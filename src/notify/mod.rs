//! Whom the server tells by itself, and what is still to be told: webhooks and mail, in `notify.db`.
//!
//! Durable on its own: what is to be told is written down with how far the feed was read, in one transaction, and is
//! told at least once. Nothing here sends anything; `runtime/notify` does.

mod address;
mod delivery;
mod mail;
mod row;
mod signature;
mod webhook;

pub use address::{Address, Code};
pub use delivery::{Attempt, Delivery, DeliveryState, Due, Fresh, Moved, Patience};
pub use mail::DueMail;
pub use signature::{Secret, sign};
pub use webhook::{Changes, Follower, NewWebhook, Topic, Webhook};

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::Connection;
use rusqlite_migration::{M, Migrations};
use tokio::sync::watch;

const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/notify/0001_webhooks.sql"),
    include_str!("../../migrations/notify/0002_mail.sql"),
];

/// The version of the tables that this program knows.
pub const SCHEMA: i64 = MIGRATIONS.len() as i64;

const BUSY: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("notify.db says: {0}")]
    Database(#[from] rusqlite::Error),
    #[error("the schema of notify.db could not be brought up to date: {0}")]
    Migration(#[from] rusqlite_migration::Error),
    #[error("notify.db has schema {found}, this program knows up to {known}: start a newer program")]
    NewerSchema { found: i64, known: i64 },
    #[error("notify.db could not be reached: {0}")]
    Io(#[from] std::io::Error),
    #[error("a workspace has at most {most} webhooks")]
    TooMany { most: usize },
}

/// A handle on the database; clones share it. Every call waits for the disk.
#[derive(Debug, Clone)]
pub struct Notices(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    db: Mutex<Connection>,
    changed: watch::Sender<u64>,
}

impl Notices {
    pub fn open(path: &Path) -> Result<Self, Error> {
        // Its owner's alone: it holds secrets that sign.
        OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
        let mut db = Connection::open(path)?;
        db.busy_timeout(BUSY)?;
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", "FULL")?;
        db.pragma_update(None, "secure_delete", true)?;
        let found: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if found > SCHEMA {
            return Err(Error::NewerSchema { found, known: SCHEMA });
        }
        Migrations::new(MIGRATIONS.iter().map(|sql| M::up(sql)).collect()).to_latest(&mut db)?;
        Ok(Self(Arc::new(Inner { db: Mutex::new(db), changed: watch::Sender::new(0) })))
    }

    /// Changes whenever there may be something new to do.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    fn announce(&self) {
        self.0.changed.send_modify(|count| *count += 1);
    }
}
