//! The processes of a measurement, each killed with its handle, and what the kernel counts for them.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::http::Client;

pub const ROOT_KEY: &str = "bench-bench-bench-bench-bench-bench";

/// A server that is not ready by then never will be.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// The kernel counts CPU time in hundredths of a second.
const TICKS_PER_SECOND: f64 = 100.0;

/// This program again, as another role. It ends when its standard input does.
#[derive(Debug)]
pub struct Role {
    process: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Role {
    pub fn start(arguments: &[&str]) -> anyhow::Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("a role cannot be started")?;
        let to = process.stdin.take().context("standard input is piped")?;
        let from = BufReader::new(process.stdout.take().context("standard output is piped")?);
        Ok(Self { process, to, from })
    }

    /// Writes lines, then waits for one.
    pub fn ask(&mut self, lines: &str) -> anyhow::Result<String> {
        self.to.write_all(lines.as_bytes())?;
        self.to.write_all(b"\n")?;
        self.hear()
    }

    pub fn hear(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        if self.from.read_line(&mut line)? == 0 {
            bail!("a role ended before it answered");
        }
        Ok(line.trim_end().to_owned())
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

/// What a role does beside its work: it does not outlive the one who started it.
pub fn exit_with_stdin() {
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    std::process::exit(0);
}

/// The release binary, serving.
#[derive(Debug)]
pub struct Server {
    process: Child,
    pub address: String,
}

impl Server {
    /// Serves what is in `directory`, which holds the configuration too.
    pub fn start(directory: &Path) -> anyhow::Result<Self> {
        let address = std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.to_string();
        let process = command(directory, &["serve"])
            .env("WEIR_LISTEN", &address)
            .env("WEIR_ROOT_KEY", ROOT_KEY)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .context("the server cannot be started")?;
        let mut server = Self { process, address };
        server.wait_until_ready()?;
        Ok(server)
    }

    fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let began = Instant::now();
        while began.elapsed() < READY_WITHIN {
            if let Some(status) = self.process.try_wait()? {
                bail!("the server ended at its start: {status}");
            }
            let ready = Client::connect(&self.address).and_then(|mut client| client.get("/readyz"));
            if ready.is_ok_and(|answer| answer.status == 200) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("the server was not ready within {READY_WITHIN:?}")
    }

    pub fn client(&self) -> anyhow::Result<Client> {
        Client::connect(&self.address)
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Asks it to stop, and waits until it has.
    pub fn stop(mut self) -> anyhow::Result<()> {
        let id = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(id, rustix::process::Signal::TERM)?;
        self.process.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

/// The release binary, in the directory of a server.
pub fn command(directory: &Path, arguments: &[&str]) -> Command {
    let binary = std::env::var("WEIR_BENCH_SERVER").unwrap_or_else(|_| env!("CARGO_BIN_EXE_weir").to_owned());
    let mut command = Command::new(binary);
    command.args(arguments).current_dir(directory).env("WEIR_DATA", directory.join("data"));
    command
}

fn end(process: &mut Child) {
    // It may have ended on its own.
    let _ = process.kill();
    let _ = process.wait();
}

/// CPU time of a process, its own and the kernel's for it, in seconds.
pub fn cpu_seconds(id: u32) -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
    // The command's name may hold anything, but the last parenthesis closes it.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: f64 = fields.skip(11).take(2).map(|field| field.parse().unwrap_or(0.0)).sum();
    Ok(ticks / TICKS_PER_SECOND)
}

/// Resident memory of a process in bytes.
pub fn resident_bytes(id: u32) -> anyhow::Result<f64> {
    memory(id, "VmRSS:")
}

/// The most that it was since [`forget_most_resident`].
pub fn most_resident_bytes(id: u32) -> anyhow::Result<f64> {
    memory(id, "VmHWM:")
}

pub fn forget_most_resident(id: u32) -> anyhow::Result<()> {
    Ok(std::fs::write(format!("/proc/{id}/clear_refs"), "5")?)
}

/// What of it is nobody else's, as pages of mapped files are.
pub fn anonymous_bytes(id: u32) -> anyhow::Result<f64> {
    memory(id, "RssAnon:")
}

fn memory(id: u32, name: &str) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).context("no such line")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib * 1024.0)
}

/// As many open files as the system lets us have; roles and servers inherit it.
pub fn raise_open_files() -> anyhow::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    Ok(())
}
