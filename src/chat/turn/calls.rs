//! The tool calls of a turn: what the policy and people say about each, and what came of it.
//!
//! Its order is what keeps the promise that nothing dangerous runs without a yes, nor twice: a call is judged, perhaps
//! approved and judged again, its start is committed, and only then is its tool asked for anything. A start without an
//! end is never started again, unless its tool says that this does nothing twice.

use std::sync::Arc;

use super::decide::{full_time, limit_reached};
use super::{Decision, Effect, Ending, Judgement, OpenCall, Stamp, Turn, TurnState, Wake, evolve, questions};
use crate::chat::approval::{Approval, ApprovalState, Outcome, Vote, VoteDecision};
use crate::chat::event::{Event, Resolution, ResumeReason, WaitingFor};
use crate::chat::message::{Call, CallState, Progress, Usage};
use crate::id::{ApprovalId, CallId, UserId};

/// The calls of a completed step, each to be judged.
pub(super) fn propose(turn: &Turn, calls: Vec<Call>, decision: &mut Decision) {
    for call in calls {
        decision.effects.push(Effect::Judge { turn_id: turn.id, call_id: call.id });
        decision.event(Event::ToolProposed { turn_id: turn.id, call });
    }
}

pub(super) fn judged(turn: &Turn, call_id: CallId, judgement: Judgement, stamp: &Stamp) -> Decision {
    let mut decision = Decision::default();
    let Some(open) = turn.call(call_id) else { return decision };
    let turn_id = turn.id;
    let was_approved = match open.call.state {
        CallState::Proposed => false,
        CallState::Approved => true,
        // Judged before; this is late.
        _ => return decision,
    };
    // What was approved is not what would run now.
    if was_approved
        && matches!(judgement, Judgement::Ask(_) | Judgement::Outside { .. })
        && let Some(old) = &open.approval
    {
        decision.event(closed(turn, old, ApprovalState::Void));
    }
    match judgement {
        Judgement::Impossible { error } => {
            decision.event(Event::ToolFailed { turn_id, call_id, error, usage: None });
        }
        Judgement::Denied { rule } => {
            let error = "the operator's policy does not allow this call".to_owned();
            decision.event(Event::ToolDenied { turn_id, call_id, rule, error });
        }
        Judgement::Allowed { rule, idempotent, child_id } => {
            decision.event(Event::ToolStarted { turn_id, call_id, rule, idempotent, child_id });
            decision.effects.push(Effect::RunTool { turn_id, call_id, again: false });
        }
        Judgement::Outside { waiting_for } => {
            decision.event(Event::ToolPending { turn_id, call_id, waiting_for, rule: None });
        }
        Judgement::Ask(approval) => {
            let (at, wake) = (approval.expires_at, Wake::Expiry(approval.id));
            let rule = approval.context.rule.clone();
            let waiting_for = WaitingFor::Approval;
            decision.event(Event::ToolPending { turn_id, call_id, waiting_for, rule });
            decision.event(Event::ApprovalRequested { turn_id, approval });
            decision.effects.push(Effect::WakeAt { turn_id, wake, at });
        }
    }
    settle(turn, &mut decision, stamp);
    decision
}

pub(super) fn ended(
    turn: &Turn,
    call_id: CallId,
    ending: Ending,
    spent: Option<Usage>,
    stamp: &Stamp,
) -> Decision {
    let mut decision = Decision::default();
    let Some(open) = turn.call(call_id) else { return decision };
    // The first one wins.
    if open.call.state != CallState::Started && !open.awaits_result() {
        return decision;
    }
    decision.event(ending.into_event(turn, call_id, spent));
    if open.call.child_id.is_some() {
        begin_time_anew(turn, &mut decision, stamp);
    }
    settle(turn, &mut decision, stamp);
    decision
}

/// Whether another agent works on a call of it, in a time of its own.
pub(super) fn has_delegated(turn: &Turn) -> bool {
    turn.calls.iter().any(|open| open.call.state == CallState::Started && open.call.child_id.is_some())
}

/// The turn has all of its wall time once more.
pub(super) fn begin_time_anew(turn: &Turn, decision: &mut Decision, stamp: &Stamp) {
    let (turn_id, attempt, reason) = (turn.id, turn.fence.attempt, ResumeReason::Answered);
    let at = full_time(turn, stamp);
    decision.event(Event::TurnResumed { turn_id, attempt, reason, deadline: Some(at) });
    decision.effects.push(Effect::WakeAt { turn_id, wake: Wake::Deadline, at });
}

/// Says nothing about the turn, and nothing once the call has its end.
pub(super) fn progressed(turn: &Turn, call_id: CallId, progress: Progress) -> Decision {
    let mut decision = Decision::default();
    if turn.call(call_id).is_some_and(|open| open.call.state == CallState::Started) {
        decision.event(Event::ToolProgress { turn_id: turn.id, call_id, progress });
    }
    decision
}

/// A vote that does not count decides nothing; whoever asks has been told why by [`Approval::judge`].
pub(super) fn voted(turn: &Turn, call_id: CallId, vote: Vote, args_hash: &str, stamp: &Stamp) -> Decision {
    let mut decision = Decision::default();
    let Some(approval) = turn.call(call_id).and_then(|open| open.approval.as_ref()) else { return decision };
    let Ok(outcome) = approval.judge(&vote, args_hash) else { return decision };
    let (turn_id, approval_id) = (turn.id, approval.id);
    let reason = vote.reason.clone();
    let changed = vote.changed.clone().or_else(|| approval.changed().cloned());
    decision.event(Event::ApprovalVoted { turn_id, call_id, approval_id, vote });
    let decided = |outcome| Event::ApprovalDecided { turn_id, call_id, approval_id, outcome };
    match outcome {
        Outcome::Open => return decision,
        Outcome::Denied => {
            decision.event(decided(VoteDecision::Deny));
            let error = reason.map_or_else(
                || "a person did not allow this call".to_owned(),
                |reason| format!("a person did not allow this call: {reason}"),
            );
            decision.event(Event::ToolDenied { turn_id, call_id, rule: None, error });
        }
        Outcome::Approved => {
            decision.event(decided(VoteDecision::Approve));
            let args_text = changed.map(|changed| changed.args_text);
            decision.event(Event::ToolApproved { turn_id, call_id, args_text });
            decision.effects.push(Effect::Judge { turn_id, call_id });
        }
    }
    settle(turn, &mut decision, stamp);
    decision
}

pub(super) fn expired(turn: &Turn, approval_id: ApprovalId, stamp: &Stamp) -> Decision {
    let mut decision = Decision::default();
    let is_it = |open: &&OpenCall| open.approval.as_ref().is_some_and(|approval| approval.id == approval_id);
    let Some(OpenCall { call, approval: Some(approval), .. }) = turn.calls.iter().find(is_it) else {
        return decision;
    };
    if approval.state != ApprovalState::Pending {
        return decision;
    }
    decision.event(closed(turn, approval, ApprovalState::Expired));
    let error = "nobody decided about this call in time".to_owned();
    decision.event(Event::ToolExpired { turn_id: turn.id, call_id: call.id, error });
    settle(turn, &mut decision, stamp);
    decision
}

/// What a person says of an unknown call.
pub(super) struct Word {
    pub resolution: Resolution,
    pub output: Option<String>,
    pub resolved_by: UserId,
    /// The id of the call that does it again.
    pub again: CallId,
}

/// It is heard once.
pub(super) fn resolved(turn: &Turn, call_id: CallId, word: Word, stamp: &Stamp) -> Decision {
    let Word { resolution, output, resolved_by, again } = word;
    let mut decision = Decision::default();
    let Some(open) = turn.call(call_id).filter(|open| open.call.is_unresolved()) else { return decision };
    let turn_id = turn.id;
    decision.event(Event::ToolResolved { turn_id, call_id, resolution, output, resolved_by });
    if resolution == Resolution::Retry {
        let (state, output, error, rule, resolved) = (CallState::Proposed, None, None, None, None);
        let (retry_of, progress, question, child_id) = (Some(call_id), None, None, None);
        let call = Call {
            id: again,
            state,
            output,
            error,
            rule,
            resolved,
            retry_of,
            progress,
            question,
            child_id,
            ..open.call.clone()
        };
        propose(turn, vec![call], &mut decision);
    }
    settle(turn, &mut decision, stamp);
    decision
}

/// The turn ends: nothing more is started, and nobody is asked any more.
pub(super) fn withdraw(turn: &Turn, decision: &mut Decision) {
    for open in &turn.calls {
        let (turn_id, call_id) = (turn.id, open.call.id);
        match open.call.state {
            CallState::Proposed | CallState::Pending | CallState::Approved => {
                if let Some(approval) = open.pending_approval() {
                    decision.event(closed(turn, approval, ApprovalState::Withdrawn));
                }
                decision.event(Event::ToolCancelled { turn_id, call_id });
            }
            CallState::Started => {
                let error = "the turn ended while the tool ran".to_owned();
                decision.event(Event::ToolUnknown { turn_id, call_id, error });
            }
            CallState::Succeeded
            | CallState::Failed
            | CallState::Unknown
            | CallState::Denied
            | CallState::Expired
            | CallState::Cancelled => {}
        }
    }
}

/// The server was started again while calls were open. What was started and has no end is never started again, unless
/// that does nothing twice.
pub(super) fn recover(turn: &Turn, stamp: &Stamp) -> Decision {
    let mut decision = Decision::default();
    if turn.state == TurnState::Running {
        begin_time_anew(turn, &mut decision, stamp);
    }
    for open in &turn.calls {
        let (turn_id, call_id) = (turn.id, open.call.id);
        match open.call.state {
            CallState::Proposed | CallState::Approved => {
                decision.effects.push(Effect::Judge { turn_id, call_id });
            }
            CallState::Pending => {
                if let Some(approval) = open.pending_approval() {
                    let (wake, at) = (Wake::Expiry(approval.id), approval.expires_at);
                    decision.effects.push(Effect::WakeAt { turn_id, wake, at });
                }
            }
            CallState::Started if open.idempotent => {
                questions::forget(turn, open, &mut decision);
                decision.effects.push(Effect::RunTool { turn_id, call_id, again: true });
            }
            CallState::Started => {
                let error = "the server stopped while the tool ran".to_owned();
                decision.event(Event::ToolUnknown { turn_id, call_id, error });
            }
            CallState::Succeeded
            | CallState::Failed
            | CallState::Unknown
            | CallState::Denied
            | CallState::Expired
            | CallState::Cancelled => {}
        }
    }
    settle(turn, &mut decision, stamp);
    decision
}

/// Once nothing runs by itself any more, the turn waits for people; once every call has its end, it goes on.
fn settle(turn: &Turn, decision: &mut Decision, stamp: &Stamp) {
    let mut after = turn.clone();
    decision.entries.iter().for_each(|entry| evolve(&mut after, entry));
    let waits_for = after.waits_for();
    let resume = |decision: &mut Decision| {
        if turn.state == TurnState::Waiting {
            begin_time_anew(turn, decision, stamp);
        }
    };
    let moving = |open: &OpenCall| {
        matches!(open.call.state, CallState::Proposed | CallState::Approved | CallState::Started)
    };
    if after.calls.iter().any(moving) {
        resume(decision);
    } else if let Some(waiting_for) = waits_for {
        if turn.state == TurnState::Running {
            decision.event(Event::TurnWaiting { turn_id: turn.id, waiting_for });
        }
    } else {
        resume(decision);
        match turn.plan.limits.exceeded_after(turn.fence.step - 1, after.usage) {
            Some(limit) => {
                decision.event(Event::TurnFailed { turn_id: turn.id, problem: limit_reached(limit) });
            }
            None => decision.effects.push(Effect::CallModel { turn_id: turn.id, fence: turn.fence }),
        }
    }
}

fn closed(turn: &Turn, approval: &Approval, outcome: ApprovalState) -> Event {
    let (call_id, approval_id) = (approval.call_id, approval.id);
    Event::ApprovalClosed { turn_id: turn.id, call_id, approval_id, outcome }
}

impl Ending {
    fn into_event(self, turn: &Turn, call_id: CallId, usage: Option<Usage>) -> Event {
        let turn_id = turn.id;
        match self {
            Self::Succeeded { output, files } => {
                Event::ToolSucceeded { turn_id, call_id, output, files, usage }
            }
            Self::Failed { error } => Event::ToolFailed { turn_id, call_id, error, usage },
            Self::Unknown { error } => Event::ToolUnknown { turn_id, call_id, error },
        }
    }
}

impl Turn {
    pub fn call(&self, id: CallId) -> Option<&OpenCall> {
        self.calls.iter().find(|open| open.call.id == id)
    }

    /// Whether a call of the last step has no end yet.
    pub fn has_open_calls(&self) -> bool {
        self.calls.iter().any(|open| !open.call.state.is_terminal() || open.call.is_unresolved())
    }

    /// Whom it waits for, where nothing goes on by itself.
    fn waits_for(&self) -> Option<WaitingFor> {
        let open = |open: &OpenCall| match open.call.state {
            CallState::Pending => Some(open.waiting_for),
            _ if open.call.is_unresolved() => Some(WaitingFor::Resolution),
            _ => None,
        };
        self.calls.iter().find_map(open)
    }
}

impl OpenCall {
    /// Somebody outside gives its result: the client that declared the tool, or the person whom the agent asked.
    pub fn awaits_result(&self) -> bool {
        self.call.state == CallState::Pending && self.waiting_for != WaitingFor::Approval
    }

    pub fn pending_approval(&self) -> Option<&Arc<Approval>> {
        self.approval.as_ref().filter(|approval| approval.state == ApprovalState::Pending)
    }
}

/// What an event makes of the calls.
pub(super) fn evolve_calls(calls: &mut Vec<OpenCall>, event: &Event) {
    if let Event::ToolProposed { call, .. } = event {
        calls.push(OpenCall {
            call: call.clone(),
            waiting_for: WaitingFor::Approval,
            approval: None,
            idempotent: false,
        });
        return;
    }
    let Some(open) = event.call_id().and_then(|id| calls.iter_mut().find(|open| open.call.id == id)) else {
        return;
    };
    open.call.evolve(event);
    match event {
        Event::ToolPending { waiting_for, .. } => open.waiting_for = *waiting_for,
        Event::ToolStarted { idempotent, .. } => open.idempotent = *idempotent,
        Event::ApprovalRequested { approval, .. } => open.approval = Some(Arc::new((**approval).clone())),
        Event::ApprovalVoted { .. } | Event::ApprovalDecided { .. } | Event::ApprovalClosed { .. } => {
            if let Some(approval) = &mut open.approval {
                Arc::make_mut(approval).evolve(event);
            }
        }
        _ => {}
    }
}

impl Call {
    /// Nobody knows what came of it, and nobody has said so yet.
    pub fn is_unresolved(&self) -> bool {
        self.state == CallState::Unknown && self.resolved.is_none()
    }

    /// What is known of it where it never ended: in a fork that was made while it was open.
    pub fn left_open(self, args_text: String) -> Self {
        let error =
            "when the conversation was forked off, nobody knew yet what comes of this call; it goes on there";
        let (output, rule, resolved, child_id, progress, question) = (None, None, None, None, None, None);
        Self {
            args: serde_json::from_str(&args_text).ok(),
            args_text,
            state: CallState::Cancelled,
            output,
            error: Some(error.to_owned()),
            rule,
            resolved,
            child_id,
            progress,
            question,
            ..self
        }
    }

    /// What an event about this call makes of it.
    pub fn evolve(&mut self, event: &Event) {
        match event {
            Event::ToolPending { rule, .. } => {
                self.state = CallState::Pending;
                self.rule.clone_from(rule);
            }
            Event::ToolApproved { args_text, .. } => {
                self.state = CallState::Approved;
                if let Some(args_text) = args_text {
                    self.args = serde_json::from_str(args_text).ok();
                    self.args_text.clone_from(args_text);
                }
            }
            Event::ToolStarted { rule, child_id, .. } => {
                self.state = CallState::Started;
                self.child_id = *child_id;
                if rule.is_some() {
                    self.rule.clone_from(rule);
                }
            }
            Event::ToolProgress { progress, .. } => self.progress = Some(progress.clone()),
            Event::ToolAsked { question, .. } => self.question = Some(question.clone()),
            Event::ToolAnswered { .. } => self.question = None,
            Event::ToolSucceeded { output, .. } => {
                self.progress = None;
                self.question = None;
                self.state = CallState::Succeeded;
                self.output = Some(output.clone());
            }
            Event::ToolFailed { error, .. } => self.end(CallState::Failed, error),
            Event::ToolDenied { rule, error, .. } => {
                self.end(CallState::Denied, error);
                if rule.is_some() {
                    self.rule.clone_from(rule);
                }
            }
            Event::ToolExpired { error, .. } => self.end(CallState::Expired, error),
            Event::ToolUnknown { error, .. } => self.end(CallState::Unknown, error),
            Event::ToolCancelled { .. } => self.state = CallState::Cancelled,
            // What people know of it counts from here on; that it was unknown stays.
            Event::ToolResolved { resolution, output, .. } => {
                self.resolved = Some(*resolution);
                match resolution {
                    Resolution::Succeeded => self.output = Some(output.clone().unwrap_or_default()),
                    Resolution::Failed => {
                        self.error = Some(output.clone().unwrap_or_else(|| "it did not happen".to_owned()));
                    }
                    Resolution::Retry => {}
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, state: CallState, error: &str) {
        self.progress = None;
        self.question = None;
        self.state = state;
        self.error = Some(error.to_owned());
    }
}

impl Approval {
    /// What an event about this approval makes of it.
    pub fn evolve(&mut self, event: &Event) {
        match event {
            Event::ApprovalVoted { vote, .. } => {
                if let Some(changed) = &vote.changed {
                    self.decided_args = Some(changed.args.clone());
                }
                self.votes.push(vote.clone());
            }
            Event::ApprovalDecided { outcome, .. } => {
                self.state = match outcome {
                    VoteDecision::Approve => ApprovalState::Approved,
                    VoteDecision::Deny => ApprovalState::Denied,
                };
            }
            Event::ApprovalClosed { outcome, .. } => self.state = *outcome,
            _ => {}
        }
    }
}
