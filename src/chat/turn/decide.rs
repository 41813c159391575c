//! What happens next in a turn, and what to do about it.

use std::time::Duration;

use super::{
    CallFailure, Decision, Effect, Fence, Input, MAX_ATTEMPTS_PER_STEP, ModelOutput, OpenMessage, OpenPart,
    Placement, Recovery, Stamp, Turn, TurnState, Wake, calls, questions,
};
use crate::chat::event::{Delta, Entry, Event, Problem, ResumeReason};
use crate::chat::message::{Call, CallState, FinishReason, Message, MessageStatus, Part, Role, Usage};
use crate::clock::Timestamp;
use crate::id::CallId;

/// Decides about one input. What comes from a dead attempt, or after the end, decides nothing.
pub fn decide(turn: &Turn, input: Input, stamp: &Stamp) -> Decision {
    if turn.state.is_terminal() {
        return Decision::default();
    }
    match input {
        Input::MessageOpened { fence, .. }
        | Input::Model { fence, .. }
        | Input::ModelFailed { fence, .. }
            // While its tools run, or it waits for a person, no model is asked.
            if fence != turn.fence || turn.state != TurnState::Running || turn.has_open_calls() =>
        {
            Decision::default()
        }
        Input::MessageOpened { model, placement, response_id, .. } => {
            open_message(turn, model, placement, response_id, stamp)
        }
        Input::Model { output, .. } => model_output(turn, output, stamp),
        Input::ModelFailed { failure: CallFailure::Broken { problem }, .. } => {
            cut(turn, ResumeReason::ProviderInterrupted, Some(problem), None)
        }
        Input::ModelFailed { failure: CallFailure::TooLong { .. }, .. }
            if !turn.overflowed && turn.attempts_this_step < MAX_ATTEMPTS_PER_STEP =>
        {
            let mut decision = close(turn, MessageStatus::Interrupted);
            ask_again(turn, ResumeReason::ContextTooLong, None, &mut decision);
            decision
        }
        Input::ModelFailed {
            failure: CallFailure::Refused { problem } | CallFailure::TooLong { problem }, ..
        } => {
            let mut decision = close(turn, MessageStatus::Failed);
            decision.event(Event::TurnFailed { turn_id: turn.id, problem });
            decision
        }
        Input::Judged { call_id, judgement } => calls::judged(turn, call_id, judgement, stamp),
        Input::ToolEnded { call_id, ending, spent } => calls::ended(turn, call_id, ending, spent, stamp),
        Input::ToolAsked { call_id, question } => questions::asked(turn, call_id, question, stamp),
        Input::ToolAnswered { call_id, question_id, answer } => {
            questions::answered(turn, call_id, question_id, answer)
        }
        Input::QuestionExpired { question_id } => questions::expired(turn, question_id),
        Input::ToolProgressed { call_id, progress } => calls::progressed(turn, call_id, progress),
        Input::Voted { call_id, vote, args_hash } => calls::voted(turn, call_id, vote, &args_hash, stamp),
        Input::ApprovalExpired { approval_id } => calls::expired(turn, approval_id, stamp),
        Input::Resolved { call_id, resolution, output, resolved_by, again } => {
            let word = calls::Word { resolution, output, resolved_by, again };
            calls::resolved(turn, call_id, word, stamp)
        }
        Input::Cancel => {
            let mut decision = close(turn, MessageStatus::Cancelled);
            calls::withdraw(turn, &mut decision);
            decision.event(Event::TurnCancelled { turn_id: turn.id });
            decision.effects.push(Effect::CancelAttempt { turn_id: turn.id });
            decision
        }
        Input::Recovered => recover(turn, stamp),
        // Its wall time does not pass while it waits for people.
        Input::DeadlinePassed if turn.state == TurnState::Waiting => Decision::default(),
        Input::DeadlinePassed if calls::has_delegated(turn) || questions::is_any_open(turn) => {
            let mut decision = Decision::default();
            calls::begin_time_anew(turn, &mut decision, stamp);
            decision
        }
        Input::DeadlinePassed => {
            let mut decision = close(turn, MessageStatus::Interrupted);
            calls::withdraw(turn, &mut decision);
            let limit = format!("the turn took longer than {} s", turn.plan.limits.max_wall_ms / 1000);
            decision.event(Event::TurnFailed { turn_id: turn.id, problem: limit_reached(limit) });
            decision.effects.push(Effect::CancelAttempt { turn_id: turn.id });
            decision
        }
    }
}

fn open_message(
    turn: &Turn,
    model: Option<String>,
    placement: Placement,
    response_id: Option<String>,
    stamp: &Stamp,
) -> Decision {
    let mut decision = Decision::default();
    if turn.open.is_some() {
        return decision;
    }
    let parent = match (turn.plan.recovery, placement) {
        (Recovery::Restart, _) | (_, Placement::Sibling) => turn.base,
        (Recovery::Continue | Recovery::Fail, Placement::Child) => turn.leaf,
    };
    decision.event(Event::MessageCreated {
        turn_id: Some(turn.id),
        message: Message {
            id: stamp.message_id,
            parent_id: Some(parent),
            role: Role::Assistant,
            status: MessageStatus::Streaming,
            parts: Vec::new(),
            turn_id: Some(turn.id),
            step: Some(turn.fence.step),
            attempt: Some(turn.fence.attempt),
            model,
            finish_reason: None,
            usage: None,
            metadata: None,
            created_at: stamp.now,
        },
        response_id,
    });
    decision
}

fn model_output(turn: &Turn, output: ModelOutput, stamp: &Stamp) -> Decision {
    let mut decision = Decision::default();
    match output {
        ModelOutput::Opened { .. } => decision,
        ModelOutput::Finished { finish_reason, usage } => finish_step(turn, finish_reason, usage, stamp),
        ModelOutput::PartStarted { index, part } => {
            let Some(open) = &turn.open else { return decision };
            if index as usize != open.parts.len() {
                return decision;
            }
            // It starts empty: a text that it came with is its first delta, or the deltas would not spell the part.
            let text = part.streamed().to_owned();
            let part = part.with_streamed(String::new());
            decision.event(Event::PartStarted { turn_id: turn.id, message_id: open.id, index, part });
            decision.delta(turn, open, index, text);
            decision
        }
        ModelOutput::Delta { index, text } => {
            let Some(open) = &turn.open else { return decision };
            let streams = |part: &OpenPart| !part.completed && part.head.is_streamed();
            if open.parts.get(index as usize).is_some_and(streams) {
                decision.delta(turn, open, index, text);
            }
            decision
        }
        ModelOutput::PartCompleted { index, .. } => {
            let Some(open) = &turn.open else { return decision };
            if let Some(part) = open.parts.get(index as usize)
                && !part.completed
            {
                decision.event(Event::PartCompleted {
                    turn_id: turn.id,
                    message_id: open.id,
                    index,
                    part: None,
                    bytes: part.bytes,
                });
            }
            decision
        }
    }
}

/// The model's answer is whole: the turn ends, or answers the calls and asks again.
fn finish_step(turn: &Turn, finish_reason: FinishReason, usage: Option<Usage>, stamp: &Stamp) -> Decision {
    let mut decision = Decision::default();
    let message = match &turn.open {
        Some(open) => open.clone(),
        // An answer without a single part is still an answer.
        None => {
            decision = open_message(turn, None, Placement::Child, None, stamp);
            OpenMessage { id: stamp.message_id, parts: Vec::new() }
        }
    };
    for (index, part) in (0u32..).zip(&message.parts) {
        if !part.completed {
            decision.event(Event::PartCompleted {
                turn_id: turn.id,
                message_id: message.id,
                index,
                part: None,
                bytes: part.bytes,
            });
        }
    }
    decision.event(Event::MessageCompleted {
        turn_id: turn.id,
        message_id: message.id,
        status: MessageStatus::Complete,
        finish_reason: Some(finish_reason),
        usage,
    });

    let calls = calls_of(turn, &message);
    let mut total = turn.usage;
    total += usage.unwrap_or_default();
    if calls.is_empty() {
        decision.event(Event::TurnCompleted { turn_id: turn.id, usage: total, steered_into: None });
        return decision;
    }
    match turn.plan.limits.exceeded_after(turn.fence.step, total) {
        // What the model wants to do next is not begun.
        Some(limit) => {
            for call in calls {
                let call_id = call.id;
                decision.event(Event::ToolProposed { turn_id: turn.id, call });
                decision.event(Event::ToolCancelled { turn_id: turn.id, call_id });
            }
            decision.event(Event::TurnFailed { turn_id: turn.id, problem: limit_reached(limit) });
        }
        None => calls::propose(turn, calls, &mut decision),
    }
    decision
}

fn calls_of(turn: &Turn, message: &OpenMessage) -> Vec<Call> {
    let call = |call_id: CallId, name: &str, args_text: &str| Call {
        id: call_id,
        turn_id: turn.id,
        message_id: message.id,
        tool: name.to_owned(),
        args: serde_json::from_str(args_text).ok(),
        args_text: args_text.to_owned(),
        state: CallState::Proposed,
        output: None,
        error: None,
        rule: None,
        resolved: None,
        retry_of: None,
        child_id: None,
        progress: None,
        question: None,
    };
    let calls = message.parts.iter().filter_map(|part| match &part.head {
        Part::ToolCall { call_id, name, args_text, .. } => Some(call(*call_id, name, args_text)),
        Part::Text { .. }
        | Part::Reasoning { .. }
        | Part::File { .. }
        | Part::Source { .. }
        | Part::Notice { .. } => None,
    });
    calls.collect()
}

/// The server found the turn unfinished when it started.
fn recover(turn: &Turn, stamp: &Stamp) -> Decision {
    // While the server was down no time of the turn's passed.
    let at = match turn.state {
        TurnState::Running => full_time(turn, stamp),
        _ => turn.deadline,
    };
    let wake = Effect::WakeAt { turn_id: turn.id, wake: Wake::Deadline, at };
    let mut decision = match turn.state {
        TurnState::Running | TurnState::Waiting if turn.has_open_calls() => calls::recover(turn, stamp),
        TurnState::Running => cut(turn, ResumeReason::Restart, None, Some(at)),
        TurnState::Waiting => Decision::default(),
        TurnState::Queued
        | TurnState::Completed
        | TurnState::Failed
        | TurnState::Cancelled
        | TurnState::Interrupted => return Decision::default(),
    };
    decision.effects.push(wake);
    decision
}

/// When its wall time is over, if that begins now.
pub(super) fn full_time(turn: &Turn, stamp: &Stamp) -> Timestamp {
    stamp.now.plus(Duration::from_millis(turn.plan.limits.max_wall_ms))
}

/// The answer was cut: what was shown stays as it was, and by the turn's policy another attempt is made.
///
/// `deadline`: where its wall time begins anew.
fn cut(turn: &Turn, reason: ResumeReason, problem: Option<Problem>, deadline: Option<Timestamp>) -> Decision {
    let mut decision = close(turn, MessageStatus::Interrupted);
    let give_up = turn.plan.recovery == Recovery::Fail || turn.attempts_this_step >= MAX_ATTEMPTS_PER_STEP;
    if give_up {
        decision.event(Event::TurnInterrupted { turn_id: turn.id, problem });
        return decision;
    }
    ask_again(turn, reason, deadline, &mut decision);
    decision
}

/// Another attempt at the step, for everyone to see.
fn ask_again(turn: &Turn, reason: ResumeReason, deadline: Option<Timestamp>, decision: &mut Decision) {
    let (turn_id, attempt) = (turn.id, turn.fence.attempt + 1);
    decision.event(Event::TurnResumed { turn_id, attempt, reason, deadline });
    let text = match reason {
        ResumeReason::Restart => Some("Resumed after a restart."),
        ResumeReason::ProviderInterrupted => Some("The model's answer broke off; asked again."),
        ResumeReason::ContextTooLong => {
            Some("The conversation was too long for the model; asked again with less of it.")
        }
        ResumeReason::Answered => None,
    };
    if let Some(text) = text {
        let (code, text) = ("resumed".to_owned(), text.to_owned());
        decision.event(Event::Notice { turn_id: Some(turn_id), code, text });
    }
    let fence = Fence { attempt, ..turn.fence };
    decision.effects.push(Effect::CallModel { turn_id: turn.id, fence });
}

/// Closes the open message as it stands. A call that is not whole is discarded: it never runs.
fn close(turn: &Turn, status: MessageStatus) -> Decision {
    let mut decision = Decision::default();
    let Some(open) = &turn.open else { return decision };
    for (index, part) in (0u32..).zip(&open.parts) {
        if part.completed {
            continue;
        }
        decision.event(Event::PartCompleted {
            turn_id: turn.id,
            message_id: open.id,
            index,
            part: discarded(&part.head),
            bytes: part.bytes,
        });
    }
    decision.event(Event::MessageCompleted {
        turn_id: turn.id,
        message_id: open.id,
        status,
        finish_reason: None,
        usage: None,
    });
    decision
}

fn discarded(head: &Part) -> Option<Part> {
    match head {
        Part::ToolCall { call_id, name, .. } => Some(Part::ToolCall {
            call_id: *call_id,
            name: name.clone(),
            args_text: String::new(),
            discarded: true,
        }),
        Part::Text { .. }
        | Part::Reasoning { .. }
        | Part::File { .. }
        | Part::Source { .. }
        | Part::Notice { .. } => None,
    }
}

pub(super) fn limit_reached(detail: String) -> Problem {
    Problem {
        kind: "turn-limit".to_owned(),
        title: "The turn reached a limit".to_owned(),
        status: 422,
        detail,
        errors: Vec::new(),
    }
}

impl super::Limits {
    /// Which limit forbids another step, after `steps` that used `usage` together.
    pub(super) fn exceeded_after(&self, steps: u32, usage: Usage) -> Option<String> {
        if steps >= self.max_steps {
            return Some(format!("the turn made {steps} model calls, its limit"));
        }
        let tokens = usage.input_tokens + usage.output_tokens;
        let max = self.max_tokens?;
        (tokens >= max).then(|| format!("the turn used {tokens} tokens, its limit is {max}"))
    }
}

impl super::TurnPlan {
    pub fn deadline(&self) -> Timestamp {
        self.started_at.plus(std::time::Duration::from_millis(self.limits.max_wall_ms))
    }
}

impl Decision {
    pub(in crate::chat) fn event(&mut self, event: Event) {
        self.entries.push(Entry::Event(event));
    }

    fn delta(&mut self, turn: &Turn, open: &OpenMessage, index: u32, text: String) {
        if !text.is_empty() {
            let (turn_id, message_id) = (turn.id, open.id);
            self.entries.push(Entry::Delta(Delta { turn_id, message_id, index, text }));
        }
    }
}
