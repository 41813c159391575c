//! The real server in a process and a data directory of its own, to be killed and started again.

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::TcpStream;

use super::client::Client;
use super::within;

pub const ROOT_KEY: &str = "weir_root_key_of_the_black_box_suites_0123456789";

/// What a server says when it has come to the failpoint that it was armed with.
const REACHED: &str = "failpoint reached";

/// Often enough not to be noticed, seldom enough not to be a load.
const POLL: Duration = Duration::from_millis(3);

/// Whether the server is ready is asked again after so long.
const READY_WITHIN: Duration = Duration::from_secs(1);

pub struct Server {
    dir: tempfile::TempDir,
    port: u16,
    child: Option<Child>,
    /// What all its processes wrote to standard error.
    said: Arc<Mutex<String>>,
}

/// How a start went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    Ready,
    Stopped,
}

impl Server {
    /// A server with this `weir.toml`, ready to answer.
    pub async fn start(config: &str) -> Self {
        let mut server = Self::new(config);
        server.restart().await;
        server
    }

    /// Not running yet.
    pub fn new(config: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory can be made");
        std::fs::write(dir.path().join("weir.toml"), config).expect("the configuration can be written");
        Self { dir, port: free_port(), child: None, said: Arc::default() }
    }

    /// Starts it and waits until it takes work; what was cut off is closed by then.
    pub async fn restart(&mut self) {
        let started = self.restart_or_stop().await;
        assert_eq!(started, Started::Ready, "a failpoint is in the way:\n{}", self.said.lock());
    }

    /// Starts it, and waits until it takes work or has come to the failpoint that it is armed with.
    pub async fn restart_or_stop(&mut self) -> Started {
        self.spawn();
        within("the server to start", async {
            loop {
                if self.is_stopped() {
                    return Started::Stopped;
                }
                if self.is_ready().await {
                    return Started::Ready;
                }
                if let Some(status) = self.exited() {
                    panic!("the server did not start ({status}):\n{}", self.said.lock());
                }
                tokio::time::sleep(POLL).await;
            }
        })
        .await
    }

    async fn is_ready(&self) -> bool {
        // Cheaper than a request, until there is somebody.
        if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await.is_err() {
            return false;
        }
        // A server that is stopped at a failpoint may accept and never answer.
        let ready =
            reqwest::Client::new().get(format!("{}/readyz", self.base())).timeout(READY_WITHIN).send().await;
        ready.is_ok_and(|response| response.status() == 200)
    }

    fn spawn(&mut self) {
        assert!(self.child.is_none(), "it is running already");
        let mut child = self.command().stderr(Stdio::piped()).spawn().expect("the server can be started");
        let mut stderr = child.stderr.take().expect("standard error is piped");
        let said = self.said.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = stderr.read(&mut buffer) {
                said.lock().push_str(&String::from_utf8_lossy(&buffer[..read]));
            }
        });
        self.child = Some(child);
    }

    /// `weir serve` on this data directory, as a second process would run it.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
        command
            .arg("serve")
            .current_dir(self.dir.path())
            .env_clear()
            .env("WEIR_DATA", self.data())
            .env("WEIR_LISTEN", format!("127.0.0.1:{}", self.port))
            .env("WEIR_ROOT_KEY", ROOT_KEY)
            .env("WEIR_FAILPOINT_FILE", self.failpoint_file())
            .env("WEIR_CLOCK_FILE", self.dir.path().join("clock"))
            .env("RUST_BACKTRACE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// From its next start on, its clock shows so much more than that of this machine.
    pub fn move_clock(&self, by: Duration) {
        std::fs::write(self.dir.path().join("clock"), by.as_millis().to_string())
            .expect("the clock can be moved");
    }

    /// Not even a chance to say goodbye.
    pub fn kill9(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        child.kill().expect("a process that was started can be killed");
        child.wait().expect("a process that was started can be waited for");
    }

    pub fn sigterm(&self) {
        let pid = self.child.as_ref().expect("it is running").id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().expect("`kill` can be run");
        assert!(sent.success(), "SIGTERM could not be sent");
    }

    /// Waits until it has ended by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        let status = within("the server to end", async {
            loop {
                if let Some(status) = self.exited() {
                    return status;
                }
                tokio::time::sleep(POLL).await;
            }
        })
        .await;
        self.child = None;
        status
    }

    fn exited(&mut self) -> Option<ExitStatus> {
        let child = self.child.as_mut().expect("it was started");
        child.try_wait().expect("a process that was started can be waited for")
    }

    /// Stops a thread of the running server for good when it comes to this failpoint for the `hit`th time from now.
    pub fn arm(&self, failpoint: &str, hit: u32) {
        assert!(weir::failpoint::names().any(|name| name == failpoint), "no failpoint is called {failpoint}");
        self.disarm();
        let next = self.dir.path().join("failpoint.next");
        std::fs::write(&next, format!("{failpoint} {hit}")).expect("the failpoint can be named");
        std::fs::rename(next, self.failpoint_file()).expect("the failpoint can be armed");
    }

    pub fn disarm(&self) {
        // What was reached before must not be taken for the next one.
        let mut said = self.said.lock();
        *said = said.replace(REACHED, "failpoint was reached");
        drop(said);
        // It may never have been armed.
        let _ = std::fs::remove_file(self.failpoint_file());
    }

    /// Whether the armed failpoint was reached.
    pub fn is_stopped(&self) -> bool {
        self.said.lock().contains(REACHED)
    }

    pub fn said(&self) -> String {
        self.said.lock().clone()
    }

    fn failpoint_file(&self) -> PathBuf {
        self.dir.path().join("failpoint")
    }
    /// A command of the operator on its data: whether it went well, and what it printed.
    pub fn operate(&self, arguments: &[&str]) -> (bool, String, String) {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_weir"))
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            .env("WEIR_DATA", self.data())
            .output()
            .expect("it can be run");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it prints text");
        (output.status.success(), text(output.stdout), text(output.stderr))
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn client(&self) -> Client {
        Client::new(self.base(), ROOT_KEY)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill9();
        if std::thread::panicking() {
            eprintln!("--- the server said:\n{}---", self.said.lock());
        }
    }
}

/// Below the range from which the kernel gives ports to connections, so that nobody takes it while the server is
/// down.
fn free_port() -> u16 {
    const FIRST: u16 = 10_000;
    const COUNT: u16 = 20_000;
    static TRIED: AtomicU16 = AtomicU16::new(0);
    let own = (std::process::id() % u32::from(COUNT)) as u16;
    for _ in 0..COUNT {
        let next = own.wrapping_add(TRIED.fetch_add(1, Ordering::Relaxed).wrapping_mul(37)) % COUNT;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, FIRST + next)).is_ok() {
            return FIRST + next;
        }
    }
    panic!("no port is free");
}
