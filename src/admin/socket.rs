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
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use super::transfer::{self, Desk};
use super::{Answer, Command, Refused};
use crate::auth::Directory;
use crate::data_dir::DataDir;
use crate::runtime::export::Export;

const NAME: &str = "admin.sock";

/// A request or an answer is one line, and no longer than this.
const LINE_BYTES: u64 = 4 << 20;

/// The longest piece of an export.
const PIECE: usize = 1 << 20;

/// Of one request; of an export, of each piece.
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
pub async fn serve(
    listener: Listener,
    directory: &Directory,
    desk: Option<&Desk>,
    shutdown: impl Future<Output = ()>,
) {
    let mut shutdown = std::pin::pin!(shutdown);
    let mut open = FuturesUnordered::new();
    loop {
        tokio::select! {
            () = &mut shutdown => return,
            Some(()) = open.next() => {}
            accepted = listener.accept(), if open.len() < CONNECTIONS => match accepted {
                Ok(stream) => open.push(answer(stream, directory, desk)),
                Err(error) => {
                    tracing::warn!(%error, "refused a connection to admin.sock");
                    // Where descriptors have run out, the next accept would fail at once.
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            },
        }
    }
}

async fn answer(stream: UnixStream, directory: &Directory, desk: Option<&Desk>) {
    if let Err(error) = try_answer(stream, directory, desk).await {
        tracing::warn!(%error, "a request on admin.sock failed");
    }
}

async fn try_answer(mut stream: UnixStream, directory: &Directory, desk: Option<&Desk>) -> io::Result<()> {
    let (read, mut write) = stream.split();
    let mut line = Vec::new();
    let mut lines = tokio::io::BufReader::new(read.take(LINE_BYTES));
    in_time(lines.read_until(b'\n', &mut line)).await?;
    let answer = match (serde_json::from_slice::<Command>(&line), desk) {
        (Ok(Command::Export { conversation, user, format }), Some(desk)) => {
            match transfer::export(&desk.runtime, directory, conversation, user.as_deref(), format).await {
                Ok(export) => return write_pieces(export, &mut write).await,
                Err(refused) => Err(refused),
            }
        }
        (Ok(Command::Import { path, user }), Some(desk)) => {
            in_time(async { Ok(desk.import(directory, path, user.as_deref()).await) }).await?
        }
        (Ok(Command::ImportStatus { id }), Some(desk)) => desk.import_status(id),
        (Ok(command), Some(desk)) => desk.run(directory, command).await,
        (Ok(command), None) => command.run(directory),
        (Err(error), _) => Err(Refused(format!("the server does not know this command: {error}"))),
    };
    let mut line = serde_json::to_vec(&answer)?;
    line.push(b'\n');
    in_time(write.write_all(&line)).await?;
    write.shutdown().await
}

async fn in_time<T>(act: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(TIMEOUT, act).await?
}

/// An export as pieces, each behind its length in four bytes; an empty one ends it. Whoever sees no end knows that it
/// broke off.
async fn write_pieces(mut export: Export, write: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
    in_time(write.write_all(b"\n")).await?;
    while let Some(piece) = export.next().await.map_err(io::Error::other)? {
        for piece in piece.chunks(PIECE) {
            in_time(write.write_u32(piece.len() as u32)).await?;
            in_time(write.write_all(piece)).await?;
        }
    }
    in_time(write.write_u32(0)).await?;
    write.shutdown().await
}

/// Has the server write an export to `out`. The outer error: nobody answered, or it broke off.
pub fn ask_for_export(
    data: &Path,
    command: &Command,
    out: &mut impl Write,
) -> io::Result<Result<(), Refused>> {
    let mut from = BufReader::new(send(data, command)?);
    let mut line = Vec::new();
    (&mut from).take(LINE_BYTES).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if line != b"\n" {
        let answer: Result<Answer, Refused> = serde_json::from_slice(&line)?;
        return Ok(answer.map(|_| ()));
    }
    loop {
        let mut length = [0; 4];
        from.read_exact(&mut length)?;
        let length = u64::from(u32::from_be_bytes(length));
        if length == 0 {
            return Ok(Ok(()));
        }
        if io::copy(&mut (&mut from).take(length), out)? < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Asks the server that works in this data directory. The outer error: nobody answered.
pub fn ask(data: &Path, command: &Command) -> io::Result<Result<Answer, Refused>> {
    let stream = send(data, command)?;
    let mut answer = Vec::new();
    BufReader::new(stream.take(LINE_BYTES)).read_until(b'\n', &mut answer)?;
    if answer.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(serde_json::from_slice(&answer)?)
}

fn send(data: &Path, command: &Command) -> io::Result<BlockingStream> {
    let mut stream = with_short_path(data, |short| BlockingStream::connect(short))?;
    stream.set_read_timeout(Some(command.patience()))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let mut line = serde_json::to_vec(command)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    Ok(stream)
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
