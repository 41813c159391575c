//! What a command does to a conversation: where a message goes, which turn starts, what waits.

use std::sync::Arc;

use super::{
    Command, Conversation, ConversationInfo, Doomed, ForkPoint, MAX_QUEUED_TURNS, MAX_RUNNING_TURNS, OnBusy,
    Parent, Queued, Refusal, Regenerate, Send,
};
use crate::chat::approval::Vote;
use crate::chat::compaction::{Compaction, Told};
use crate::chat::event::{Entry, Event, Resolution};
use crate::chat::message::{Message, MessageStatus, Part, Role};
use crate::chat::turn::{
    self, Decision, Effect, Input, OpenCall, QueuedTurn, Stamp, Turn, TurnPlan, TurnState, Wake,
};
use crate::clock::Timestamp;
use crate::id::{ApprovalId, CallId, MessageId, TurnId};

pub fn decide(conversation: &Conversation, command: Command, stamp: &Stamp) -> Result<Decision, Refusal> {
    if conversation.deleted {
        return Err(Refusal::Deleted);
    }
    match command {
        Command::Create { info, origin, send } => create(*info, origin, send, stamp),
        Command::Send(send) => decide_send(conversation, *send, stamp),
        Command::Regenerate(asked) => regenerate(conversation, *asked, stamp),
        Command::MoveHead { message_id } => Ok(move_head(conversation, message_id)),
        Command::DeleteBranch(doomed) => Ok(delete_branch(conversation, &doomed, stamp)),
        Command::Mark { message_id, marks } => Ok(Decision::of(Event::MessageMarked { message_id, marks })),
        Command::Compact { compaction, told } => Ok(compact(*compaction, told)),
        Command::Uncompact { compaction_id, message_id } => {
            Ok(Decision::of(Event::ConversationUncompacted { compaction_id, message_id }))
        }
        Command::Vote { turn_id, call_id, approval_id, vote, args_hash } => {
            check_vote(conversation, turn_id, call_id, approval_id, &vote, &args_hash)?;
            Ok(decide_turn(conversation, turn_id, Input::Voted { call_id, vote: *vote, args_hash }, stamp))
        }
        Command::EndCall { turn_id, call_id, ending } => {
            let input = Input::ToolEnded { call_id, ending, spent: None };
            about_call(conversation, turn_id, call_id, OpenCall::awaits_result, input, stamp)
        }
        Command::Answer { turn_id, call_id, question_id, answer } => {
            let input = Input::ToolAnswered { call_id, question_id, answer };
            about_call(conversation, turn_id, call_id, |open| open.asks(question_id), input, stamp)
        }
        Command::Resolve { turn_id, call_id, resolution, output, resolved_by, again } => {
            let input = Input::Resolved { call_id, resolution, output, resolved_by, again };
            about_call(conversation, turn_id, call_id, |open| open.call.is_unresolved(), input, stamp)
        }
        Command::ResolveLate { call_id, resolution: Resolution::Retry, .. } => {
            Err(Refusal::TooLateToRetry { call_id })
        }
        Command::ResolveLate { turn_id, call_id, resolution, output, resolved_by } => {
            Ok(Decision::of(Event::ToolResolved { turn_id, call_id, resolution, output, resolved_by }))
        }
        Command::Turn { turn_id, input } => Ok(decide_turn(conversation, turn_id, input, stamp)),
        Command::Cancel { turn_id } => Ok(cancel(conversation, turn_id, stamp)),
        Command::Recover => Ok(recover(conversation, stamp)),
        Command::Reorder { turn_ids } => reorder(conversation, turn_ids),
        Command::EditQueued { turn_id, parts } => {
            conversation.queued(turn_id).ok_or(Refusal::NotQueued { turn_id })?;
            Ok(Decision::of(Event::QueueEdited { turn_id, parts }))
        }
        Command::Withdraw { turn_id } => {
            conversation.queued(turn_id).ok_or(Refusal::NotQueued { turn_id })?;
            Ok(cancel(conversation, turn_id, stamp))
        }
        Command::Update { changes } => Ok(Decision::of(Event::ConversationUpdated { changes })),
        Command::Delete => Ok(delete(conversation, stamp)),
    }
}

fn create(
    info: ConversationInfo,
    origin: Option<ForkPoint>,
    send: Option<Box<Send>>,
    stamp: &Stamp,
) -> Result<Decision, Refusal> {
    let mut decision = Decision::of(Event::ConversationCreated { conversation: info.clone() });
    if let Some(origin) = origin {
        decision.event(Event::ConversationForked { origin });
    }
    if let Some(send) = send {
        let mut created = Conversation::new(info);
        created.head = origin.map(|origin| origin.message_id);
        let first = decide_send(&created, *send, stamp)?;
        decision.entries.extend(first.entries);
        decision.effects.extend(first.effects);
    }
    Ok(decision)
}

fn regenerate(conversation: &Conversation, asked: Regenerate, stamp: &Stamp) -> Result<Decision, Refusal> {
    let Regenerate { turn_id, message_id, request, limits, recovery } = asked;
    if let Some(busy) = conversation.busy_at(message_id) {
        return Err(Refusal::TurnInProgress { turn_id: busy.turn_id });
    }
    if conversation.turns.len() >= MAX_RUNNING_TURNS {
        return Err(Refusal::TooManyTurns);
    }
    let mut draft = Draft::of(conversation);
    // The view goes along: the answer is created under the head and becomes it.
    if conversation.head != Some(message_id) {
        draft.event(Event::HeadChanged { head: Some(message_id) });
    }
    let (input, lane, started_at) = (message_id, turn_id, stamp.now);
    draft.begin(turn_id, TurnPlan { request, input, lane, limits, recovery, started_at });
    Ok(draft.decision)
}

fn compact(compaction: Compaction, told: Option<Told>) -> Decision {
    let mut decision = Decision::of(Event::ConversationCompacted { compaction });
    let (code, text) = match told {
        None => return decision,
        Some(Told::Made) => (
            "compacted",
            "The beginning of the conversation was summarised for the model. Everything stays readable.",
        ),
        Some(Told::Futile) => (
            "compaction-futile",
            "The beginning of the conversation was summarised again, and little was gained. It will not be done again \
             by itself; what does not fit is left out, the oldest first.",
        ),
    };
    decision.event(Event::Notice { turn_id: None, code: code.to_owned(), text: text.to_owned() });
    decision
}

fn move_head(conversation: &Conversation, message_id: MessageId) -> Decision {
    match conversation.head == Some(message_id) {
        true => Decision::default(),
        false => Decision::of(Event::HeadChanged { head: Some(message_id) }),
    }
}

/// Everything that runs or waits on the branch ends with it.
fn delete_branch(conversation: &Conversation, doomed: &Doomed, stamp: &Stamp) -> Decision {
    let on_branch = |place: Option<MessageId>| place.is_some_and(|id| doomed.places.contains(&id));
    let mut draft = Draft::of(conversation);
    let turns = conversation.turns.values().filter(|turn| on_branch(Some(turn.leaf)));
    let turns: Vec<(TurnId, TurnId)> = turns.map(|turn| (turn.id, turn.plan.lane)).collect();
    let mut turn_ids = Vec::new();
    for Queued { turn_id, turn } in &conversation.queue {
        let follows = || turns.iter().any(|(_, lane)| *lane == turn.lane);
        let stands_there = match turn.parent_id {
            Some(_) => on_branch(turn.parent_id),
            None => follows() || on_branch(turn.after),
        };
        if stands_there {
            draft.event(Event::TurnCancelled { turn_id: *turn_id });
            turn_ids.push(*turn_id);
        }
    }
    for (turn_id, _) in turns {
        draft.turn_input(turn_id, Input::Cancel, stamp);
    }
    if on_branch(conversation.head) {
        draft.event(Event::HeadChanged { head: doomed.parent_id });
    }
    draft.event(Event::BranchDeleted { message_id: doomed.message_id, turn_ids });
    draft.start_queued(stamp);
    draft.decision
}

fn decide_send(conversation: &Conversation, send: Send, stamp: &Stamp) -> Result<Decision, Refusal> {
    let (leaf, busy) = match send.parent {
        Parent::Head => (conversation.head, conversation.head.and_then(|head| conversation.busy_head(head))),
        Parent::Message(id) => (Some(id), conversation.busy_at(id)),
        Parent::Root => (None, None),
    };
    let Some(busy) = busy else {
        return start_or_wait(conversation, send, leaf, stamp);
    };
    match (send.on_busy, busy.state) {
        (None, TurnState::Waiting) => return Err(Refusal::TurnWaiting { turn_id: busy.turn_id }),
        (Some(OnBusy::Reject), _) => return Err(Refusal::TurnInProgress { turn_id: busy.turn_id }),
        (None | Some(OnBusy::Queue | OnBusy::Interrupt | OnBusy::Steer), _) => {}
    }
    let place = Place {
        lane: busy.lane,
        after: busy.after,
        steer: send.on_busy == Some(OnBusy::Steer),
        first: send.on_busy == Some(OnBusy::Interrupt) && busy.state != TurnState::Queued,
    };
    let mut draft = Draft::of(conversation);
    draft.queue(send, place, stamp.now)?;
    if place.first {
        draft.turn_input(busy.turn_id, Input::Cancel, stamp);
        draft.start_queued(stamp);
    }
    Ok(draft.decision)
}

/// Nothing runs on the leaf: the turn starts at once, unless too many run already.
fn start_or_wait(
    conversation: &Conversation,
    send: Send,
    leaf: Option<MessageId>,
    stamp: &Stamp,
) -> Result<Decision, Refusal> {
    let mut draft = Draft::of(conversation);
    let place = Place { lane: send.turn_id, after: leaf, steer: false, first: false };
    if conversation.turns.len() < MAX_RUNNING_TURNS {
        let queued = send.into_queued(place, stamp.now);
        draft.start(queued.turn_id, &queued.turn, leaf, stamp);
        return Ok(draft.decision);
    }
    if leaf.is_none() {
        return Err(Refusal::TooManyTurns);
    }
    draft.queue(send, place, stamp.now)?;
    Ok(draft.decision)
}

fn decide_turn(conversation: &Conversation, turn_id: TurnId, input: Input, stamp: &Stamp) -> Decision {
    let Some(turn) = conversation.turns.get(&turn_id) else { return Decision::default() };
    // The hot path: streamed text changes nothing beyond its own turn.
    if matches!(input, Input::Model { output: turn::ModelOutput::Delta { .. }, .. }) {
        return turn::decide(turn, input, stamp);
    }
    let mut draft = Draft::of(conversation);
    draft.turn_input(turn_id, input, stamp);
    draft.start_queued(stamp);
    draft.decision
}

fn check_vote(
    conversation: &Conversation,
    turn_id: TurnId,
    call_id: CallId,
    approval_id: ApprovalId,
    vote: &Vote,
    args_hash: &str,
) -> Result<(), Refusal> {
    let open = conversation.turns.get(&turn_id).and_then(|turn| turn.call(call_id));
    // A newer one may have taken its place.
    let approval = open.and_then(|open| open.approval.as_ref()).filter(|approval| approval.id == approval_id);
    approval.ok_or(Refusal::NotAsked { call_id })?.judge(vote, args_hash)?;
    Ok(())
}

/// What somebody says about a call that waits for it.
fn about_call(
    conversation: &Conversation,
    turn_id: TurnId,
    call_id: CallId,
    waits: impl Fn(&OpenCall) -> bool,
    input: Input,
    stamp: &Stamp,
) -> Result<Decision, Refusal> {
    let open = conversation.turns.get(&turn_id).and_then(|turn| turn.call(call_id));
    match open.is_some_and(waits) {
        true => Ok(decide_turn(conversation, turn_id, input, stamp)),
        false => Err(Refusal::NotWaiting { call_id }),
    }
}

fn cancel(conversation: &Conversation, turn_id: TurnId, stamp: &Stamp) -> Decision {
    let mut draft = Draft::of(conversation);
    match conversation.queued(turn_id) {
        Some(_) => draft.event(Event::TurnCancelled { turn_id }),
        None => draft.turn_input(turn_id, Input::Cancel, stamp),
    }
    draft.start_queued(stamp);
    draft.decision
}

fn recover(conversation: &Conversation, stamp: &Stamp) -> Decision {
    let mut draft = Draft::of(conversation);
    for turn_id in conversation.turns.keys() {
        draft.turn_input(*turn_id, Input::Recovered, stamp);
    }
    draft.start_queued(stamp);
    draft.decision
}

fn reorder(conversation: &Conversation, turn_ids: Vec<TurnId>) -> Result<Decision, Refusal> {
    let current: Vec<TurnId> = conversation.queue.iter().map(|queued| queued.turn_id).collect();
    let (mut sorted, mut asked) = (current.clone(), turn_ids.clone());
    sorted.sort_unstable();
    asked.sort_unstable();
    if sorted != asked {
        return Err(Refusal::QueueDiffers { turn_ids: current });
    }
    Ok(Decision::of(Event::QueueChanged { turn_ids }))
}

fn delete(conversation: &Conversation, stamp: &Stamp) -> Decision {
    let mut draft = Draft::of(conversation);
    for queued in &conversation.queue {
        draft.event(Event::TurnCancelled { turn_id: queued.turn_id });
    }
    for turn_id in conversation.turns.keys() {
        draft.turn_input(*turn_id, Input::Cancel, stamp);
    }
    draft.event(Event::ConversationDeleted {});
    draft.decision
}

/// Where a send waits.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// The lane that it joins.
    lane: TurnId,
    /// Where the lane begins, if none of its turns has started.
    after: Option<MessageId>,
    steer: bool,
    first: bool,
}

/// What occupies a leaf.
struct Busy {
    turn_id: TurnId,
    lane: TurnId,
    after: Option<MessageId>,
    state: TurnState,
}

impl Conversation {
    /// The turn that runs on this leaf.
    fn busy_at(&self, leaf: MessageId) -> Option<Busy> {
        let turn = self.turns.values().find(|turn| turn.leaf == leaf)?;
        Some(Busy { turn_id: turn.id, lane: turn.plan.lane, after: None, state: turn.state })
    }

    /// The turn that runs on the head, or the last one that waits for a slot to start there: what is sent to the
    /// head one after the other stays one after the other.
    fn busy_head(&self, head: MessageId) -> Option<Busy> {
        let starts_here =
            |queued: &&Queued| queued.turn.after == Some(head) && self.is_free(queued.turn.lane);
        let waiting = || self.queue.iter().rev().find(starts_here);
        self.busy_at(head).or_else(|| {
            let Queued { turn_id, turn } = waiting()?;
            Some(Busy { turn_id: *turn_id, lane: turn.lane, after: turn.after, state: TurnState::Queued })
        })
    }

    /// Whether no turn of the lane runs.
    fn is_free(&self, lane: TurnId) -> bool {
        self.turns.values().all(|turn| turn.plan.lane != lane)
    }
}

impl Send {
    fn into_queued(self, place: Place, now: Timestamp) -> Queued {
        let turn = QueuedTurn {
            request: self.request,
            message_id: self.message_id,
            parts: self.parts,
            metadata: self.metadata,
            lane: place.lane,
            parent_id: self.parent.named(),
            after: place.after,
            steer: place.steer,
            first: place.first,
            limits: self.limits,
            recovery: self.recovery,
            queued_at: now,
        };
        Queued { turn_id: self.turn_id, turn: Arc::new(turn) }
    }
}

/// A decision in the making, with the conversation as it will be.
struct Draft {
    conversation: Conversation,
    decision: Decision,
    /// Where the lane of a turn that just ended stopped.
    ended: Vec<(TurnId, MessageId)>,
}

impl Draft {
    fn of(conversation: &Conversation) -> Self {
        Self { conversation: conversation.clone(), decision: Decision::default(), ended: Vec::new() }
    }

    fn event(&mut self, event: Event) {
        self.entry(Entry::Event(event));
    }

    fn entry(&mut self, entry: Entry) {
        if let Entry::Event(event) = &entry
            && event.ends_turn()
            && let Some(turn) = event.turn_id().and_then(|id| self.conversation.turns.get(&id))
        {
            self.ended.push((turn.plan.lane, turn.leaf));
        }
        self.conversation.evolve(&entry);
        self.decision.entries.push(entry);
    }

    fn turn_input(&mut self, turn_id: TurnId, input: Input, stamp: &Stamp) {
        let Some(turn) = self.conversation.turns.get(&turn_id) else { return };
        let cut_leaf = turn.leaf;
        let Decision { entries, effects } = turn::decide(turn, input, stamp);
        for entry in entries {
            let beside = made_beside(&entry, cut_leaf);
            self.entry(entry);
            // The turn moves the head only while the head is its own leaf.
            if let Some(sibling) = beside
                && self.conversation.head == Some(cut_leaf)
            {
                self.event(Event::HeadChanged { head: Some(sibling) });
            }
        }
        for effect in effects {
            if let Effect::CallModel { turn_id, .. } = &effect {
                self.steer(*turn_id, stamp);
            }
            self.decision.effects.push(effect);
        }
    }

    /// Hands waiting messages to a turn that is about to take another step. Whoever has not its rights waits for one of
    /// their own.
    fn steer(&mut self, turn_id: TurnId, stamp: &Stamp) {
        let Some(turn) = self.conversation.turns.get(&turn_id) else { return };
        // Only between two steps: an answer that was cut is finished first.
        if turn.leaf != turn.base {
            return;
        }
        let TurnPlan { lane, request, .. } = &*turn.plan;
        let joins = |turn: &QueuedTurn| {
            let asked = &turn.request;
            turn.steer
                && turn.lane == *lane
                && request.takes_words_of(asked.requested_by, asked.requested_role, asked.only_here)
        };
        let steered: Vec<Queued> =
            self.conversation.queue.iter().filter(|queued| joins(&queued.turn)).cloned().collect();
        for queued in steered {
            let Some(leaf) = self.conversation.turns.get(&turn_id).map(|turn| turn.leaf) else { return };
            self.create_message(turn_id, &queued.turn, Some(leaf), stamp);
            self.event(Event::TurnCompleted {
                turn_id: queued.turn_id,
                usage: crate::chat::message::Usage::default(),
                steered_into: Some(turn_id),
            });
        }
    }

    fn queue(&mut self, send: Send, place: Place, now: Timestamp) -> Result<(), Refusal> {
        // What interrupts only passes through.
        if self.conversation.queue.len() >= MAX_QUEUED_TURNS && !place.first {
            return Err(Refusal::QueueFull);
        }
        let queued = send.into_queued(place, now);
        self.event(Event::TurnQueued { turn_id: queued.turn_id, turn: Arc::unwrap_or_clone(queued.turn) });
        Ok(())
    }

    /// Starts whatever of the queue can start now.
    fn start_queued(&mut self, stamp: &Stamp) {
        while let Some(Queued { turn_id, turn }) = self.next_startable().cloned() {
            let parent = turn.parent_id.or_else(|| self.ended_at(turn.lane)).or(turn.after);
            self.start(turn_id, &turn, parent, stamp);
        }
    }

    /// The first of the queue whose lane is free. A lane goes on in the slot that its own turn left, before any
    /// other gets it: later, or after a restart, it would not be known where the lane stopped.
    fn next_startable(&self) -> Option<&Queued> {
        if self.conversation.turns.len() >= MAX_RUNNING_TURNS {
            return None;
        }
        let startable =
            || self.conversation.queue.iter().filter(|queued| self.conversation.is_free(queued.turn.lane));
        startable().find(|queued| self.ended_at(queued.turn.lane).is_some()).or_else(|| startable().next())
    }

    fn ended_at(&self, lane: TurnId) -> Option<MessageId> {
        self.ended.iter().rev().find(|(ended, _)| *ended == lane).map(|(_, leaf)| *leaf)
    }

    fn start(&mut self, turn_id: TurnId, queued: &QueuedTurn, parent: Option<MessageId>, stamp: &Stamp) {
        let plan = TurnPlan {
            request: queued.request.clone(),
            input: queued.message_id,
            lane: queued.lane,
            limits: queued.limits,
            recovery: queued.recovery,
            started_at: stamp.now,
        };
        self.create_message(turn_id, queued, parent, stamp);
        // Sent to a place of its own, it takes the view along. What follows its branch does so quietly.
        let named = parent == queued.parent_id;
        if named && self.conversation.head != Some(queued.message_id) {
            self.event(Event::HeadChanged { head: Some(queued.message_id) });
        }
        self.begin(turn_id, plan);
    }

    fn begin(&mut self, turn_id: TurnId, plan: TurnPlan) {
        let deadline = plan.deadline();
        let turn = Turn::started(turn_id, plan);
        let call = Effect::CallModel { turn_id, fence: turn.fence };
        self.event(Event::TurnStarted { turn_id, turn: Arc::unwrap_or_clone(turn.plan) });
        self.decision.effects.push(call);
        self.decision.effects.push(Effect::WakeAt { turn_id, wake: Wake::Deadline, at: deadline });
    }

    fn create_message(
        &mut self,
        turn_id: TurnId,
        queued: &QueuedTurn,
        parent: Option<MessageId>,
        stamp: &Stamp,
    ) {
        let message = Message {
            id: queued.message_id,
            parent_id: parent,
            role: Role::User,
            status: MessageStatus::Complete,
            parts: queued.parts.clone(),
            turn_id: Some(turn_id),
            step: None,
            attempt: None,
            model: None,
            finish_reason: None,
            usage: None,
            metadata: queued.metadata.clone(),
            created_at: stamp.now,
        };
        self.event(Event::MessageCreated { turn_id: Some(turn_id), message, response_id: None });
    }
}

/// The message that an entry creates anywhere but below the cut answer `leaf`.
fn made_beside(entry: &Entry, leaf: MessageId) -> Option<MessageId> {
    let Entry::Event(Event::MessageCreated { message, .. }) = entry else { return None };
    (message.parent_id != Some(leaf)).then_some(message.id)
}

impl Decision {
    fn of(event: Event) -> Self {
        Self { entries: vec![Entry::Event(event)], effects: Vec::new() }
    }
}

impl Part {
    /// Whether a person may send it.
    pub const fn is_sendable(&self) -> bool {
        matches!(self, Self::Text { .. } | Self::File { .. })
    }
}
