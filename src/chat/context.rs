//! What a model call is given: the path from the root to a leaf, as neutral items that every provider can encode.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::chat::message::{Opaque, Part};
use crate::id::CallId;

/// A tool as a model is told of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ToolSpec {
    pub name: String,
    #[serde(default)]
    pub description: String,
    /// JSON Schema of the arguments.
    #[schema(value_type = Object)]
    pub schema: Value,
}

/// Everything that a model is given, oldest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Prompt {
    pub system: Option<String>,
    pub items: Vec<Item>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    User {
        parts: Vec<Part>,
    },
    /// An answer of the model. Where it called tools, their results follow as items of their own, one per call.
    Assistant {
        parts: Vec<PromptPart>,
    },
    ToolResult {
        call_id: CallId,
        name: String,
        output: String,
        is_error: bool,
    },
}

/// A part of an earlier answer, with what its provider needs back verbatim.
#[derive(Debug, Clone, PartialEq)]
pub struct PromptPart {
    pub part: Part,
    pub opaque: Option<Opaque>,
}
