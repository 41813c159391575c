//! What one commit of a conversation will hold: entries of its log, decided on a draft.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::chat::conversation::{Command, Conversation, Refusal, decide};
use crate::chat::event::{Delta, Entry, Event, Seq};
use crate::chat::message::Opaque;
use crate::chat::turn::{Effect, Input, ModelOutput, Stamp};
use crate::clock::Timestamp;
use crate::id::{ConversationId, MessageId, TurnId};
use crate::scope::Caller;
use crate::store::{Audit, Job, Record};

use super::frame::{Frame, Framer};
use super::open_text::OpenTexts;

/// Waiting deltas of one part are merged up to so many bytes.
const MERGED_DELTA: usize = 16 * 1024;

/// A batch that has taken in so many entries is committed before it takes more.
const ENTRIES: usize = 256;

pub struct Batch {
    conversation_id: ConversationId,
    at: Timestamp,
    start: Seq,
    pub end: Seq,
    /// The conversation as it is, but for what was folded into it: a copy from the first event on.
    draft: Arc<Conversation>,
    pub entries: Vec<(Seq, Entry)>,
    /// How many of the entries are in the draft. What follows are deltas, and no decision about a delta depends on
    /// those before it: in the usual batch nothing is copied.
    folded: usize,
    pub effects: Vec<Effect>,
    /// Who asked for it, where somebody did.
    caller: Option<Caller>,
}

impl Batch {
    pub fn on(draft: Arc<Conversation>, conversation_id: ConversationId, start: Seq, at: Timestamp) -> Self {
        Self {
            conversation_id,
            at,
            start,
            end: start,
            draft,
            entries: Vec::new(),
            folded: 0,
            effects: Vec::new(),
            caller: None,
        }
    }

    pub fn asked_by(self, caller: Option<Caller>) -> Self {
        Self { caller, ..self }
    }

    pub fn is_full(&self) -> bool {
        self.entries.len() >= ENTRIES
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Takes a command in, or refuses it and stays as it was.
    pub fn take(&mut self, command: Command) -> Result<(), Refusal> {
        let delta = matches!(
            &command,
            Command::Turn { input: Input::Model { output: ModelOutput::Delta { .. }, .. }, .. }
        );
        if !delta {
            self.fold();
        }
        // A delta makes no message, and there are many of them: an id costs a call to the kernel.
        let message_id = if delta { MessageId::from_bytes([0; 16]) } else { MessageId::new() };
        let decision = decide(&self.draft, command, &Stamp { now: self.at, message_id })?;
        for entry in decision.entries {
            self.push(entry);
        }
        if !delta {
            self.fold();
        }
        self.effects.extend(decision.effects);
        Ok(())
    }

    /// What the conversation is after the commands that were taken in.
    pub fn outcome(&self) -> &Conversation {
        &self.draft
    }

    fn fold(&mut self) {
        let new = &self.entries[self.folded..];
        if !new.is_empty() {
            let draft = Arc::make_mut(&mut self.draft);
            new.iter().for_each(|(_, entry)| draft.evolve(entry));
            self.folded = self.entries.len();
        }
    }

    /// Makes the conversation what it is now that this is committed; what is left is to be told and done.
    pub fn evolve(self, conversation: &mut Arc<Conversation>) -> (Vec<(Seq, Entry)>, Vec<Effect>) {
        *conversation = self.draft;
        let new = &self.entries[self.folded..];
        if !new.is_empty() {
            // Nobody else holds it any more: it changes in place.
            let conversation = Arc::make_mut(conversation);
            new.iter().for_each(|(_, entry)| conversation.evolve(entry));
        }
        (self.entries, self.effects)
    }

    /// Takes in what a model said; remembers what its provider wants back.
    pub fn take_model(
        &mut self,
        turn_id: TurnId,
        input: Input,
        opaque: &mut BTreeMap<(MessageId, u32), Opaque>,
    ) {
        if let Input::Model { output: ModelOutput::PartCompleted { index, opaque: Some(value) }, fence } =
            &input
            && let Some(turn) = self.draft.turns.get(&turn_id)
            && turn.fence == *fence
            && let Some(open) = &turn.open
        {
            opaque.insert((open.id, *index), value.clone());
        }
        // A turn's input is never refused: what is stale decides nothing.
        let _ = self.take(Command::Turn { turn_id, input });
    }

    fn push(&mut self, entry: Entry) {
        let prev = self.end;
        self.end = prev.plus(entry.width());
        if let Entry::Delta(delta) = &entry
            && self.entries.len() > self.folded
            && let Some((_, Entry::Delta(last))) = self.entries.last_mut()
            && last.merges_with(delta)
        {
            last.text.push_str(&delta.text);
            return;
        }
        self.entries.push((prev, entry));
    }

    /// The job that commits it. `open` is the text that earlier commits left open; it is needed where a message is
    /// completed.
    pub fn job(
        &self,
        mut open: OpenTexts,
        opaque: &BTreeMap<(MessageId, u32), Opaque>,
        extra: Option<Record>,
    ) -> Job {
        let completes = self.completes_a_message();
        let mut records = Vec::with_capacity(self.entries.len() + 1);
        for (prev, entry) in &self.entries {
            let (conversation_id, prev, at) = (self.conversation_id, *prev, self.at);
            if let Entry::Event(Event::MessageCompleted { message_id, .. }) = entry
                && let Some(text) = open.get(*message_id)
            {
                let (parts, runs) = text.clone().into_content(opaque);
                records.push(Record::Content { conversation_id, message_id: *message_id, parts, runs });
            }
            if completes {
                open.evolve(prev, entry);
            }
            records.push(match entry {
                Entry::Event(event) => Record::Event { conversation_id, prev, at, event: event.clone() },
                Entry::Delta(delta) => Record::Delta { conversation_id, prev, delta: delta.clone() },
            });
            if let Entry::Event(event) = entry
                && event.is_audited()
            {
                let (seq, salt, caller) = (prev.plus(1), rand::random(), self.caller.clone());
                records.push(Record::Audit(Audit { conversation_id, seq, salt, caller }));
            }
        }
        records.extend(extra);
        Job { conversation_id: self.conversation_id, expected_last_seq: self.start, records }
    }

    pub fn completes_a_message(&self) -> bool {
        self.entries.iter().any(|(_, entry)| matches!(entry, Entry::Event(Event::MessageCompleted { .. })))
    }

    pub fn frames(&self, framer: &Framer) -> Vec<Frame> {
        let frame = |(prev, entry): &(Seq, Entry)| match entry {
            Entry::Event(event) => framer.event(*prev, self.at, event),
            Entry::Delta(delta) => framer.delta(*prev, delta),
        };
        self.entries.iter().map(frame).collect()
    }
}

impl Delta {
    fn merges_with(&self, next: &Self) -> bool {
        self.message_id == next.message_id
            && self.index == next.index
            && self.text.len() + next.text.len() <= MERGED_DELTA
    }
}
