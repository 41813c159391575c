//! A directory in which `weir` is run as an operator runs it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

pub struct Site {
    pub dir: tempfile::TempDir,
}

impl Site {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Who may do what with a file, as soon as it is there: a server makes some of them with its first write.
    pub fn mode(&self, path: &str) -> u32 {
        let start = Instant::now();
        loop {
            match fs::metadata(self.dir.path().join(path)) {
                Ok(found) => return found.permissions().mode() & 0o777,
                Err(_) if start.elapsed() < Duration::from_secs(20) => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(error) => panic!("{path}: {error}"),
            }
        }
    }

    /// `weir` in this directory, with an environment of its own.
    pub fn weir(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
        command.args(arguments).current_dir(self.dir.path()).env_clear().stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.weir(arguments).output().unwrap()
    }

    /// What a command that succeeds prints.
    pub fn printed(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn serve(&self) -> Server {
        self.serve_with(|_| {})
    }

    pub fn serve_with(&self, change: impl FnOnce(&mut Command)) -> Server {
        let mut command = self.weir(&["serve", "--listen", "127.0.0.1:0"]);
        command.env("OPENAI_API_KEY", "unused").stdout(Stdio::null()).stderr(Stdio::null());
        change(&mut command);
        let server = Server(command.spawn().unwrap());
        let start = Instant::now();
        while !answers(&self.data()) {
            assert!(start.elapsed() < Duration::from_secs(20), "the server did not open its admin.sock");
            std::thread::sleep(Duration::from_millis(10));
        }
        server
    }
}

pub fn answers(data: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(data.join("admin.sock")).is_ok()
}

pub struct Server(pub Child);

impl Server {
    pub fn terminate(mut self) -> Option<i32> {
        Command::new("kill").arg(self.0.id().to_string()).status().unwrap();
        self.0.wait().unwrap().code()
    }

    pub fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
