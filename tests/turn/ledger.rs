//! The log of one conversation, and what PROTOCOL promises of every log, checked entry by entry.

use std::collections::{HashMap, HashSet};

use weir::chat::approval::{ApprovalState, VoteDecision};
use weir::chat::conversation::MAX_RUNNING_TURNS;
use weir::chat::event::{Entry, Event, ResumeReason};
use weir::chat::message::{Message, MessageStatus, Part, Role};
use weir::chat::turn::MAX_ATTEMPTS_PER_STEP;
use weir::id::{ApprovalId, CallId, MessageId, QuestionId, TurnId};

#[derive(Debug, Default)]
pub struct Ledger {
    pub entries: Vec<Entry>,
    pub messages: HashMap<MessageId, Node>,
    pub turns: HashMap<TurnId, Life>,
    calls: HashMap<CallId, CallLife>,
    /// Calls that were open when their message was cut.
    discarded: HashSet<CallId>,
    deleted: bool,
}

#[derive(Debug)]
pub struct Node {
    pub message: Message,
    parts: Vec<Streamed>,
}

#[derive(Debug)]
struct Streamed {
    head: Part,
    text: String,
    closed: bool,
}

/// What the log says of one turn.
#[derive(Debug, Default)]
pub struct Life {
    pub queued: bool,
    pub started: bool,
    pub ended: Option<Event>,
    attempt: u32,
    /// Since the last completed step.
    tries: u32,
}

/// What the log says of one call.
#[derive(Debug)]
struct CallLife {
    turn_id: TurnId,
    ended: bool,
    /// Nobody knows what came of it.
    unknown: bool,
    resolved: bool,
    starts: u32,
    /// People are or were asked, and this is the newest question.
    asked: Option<ApprovalId>,
    /// How that was answered.
    answered: Option<VoteDecision>,
    closed: bool,
    /// What it asks people while it runs.
    wonders: Option<QuestionId>,
    approved: bool,
    /// Its client was asked.
    handed_out: bool,
}

impl Ledger {
    /// Takes in one entry. `finished` is the turn whose model just said that its answer is whole.
    pub fn append(&mut self, entry: Entry, finished: Option<TurnId>) {
        assert!(!self.deleted, "nothing follows the deletion");
        assert!(entry.width() > 0, "every entry takes a position, or two would share one");
        match &entry {
            Entry::Delta(delta) => {
                self.assert_runs(delta.turn_id);
                let part = self.open_part(delta.message_id, delta.index);
                assert!(
                    matches!(part.head, Part::Text { .. } | Part::Reasoning { .. } | Part::ToolCall { .. }),
                    "a delta for a part that comes whole: {:?}",
                    part.head
                );
                part.text.push_str(&delta.text);
            }
            Entry::Event(event) => self.event(event, finished),
        }
        self.entries.push(entry);
    }

    fn event(&mut self, event: &Event, finished: Option<TurnId>) {
        match event {
            Event::ConversationCreated { .. } => assert!(self.entries.is_empty(), "created first, and once"),
            Event::HeadChanged { head: Some(head) } => assert!(self.messages.contains_key(head)),
            Event::ConversationDeleted {} => {
                assert!(
                    self.turns.values().all(|life| life.ended.is_some()),
                    "deleted with turns unfinished"
                );
                self.deleted = true;
            }
            Event::MessageCreated { message, turn_id, .. } => self.created(message, *turn_id),
            Event::PartStarted { turn_id, message_id, index, part } => {
                self.assert_runs(*turn_id);
                let node = self.streaming(*message_id);
                assert_eq!(*index as usize, node.parts.len(), "parts are numbered in order");
                assert_eq!(part.streamed(), "", "a part starts empty: its text comes as deltas");
                node.parts.push(Streamed { head: part.clone(), text: String::new(), closed: false });
            }
            Event::PartCompleted { turn_id, message_id, index, part, bytes } => {
                self.assert_runs(*turn_id);
                let open = self.open_part(*message_id, *index);
                assert_eq!(open.text.len() as u64, *bytes, "the deltas spell the whole part");
                open.closed = true;
                if let Some(Part::ToolCall { call_id, discarded: true, .. }) = part {
                    self.discarded.insert(*call_id);
                }
            }
            Event::MessageCompleted { turn_id, message_id, status, .. } => {
                self.assert_runs(*turn_id);
                let node = self.streaming(*message_id);
                assert!(node.parts.iter().all(|part| part.closed), "a message completes after its parts");
                assert_ne!(*status, MessageStatus::Streaming);
                node.message.status = *status;
                let whole = *status == MessageStatus::Complete;
                assert_eq!(
                    whole,
                    finished == Some(*turn_id),
                    "complete is what the model finished, only that"
                );
                if whole {
                    self.life(*turn_id).tries = 1;
                }
            }
            Event::TurnQueued { turn_id, .. } => {
                assert!(!self.turns.contains_key(turn_id), "{turn_id} is queued once, and before it starts");
                self.turns.insert(*turn_id, Life { queued: true, ..Life::default() });
            }
            Event::TurnStarted { turn_id, turn } => {
                assert!(self.messages.contains_key(&turn.input), "a turn answers a message that exists");
                let life = self.turns.entry(*turn_id).or_default();
                assert!(!life.started && life.ended.is_none(), "{turn_id} starts once");
                (life.started, life.attempt, life.tries) = (true, 1, 1);
                let running = self.turns.values().filter(|life| life.started && life.ended.is_none()).count();
                assert!(running <= MAX_RUNNING_TURNS, "{running} turns run");
            }
            Event::TurnResumed { turn_id, attempt, reason: ResumeReason::Answered, deadline } => {
                self.assert_runs(*turn_id);
                assert_eq!(*attempt, self.life(*turn_id).attempt, "the attempt goes on");
                assert!(deadline.is_some(), "the clock is wound again");
            }
            Event::TurnResumed { turn_id, attempt, .. } => {
                self.assert_runs(*turn_id);
                let life = self.life(*turn_id);
                assert_eq!(*attempt, life.attempt + 1, "attempts are counted");
                (life.attempt, life.tries) = (*attempt, life.tries + 1);
                assert!(life.tries <= MAX_ATTEMPTS_PER_STEP, "{turn_id} tried {} times in vain", life.tries);
            }
            Event::TurnWaiting { turn_id, .. } | Event::Notice { turn_id: Some(turn_id), .. } => {
                self.assert_runs(*turn_id);
            }
            Event::TurnCompleted { turn_id, .. }
            | Event::TurnFailed { turn_id, .. }
            | Event::TurnCancelled { turn_id }
            | Event::TurnInterrupted { turn_id, .. } => self.ended(*turn_id, event),
            Event::QueueChanged { turn_ids } => {
                let is_queued = |life: &Life| life.queued && !life.started && life.ended.is_none();
                let queued = self.turns.values().filter(|life| is_queued(life)).count();
                assert_eq!(turn_ids.len(), queued);
                assert!(turn_ids.iter().all(|id| is_queued(&self.turns[id])), "an order of what is queued");
            }
            Event::QueueEdited { turn_id, .. } => {
                let life = self.life(*turn_id);
                assert!(!life.started && life.ended.is_none(), "only what is queued is edited");
            }
            Event::ToolProposed { turn_id, call } => {
                self.assert_runs(*turn_id);
                let node = &self.messages[&call.message_id];
                assert_eq!(node.message.status, MessageStatus::Complete, "a cut message proposes nothing");
                assert!(!self.discarded.contains(&call.id), "{} was discarded", call.id);
                if let Some(first) = call.retry_of {
                    let first = &self.calls[&first];
                    assert!(first.unknown && first.resolved, "only what nobody knew is done again");
                } else {
                    let is_it = |part: &&Streamed| matches!(&part.head, Part::ToolCall { call_id, .. } if *call_id == call.id);
                    let part = node.parts.iter().find(is_it).expect("a call is a part of its message");
                    assert_eq!(part.text, call.args_text, "the arguments are verbatim");
                }
                let life = CallLife {
                    turn_id: *turn_id,
                    ended: false,
                    unknown: false,
                    resolved: false,
                    starts: 0,
                    asked: None,
                    answered: None,
                    closed: false,
                    wonders: None,
                    approved: false,
                    handed_out: false,
                };
                assert!(self.calls.insert(call.id, life).is_none(), "{} is proposed once", call.id);
            }
            Event::ToolPending { call_id, .. } => {
                let life = self.call(*call_id);
                assert_eq!(life.starts, 0, "nobody is asked about what has started");
                (life.handed_out, life.approved) = (true, false);
            }
            Event::ApprovalRequested { approval, .. } => {
                let life = self.call(approval.call_id);
                assert!(life.asked.is_none() || life.closed, "one question at a time");
                (life.asked, life.answered, life.closed) = (Some(approval.id), None, false);
                life.handed_out = false;
            }
            Event::ApprovalVoted { call_id, approval_id, .. } => {
                let life = self.call(*call_id);
                assert_eq!((life.asked, life.answered, life.closed), (Some(*approval_id), None, false));
            }
            Event::ApprovalDecided { call_id, approval_id, outcome, .. } => {
                let life = self.call(*call_id);
                assert_eq!((life.asked, life.answered, life.closed), (Some(*approval_id), None, false));
                life.answered = Some(*outcome);
            }
            Event::ApprovalClosed { call_id, approval_id, outcome, .. } => {
                let life = self.call(*call_id);
                assert_eq!((life.asked, life.closed), (Some(*approval_id), false));
                let void = *outcome == ApprovalState::Void;
                assert_eq!(life.answered.is_some(), void, "only what was approved becomes void");
                life.closed = true;
            }
            Event::ToolApproved { call_id, .. } => {
                let life = self.call(*call_id);
                assert_eq!(life.answered, Some(VoteDecision::Approve), "people said yes");
                life.approved = true;
            }
            Event::ToolStarted { call_id, .. } => {
                let life = self.call(*call_id);
                assert!(
                    life.asked.is_none() || (life.approved && !life.closed),
                    "{call_id} runs without a yes"
                );
                life.starts += 1;
                assert_eq!(life.starts, 1, "{call_id} starts once");
            }
            Event::ToolSucceeded { call_id, .. } => {
                let life = self.call(*call_id);
                assert!(life.starts == 1 || life.handed_out, "{call_id} never ran");
                life.ended = true;
            }
            Event::ToolFailed { call_id, .. } => self.call(*call_id).ended = true,
            Event::ToolUnknown { call_id, .. } => {
                let life = self.call(*call_id);
                assert!(life.starts == 1 || life.handed_out, "{call_id} never ran");
                (life.ended, life.unknown) = (true, true);
            }
            Event::ToolDenied { call_id, .. } => {
                let life = self.call(*call_id);
                assert_eq!(life.starts, 0, "what ran was not denied");
                life.ended = true;
            }
            Event::ToolExpired { call_id, .. } => {
                let life = self.call(*call_id);
                assert!(life.closed && life.starts == 0);
                life.ended = true;
            }
            Event::ToolCancelled { call_id, .. } => {
                let life = self.call(*call_id);
                assert_eq!(life.starts, 0, "what ran is not undone");
                assert!(
                    life.asked.is_none() || life.closed || life.answered.is_some(),
                    "its question is withdrawn"
                );
                life.ended = true;
            }
            Event::ToolProgress { call_id, .. } => {
                assert!(self.call(*call_id).starts > 0, "what runs says how far it is");
            }
            Event::ToolAsked { call_id, question, .. } => {
                let life = self.call(*call_id);
                assert!(life.starts > 0 && life.wonders.is_none(), "what runs asks one thing at a time");
                life.wonders = Some(question.id);
            }
            Event::ToolAnswered { call_id, question_id, .. } => {
                assert_eq!(
                    self.call(*call_id).wonders.take(),
                    Some(*question_id),
                    "what is asked is answered"
                );
            }
            Event::ToolResolved { call_id, .. } => {
                let life = self.calls.get_mut(call_id).expect("it was proposed");
                assert!(life.unknown && !life.resolved, "what nobody knew is said once");
                life.resolved = true;
            }
            Event::BranchDeleted { message_id, .. } => {
                assert!(self.messages.contains_key(message_id), "what is deleted was there");
            }
            Event::ConversationUpdated { .. }
            | Event::ConversationForked { .. }
            | Event::ConversationCompacted { .. }
            | Event::ConversationUncompacted { .. }
            | Event::MessageMarked { .. }
            | Event::HeadChanged { head: None }
            | Event::Notice { turn_id: None, .. } => {}
        }
    }

    fn created(&mut self, message: &Message, turn_id: Option<TurnId>) {
        if let Some(parent) = &message.parent_id {
            assert!(self.messages.contains_key(parent), "the parent of {} was created before it", message.id);
        }
        if message.role == Role::Assistant {
            let turn_id = turn_id.expect("an answer belongs to a turn");
            self.assert_runs(turn_id);
            assert_eq!(self.streaming_of(turn_id), None, "one answer at a time");
            assert_eq!(message.attempt, Some(self.life(turn_id).attempt));
        }
        let node = Node { message: message.clone(), parts: Vec::new() };
        // Its parent exists and it did not: no path has a cycle.
        assert!(self.messages.insert(message.id, node).is_none(), "{} is created once", message.id);
    }

    fn ended(&mut self, turn_id: TurnId, event: &Event) {
        assert_eq!(self.streaming_of(turn_id), None, "a turn's messages complete before it ends");
        let open = |life: &&CallLife| life.turn_id == turn_id && !life.ended;
        assert!(self.calls.values().find(open).is_none(), "a turn's calls end before it does");
        let life = self.life(turn_id);
        assert!(life.queued || life.started, "{turn_id} ends and never began");
        assert_eq!(life.ended, None, "{turn_id} ends once");
        life.ended = Some(event.clone());
    }

    fn streaming_of(&self, turn_id: TurnId) -> Option<MessageId> {
        let is_open = |node: &&Node| {
            node.message.status == MessageStatus::Streaming && node.message.turn_id == Some(turn_id)
        };
        self.messages.values().find(is_open).map(|node| node.message.id)
    }

    /// A call that has not ended, of a turn that runs.
    /// A call whose turn has ended, of which nobody knows what came of it.
    pub fn left_unresolved(&self) -> Option<(TurnId, CallId)> {
        let has_ended = |turn_id| self.turns.get(turn_id).is_some_and(|life: &Life| life.ended.is_some());
        let mut left =
            self.calls.iter().filter(|(_, it)| it.unknown && !it.resolved && has_ended(&it.turn_id));
        left.next().map(|(id, call)| (call.turn_id, *id))
    }

    fn call(&mut self, id: CallId) -> &mut CallLife {
        let life = self.calls.get(&id).expect("it was proposed");
        self.assert_runs(life.turn_id);
        assert!(!life.ended, "{id} ends once");
        self.calls.get_mut(&id).expect("it is there")
    }

    fn assert_runs(&self, turn_id: TurnId) {
        let runs = self.turns.get(&turn_id).is_some_and(|life| life.started && life.ended.is_none());
        assert!(runs, "{turn_id} does not run");
    }

    fn life(&mut self, turn_id: TurnId) -> &mut Life {
        self.turns.get_mut(&turn_id).expect("the turn was queued or started")
    }

    fn streaming(&mut self, id: MessageId) -> &mut Node {
        let node = self.messages.get_mut(&id).expect("the message was created");
        assert_eq!(node.message.status, MessageStatus::Streaming, "{id} completes once, and last");
        node
    }

    fn open_part(&mut self, message_id: MessageId, index: u32) -> &mut Streamed {
        let part = self.streaming(message_id).parts.get_mut(index as usize).expect("the part was started");
        assert!(!part.closed, "part {index} of {message_id} is completed");
        part
    }

    /// What the store gives back after a restart: the entries of unfinished turns, with the text of open messages
    /// merged, and the orders of the queue.
    pub fn unfinished(&self) -> Vec<Entry> {
        let mut left: Vec<Entry> = Vec::new();
        for entry in &self.entries {
            match entry {
                Entry::Delta(delta) => match left.last_mut() {
                    _ if self.messages[&delta.message_id].message.status != MessageStatus::Streaming => {}
                    Some(Entry::Delta(last))
                        if (last.message_id, last.index) == (delta.message_id, delta.index) =>
                    {
                        last.text.push_str(&delta.text);
                    }
                    Some(_) | None => left.push(entry.clone()),
                },
                Entry::Event(Event::QueueChanged { .. }) => left.push(entry.clone()),
                Entry::Event(event) => {
                    if event.turn_id().is_some_and(|id| self.turns[&id].ended.is_none()) {
                        left.push(entry.clone());
                    }
                }
            }
        }
        left
    }
}
