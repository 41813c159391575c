//! The other side of a tool behind HTTP: it counts what reaches it, and misbehaves when told to.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use weir::tool::{HttpTool, HttpToolConfig, Outcome, Tool};

use crate::call::invocation;
use crate::names::Names;

/// A request as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Received {
    pub headers: BTreeMap<String, String>,
    pub body: Value,
}

impl Received {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// An HTTP server that gives its answers in turn, the last one for ever.
pub struct Shop {
    pub address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
}

pub type Answer = fn() -> Response;

impl Shop {
    pub async fn open(answers: &[Answer]) -> Self {
        let received = Arc::<Mutex<Vec<Received>>>::default();
        let answers: Arc<[Answer]> = answers.into();
        let handle = move |State(received): State<Arc<Mutex<Vec<Received>>>>,
                           headers: HeaderMap,
                           body: Bytes| async move {
            let headers = headers.iter().map(|(name, value)| {
                (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            });
            let body = serde_json::from_slice(&body).unwrap();
            let mut received = received.lock().unwrap();
            received.push(Received { headers: headers.collect(), body });
            answers[(received.len() - 1).min(answers.len() - 1)]()
        };
        let app = Router::new().fallback(handle).with_state(received.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, received }
    }

    pub async fn answering(answer: Answer) -> Self {
        Self::open(&[answer]).await
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

/// What a server does that speaks no HTTP by itself, once a request is there.
#[derive(Debug, Clone, Copy)]
pub enum Misbehaviour {
    /// Says this and closes.
    Says(&'static str),
    /// Says this and falls silent.
    Hangs(&'static str),
    /// Says this, then a letter every 20 ms, for ever.
    Dribbles(&'static str),
}

pub struct Rogue {
    pub address: SocketAddr,
    requests: Arc<AtomicUsize>,
    hung_up: Arc<Notify>,
}

impl Rogue {
    pub async fn open(misbehaviour: Misbehaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (requests, hung_up) = (Arc::<AtomicUsize>::default(), Arc::<Notify>::default());
        let (counter, notify) = (requests.clone(), hung_up.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (counter, notify) = (counter.clone(), notify.clone());
                tokio::spawn(async move {
                    misbehave(stream, misbehaviour, &counter).await;
                    notify.notify_one();
                });
            }
        });
        Self { address, requests, hung_up }
    }

    /// Whole requests that came.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// Waits until a connection is over.
    pub async fn hung_up(&self) {
        self.hung_up.notified().await;
    }
}

async fn misbehave(mut stream: TcpStream, misbehaviour: Misbehaviour, requests: &AtomicUsize) {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    // The body of every call ends like this.
    while !request.ends_with(b"}") {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(read) => request.extend_from_slice(&buffer[..read]),
        }
    }
    requests.fetch_add(1, Ordering::SeqCst);
    let text = match misbehaviour {
        Misbehaviour::Says(text) | Misbehaviour::Hangs(text) | Misbehaviour::Dribbles(text) => text,
    };
    if stream.write_all(text.as_bytes()).await.is_err() {
        return;
    }
    match misbehaviour {
        Misbehaviour::Says(_) => {}
        Misbehaviour::Hangs(_) => std::future::pending().await,
        Misbehaviour::Dribbles(_) => {
            while stream.write_all(b"a").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

/// A tool whose operator vouches for the address.
pub fn config(address: SocketAddr) -> HttpToolConfig {
    serde_json::from_value(json!({
        "url": format!("http://{address}/refund"),
        "description": "Refund an order",
        "schema": { "type": "object" },
        "timeout": "20s",
        "allow_private_address": true,
    }))
    .unwrap()
}

pub fn made(config: &HttpToolConfig) -> HttpTool {
    named(config, Vec::new())
}

/// The tool, in a world where every name has these addresses.
pub fn named(config: &HttpToolConfig, addresses: Vec<SocketAddr>) -> HttpTool {
    HttpTool::new("refund", config, &|_| None, Arc::new(Names(addresses))).unwrap()
}

pub async fn run(tool: &dyn Tool) -> Outcome {
    tool.run(invocation(json!({ "order": "A-1" }))).await
}

pub fn text(status: u16, body: &'static str) -> Response {
    (axum::http::StatusCode::from_u16(status).unwrap(), body).into_response()
}
