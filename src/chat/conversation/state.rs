//! A conversation as its events left it: its head, the turns that run, and the queue.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::ConversationInfo;
use crate::chat::event::{Entry, Event};
use crate::chat::turn::{self, QueuedTurn, Turn};
use crate::id::{MessageId, TurnId};

/// Cheap to clone: a draft of it is made for every commit.
#[derive(Debug, Clone, PartialEq)]
pub struct Conversation {
    pub info: Arc<ConversationInfo>,
    pub head: Option<MessageId>,
    /// Running or waiting, at most [`super::MAX_RUNNING_TURNS`].
    pub turns: BTreeMap<TurnId, Turn>,
    /// In the order in which they will run.
    pub queue: Vec<Queued>,
    pub deleted: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Queued {
    pub turn_id: TurnId,
    pub turn: Arc<QueuedTurn>,
}

impl Conversation {
    pub fn new(info: ConversationInfo) -> Self {
        Self { info: Arc::new(info), head: None, turns: BTreeMap::new(), queue: Vec::new(), deleted: false }
    }

    /// As it is loaded from the store: `entries` are those of the turns that have not ended, and every
    /// `queue.changed` since the first of them, in the order of the log.
    pub fn load<'a>(
        info: ConversationInfo,
        head: Option<MessageId>,
        entries: impl IntoIterator<Item = &'a Entry>,
    ) -> Self {
        let mut conversation = Self::new(info);
        for entry in entries {
            conversation.evolve(entry);
        }
        // Their messages say where the head went, but not where it has gone since.
        conversation.head = head;
        conversation
    }

    pub fn is_idle(&self) -> bool {
        self.turns.is_empty() && self.queue.is_empty()
    }

    /// The messages that its head, its turns and its queue stand on.
    pub fn places(&self) -> BTreeSet<MessageId> {
        let queued = self.queue.iter().flat_map(|queued| [queued.turn.parent_id, queued.turn.after]);
        let turns = self.turns.values().map(|turn| Some(turn.leaf));
        queued.chain(turns).chain([self.head]).flatten().collect()
    }

    pub fn queued(&self, turn_id: TurnId) -> Option<&Queued> {
        self.queue.iter().find(|queued| queued.turn_id == turn_id)
    }

    /// Takes in an entry of the log. Total: what is in the log is a fact.
    pub fn evolve(&mut self, entry: &Entry) {
        match entry {
            Entry::Delta(delta) => self.evolve_turn(delta.turn_id, entry),
            Entry::Event(event) => self.evolve_event(event, entry),
        }
    }

    fn evolve_event(&mut self, event: &Event, entry: &Entry) {
        match event {
            Event::ConversationCreated { conversation } => self.info = Arc::new(conversation.clone()),
            Event::ConversationUpdated { changes } => Arc::make_mut(&mut self.info).take_in(changes),
            Event::HeadChanged { head } => self.head = *head,
            Event::ConversationForked { origin } => self.head = Some(origin.message_id),
            Event::ConversationDeleted {} => self.deleted = true,
            Event::TurnQueued { turn_id, turn } => self.enqueue(*turn_id, turn),
            Event::QueueChanged { turn_ids } => {
                let place = |queued: &Queued| turn_ids.iter().position(|id| *id == queued.turn_id);
                self.queue.sort_by_key(place);
            }
            Event::QueueEdited { turn_id, parts } => {
                if let Some(queued) = self.queue.iter_mut().find(|queued| queued.turn_id == *turn_id) {
                    Arc::make_mut(&mut queued.turn).parts.clone_from(parts);
                }
            }
            Event::TurnStarted { turn_id, turn } => {
                self.queue.retain(|queued| queued.turn_id != *turn_id);
                self.turns.insert(*turn_id, Turn::started(*turn_id, turn.clone()));
            }
            Event::MessageCreated { message, .. } => {
                // A message created under the head becomes the head.
                if message.parent_id == self.head {
                    self.head = Some(message.id);
                }
            }
            Event::ConversationCompacted { .. }
            | Event::ConversationUncompacted { .. }
            | Event::BranchDeleted { .. }
            | Event::MessageMarked { .. }
            | Event::PartStarted { .. }
            | Event::PartCompleted { .. }
            | Event::MessageCompleted { .. }
            | Event::TurnWaiting { .. }
            | Event::TurnResumed { .. }
            | Event::TurnCompleted { .. }
            | Event::TurnFailed { .. }
            | Event::TurnCancelled { .. }
            | Event::TurnInterrupted { .. }
            | Event::ToolProposed { .. }
            | Event::ToolFailed { .. }
            | Event::ToolPending { .. }
            | Event::ToolApproved { .. }
            | Event::ToolStarted { .. }
            | Event::ToolProgress { .. }
            | Event::ToolAsked { .. }
            | Event::ToolAnswered { .. }
            | Event::ToolSucceeded { .. }
            | Event::ToolDenied { .. }
            | Event::ToolExpired { .. }
            | Event::ToolCancelled { .. }
            | Event::ToolUnknown { .. }
            | Event::ToolResolved { .. }
            | Event::ApprovalRequested { .. }
            | Event::ApprovalVoted { .. }
            | Event::ApprovalDecided { .. }
            | Event::ApprovalClosed { .. }
            | Event::Notice { .. } => {}
        }
        let Some(turn_id) = event.turn_id() else { return };
        self.evolve_turn(turn_id, entry);
        if event.ends_turn() {
            self.turns.remove(&turn_id);
            self.queue.retain(|queued| queued.turn_id != turn_id);
        }
    }

    fn evolve_turn(&mut self, turn_id: TurnId, entry: &Entry) {
        if let Some(turn) = self.turns.get_mut(&turn_id) {
            turn::evolve(turn, entry);
        }
    }

    fn enqueue(&mut self, turn_id: TurnId, turn: &QueuedTurn) {
        let queued = Queued { turn_id, turn: Arc::new(turn.clone()) };
        match turn.first {
            true => self.queue.insert(0, queued),
            false => self.queue.push(queued),
        }
    }
}
