//! A client of one connection that costs little and hides nothing: what is timed is the server.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::Value;

use crate::process::ROOT_KEY;

const PATIENCE: Duration = Duration::from_secs(60);

pub struct Client {
    socket: TcpStream,
    bearer: String,
    buffer: Vec<u8>,
}

pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> anyhow::Result<Value> {
        if !(200..300).contains(&self.status) {
            bail!("status {}: {}", self.status, String::from_utf8_lossy(&self.body));
        }
        Ok(serde_json::from_slice(&self.body)?)
    }
}

impl Client {
    pub fn connect(address: &str) -> anyhow::Result<Self> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { socket, bearer: ROOT_KEY.to_owned(), buffer: Vec::new() })
    }

    /// Goes on in somebody else's name.
    pub fn named(self, bearer: &str) -> Self {
        Self { bearer: bearer.to_owned(), ..self }
    }

    pub fn get(&mut self, path: &str) -> anyhow::Result<Answer> {
        self.send("GET", path, "application/json", None)?;
        self.answer()
    }

    pub fn post(&mut self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.ask(path, body)?;
        self.answer()
    }

    /// Sends, and leaves the answer for [`Self::answer`].
    pub fn ask(&mut self, path: &str, body: &Value) -> anyhow::Result<()> {
        self.send("POST", path, "application/json", Some(body))
    }

    /// Sends a file.
    pub fn upload(&mut self, path: &str, file: &[u8]) -> anyhow::Result<Answer> {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/octet-stream\r\nContent-Length: {}\r\n\r\n",
            self.bearer,
            file.len()
        );
        self.socket.write_all(head.as_bytes())?;
        self.socket.write_all(file)?;
        self.answer()
    }

    pub fn delete(&mut self, path: &str) -> anyhow::Result<Answer> {
        self.send("DELETE", path, "application/json", None)?;
        self.answer()
    }

    /// Sends and reads the answer, a whole event stream, to its end.
    pub fn post_for_stream(&mut self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.send("POST", path, "text/event-stream", Some(body))?;
        self.answer()
    }

    /// Asks for an event stream; returns how long it took until `needle` had come.
    pub fn time_until(&mut self, path: &str, needle: &str) -> anyhow::Result<Duration> {
        let began = Instant::now();
        self.follow(path)?;
        self.read_until(needle)?;
        Ok(began.elapsed())
    }

    /// Asks for an event stream, to be read by [`Self::read_until`].
    pub fn follow(&mut self, path: &str) -> anyhow::Result<()> {
        self.send("GET", path, "text/event-stream", None)
    }

    /// Reads on until `needle` has come, and drops everything up to its end.
    pub fn read_until(&mut self, needle: &str) -> anyhow::Result<()> {
        let mut searched = 0;
        loop {
            if let Some(at) = memchr::memmem::find(&self.buffer[searched..], needle.as_bytes()) {
                self.buffer.drain(..searched + at + needle.len());
                return Ok(());
            }
            searched = self.buffer.len().saturating_sub(needle.len());
            self.fill()?;
            if self.buffer.starts_with(b"HTTP/1.1 4") {
                bail!("refused: {}", String::from_utf8_lossy(&self.buffer));
            }
        }
    }

    fn send(&mut self, method: &str, path: &str, accept: &str, body: Option<&Value>) -> anyhow::Result<()> {
        self.socket.write_all(&request_of(&self.bearer, method, path, accept, body))?;
        Ok(())
    }

    fn fill(&mut self) -> anyhow::Result<()> {
        let mut chunk = [0; 64 * 1024];
        match self.socket.read(&mut chunk)? {
            0 => bail!("the connection was closed"),
            read => self.buffer.extend_from_slice(&chunk[..read]),
        }
        Ok(())
    }

    pub fn answer(&mut self) -> anyhow::Result<Answer> {
        let head_end = self.find(0, b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&self.buffer[..head_end]).to_ascii_lowercase();
        let status = head.get(9..12).context("no status")?.parse()?;
        let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let mut at = head_end + 4;
        let mut body = Vec::new();
        if field("transfer-encoding:") == Some("chunked") {
            loop {
                let line_end = self.find(at, b"\r\n")?;
                let size = usize::from_str_radix(std::str::from_utf8(&self.buffer[at..line_end])?, 16)?;
                let end = line_end + 2 + size;
                self.fill_to(end + 2)?;
                body.extend_from_slice(&self.buffer[line_end + 2..end]);
                at = end + 2;
                if size == 0 {
                    break;
                }
            }
        } else {
            let length: usize = field("content-length:").unwrap_or("0").parse()?;
            self.fill_to(at + length)?;
            body.extend_from_slice(&self.buffer[at..at + length]);
            at += length;
        }
        self.buffer.drain(..at);
        Ok(Answer { status, body })
    }

    fn find(&mut self, from: usize, needle: &[u8]) -> anyhow::Result<usize> {
        loop {
            if let Some(at) = memchr::memmem::find(&self.buffer[from..], needle) {
                return Ok(from + at);
            }
            self.fill()?;
        }
    }

    fn fill_to(&mut self, length: usize) -> anyhow::Result<()> {
        while self.buffer.len() < length {
            self.fill()?;
        }
        Ok(())
    }
}

/// The bytes of a request in the name of the root key.
pub fn request(method: &str, path: &str, accept: &str, body: Option<&Value>) -> Vec<u8> {
    request_of(ROOT_KEY, method, path, accept, body)
}

fn request_of(bearer: &str, method: &str, path: &str, accept: &str, body: Option<&Value>) -> Vec<u8> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {bearer}\r\nAccept: {accept}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    (head + &body).into_bytes()
}
