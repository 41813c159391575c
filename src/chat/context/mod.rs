//! What a model call is given: the path from the root to a leaf, as neutral items that every provider can encode.

mod fit;
pub mod tokens;

pub use fit::{Context, Fate, FateState, Given, Reason, TooLong, fit, spoken};

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::chat::message::{Call, MessageStatus, Opaque, Part, Role, StoredPart};
use crate::id::{CallId, MessageId, TurnId};

/// The tool with which a model finds what it is not given any more.
pub const SEARCH: &str = "search_conversations";

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

/// A message of the path to a leaf, as it is stored, with the calls that it made.
#[derive(Debug, Clone, PartialEq)]
pub struct PathMessage {
    pub id: MessageId,
    pub parent_id: Option<MessageId>,
    pub role: Role,
    pub status: MessageStatus,
    pub turn_id: Option<TurnId>,
    pub parts: Vec<StoredPart>,
    pub calls: Vec<Call>,
}

/// Adds what a model is given of a message.
///
/// An answer that was cut gives its text only: reasoning without its signature is refused by providers, and a call
/// that never ran has no result.
fn push_message(items: &mut Vec<Item>, message: &PathMessage) {
    match message.role {
        Role::User | Role::System => {
            items
                .push(Item::User { parts: message.parts.iter().map(|stored| stored.part.clone()).collect() });
        }
        Role::Assistant => push_answer(items, message),
    }
}

fn push_answer(items: &mut Vec<Item>, message: &PathMessage) {
    let parts: Vec<PromptPart> = sent_parts(message)
        .map(|stored| PromptPart { part: stored.part.clone(), opaque: stored.opaque.clone() })
        .collect();
    if parts.is_empty() {
        return;
    }
    let results: Vec<Item> = sent_results(message)
        .map(|result| Item::ToolResult {
            call_id: result.call_id,
            name: result.name.to_owned(),
            output: result.output.into_owned(),
            is_error: result.is_error,
        })
        .collect();
    items.push(Item::Assistant { parts });
    items.extend(results);
}

/// The parts of an answer that a model is given back.
fn sent_parts(answer: &PathMessage) -> impl Iterator<Item = &StoredPart> {
    let whole = answer.status == MessageStatus::Complete;
    answer.parts.iter().filter(move |stored| match &stored.part {
        Part::Text { text } => !text.is_empty(),
        Part::Reasoning { .. } => whole,
        Part::ToolCall { discarded, .. } => whole && !discarded,
        Part::File { .. } => true,
        Part::Source { .. } | Part::Notice { .. } => false,
    })
}

struct SentResult<'a> {
    call_id: CallId,
    name: &'a str,
    output: Cow<'a, str>,
    is_error: bool,
}

/// What became of the calls among them. Of one that was done again, what became of it then.
fn sent_results(answer: &PathMessage) -> impl Iterator<Item = SentResult<'_>> {
    sent_parts(answer).filter_map(|stored| {
        let Part::ToolCall { call_id, name, args_text, .. } = &stored.part else { return None };
        let mut call = answer.calls.iter().find(|call| call.id == *call_id);
        while let Some(again) =
            call.and_then(|first| answer.calls.iter().find(|c| c.retry_of == Some(first.id)))
        {
            call = Some(again);
        }
        let (output, is_error) = match call {
            Some(Call { output: Some(output), .. }) => (output.as_str(), false),
            Some(Call { error: Some(error), .. }) => (error.as_str(), true),
            Some(_) | None => ("the call was not run", true),
        };
        let changed = call.filter(|call| call.args_text != *args_text);
        let output = match changed {
            Some(call) => format!("[A person changed the arguments to {}]\n{output}", call.args_text).into(),
            None => Cow::Borrowed(output),
        };
        Some(SentResult { call_id: *call_id, name, output, is_error })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::message::CallState;

    fn message(role: Role, status: MessageStatus, parts: Vec<Part>) -> PathMessage {
        PathMessage {
            id: MessageId::from_bytes([1; 16]),
            parent_id: None,
            role,
            status,
            turn_id: None,
            parts: parts.into_iter().map(|part| StoredPart { part, opaque: None }).collect(),
            calls: Vec::new(),
        }
    }

    fn items(message: &PathMessage) -> Vec<Item> {
        let mut items = Vec::new();
        push_message(&mut items, message);
        items
    }

    fn text(text: &str) -> Part {
        Part::Text { text: text.to_owned() }
    }

    fn call(call_id: CallId) -> Part {
        Part::ToolCall { call_id, name: "clock".to_owned(), args_text: "{}".to_owned(), discarded: false }
    }

    #[test]
    fn a_cut_answer_gives_its_text_and_nothing_that_cannot_go_back() {
        let cut = vec![
            Part::Reasoning { text: "hm".to_owned() },
            text("half an ans"),
            call(CallId::from_bytes([2; 16])),
        ];
        let items = items(&message(Role::Assistant, MessageStatus::Interrupted, cut));
        let expected =
            vec![Item::Assistant { parts: vec![PromptPart { part: text("half an ans"), opaque: None }] }];
        assert_eq!(items, expected);
    }

    #[test]
    fn an_answer_of_which_nothing_was_shown_is_left_out() {
        let items = items(&message(Role::Assistant, MessageStatus::Cancelled, vec![text("")]));
        assert_eq!(items, vec![]);
    }

    #[test]
    fn every_call_is_followed_by_a_result() {
        let (answered, forgotten) = (CallId::from_bytes([2; 16]), CallId::from_bytes([3; 16]));
        let mut answer =
            message(Role::Assistant, MessageStatus::Complete, vec![call(answered), call(forgotten)]);
        answer.calls = vec![Call {
            id: answered,
            turn_id: TurnId::from_bytes([4; 16]),
            message_id: answer.id,
            tool: "clock".to_owned(),
            args: None,
            args_text: "{}".to_owned(),
            state: CallState::Failed,
            output: None,
            error: Some("not available".to_owned()),
            rule: None,
            resolved: None,
            retry_of: None,
            child_id: None,
            progress: None,
            question: None,
        }];
        let items = items(&answer);
        let result = |call_id, output: &str| Item::ToolResult {
            call_id,
            name: "clock".to_owned(),
            output: output.to_owned(),
            is_error: true,
        };
        let expected = [result(answered, "not available"), result(forgotten, "the call was not run")];
        assert_eq!(items[1..], expected);
    }
}
