//! A mock of OpenAI's chat completions. The model's name says how it answers:
//!
//! - `instant`: one delta, with the time when the request was seen;
//! - `paced-50`: so many deltas a second until told to finish;
//! - `unpaced-1000`: so many deltas, as fast as they are read (`unpaced-0`: until told to finish);
//! - `calls-clock-16`: so many calls of that tool in one step, and `instant` once it is told what came of them.
//!
//! It is a tool server too: whatever is asked of `/tool` has been done.

mod pacer;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::stamp;
use pacer::Pacer;

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n";
const MODELS: &str =
    r#"{"object":"list","data":[{"id":"instant","object":"model","context_length":128000}]}"#;

/// What the streams of this process share.
#[derive(Debug, Default)]
struct Shared {
    /// Deltas that were written.
    written: AtomicU64,
    /// Streams that are open.
    open: AtomicU64,
    /// Grows with each order to finish; a stream ends when it is past its own.
    finished: AtomicU64,
}

#[derive(Debug, Clone)]
enum Plan {
    Instant,
    Paced { per_second: u32 },
    Unpaced { deltas: u64 },
    Calls { tool: String, count: usize },
}

impl Plan {
    fn of(model: &str) -> Option<Self> {
        match model.split_once('-') {
            None => (model == "instant").then_some(Self::Instant),
            Some(("paced", rate)) => Some(Self::Paced { per_second: rate.parse().ok()? }),
            Some(("unpaced", deltas)) => Some(Self::Unpaced { deltas: deltas.parse().ok()? }),
            Some(("calls", what)) => {
                let (tool, count) = what.split_once('-')?;
                Some(Self::Calls { tool: tool.to_owned(), count: count.parse().ok()? })
            }
            Some(_) => None,
        }
    }
}

/// Serves until standard input ends; says its address first.
pub fn run() -> anyhow::Result<()> {
    let shared = Arc::new(Shared::default());
    let pacer = Pacer::start(shared.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        println!("{}", listener.local_addr()?);
        std::thread::spawn(crate::process::exit_with_stdin);
        loop {
            let (socket, _) = listener.accept().await?;
            socket.set_nodelay(true)?;
            // Whoever breaks off, breaks off.
            tokio::spawn(serve(socket, shared.clone(), pacer.clone()));
        }
    })
}

async fn serve(mut socket: TcpStream, shared: Arc<Shared>, pacer: Pacer) -> anyhow::Result<()> {
    let mut buffer = Vec::new();
    while let Some(request) = read_request(&mut socket, &mut buffer).await? {
        let seen = stamp::now();
        let text = String::from_utf8_lossy(&request);
        let path = text.split(' ').nth(1).unwrap_or_default();
        if path.ends_with("/models") {
            reply(&mut socket, MODELS).await?;
        } else if path == "/tool" {
            reply(&mut socket, r#"{"done":true}"#).await?;
        } else if path == "/finish" {
            shared.finished.fetch_add(1, Ordering::Relaxed);
            reply(&mut socket, "{}").await?;
        } else if path == "/stats" {
            let (written, open) =
                (shared.written.load(Ordering::Relaxed), shared.open.load(Ordering::Relaxed));
            reply(&mut socket, &format!("{{\"written\":{written},\"open\":{open}}}")).await?;
        } else {
            let model = text.split("\"model\":\"").nth(1).and_then(|rest| rest.split('"').next());
            let Some(plan) = Plan::of(model.unwrap_or_default()) else { anyhow::bail!("an unknown model") };
            match plan {
                Plan::Instant => answer_at_once(&mut socket, seen).await?,
                Plan::Paced { per_second } => {
                    socket.write_all(format!("{HEAD}Connection: close\r\n\r\n").as_bytes()).await?;
                    pacer.take(socket.into_std()?, per_second);
                    return Ok(());
                }
                Plan::Calls { .. } if is_told(&request) => answer_at_once(&mut socket, seen).await?,
                Plan::Calls { tool, count } => answer_with_calls(&mut socket, &tool, count).await?,
                Plan::Unpaced { deltas } => answer_unpaced(&mut socket, deltas, &shared).await?,
            }
        }
    }
    Ok(())
}

/// One request with its body; `None` once the connection is closed.
async fn read_request(socket: &mut TcpStream, buffer: &mut Vec<u8>) -> anyhow::Result<Option<Vec<u8>>> {
    loop {
        if let Some(end) = memchr::memmem::find(buffer, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
            let length = head.split("content-length:").nth(1).and_then(|rest| rest.lines().next());
            let length: usize = length.map_or(Ok(0), |length| length.trim().parse())?;
            let whole = end + 4 + length;
            if buffer.len() >= whole {
                let rest = buffer.split_off(whole);
                return Ok(Some(std::mem::replace(buffer, rest)));
            }
        }
        if socket.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

async fn reply(socket: &mut TcpStream, json: &str) -> std::io::Result<()> {
    let length = json.len();
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n");
    socket.write_all((head + json).as_bytes()).await
}

async fn answer_at_once(socket: &mut TcpStream, seen: u64) -> std::io::Result<()> {
    let mut answer = format!("{HEAD}\r\n").into_bytes();
    push_delta(&mut answer, seen);
    push_end(&mut answer, "stop");
    socket.write_all(&answer).await
}

/// Whether the last message is what came of a call.
fn is_told(request: &[u8]) -> bool {
    let body = memchr::memmem::find(request, b"\r\n\r\n").map_or(request, |end| &request[end + 4..]);
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let last = body["messages"].as_array().and_then(|messages| messages.last());
    last.is_some_and(|last| last["role"] == "tool")
}

async fn answer_with_calls(socket: &mut TcpStream, tool: &str, count: usize) -> std::io::Result<()> {
    let mut answer = format!("{HEAD}\r\n").into_bytes();
    for index in 0..count {
        push_call(&mut answer, tool, index);
    }
    push_end(&mut answer, "tool_calls");
    socket.write_all(&answer).await
}

async fn answer_unpaced(socket: &mut TcpStream, deltas: u64, shared: &Shared) -> std::io::Result<()> {
    let mine = shared.finished.load(Ordering::Relaxed);
    let goes_on = || shared.finished.load(Ordering::Relaxed) == mine;
    shared.open.fetch_add(1, Ordering::Relaxed);
    let mut bytes = format!("{HEAD}\r\n").into_bytes();
    let mut left = if deltas == 0 { u64::MAX } else { deltas };
    while left > 0 && goes_on() {
        push_delta(&mut bytes, stamp::now());
        left -= 1;
        let written = socket.write_all(&bytes).await;
        if written.is_err() {
            shared.open.fetch_sub(1, Ordering::Relaxed);
            return written;
        }
        shared.written.fetch_add(1, Ordering::Relaxed);
        bytes.clear();
    }
    shared.open.fetch_sub(1, Ordering::Relaxed);
    push_end(&mut bytes, "stop");
    socket.write_all(&bytes).await
}

/// One chunk with one event, as long as OpenAI's are; the text has 16 bytes.
fn push_delta(out: &mut Vec<u8>, at: u64) {
    const BEFORE: &str = concat!(
        "data: {\"id\":\"chatcmpl-C7Qk3vY0pXn2ZbL8mJr5TdWs1HfGa\",\"object\":\"chat.completion.chunk\",",
        "\"created\":1760000000,\"model\":\"mock-2025-08-07\",\"service_tier\":\"default\",",
        "\"system_fingerprint\":\"fp_3f8d2c71ab\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\""
    );
    const AFTER: &str = " of\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n";
    let length = BEFORE.len() + stamp::STAMP + AFTER.len();
    write!(out, "{length:x}\r\n{BEFORE}").expect("memory takes it");
    stamp::write(out, at);
    write!(out, "{AFTER}\r\n").expect("memory takes it");
}

/// One chunk with a whole call. A time zone is what the clock takes, and whatever else is called takes anything.
fn push_call(out: &mut Vec<u8>, tool: &str, index: usize) {
    let function = json!({"name": tool, "arguments": r#"{"timezone":"Europe/Berlin"}"#});
    let call =
        json!({"index": index, "id": format!("call_{index}"), "type": "function", "function": function});
    let choice = json!({"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": null});
    let chunk = json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [choice]});
    let event = format!("data: {chunk}\n\n");
    write!(out, "{:x}\r\n{event}\r\n", event.len()).expect("memory takes it");
}

fn push_end(out: &mut Vec<u8>, finish: &str) {
    const BEFORE: &str = concat!(
        "data: {\"id\":\"chatcmpl-C7Qk3vY0pXn2ZbL8mJr5TdWs1HfGa\",\"object\":\"chat.completion.chunk\",",
        "\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\""
    );
    const AFTER: &str = "\"}],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":9,\"total_tokens\":18}}\n\ndata: [DONE]\n\n";
    let length = BEFORE.len() + finish.len() + AFTER.len();
    write!(out, "{length:x}\r\n{BEFORE}{finish}{AFTER}\r\n0\r\n\r\n").expect("memory takes it");
}
