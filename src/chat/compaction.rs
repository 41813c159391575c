//! A summary that stands for the beginning of a path when the model is asked. Nothing is deleted by it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::chat::context::{PathMessage, tokens};
use crate::chat::message::{MessageStatus, Role};
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

/// What people are told of a summary that the model wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    Made,
    /// It freed too little, and so did the one before: no more of them come by themselves.
    Futile,
}

/// How many messages of a path are to be summarised, oldest first, so that what is left takes at most `keep` tokens:
/// whole exchanges if that leaves any, else whole steps of the last one. Never the last message, and never one that
/// was cut and is gone on with. `None` where nothing is gained.
pub fn cut(path: &[PathMessage], keep: u64) -> Option<usize> {
    let settled =
        |message: &PathMessage| message.role == Role::User || message.status == MessageStatus::Complete;
    let limit = path.iter().rposition(settled)?;
    let mut tail = vec![0; path.len() + 1];
    for at in (0..path.len()).rev() {
        tail[at] = tail[at + 1] + tokens::of_message(&path[at]);
    }
    let begins = |at: &usize| path[*at].role == Role::User;
    let exchanges: Vec<usize> = (1..=limit).filter(begins).collect();
    let small = exchanges.iter().find(|at| tail[**at] <= keep);
    if let Some(at) = small.or(exchanges.last()) {
        return Some(*at);
    }
    // One long exchange: between two of its steps.
    let first = if path[0].role == Role::User { 2 } else { 1 };
    let steps = || (first..=limit).filter(|at| path[*at].role == Role::Assistant);
    steps().find(|at| tail[*at] <= keep).or_else(|| steps().next_back())
}

/// Whether the last two of these freed too little to be worth a third.
pub fn is_futile(compactions: &[Compaction]) -> bool {
    let futile = |compaction: &Compaction| compaction.tokens_after * 10 > compaction.tokens_before * 8;
    compactions.len() >= 2 && compactions[compactions.len() - 2..].iter().all(futile)
}
