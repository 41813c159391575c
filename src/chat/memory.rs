//! What an agent noted about a person, for later conversations with them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::clock::Timestamp;
use crate::id::MemoryId;

/// Notes of one agent about one person. The model is given all of them, so they are few and short.
pub const MOST_MEMORIES: usize = 100;
pub const MEMORY_CHARS: usize = 500;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Memory {
    pub id: MemoryId,
    /// The agent that knows it.
    pub agent: String,
    pub text: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}
