//! The facts of a conversation's log, and positions in it.
//!
//! An [`Event`] is structural: it takes one position. A [`Delta`] is streamed text: it takes as many positions as
//! its text has UTF-8 bytes. Their ranges tile the log.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::chat::approval::{Approval, ApprovalState, Vote, VoteDecision};
use crate::chat::compaction::Compaction;
use crate::chat::conversation::{ConversationChanges, ConversationInfo, ForkPoint};
use crate::chat::file::FileChange;
use crate::chat::message::{Call, FinishReason, Marks, Message, MessageStatus, Part, Progress, Usage};
use crate::chat::question::{AnswerAction, Question};
use crate::chat::turn::{QueuedTurn, TurnPlan};
use crate::clock::Timestamp;
use crate::id::{ApprovalId, CallId, CompactionId, ConversationId, MessageId, QuestionId, TurnId, UserId};

/// A position in a conversation's log: 0 before the first event.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl Seq {
    pub const START: Self = Self(0);

    pub const fn plus(self, width: u64) -> Self {
        Self(self.0 + width)
    }
}

impl std::fmt::Display for Seq {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Which history a position belongs to. It changes only when history was replaced (a restore from a backup).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u64);

impl std::fmt::Display for Epoch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What a client holds: everything up to here was seen. Written `<epoch>.<seq>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cursor {
    pub epoch: Epoch,
    pub seq: Seq,
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.epoch, self.seq)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a cursor is `<epoch>.<seq>`, two whole numbers")]
pub struct InvalidCursor;

impl std::str::FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let (epoch, seq) = text.split_once('.').ok_or(InvalidCursor)?;
        let number = |digits: &str| match digits.bytes().all(|b| b.is_ascii_digit()) {
            true => digits.parse::<u64>().map_err(|_| InvalidCursor),
            false => Err(InvalidCursor),
        };
        Ok(Self { epoch: Epoch(number(epoch)?), seq: Seq(number(seq)?) })
    }
}

impl Serialize for Cursor {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

/// An error as a client reads it (RFC 9457), on its own or inside `turn.failed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A stable slug such as `turn-in-progress`, as a relative URI.
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub status: u16,
    pub detail: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

/// What is wrong with one field of a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// RFC 6901.
    pub pointer: String,
    pub detail: String,
}

/// What a waiting turn waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WaitingFor {
    Approval,
    ClientTool,
    /// A person's answer to what the agent asked.
    Answer,
    /// A call was started, and nobody knows what came of it.
    Resolution,
}

/// A structural event. What it carries is both what a client is told and what the tables are made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type")]
pub enum Event {
    #[serde(rename = "conversation.created")]
    ConversationCreated { conversation: ConversationInfo },
    #[serde(rename = "conversation.updated")]
    ConversationUpdated { changes: ConversationChanges },
    #[serde(rename = "conversation.head_changed")]
    HeadChanged { head: Option<MessageId> },
    /// The conversation began as a fork: its head is a message of another one. Nothing was copied.
    #[serde(rename = "conversation.forked")]
    ConversationForked { origin: ForkPoint },
    /// The path down to a message is summarised for the model; also when a summary was edited.
    #[serde(rename = "conversation.compacted")]
    ConversationCompacted { compaction: Compaction },
    #[serde(rename = "conversation.uncompacted")]
    ConversationUncompacted { compaction_id: CompactionId, message_id: MessageId },
    #[serde(rename = "conversation.deleted")]
    ConversationDeleted {},

    /// A message and everything below it is gone from this conversation.
    #[serde(rename = "branch.deleted")]
    BranchDeleted {
        message_id: MessageId,
        /// What waited in the queue to be said there, and never was.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        turn_ids: Vec<TurnId>,
    },
    /// What the conversation says about a message: all of it, not the difference.
    #[serde(rename = "message.marked")]
    MessageMarked { message_id: MessageId, marks: Marks },

    #[serde(rename = "message.created")]
    MessageCreated {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        turn_id: Option<TurnId>,
        message: Message,
        /// The provider's own id of an answer that it keeps, and that can be followed again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        response_id: Option<String>,
    },
    #[serde(rename = "part.started")]
    PartStarted { turn_id: TurnId, message_id: MessageId, index: u32, part: Part },
    #[serde(rename = "part.completed")]
    PartCompleted {
        turn_id: TurnId,
        message_id: MessageId,
        index: u32,
        /// The part without its text, where something else about it changed (a call was discarded).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        part: Option<Part>,
        /// The length of the whole streamed text, in UTF-8 bytes.
        bytes: u64,
    },
    #[serde(rename = "message.completed")]
    MessageCompleted {
        turn_id: TurnId,
        message_id: MessageId,
        status: MessageStatus,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        finish_reason: Option<FinishReason>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        usage: Option<Usage>,
    },

    #[serde(rename = "turn.queued")]
    TurnQueued { turn_id: TurnId, turn: QueuedTurn },
    #[serde(rename = "turn.started")]
    TurnStarted { turn_id: TurnId, turn: TurnPlan },
    #[serde(rename = "turn.waiting")]
    TurnWaiting {
        turn_id: TurnId,
        #[serde(rename = "for")]
        waiting_for: WaitingFor,
    },
    #[serde(rename = "turn.resumed")]
    TurnResumed {
        turn_id: TurnId,
        attempt: u32,
        reason: ResumeReason,
        /// When its wall time is over, where that begins anew: what it waits for people does not count.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deadline: Option<Timestamp>,
    },
    #[serde(rename = "turn.completed")]
    TurnCompleted {
        turn_id: TurnId,
        usage: Usage,
        /// The turn that took this one's message up before its next step (`on_busy: steer`).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        steered_into: Option<TurnId>,
    },
    #[serde(rename = "turn.failed")]
    TurnFailed { turn_id: TurnId, problem: Problem },
    #[serde(rename = "turn.cancelled")]
    TurnCancelled { turn_id: TurnId },
    #[serde(rename = "turn.interrupted")]
    TurnInterrupted {
        turn_id: TurnId,
        /// What broke it off, where that was not a restart.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        problem: Option<Problem>,
    },
    /// The queue was reordered or edited: its turns in their new order.
    #[serde(rename = "queue.changed")]
    QueueChanged { turn_ids: Vec<TurnId> },
    /// A queued turn's message was edited before it ran.
    #[serde(rename = "queue.edited")]
    QueueEdited { turn_id: TurnId, parts: Vec<Part> },

    #[serde(rename = "tool.proposed")]
    ToolProposed { turn_id: TurnId, call: Call },
    /// It waits for people, or for the client that declared it.
    #[serde(rename = "tool.pending")]
    ToolPending {
        turn_id: TurnId,
        call_id: CallId,
        #[serde(rename = "for")]
        waiting_for: WaitingFor,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rule: Option<String>,
    },
    #[serde(rename = "tool.approved")]
    ToolApproved {
        turn_id: TurnId,
        call_id: CallId,
        /// What runs, verbatim, where those who approved changed it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        args_text: Option<String>,
    },
    /// Durable before the tool is asked for anything: it may have happened from here on.
    #[serde(rename = "tool.started")]
    ToolStarted {
        turn_id: TurnId,
        call_id: CallId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rule: Option<String>,
        /// Asked again with the same call id, it does nothing twice.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        idempotent: bool,
        /// The conversation in which another agent works on it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        child_id: Option<ConversationId>,
    },
    /// How far it has come. The last one stands on the call for as long as it runs.
    #[serde(rename = "tool.progress")]
    ToolProgress {
        turn_id: TurnId,
        call_id: CallId,
        #[serde(flatten)]
        progress: Progress,
    },
    /// A running tool asks whoever may write to the conversation. Until somebody answers, it stands on the call; when
    /// the call ends, or the server starts again, the question is over.
    #[serde(rename = "tool.asked")]
    ToolAsked { turn_id: TurnId, call_id: CallId, question: Question },
    /// What was filled in is told to the tool, and stands nowhere: it may be a secret.
    #[serde(rename = "tool.answered")]
    ToolAnswered { turn_id: TurnId, call_id: CallId, question_id: QuestionId, action: AnswerAction },
    #[serde(rename = "tool.succeeded")]
    ToolSucceeded {
        turn_id: TurnId,
        call_id: CallId,
        output: String,
        /// What another agent used up; it counts for the turn.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        usage: Option<Usage>,
        /// What it did to the conversation's files.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        files: Vec<FileChange>,
    },
    #[serde(rename = "tool.failed")]
    ToolFailed {
        turn_id: TurnId,
        call_id: CallId,
        error: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        usage: Option<Usage>,
    },
    #[serde(rename = "tool.denied")]
    ToolDenied {
        turn_id: TurnId,
        call_id: CallId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rule: Option<String>,
        /// What the model is told.
        error: String,
    },
    #[serde(rename = "tool.expired")]
    ToolExpired { turn_id: TurnId, call_id: CallId, error: String },
    #[serde(rename = "tool.cancelled")]
    ToolCancelled { turn_id: TurnId, call_id: CallId },
    /// It was started, and nobody knows what came of it.
    #[serde(rename = "tool.unknown")]
    ToolUnknown { turn_id: TurnId, call_id: CallId, error: String },
    /// A person says what became of an unknown call.
    #[serde(rename = "tool.resolved")]
    ToolResolved {
        turn_id: TurnId,
        call_id: CallId,
        #[serde(rename = "as")]
        resolution: Resolution,
        /// What the model is told of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        output: Option<String>,
        resolved_by: UserId,
    },

    #[serde(rename = "approval.requested")]
    ApprovalRequested { turn_id: TurnId, approval: Box<Approval> },
    #[serde(rename = "approval.voted")]
    ApprovalVoted { turn_id: TurnId, call_id: CallId, approval_id: ApprovalId, vote: Vote },
    #[serde(rename = "approval.decided")]
    ApprovalDecided { turn_id: TurnId, call_id: CallId, approval_id: ApprovalId, outcome: VoteDecision },
    /// It ended without a decision.
    #[serde(rename = "approval.closed")]
    ApprovalClosed { turn_id: TurnId, call_id: CallId, approval_id: ApprovalId, outcome: ApprovalState },

    #[serde(rename = "notice")]
    Notice {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        turn_id: Option<TurnId>,
        code: String,
        text: String,
    },
}

/// What became of an unknown call, as a person says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    Succeeded,
    Failed,
    /// It did not happen, and is asked for again as another call.
    Retry,
}

/// Why a turn began another attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResumeReason {
    /// The server stopped in the middle of the answer.
    Restart,
    /// The provider's stream broke off in the middle of the answer.
    ProviderInterrupted,
    /// The provider found the conversation too long; less of it is sent.
    ContextTooLong,
    /// What it waited for is there, or its time begins anew for another reason. The attempt is the same.
    Answered,
}

impl Event {
    /// The `type` on the wire.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::ConversationCreated { .. } => "conversation.created",
            Self::ConversationUpdated { .. } => "conversation.updated",
            Self::HeadChanged { .. } => "conversation.head_changed",
            Self::ConversationForked { .. } => "conversation.forked",
            Self::ConversationCompacted { .. } => "conversation.compacted",
            Self::ConversationUncompacted { .. } => "conversation.uncompacted",
            Self::ConversationDeleted { .. } => "conversation.deleted",
            Self::BranchDeleted { .. } => "branch.deleted",
            Self::MessageMarked { .. } => "message.marked",
            Self::MessageCreated { .. } => "message.created",
            Self::PartStarted { .. } => "part.started",
            Self::PartCompleted { .. } => "part.completed",
            Self::MessageCompleted { .. } => "message.completed",
            Self::TurnQueued { .. } => "turn.queued",
            Self::TurnStarted { .. } => "turn.started",
            Self::TurnWaiting { .. } => "turn.waiting",
            Self::TurnResumed { .. } => "turn.resumed",
            Self::TurnCompleted { .. } => "turn.completed",
            Self::TurnFailed { .. } => "turn.failed",
            Self::TurnCancelled { .. } => "turn.cancelled",
            Self::TurnInterrupted { .. } => "turn.interrupted",
            Self::QueueChanged { .. } => "queue.changed",
            Self::QueueEdited { .. } => "queue.edited",
            Self::ToolProposed { .. } => "tool.proposed",
            Self::ToolFailed { .. } => "tool.failed",
            Self::ToolPending { .. } => "tool.pending",
            Self::ToolApproved { .. } => "tool.approved",
            Self::ToolStarted { .. } => "tool.started",
            Self::ToolProgress { .. } => "tool.progress",
            Self::ToolAsked { .. } => "tool.asked",
            Self::ToolAnswered { .. } => "tool.answered",
            Self::ToolSucceeded { .. } => "tool.succeeded",
            Self::ToolDenied { .. } => "tool.denied",
            Self::ToolExpired { .. } => "tool.expired",
            Self::ToolCancelled { .. } => "tool.cancelled",
            Self::ToolUnknown { .. } => "tool.unknown",
            Self::ToolResolved { .. } => "tool.resolved",
            Self::ApprovalRequested { .. } => "approval.requested",
            Self::ApprovalVoted { .. } => "approval.voted",
            Self::ApprovalDecided { .. } => "approval.decided",
            Self::ApprovalClosed { .. } => "approval.closed",
            Self::Notice { .. } => "notice",
        }
    }

    /// The turn that this event belongs to.
    pub const fn turn_id(&self) -> Option<TurnId> {
        match self {
            Self::ConversationCreated { .. }
            | Self::ConversationUpdated { .. }
            | Self::HeadChanged { .. }
            | Self::ConversationForked { .. }
            | Self::ConversationCompacted { .. }
            | Self::ConversationUncompacted { .. }
            | Self::ConversationDeleted { .. }
            | Self::BranchDeleted { .. }
            | Self::MessageMarked { .. }
            | Self::QueueChanged { .. } => None,
            Self::MessageCreated { turn_id, .. } | Self::Notice { turn_id, .. } => *turn_id,
            Self::PartStarted { turn_id, .. }
            | Self::PartCompleted { turn_id, .. }
            | Self::MessageCompleted { turn_id, .. }
            | Self::TurnQueued { turn_id, .. }
            | Self::TurnStarted { turn_id, .. }
            | Self::TurnWaiting { turn_id, .. }
            | Self::TurnResumed { turn_id, .. }
            | Self::TurnCompleted { turn_id, .. }
            | Self::TurnFailed { turn_id, .. }
            | Self::TurnCancelled { turn_id }
            | Self::TurnInterrupted { turn_id, .. }
            | Self::QueueEdited { turn_id, .. }
            | Self::ToolProposed { turn_id, .. }
            | Self::ToolFailed { turn_id, .. }
            | Self::ToolPending { turn_id, .. }
            | Self::ToolApproved { turn_id, .. }
            | Self::ToolStarted { turn_id, .. }
            | Self::ToolProgress { turn_id, .. }
            | Self::ToolAsked { turn_id, .. }
            | Self::ToolAnswered { turn_id, .. }
            | Self::ToolSucceeded { turn_id, .. }
            | Self::ToolDenied { turn_id, .. }
            | Self::ToolExpired { turn_id, .. }
            | Self::ToolCancelled { turn_id, .. }
            | Self::ToolUnknown { turn_id, .. }
            | Self::ToolResolved { turn_id, .. }
            | Self::ApprovalRequested { turn_id, .. }
            | Self::ApprovalVoted { turn_id, .. }
            | Self::ApprovalDecided { turn_id, .. }
            | Self::ApprovalClosed { turn_id, .. } => Some(*turn_id),
        }
    }

    /// The call that this event is about.
    pub const fn call_id(&self) -> Option<CallId> {
        match self {
            Self::ToolProposed { call, .. } => Some(call.id),
            Self::ApprovalRequested { approval, .. } => Some(approval.call_id),
            Self::ToolPending { call_id, .. }
            | Self::ToolApproved { call_id, .. }
            | Self::ToolStarted { call_id, .. }
            | Self::ToolProgress { call_id, .. }
            | Self::ToolAsked { call_id, .. }
            | Self::ToolAnswered { call_id, .. }
            | Self::ToolSucceeded { call_id, .. }
            | Self::ToolFailed { call_id, .. }
            | Self::ToolDenied { call_id, .. }
            | Self::ToolExpired { call_id, .. }
            | Self::ToolCancelled { call_id, .. }
            | Self::ToolUnknown { call_id, .. }
            | Self::ToolResolved { call_id, .. }
            | Self::ApprovalVoted { call_id, .. }
            | Self::ApprovalDecided { call_id, .. }
            | Self::ApprovalClosed { call_id, .. } => Some(*call_id),
            _ => None,
        }
    }

    /// Whether the audit tells of it: what people and the policy decided, and what ran.
    pub const fn is_audited(&self) -> bool {
        matches!(
            self,
            Self::ApprovalRequested { .. }
                | Self::ApprovalVoted { .. }
                | Self::ApprovalDecided { .. }
                | Self::ApprovalClosed { .. }
                | Self::ToolStarted { .. }
                | Self::ToolSucceeded { .. }
                | Self::ToolFailed { .. }
                | Self::ToolDenied { .. }
                | Self::ToolExpired { .. }
                | Self::ToolCancelled { .. }
                | Self::ToolUnknown { .. }
                | Self::ToolResolved { .. }
                | Self::BranchDeleted { .. }
                | Self::ConversationDeleted { .. }
        )
    }

    /// Whether this event is the last one of its turn.
    pub const fn ends_turn(&self) -> bool {
        matches!(
            self,
            Self::TurnCompleted { .. }
                | Self::TurnFailed { .. }
                | Self::TurnCancelled { .. }
                | Self::TurnInterrupted { .. }
        )
    }
}

/// Streamed text of one part. `text` is never empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delta {
    pub turn_id: TurnId,
    pub message_id: MessageId,
    pub index: u32,
    pub text: String,
}

/// One entry of the log, structural or streamed.
#[expect(clippy::large_enum_variant, reason = "a commit holds a few of them, and drops them at once")]
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    Event(Event),
    Delta(Delta),
}

impl Entry {
    /// How many positions of the log it takes.
    pub const fn width(&self) -> u64 {
        match self {
            Self::Event(_) => 1,
            Self::Delta(delta) => delta.text.len() as u64,
        }
    }
}

/// How a model is asked: for one send, or for all of a conversation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// `none`, `minimal`, `low`, `medium`, `high`, or what the provider knows besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_effort: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u32>,
    /// As OpenAI's chat completions take it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub response_format: Option<Value>,
}

impl Settings {
    /// These, and what they leave open as `others` have it.
    pub fn or(self, others: &Self) -> Self {
        Self {
            temperature: self.temperature.or(others.temperature),
            reasoning_effort: self.reasoning_effort.or_else(|| others.reasoning_effort.clone()),
            max_output_tokens: self.max_output_tokens.or(others.max_output_tokens),
            response_format: self.response_format.or_else(|| others.response_format.clone()),
        }
    }
}
