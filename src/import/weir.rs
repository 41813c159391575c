//! Our own export: lines of a header, then for each conversation itself and its messages, then an end; or one
//! document for each conversation. `export/` writes it.

use std::collections::HashMap;
use std::ops::ControlFlow;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::conversation::{Call, Content, Conversation, NODES, Node, Own, Piece, Said, Turn};
use super::documents::Found;
use super::format::Format;
use super::report::{Reason, Skipped};
use crate::chat::compaction::Compaction;
use crate::chat::conversation::Visibility;
use crate::chat::event::Settings;
use crate::chat::message::{self, Marks, Message, MessageStatus, Part};
use crate::clock::Timestamp;

#[derive(Deserialize)]
struct Line<'a> {
    weir: String,
    #[serde(borrow)]
    conversation: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    /// Of a document; an end says how many they were.
    #[serde(borrow)]
    messages: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Head {
    id: String,
    agent: String,
    name: Option<String>,
    title: Option<String>,
    #[serde(default)]
    visibility: Visibility,
    #[serde(default)]
    settings: Settings,
    metadata: Option<Value>,
    #[serde(default)]
    archived: bool,
    created_at: Timestamp,
    head: Option<String>,
    #[serde(default)]
    compactions: Vec<Compaction>,
}

#[derive(Deserialize)]
struct Exported {
    #[serde(flatten)]
    message: Message,
    #[serde(default)]
    calls: Vec<message::Call>,
    marks: Option<Marks>,
}

/// Puts a conversation together, line after line.
pub struct Lines {
    limit: usize,
    open: Option<Conversation>,
    bytes: usize,
    /// The conversation was given up; its messages are passed over.
    given_up: bool,
    began: bool,
    ended: bool,
}

type File<'a> = dyn FnMut(Found) -> ControlFlow<()> + 'a;

impl Lines {
    pub fn new(limit: usize) -> Self {
        Self { limit, open: None, bytes: 0, given_up: false, began: false, ended: false }
    }

    pub fn take(&mut self, json: &[u8], file: &mut File<'_>) -> ControlFlow<()> {
        let line: Line<'_> = match serde_json::from_slice(json) {
            Ok(line) => line,
            Err(error) => return file(Found::Skipped(Skipped::new(Reason::Malformed).detail(error))),
        };
        match (line.weir.as_str(), line.conversation, line.message) {
            ("export", _, _) => {
                self.began = true;
                ControlFlow::Continue(())
            }
            ("end", _, _) => {
                self.ended = true;
                self.close(file)
            }
            ("conversation", Some(conversation), _) => {
                self.close(file)?;
                self.begin(conversation, file)
            }
            ("document", Some(conversation), _) => {
                self.close(file)?;
                self.begin(conversation, file)?;
                let messages = line.messages.map(|raw| serde_json::from_str::<Vec<&RawValue>>(raw.get()));
                match messages.transpose() {
                    Ok(messages) => {
                        for raw in messages.unwrap_or_default() {
                            self.add(raw, file)?;
                        }
                    }
                    Err(error) => {
                        let id = self.open.take().map(|open| open.external_id).unwrap_or_default();
                        return file(Found::Skipped(Skipped::new(Reason::Malformed).of(&id).detail(error)));
                    }
                }
                self.close(file)
            }
            ("message", _, Some(message)) => self.add(message, file),
            (other, _, _) => {
                let detail = format!("a line of the kind `{other}`");
                file(Found::Skipped(Skipped::new(Reason::UnknownFormat).detail(detail)))
            }
        }
    }

    /// The file ends here.
    pub fn finish(mut self, file: &mut File<'_>) -> ControlFlow<()> {
        let cut = self.began && !self.ended;
        let id = self.open.as_ref().map(|open| open.external_id.clone()).filter(|_| cut);
        self.close(file)?;
        match cut {
            true => {
                let skipped = Skipped::new(Reason::Truncated).detail("the export has no end");
                file(Found::Skipped(Skipped { conversation: id, ..skipped }))
            }
            false => ControlFlow::Continue(()),
        }
    }

    fn begin(&mut self, raw: &RawValue, file: &mut File<'_>) -> ControlFlow<()> {
        (self.bytes, self.given_up) = (0, false);
        let head: Head = match serde_json::from_str(raw.get()) {
            Ok(head) => head,
            Err(error) => {
                self.given_up = true;
                return file(Found::Skipped(Skipped::new(Reason::Malformed).of("").detail(error)));
            }
        };
        let Head { id, agent, name, title, visibility, settings, metadata, archived, .. } = head;
        let (created_at, compactions, head) = (head.created_at, head.compactions, head.head);
        self.open = Some(Conversation {
            format: Format::Weir,
            external_id: id,
            title,
            created_at: Some(created_at),
            head,
            nodes: Vec::new(),
            own: Some(Box::new(Own { agent, name, visibility, settings, metadata, archived, compactions })),
            skipped: Vec::new(),
        });
        ControlFlow::Continue(())
    }

    fn add(&mut self, raw: &RawValue, file: &mut File<'_>) -> ControlFlow<()> {
        self.bytes += raw.get().len();
        let Some(open) = &mut self.open else {
            return match self.given_up {
                true => ControlFlow::Continue(()),
                false => file(Found::Skipped(
                    Skipped::new(Reason::Malformed).detail("a message before its conversation"),
                )),
            };
        };
        let over = match (self.bytes > self.limit, open.nodes.len() >= NODES) {
            (true, _) => Some(Reason::TooLarge),
            (false, true) => Some(Reason::TooManyMessages),
            (false, false) => None,
        };
        if let Some(reason) = over {
            let skipped = Skipped::new(reason).of(&open.external_id);
            (self.open, self.given_up) = (None, true);
            return file(Found::Skipped(skipped));
        }
        match serde_json::from_str::<Exported>(raw.get()) {
            Ok(exported) => open.nodes.push(node(exported)),
            Err(error) => open.skipped.push(Skipped::message(Reason::Malformed, "").detail(error)),
        }
        ControlFlow::Continue(())
    }

    fn close(&mut self, file: &mut File<'_>) -> ControlFlow<()> {
        let Some(mut conversation) = self.open.take() else { return ControlFlow::Continue(()) };
        // Ids sort by the order in which siblings were made.
        conversation.nodes.sort_by(|one, other| one.external_id.cmp(&other.external_id));
        file(Found::Conversation(Box::new(conversation)))
    }
}

fn node(Exported { message, calls, marks }: Exported) -> Node {
    let mut calls: HashMap<_, _> = calls.into_iter().map(|call| (call.id, call)).collect();
    let mut said = Said::new(message.role);
    said.status = match message.status {
        // Nobody goes on streaming it here.
        MessageStatus::Streaming => MessageStatus::Interrupted,
        status @ (MessageStatus::Complete
        | MessageStatus::Interrupted
        | MessageStatus::Cancelled
        | MessageStatus::Failed) => status,
    };
    for part in message.parts {
        said.pieces.push(match part {
            Part::ToolCall { call_id, name, args_text, discarded } => {
                let call = calls.remove(&call_id);
                let state = call.as_ref().map(|call| call.state);
                let (output, error) = call.map_or((None, None), |call| (call.output, call.error));
                let external_id = Some(call_id.to_string());
                Piece::Call(Call { external_id, name, args_text, discarded, output, error, state })
            }
            // The file itself is not in the export.
            Part::File { name, .. } => {
                Piece::Part(Part::Notice { code: "attachment".to_owned(), text: name })
            }
            part @ (Part::Text { .. }
            | Part::Reasoning { .. }
            | Part::Source { .. }
            | Part::Notice { .. }) => Piece::Part(part),
        });
    }
    said.created_at = Some(message.created_at);
    (said.model, said.finish_reason) = (message.model, message.finish_reason);
    (said.usage, said.metadata) = (message.usage, message.metadata);
    said.marks = marks;
    let (step, attempt) = (message.step, message.attempt);
    said.turn = message.turn_id.map(|id| Turn { external_id: id.to_string(), step, attempt });
    Node {
        external_id: message.id.to_string(),
        parent: message.parent_id.map(|id| id.to_string()),
        children: Vec::new(),
        content: Content::Message(Box::new(said)),
    }
}
