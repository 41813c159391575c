//! Why a command was not carried out.

use crate::chat::conversation::Refusal;
use crate::store;

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
    #[error(transparent)]
    Store(#[from] store::Error),
}
