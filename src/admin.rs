//! What an operator does from the command line: keys, users, workspaces.
//!
//! A command runs where the data directory's lock is: in the running server, asked over `admin.sock`, or in the
//! process of the command itself while no server runs. One request and one answer per line, as JSON.

mod audit;
mod command;
mod probe;
mod search;
mod socket;
mod transfer;

pub use audit::{AuditError, export_audit, verify_audit};
pub use command::{Answer, Command, Found, Refused, Status};
pub use probe::probe;
pub use socket::{Listener, ask, ask_for_export, serve};
pub use transfer::{Desk, export};

use std::path::Path;
use std::time::{Duration, Instant};

use crate::auth::Directory;
use crate::clock::Clock;
use crate::data_dir::{self, DataDir};

/// How long a server may take from its lock to its socket.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error(transparent)]
    DataDir(#[from] data_dir::Error),
    #[error(transparent)]
    Directory(#[from] crate::auth::Error),
    #[error("{in_use}, and it does not answer on its admin.sock: {source}")]
    NoAnswer { in_use: data_dir::Error, source: std::io::Error },
}

/// Runs a command on the data directory: here if its lock is free, else in the server that holds it.
pub fn run(data: &Path, command: &Command) -> Result<Answer, Error> {
    run_within(PATIENCE, data, command)
}

fn run_within(patience: Duration, data: &Path, command: &Command) -> Result<Answer, Error> {
    let start = Instant::now();
    loop {
        let in_use = match DataDir::lock(data) {
            Ok(dir) => return Ok(command.run(&Directory::open(&dir.control_db(), Clock::System)?)?),
            Err(error @ data_dir::Error::InUse { .. }) => error,
            Err(error) => return Err(error.into()),
        };
        match ask(data, command) {
            Ok(answer) => return Ok(answer?),
            Err(source) if start.elapsed() > patience || !is_starting(&source) => {
                return Err(Error::NoAnswer { in_use, source });
            }
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// No socket yet, or the stale one of a server that was killed: whoever has the lock is about to make it.
fn is_starting(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused)
}

#[cfg(test)]
mod tests;
