//! The arguments of a call: whether they are JSON that says one thing only, and fit the tool's schema.

mod reading;
mod strangers;

use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::Value;

use crate::chat::event::FieldError;

use self::reading::read;

pub use strangers::check_declared_schema;

/// The model is told so many of its mistakes.
const MOST_ERRORS: usize = 16;
const MOST_DETAIL_CHARS: usize = 200;
/// Compiled, by pattern.
const MOST_PATTERN_BYTES: usize = 1 << 20;

/// What a person is shown is the text, and what runs is the value. So a text is refused that different readers take
/// for different values: an object with the same key twice, a number that no 64-bit type holds.
pub fn check_args(schema: &Value, args_text: &str) -> Result<Value, Vec<FieldError>> {
    let args = read(args_text).map_err(|error| vec![error])?;
    let validator = compiled(schema).map_err(|unusable| {
        vec![FieldError {
            pointer: String::new(),
            detail: format!("the tool's schema is unusable: {unusable}"),
        }]
    })?;
    let errors: Vec<_> = validator.iter_errors(&args).take(MOST_ERRORS).map(field_error).collect();
    if errors.is_empty() { Ok(args) } else { Err(errors) }
}

/// Whether arguments can be checked by it. Nothing is fetched: it refers only to itself. How long a check takes is up
/// to the schema; one of a stranger is for [`check_declared_schema`].
pub fn check_schema(schema: &Value) -> Result<(), String> {
    compiled(schema).map(drop)
}

fn compiled(schema: &Value) -> Result<Validator, String> {
    if !schema.is_object() {
        return Err("expected a JSON Schema, which is an object".to_owned());
    }
    jsonschema::options()
        .offline()
        // Without back-references, but in linear time.
        .with_pattern_options(PatternOptions::regex().size_limit(MOST_PATTERN_BYTES))
        .build(schema)
        .map_err(|error| match error.instance_path().as_str() {
            "" => shortened(&error.to_string()),
            at => format!("{at}: {}", shortened(&error.to_string())),
        })
}

fn field_error(error: ValidationError<'_>) -> FieldError {
    FieldError {
        pointer: error.instance_path().as_str().to_owned(),
        // The value itself may be long, and the model knows it.
        detail: shortened(&error.masked().to_string()),
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MOST_DETAIL_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
