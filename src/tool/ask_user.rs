//! `ask_user`: a question of the agent to the person that it talks to.

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use serde_json::json;

use crate::chat::context::ToolSpec;

use super::{Invocation, Outcome, Source, Tool};

pub struct AskUser {
    spec: ToolSpec,
}

impl Default for AskUser {
    fn default() -> Self {
        let spec = ToolSpec {
            name: "ask_user".to_owned(),
            description:
                "Asks the person a question and waits for the answer. Use it where you cannot go on without \
                          knowing, with choices where there are few."
                    .to_owned(),
            schema: json!({
                "type": "object",
                "properties": {
                    "question": {"type": "string", "minLength": 1, "maxLength": 2000},
                    "choices": {
                        "type": "array",
                        "description": "Answers to choose from.",
                        "items": {"type": "string", "minLength": 1, "maxLength": 200},
                        "maxItems": 12,
                    },
                    "multiple": {"type": "boolean", "description": "Whether several may be chosen. Absent: one."},
                    "allow_text": {
                        "type": "boolean",
                        "description": "Whether the person may also write an answer. Absent: yes.",
                    },
                },
                "required": ["question"],
                "additionalProperties": false,
            }),
        };
        Self { spec }
    }
}

impl Tool for AskUser {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn source(&self) -> Source {
        Source::BuiltIn
    }

    fn is_idempotent(&self) -> bool {
        true
    }

    fn is_answered_by_people(&self) -> bool {
        true
    }

    fn run(&self, _: Invocation) -> BoxFuture<'_, Outcome> {
        ready(Outcome::Failed("a question is answered by a person, not run".to_owned())).boxed()
    }
}
