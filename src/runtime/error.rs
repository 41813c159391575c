//! Why a command was not carried out.

use super::compaction::NotCompacted;
use crate::chat::conversation::Refusal;
use crate::chat::event::Problem;
use crate::store::{self, Conflict};

#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    #[error("there is no such conversation")]
    NotFound,
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("the idempotency key was used with another request")]
    KeyReused,
    #[error("the server is stopping and takes no new messages")]
    Draining,
    #[error("the conversation is not available at the moment")]
    Unavailable,
    #[error("the agent of this conversation is no longer configured")]
    UnknownAgent,
    #[error("the model cannot be asked: {}", .0.detail)]
    Model(Problem),
    #[error(transparent)]
    NotCompacted(#[from] NotCompacted),
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Error {
    /// Whether the actor's picture of the log may be wrong after it.
    pub(super) const fn leaves_the_log_unknown(&self) -> bool {
        match self {
            Self::NotFound
            | Self::Refused(_)
            | Self::KeyReused
            | Self::Draining
            | Self::UnknownAgent
            | Self::Model(_)
            | Self::NotCompacted(_) => false,
            Self::Unavailable => true,
            Self::Store(error) => match error {
                store::Error::Full | store::Error::Busy => false,
                store::Error::Refused(conflict) => matches!(conflict, Conflict::Position { .. }),
                _ => true,
            },
        }
    }

    /// What a follower or a failed turn is told of trouble in the server.
    pub(super) fn problem(&self) -> Problem {
        let (kind, title) = match self {
            Self::Store(store::Error::Sealed) => ("storage-sealed", "The storage takes no more writes"),
            Self::Store(store::Error::Full) => ("storage-full", "The disk is full"),
            Self::NotFound
            | Self::Refused(_)
            | Self::KeyReused
            | Self::Draining
            | Self::Unavailable
            | Self::UnknownAgent
            | Self::Model(_)
            | Self::NotCompacted(_)
            | Self::Store(_) => ("unavailable", "The conversation is not available at the moment"),
        };
        Problem {
            kind: kind.to_owned(),
            title: title.to_owned(),
            status: 503,
            detail: self.to_string(),
            errors: Vec::new(),
        }
    }
}
