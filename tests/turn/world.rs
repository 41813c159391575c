//! A conversation and its reference model, step by step beside each other, through whatever may happen to them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use proptest::prelude::ProptestConfig;
use proptest::test_runner::{TestRng, TestRunner};

use crate::fixture::{approval, info, problem, request};
use crate::ledger::Ledger;
use crate::model::Model;
use crate::script::{self, Age, CallOp, Ending, Kind, Op, Output, Sent, Spot};
use weir::chat::approval::{Approval, ApprovalState, ChangedArgs, Vote, VoteDecision, VoteRefusal};
use weir::chat::conversation::{
    Command, Conversation, ConversationChanges, Doomed, MAX_RUNNING_TURNS, Parent, Refusal, Regenerate, Send,
    decide,
};
use weir::chat::event::{Entry, Event, WaitingFor};
use weir::chat::message::{CallState, FinishReason, Part, Progress, Role, Usage};
use weir::chat::question::{Answer, AnswerAction, Question};
use weir::chat::turn::{
    CallFailure, Decision, Effect, Ending as ToolEnding, Fence, Input, Judgement, Limits, ModelOutput,
    Recovery, Stamp, TurnState, Wake,
};
use weir::clock::Timestamp;
use weir::id::{ApprovalId, CallId, MessageId, QuestionId, TurnId, UserId};

#[test]
fn a_conversation_is_what_its_model_is_whatever_happens() {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    let (cases, tally) = (config.cases, run(TestRunner::new(config)));
    println!("{cases} conversations: {tally:?}");
}

/// Always the same conversations: whether they reach everything is no matter of luck.
#[test]
fn the_scripts_reach_what_the_model_knows() {
    let config = ProptestConfig { failure_persistence: None, cases: 512, ..ProptestConfig::default() };
    let rng = TestRng::deterministic_rng(config.rng_algorithm);
    let tally = run(TestRunner::new_with_rng(config, rng));
    for what in EVERY_RUN_SEES {
        assert!(tally.0.contains_key(what), "no {what}: {tally:?}");
    }
}

/// Goes through what the runner makes up, and says what happened.
fn run(mut runner: TestRunner) -> Tally {
    let tally = std::cell::RefCell::new(Tally::default());
    let result = runner.run(&script::ops(), |ops| {
        let mut world = World::new();
        for op in &ops {
            world.act(op);
        }
        world.settle();
        tally.borrow_mut().add(&world.tally);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    tally.into_inner()
}

/// What the scripts have to reach, or the model proves little.
const EVERY_RUN_SEES: [&str; 25] = [
    "tools started",
    "calls approved",
    "calls approved with other arguments",
    "calls denied",
    "calls of unknown outcome",
    "calls resolved",
    "calls resolved late",
    "calls done again",
    "approvals void",
    "regenerated",
    "branches deleted",
    "steered in",
    "all slots full",
    "queued for a slot",
    "queued at the head for a slot",
    "stale output",
    "restart",
    "recovered turn",
    "third attempt",
    "step after tool calls",
    "discarded call",
    "refused: queue differs",
    "refused: turn waiting",
    "refused: turn in progress",
    "deleted",
];

/// How often what happened.
#[derive(Debug, Default)]
struct Tally(BTreeMap<&'static str, usize>);

impl Tally {
    fn count(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }

    fn add(&mut self, other: &Self) {
        for (what, count) in &other.0 {
            *self.0.entry(what).or_default() += count;
        }
    }
}

struct World {
    real: Conversation,
    model: Model,
    ledger: Ledger,
    /// The model call that each running turn waits for, and when it is woken at the latest.
    calls: HashMap<TurnId, Fence>,
    wakes: HashMap<TurnId, Timestamp>,
    /// The calls that are looked up in the policy, those that run, and the questions that run out in the end.
    judging: BTreeSet<CallId>,
    tools: BTreeSet<CallId>,
    expiries: BTreeSet<ApprovalId>,
    /// What was accepted, with its text as it was last edited.
    sent: Vec<(TurnId, MessageId, Vec<Part>)>,
    /// Messages of deleted branches.
    gone: BTreeSet<MessageId>,
    ids: u128,
    tally: Tally,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            real: Conversation::new(info()),
            model: Model::default(),
            ledger: Ledger::default(),
            calls: HashMap::new(),
            wakes: HashMap::new(),
            judging: BTreeSet::new(),
            tools: BTreeSet::new(),
            expiries: BTreeSet::new(),
            sent: Vec::new(),
            gone: BTreeSet::new(),
            ids: 0,
            tally: Tally::default(),
        };
        world.run(Command::Create { info: Box::new(info()), origin: None, send: None });
        world
    }

    fn id(&mut self) -> [u8; 16] {
        self.ids += 1;
        self.ids.to_be_bytes()
    }

    fn act(&mut self, op: &Op) {
        match op {
            Op::Send(sent) => self.send(sent),
            Op::Step { turn, placement, text, calls, ending } => {
                let Some((turn_id, fence)) = self.running(*turn) else { return };
                self.turn(
                    turn_id,
                    Input::MessageOpened { fence, model: None, placement: *placement, response_id: None },
                );
                let mut index = self.open_parts(turn_id);
                let mut part = |world: &mut Self, part: Part, text: &str, whole: bool| {
                    world.output(turn_id, fence, ModelOutput::PartStarted { index, part });
                    world.output(turn_id, fence, ModelOutput::Delta { index, text: text.to_owned() });
                    if whole {
                        world.output(turn_id, fence, ModelOutput::PartCompleted { index, opaque: None });
                    }
                    index += 1;
                };
                part(self, Part::Text { text: String::new() }, text, !matches!(ending, Ending::Open));
                for whole in calls {
                    let call = self.part(Kind::ToolCall);
                    part(self, call, if *whole { "{\"a\":1}" } else { "{\"a" }, *whole);
                }
                match ending {
                    Ending::Finished => self.finish(turn_id, fence),
                    Ending::Broken => self.fail(turn_id, fence, true),
                    Ending::Open => {}
                }
            }
            Op::Output { turn, age, output } => {
                let Some((turn_id, current)) = self.running(*turn) else { return };
                let fence = age.of(current);
                let output = match output {
                    Output::Message(placement) => {
                        let input = Input::MessageOpened {
                            fence,
                            model: None,
                            placement: *placement,
                            response_id: None,
                        };
                        return self.turn(turn_id, input);
                    }
                    Output::Finished => return self.finish(turn_id, fence),
                    Output::Opened => ModelOutput::Opened { model: None, response_id: None },
                    Output::PartStarted { index, kind } => {
                        ModelOutput::PartStarted { index: *index, part: self.part(*kind) }
                    }
                    Output::Delta { index, text } => ModelOutput::Delta { index: *index, text: text.clone() },
                    Output::PartCompleted { index } => {
                        ModelOutput::PartCompleted { index: *index, opaque: None }
                    }
                };
                self.output(turn_id, fence, output);
            }
            Op::Fail { turn, age, broken } => {
                let Some((turn_id, fence)) = self.running(*turn) else { return };
                self.fail(turn_id, age.of(fence), *broken);
            }
            Op::Call { turn, call, what } => self.call(*turn, *call, *what),
            Op::Switch { message } => {
                let Some(head) = self.message(*message).filter(|_| !self.real.deleted) else { return };
                self.run(Command::MoveHead { message_id: head });
            }
            Op::Regenerate { message } => {
                let Some(message_id) = self.message(*message) else { return };
                if self.ledger.messages[&message_id].message.role != Role::User {
                    return;
                }
                let turn_id = TurnId::from_bytes(self.id());
                let limits = Limits { max_steps: 3, max_tokens: None, max_wall_ms: 60_000 };
                let (request, recovery) = (request(), Recovery::Continue);
                let asked = Regenerate { turn_id, message_id, request, limits, recovery };
                if self.run(Command::Regenerate(Box::new(asked))) {
                    self.tally.count("regenerated");
                }
            }
            Op::DeleteBranch { message } => {
                let Some(message_id) = self.message(*message) else { return };
                let below = |place: &MessageId| self.model.is_below(*place, message_id);
                let places = self.real.places().into_iter().filter(below).collect();
                let parent_id = self.model.parents[&message_id];
                let gone: Vec<MessageId> = self.model.parents.keys().copied().filter(below).collect();
                if self.run(Command::DeleteBranch(Doomed { message_id, parent_id, places })) {
                    self.tally.count("branches deleted");
                    self.gone.extend(gone);
                    let stands = self.real.places();
                    assert!(stands.is_disjoint(&self.gone), "something stands on a deleted branch");
                }
            }
            Op::DeadlinePassed { turn } => {
                let Some((turn_id, _)) = self.running(*turn) else { return };
                self.turn(turn_id, Input::DeadlinePassed);
            }
            Op::Cancel { turn } => {
                let Some((turn_id, ..)) = pick(&self.sent, *turn) else { return };
                self.run(Command::Cancel { turn_id: *turn_id });
            }
            Op::Withdraw { turn } => {
                let Some(turn_id) = self.queued(*turn) else { return };
                self.run(Command::Withdraw { turn_id });
            }
            Op::Edit { turn } => {
                let Some(turn_id) = self.queued(*turn) else { return };
                let parts = vec![Part::Text { text: format!("edited {}", self.ids) }];
                let edit = Command::EditQueued { turn_id, parts: parts.clone() };
                if self.run(edit)
                    && let Some(sent) = self.sent.iter_mut().find(|(id, ..)| *id == turn_id)
                {
                    sent.2 = parts;
                }
            }
            Op::Reorder { by, complete } => {
                let mut turn_ids: Vec<TurnId> = self.model.queue.iter().map(|waiting| waiting.id).collect();
                turn_ids.reverse();
                let by = by % turn_ids.len().max(1);
                turn_ids.rotate_left(by);
                if !complete {
                    turn_ids.push(TurnId::from_bytes([255; 16]));
                }
                self.run(Command::Reorder { turn_ids });
            }
            Op::Update => {
                let title = Some((!self.ids.is_multiple_of(3)).then(|| format!("title {}", self.ids)));
                let changes = ConversationChanges { title, ..ConversationChanges::default() };
                self.run(Command::Update { changes });
            }
            Op::Restart => self.restart(),
            Op::Delete => {
                if self.run(Command::Delete) {
                    self.tally.count("deleted");
                }
            }
        }
    }

    fn running(&self, turn: usize) -> Option<(TurnId, Fence)> {
        pick(&self.model.running, turn).map(|turn| (turn.id, turn.fence))
    }

    /// A turn of the queue, now and then one that is not queued.
    fn queued(&self, turn: usize) -> Option<TurnId> {
        match turn {
            0 => self.sent.first().map(|(id, ..)| *id),
            _ => pick(&self.model.queue, turn).map(|waiting| waiting.id),
        }
    }

    fn message(&self, n: usize) -> Option<MessageId> {
        let all = self.ledger.messages.keys().copied();
        let mut messages: Vec<MessageId> = all.filter(|id| !self.gone.contains(id)).collect();
        messages.sort_unstable();
        pick(&messages, n).copied()
    }

    fn open_parts(&self, turn_id: TurnId) -> u32 {
        let turn = self.model.running.iter().find(|turn| turn.id == turn_id);
        let open = turn.and_then(|turn| turn.open.as_ref());
        open.map_or(0, |open| u32::try_from(open.parts.len()).expect("few parts"))
    }

    fn part(&mut self, kind: Kind) -> Part {
        match kind {
            Kind::Text => Part::Text { text: String::new() },
            Kind::TextBegun => Part::Text { text: "begun".to_owned() },
            Kind::Reasoning => Part::Reasoning { text: String::new() },
            Kind::ToolCall => Part::ToolCall {
                call_id: CallId::from_bytes(self.id()),
                name: "clock".to_owned(),
                args_text: String::new(),
                discarded: false,
            },
            Kind::Notice => Part::Notice { code: "n".to_owned(), text: "whole".to_owned() },
        }
    }

    fn send(&mut self, sent: &Sent) {
        let parent = match sent.spot {
            Spot::Head => Some(Parent::Head),
            Spot::Root => Some(Parent::Root),
            Spot::Leaf(n) => self.running(n).map(|(id, _)| Parent::Message(self.real.turns[&id].leaf)),
            Spot::Switched(message) => {
                self.act(&Op::Switch { message });
                Some(Parent::Head)
            }
            Spot::Message(n) => self.message(n).map(Parent::Message),
        };
        let Some(parent) = parent else { return };
        let (turn_id, message_id) = (TurnId::from_bytes(self.id()), MessageId::from_bytes(self.id()));
        let parts = vec![Part::Text { text: format!("question {}", self.ids) }];
        let send = Send {
            turn_id,
            message_id,
            parts: parts.clone(),
            metadata: None,
            parent,
            on_busy: sent.on_busy,
            request: request(),
            limits: Limits { max_steps: sent.max_steps, max_tokens: sent.max_tokens, max_wall_ms: 60_000 },
            recovery: sent.recovery,
        };
        if self.run(Command::Send(Box::new(send))) {
            self.sent.push((turn_id, message_id, parts));
        }
    }

    fn turn(&mut self, turn_id: TurnId, input: Input) {
        self.run(Command::Turn { turn_id, input });
    }

    fn output(&mut self, turn_id: TurnId, fence: Fence, output: ModelOutput) {
        self.turn(turn_id, Input::Model { fence, output });
    }

    fn finish(&mut self, turn_id: TurnId, fence: Fence) {
        let usage = Some(Usage { input_tokens: 10, output_tokens: 5, ..Usage::default() });
        self.output(turn_id, fence, ModelOutput::Finished { finish_reason: FinishReason::Stop, usage });
    }

    fn fail(&mut self, turn_id: TurnId, fence: Fence, broken: bool) {
        let problem = problem();
        let failure = match broken {
            true => CallFailure::Broken { problem },
            false if self.ids.is_multiple_of(3) => CallFailure::TooLong { problem },
            false => CallFailure::Refused { problem },
        };
        self.turn(turn_id, Input::ModelFailed { fence, failure });
    }

    fn call(&mut self, turn: usize, call: usize, what: CallOp) {
        if let CallOp::Resolved | CallOp::Retried = what
            && turn.is_multiple_of(2)
            && let Some((turn_id, call_id)) = self.ledger.left_unresolved()
        {
            let (resolution, output, resolved_by) = (what.resolution(), None, UserId::from_bytes([1; 16]));
            self.run(Command::ResolveLate { turn_id, call_id, resolution, output, resolved_by });
            return;
        }
        // Turns with calls are what this is about.
        let with_calls: Vec<usize> =
            (0..self.model.running.len()).filter(|n| !self.model.running[*n].calls.is_empty()).collect();
        let Some(turn) = pick(&with_calls, turn).map(|n| &self.model.running[*n]) else { return };
        let turn_id = turn.id;
        let call = pick(&turn.calls, call).expect("there are calls");
        // Most of what happens to a call is what can happen to it.
        let what = if self.ids.is_multiple_of(4) { what } else { what.fitting(call.state) };
        let (call_id, approval_id) = (call.id, call.question.as_ref().map(|question| question.id));
        let wonders = call.wonders;
        let text = || "text".to_owned();
        let judge = |world: &mut Self, judgement| world.turn(turn_id, Input::Judged { call_id, judgement });
        let end =
            |world: &mut Self, ending| world.turn(turn_id, Input::ToolEnded { call_id, ending, spent: None });
        match what {
            CallOp::Impossible => judge(self, Judgement::Impossible { error: text() }),
            CallOp::Denied => judge(self, Judgement::Denied { rule: None }),
            CallOp::Allowed { idempotent } => {
                judge(self, Judgement::Allowed { rule: None, idempotent, child_id: None })
            }
            CallOp::Client => judge(self, Judgement::Outside { waiting_for: WaitingFor::ClientTool }),
            CallOp::Ask { approvals } => {
                let id = ApprovalId::from_bytes(self.id());
                judge(self, Judgement::Ask(Box::new(approval(id, turn_id, call_id, approvals))));
            }
            CallOp::Progresses => {
                let progress = Progress { message: Some(text()), fraction: Some(0.5) };
                self.turn(turn_id, Input::ToolProgressed { call_id, progress });
            }
            CallOp::Asks => {
                let id = QuestionId::from_bytes(self.id());
                let question = Question { id, message: text(), schema: None, url: None };
                self.turn(turn_id, Input::ToolAsked { call_id, question });
            }
            CallOp::Answers { right } => {
                let Some(asked) = wonders else { return };
                let question_id = if right { asked } else { QuestionId::from_bytes(self.id()) };
                let answer = Answer { action: AnswerAction::Accept, content: None };
                self.run(Command::Answer { turn_id, call_id, question_id, answer });
            }
            CallOp::NobodyAnswers => {
                let Some(question_id) = wonders else { return };
                self.turn(turn_id, Input::QuestionExpired { question_id });
            }
            CallOp::Succeeds => end(self, ToolEnding::Succeeded { output: text(), files: Vec::new() }),
            CallOp::Fails => end(self, ToolEnding::Failed { error: text() }),
            CallOp::Unknown => end(self, ToolEnding::Unknown { error: text() }),
            CallOp::Vote { user, deny, changes, as_shown } => {
                let Some(approval_id) = approval_id else { return };
                let real = self.real.turns[&turn_id].call(call_id).and_then(|open| open.approval.clone());
                let shown = real.map_or_else(text, |approval| approval.current_hash().to_owned());
                let changed = (changes && !deny).then(|| ChangedArgs {
                    args: serde_json::json!({"changed": self.ids.to_string()}),
                    args_text: format!("{{\"changed\":\"{}\"}}", self.ids),
                    args_hash: format!("changed {}", self.ids),
                });
                let vote = Vote {
                    user_id: UserId::from_bytes([user + 1; 16]),
                    decision: if deny { VoteDecision::Deny } else { VoteDecision::Approve },
                    reason: None,
                    remember: None,
                    changed,
                    at: Timestamp::from_millis(1),
                };
                let args_hash = if as_shown { shown } else { text() };
                let vote = Box::new(vote);
                self.run(Command::Vote { turn_id, call_id, approval_id, vote, args_hash });
            }
            CallOp::Expires => {
                let Some(approval_id) = approval_id else { return };
                self.turn(turn_id, Input::ApprovalExpired { approval_id });
            }
            CallOp::ClientSays => {
                let ending = ToolEnding::Succeeded { output: text(), files: Vec::new() };
                self.run(Command::EndCall { turn_id, call_id, ending });
            }
            CallOp::Resolved | CallOp::Retried => {
                let resolution = what.resolution();
                let (again, resolved_by) = (CallId::from_bytes(self.id()), UserId::from_bytes([1; 16]));
                let output = Some(text());
                self.run(Command::Resolve { turn_id, call_id, resolution, output, resolved_by, again });
            }
        }
    }

    /// Whatever was in flight is gone, and the log's unfinished turns are all that is left.
    fn restart(&mut self) {
        if self.real.deleted {
            return;
        }
        self.tally.count("restart");
        self.calls.clear();
        self.wakes.clear();
        self.judging.clear();
        self.tools.clear();
        self.expiries.clear();
        self.real = self.reloaded();
        self.run(Command::Recover);
    }

    fn reloaded(&self) -> Conversation {
        let info = (*self.real.info).clone();
        Conversation::load(info, self.real.head, &self.ledger.unfinished())
    }

    /// Does it on both sides, and says whether it was accepted.
    fn run(&mut self, command: Command) -> bool {
        let now = Timestamp::from_millis(i64::try_from(self.ids).expect("few ids"));
        let stamp = Stamp { now, message_id: MessageId::from_bytes(self.id()) };
        let stale = self.is_stale(&command);
        let finished = finished(&command).filter(|_| !stale);
        let expected = self.model.apply(&command, stamp.message_id);
        let decision = match (decide(&self.real, command, &stamp), expected) {
            (Ok(decision), Ok(())) => decision,
            (decided, expected) => {
                let alike = match (&decided, &expected) {
                    // Why exactly nobody is asked any more is for the approval itself to say.
                    (
                        Err(Refusal::Vote(VoteRefusal::Closed(_)) | Refusal::NotAsked { .. }),
                        Err(expected),
                    ) => {
                        matches!(expected, Refusal::Vote(VoteRefusal::Closed(_)) | Refusal::NotAsked { .. })
                    }
                    (Err(decided), Err(expected)) => decided == expected,
                    (Ok(_), _) | (_, Ok(())) => false,
                };
                assert!(alike, "{decided:?} is not {expected:?}");
                self.tally.count(refused(&expected.expect_err("both refused")));
                return false;
            }
        };
        if stale {
            self.tally.count("stale output");
            assert_eq!(decision, Decision::default(), "what is stale decides nothing");
        }
        self.tally.count("command");
        for entry in decision.entries {
            self.take_in(entry, finished);
        }
        for effect in decision.effects {
            match effect {
                Effect::CallModel { turn_id, fence } => {
                    if fence.step > 1 && fence.attempt == 1 {
                        self.tally.count("step after tool calls");
                    }
                    self.calls.insert(turn_id, fence);
                }
                Effect::CancelAttempt { turn_id } => drop(self.calls.remove(&turn_id)),
                Effect::WakeAt { turn_id, wake: Wake::Deadline, at } => drop(self.wakes.insert(turn_id, at)),
                Effect::PassAnswer { .. } => self.tally.count("answers that were passed on"),
                Effect::WakeAt { wake: Wake::Question(_), .. } => self.tally.count("questions with an end"),
                Effect::WakeAt { wake: Wake::Expiry(approval_id), .. } => {
                    self.expiries.insert(approval_id);
                }
                Effect::Judge { call_id, .. } => {
                    self.judging.insert(call_id);
                }
                Effect::RunTool { call_id, .. } => {
                    self.tools.insert(call_id);
                }
            }
        }
        self.check();
        true
    }

    fn is_stale(&self, command: &Command) -> bool {
        let Command::Turn { turn_id, input } = command else { return false };
        match input {
            Input::MessageOpened { fence, .. }
            | Input::Model { fence, .. }
            | Input::ModelFailed { fence, .. } => !self.model.is_current(*turn_id, *fence),
            Input::Judged { .. }
            | Input::ToolEnded { .. }
            | Input::ToolProgressed { .. }
            | Input::ToolAsked { .. }
            | Input::ToolAnswered { .. }
            | Input::QuestionExpired { .. }
            | Input::Voted { .. }
            | Input::ApprovalExpired { .. }
            | Input::Resolved { .. }
            | Input::Cancel
            | Input::Recovered
            | Input::DeadlinePassed => false,
        }
    }

    fn take_in(&mut self, entry: Entry, finished: Option<TurnId>) {
        self.tally.count(match &entry {
            Entry::Event(Event::TurnCompleted { steered_into: Some(_), .. }) => "steered in",
            Entry::Event(Event::TurnResumed { .. }) => "recovered turn",
            Entry::Event(Event::TurnQueued { turn, .. }) if turn.after.is_some() => {
                if turn.parent_id.is_some() { "queued for a slot" } else { "queued at the head for a slot" }
            }
            Entry::Event(Event::PartCompleted { part: Some(_), .. }) => "discarded call",
            Entry::Event(Event::MessageCreated { message, .. }) if message.attempt == Some(3) => {
                "third attempt"
            }
            Entry::Event(Event::ToolStarted { .. }) => "tools started",
            Entry::Event(Event::ToolApproved { args_text: Some(_), .. }) => {
                "calls approved with other arguments"
            }
            Entry::Event(Event::ToolAsked { .. }) => "questions of running calls",
            Entry::Event(Event::ToolAnswered { .. }) => "questions that were over",
            Entry::Event(Event::ToolProgress { .. }) => "calls that said how far they were",
            Entry::Event(Event::ToolApproved { .. }) => "calls approved",
            Entry::Event(Event::ToolDenied { .. }) => "calls denied",
            Entry::Event(Event::ToolExpired { .. }) => "approvals expired",
            Entry::Event(Event::ToolUnknown { .. }) => "calls of unknown outcome",
            Entry::Event(Event::ToolResolved { turn_id, .. }) if !self.real.turns.contains_key(turn_id) => {
                "calls resolved late"
            }
            Entry::Event(Event::ToolResolved { .. }) => "calls resolved",
            Entry::Event(Event::ToolProposed { call, .. }) if call.retry_of.is_some() => "calls done again",
            Entry::Event(Event::ApprovalClosed { outcome: ApprovalState::Void, .. }) => "approvals void",
            Entry::Event(_) => "other event",
            Entry::Delta(_) => "delta",
        });
        self.real.evolve(&entry);
        self.ledger.append(entry, finished);
    }

    fn check(&mut self) {
        self.model.assert_is(&self.real);
        let parents = self.ledger.messages.iter().map(|(id, node)| (*id, node.message.parent_id)).collect();
        assert_eq!(self.model.parents, parents, "every message hangs where it belongs");
        if self.real.turns.len() == MAX_RUNNING_TURNS {
            self.tally.count("all slots full");
        }
        for turn in self.real.turns.values() {
            if turn.state == TurnState::Running && !turn.has_open_calls() {
                assert_eq!(self.calls.get(&turn.id), Some(&turn.fence), "{} waits for a call", turn.id);
            }
            assert_eq!(self.wakes.get(&turn.id), Some(&turn.deadline), "{} is woken in the end", turn.id);
        }
        for open in self.real.turns.values().flat_map(|turn| &turn.calls) {
            let id = &open.call.id;
            match open.call.state {
                CallState::Proposed | CallState::Approved => {
                    assert!(self.judging.contains(id), "{id} is forgotten")
                }
                CallState::Started => assert!(self.tools.contains(id), "{id} is never run"),
                CallState::Pending => {
                    let expires = |approval: &Approval| self.expiries.contains(&approval.id);
                    assert!(
                        open.pending_approval().is_none_or(|approval| expires(approval)),
                        "{id} never expires"
                    );
                }
                _ => {}
            }
        }
        let mut folded = Conversation::new(info());
        self.ledger.entries.iter().for_each(|entry| folded.evolve(entry));
        assert_eq!(folded, self.real, "the whole log folds into the conversation");
        if !self.real.deleted {
            assert_eq!(self.reloaded(), self.real, "and so do the turns that have not ended");
        }
    }

    /// Everything comes to its end, one way or another.
    fn settle(&mut self) {
        let mut rounds = 0;
        while let Some((turn_id, fence)) = self.running(rounds) {
            match rounds % 3 {
                0 => self.finish(turn_id, fence),
                1 => self.fail(turn_id, fence, false),
                _ => drop(self.run(Command::Cancel { turn_id })),
            }
            rounds += 1;
            assert!(rounds < 1000, "it comes to no end");
        }
        assert!(self.real.is_idle(), "the queue is stuck: {:?}", self.real.queue);
        for (turn_id, message_id, parts) in &self.sent {
            let life = self.ledger.turns.get(turn_id).expect("what was accepted is in the log");
            let ended = life.ended.as_ref().expect("every turn ends");
            let into = match ended {
                Event::TurnCompleted { steered_into, .. } => *steered_into,
                _ => None,
            };
            let answered_by = if life.started { Some(*turn_id) } else { into };
            let message = self.ledger.messages.get(message_id).map(|node| &node.message);
            assert_eq!(message.and_then(|message| message.turn_id), answered_by, "{turn_id} is lost");
            assert!(message.is_none_or(|message| message.parts == *parts), "{turn_id} says something else");
            assert!(
                answered_by.is_some() || matches!(ended, Event::TurnCancelled { .. }),
                "{turn_id} never ran, and was not cancelled"
            );
        }
    }
}

impl Age {
    fn of(self, fence: Fence) -> Fence {
        match self {
            Self::Current => fence,
            Self::EarlierAttempt => Fence { attempt: fence.attempt - 1, ..fence },
            Self::EarlierStep => Fence { step: fence.step - 1, ..fence },
            Self::LaterAttempt => Fence { attempt: fence.attempt + 1, ..fence },
        }
    }
}

fn finished(command: &Command) -> Option<TurnId> {
    match command {
        Command::Turn { turn_id, input: Input::Model { output: ModelOutput::Finished { .. }, .. } } => {
            Some(*turn_id)
        }
        _ => None,
    }
}

fn refused(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::TurnInProgress { .. } => "refused: turn in progress",
        Refusal::TurnWaiting { .. } => "refused: turn waiting",
        Refusal::QueueFull => "refused: queue full",
        Refusal::TooManyTurns => "refused: too many turns",
        Refusal::NotQueued { .. } => "refused: not queued",
        Refusal::QueueDiffers { .. } => "refused: queue differs",
        Refusal::Inherited { .. } => "refused: inherited",
        Refusal::Vote(_) => "refused: vote",
        Refusal::NotAsked { .. } => "refused: not asked",
        Refusal::NotWaiting { .. } => "refused: call does not wait",
        Refusal::TooLateToRetry { .. } => "refused: too late to retry",
        Refusal::Deleted => "refused: deleted",
    }
}

fn pick<T>(from: &[T], n: usize) -> Option<&T> {
    from.get(n % from.len().max(1))
}
