//! The disk under the data: how much is free, and how long it takes until something is durable. And open files.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::statvfs;
use rustix::process::{Resource, getrlimit};

use super::Check;
use super::database::bytes;

const LITTLE: u64 = 2 << 30;
const TOO_LITTLE: u64 = 256 << 20;

/// A commit waits for one of these; people notice several.
const SLOW: Duration = Duration::from_millis(20);

/// No disk that waits for its medium is as fast as this.
const TOO_FAST: Duration = Duration::from_micros(5);

const WRITES: usize = 15;

/// Every stream and socket takes one.
const FEW_FILES: u64 = 4096;

pub fn check(data: &Path) -> Vec<Check> {
    let exists = data.is_dir();
    let place = data.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("."));
    let mut checks = vec![free(place)];
    if exists {
        checks.push(durable(place));
    }
    checks.push(open_files());
    checks
}

fn free(place: &Path) -> Check {
    const NAME: &str = "free space";
    let found = match statvfs(place) {
        Ok(found) => found,
        Err(error) => return Check::warn(NAME, format!("cannot be told: {error}"), "look with df"),
    };
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    let words = format!("{} of {}", bytes(free), bytes(found.f_blocks.saturating_mul(found.f_frsize)));
    let advice = "make room: on a full disk nothing more is stored, and nobody can send";
    // A file system without a fixed number of files says 0 of 0.
    if found.f_files > 0 && found.f_favail == 0 {
        return Check::fail(NAME, "no more files can be made (inodes)", advice);
    }
    match free {
        ..TOO_LITTLE => Check::fail(NAME, words, advice),
        TOO_LITTLE..LITTLE => Check::warn(NAME, words, advice),
        LITTLE.. => Check::ok(NAME, words),
    }
}

fn durable(place: &Path) -> Check {
    const NAME: &str = "fsync";
    let mut times = match time_writes(place) {
        Ok(times) => times,
        Err(error) => {
            return Check::fail(
                NAME,
                format!("a file could not be made durable in {}: {error}", place.display()),
                "look for trouble with the disk in the system's log",
            );
        }
    };
    times.sort_unstable();
    let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
    let found = format!("{median:.1?} in the middle, {worst:.1?} at worst");
    match median {
        median if median >= SLOW => Check::warn(
            NAME,
            found,
            "every answer waits for it: use a faster disk, and no network file system",
        ),
        median if median < TOO_FAST => Check::warn(
            NAME,
            format!("{found}: that is memory, not a disk"),
            "put the data on a disk: what is acknowledged here is lost with the machine",
        ),
        _ => Check::ok(NAME, found),
    }
}

fn time_writes(place: &Path) -> io::Result<Vec<Duration>> {
    let path = place.join(format!(".doctor-{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    // Gone from the directory at once, and from the disk when it is closed.
    std::fs::remove_file(&path)?;
    let mut times = Vec::new();
    for _ in 0..WRITES {
        file.write_all(&[0; 4096])?;
        let began = Instant::now();
        file.sync_data()?;
        times.push(began.elapsed());
    }
    Ok(times)
}

fn open_files() -> Check {
    const NAME: &str = "open files";
    let limit = getrlimit(Resource::Nofile).current;
    match limit {
        Some(limit) if limit < FEW_FILES => Check::warn(
            NAME,
            format!("at most {limit}, and each stream takes one"),
            "raise the limit: LimitNOFILE= in a systemd unit, ulimit -n in a shell",
        ),
        Some(limit) => Check::ok(NAME, format!("at most {limit}")),
        None => Check::ok(NAME, "as many as there are"),
    }
}
