//! `admin.sock`: the running server's side and the command's side.

use std::fs::{File, Permissions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use super::{Answer, Command, Refused};
use crate::auth::Directory;
use crate::data_dir::DataDir;

const NAME: &str = "admin.sock";

/// A request or an answer is one line, and no longer than this.
const LINE_BYTES: u64 = 4 << 20;

/// Of one request, on both sides.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Requests that are worked on at the same time.
const CONNECTIONS: usize = 16;

/// The longest path that fits into a socket's address on every Unix.
const PATH_BYTES: usize = 103;

/// The bound socket; its file goes away with it.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    path: PathBuf,
    /// Our own user id: nobody else but root is listened to.
    uid: u32,
}

impl Listener {
    /// Binds the socket, 0600. What is left of a server that was killed is removed: the lock says that it is dead.
    pub fn bind(dir: &DataDir) -> io::Result<Self> {
        let path = dir.path().join(NAME);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let socket = with_short_path(dir.path(), |short| UnixListener::bind(short))?;
        std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        let uid = std::fs::metadata(&path)?.uid();
        Ok(Self { socket, path, uid })
    }

    async fn accept(&self) -> io::Result<UnixStream> {
        let (stream, _) = self.socket.accept().await?;
        let peer = stream.peer_cred()?.uid();
        match peer == self.uid || peer == 0 {
            true => Ok(stream),
            false => Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("from user id {peer}"))),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // A file that stays is removed by the next start.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Answers commands until `shutdown` is ready.
pub async fn serve(listener: Listener, directory: &Directory, shutdown: impl Future<Output = ()>) {
    let mut shutdown = std::pin::pin!(shutdown);
    let mut open = FuturesUnordered::new();
    loop {
        tokio::select! {
            () = &mut shutdown => return,
            Some(()) = open.next() => {}
            accepted = listener.accept(), if open.len() < CONNECTIONS => match accepted {
                Ok(stream) => open.push(answer_in_time(stream, directory)),
                Err(error) => {
                    tracing::warn!(%error, "refused a connection to admin.sock");
                    // Where descriptors have run out, the next accept would fail at once.
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            },
        }
    }
}

async fn answer_in_time(stream: UnixStream, directory: &Directory) {
    match tokio::time::timeout(TIMEOUT, answer(stream, directory)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "a request on admin.sock failed"),
        Err(_) => tracing::warn!("a request on admin.sock took too long"),
    }
}

async fn answer(mut stream: UnixStream, directory: &Directory) -> io::Result<()> {
    let (read, mut write) = stream.split();
    let mut line = Vec::new();
    tokio::io::BufReader::new(read.take(LINE_BYTES)).read_until(b'\n', &mut line).await?;
    let answer = match serde_json::from_slice::<Command>(&line) {
        Ok(command) => command.run(directory),
        Err(error) => Err(Refused(format!("the server does not know this command: {error}"))),
    };
    let mut line = serde_json::to_vec(&answer)?;
    line.push(b'\n');
    write.write_all(&line).await?;
    write.shutdown().await
}

/// Asks the server that works in this data directory. The outer error: nobody answered.
pub fn ask(data: &Path, command: &Command) -> io::Result<Result<Answer, Refused>> {
    let mut stream = with_short_path(data, |short| BlockingStream::connect(short))?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let mut line = serde_json::to_vec(command)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = Vec::new();
    BufReader::new(stream.take(LINE_BYTES)).read_until(b'\n', &mut answer)?;
    if answer.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(serde_json::from_slice(&answer)?)
}

/// A socket's address holds about 100 bytes. A longer path is reached through the open directory, where the system
/// shows that in `/proc`.
fn with_short_path<T>(dir: &Path, act: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let path = dir.join(NAME);
    if path.as_os_str().len() <= PATH_BYTES {
        return act(&path);
    }
    let open = File::open(dir)?;
    let short = PathBuf::from(format!("/proc/self/fd/{}", open.as_raw_fd()));
    match short.exists() {
        true => act(&short.join(NAME)),
        false => Err(io::Error::new(
            io::ErrorKind::InvalidFilename,
            format!("{} is too long for a socket; use a data directory with a shorter path", path.display()),
        )),
    }
}
