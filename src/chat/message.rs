//! Messages and their parts: the nodes of a conversation's tree.
//!
//! A message is immutable once it is complete. A tool call's state and output live beside it, in its [`Call`].

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::chat::event::Resolution;
use crate::chat::question::Question;
use crate::clock::Timestamp;
use crate::id::{CallId, ConversationId, FileId, MessageId, TurnId};

#[derive(Debug, Clone, Copy, PartialEq, Hash, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    User,
    Assistant,
    System,
}

/// Where a message is in its life. Only `streaming` ever changes, and only once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MessageStatus {
    Streaming,
    Complete,
    /// Cut off by a crash, a restart or the provider: the text stays as it was shown.
    Interrupted,
    Cancelled,
    Failed,
}

/// What a conversation says about one of its messages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Marks {
    /// The name of the branch that begins here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch_name: Option<String>,
    #[serde(default)]
    pub starred: bool,
    /// A pinned message is always part of what the model is given.
    #[serde(default)]
    pub pinned: bool,
}

impl MessageStatus {
    /// Nothing of the message will change any more.
    pub const fn is_settled(self) -> bool {
        match self {
            Self::Streaming => false,
            Self::Complete | Self::Interrupted | Self::Cancelled | Self::Failed => true,
        }
    }
}

/// Why the model stopped, in the words of OpenAI's chat completions; another provider's are translated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    Stop,
    Length,
    ToolCalls,
    ContentFilter,
    /// A reason that has no counterpart, as the provider wrote it.
    #[serde(untagged)]
    Other(String),
}

/// Tokens as the provider counted them. `input_tokens` includes the cached ones, `output_tokens` includes reasoning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Usage {
    pub input_tokens: u64,
    pub output_tokens: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub reasoning_tokens: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub cached_input_tokens: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub cache_write_tokens: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if passes a reference")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.input_tokens += other.input_tokens;
        self.output_tokens += other.output_tokens;
        self.reasoning_tokens += other.reasoning_tokens;
        self.cached_input_tokens += other.cached_input_tokens;
        self.cache_write_tokens += other.cache_write_tokens;
    }
}

/// A piece of a message. `text`, `reasoning` and `tool_call` stream; the others come whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Part {
    Text {
        text: String,
    },
    Reasoning {
        text: String,
    },
    ToolCall {
        call_id: CallId,
        name: String,
        /// The arguments' JSON text, verbatim, as the model wrote it.
        args_text: String,
        /// The message was cut before the call was whole: it never runs.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        discarded: bool,
    },
    File {
        file_id: FileId,
        name: String,
        media_type: String,
        /// In bytes.
        size: u64,
    },
    Source {
        url: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<String>,
    },
    Notice {
        code: String,
        text: String,
    },
}

impl Part {
    /// Whether its text comes in deltas.
    pub const fn is_streamed(&self) -> bool {
        match self {
            Self::Text { .. } | Self::Reasoning { .. } | Self::ToolCall { .. } => true,
            Self::File { .. } | Self::Source { .. } | Self::Notice { .. } => false,
        }
    }

    /// The streamed text: what the concatenated deltas of this part spell.
    pub fn streamed(&self) -> &str {
        match self {
            Self::Text { text } | Self::Reasoning { text } => text,
            Self::ToolCall { args_text, .. } => args_text,
            Self::File { .. } | Self::Source { .. } | Self::Notice { .. } => "",
        }
    }

    /// The same part with its streamed text replaced.
    pub fn with_streamed(mut self, new: String) -> Self {
        match &mut self {
            Self::Text { text } | Self::Reasoning { text } => *text = new,
            Self::ToolCall { args_text, .. } => *args_text = new,
            Self::File { .. } | Self::Source { .. } | Self::Notice { .. } => {}
        }
        self
    }
}

/// What a provider needs back, verbatim, to accept one of its parts again: a thinking signature, an encrypted
/// reasoning item, the provider's own id of a call. Stored beside the part; never on the wire, never read by us.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Opaque {
    /// The kind of API that wrote it (`anthropic`, `openai-responses`, ...); only the same kind gets it back.
    pub api: String,
    pub data: Value,
}

/// A part as it is stored: with what only its provider understands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredPart {
    pub part: Part,
    pub opaque: Option<Opaque>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Message {
    pub id: MessageId,
    pub parent_id: Option<MessageId>,
    pub role: Role,
    pub status: MessageStatus,
    #[serde(default)]
    pub parts: Vec<Part>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn_id: Option<TurnId>,
    /// Which model call of its turn made this message, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish_reason: Option<FinishReason>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Value>,
    pub created_at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CallState {
    Proposed,
    Pending,
    Approved,
    Started,
    Succeeded,
    Failed,
    Unknown,
    Denied,
    Expired,
    Cancelled,
}

/// One tool call of a turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Call {
    pub id: CallId,
    pub turn_id: TurnId,
    pub message_id: MessageId,
    pub tool: String,
    /// The arguments as JSON, where their text is JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub args: Option<Value>,
    pub args_text: String,
    pub state: CallState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What in the policy let it run, asked about it or denied it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What a person said of it when nobody knew how it had ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<Resolution>,
    /// The unknown call that this one does again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<CallId>,
    /// The conversation in which another agent works on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child_id: Option<ConversationId>,
    /// What it said last of how far it has come, while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// What it asks a person, while it runs and nobody has answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<Question>,
}

/// How far a call has come, in its tool's own words.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Progress {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// From 0 to 1, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fraction: Option<f64>,
}

impl CallState {
    /// Whether nothing more happens to the call by itself.
    pub const fn is_terminal(self) -> bool {
        match self {
            Self::Proposed | Self::Pending | Self::Approved | Self::Started => false,
            Self::Succeeded
            | Self::Failed
            | Self::Unknown
            | Self::Denied
            | Self::Expired
            | Self::Cancelled => true,
        }
    }
}
