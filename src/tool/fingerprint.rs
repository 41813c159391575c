//! What a tool was when somebody said yes to it, as one hash.

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::chat::context::ToolSpec;

/// SHA-256 over `{"description", "name", "schema"}` as JSON without white space and with every object's keys in the
/// order of their bytes. A schema that is only written in another order is the same schema.
pub fn schema_hash(spec: &ToolSpec) -> [u8; 32] {
    let whole = serde_json::json!({
        "name": spec.name,
        "description": spec.description,
        "schema": spec.schema,
    });
    let mut text = String::new();
    write_canonical(&mut text, &whole);
    Sha256::digest(text).into()
}

fn write_canonical(text: &mut String, value: &Value) {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<_, _> = fields.iter().collect();
            write_list(text, ['{', '}'], fields, |text, (name, value)| {
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                write_canonical(text, value);
            });
        }
        Value::Array(items) => write_list(text, ['[', ']'], items, write_canonical),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            text.push_str(&value.to_string());
        }
    }
}

fn write_list<T>(
    text: &mut String,
    [open, close]: [char; 2],
    items: impl IntoIterator<Item = T>,
    write: impl Fn(&mut String, T),
) {
    text.push(open);
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        write(text, item);
    }
    text.push(close);
}
