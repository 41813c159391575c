//! A runtime on a real store in a temporary directory, with a scripted model.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::watch;

use weir::chat::conversation::{
    Command, ConversationChanges, ConversationInfo, OnBusy, Parent, Send, Visibility,
};
use weir::chat::event::{Cursor, Seq, Settings};
use weir::chat::message::{FinishReason, Message, Part};
use weir::chat::policy::Policy;
use weir::chat::turn::{Limits, ModelOutput, Recovery, TurnRequest, TurnState};
use weir::clock::{Clock, Timestamp};
use weir::id::{CallId, ConversationId, MessageId, TurnId, UserId, WorkspaceId};
use weir::provider::{Failure, Kind, Model, ModelStream, Provider, Purpose, Request};
use weir::runtime::agent::{Agent, AgentOptions, Agents};
use weir::runtime::{Error, From, Idempotency, Next, Order, Receipt, ReceiptOf, Runtime};
use weir::scope::{Permission, Scope, WorkspaceRole};
use weir::store::{KeyScope, Options, Store};

const PATIENCE: Duration = Duration::from_secs(20);

/// A model that says what it was told to say.
#[derive(Clone)]
pub struct Script {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    usual: Answer,
    gate: watch::Sender<bool>,
    requests: Arc<Mutex<Vec<Request>>>,
    /// What it says to whoever asks for a summary; absent: what it says to everyone.
    summary: Arc<Mutex<Option<String>>>,
}

#[derive(Clone)]
struct Answer {
    outputs: Vec<ModelOutput>,
    ends: bool,
    /// Instead of anything else.
    refusal: Option<Failure>,
}

impl Script {
    pub fn saying(text: &str) -> Self {
        Self::answering(Answer { outputs: Self::words(text), ends: true, refusal: None })
    }

    pub fn calling(tools: &[&str]) -> Self {
        let mut outputs = Vec::new();
        for (index, name) in (0u32..).zip(tools) {
            let (call_id, name) = (CallId::new(), (*name).to_owned());
            let part = Part::ToolCall { call_id, name, args_text: String::new(), discarded: false };
            outputs.push(ModelOutput::PartStarted { index, part });
        }
        for index in (0u32..).take(tools.len()) {
            outputs.push(ModelOutput::Delta { index, text: "{}".to_owned() });
            outputs.push(ModelOutput::PartCompleted { index, opaque: None });
        }
        outputs.push(ModelOutput::Finished { finish_reason: FinishReason::ToolCalls, usage: None });
        let script = Self::saying("nothing more");
        script.answers.lock().unwrap().push_back(Answer { outputs, ends: true, refusal: None });
        script
    }

    fn answering(usual: Answer) -> Self {
        Self {
            answers: Arc::default(),
            usual,
            gate: watch::Sender::new(true),
            requests: Arc::default(),
            summary: Arc::default(),
        }
    }

    /// One text part, a delta for each word, and the end.
    pub fn words(text: &str) -> Vec<ModelOutput> {
        let mut outputs =
            vec![ModelOutput::PartStarted { index: 0, part: Part::Text { text: String::new() } }];
        let words = text.split_inclusive(' ').flat_map(|word| {
            let (word, space) = word.split_at(word.trim_end().len());
            [word.to_owned(), space.to_owned()]
        });
        outputs.extend(words.filter(|w| !w.is_empty()).map(|text| ModelOutput::Delta { index: 0, text }));
        outputs.push(ModelOutput::PartCompleted { index: 0, opaque: None });
        outputs.push(ModelOutput::Finished { finish_reason: FinishReason::Stop, usage: None });
        outputs
    }

    /// Says the first few words, and the rest once the gate is opened.
    pub fn gated(self) -> Self {
        self.gate.send_replace(false);
        self
    }

    pub fn open_gate(&self) {
        self.gate.send_replace(true);
    }

    /// The first answer breaks off after so many deltas.
    pub fn breaking_after(self, deltas: usize) -> Self {
        let outputs = self.usual.outputs.iter().take(1 + deltas).cloned().collect();
        self.answers.lock().unwrap().push_back(Answer { outputs, ends: false, refusal: None });
        self
    }

    /// The provider keeps its answers, under this id. Call it before the answers are changed.
    pub fn kept_as(mut self, response_id: &str) -> Self {
        let response_id = Some(response_id.to_owned());
        self.usual.outputs.insert(0, ModelOutput::Opened { model: None, response_id });
        self
    }

    pub fn then_say(&self, text: &str) {
        self.answers.lock().unwrap().push_back(Answer {
            outputs: Self::words(text),
            ends: true,
            refusal: None,
        });
    }

    pub fn summarising_as(&self, text: &str) {
        *self.summary.lock().unwrap() = Some(text.to_owned());
    }

    /// The next request is refused so.
    pub fn then_refuse(&self, refusal: Failure) {
        let answer = Answer { outputs: Vec::new(), ends: false, refusal: Some(refusal) };
        self.answers.lock().unwrap().push_back(answer);
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    pub fn last_request(&self) -> Request {
        self.requests.lock().unwrap().last().expect("the model was asked").clone()
    }
}

impl Provider for Script {
    fn kind(&self) -> Kind {
        Kind::Demo
    }

    fn stream(&self, request: Request) -> ModelStream {
        let summary = self.summary.lock().unwrap().clone().filter(|_| request.purpose == Purpose::Summary);
        self.requests.lock().unwrap().push(request);
        if let Some(summary) = summary {
            return stream::iter(Self::words(&summary).into_iter().map(Ok)).boxed();
        }
        let answer = self.answers.lock().unwrap().pop_front().unwrap_or_else(|| self.usual.clone());
        let gate = self.gate.subscribe();
        let refusal = answer.refusal.unwrap_or_else(Failure::ended_early);
        let failure = (!answer.ends).then_some(Err(refusal));
        let outputs =
            answer.outputs.into_iter().enumerate().map(move |(at, output)| (at, output, gate.clone()));
        let outputs = stream::iter(outputs).then(|(at, output, mut gate)| async move {
            if at >= 4 {
                gate.wait_for(|open| *open).await.expect("the script lives as long as its streams");
            }
            Ok(output)
        });
        outputs.chain(stream::iter(failure)).boxed()
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<Model>, Failure>> {
        async { Ok(vec![Model::named("scripted")]) }.boxed()
    }
}

pub struct Bench {
    pub runtime: Runtime,
    pub script: Script,
    scope: Scope,
    dir: TempDir,
    policy: Policy,
}

impl Bench {
    pub async fn new(script: Script) -> Self {
        Self::with_policy(script, Policy::default()).await
    }

    /// The agent has the tool `clock`, under this policy.
    pub async fn with_policy(script: Script, policy: Policy) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let scope = Scope {
            workspace_id: WorkspaceId::new(),
            user_id: UserId::new(),
            role: WorkspaceRole::Owner,
            permissions: Permission::ALL.to_vec(),
            credential: weir::scope::Credential::Root,
            only: None,
        };
        let runtime = start(&dir, &script, &policy).await;
        Self { runtime, script, scope, dir, policy }
    }

    /// Forgets everything that is not on disk. The old runtime is cut off in the middle of whatever it does.
    pub async fn restart(&mut self, script: Script) {
        self.runtime.store().close().await;
        self.runtime = start(&self.dir, &script, &self.policy).await;
        self.script = script;
    }

    pub async fn create(&self) -> ConversationId {
        let info = ConversationInfo {
            id: ConversationId::new(),
            workspace_id: self.scope.workspace_id,
            created_by: self.scope.user_id,
            agent: "default".to_owned(),
            name: None,
            title: None,
            visibility: Visibility::Private,
            settings: Default::default(),
            metadata: None,
            archived: false,
            created_at: self.runtime.clock().now(),
            parent: None,
        };
        self.runtime.create(info, None, None, None).await.unwrap().conversation_id
    }

    pub async fn send(&self, id: ConversationId, text: &str) -> TurnId {
        self.send_with(id, text, None).await
    }

    pub async fn send_with(&self, id: ConversationId, text: &str, on_busy: Option<OnBusy>) -> TurnId {
        self.order(id, text, on_busy, None).await.unwrap().turn_id.unwrap()
    }

    pub async fn send_keyed(&self, id: ConversationId, text: &str, key: &str) -> Result<Receipt, Error> {
        let mut fingerprint = [0; 32];
        fingerprint[..text.len()].copy_from_slice(text.as_bytes());
        let idempotency = Idempotency {
            scope: KeyScope::Conversation(id),
            user_id: self.scope.user_id,
            key: key.to_owned(),
            fingerprint,
        };
        self.order(id, text, None, Some(idempotency)).await
    }

    async fn order(
        &self,
        id: ConversationId,
        text: &str,
        on_busy: Option<OnBusy>,
        idempotency: Option<Idempotency>,
    ) -> Result<Receipt, Error> {
        let send = Send {
            turn_id: TurnId::new(),
            message_id: MessageId::new(),
            parts: vec![Part::Text { text: text.to_owned() }],
            metadata: None,
            parent: Parent::Head,
            on_busy,
            request: TurnRequest {
                agent: "default".to_owned(),
                model: None,
                settings: Settings::default(),
                tools: Vec::new(),
                tool_choice: None,
                requested_by: self.scope.user_id,
                requested_role: self.scope.role,
                only_here: false,
            },
            limits: Limits { max_steps: 20, max_tokens: None, max_wall_ms: 600_000 },
            recovery: Recovery::Continue,
        };
        let receipt = ReceiptOf { message_id: Some(send.message_id), turn_id: Some(send.turn_id) };
        let command = Command::Send(Box::new(send));
        self.runtime.order(id, Order { command, receipt, idempotency, caller: None }).await
    }

    pub fn cursor(&self, seq: Seq) -> Cursor {
        self.runtime.cursor(seq)
    }

    pub async fn turn_state(&self, turn: TurnId) -> TurnState {
        self.runtime.store().turn(&self.scope, turn).await.unwrap().expect("the turn exists").state
    }

    pub async fn wait_for(&self, turn: TurnId) {
        let row = self.runtime.store().turn(&self.scope, turn).await.unwrap().expect("the turn exists");
        self.follow_until_turn_ends(row.conversation_id, From::Beginning, turn).await;
    }

    /// So much time passes at once, and what it brings about is done.
    pub async fn passes(&self, id: ConversationId, time: Duration) {
        // Whoever answers has done everything before it, its timers are set.
        self.rename(id).await;
        tokio::time::pause();
        tokio::time::advance(time).await;
        tokio::time::resume();
        // And whoever answers the second has looked at them after the first.
        self.rename(id).await;
        self.rename(id).await;
    }

    async fn rename(&self, id: ConversationId) {
        let title = Some(Some("another".to_owned()));
        let changes = ConversationChanges { title, ..ConversationChanges::default() };
        self.runtime.order(id, Order::plain(Command::Update { changes })).await.unwrap();
    }

    /// Newest first.
    pub async fn messages(&self, id: ConversationId) -> Vec<Message> {
        let page = self.runtime.messages(&self.scope, id, None, None, 200).await.unwrap().expect("it exists");
        page.value.messages.into_iter().map(|found| found.message).collect()
    }

    pub async fn is_waiting(&self, turn: TurnId) {
        let waiting = async {
            while self.turn_state(turn).await != TurnState::Waiting {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        within(waiting).await;
    }

    pub async fn wait_for_text(&self, id: ConversationId, text: &str) {
        let mut follow = self.runtime.follow(id, From::Beginning).await.unwrap();
        let mut log = Log::default();
        while !log.text().contains(text) {
            log.take(within(follow.next()).await.unwrap());
        }
    }

    pub async fn follow_what_is_there(&self, id: ConversationId) -> Log {
        let mut follow = self.runtime.follow(id, From::Beginning).await.unwrap();
        let mut log = Log::default();
        loop {
            match within(follow.next()).await.unwrap() {
                Next::CaughtUp(_) => return log,
                next => log.take(next),
            }
        }
    }

    pub async fn follow_until_turn_ends(&self, id: ConversationId, from: From, turn: TurnId) -> Log {
        let mut follow = self.runtime.follow(id, from).await.unwrap();
        let mut log = Log::default();
        let over = |log: &Log, caught_up: bool| log.ended(turn) || caught_up;
        let mut caught_up = false;
        let ended_before = self.turn_state(turn).await.is_terminal();
        while !over(&log, caught_up && ended_before) {
            match within(follow.next()).await.unwrap() {
                Next::CaughtUp(_) => caught_up = true,
                next => log.take(next),
            }
        }
        log
    }
}

async fn start(dir: &TempDir, script: &Script, policy: &Policy) -> Runtime {
    let now = Timestamp::from_millis(1_795_000_000_000);
    let (store, startup) = Store::open(Options::new(dir.path().join("weir.db")), now).unwrap();
    let options = AgentOptions {
        id: "default".to_owned(),
        name: "Test".to_owned(),
        description: None,
        provider: "script".to_owned(),
        model: "scripted".to_owned(),
        prompt: "You are a test.".to_owned(),
        recovery: Recovery::Continue,
        prefill: false,
        limits: Limits { max_steps: 20, max_tokens: None, max_wall_ms: 600_000 },
        context_tokens: None,
        tools: vec!["clock".to_owned()],
        policy: policy.clone(),
        suggestions: Vec::new(),
        titles: false,
        title_model: None,
        compaction: true,
        compaction_model: None,
    };
    let agent = Agent::new(options, Arc::new(script.clone())).unwrap();
    let runtime = Runtime::new(store, Agents::new([agent]), Clock::System);
    runtime.recover(startup.unfinished).await;
    runtime
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it comes in time")
}

/// What a follower was told, parsed.
#[derive(Default)]
pub struct Log {
    events: Vec<Value>,
}

impl Log {
    fn take(&mut self, next: Next) {
        let frames = match next {
            Next::Frames(frames) => frames,
            Next::CaughtUp(_) => return,
            next => panic!("expected frames, got {next:?}"),
        };
        self.events
            .extend(frames.iter().map(|frame| serde_json::from_slice::<Value>(&frame.json()).unwrap()));
    }

    pub fn assert_tiles(&self) {
        for pair in self.events.windows(2) {
            assert_eq!(pair[0]["seq"], pair[1]["prev"], "{} then {}", pair[0], pair[1]);
        }
        for event in &self.events {
            let width = event["text"].as_str().filter(|_| event["type"] == "part.delta").map_or(1, str::len);
            assert_eq!(event["seq"].as_u64().unwrap(), event["prev"].as_u64().unwrap() + width as u64);
        }
    }

    pub fn start(&self) -> Option<Seq> {
        Some(Seq(self.events.first()?["prev"].as_u64()?))
    }

    pub fn end(&self) -> Option<Seq> {
        Some(Seq(self.events.last()?["seq"].as_u64()?))
    }

    /// Every position that a client may hold: after each event, and after each character of a delta; but the last.
    pub fn honest_cursors(&self) -> Vec<Seq> {
        let mut cursors = vec![Seq::START];
        for event in &self.events {
            let prev = event["prev"].as_u64().unwrap();
            match event["text"].as_str().filter(|_| event["type"] == "part.delta") {
                Some(text) => {
                    cursors.extend(text.char_indices().skip(1).map(|(at, _)| Seq(prev + at as u64)));
                    cursors.push(Seq(prev + text.len() as u64));
                }
                None => cursors.push(Seq(prev + 1)),
            }
        }
        cursors.pop();
        cursors
    }

    pub fn text(&self) -> String {
        self.deltas(|_| true)
    }

    pub fn text_of(&self, message: MessageId) -> String {
        let id = message.to_string();
        self.deltas(|event| event["message_id"] == id)
    }

    fn deltas(&self, of: impl Fn(&Value) -> bool) -> String {
        let deltas = self.events.iter().filter(|event| event["type"] == "part.delta" && of(event));
        deltas.map(|event| event["text"].as_str().unwrap()).collect()
    }

    fn ended(&self, turn: TurnId) -> bool {
        let id = turn.to_string();
        let ends = ["turn.completed", "turn.failed", "turn.cancelled", "turn.interrupted"];
        self.events.iter().any(|event| event["turn_id"] == id && ends.iter().any(|end| event["type"] == *end))
    }
}
