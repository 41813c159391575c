//! A summary that stands for the beginning of a path when the model is asked. Nothing is deleted by it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::clock::Timestamp;
use crate::id::{CompactionId, MessageId, UserId};

/// From `message_id` up to the root the path is summarised as `summary`. It serves every path through that message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Compaction {
    pub id: CompactionId,
    /// The last message that is summarised.
    pub message_id: MessageId,
    pub summary: String,
    /// The model that wrote it; absent once a person edited it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Who asked for it, or edited it last; absent: it was made because the context was filling up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<UserId>,
    /// What it stands for and what it is, in estimated tokens.
    pub tokens_before: u64,
    pub tokens_after: u64,
    pub created_at: Timestamp,
}
