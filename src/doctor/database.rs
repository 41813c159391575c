//! The databases: whether they are whole, and whether this program knows their schema.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::Check;
use crate::clock::Timestamp;
use crate::{auth, notify, store};

const BUSY: Duration = Duration::from_secs(5);

/// A checkpoint empties the WAL again and again; one of this size was not emptied for long.
const LARGE_WAL: u64 = 1 << 30;

pub struct Databases {
    pub checks: Vec<Check>,
    /// The latest time that is written down in them.
    pub latest: Option<Timestamp>,
}

struct Kind {
    file: &'static str,
    /// The schema that this program knows.
    schema: i64,
    /// The latest time in it.
    latest: &'static str,
}

const KINDS: [Kind; 3] = [
    Kind {
        file: "control.db",
        schema: auth::SCHEMA,
        latest: "SELECT max(at) FROM (
            SELECT max(created_at) AS at FROM users
            UNION ALL SELECT max(created_at) FROM api_keys UNION ALL SELECT max(last_used_at) FROM api_keys
            UNION ALL SELECT max(last_used_at) FROM sessions UNION ALL SELECT max(created_at) FROM setup_codes)",
    },
    Kind { file: "weir.db", schema: store::SCHEMA, latest: "SELECT max(active_at) FROM conversations" },
    Kind { file: "notify.db", schema: notify::SCHEMA, latest: "SELECT max(created_at) FROM deliveries" },
];

pub fn check(data: &Path) -> Databases {
    let mut databases = Databases { checks: Vec::new(), latest: None };
    for kind in KINDS {
        let path = data.join(kind.file);
        let found = match path.exists() {
            true => examine(&path, &kind),
            false => Ok((Check::ok(kind.file, "is made at the first start"), None)),
        };
        let (check, latest) = found.unwrap_or_else(|error| (unreadable(&kind, &error), None));
        databases.checks.push(check);
        databases.latest = databases.latest.max(latest);
    }
    databases
}

fn examine(path: &Path, kind: &Kind) -> rusqlite::Result<(Check, Option<Timestamp>)> {
    let file = kind.file;
    let db = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    db.busy_timeout(BUSY)?;
    let schema: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let health: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if health != "ok" {
        return Ok((damaged(file, &health), None));
    }
    if schema > kind.schema {
        let found = format!("has schema {schema}, and this program knows up to {}", kind.schema);
        let advice = "start the newer program that wrote it, or restore a backup from before the upgrade";
        return Ok((Check::fail(file, found, advice), None));
    }
    if schema < kind.schema {
        let found = format!("whole; schema {schema} is brought to {} at the next start", kind.schema);
        return Ok((Check::warn(file, found, "make a backup before that: there is no way back"), None));
    }
    let latest: Option<i64> = db.query_row(kind.latest, [], |row| row.get(0))?;
    let (main, wal) = (size(path), size(&path.with_extension("db-wal")));
    let found = format!("whole, schema {schema}, {}, and {} in its log", bytes(main), bytes(wal));
    let check = match wal >= LARGE_WAL {
        true => Check::warn(file, found, "end programs that keep the database open, and restart the server"),
        false => Check::ok(file, found),
    };
    Ok((check, latest.map(Timestamp::from_millis)))
}

fn unreadable(kind: &Kind, error: &rusqlite::Error) -> Check {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => damaged(kind.file, &error.to_string()),
        _ => Check::fail(
            kind.file,
            format!("cannot be read: {error}"),
            "run doctor as the user that Weir runs as; else look for trouble with the disk in the system's log",
        ),
    }
}

fn damaged(file: &str, how: &str) -> Check {
    let how = how.replace('\n', " ");
    let advice = "stop the server, keep a copy of the whole data directory, and restore a backup";
    Check::fail(file, format!("is damaged: {how}"), advice)
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// For people: in the largest unit of which there is at least one.
pub fn bytes(count: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let unit = units.into_iter().find(|(size, _)| count >= *size);
    unit.map_or_else(|| format!("{count} bytes"), |(size, name)| format!("{} {name}", count / size))
}
