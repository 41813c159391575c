//! What a running tool asks a person, and what the person says to it.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::id::QuestionId;

/// Stands on the call for as long as nobody answered it and the call runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Question {
    pub id: QuestionId,
    /// In the tool's own words.
    pub message: String,
    /// JSON Schema of the form: a flat object of texts, numbers, yes or no, and choices. Absent: there is no form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
    /// A page of somebody else's where the person does something; it is opened by the person, and by nobody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AnswerAction {
    Accept,
    /// No, and the tool may go on without.
    Decline,
    /// No word on it: closed, or not answered in time.
    Cancel,
}

/// What a person says. What stands in the form goes to the tool and nowhere else: it may be a secret.
#[derive(Clone, PartialEq)]
pub struct Answer {
    pub action: AnswerAction,
    pub content: Option<Value>,
}

impl Answer {
    pub const fn cancel() -> Self {
        Self { action: AnswerAction::Cancel, content: None }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("action", &self.action).finish_non_exhaustive()
    }
}
