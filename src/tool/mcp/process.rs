//! A server that is a process of ours: started in a group of its own, heard on its standard error, and ended whole.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use secrecy::ExposeSecret;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;
use tracing::info;

use super::McpConfig;

/// Of our environment, what programs cannot do without.
const PASSED_ON: [&str; 9] = ["PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SHELL"];

/// Between closing its input, asking it to end, and ending it.
const PATIENCE: Duration = Duration::from_secs(2);

/// Of a line on standard error; the rest of it is left out.
const MOST_LINE_BYTES: u64 = 2000;

/// The process and all that it started. Dropped, they are killed.
pub(super) struct Process {
    child: Child,
    group: Option<Pid>,
}

pub(super) struct Pipes {
    pub input: ChildStdin,
    pub output: ChildStdout,
    pub errors: ChildStderr,
}

impl Process {
    pub(super) fn start(
        program: &str,
        arguments: &[String],
        config: &McpConfig,
    ) -> std::io::Result<(Self, Pipes)> {
        let mut command = Command::new(program);
        command.args(arguments).env_clear();
        for name in PASSED_ON.into_iter().chain(config.env_vars.iter().map(String::as_str)) {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        for (name, value) in &config.env {
            command.env(name, value.expose_secret());
        }
        if let Some(directory) = &config.cwd {
            command.current_dir(directory);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.process_group(0).kill_on_drop(true).spawn()?;
        let (Some(input), Some(output), Some(errors)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(std::io::Error::other("the process has no pipes"));
        };
        let group = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        Ok((Self { child, group }, Pipes { input, output, errors }))
    }

    /// Waits a moment for it to end now that its input is closed, asks it to, and then ends it.
    pub(super) async fn end(mut self) {
        if timeout(PATIENCE, self.child.wait()).await.is_err() {
            self.signal(Signal::TERM);
            // Whatever came of it: what is left is killed.
            let _ = timeout(PATIENCE, self.child.wait()).await;
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // It fails where nobody is left.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// Puts what the process says on standard error into the log, for as long as it says anything.
pub(super) async fn log(server: &str, errors: ChildStderr) {
    let mut lines = BufReader::new(errors);
    loop {
        let mut line = Vec::new();
        let mut bounded = (&mut lines).take(MOST_LINE_BYTES);
        match bounded.read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        if line.last() != Some(&b'\n') && skip_line(&mut lines).await.is_none() {
            return;
        }
        let text = String::from_utf8_lossy(&line);
        let text: String =
            text.trim_end().chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        if !text.is_empty() {
            info!(server, text, "an MCP server says");
        }
    }
}

/// Reads up to the end of the line without keeping it. `None` at the end of everything.
async fn skip_line(lines: &mut BufReader<ChildStderr>) -> Option<()> {
    loop {
        let buffered = lines.fill_buf().await.ok().filter(|buffered| !buffered.is_empty())?;
        let end = memchr::memchr(b'\n', buffered);
        let read = end.map_or(buffered.len(), |end| end + 1);
        lines.consume(read);
        if end.is_some() {
            return Some(());
        }
    }
}
