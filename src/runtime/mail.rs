//! What an actor is told: commands of people, words of models, ends of tools.

use tokio::sync::oneshot;

use super::compaction::{Summary, Wanted};
use super::effect::Said;
use super::{Error, Receipt};
use crate::chat::compaction::Compaction;
use crate::chat::conversation::Command;
use crate::chat::turn::{Fence, Input, Wake};
use crate::clock::Timestamp;
use crate::id::{MessageId, TurnId, UserId};
use crate::scope::Caller;
use crate::store::{IdempotencyKey, KeyScope, Record};

/// Mails that wait while a commit is in flight; a model that is faster waits in turn.
pub(super) const MAILBOX: usize = 128;

pub(super) enum Mail {
    Command {
        /// Boxed: most mails are a few words of a model's.
        order: Box<Order>,
        reply: oneshot::Sender<Result<Receipt, Error>>,
    },
    Model {
        turn_id: TurnId,
        fence: Fence,
        said: Said,
    },
    /// What a turn waited for: a policy's word, a tool's end, its time. It happens once, so it waits for the disk.
    Input {
        turn_id: TurnId,
        input: Input,
    },
    /// Summarise the beginning of a path, beside everything else.
    Compact {
        wanted: Box<Wanted>,
        reply: Option<CompactionReply>,
    },
    Compacted(Result<Summary, Error>),
    /// A name for a conversation that has none.
    Titled(Option<String>),
    /// Whoever wants to write here instead asks an idle actor to fall asleep now.
    LetGo,
    /// Answered once everything before it is done.
    Settle {
        reply: oneshot::Sender<()>,
    },
}

pub(super) type CompactionReply = oneshot::Sender<Result<Compaction, Error>>;

/// A command with what its sender is told once it is durable.
#[derive(Debug)]
pub struct Order {
    pub command: Command,
    pub receipt: ReceiptOf,
    pub idempotency: Option<Idempotency>,
    /// For the audit.
    pub caller: Option<Caller>,
}

impl Order {
    /// Without ids, and without a key.
    pub fn plain(command: Command) -> Self {
        Self { command, receipt: ReceiptOf::default(), idempotency: None, caller: None }
    }

    pub fn asked_by(self, caller: Caller) -> Self {
        Self { caller: Some(caller), ..self }
    }
}

/// The ids that a receipt names; its position is known at the commit.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReceiptOf {
    pub message_id: Option<MessageId>,
    pub turn_id: Option<TurnId>,
}

/// A key under which a repeat gets the first answer.
#[derive(Debug, Clone)]
pub struct Idempotency {
    pub scope: KeyScope,
    pub user_id: UserId,
    pub key: String,
    /// SHA-256 of the request.
    pub fingerprint: [u8; 32],
}

impl Mail {
    pub(super) fn wake(turn_id: TurnId, wake: Wake) -> Self {
        let input = match wake {
            Wake::Deadline => Input::DeadlinePassed,
            Wake::Expiry(approval_id) => Input::ApprovalExpired { approval_id },
            Wake::Question(question_id) => Input::QuestionExpired { question_id },
        };
        Self::Input { turn_id, input }
    }

    pub(super) fn refuse(self, error: Error) {
        match self {
            // Whoever asked may be gone.
            Self::Command { reply, .. } => drop(reply.send(Err(error))),
            Self::Settle { reply } => {
                let _ = reply.send(());
            }
            Self::Compact { reply: Some(reply), .. } => drop(reply.send(Err(error))),
            Self::LetGo
            | Self::Model { .. }
            | Self::Input { .. }
            | Self::Compact { reply: None, .. }
            | Self::Compacted(_)
            | Self::Titled(_) => {}
        }
    }
}

impl Idempotency {
    pub(super) fn into_record(self, receipt: Receipt, at: Timestamp) -> Record {
        Record::IdempotencyKey(IdempotencyKey {
            scope: self.scope,
            user_id: self.user_id,
            key: self.key,
            fingerprint: self.fingerprint,
            response: serde_json::to_string(&receipt).expect("a receipt is made of JSON types"),
            turn_id: receipt.turn_id,
            at,
        })
    }
}
