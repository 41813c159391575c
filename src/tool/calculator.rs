//! `calculator`: arithmetic with exact decimals.

mod expression;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use serde_json::{Value, json};

use crate::chat::context::ToolSpec;

use super::{Invocation, Outcome, Source, Tool};

pub struct Calculator {
    spec: ToolSpec,
}

impl Default for Calculator {
    fn default() -> Self {
        let spec = ToolSpec {
            name: "calculator".to_owned(),
            description: "Works out an arithmetic expression with + - * / % (remainder), ^ (power) and \
                          parentheses. Decimal numbers, exact to 28 digits."
                .to_owned(),
            schema: json!({
                "type": "object",
                "properties": {
                    "expression": { "type": "string", "description": "Such as (19.99 + 5) * 12" },
                },
                "required": ["expression"],
                "additionalProperties": false,
            }),
        };
        Self { spec }
    }
}

impl Tool for Calculator {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn source(&self) -> Source {
        Source::BuiltIn
    }

    fn is_idempotent(&self) -> bool {
        true
    }

    fn run(&self, call: Invocation) -> BoxFuture<'_, Outcome> {
        let text = call.args.get("expression").and_then(Value::as_str).unwrap_or_default();
        let outcome = match expression::evaluate(text) {
            Ok(value) => Outcome::Succeeded(value.normalize().to_string()),
            Err(error) => Outcome::Failed(error.to_string()),
        };
        ready(outcome).boxed()
    }
}
