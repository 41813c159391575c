//! The reference: what a conversation is after each command, in plain lists. It never asks `decide` or `evolve`.

use std::collections::HashMap;

use weir::chat::approval::{ApprovalState, Vote, VoteDecision, VoteRefusal};
use weir::chat::conversation::{
    Command, Conversation, MAX_RUNNING_TURNS, OnBusy, Parent, Refusal, Regenerate, Send,
};
use weir::chat::event::Resolution;
use weir::chat::message::{CallState, Part};
use weir::chat::turn::{
    CallFailure, Ending, Fence, Input, Judgement, Limits, MAX_ATTEMPTS_PER_STEP, ModelOutput, Placement,
    Recovery, TurnState,
};
use weir::id::{ApprovalId, CallId, MessageId, QuestionId, TurnId, UserId};

#[derive(Debug, Default)]
pub struct Model {
    pub deleted: bool,
    pub head: Option<MessageId>,
    pub running: Vec<Running>,
    pub queue: Vec<Waiting>,
    /// Of every message that ever was.
    pub parents: HashMap<MessageId, Option<MessageId>>,
    /// Where each lane that ever was now ends. The real one may not remember so long: it has to survive a restart.
    lanes: HashMap<TurnId, Option<MessageId>>,
    /// The lanes whose turn ended in this command: each goes on before another lane gets the slot.
    ended: Vec<TurnId>,
}

#[derive(Debug)]
pub struct Running {
    pub id: TurnId,
    lane: TurnId,
    state: TurnState,
    pub fence: Fence,
    tries: u32,
    overflowed: bool,
    base: MessageId,
    leaf: MessageId,
    pub open: Option<Open>,
    tokens: u64,
    limits: Limits,
    recovery: Recovery,
    /// Of the step that was completed last.
    pub calls: Vec<CallNow>,
}

#[derive(Debug)]
pub struct CallNow {
    pub id: CallId,
    pub state: CallState,
    /// How often what runs does harm when it runs twice: not at all.
    harmless: bool,
    /// People are asked: which question, how many of them have to agree, who did, and which text they saw.
    pub question: Option<Question>,
    /// What it asks while it runs.
    pub wonders: Option<QuestionId>,
    resolved: bool,
}

#[derive(Debug)]
pub struct Question {
    pub id: ApprovalId,
    needed: u32,
    agreed: Vec<UserId>,
    hash: String,
    open: bool,
}

#[derive(Debug)]
pub struct Open {
    pub message: MessageId,
    pub parts: Vec<OpenPart>,
}

#[derive(Debug)]
pub struct OpenPart {
    streams: bool,
    call: Option<CallId>,
    bytes: u64,
    closed: bool,
}

#[derive(Debug)]
pub struct Waiting {
    pub id: TurnId,
    message: MessageId,
    lane: TurnId,
    /// The parent that the caller named.
    named: Option<MessageId>,
    steer: bool,
    limits: Limits,
    recovery: Recovery,
}

impl CallNow {
    fn proposed(id: CallId) -> Self {
        Self {
            id,
            state: CallState::Proposed,
            harmless: false,
            question: None,
            wonders: None,
            resolved: false,
        }
    }
}

impl CallNow {
    pub fn open_question(&self) -> Option<QuestionId> {
        self.wonders.filter(|_| self.state == CallState::Started)
    }
}

impl Running {
    pub fn has_open_calls(&self) -> bool {
        self.calls
            .iter()
            .any(|call| !call.state.is_terminal() || (call.state == CallState::Unknown && !call.resolved))
    }
}

impl Model {
    /// `fresh` is the id of the message that the command may create for the model.
    pub fn apply(&mut self, command: &Command, fresh: MessageId) -> Result<(), Refusal> {
        if self.deleted {
            return Err(Refusal::Deleted);
        }
        self.ended.clear();
        match command {
            Command::Create { send: None, .. } | Command::Update { .. } => {}
            Command::Create { send: Some(send), .. } | Command::Send(send) => self.send(send)?,
            Command::Regenerate(asked) => self.regenerate(asked)?,
            Command::MoveHead { message_id } => self.head = Some(*message_id),
            Command::DeleteBranch(doomed) => self.delete_branch(doomed.message_id),
            Command::Mark { .. } | Command::Compact { .. } | Command::Uncompact { .. } => {}
            Command::Turn { turn_id, input } => self.input(*turn_id, input, fresh),
            Command::Cancel { turn_id } => self.cancel(*turn_id),
            Command::Vote { turn_id, call_id, approval_id, vote, args_hash } => {
                self.vote(*turn_id, *call_id, *approval_id, vote, args_hash)?;
            }
            Command::EndCall { turn_id, call_id, ending } => {
                let waits = |call: &CallNow| call.state == CallState::Pending && call.question.is_none();
                self.must_wait(*turn_id, *call_id, waits)?;
                self.end_call(*turn_id, *call_id, ending);
            }
            Command::Answer { turn_id, call_id, question_id, .. } => {
                self.must_wait(*turn_id, *call_id, |call| call.open_question() == Some(*question_id))?;
                self.forget_question(*turn_id, *question_id);
            }
            Command::Resolve { turn_id, call_id, resolution, again, .. } => {
                let waits = |call: &CallNow| call.state == CallState::Unknown && !call.resolved;
                self.must_wait(*turn_id, *call_id, waits)?;
                let turn = self.turn(*turn_id);
                let call = turn.calls.iter_mut().find(|call| call.id == *call_id).expect("it is there");
                call.resolved = true;
                if *resolution == Resolution::Retry {
                    turn.calls.push(CallNow::proposed(*again));
                }
                self.settle(*turn_id);
            }
            Command::ResolveLate { call_id, resolution: Resolution::Retry, .. } => {
                return Err(Refusal::TooLateToRetry { call_id: *call_id });
            }
            Command::ResolveLate { .. } => {}
            Command::Recover => {
                let running: Vec<TurnId> = self.running.iter().map(|turn| turn.id).collect();
                for id in running {
                    self.recover(id);
                }
            }
            Command::Reorder { turn_ids } => self.reorder(turn_ids)?,
            Command::EditQueued { turn_id, .. } => self.must_be_queued(*turn_id)?,
            Command::Withdraw { turn_id } => {
                self.must_be_queued(*turn_id)?;
                self.cancel(*turn_id);
            }
            Command::Delete => {
                self.deleted = true;
                self.running.clear();
                self.queue.clear();
            }
        }
        self.start_waiting();
        Ok(())
    }

    /// Whether a message is at or below another one.
    pub fn is_below(&self, message: MessageId, root: MessageId) -> bool {
        let mut at = Some(message);
        while let Some(id) = at {
            if id == root {
                return true;
            }
            at = self.parents[&id];
        }
        false
    }

    pub fn is_current(&self, id: TurnId, fence: Fence) -> bool {
        self.running.iter().any(|turn| {
            turn.id == id && turn.fence == fence && turn.state == TurnState::Running && !turn.has_open_calls()
        })
    }

    fn turn(&mut self, id: TurnId) -> &mut Running {
        self.running.iter_mut().find(|turn| turn.id == id).expect("it runs")
    }

    fn lane_runs(&self, lane: TurnId) -> bool {
        self.running.iter().any(|turn| turn.lane == lane)
    }

    fn must_be_queued(&self, turn_id: TurnId) -> Result<(), Refusal> {
        match self.queue.iter().any(|waiting| waiting.id == turn_id) {
            true => Ok(()),
            false => Err(Refusal::NotQueued { turn_id }),
        }
    }

    fn send(&mut self, send: &Send) -> Result<(), Refusal> {
        let (place, named) = match send.parent {
            Parent::Head => (self.head, None),
            Parent::Message(id) => (Some(id), Some(id)),
            Parent::Root => (None, None),
        };
        let at_head = send.parent == Parent::Head;
        let mut waiting = Waiting {
            id: send.turn_id,
            message: send.message_id,
            lane: send.turn_id,
            named,
            steer: false,
            limits: send.limits,
            recovery: send.recovery,
        };

        if let Some(busy) = self.running.iter().find(|turn| Some(turn.leaf) == place) {
            let (turn_id, lane) = (busy.id, busy.lane);
            waiting.lane = lane;
            match (send.on_busy, busy.state) {
                (None, TurnState::Waiting) => return Err(Refusal::TurnWaiting { turn_id }),
                (Some(OnBusy::Reject), _) => return Err(Refusal::TurnInProgress { turn_id }),
                (Some(OnBusy::Interrupt), _) => {
                    self.end(turn_id);
                    let parent = named.or(self.lanes[&lane]);
                    self.start(waiting, parent);
                }
                (None | Some(OnBusy::Queue), _) => self.queue.push(waiting),
                (Some(OnBusy::Steer), _) => self.queue.push(Waiting { steer: true, ..waiting }),
            }
            return Ok(());
        }

        // Two messages sent to the head while no turn could start follow each other.
        let ahead = self.queue.iter().rev().find(|ahead| {
            at_head && place.is_some() && !self.lane_runs(ahead.lane) && self.lanes[&ahead.lane] == place
        });
        if let Some(ahead) = ahead {
            if send.on_busy == Some(OnBusy::Reject) {
                return Err(Refusal::TurnInProgress { turn_id: ahead.id });
            }
            waiting.lane = ahead.lane;
            waiting.steer = send.on_busy == Some(OnBusy::Steer);
            self.queue.push(waiting);
            return Ok(());
        }

        if self.running.len() < MAX_RUNNING_TURNS {
            self.start(waiting, place);
            if !at_head {
                self.head = Some(send.message_id);
            }
            return Ok(());
        }
        if place.is_none() {
            return Err(Refusal::TooManyTurns);
        }
        self.lanes.insert(waiting.lane, place);
        self.queue.push(waiting);
        Ok(())
    }

    fn regenerate(&mut self, asked: &Regenerate) -> Result<(), Refusal> {
        let message = asked.message_id;
        if let Some(busy) = self.running.iter().find(|turn| turn.leaf == message) {
            return Err(Refusal::TurnInProgress { turn_id: busy.id });
        }
        if self.running.len() >= MAX_RUNNING_TURNS {
            return Err(Refusal::TooManyTurns);
        }
        self.head = Some(message);
        let (limits, recovery) = (asked.limits, asked.recovery);
        let (id, lane) = (asked.turn_id, asked.turn_id);
        self.begin(Waiting { id, message, lane, named: None, steer: false, limits, recovery });
        Ok(())
    }

    fn delete_branch(&mut self, root: MessageId) {
        let doomed: Vec<(TurnId, TurnId)> = self
            .running
            .iter()
            .filter(|turn| self.is_below(turn.leaf, root))
            .map(|turn| (turn.id, turn.lane))
            .collect();
        let mut queue = std::mem::take(&mut self.queue);
        queue.retain(|waiting| match waiting.named {
            Some(parent) => !self.is_below(parent, root),
            None if self.lane_runs(waiting.lane) => !doomed.iter().any(|(_, lane)| *lane == waiting.lane),
            None => !self.lanes[&waiting.lane].is_some_and(|place| self.is_below(place, root)),
        });
        self.queue = queue;
        doomed.into_iter().for_each(|(id, _)| self.end(id));
        if self.head.is_some_and(|head| self.is_below(head, root)) {
            self.head = self.parents[&root];
        }
    }

    fn start(&mut self, waiting: Waiting, parent: Option<MessageId>) {
        let input = waiting.message;
        self.create(input, parent);
        if waiting.named.is_some() {
            self.head = Some(input);
        }
        self.begin(waiting);
    }

    fn begin(&mut self, waiting: Waiting) {
        let input = waiting.message;
        self.running.push(Running {
            id: waiting.id,
            lane: waiting.lane,
            state: TurnState::Running,
            fence: Fence { attempt: 1, step: 1 },
            tries: 1,
            overflowed: false,
            base: input,
            leaf: input,
            open: None,
            tokens: 0,
            limits: waiting.limits,
            recovery: waiting.recovery,
            calls: Vec::new(),
        });
    }

    fn create(&mut self, message: MessageId, parent: Option<MessageId>) {
        self.parents.insert(message, parent);
        if self.head == parent {
            self.head = Some(message);
        }
    }

    fn start_waiting(&mut self) {
        while self.running.len() < MAX_RUNNING_TURNS {
            let can_start = |waiting: &Waiting| !self.lane_runs(waiting.lane);
            let goes_on = |waiting: &Waiting| can_start(waiting) && self.ended.contains(&waiting.lane);
            let next = self.queue.iter().position(goes_on).or_else(|| self.queue.iter().position(can_start));
            let Some(next) = next else { return };
            let waiting = self.queue.remove(next);
            let parent = waiting.named.or(self.lanes[&waiting.lane]);
            self.start(waiting, parent);
        }
    }

    fn end(&mut self, id: TurnId) {
        let at = self.running.iter().position(|turn| turn.id == id).expect("it runs");
        let turn = self.running.remove(at);
        self.lanes.insert(turn.lane, Some(turn.leaf));
        self.ended.push(turn.lane);
    }

    fn cancel(&mut self, id: TurnId) {
        self.queue.retain(|waiting| waiting.id != id);
        if self.running.iter().any(|turn| turn.id == id) {
            self.end(id);
        }
    }

    fn reorder(&mut self, order: &[TurnId]) -> Result<(), Refusal> {
        let current: Vec<TurnId> = self.queue.iter().map(|waiting| waiting.id).collect();
        if order.len() != current.len() || !current.iter().all(|id| order.contains(id)) {
            return Err(Refusal::QueueDiffers { turn_ids: current });
        }
        self.queue.sort_by_key(|waiting| order.iter().position(|id| *id == waiting.id));
        Ok(())
    }

    fn input(&mut self, id: TurnId, input: &Input, fresh: MessageId) {
        if !self.running.iter().any(|turn| turn.id == id) {
            return;
        }
        match input {
            Input::DeadlinePassed if self.turn(id).state == TurnState::Waiting => {}
            // What a person thinks about is no time of the turn's.
            Input::DeadlinePassed
                if self.turn(id).calls.iter().any(|call| call.open_question().is_some()) => {}
            Input::Cancel | Input::DeadlinePassed => self.end(id),
            Input::Recovered => self.recover(id),
            Input::Judged { call_id, judgement } => self.judge(id, *call_id, judgement),
            // It moves nothing.
            Input::ToolProgressed { .. } => {}
            Input::ToolAsked { call_id, question } => {
                let call = self.turn(id).calls.iter_mut().find(|call| call.id == *call_id);
                if let Some(call) = call.filter(|call| call.state == CallState::Started) {
                    call.wonders.get_or_insert(question.id);
                }
            }
            Input::ToolAnswered { question_id, .. } | Input::QuestionExpired { question_id } => {
                self.forget_question(id, *question_id);
            }
            Input::ToolEnded { call_id, ending, .. } => {
                let runs = |call: &CallNow| {
                    let at_the_client = call.state == CallState::Pending && call.question.is_none();
                    call.state == CallState::Started || at_the_client
                };
                if self.must_wait(id, *call_id, runs).is_ok() {
                    self.end_call(id, *call_id, ending);
                }
            }
            Input::ApprovalExpired { approval_id } => self.expire(id, *approval_id),
            Input::Voted { .. } | Input::Resolved { .. } => unreachable!("these come as commands"),
            Input::MessageOpened { fence, .. }
            | Input::Model { fence, .. }
            | Input::ModelFailed { fence, .. }
                if !self.is_current(id, *fence) => {}
            Input::MessageOpened { placement, .. } => self.open(id, *placement, fresh),
            Input::ModelFailed { failure: CallFailure::Broken { .. }, .. } => self.cut(id),
            Input::ModelFailed { failure: CallFailure::Refused { .. }, .. } => self.end(id),
            Input::ModelFailed { failure: CallFailure::TooLong { .. }, .. } => {
                let turn = self.turn(id);
                match turn.overflowed || turn.tries == MAX_ATTEMPTS_PER_STEP {
                    true => self.end(id),
                    false => {
                        turn.overflowed = true;
                        self.try_again(id);
                    }
                }
            }
            Input::Model { output, .. } => self.output(id, output, fresh),
        }
    }

    fn open(&mut self, id: TurnId, placement: Placement, fresh: MessageId) {
        let turn = self.turn(id);
        if turn.open.is_some() {
            return;
        }
        turn.calls.clear();
        let before = turn.leaf;
        let beside = turn.recovery == Recovery::Restart || placement == Placement::Sibling;
        let parent = if beside { turn.base } else { turn.leaf };
        turn.open = Some(Open { message: fresh, parts: Vec::new() });
        turn.leaf = fresh;
        self.parents.insert(fresh, Some(parent));
        // The view follows the turn from the turn's own leaf, onto a sibling too. Else whatever is made below the
        // head is the head.
        if self.head == Some(before) || self.head == Some(parent) {
            self.head = Some(fresh);
        }
    }

    fn output(&mut self, id: TurnId, output: &ModelOutput, fresh: MessageId) {
        let open = &mut self.turn(id).open;
        match (output, open) {
            (ModelOutput::Finished { usage, .. }, _) => {
                self.open(id, Placement::Child, fresh);
                let tokens = usage.unwrap_or_default();
                self.finish(id, tokens.input_tokens + tokens.output_tokens);
            }
            (ModelOutput::PartStarted { index, part }, Some(open)) if *index as usize == open.parts.len() => {
                open.parts.push(OpenPart {
                    streams: matches!(
                        part,
                        Part::Text { .. } | Part::Reasoning { .. } | Part::ToolCall { .. }
                    ),
                    call: match part {
                        Part::ToolCall { call_id, .. } => Some(*call_id),
                        _ => None,
                    },
                    bytes: part.streamed().len() as u64,
                    closed: false,
                });
            }
            (ModelOutput::Delta { index, text }, Some(open)) => {
                if let Some(part) = open.parts.get_mut(*index as usize)
                    && part.streams
                    && !part.closed
                {
                    part.bytes += text.len() as u64;
                }
            }
            (ModelOutput::PartCompleted { index, .. }, Some(open)) => {
                if let Some(part) = open.parts.get_mut(*index as usize) {
                    part.closed = true;
                }
            }
            (
                ModelOutput::Opened { .. }
                | ModelOutput::PartStarted { .. }
                | ModelOutput::Delta { .. }
                | ModelOutput::PartCompleted { .. },
                _,
            ) => {}
        }
    }

    fn finish(&mut self, id: TurnId, tokens: u64) {
        let turn = self.turn(id);
        let open = turn.open.take().expect("it was opened");
        turn.tokens += tokens;
        let calls: Vec<CallId> = open.parts.iter().filter_map(|part| part.call).collect();
        let over = turn.fence.step >= turn.limits.max_steps
            || turn.limits.max_tokens.is_some_and(|max| turn.tokens >= max);
        if calls.is_empty() || over {
            return self.end(id);
        }
        turn.base = turn.leaf;
        turn.fence.step += 1;
        turn.tries = 1;
        turn.overflowed = false;
        turn.calls = calls.into_iter().map(CallNow::proposed).collect();
    }

    fn judge(&mut self, id: TurnId, call_id: CallId, judgement: &Judgement) {
        let Some(call) = self.turn(id).calls.iter_mut().find(|call| call.id == call_id) else { return };
        if !matches!(call.state, CallState::Proposed | CallState::Approved) {
            return;
        }
        match judgement {
            Judgement::Impossible { .. } => call.state = CallState::Failed,
            Judgement::Denied { .. } => call.state = CallState::Denied,
            Judgement::Allowed { idempotent, .. } => {
                (call.state, call.harmless) = (CallState::Started, *idempotent);
            }
            Judgement::Outside { .. } => (call.state, call.question) = (CallState::Pending, None),
            Judgement::Ask(approval) => {
                call.state = CallState::Pending;
                call.question = Some(Question {
                    id: approval.id,
                    needed: approval.approvals,
                    agreed: Vec::new(),
                    hash: approval.args_hash.clone(),
                    open: true,
                });
            }
        }
        self.settle(id);
    }

    fn vote(
        &mut self,
        id: TurnId,
        call_id: CallId,
        approval_id: ApprovalId,
        vote: &Vote,
        args_hash: &str,
    ) -> Result<(), Refusal> {
        let turn = self.running.iter_mut().find(|turn| turn.id == id);
        let call = turn.and_then(|turn| turn.calls.iter_mut().find(|call| call.id == call_id));
        let call = call.filter(|call| call.question.as_ref().is_some_and(|asked| asked.id == approval_id));
        let Some(call) = call else { return Err(Refusal::NotAsked { call_id }) };
        let question = call.question.as_mut().expect("just found");
        if !question.open {
            let state = match call.state {
                CallState::Expired => ApprovalState::Expired,
                CallState::Denied if question.agreed.is_empty() => ApprovalState::Denied,
                _ => return Err(Refusal::Vote(VoteRefusal::Closed(ApprovalState::Approved))),
            };
            return Err(Refusal::Vote(VoteRefusal::Closed(state)));
        }
        if args_hash != question.hash {
            return Err(Refusal::Vote(VoteRefusal::OtherArgs));
        }
        if vote.decision == VoteDecision::Deny {
            question.open = false;
            question.agreed.clear();
            call.state = CallState::Denied;
        } else {
            match &vote.changed {
                Some(changed) => {
                    question.hash.clone_from(&changed.args_hash);
                    question.agreed = vec![vote.user_id];
                }
                None if question.agreed.contains(&vote.user_id) => {
                    return Err(Refusal::Vote(VoteRefusal::Twice));
                }
                None => question.agreed.push(vote.user_id),
            }
            if question.agreed.len() >= question.needed as usize {
                question.open = false;
                call.state = CallState::Approved;
            }
        }
        self.settle(id);
        Ok(())
    }

    fn expire(&mut self, id: TurnId, approval_id: ApprovalId) {
        let asked = |call: &&mut CallNow| {
            call.question.as_ref().is_some_and(|asked| asked.id == approval_id && asked.open)
        };
        let Some(call) = self.turn(id).calls.iter_mut().find(asked) else { return };
        call.state = CallState::Expired;
        call.question.as_mut().expect("just found").open = false;
        self.settle(id);
    }

    fn must_wait(
        &self,
        id: TurnId,
        call_id: CallId,
        waits: impl Fn(&CallNow) -> bool,
    ) -> Result<(), Refusal> {
        let turn = self.running.iter().find(|turn| turn.id == id);
        let call = turn.and_then(|turn| turn.calls.iter().find(|call| call.id == call_id));
        match call.is_some_and(waits) {
            true => Ok(()),
            false => Err(Refusal::NotWaiting { call_id }),
        }
    }

    fn end_call(&mut self, id: TurnId, call_id: CallId, ending: &Ending) {
        let call = self.turn(id).calls.iter_mut().find(|call| call.id == call_id).expect("it is there");
        call.state = match ending {
            Ending::Succeeded { .. } => CallState::Succeeded,
            Ending::Failed { .. } => CallState::Failed,
            Ending::Unknown { .. } => CallState::Unknown,
        };
        self.settle(id);
    }

    /// Whether the turn goes on, or waits for people.
    fn settle(&mut self, id: TurnId) {
        use CallState::{Approved, Pending, Proposed, Started, Unknown};
        let turn = self.turn(id);
        let any = |states: &[CallState]| turn.calls.iter().any(|call| states.contains(&call.state));
        let unresolved = turn.calls.iter().any(|call| call.state == Unknown && !call.resolved);
        if any(&[Proposed, Approved, Started]) {
            turn.state = TurnState::Running;
        } else if any(&[Pending]) || unresolved {
            turn.state = TurnState::Waiting;
        } else {
            turn.state = TurnState::Running;
            self.steer(id);
        }
    }

    fn recover(&mut self, id: TurnId) {
        let turn = self.turn(id);
        if !turn.has_open_calls() {
            return self.cut(id);
        }
        for call in &mut turn.calls {
            call.wonders = None;
            if call.state == CallState::Started && !call.harmless {
                call.state = CallState::Unknown;
            }
        }
        self.settle(id);
    }

    fn forget_question(&mut self, id: TurnId, question_id: QuestionId) {
        let calls = self.turn(id).calls.iter_mut();
        calls.filter(|call| call.wonders == Some(question_id)).for_each(|call| call.wonders = None);
    }

    fn cut(&mut self, id: TurnId) {
        let turn = self.turn(id);
        if turn.state == TurnState::Waiting {
            return;
        }
        turn.open = None;
        if turn.recovery == Recovery::Fail || turn.tries == MAX_ATTEMPTS_PER_STEP {
            return self.end(id);
        }
        self.try_again(id);
    }

    fn try_again(&mut self, id: TurnId) {
        let turn = self.turn(id);
        turn.open = None;
        turn.tries += 1;
        turn.fence.attempt += 1;
        let between_steps = turn.leaf == turn.base;
        if between_steps {
            self.steer(id);
        }
    }

    fn steer(&mut self, id: TurnId) {
        let lane = self.turn(id).lane;
        let (steered, queue) = std::mem::take(&mut self.queue)
            .into_iter()
            .partition(|waiting| waiting.steer && waiting.lane == lane);
        self.queue = queue;
        let steered: Vec<Waiting> = steered;
        for waiting in steered {
            let leaf = self.turn(id).leaf;
            self.create(waiting.message, Some(leaf));
            let turn = self.turn(id);
            (turn.base, turn.leaf) = (waiting.message, waiting.message);
        }
    }

    /// Asserts that the real conversation is this one.
    pub fn assert_is(&self, real: &Conversation) {
        assert_eq!(real.deleted, self.deleted, "deleted");
        assert_eq!(real.head, self.head, "head");
        let queue: Vec<_> = self.queue.iter().map(|w| (w.id, w.message, w.lane, w.steer)).collect();
        let real_queue: Vec<_> =
            real.queue.iter().map(|q| (q.turn_id, q.turn.message_id, q.turn.lane, q.turn.steer)).collect();
        assert_eq!(real_queue, queue, "queue");

        let mut running: Vec<TurnId> = self.running.iter().map(|turn| turn.id).collect();
        running.sort_unstable();
        assert_eq!(real.turns.keys().copied().collect::<Vec<_>>(), running, "running turns");
        for turn in &self.running {
            let real = &real.turns[&turn.id];
            let what = (turn.lane, turn.state, turn.fence, turn.tries, turn.base, turn.leaf, turn.tokens);
            let real_tokens = real.usage.input_tokens + real.usage.output_tokens;
            let real_what = (
                real.plan.lane,
                real.state,
                real.fence,
                real.attempts_this_step,
                real.base,
                real.leaf,
                real_tokens,
            );
            assert_eq!(real_what, what, "turn {}", turn.id);
            let parts = |open: &Open| open.parts.iter().map(|part| (part.bytes, part.closed)).collect();
            let open: Option<(MessageId, Vec<_>)> =
                turn.open.as_ref().map(|open| (open.message, parts(open)));
            let real_open = real
                .open
                .as_ref()
                .map(|open| (open.id, open.parts.iter().map(|p| (p.bytes, p.completed)).collect::<Vec<_>>()));
            assert_eq!(real_open, open, "open message of {}", turn.id);
            let calls: Vec<_> = turn.calls.iter().map(|call| (call.id, call.state, call.resolved)).collect();
            let real_calls: Vec<_> = real
                .calls
                .iter()
                .map(|open| (open.call.id, open.call.state, open.call.resolved.is_some()))
                .collect();
            assert_eq!(real_calls, calls, "calls of {}", turn.id);
        }
    }
}
