//! A conversation in a test's hand: what is done to it reads as a sentence, and so does what it shows.

use weir::chat::conversation::{Command, Conversation, MAX_RUNNING_TURNS, Parent, Refusal, Send, decide};
use weir::chat::event::{Entry, Event, WaitingFor};
use weir::chat::message::{Call, FinishReason, Message, MessageStatus, Part, Role, Usage};
use weir::chat::turn::{
    CallFailure, Effect, Fence, Input, Judgement, Limits, ModelOutput, Placement, Recovery, Stamp,
};
use weir::clock::Timestamp;
use weir::id::{CallId, MessageId, TurnId};

use crate::fixture::{info, problem, request};

pub const LIMITS: Limits = Limits { max_steps: 20, max_tokens: None, max_wall_ms: 60_000 };

/// A conversation, its log, and a hand to do things to it.
pub struct Chat {
    pub state: Conversation,
    pub log: Vec<Entry>,
    /// Of the last command.
    pub effects: Vec<Effect>,
    ids: u128,
}

impl Chat {
    pub fn new() -> Self {
        let mut chat =
            Self { state: Conversation::new(info()), log: Vec::new(), effects: Vec::new(), ids: 0 };
        chat.run(Command::Create { info: Box::new(info()), origin: None, send: None }).expect("it is new");
        chat
    }

    pub fn run(&mut self, command: Command) -> Result<(), Refusal> {
        let stamp = Stamp { now: Timestamp::from_millis(0), message_id: MessageId::from_bytes(self.id()) };
        let decision = decide(&self.state, command, &stamp)?;
        for entry in decision.entries {
            self.take_in(entry);
        }
        self.effects = decision.effects;
        Ok(())
    }

    pub fn take_in(&mut self, entry: Entry) {
        self.state.evolve(&entry);
        self.log.push(entry);
    }

    pub fn id(&mut self) -> [u8; 16] {
        self.ids += 1;
        self.ids.to_be_bytes()
    }

    pub fn new_send(&mut self, text: &str) -> Send {
        Send {
            turn_id: TurnId::from_bytes(self.id()),
            message_id: MessageId::from_bytes(self.id()),
            parts: vec![Part::Text { text: text.to_owned() }],
            metadata: None,
            parent: Parent::Head,
            on_busy: None,
            request: request(),
            limits: LIMITS,
            recovery: Recovery::Continue,
        }
    }

    pub fn try_send(&mut self, text: &str, with: impl FnOnce(&mut Send)) -> Result<TurnId, Refusal> {
        let mut send = self.new_send(text);
        with(&mut send);
        let turn_id = send.turn_id;
        self.run(Command::Send(Box::new(send))).map(|()| turn_id)
    }

    pub fn send_with(&mut self, text: &str, with: impl FnOnce(&mut Send)) -> TurnId {
        self.try_send(text, with).expect("it is accepted")
    }

    pub fn send(&mut self, text: &str) -> TurnId {
        self.send_with(text, |_| {})
    }

    pub fn send_to(&mut self, text: &str, parent: MessageId) -> TurnId {
        self.send_with(text, |send| send.parent = Parent::Message(parent))
    }

    /// A conversation whose slots are all taken by branches of their own, with the head on the last of them.
    pub fn full() -> (Self, [TurnId; MAX_RUNNING_TURNS]) {
        let mut chat = Self::new();
        let turns = chat.fill();
        (chat, turns)
    }

    pub fn fill(&mut self) -> [TurnId; MAX_RUNNING_TURNS] {
        ["a", "b", "c", "d"].map(|text| self.send_with(text, |send| send.parent = Parent::Root))
    }

    pub fn fence(&self, turn_id: TurnId) -> Fence {
        self.state.turns[&turn_id].fence
    }

    pub fn leaf(&self, turn_id: TurnId) -> MessageId {
        self.state.turns[&turn_id].leaf
    }

    pub fn turn(&mut self, turn_id: TurnId, input: Input) {
        self.run(Command::Turn { turn_id, input }).expect("it is not deleted");
    }

    pub fn opens(&mut self, turn_id: TurnId, placement: Placement) {
        let fence = self.fence(turn_id);
        self.turn(turn_id, Input::MessageOpened { fence, model: None, placement, response_id: None });
    }

    pub fn outputs(&mut self, turn_id: TurnId, output: ModelOutput) {
        let fence = self.fence(turn_id);
        self.turn(turn_id, Input::Model { fence, output });
    }

    /// The model begins a part and writes `text` into it, in a message of its own if none is open.
    pub fn begins(&mut self, turn_id: TurnId, part: Part, text: &str) -> u32 {
        if self.state.turns[&turn_id].open.is_none() {
            self.opens(turn_id, Placement::Child);
        }
        let open = self.state.turns[&turn_id].open.as_ref().expect("just opened");
        let index = u32::try_from(open.parts.len()).expect("few parts");
        self.outputs(turn_id, ModelOutput::PartStarted { index, part });
        self.outputs(turn_id, ModelOutput::Delta { index, text: text.to_owned() });
        index
    }

    pub fn says(&mut self, turn_id: TurnId, text: &str) {
        self.begins(turn_id, Part::Text { text: String::new() }, text);
    }

    pub fn begins_call(&mut self, turn_id: TurnId, name: &str, args: &str) -> u32 {
        let call_id = CallId::from_bytes(self.id());
        let part =
            Part::ToolCall { call_id, name: name.to_owned(), args_text: String::new(), discarded: false };
        self.begins(turn_id, part, args)
    }

    pub fn calls(&mut self, turn_id: TurnId, name: &str) {
        let index = self.begins_call(turn_id, name, "{}");
        self.outputs(turn_id, ModelOutput::PartCompleted { index, opaque: None });
    }

    /// Whatever it calls is not there.
    pub fn finishes(&mut self, turn_id: TurnId) {
        self.asks_for_tools(turn_id);
        self.has_no_tools(turn_id);
    }

    pub fn asks_for_tools(&mut self, turn_id: TurnId) {
        let usage = Some(Usage { input_tokens: 10, output_tokens: 5, ..Usage::default() });
        self.outputs(turn_id, ModelOutput::Finished { finish_reason: FinishReason::Stop, usage });
    }

    pub fn has_no_tools(&mut self, turn_id: TurnId) {
        for call in self.open_calls(turn_id) {
            let (call_id, error) = (call.id, format!("the tool `{}` is not available", call.tool));
            self.turn(turn_id, Input::Judged { call_id, judgement: Judgement::Impossible { error } });
        }
    }

    pub fn open_calls(&self, turn_id: TurnId) -> Vec<Call> {
        let turn = self.state.turns.get(&turn_id);
        let calls = turn.into_iter().flat_map(|turn| &turn.calls).map(|open| open.call.clone());
        calls.filter(|call| !call.state.is_terminal()).collect()
    }

    pub fn judges(&mut self, turn_id: TurnId, call_id: CallId, judgement: Judgement) {
        self.turn(turn_id, Input::Judged { call_id, judgement });
    }

    pub fn call(&self, turn_id: TurnId, n: usize) -> CallId {
        self.state.turns[&turn_id].calls[n].call.id
    }

    pub fn answers(&mut self, turn_id: TurnId, text: &str) {
        self.says(turn_id, text);
        self.finishes(turn_id);
    }

    pub fn breaks(&mut self, turn_id: TurnId) {
        let (fence, failure) = (self.fence(turn_id), CallFailure::Broken { problem: problem() });
        self.turn(turn_id, Input::ModelFailed { fence, failure });
    }

    pub fn waits(&mut self, turn_id: TurnId) {
        self.take_in(Entry::Event(Event::TurnWaiting { turn_id, waiting_for: WaitingFor::Approval }));
    }

    /// No command does it yet; the log may say that it was done.
    pub fn switches_to(&mut self, head: MessageId) {
        self.take_in(Entry::Event(Event::HeadChanged { head: Some(head) }));
    }

    pub fn restarts(&mut self) {
        self.run(Command::Recover).expect("it is not deleted");
    }

    pub fn cancel(&mut self, turn_id: TurnId) {
        self.run(Command::Cancel { turn_id }).expect("it is not deleted");
    }

    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.log.iter().filter_map(|entry| match entry {
            Entry::Event(event) => Some(event),
            Entry::Delta(_) => None,
        })
    }

    pub fn messages(&self) -> Vec<&Message> {
        let created = self.events().filter_map(|event| match event {
            Event::MessageCreated { message, .. } => Some(message),
            _ => None,
        });
        created.collect()
    }

    /// A message in a line: `> question`, `answer`, `answer (interrupted)`.
    pub fn line(&self, message: &Message) -> String {
        let mut text: String = message.parts.iter().map(Part::streamed).collect();
        for entry in &self.log {
            if let Entry::Delta(delta) = entry
                && delta.message_id == message.id
            {
                text.push_str(&delta.text);
            }
        }
        let completed = self.events().find_map(|event| match event {
            Event::MessageCompleted { message_id, status, .. } if *message_id == message.id => Some(*status),
            _ => None,
        });
        let status = completed.unwrap_or(message.status);
        match (message.role, status) {
            (Role::User | Role::System, _) => format!("> {text}"),
            (Role::Assistant, MessageStatus::Complete) => text,
            (Role::Assistant, status) => format!("{text} ({})", format!("{status:?}").to_lowercase()),
        }
    }

    pub fn path(&self, leaf: Option<MessageId>) -> Vec<String> {
        let messages = self.messages();
        let mut path = Vec::new();
        let mut next = leaf;
        while let Some(id) = next {
            let message = messages.iter().find(|message| message.id == id).expect("a parent exists");
            path.insert(0, self.line(message));
            next = message.parent_id;
        }
        path
    }

    pub fn shown(&self) -> Vec<String> {
        self.path(self.state.head)
    }

    /// What happened to a turn, without its messages.
    pub fn story(&self, turn_id: TurnId) -> Vec<&'static str> {
        let of_turn = self.events().filter(|event| event.turn_id() == Some(turn_id)).map(Event::kind);
        of_turn.filter(|kind| kind.starts_with("turn.") || kind.starts_with("tool.")).collect()
    }

    pub fn queue(&self) -> Vec<TurnId> {
        self.state.queue.iter().map(|queued| queued.turn_id).collect()
    }

    pub fn failure(&self, turn_id: TurnId) -> Option<&str> {
        self.events().find_map(|event| match event {
            Event::TurnFailed { turn_id: id, problem } if *id == turn_id => Some(problem.detail.as_str()),
            _ => None,
        })
    }
}
