//! A conversation as every format is read into: nodes that name their parents.

use serde_json::Value;

use crate::chat::compaction::Compaction;
use crate::chat::conversation::Visibility;
use crate::chat::event::Settings;
use crate::chat::message::{CallState, FinishReason, Marks, MessageStatus, Part, Role, Usage};
use crate::clock::Timestamp;

use super::format::Format;
use super::report::Skipped;

/// At most so many nodes; whoever talks for years has some ten thousand.
pub const NODES: usize = 250_000;

#[derive(Debug, Clone, PartialEq)]
pub struct Conversation {
    pub format: Format,
    pub external_id: String,
    pub title: Option<String>,
    pub created_at: Option<Timestamp>,
    /// The node that the current branch ends in.
    pub head: Option<String>,
    /// In the order of the file; parents may come after their children.
    pub nodes: Vec<Node>,
    /// What only our own export says.
    pub own: Option<Box<Own>>,
    /// What was left out while it was read.
    pub skipped: Vec<Skipped>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Own {
    pub agent: String,
    pub name: Option<String>,
    pub visibility: Visibility,
    pub settings: Settings,
    pub metadata: Option<Value>,
    pub archived: bool,
    pub compactions: Vec<Compaction>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub external_id: String,
    pub parent: Option<String>,
    /// In their order, where the format says it.
    pub children: Vec<String>,
    pub content: Content,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    Message(Box<Said>),
    /// What a tool answered to the message above.
    Output(Output),
    /// No message: its children follow its parent.
    Nothing,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    pub role: Role,
    pub status: MessageStatus,
    pub pieces: Vec<Piece>,
    pub created_at: Option<Timestamp>,
    pub model: Option<String>,
    pub finish_reason: Option<FinishReason>,
    pub usage: Option<Usage>,
    pub metadata: Option<Value>,
    /// Which messages are one answer.
    pub turn: Option<Turn>,
    pub marks: Option<Marks>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    pub external_id: String,
    pub step: Option<u32>,
    pub attempt: Option<u32>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Piece {
    Part(Part),
    Call(Call),
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Call {
    pub external_id: Option<String>,
    pub name: String,
    pub args_text: String,
    pub discarded: bool,
    pub output: Option<String>,
    pub error: Option<String>,
    /// Absent: what the output says.
    pub state: Option<CallState>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    pub tool: String,
    pub text: String,
    pub is_error: bool,
    pub created_at: Option<Timestamp>,
}

impl Said {
    pub fn new(role: Role) -> Self {
        Self {
            role,
            status: MessageStatus::Complete,
            pieces: Vec::new(),
            created_at: None,
            model: None,
            finish_reason: None,
            usage: None,
            metadata: None,
            turn: None,
            marks: None,
        }
    }

    /// Adds text, unless there is none.
    pub fn text(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !text.trim().is_empty() {
            self.pieces.push(Piece::Part(Part::Text { text }));
        }
    }

    pub fn reasoning(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !text.trim().is_empty() {
            self.pieces.push(Piece::Part(Part::Reasoning { text }));
        }
    }

    /// A file of which only the name came along.
    pub fn attachment(&mut self, name: impl Into<String>) {
        self.notice("attachment", name);
    }

    pub fn notice(&mut self, code: &str, text: impl Into<String>) {
        self.pieces.push(Piece::Part(Part::Notice { code: code.to_owned(), text: text.into() }));
    }

    pub fn source(&mut self, url: String, title: Option<String>) {
        self.pieces.push(Piece::Part(Part::Source { url, title }));
    }

    pub fn call(&mut self, call: Call) {
        self.pieces.push(Piece::Call(call));
    }

    pub fn calls_mut(&mut self) -> impl Iterator<Item = &mut Call> {
        self.pieces.iter_mut().filter_map(|piece| match piece {
            Piece::Call(call) => Some(call),
            Piece::Part(_) => None,
        })
    }

    /// The answer was cut off.
    pub fn interrupted(&mut self) {
        self.status = MessageStatus::Interrupted;
        self.finish_reason = None;
    }
}

impl Call {
    /// Takes in what the tool answered; a second answer follows the first.
    pub fn answer(&mut self, text: String, is_error: bool) {
        let slot = if is_error { &mut self.error } else { &mut self.output };
        match slot {
            Some(said) => {
                said.push('\n');
                said.push_str(&text);
            }
            None => *slot = Some(text),
        }
    }

    pub fn state(&self) -> CallState {
        match (self.state, &self.output, &self.error) {
            (Some(state), _, _) => state,
            (None, _, Some(_)) => CallState::Failed,
            (None, Some(_), None) => CallState::Succeeded,
            // It ran, most likely, and nobody wrote down how it went.
            (None, None, None) => CallState::Unknown,
        }
    }
}

/// Arguments that are no JSON (code, as a rule) as an object that holds them.
pub fn args_text(name: &str, args: String) -> String {
    match serde_json::from_str::<&serde_json::value::RawValue>(&args) {
        Ok(json) if json.get().starts_with('{') => args,
        Ok(_) | Err(_) => serde_json::json!({ name: args }).to_string(),
    }
}
