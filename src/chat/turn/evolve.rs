//! What an event makes of a turn. Total: an event that is in the log is a fact, whatever the turn thinks of it.

use std::sync::Arc;

use super::{Fence, OpenMessage, OpenPart, Turn, TurnPlan, TurnState, calls};
use crate::chat::event::{Entry, Event, ResumeReason};
use crate::chat::message::{MessageStatus, Part, Role, Usage};
use crate::id::TurnId;

impl Turn {
    /// A turn as `turn.started` begins it.
    pub fn started(id: TurnId, plan: TurnPlan) -> Self {
        Self {
            id,
            state: TurnState::Running,
            fence: Fence { attempt: 1, step: 1 },
            base: plan.input,
            leaf: plan.input,
            open: None,
            response_id: None,
            attempts_this_step: 1,
            overflowed: false,
            usage: Usage::default(),
            calls: Vec::new(),
            deadline: plan.deadline(),
            plan: Arc::new(plan),
        }
    }
}

/// Takes in an entry of this turn; the caller has matched the turn's id.
pub fn evolve(turn: &mut Turn, entry: &Entry) {
    match entry {
        Entry::Delta(delta) => {
            let Some(part) = part_mut(turn, delta.index) else { return };
            part.bytes += delta.text.len() as u64;
            if let Part::ToolCall { args_text, .. } = &mut part.head {
                args_text.push_str(&delta.text);
            }
        }
        Entry::Event(event) => evolve_event(turn, event),
    }
}

fn evolve_event(turn: &mut Turn, event: &Event) {
    match event {
        Event::MessageCreated { message, response_id, .. } => {
            turn.leaf = message.id;
            turn.response_id.clone_from(response_id);
            match message.role {
                Role::Assistant => {
                    turn.calls.clear();
                    turn.open = Some(OpenMessage { id: message.id, parts: Vec::new() });
                }
                // Steered in between two steps.
                Role::User | Role::System => turn.base = message.id,
            }
        }
        Event::PartStarted { part, .. } => {
            let Some(open) = &mut turn.open else { return };
            open.parts.push(OpenPart { head: part.clone(), bytes: 0, completed: false });
        }
        Event::PartCompleted { index, .. } => {
            if let Some(part) = part_mut(turn, *index) {
                part.completed = true;
            }
        }
        Event::MessageCompleted { status, usage, .. } => {
            turn.open = None;
            turn.usage += usage.unwrap_or_default();
            if *status == MessageStatus::Complete {
                turn.base = turn.leaf;
                turn.response_id = None;
                turn.fence.step += 1;
                turn.attempts_this_step = 1;
                turn.overflowed = false;
            }
        }
        Event::TurnWaiting { .. } => turn.state = TurnState::Waiting,
        Event::TurnResumed { attempt, reason, deadline, .. } => {
            turn.deadline = deadline.unwrap_or(turn.deadline);
            turn.state = TurnState::Running;
            turn.overflowed |= *reason == ResumeReason::ContextTooLong;
            turn.fence.attempt = *attempt;
            turn.attempts_this_step += u32::from(*reason != ResumeReason::Answered);
        }
        Event::TurnCompleted { .. } => turn.state = TurnState::Completed,
        Event::TurnFailed { .. } => turn.state = TurnState::Failed,
        Event::TurnCancelled { .. } => turn.state = TurnState::Cancelled,
        Event::TurnInterrupted { .. } => turn.state = TurnState::Interrupted,
        // Facts about the conversation, or about a turn before it started, or about a call: nothing here changes.
        Event::ConversationCreated { .. }
        | Event::ConversationUpdated { .. }
        | Event::HeadChanged { .. }
        | Event::ConversationDeleted {}
        | Event::TurnQueued { .. }
        | Event::TurnStarted { .. }
        | Event::QueueChanged { .. }
        | Event::QueueEdited { .. }
        | Event::ConversationForked { .. }
        | Event::ConversationCompacted { .. }
        | Event::ConversationUncompacted { .. }
        | Event::BranchDeleted { .. }
        | Event::MessageMarked { .. }
        | Event::Notice { .. } => {}
        Event::ToolProposed { .. }
        | Event::ToolPending { .. }
        | Event::ToolApproved { .. }
        | Event::ToolStarted { .. }
        | Event::ToolProgress { .. }
        | Event::ToolAsked { .. }
        | Event::ToolAnswered { .. }
        | Event::ToolDenied { .. }
        | Event::ToolExpired { .. }
        | Event::ToolCancelled { .. }
        | Event::ToolUnknown { .. }
        | Event::ToolResolved { .. }
        | Event::ApprovalRequested { .. }
        | Event::ApprovalVoted { .. }
        | Event::ApprovalDecided { .. }
        | Event::ApprovalClosed { .. } => calls::evolve_calls(&mut turn.calls, event),
        Event::ToolSucceeded { usage, .. } | Event::ToolFailed { usage, .. } => {
            turn.usage += usage.unwrap_or_default();
            calls::evolve_calls(&mut turn.calls, event);
        }
    }
}

fn part_mut(turn: &mut Turn, index: u32) -> Option<&mut OpenPart> {
    turn.open.as_mut()?.parts.get_mut(index as usize)
}
