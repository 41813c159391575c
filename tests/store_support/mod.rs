//! A writer's side of one conversation: makes jobs as an actor would, and remembers the log that they spell.

#![allow(dead_code, reason = "each test file uses its part of it")]

use std::collections::BTreeMap;

use tempfile::TempDir;
use weir::chat::conversation::{ConversationInfo, Visibility};
use weir::chat::event::{Delta, Event, Seq, Settings};
use weir::chat::message::{FinishReason, Message, MessageStatus, Part, Role, StoredPart, Usage};
use weir::chat::turn::{Limits, Recovery, TurnPlan, TurnRequest};
use weir::clock::Timestamp;
use weir::id::{ConversationId, MessageId, TurnId, UserId, WorkspaceId};
use weir::scope::{Permission, Scope, WorkspaceRole};
use weir::store::{EntryKind, Error, Job, Lane, Options, Record, Replay, Run, Startup, Store};

pub const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

pub fn scope() -> Scope {
    Scope {
        workspace_id: WorkspaceId::new(),
        user_id: UserId::new(),
        role: WorkspaceRole::Member,
        permissions: Permission::ALL.to_vec(),
        credential: weir::scope::Credential::Root,
        only: None,
    }
}

/// Another member of the same workspace.
pub fn colleague(of: &Scope) -> Scope {
    Scope { user_id: UserId::new(), ..of.clone() }
}

pub fn options(dir: &TempDir) -> Options {
    Options::new(dir.path().join("weir.db"))
}

pub fn open(dir: &TempDir) -> (Store, Startup) {
    Store::open(options(dir), NOW).expect("the store opens")
}

/// One thing in the log, as the test wrote it.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a test's log is short")]
pub enum Written {
    Event(Event),
    Delta { message_id: MessageId, index: u32, text: String },
}

impl Written {
    /// How many positions it takes.
    pub fn width(&self) -> usize {
        match self {
            Self::Event(_) => 1,
            Self::Delta { text, .. } => text.len(),
        }
    }
}

#[derive(Debug, Clone, Default)]
struct Streaming {
    turn_id: Option<TurnId>,
    parts: BTreeMap<u32, String>,
    runs: Vec<Run>,
}

#[derive(Debug, Clone)]
pub struct Talk {
    pub id: ConversationId,
    pub scope: Scope,
    pub seq: Seq,
    pub head: Option<MessageId>,
    pub log: Vec<(Seq, Written)>,
    /// The records of the job that is being made.
    pub records: Vec<Record>,
    expected: Seq,
    streaming: BTreeMap<MessageId, Streaming>,
    now: i64,
}

impl Talk {
    pub fn new(scope: &Scope) -> Self {
        Self::with_id(scope, ConversationId::new())
    }

    pub fn with_id(scope: &Scope, id: ConversationId) -> Self {
        Self {
            id,
            scope: scope.clone(),
            seq: Seq::START,
            head: None,
            log: Vec::new(),
            records: Vec::new(),
            expected: Seq::START,
            streaming: BTreeMap::new(),
            now: NOW.millis(),
        }
    }

    pub fn info(&self) -> ConversationInfo {
        ConversationInfo {
            id: self.id,
            workspace_id: self.scope.workspace_id,
            created_by: self.scope.user_id,
            agent: "default".to_owned(),
            name: None,
            title: None,
            visibility: Visibility::Private,
            settings: Default::default(),
            metadata: None,
            archived: false,
            created_at: NOW,
            parent: None,
        }
    }

    pub fn event(&mut self, event: Event) -> &mut Self {
        self.now += 1;
        let at = Timestamp::from_millis(self.now);
        self.records.push(Record::Event {
            conversation_id: self.id,
            prev: self.seq,
            at,
            event: event.clone(),
        });
        self.log.push((self.seq, Written::Event(event)));
        self.seq = self.seq.plus(1);
        self
    }

    /// Sets the clock of the events that follow.
    pub fn clock(&mut self, millis: i64) {
        self.now = millis;
    }

    pub fn create(&mut self) -> &mut Self {
        let conversation = self.info();
        self.event(Event::ConversationCreated { conversation })
    }

    pub fn message(&mut self, role: Role, status: MessageStatus, parent: Option<MessageId>) -> Message {
        Message {
            id: MessageId::new(),
            parent_id: parent,
            role,
            status,
            parts: Vec::new(),
            turn_id: None,
            step: None,
            attempt: None,
            model: None,
            finish_reason: None,
            usage: None,
            metadata: None,
            created_at: Timestamp::from_millis(self.now),
        }
    }

    fn place(&mut self, turn_id: Option<TurnId>, message: Message) -> MessageId {
        let id = message.id;
        if message.parent_id == self.head {
            self.head = Some(id);
        }
        self.event(Event::MessageCreated { turn_id, message, response_id: None });
        id
    }

    /// A user's message under `parent`.
    pub fn say_under(&mut self, parent: Option<MessageId>, text: &str) -> MessageId {
        let mut message = self.message(Role::User, MessageStatus::Complete, parent);
        message.parts = vec![Part::Text { text: text.to_owned() }];
        // As every send, it begins a turn; only what an import brings belongs to none.
        self.place(Some(TurnId::new()), message)
    }

    pub fn say(&mut self, text: &str) -> MessageId {
        self.say_under(self.head, text)
    }

    pub fn request(&self) -> TurnRequest {
        TurnRequest {
            agent: "default".to_owned(),
            model: None,
            settings: Settings::default(),
            tools: Vec::new(),
            tool_choice: None,
            requested_by: self.scope.user_id,
            requested_role: weir::scope::WorkspaceRole::Member,
            only_here: false,
        }
    }

    pub fn limits() -> Limits {
        Limits { max_steps: 20, max_tokens: None, max_wall_ms: 60_000 }
    }

    pub fn start_turn(&mut self, input: MessageId) -> TurnId {
        let id = TurnId::new();
        let turn = TurnPlan {
            request: self.request(),
            input,
            lane: id,
            limits: Self::limits(),
            recovery: Recovery::Continue,
            started_at: NOW,
        };
        self.event(Event::TurnStarted { turn_id: id, turn });
        id
    }

    /// A streaming answer under `parent`.
    pub fn answer_under(&mut self, turn_id: TurnId, parent: Option<MessageId>) -> MessageId {
        let mut message = self.message(Role::Assistant, MessageStatus::Streaming, parent);
        message.turn_id = Some(turn_id);
        let id = self.place(Some(turn_id), message);
        self.streaming.insert(id, Streaming { turn_id: Some(turn_id), ..Streaming::default() });
        id
    }

    pub fn answer(&mut self, turn_id: TurnId) -> MessageId {
        self.answer_under(turn_id, self.head)
    }

    pub fn part(&mut self, message_id: MessageId, index: u32) -> &mut Self {
        let streaming = self.streaming.get_mut(&message_id).expect("it streams");
        streaming.parts.insert(index, String::new());
        let turn_id = streaming.turn_id.expect("an answer has a turn");
        let part = Part::Text { text: String::new() };
        self.event(Event::PartStarted { turn_id, message_id, index, part })
    }

    pub fn delta(&mut self, message_id: MessageId, index: u32, text: &str) -> &mut Self {
        let streaming = self.streaming.get_mut(&message_id).expect("it streams");
        let so_far = streaming.parts.get_mut(&index).expect("the part was started");
        let run = Run { prev: self.seq, index, offset: so_far.len() as u64, length: text.len() as u64 };
        run.push_to(&mut streaming.runs);
        so_far.push_str(text);
        let turn_id = streaming.turn_id.expect("an answer has a turn");
        let delta = Delta { turn_id, message_id, index, text: text.to_owned() };
        self.records.push(Record::Delta { conversation_id: self.id, prev: self.seq, delta });
        self.log.push((self.seq, Written::Delta { message_id, index, text: text.to_owned() }));
        self.seq = self.seq.plus(text.len() as u64);
        self
    }

    pub fn complete(&mut self, message_id: MessageId) -> &mut Self {
        let Streaming { turn_id, parts, runs } = self.streaming.remove(&message_id).expect("it streams");
        let parts =
            parts.into_values().map(|text| StoredPart { part: Part::Text { text }, opaque: None }).collect();
        self.records.push(Record::Content { conversation_id: self.id, message_id, parts, runs });
        self.event(Event::MessageCompleted {
            turn_id: turn_id.expect("an answer has a turn"),
            message_id,
            status: MessageStatus::Complete,
            finish_reason: Some(FinishReason::Stop),
            usage: Some(Usage { input_tokens: 3, output_tokens: 4, ..Usage::default() }),
        })
    }

    pub fn end_turn(&mut self, turn_id: TurnId) -> &mut Self {
        self.event(Event::TurnCompleted { turn_id, usage: Usage::default(), steered_into: None })
    }

    /// How many parts an answer has.
    pub fn parts(&self, message_id: MessageId) -> u32 {
        u32::try_from(self.streaming[&message_id].parts.len()).expect("few parts")
    }

    pub fn streaming(&self) -> Vec<MessageId> {
        self.streaming.keys().copied().collect()
    }

    /// The text of the open parts, as `OpenTail` gives it.
    pub fn open_text(&self, message_id: MessageId) -> Vec<(u32, String)> {
        let parts = &self.streaming[&message_id].parts;
        parts
            .iter()
            .filter(|(_, text)| !text.is_empty())
            .map(|(index, text)| (*index, text.clone()))
            .collect()
    }

    pub fn open_runs(&self, message_id: MessageId) -> Vec<Run> {
        self.streaming[&message_id].runs.clone()
    }

    /// The job of everything since the last one.
    pub fn job(&mut self) -> Job {
        let job = Job {
            conversation_id: self.id,
            expected_last_seq: self.expected,
            records: std::mem::take(&mut self.records),
        };
        self.expected = self.seq;
        job
    }

    pub async fn commit(&mut self, store: &Store) -> Result<(), Error> {
        let job = self.job();
        store.commit(Lane::People, job).await
    }

    pub async fn committed(&mut self, store: &Store) {
        self.commit(store).await.expect("the job is stored");
    }

    /// The log after a cursor, one character or event at a time.
    pub fn after(&self, cursor: Seq) -> Vec<(Seq, Written)> {
        let mut atoms = Vec::new();
        for (prev, written) in &self.log {
            match written {
                Written::Event(_) => atoms.push((*prev, written.clone())),
                Written::Delta { message_id, index, text } => {
                    for (at, character) in text.char_indices() {
                        let (message_id, index, text) = (*message_id, *index, character.to_string());
                        atoms.push((prev.plus(at as u64), Written::Delta { message_id, index, text }));
                    }
                }
            }
        }
        atoms.retain(|(prev, _)| *prev >= cursor);
        atoms
    }
}

/// Everything that the store replays after `cursor`, one character or event at a time; an open stretch is left out.
pub async fn replayed(
    store: &Store,
    id: ConversationId,
    cursor: Seq,
    until: Seq,
    max_bytes: usize,
) -> Option<Vec<(Seq, Written)>> {
    let (mut at, mut atoms) = (cursor, Vec::new());
    while at < until {
        let page = match store.replay(id, at, until, max_bytes).await.expect("it is readable") {
            Replay::Page(page) => page,
            Replay::PastEnd | Replay::InsideCharacter => return None,
        };
        for entry in page.entries {
            assert_eq!(entry.prev, at, "the positions tile");
            assert!(entry.seq > entry.prev, "an entry has a width");
            match entry.kind {
                EntryKind::Event { body, .. } => {
                    assert_eq!(entry.seq, entry.prev.plus(1));
                    let event = serde_json::from_str(&body).expect("the body is an event");
                    atoms.push((entry.prev, Written::Event(event)));
                }
                EntryKind::Delta { message_id, index, text, .. } => {
                    assert_eq!(entry.seq, entry.prev.plus(text.len() as u64));
                    for (at, character) in text.char_indices() {
                        let text = character.to_string();
                        atoms.push((entry.prev.plus(at as u64), Written::Delta { message_id, index, text }));
                    }
                }
                EntryKind::Redacted | EntryKind::Open => {}
            }
            at = entry.seq;
        }
        assert_eq!(page.through, at, "a page ends where its entries end");
    }
    Some(atoms)
}
