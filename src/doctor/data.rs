//! The data directory, its lock, and the server that may hold it.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::{Access, access};

use super::Check;
use crate::admin::{self, Answer, Command};
use crate::data_dir::{self, Worker};

/// The checks, and the server that works in the directory if one does.
pub fn check(data: &Path) -> (Vec<Check>, Option<Worker>) {
    let directory = directory(data);
    if !data.is_dir() {
        return (vec![directory], None);
    }
    match data_dir::worker(data) {
        Ok(Some(worker)) => (vec![directory, server(data, &worker)], Some(worker)),
        Ok(None) => (vec![directory, Check::ok("server", "none is running on this data")], None),
        Err(error) => {
            let found = format!("the lock of {} cannot be looked at: {error}", data.display());
            (vec![directory, Check::fail("server", found, AS_THE_SERVER)], None)
        }
    }
}

const AS_THE_SERVER: &str = "run doctor as the user that Weir runs as, and give that user the directory";

fn directory(data: &Path) -> Check {
    const NAME: &str = "data directory";
    let shown = data.display();
    let metadata = match std::fs::metadata(data) {
        Ok(metadata) if metadata.is_dir() => metadata,
        Ok(_) => {
            return Check::fail(NAME, format!("{shown} is no directory"), "move it away, or set server.data");
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return missing(data),
        Err(error) => return Check::fail(NAME, format!("{shown}: {error}"), AS_THE_SERVER),
    };
    if let Err(error) = access(data, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK) {
        return Check::fail(NAME, format!("{shown} cannot be written to: {error}"), AS_THE_SERVER);
    }
    let mode = metadata.permissions().mode() & 0o777;
    match mode & 0o077 {
        0 => Check::ok(NAME, format!("{shown}, for its owner alone")),
        _ => Check::warn(
            NAME,
            format!("{shown} may be opened by other users of this machine (mode {mode:o})"),
            format!("chmod 700 {shown}"),
        ),
    }
}

/// The first start makes it, if it can.
fn missing(data: &Path) -> Check {
    const NAME: &str = "data directory";
    let above = data.ancestors().skip(1).find(|path| path.is_dir()).unwrap_or(Path::new("."));
    match access(above, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => Check::ok(NAME, format!("{} is made at the first start", data.display())),
        Err(error) => Check::fail(
            NAME,
            format!("{} cannot be made in {}: {error}", data.display(), above.display()),
            "make it for the user that Weir runs as, or set server.data",
        ),
    }
}

fn server(data: &Path, worker: &Worker) -> Check {
    const NAME: &str = "server";
    let process =
        worker.pid.as_deref().map_or_else(|| "a process".to_owned(), |pid| format!("process {pid}"));
    match admin::ask(data, &Command::Status) {
        Ok(Ok(Answer::Status(status))) if status.version != env!("CARGO_PKG_VERSION") => Check::warn(
            NAME,
            format!("{process} is weir {}, and this is {}", status.version, env!("CARGO_PKG_VERSION")),
            "restart the server to complete the upgrade",
        ),
        Ok(Ok(Answer::Status(_))) => Check::ok(NAME, format!("{process} holds the lock, and answers")),
        Ok(_) => Check::warn(NAME, format!("{process} is another version of weir"), "restart the server"),
        Err(error) => Check::fail(
            NAME,
            format!("{process} holds the lock, and does not answer on its admin.sock: {error}"),
            "wait if it is just starting; else look at its log, and end it",
        ),
    }
}
