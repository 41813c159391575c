//! The data directory, and the lock that keeps two processes from working in it.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A data directory that this process has to itself, until it drops this.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("another weir{} works in {}; there can be only one", .pid.as_deref().map(|pid| format!(" (process {pid})")).unwrap_or_default(), .path.display())]
    InUse { path: PathBuf, pid: Option<String> },
    #[error("cannot use {} as the data directory: {source}", .path.display())]
    Unusable { path: PathBuf, source: io::Error },
}

impl DataDir {
    /// Creates the directory where it is missing (0700), and takes its lock.
    pub fn lock(path: &Path) -> Result<Self, Error> {
        let unusable = |source| Error::Unusable { path: path.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unusable)?;
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).read(true).write(true).mode(0o600);
        let mut lock = options.open(path.join("weir.lock")).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let pid = read_pid(&mut lock);
                return Err(Error::InUse { path: path.to_owned(), pid });
            }
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
        write_pid(&mut lock).map_err(unusable)?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn weir_db(&self) -> PathBuf {
        self.path.join("weir.db")
    }

    pub fn notify_db(&self) -> PathBuf {
        self.path.join("notify.db")
    }

    pub fn imports(&self) -> PathBuf {
        self.path.join("imports")
    }

    /// The search index.
    pub fn search(&self) -> PathBuf {
        self.path.join("search")
    }

    pub fn files(&self) -> PathBuf {
        self.path.join("files")
    }

    /// What signs this server in at MCP servers.
    pub fn mcp(&self) -> PathBuf {
        self.path.join("mcp")
    }

    pub fn control_db(&self) -> PathBuf {
        self.path.join("control.db")
    }
}

/// A process that has a data directory to itself.
#[derive(Debug)]
pub struct Worker {
    pub pid: Option<String>,
}

/// Who works in the directory, if anyone does. Makes nothing.
pub fn worker(path: &Path) -> io::Result<Option<Worker>> {
    let mut lock = match File::open(path.join("weir.lock")) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    // Shared, and let go of at once: a server that starts in this very moment is the only one that it could hinder.
    match lock.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => Ok(Some(Worker { pid: read_pid(&mut lock) })),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// For people only: the lock itself is the kernel's, and ends with the process.
fn write_pid(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{}", std::process::id())
}

fn read_pid(lock: &mut File) -> Option<String> {
    let mut text = String::new();
    lock.take(20).read_to_string(&mut text).ok()?;
    text.trim().parse::<u32>().ok().map(|pid| pid.to_string())
}
