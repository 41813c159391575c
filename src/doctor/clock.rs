//! The clock, against what was written down earlier.

use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use super::Check;
use crate::clock::Timestamp;

const NAME: &str = "clock";

/// Files and rows that were written a moment ago may be this much ahead.
const TOLERANCE: Duration = Duration::from_secs(5);

/// 2026-01-01: no version of Weir is older.
const EARLIEST: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// `written` is the latest time in the databases.
pub fn check(now: Timestamp, data: &Path, written: Option<Timestamp>) -> Check {
    let latest = written.max(newest_file(data));
    let behind = latest.map_or(Duration::ZERO, |latest| latest.since(now));
    let advice = "set the clock, and keep it with NTP (timedatectl): sessions, keys and tokens expire by it";
    if behind > TOLERANCE {
        let seconds = behind.as_secs();
        let latest = latest.unwrap_or(now);
        return Check::fail(
            NAME,
            format!("{now} is {seconds} s before what is stored already ({latest})"),
            advice,
        );
    }
    if now < EARLIEST {
        return Check::fail(NAME, format!("{now} cannot be right"), advice);
    }
    Check::ok(NAME, format!("{now}, not before anything that is stored"))
}

fn newest_file(data: &Path) -> Option<Timestamp> {
    let entries = std::fs::read_dir(data).ok()?;
    let modified = |entry: std::io::Result<std::fs::DirEntry>| {
        let since = entry.ok()?.metadata().ok()?.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(Timestamp::from_millis(i64::try_from(since.as_millis()).ok()?))
    };
    entries.filter_map(modified).max()
}
