//! What may be asked of a conversation, and why it may be refused.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{ConversationChanges, ConversationInfo, ForkPoint, MAX_QUEUED_TURNS, MAX_RUNNING_TURNS};
use crate::chat::approval::{Vote, VoteRefusal};
use crate::chat::compaction::{Compaction, Told};
use crate::chat::event::Resolution;
use crate::chat::message::{Marks, Part};
use crate::chat::question::Answer;
use crate::chat::turn::{Ending, Input, Limits, Recovery, TurnRequest};
use crate::id::{ApprovalId, CallId, CompactionId, MessageId, QuestionId, TurnId, UserId};

#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// The first command of a conversation, and only the first.
    Create {
        info: Box<ConversationInfo>,
        /// Where it is forked off another conversation.
        origin: Option<ForkPoint>,
        send: Option<Box<Send>>,
    },
    Send(Box<Send>),
    /// Another answer to a message that is there.
    Regenerate(Box<Regenerate>),
    /// To a message that the caller has checked to be visible in the conversation.
    MoveHead {
        message_id: MessageId,
    },
    DeleteBranch(Doomed),
    Mark {
        message_id: MessageId,
        marks: Marks,
    },
    Compact {
        compaction: Box<Compaction>,
        /// Absent where a person wrote it.
        told: Option<Told>,
    },
    Uncompact {
        compaction_id: CompactionId,
        message_id: MessageId,
    },
    /// Cancels a running turn or withdraws a queued one; a turn that has ended stays as it ended.
    Cancel {
        turn_id: TurnId,
    },
    /// Somebody who may decides about a call. Whether the vote counts is up to the approval.
    Vote {
        turn_id: TurnId,
        call_id: CallId,
        approval_id: ApprovalId,
        vote: Box<Vote>,
        args_hash: String,
    },
    /// The client that declared a tool says how its call ended. The first one is heard.
    EndCall {
        turn_id: TurnId,
        call_id: CallId,
        ending: Ending,
    },
    /// A person answers what a running tool asks.
    Answer {
        turn_id: TurnId,
        call_id: CallId,
        question_id: QuestionId,
        answer: Answer,
    },
    /// A person says what became of an unknown call.
    Resolve {
        turn_id: TurnId,
        call_id: CallId,
        resolution: Resolution,
        output: Option<String>,
        resolved_by: UserId,
        /// The id of the call that does it again.
        again: CallId,
    },
    /// The same of a call whose turn has ended, which the store knows to be unresolved. It is on record, and nothing
    /// else comes of it.
    ResolveLate {
        turn_id: TurnId,
        call_id: CallId,
        resolution: Resolution,
        output: Option<String>,
        resolved_by: UserId,
    },
    /// Something that a running turn waited for.
    Turn {
        turn_id: TurnId,
        input: Input,
    },
    /// The server started again: every unfinished turn is recovered.
    Recover,
    Reorder {
        turn_ids: Vec<TurnId>,
    },
    EditQueued {
        turn_id: TurnId,
        parts: Vec<Part>,
    },
    Withdraw {
        turn_id: TurnId,
    },
    Update {
        changes: ConversationChanges,
    },
    Delete,
}

/// A person's message, and the turn that is to answer it.
#[derive(Debug, Clone, PartialEq)]
pub struct Send {
    pub turn_id: TurnId,
    pub message_id: MessageId,
    pub parts: Vec<Part>,
    pub metadata: Option<Value>,
    pub parent: Parent,
    pub on_busy: Option<OnBusy>,
    pub request: TurnRequest,
    pub limits: Limits,
    pub recovery: Recovery,
}

/// A turn on a user message that was answered before.
#[derive(Debug, Clone, PartialEq)]
pub struct Regenerate {
    pub turn_id: TurnId,
    /// The user message that is answered anew.
    pub message_id: MessageId,
    pub request: TurnRequest,
    pub limits: Limits,
    pub recovery: Recovery,
}

/// A branch that is to be deleted, and what stands on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Doomed {
    /// Its first message.
    pub message_id: MessageId,
    pub parent_id: Option<MessageId>,
    /// Those of [`super::Conversation::places`] that are on the branch.
    pub places: BTreeSet<MessageId>,
}

/// Where a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parent {
    Head,
    /// Below this message, which the caller has checked to be visible in the conversation.
    Message(MessageId),
    /// Nowhere: a new root.
    Root,
}

impl Parent {
    /// The message that the caller named.
    pub const fn named(self) -> Option<MessageId> {
        match self {
            Self::Message(id) => Some(id),
            Self::Head | Self::Root => None,
        }
    }
}

/// What to do where a turn already runs on the leaf that the message would follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnBusy {
    /// Wait for it.
    Queue,
    /// 409.
    Reject,
    /// Stop it, keep its partial answer, then run.
    Interrupt,
    /// Hand the text to the running turn before its next step.
    Steer,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the turn {turn_id} is running on that leaf")]
    TurnInProgress { turn_id: TurnId },
    #[error("the turn {turn_id} is waiting for a person on that leaf; say `on_busy` to queue behind it")]
    TurnWaiting { turn_id: TurnId },
    #[error("{MAX_QUEUED_TURNS} messages are already queued in this conversation")]
    QueueFull,
    #[error("{MAX_RUNNING_TURNS} turns are already running in this conversation")]
    TooManyTurns,
    #[error("the turn {turn_id} is not queued")]
    NotQueued { turn_id: TurnId },
    #[error("the queue holds other turns than those")]
    QueueDiffers { turn_ids: Vec<TurnId> },
    #[error("{message_id} belongs to the conversation that this one was forked off")]
    Inherited { message_id: MessageId },
    #[error(transparent)]
    Vote(#[from] VoteRefusal),
    #[error("nobody is asked about {call_id} any more")]
    NotAsked { call_id: CallId },
    #[error("{call_id} does not wait for that")]
    NotWaiting { call_id: CallId },
    #[error(
        "the turn of {call_id} has ended: say whether it happened; to have it done again, send a message"
    )]
    TooLateToRetry { call_id: CallId },
    #[error("the conversation is deleted")]
    Deleted,
}
