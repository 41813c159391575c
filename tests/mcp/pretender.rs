//! An MCP server over HTTP that does as the test says: it forgets sessions, changes its tools, breaks off, and lets
//! nobody in without a token of its own authorisation server. Arguments say how it does: `break`, or `wait ...` until it
//! is told to go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::{Body, Bytes};
use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use data_encoding::BASE64URL_NOPAD;
use futures_util::stream;
use parking_lot::Mutex;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use tokio::sync::{broadcast, watch};

use crate::support::within;

const POLL: Duration = Duration::from_millis(10);

#[derive(Clone)]
pub struct Pretender {
    inner: Arc<Inner>,
}

struct Inner {
    base: String,
    locked: bool,
    /// Speaks the revision without a handshake, and wants to know a name before it does anything.
    modern: bool,
    tools: Mutex<Vec<Value>>,
    called: Mutex<Vec<Value>>,
    session: AtomicUsize,
    /// The token that counts now, and how often one was given out by which grant.
    token: Mutex<Option<String>>,
    granted: Mutex<Vec<String>>,
    /// The challenge that belongs to the code `the-code`.
    challenge: Mutex<Option<String>>,
    lasts: AtomicUsize,
    /// The calls that are to wait no longer.
    released: watch::Sender<HashSet<String>>,
    /// What it says by itself, and what it is answered.
    says: broadcast::Sender<Value>,
    answers: Mutex<Vec<Value>>,
}

pub fn tool(name: &str, description: &str) -> Value {
    let schema = json!({"type": "object", "properties": {"how": {"type": "string"}}});
    json!({"name": name, "description": description, "inputSchema": schema})
}

impl Pretender {
    pub async fn open(tools: Vec<Value>) -> Self {
        Self::start(tools, false, false).await
    }

    pub async fn modern(tools: Vec<Value>) -> Self {
        Self::start(tools, false, true).await
    }

    /// With an authorisation server in front of it.
    pub async fn locked(tools: Vec<Value>) -> Self {
        Self::start(tools, true, false).await
    }

    async fn start(tools: Vec<Value>, locked: bool, modern: bool) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("it listens").port();
        let inner = Arc::new(Inner {
            base: format!("http://127.0.0.1:{port}"),
            locked,
            modern,
            tools: Mutex::new(tools),
            called: Mutex::default(),
            session: AtomicUsize::new(1),
            token: Mutex::default(),
            granted: Mutex::default(),
            challenge: Mutex::default(),
            lasts: AtomicUsize::new(3600),
            released: watch::Sender::default(),
            says: broadcast::Sender::new(16),
            answers: Mutex::default(),
        });
        let resource = get(|State(inner): State<Arc<Inner>>| async move {
            Json(json!({"resource": format!("{}/mcp", inner.base), "authorization_servers": [inner.base]}))
        });
        let router = Router::new()
            .route("/mcp", post(speak).get(say))
            .route("/away", post(|| async { (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, "/mcp")]) }))
            .route("/.well-known/oauth-protected-resource", resource.clone())
            .route("/.well-known/oauth-protected-resource/mcp", resource)
            .route("/.well-known/oauth-authorization-server", get(metadata))
            .route("/register", post(register))
            .route("/token", post(token))
            .with_state(inner.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { inner }
    }

    pub fn config(&self) -> String {
        format!("url = \"{}/mcp\"\nallow_private_address = true", self.inner.base)
    }

    pub fn called(&self) -> Vec<Value> {
        self.inner.called.lock().clone()
    }

    pub fn has(&self, tools: Vec<Value>) {
        *self.inner.tools.lock() = tools;
    }

    /// Ends the call that was told `wait ...`.
    pub fn release(&self, how: &str) {
        self.inner.released.send_modify(|released| released.extend([how.to_owned()]));
    }

    /// Asks for a name without saying for which call, and waits for the answer.
    pub async fn asks(&self) -> Value {
        let before = self.inner.answers.lock().len();
        let params = &wants_a_name()["inputRequests"]["who"]["params"];
        let question = json!({"jsonrpc": "2.0", "id": format!("question-{before}"), "method": "elicitation/create", "params": params});
        within("somebody to listen", async {
            while self.inner.says.send(question.clone()).is_err() {
                tokio::time::sleep(POLL).await;
            }
        })
        .await;
        within("the question to be answered", async {
            loop {
                if let Some(answer) = self.inner.answers.lock().get(before) {
                    return answer.clone();
                }
                tokio::time::sleep(POLL).await;
            }
        })
        .await
    }

    /// Whoever had a session has none any more.
    pub fn forget_sessions(&self) {
        self.inner.session.fetch_add(1, Ordering::SeqCst);
    }

    /// Tokens that are given out from now on.
    pub fn tokens_last(&self, seconds: usize) {
        self.inner.lasts.store(seconds, Ordering::SeqCst);
    }

    pub fn agrees_to(&self, challenge: &str) {
        *self.inner.challenge.lock() = Some(challenge.to_owned());
    }

    /// The grants by which tokens were given out.
    pub fn granted(&self) -> Vec<String> {
        self.inner.granted.lock().clone()
    }

    pub fn token(&self) -> Option<String> {
        self.inner.token.lock().clone()
    }
}

async fn speak(State(inner): State<Arc<Inner>>, headers: HeaderMap, Json(message): Json<Value>) -> Response {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = inner.token.lock().as_ref().map(|token| format!("Bearer {token}"));
    if inner.locked && (token.is_none() || bearer != token.as_deref()) {
        let challenge =
            format!("Bearer resource_metadata=\"{}/.well-known/oauth-protected-resource\"", inner.base);
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)]).into_response();
    }
    let session = format!("session-{}", inner.session.load(Ordering::SeqCst));
    if headers.get("mcp-session-id").is_some_and(|given| given != session.as_str()) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let Some(id) = message.get("id") else { return StatusCode::ACCEPTED.into_response() };
    if let Some(answer) = message.get("result") {
        inner.answers.lock().push(answer.clone());
        return StatusCode::ACCEPTED.into_response();
    }
    let params = &message["params"];
    let result = match message["method"].as_str() {
        Some("server/discover") if inner.modern => json!({
            "resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}},
            "ttlMs": 0, "cacheScope": "private",
        }),
        Some("initialize") if !inner.modern => json!({
            "protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}},
            "serverInfo": {"name": "pretender", "version": "1"},
        }),
        Some("tools/list") => page(&inner.tools.lock(), params["cursor"].as_str()),
        Some("tools/call") => {
            inner.called.lock().push(params.clone());
            if params["arguments"]["how"] == "break" {
                let broken =
                    stream::iter([Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("broken"))]);
                return ([(header::CONTENT_TYPE, "application/json")], Body::from_stream(broken))
                    .into_response();
            }
            if let Some(how) = params["arguments"]["how"].as_str().filter(|how| how.starts_with("wait")) {
                let mut released = inner.released.subscribe();
                released
                    .wait_for(|released| released.contains(how))
                    .await
                    .expect("it lives as long as the server");
            }
            match &params["inputResponses"]["who"] {
                Value::Null if inner.modern => wants_a_name(),
                answer if inner.modern => {
                    assert_eq!(params["requestState"], "the-state");
                    json!({"resultType": "complete", "content": [{"type": "text", "text": answer.to_string()}]})
                }
                _ => json!({"content": [{"type": "text", "text": "done"}]}),
            }
        }
        _ => {
            let error = json!({"code": -32601, "message": "Method not found"});
            return Json(json!({"jsonrpc": "2.0", "id": id, "error": error})).into_response();
        }
    };
    let answer = json!({"jsonrpc": "2.0", "id": id, "result": result});
    ([("mcp-session-id", session)], Json(answer)).into_response()
}

/// What belongs to no call, for whoever has a session.
async fn say(State(inner): State<Arc<Inner>>, headers: HeaderMap) -> Response {
    if !headers.contains_key("mcp-session-id") {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let said = stream::unfold(inner.says.subscribe(), |mut said| async {
        let message = said.recv().await.ok()?;
        Some((Ok::<_, std::convert::Infallible>(format!("data: {message}\n\n")), said))
    });
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(said)).into_response()
}

fn wants_a_name() -> Value {
    let schema = json!({"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]});
    let params = json!({"mode": "form", "message": "Who is it for?", "requestedSchema": schema});
    let who = json!({"method": "elicitation/create", "params": params});
    json!({"resultType": "input_required", "inputRequests": {"who": who}, "requestState": "the-state"})
}

/// Two at a time.
fn page(tools: &[Value], cursor: Option<&str>) -> Value {
    let from: usize = cursor.map_or(0, |cursor| cursor.parse().expect("a cursor of ours"));
    let to = (from + 2).min(tools.len());
    let mut page = json!({
        "resultType": "complete", "tools": tools[from..to], "ttlMs": 60_000, "cacheScope": "private",
    });
    if to < tools.len() {
        page["nextCursor"] = json!(to.to_string());
    }
    page
}

async fn metadata(State(inner): State<Arc<Inner>>) -> Json<Value> {
    let base = &inner.base;
    Json(json!({
        "issuer": base, "authorization_endpoint": format!("{base}/authorize"),
        "token_endpoint": format!("{base}/token"), "registration_endpoint": format!("{base}/register"),
        "response_types_supported": ["code"], "code_challenge_methods_supported": ["S256"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "token_endpoint_auth_methods_supported": ["none", "client_secret_post"],
        "scopes_supported": ["tools"],
    }))
}

async fn register(Json(asked): Json<Value>) -> Response {
    let made = json!({"client_id": "made-up-client", "redirect_uris": asked["redirect_uris"]});
    (StatusCode::CREATED, Json(made)).into_response()
}

async fn token(State(inner): State<Arc<Inner>>, Form(asked): Form<HashMap<String, String>>) -> Response {
    let of = |name: &str| asked.get(name).map(String::as_str).unwrap_or_default();
    let verified = BASE64URL_NOPAD.encode(&Sha256::digest(of("code_verifier")));
    let agreed = match of("grant_type") {
        "authorization_code" => {
            of("code") == "the-code" && inner.challenge.lock().take().as_deref() == Some(verified.as_str())
        }
        "refresh_token" => of("refresh_token") == "the-refresh-token",
        "client_credentials" => {
            of("client_id") == "operator" && of("client_secret") == "canary-client-secret"
        }
        _ => false,
    };
    if !agreed || of("resource") != format!("{}/mcp", inner.base) {
        return (StatusCode::BAD_REQUEST, Json(json!({"error": "invalid_grant"}))).into_response();
    }
    let mut granted = inner.granted.lock();
    granted.push(of("grant_type").to_owned());
    let token = format!("canary-token-{}", granted.len());
    *inner.token.lock() = Some(token.clone());
    let mut answer = json!({
        "access_token": token, "token_type": "Bearer", "expires_in": inner.lasts.load(Ordering::SeqCst),
    });
    if of("grant_type") != "client_credentials" {
        answer["refresh_token"] = json!("the-refresh-token");
    }
    Json(answer).into_response()
}
