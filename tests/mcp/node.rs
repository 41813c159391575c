//! Programs of the npm registry that the tests talk to. Where they are missing, the tests fail and say so.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::{Child, Command};

use crate::support::within;

/// The absolute path: the server under test has no `PATH`.
pub fn node() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found =
        std::env::split_paths(&path).map(|directory| directory.join("node")).find(|file| file.is_file());
    found.expect("Node 20 or newer is needed for the tests of MCP, and there is none on the PATH")
}

pub fn package(file: &str) -> PathBuf {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mcp/node/node_modules").join(file);
    assert!(file.exists(), "{} is missing; install it with: make mcp-packages", file.display());
    file
}

pub fn everything() -> PathBuf {
    package("@modelcontextprotocol/server-everything/dist/index.js")
}

/// The same server over streamable HTTP. Killed when it is dropped.
pub struct OverHttp {
    pub child: Child,
    pub port: u16,
}

impl OverHttp {
    pub async fn start(port: u16) -> Self {
        let mut command = Command::new(node());
        command.arg(everything()).arg("streamableHttp").env("PORT", port.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let child = command.spawn().expect("node can be started");
        within("the MCP server to listen", async {
            while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        })
        .await;
        Self { child, port }
    }
}

pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it listens").port()
}
