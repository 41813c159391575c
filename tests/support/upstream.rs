//! A model provider over real TCP that speaks OpenAI's chat completions and answers as the person's script says.
//!
//! It also judges what it is asked: a cut answer must come back exactly as it was shown.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::stream;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use super::script::{Fault, Script, pieces};
use super::within;

/// What the server says when it asks a model to go on.
const GO_ON: &str = include_str!("../../prompts/continue.md");

/// How the server begins when it wants a summary.
const COMPACT: &str = include_str!("../../prompts/compact.md");

/// Goes on from a trailing answer, and from being asked to in words.
pub const CONTINUES: &str = "continues";
/// Refuses a trailing answer with 400; goes on when asked to in words.
pub const REFUSES_PREFILL: &str = "refuses-prefill";
/// Whatever it is asked, it begins again from the top.
pub const FROM_THE_TOP: &str = "from-the-top";

#[derive(Clone)]
pub struct Upstream {
    port: u16,
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Between two deltas, in microseconds.
    pace: AtomicU64,
    requests: Mutex<Vec<Asked>>,
    /// What it was asked wrongly.
    wrong: Mutex<Vec<String>>,
    released: watch::Sender<Released>,
    /// How many answers it is giving, by script.
    answering: watch::Sender<BTreeMap<String, usize>>,
    served: AtomicUsize,
}

#[derive(Debug, Default)]
struct Released {
    all: bool,
    ids: BTreeSet<String>,
}

/// One request for an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub script: Script,
    pub model: String,
    /// The step that calls the script's tools, before the one that answers.
    pub calls_tools: bool,
    /// What was already shown of this step's answer.
    pub given: String,
    pub prefilled: bool,
    pub told_to_go_on: bool,
}

impl Upstream {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("it listens").port();
        let upstream = Self { port, inner: Arc::default() };
        let router = Router::new()
            .route("/v1/models", get(models))
            .route("/v1/chat/completions", post(complete))
            .with_state(upstream.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        upstream
    }

    /// A `weir.toml` whose agents all ask this provider, each with another model or policy.
    pub fn config(&self) -> String {
        self.config_with("", "")
    }

    pub fn config_with(&self, provider: &str, server: &str) -> String {
        let port = self.port;
        let mut config = format!(
            "[server]\ngrace = \"5s\"\n{server}\n\
             [limits]\nrequests_per_minute = 10000000\nstreams_per_user = 100000\nturns_per_user = 100000\n\
             [providers.mock]\nkind = \"openai-chat\"\nbase_url = \"http://127.0.0.1:{port}/v1\"\n\
             api_key = \"unused\"\n{provider}\n"
        );
        for (agent, model, rest) in [
            ("default", CONTINUES, ""),
            ("prefill", CONTINUES, "prefill = true"),
            ("refusing", REFUSES_PREFILL, "prefill = true"),
            ("top", FROM_THE_TOP, ""),
            ("restart", FROM_THE_TOP, "recovery = \"restart\""),
            ("fail", CONTINUES, "recovery = \"fail\""),
            ("short", CONTINUES, "max_steps = 1"),
            ("hasty", CONTINUES, "max_wall = \"1s\""),
            ("frugal", CONTINUES, "max_tokens = 10"),
        ] {
            config.push_str(&format!(
                "[agents.{agent}]\nprovider = \"mock\"\nmodel = \"{model}\"\ncontext_tokens = 1000000\ntitles = false\n{rest}\n"
            ));
        }
        config
    }

    /// How long it takes from one delta to the next.
    pub fn pace(&self, pause: Duration) {
        let micros = u64::try_from(pause.as_micros()).expect("a pace is short");
        self.inner.pace.store(micros, Ordering::Relaxed);
    }

    pub fn release(&self, id: &str) {
        self.inner.released.send_modify(|released| {
            released.ids.insert(id.to_owned());
        });
    }

    pub fn release_all(&self) {
        self.inner.released.send_modify(|released| released.all = true);
    }

    /// What was asked for the answer of this script, in order.
    pub fn asked(&self, id: &str) -> Vec<Asked> {
        self.inner.requests.lock().iter().filter(|asked| asked.script.id == id).cloned().collect()
    }

    pub fn requests(&self) -> usize {
        self.inner.requests.lock().len()
    }

    /// Answers that were given to their end.
    pub fn served(&self) -> usize {
        self.inner.served.load(Ordering::Relaxed)
    }

    /// What it was asked wrongly so far.
    pub fn complaints(&self) -> Vec<String> {
        self.inner.wrong.lock().clone()
    }

    /// Waits until it is giving no answer of this script.
    pub async fn is_left_alone(&self, id: &str) {
        let mut answering = self.inner.answering.subscribe();
        let none = |answering: &BTreeMap<String, usize>| answering.get(id).is_none_or(|count| *count == 0);
        within("the provider's slot to be freed", answering.wait_for(none))
            .await
            .expect("the sender lives here");
    }

    /// Waits until it was asked for this script so often.
    pub async fn is_asked(&self, id: &str, times: usize) {
        let mut answering = self.inner.answering.subscribe();
        let asked = within("the provider to be asked", answering.wait_for(|_| self.asked(id).len() >= times));
        asked.await.expect("the sender lives here");
    }
}

/// While it lives, an answer is being given.
struct Answering {
    upstream: Upstream,
    id: String,
}

impl Answering {
    fn new(upstream: &Upstream, id: &str) -> Self {
        upstream.inner.answering.send_modify(|all| *all.entry(id.to_owned()).or_default() += 1);
        Self { upstream: upstream.clone(), id: id.to_owned() }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.upstream.inner.answering.send_modify(|all| *all.entry(self.id.clone()).or_default() -= 1);
    }
}

async fn models() -> Json<Value> {
    let models = [CONTINUES, REFUSES_PREFILL, FROM_THE_TOP];
    let models: Vec<Value> = models.iter().map(|id| json!({"id": id, "object": "model"})).collect();
    Json(json!({"object": "list", "data": models}))
}

/// What it says when it is asked for one.
pub fn summary() -> String {
    Script::new("summary", 900).answer().trim().to_owned()
}

fn wants_a_summary(body: &Value) -> bool {
    let begins = COMPACT.lines().next().unwrap_or_default();
    let system = body["messages"][0]["content"].as_str();
    system.is_some_and(|system| system.starts_with(begins))
}

async fn complete(State(upstream): State<Upstream>, Json(body): Json<Value>) -> Response {
    if wants_a_summary(&body) {
        return upstream.speak(|wire| async move { wire.summarise().await });
    }
    let asked = match Asked::read(&body) {
        Ok(asked) => asked,
        Err(wrong) => {
            upstream.inner.wrong.lock().push(wrong);
            return refuse(StatusCode::BAD_REQUEST);
        }
    };
    let nth = {
        let mut requests = upstream.inner.requests.lock();
        let same = |earlier: &&Asked| {
            earlier.script.id == asked.script.id && earlier.calls_tools == asked.calls_tools
        };
        let nth = requests.iter().filter(same).count();
        requests.push(asked.clone());
        nth
    };
    let answering = Answering::new(&upstream, &asked.script.id);
    if asked.model == REFUSES_PREFILL && asked.prefilled {
        return refuse(StatusCode::BAD_REQUEST);
    }
    let rest = match asked.rest() {
        Ok(rest) => rest,
        Err(wrong) => {
            upstream.inner.wrong.lock().push(wrong);
            return refuse(StatusCode::UNPROCESSABLE_ENTITY);
        }
    };
    // In the first step, whether it calls tools or answers.
    let is_first_step = asked.calls_tools || asked.script.calls == 0;
    let fault = asked.script.fault.filter(|_| is_first_step && nth < asked.script.times.max(1));
    match fault {
        Some(Fault::Status429) => return refuse(StatusCode::TOO_MANY_REQUESTS),
        Some(Fault::Status500) => return refuse(StatusCode::INTERNAL_SERVER_ERROR),
        Some(Fault::Silent) => upstream.hold(&asked.script.id).await,
        Some(Fault::Hold | Fault::Eof | Fault::Reset) | None => {}
    }
    upstream.speak(|wire| async move {
        let _answering = answering;
        wire.answer(&asked, &rest, fault).await
    })
}

fn refuse(status: StatusCode) -> Response {
    (status, Json(json!({"error": {"message": "not like this", "type": "invalid_request_error"}})))
        .into_response()
}

impl Asked {
    fn read(body: &Value) -> Result<Self, String> {
        let messages = body["messages"].as_array().ok_or("no messages")?;
        let mut script = None;
        let (mut given, mut called, mut told_to_go_on) = (String::new(), false, false);
        for message in messages {
            let content = message["content"].as_str().unwrap_or_default();
            match message["role"].as_str() {
                Some("user") if content == GO_ON.trim() => told_to_go_on = true,
                Some("user") if content.trim_end().ends_with(&summary()) => {}
                Some("user") => {
                    let said = Script::parse(content).ok_or(format!("not a script: {content:?}"))?;
                    (script, given, called, told_to_go_on) = (Some(said), String::new(), false, false);
                }
                Some("assistant") if message["tool_calls"].is_array() => {
                    (given, called) = (String::new(), true)
                }
                Some("assistant") => given.push_str(content),
                _ => {}
            }
        }
        let script = script.ok_or("no script")?;
        let prefilled = messages.last().is_some_and(|last| last["role"] == "assistant");
        let model = body["model"].as_str().unwrap_or_default().to_owned();
        Ok(Self { calls_tools: script.calls > 0 && !called, script, model, given, prefilled, told_to_go_on })
    }

    fn whole(&self) -> String {
        if self.calls_tools { self.script.preface() } else { self.script.answer() }
    }

    /// What is left to say.
    fn rest(&self) -> Result<String, String> {
        let whole = self.whole();
        if self.given.is_empty() || self.model == FROM_THE_TOP {
            return Ok(whole);
        }
        if !self.prefilled && !self.told_to_go_on {
            return Err(format!("`{}`: a cut answer, and nobody asked to go on", self.script.id));
        }
        match whole.strip_prefix(&self.given) {
            Some(rest) => Ok(rest.to_owned()),
            None => Err(format!("`{}` said {whole:?}, and was given back {:?}", self.script.id, self.given)),
        }
    }
}

impl Upstream {
    /// A stream that says what `words` put on the wire.
    fn speak<W>(&self, words: impl FnOnce(Wire) -> W) -> Response
    where
        W: Future<Output = Result<(), HungUp>> + Send + 'static,
    {
        let (sender, receiver) = mpsc::channel(1);
        let (wire, inner) = (Wire { sender, upstream: self.clone() }, self.inner.clone());
        let words = words(wire);
        tokio::spawn(async move {
            // Whoever asked may hang up at any time.
            if words.await.is_ok() {
                inner.served.fetch_add(1, Ordering::Relaxed);
            }
        });
        let chunks =
            stream::unfold(receiver, |mut receiver| async move { Some((receiver.recv().await?, receiver)) });
        ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(chunks)).into_response()
    }

    async fn hold(&self, id: &str) {
        let mut released = self.inner.released.subscribe();
        let free = |released: &Released| released.all || released.ids.contains(id);
        drop(released.wait_for(free).await);
    }

    async fn breathe(&self) {
        match self.inner.pace.load(Ordering::Relaxed) {
            0 => tokio::task::yield_now().await,
            micros => tokio::time::sleep(Duration::from_micros(micros)).await,
        }
    }
}

struct Wire {
    sender: mpsc::Sender<Result<Bytes, std::io::Error>>,
    upstream: Upstream,
}

struct HungUp;

impl Wire {
    async fn answer(&self, asked: &Asked, rest: &str, fault: Option<Fault>) -> Result<(), HungUp> {
        let script = &asked.script;
        let thoughts = if asked.given.is_empty() { script.thoughts() } else { String::new() };
        for piece in pieces(&thoughts, script.piece) {
            self.delta(json!({"reasoning_content": piece})).await?;
        }
        let mut said = 0;
        for piece in pieces(rest, script.piece) {
            if let Some(fault) = fault
                && said >= script.at
            {
                self.fail(fault, &script.id).await?;
                if fault != Fault::Hold {
                    return Err(HungUp);
                }
            }
            said += piece.len();
            self.delta(json!({"content": piece})).await?;
        }
        let finish = if asked.calls_tools {
            self.calls(script).await?;
            "tool_calls"
        } else {
            "stop"
        };
        self.finish(finish).await
    }

    async fn summarise(&self) -> Result<(), HungUp> {
        for piece in pieces(&summary(), 0) {
            self.delta(json!({"content": piece})).await?;
        }
        self.finish("stop").await
    }

    async fn finish(&self, reason: &str) -> Result<(), HungUp> {
        self.chunk(&json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})).await?;
        let usage = json!({"prompt_tokens": 7, "completion_tokens": 11, "total_tokens": 18});
        self.chunk(&json!({"choices": [], "usage": usage})).await?;
        self.send(Ok("data: [DONE]\n\n".into())).await
    }

    /// Several calls at once, their arguments interleaved.
    async fn calls(&self, script: &Script) -> Result<(), HungUp> {
        let arguments: Vec<String> = (0..script.calls).map(|call| script.arguments(call)).collect();
        for call in 0..script.calls {
            let function = json!({"name": format!("tool_{call}"), "arguments": ""});
            let id = format!("{}-{call}", script.id);
            self.delta(
                json!({"tool_calls": [{"index": call, "id": id, "type": "function", "function": function}]}),
            )
            .await?;
        }
        let mut pieces: Vec<_> =
            arguments.iter().map(|text| pieces(text, script.piece).into_iter()).collect();
        let mut some_left = true;
        while some_left {
            some_left = false;
            for (call, pieces) in pieces.iter_mut().enumerate() {
                let Some(piece) = pieces.next() else { continue };
                some_left = true;
                self.delta(json!({"tool_calls": [{"index": call, "function": {"arguments": piece}}]}))
                    .await?;
            }
        }
        Ok(())
    }

    async fn fail(&self, fault: Fault, id: &str) -> Result<(), HungUp> {
        match fault {
            Fault::Hold => tokio::select! {
                () = self.upstream.hold(id) => Ok(()),
                () = self.sender.closed() => Err(HungUp),
            },
            Fault::Reset => self.send(Err(std::io::Error::other("reset"))).await,
            Fault::Eof | Fault::Silent | Fault::Status429 | Fault::Status500 => Ok(()),
        }
    }

    async fn delta(&self, delta: Value) -> Result<(), HungUp> {
        self.upstream.breathe().await;
        self.chunk(&json!({"choices": [{"index": 0, "delta": delta}]})).await
    }

    async fn chunk(&self, chunk: &Value) -> Result<(), HungUp> {
        self.send(Ok(format!("data: {chunk}\n\n").into())).await
    }

    async fn send(&self, bytes: Result<Bytes, std::io::Error>) -> Result<(), HungUp> {
        self.sender.send(bytes).await.map_err(|_| HungUp)
    }
}
