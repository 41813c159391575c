//! What can go wrong in the store, in the words that a caller acts on.

use std::sync::Arc;

use rusqlite::ErrorCode;

use crate::chat::event::Seq;
use crate::id::{ApprovalId, CallId, ConversationId, MessageId, TurnId};

#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The job's own fault; nothing of it was stored and the rest of its batch went on.
    #[error(transparent)]
    Refused(#[from] Conflict),
    /// Nothing of the batch was stored. The store tries again with the next job after a second.
    #[error("the disk is full")]
    Full,
    /// Whether the job was stored is unknown, and nothing is stored any more until the process restarts.
    #[error("the store is sealed until the next start: whether this was stored is unknown")]
    Sealed,
    /// More jobs wait than the store takes, or another program holds the database; nothing of this one was stored.
    #[error("the store is busy")]
    Busy,
    #[error("the store is closed")]
    Closed,
    #[error("{table}.{column} of {key} is not readable")]
    Corrupt { table: &'static str, column: &'static str, key: String },
    #[error("the database has schema {found}, this program knows up to {known}: start a newer program")]
    NewerSchema { found: i64, known: i64 },
    #[error("this SQLite is {found}; at least 3.51.3 is needed")]
    OldSqlite { found: &'static str },
    /// As the answer to a job: nothing of it was stored.
    #[error("the database says: {0}")]
    Database(Arc<rusqlite::Error>),
    #[error("the schema could not be brought up to date: {0}")]
    Migration(Arc<rusqlite_migration::Error>),
    #[error("the database could not be reached: {0}")]
    Io(Arc<std::io::Error>),
}

/// Why a job was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    #[error("{conversation_id} ends at {found}, not at {expected}")]
    Position { conversation_id: ConversationId, expected: Seq, found: Seq },
    #[error("there is no {0}")]
    UnknownConversation(ConversationId),
    #[error("{0} was deleted")]
    ConversationDeleted(ConversationId),
    #[error("{0} exists already")]
    ConversationExists(ConversationId),
    #[error("the agent already has a conversation `{name}`")]
    NameTaken { name: String },
    #[error("the idempotency key was used before")]
    DuplicateIdempotencyKey,
    #[error("there is no {0} in this conversation")]
    UnknownMessage(MessageId),
    #[error("{0} exists already")]
    MessageExists(MessageId),
    #[error("{0} is not streaming")]
    MessageNotOpen(MessageId),
    /// The runs don't add up to the streamed text.
    #[error("the content of {0} is not what was streamed")]
    ContentMismatch(MessageId),
    #[error("there is no {0} in this state")]
    UnknownTurn(TurnId),
    #[error("there is no {0}")]
    UnknownCall(CallId),
    #[error("there is no {0}")]
    UnknownApproval(ApprovalId),
    #[error("there is no room for the file: {what}")]
    NoRoom { what: String },
    #[error("the job breaks a rule of the tables: {0}")]
    Constraint(String),
}

impl Error {
    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Database(error) => error.sqlite_error_code(),
            _ => None,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.code() == Some(ErrorCode::DiskFull)
    }

    /// Somebody else holds the database, such as an operator's shell. Nothing was begun.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self.code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
    }

    /// Whether the job alone is at fault, so that its savepoint may be rolled back and the batch go on.
    pub(super) fn spares_the_batch(&self) -> bool {
        match self {
            Self::Refused(_) | Self::Corrupt { .. } => true,
            Self::Database(_) => matches!(
                self.code(),
                None | Some(
                    ErrorCode::Unknown
                        | ErrorCode::ConstraintViolation
                        | ErrorCode::TooBig
                        | ErrorCode::TypeMismatch
                        | ErrorCode::ParameterOutOfRange
                )
            ),
            _ => false,
        }
    }

    /// A broken constraint, as the job's caller is told of it.
    pub(super) fn into_refusal(self) -> Self {
        match &self {
            Self::Database(error) if self.code() == Some(ErrorCode::ConstraintViolation) => {
                Conflict::Constraint(error.to_string()).into()
            }
            _ => self,
        }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(Arc::new(error))
    }
}

impl From<rusqlite_migration::Error> for Error {
    fn from(error: rusqlite_migration::Error) -> Self {
        Self::Migration(Arc::new(error))
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}
