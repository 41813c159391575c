//! The text of a message that is streaming: what is durable but not yet in the tables.

use std::collections::BTreeMap;

use crate::chat::conversation::Conversation;
use crate::chat::event::{Delta, Entry, Event, Seq};
use crate::chat::message::{Opaque, Part, Role, StoredPart};
use crate::id::{MessageId, TurnId};
use crate::store::{OpenTail, Run};

/// At most so much text goes into one frame when it is replayed.
const PIECE: usize = 64 * 1024;

#[derive(Debug, Clone)]
pub struct OpenText {
    pub message_id: MessageId,
    pub turn_id: TurnId,
    parts: Vec<OpenPart>,
    /// In the order of the log.
    runs: Vec<Run>,
}

#[derive(Debug, Clone)]
struct OpenPart {
    head: Part,
    text: String,
}

impl OpenPart {
    fn new(head: Part) -> Self {
        Self { head, text: String::new() }
    }
}

/// A piece of streamed text at its place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'a> {
    pub index: u32,
    pub text: &'a str,
}

impl OpenText {
    pub fn new(message_id: MessageId, turn_id: TurnId) -> Self {
        Self { message_id, turn_id, parts: Vec::new(), runs: Vec::new() }
    }

    /// Takes in an entry of its own message, which begins at `prev`.
    pub fn evolve(&mut self, prev: Seq, entry: &Entry) {
        match entry {
            Entry::Delta(delta) => self.push(prev, delta),
            Entry::Event(Event::PartStarted { part, .. }) => {
                self.parts.push(OpenPart::new(part.clone()));
            }
            Entry::Event(Event::PartCompleted { index, part: Some(part), .. }) => {
                if let Some(open) = self.parts.get_mut(*index as usize) {
                    open.head = part.clone();
                }
            }
            Entry::Event(_) => {}
        }
    }

    fn push(&mut self, prev: Seq, delta: &Delta) {
        let Some(part) = self.parts.get_mut(delta.index as usize) else { return };
        let offset = part.text.len() as u64;
        let length = delta.text.len() as u64;
        part.text.push_str(&delta.text);
        match self.runs.last_mut() {
            Some(last) if last.index == delta.index && last.prev.plus(last.length) == prev => {
                last.length += length;
            }
            _ => self.runs.push(Run { prev, index: delta.index, offset, length }),
        }
    }

    /// The text that begins at position `at`, as far as it goes on without anything else in between.
    /// `None` where this message has no text there, or where `at` lies inside a character.
    pub fn piece_at(&self, at: Seq) -> Option<Piece<'_>> {
        let after = self.runs.partition_point(|run| run.prev <= at);
        let run = self.runs.get(after.checked_sub(1)?)?;
        let into = at.0 - run.prev.0;
        if into >= run.length {
            return None;
        }
        let text = &self.parts.get(run.index as usize)?.text;
        let start = usize::try_from(run.offset + into).ok()?;
        let end = usize::try_from(run.offset + run.length).ok()?;
        let end = text.floor_char_boundary(end.min(start + PIECE));
        let text = text.get(start..end)?;
        Some(Piece { index: run.index, text })
    }

    /// The parts as they stand.
    pub fn parts(&self) -> Vec<Part> {
        self.parts.iter().map(|part| part.head.clone().with_streamed(part.text.clone())).collect()
    }

    /// What is stored once the message is completed.
    pub fn into_content(self, opaque: &BTreeMap<(MessageId, u32), Opaque>) -> (Vec<StoredPart>, Vec<Run>) {
        let message_id = self.message_id;
        let stored = (0u32..).zip(self.parts).map(|(index, part)| StoredPart {
            part: part.head.with_streamed(part.text),
            opaque: opaque.get(&(message_id, index)).cloned(),
        });
        (stored.collect(), self.runs)
    }
}

/// The messages of one conversation that are streaming; a few at most.
#[derive(Debug, Clone, Default)]
pub struct OpenTexts(Vec<OpenText>);

impl OpenTexts {
    /// After a restart: joins what the events say of the open messages with their text from the journal, and tells
    /// the turns how long that is.
    pub fn restore(tails: &[OpenTail], conversation: &mut Conversation) -> Self {
        let mut open = Vec::new();
        for turn in conversation.turns.values_mut() {
            let Some(message) = &mut turn.open else { continue };
            let mut text = OpenText::new(message.id, turn.id);
            text.parts = message.parts.iter().map(|part| OpenPart::new(part.head.clone())).collect();
            if let Some(tail) = tails.iter().find(|tail| tail.message_id == message.id) {
                text.runs.clone_from(&tail.runs);
                for (index, streamed) in &tail.parts {
                    if let Some(part) = text.parts.get_mut(*index as usize) {
                        part.text.clone_from(streamed);
                    }
                }
            }
            for (part, restored) in message.parts.iter_mut().zip(&text.parts) {
                part.bytes = restored.text.len() as u64;
                if let Part::ToolCall { args_text, .. } = &mut part.head {
                    args_text.clone_from(&restored.text);
                }
            }
            open.push(text);
        }
        Self(open)
    }

    pub fn evolve(&mut self, prev: Seq, entry: &Entry) {
        match entry {
            Entry::Event(Event::MessageCreated { turn_id: Some(turn_id), message, .. })
                if message.role == Role::Assistant =>
            {
                self.0.push(OpenText::new(message.id, *turn_id));
            }
            Entry::Event(Event::MessageCompleted { message_id, .. }) => {
                self.0.retain(|open| open.message_id != *message_id);
            }
            Entry::Event(Event::PartStarted { message_id, .. } | Event::PartCompleted { message_id, .. })
            | Entry::Delta(Delta { message_id, .. }) => {
                if let Some(open) = self.0.iter_mut().find(|open| open.message_id == *message_id) {
                    open.evolve(prev, entry);
                }
            }
            Entry::Event(_) => {}
        }
    }

    pub fn get(&self, message_id: MessageId) -> Option<&OpenText> {
        self.0.iter().find(|open| open.message_id == message_id)
    }

    pub fn iter(&self) -> impl Iterator<Item = &OpenText> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delta(open: &OpenText, index: u32, text: &str) -> Entry {
        let (message_id, turn_id) = (open.message_id, open.turn_id);
        Entry::Delta(Delta { turn_id, message_id, index, text: text.to_owned() })
    }

    fn started(open: &OpenText, index: u32, part: Part) -> Entry {
        let (message_id, turn_id) = (open.message_id, open.turn_id);
        Entry::Event(Event::PartStarted { turn_id, message_id, index, part })
    }

    #[test]
    fn every_position_of_interleaved_parts_finds_its_text() {
        let mut open = OpenText::new(MessageId::from_bytes([1; 16]), TurnId::from_bytes([2; 16]));
        open.evolve(Seq(0), &started(&open, 0, Part::Text { text: String::new() }));
        open.evolve(Seq(1), &started(&open, 1, Part::Reasoning { text: String::new() }));
        open.evolve(Seq(2), &delta(&open, 0, "ab"));
        open.evolve(Seq(4), &delta(&open, 0, "cü"));
        open.evolve(Seq(7), &delta(&open, 1, "xy"));
        open.evolve(Seq(10), &delta(&open, 0, "d"));

        assert_eq!(open.runs.len(), 3);
        assert_eq!(open.piece_at(Seq(1)), None);
        assert_eq!(open.piece_at(Seq(2)), Some(Piece { index: 0, text: "abcü" }));
        assert_eq!(open.piece_at(Seq(5)), Some(Piece { index: 0, text: "ü" }));
        assert_eq!(open.piece_at(Seq(6)), None, "inside a character");
        assert_eq!(open.piece_at(Seq(8)), Some(Piece { index: 1, text: "y" }));
        assert_eq!(open.piece_at(Seq(9)), None);
        assert_eq!(open.piece_at(Seq(10)), Some(Piece { index: 0, text: "d" }));
        assert_eq!(open.piece_at(Seq(11)), None);
    }
}
