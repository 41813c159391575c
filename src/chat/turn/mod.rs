//! A turn: one run of the agent, from an input to a terminal state, as a pure state machine.
//!
//! [`decide`] says what happens and what to do about it; [`evolve`] makes it so once it is committed.
//! Every result of a model call carries the attempt and step that asked for it; what is stale is dropped.

mod calls;
mod decide;
mod evolve;
pub mod placement;
mod questions;

pub use decide::decide;
pub use evolve::evolve;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::chat::context::ToolSpec;
use std::sync::Arc;

use crate::chat::approval::{Approval, Vote};
use crate::chat::event::{Entry, Problem, Resolution, Settings, WaitingFor};
use crate::chat::file::FileChange;
use crate::chat::message::{Call, FinishReason, Opaque, Part, Progress, Usage};
use crate::chat::question::{Answer, Question};
use crate::clock::Timestamp;
use crate::id::{ApprovalId, CallId, ConversationId, MessageId, QuestionId, TurnId, UserId};
use crate::scope::WorkspaceRole;

/// At most so many attempts without a newly completed step (DESIGN.md, "Recovery of a running turn").
pub const MAX_ATTEMPTS_PER_STEP: u32 = 3;

/// What to do with an answer that was cut.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Recovery {
    /// A new message goes on where the cut one stopped.
    #[default]
    Continue,
    /// A sibling starts over; the cut one stays as a branch.
    Restart,
    /// The turn ends as interrupted.
    Fail,
}

/// The bounds of one turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Limits {
    /// Model calls that completed.
    pub max_steps: u32,
    /// Input and output tokens of all steps together, as the provider counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// Wall time from the start of the turn, in milliseconds.
    pub max_wall_ms: u64,
}

/// What was asked for, by whom and of which agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TurnRequest {
    pub agent: String,
    /// The model that the caller asked for; absent: the agent's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(default)]
    pub settings: Settings,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolSpec>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub tool_choice: Option<Value>,
    pub requested_by: UserId,
    /// Their role at that time.
    #[serde(default = "least_role")]
    pub requested_role: WorkspaceRole,
    /// Asked with a credential that is for some conversations only: nothing is told of any other, nor of the person.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only_here: bool,
}

impl TurnRequest {
    /// Whether words of somebody with these rights may run as part of it: they run with its own.
    pub fn takes_words_of(&self, user_id: UserId, role: WorkspaceRole, only_here: bool) -> bool {
        self.requested_by == user_id && self.requested_role <= role && (self.only_here || !only_here)
    }
}

const fn least_role() -> WorkspaceRole {
    WorkspaceRole::Viewer
}

/// A turn as it starts: its request, its place in the tree and the rules that it runs under to its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TurnPlan {
    pub request: TurnRequest,
    /// The message that the turn answers.
    pub input: MessageId,
    /// Turns of one lane follow each other on one branch; it is the id of the lane's first turn.
    pub lane: TurnId,
    pub limits: Limits,
    pub recovery: Recovery,
    pub started_at: Timestamp,
}

/// A send that waits until its branch is free. Its message is not yet a node of the tree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct QueuedTurn {
    pub request: TurnRequest,
    pub message_id: MessageId,
    pub parts: Vec<Part>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Value>,
    pub lane: TurnId,
    /// Where the message goes, if the caller named a parent; else the leaf of its lane at that moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<MessageId>,
    /// Where the lane begins, if none of its turns had started when this one was queued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<MessageId>,
    /// Hand the message to the running turn of its lane before that turn's next step.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub steer: bool,
    /// Ahead of those that were queued before it (`on_busy: interrupt`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub first: bool,
    pub limits: Limits,
    pub recovery: Recovery,
    pub queued_at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TurnState {
    Queued,
    Running,
    Waiting,
    Completed,
    Failed,
    Cancelled,
    Interrupted,
}

impl TurnState {
    pub const fn is_terminal(self) -> bool {
        match self {
            Self::Queued | Self::Running | Self::Waiting => false,
            Self::Completed | Self::Failed | Self::Cancelled | Self::Interrupted => true,
        }
    }
}

/// Which model call a result belongs to. A result with another fence than the turn's is of a dead attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fence {
    pub attempt: u32,
    pub step: u32,
}

/// A running turn, as its events left it. It holds no text but the arguments of open tool calls: the rest is in
/// the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    pub id: TurnId,
    pub plan: Arc<TurnPlan>,
    pub state: TurnState,
    pub fence: Fence,
    /// Below which the messages of the current step hang, the cut ones and the siblings that replace them.
    pub base: MessageId,
    /// The last message of the turn's branch: where its next message goes.
    pub leaf: MessageId,
    /// The message that is streaming.
    pub open: Option<OpenMessage>,
    /// The provider's own id of the step's answer, where a later connection can follow it again.
    pub response_id: Option<String>,
    /// Attempts since a step was last completed, this one included.
    pub attempts_this_step: u32,
    /// The provider found the step's context too long once: it is compacted before it is asked again.
    pub overflowed: bool,
    /// When its wall time is over. What it waits for people does not count.
    pub deadline: Timestamp,
    /// Of all completed steps together.
    pub usage: Usage,
    /// The calls of the step that was completed last, and those that do one of them again.
    pub calls: Vec<OpenCall>,
}

/// A call of a running turn.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenCall {
    pub call: Call,
    /// Whom, while it is pending.
    pub waiting_for: WaitingFor,
    /// The newest one, where people were asked.
    pub approval: Option<Arc<Approval>>,
    /// Asked again with the same id, it does nothing twice.
    pub idempotent: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct OpenMessage {
    pub id: MessageId,
    pub parts: Vec<OpenPart>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct OpenPart {
    /// Without its streamed text, but for a tool call's arguments.
    pub head: Part,
    pub bytes: u64,
    pub completed: bool,
}

/// Fresh ids and the time, made by the floor above so that a decision is a function of its arguments.
#[derive(Debug, Clone, Copy)]
pub struct Stamp {
    pub now: Timestamp,
    /// The id of the message that this input may create.
    pub message_id: MessageId,
}

/// What a provider's stream says, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelOutput {
    /// The provider accepted the request. At most once, and first. `response_id` is the provider's own id of the
    /// run, where a later connection can follow the same run again.
    Opened {
        model: Option<String>,
        response_id: Option<String>,
    },
    /// Parts are numbered from 0 in the order in which they start; several may be open at once.
    PartStarted {
        index: u32,
        part: Part,
    },
    Delta {
        index: u32,
        text: String,
    },
    PartCompleted {
        index: u32,
        opaque: Option<Opaque>,
    },
    /// The provider said that the answer is whole. Last.
    Finished {
        finish_reason: FinishReason,
        usage: Option<Usage>,
    },
}

/// Where an answer that follows a cut one belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// Below the leaf: it goes on from there.
    Child,
    /// Beside the leaf: the model began again from the top.
    Sibling,
}

/// How a model call ended without an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum CallFailure {
    /// The stream broke off after it had begun: another attempt may do better.
    Broken { problem: Problem },
    /// The provider found the request too long: another attempt sends less.
    TooLong { problem: Problem },
    /// The provider refused, or every retry was used up before anything was shown.
    Refused { problem: Problem },
}

#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// The first output of a call: its message is made.
    MessageOpened {
        fence: Fence,
        model: Option<String>,
        placement: Placement,
        /// The provider's own id of the answer, where it can be followed again.
        response_id: Option<String>,
    },
    Model {
        fence: Fence,
        output: ModelOutput,
    },
    ModelFailed {
        fence: Fence,
        failure: CallFailure,
    },
    /// What the policy says about a call that was proposed, or was approved and is about to start.
    Judged {
        call_id: CallId,
        judgement: Judgement,
    },
    /// A tool that was started says how far it has come.
    ToolProgressed {
        call_id: CallId,
        progress: Progress,
    },
    /// A tool that was started wants to know something of a person.
    ToolAsked {
        call_id: CallId,
        question: Question,
    },
    /// Somebody answers, or the tool no longer wants to know.
    ToolAnswered {
        call_id: CallId,
        question_id: QuestionId,
        answer: Answer,
    },
    /// Nobody answered in time.
    QuestionExpired {
        question_id: QuestionId,
    },
    /// A tool that was started reports back, or somebody in its place.
    ToolEnded {
        call_id: CallId,
        ending: Ending,
        /// What another agent used up for it.
        spent: Option<Usage>,
    },
    /// Somebody votes on an approval, and may. It counts, or not, by [`Approval::judge`].
    Voted {
        call_id: CallId,
        vote: Vote,
        args_hash: String,
    },
    /// Nobody decided in time.
    ApprovalExpired {
        approval_id: ApprovalId,
    },
    /// A person says what became of an unknown call.
    Resolved {
        call_id: CallId,
        resolution: Resolution,
        output: Option<String>,
        resolved_by: UserId,
        /// The id of the call that does it again.
        again: CallId,
    },
    Cancel,
    /// The server started again and found the turn unfinished.
    Recovered,
    /// The turn's wall time is over.
    DeadlinePassed,
}

/// What is to become of a call, by the policy.
#[derive(Debug, Clone, PartialEq)]
pub enum Judgement {
    /// It cannot run at all: there is no such tool, or the arguments are not what it takes.
    Impossible {
        error: String,
    },
    Denied {
        rule: Option<String>,
    },
    Allowed {
        rule: Option<String>,
        idempotent: bool,
        /// The conversation in which another agent will work on it.
        child_id: Option<ConversationId>,
    },
    /// People are asked. About a call that was approved already: what was shown is no longer what would run.
    Ask(Box<Approval>),
    /// The client that declared the tool runs it, or a person answers.
    Outside {
        waiting_for: WaitingFor,
    },
}

/// How a tool that was started ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Ending {
    Succeeded {
        output: String,
        /// What it did to the conversation's files.
        files: Vec<FileChange>,
    },
    Failed {
        error: String,
    },
    /// It may have happened, or not.
    Unknown {
        error: String,
    },
}

/// What to do once the events are committed.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Ask the model for the next message of this turn.
    CallModel {
        turn_id: TurnId,
        fence: Fence,
    },
    /// Stop whatever the turn has running.
    CancelAttempt {
        turn_id: TurnId,
    },
    /// Look a call up in the policy, and report back.
    Judge {
        turn_id: TurnId,
        call_id: CallId,
    },
    /// Its start is durable: now it runs.
    RunTool {
        turn_id: TurnId,
        call_id: CallId,
        /// It was started before, and may have happened.
        again: bool,
    },
    /// What a person said to the question of a tool that runs.
    PassAnswer {
        call_id: CallId,
        question_id: QuestionId,
        answer: Answer,
    },
    WakeAt {
        turn_id: TurnId,
        wake: Wake,
        at: Timestamp,
    },
}

/// What a turn is woken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wake {
    /// Its wall time is over.
    Deadline,
    /// Nobody decided in time.
    Expiry(ApprovalId),
    /// Nobody answered in time.
    Question(QuestionId),
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Decision {
    pub entries: Vec<Entry>,
    pub effects: Vec<Effect>,
}
