//! Schemas that strangers declare: small enough, with their references followed, to be checked at once.

use std::collections::BTreeMap;

use serde_json::Value;

use super::check_schema;

/// Values in a schema, each counted as often as a reference leads to it.
const MOST_VALUES: usize = 10_000;
const MOST_LEVELS: usize = 100;

/// As [`check_schema`], for a schema that no operator vouches for. References lead to places in the schema itself
/// (`#/$defs/line`) and never around in a circle: a few of them in a row, or arguments deep enough, would keep a
/// validator busy for ever.
pub fn check_declared_schema(schema: &Value) -> Result<(), String> {
    Walk { schema, sizes: BTreeMap::new() }.size(schema)?;
    check_schema(schema)
}

#[derive(Debug, Clone, Copy, Default)]
struct Size {
    values: usize,
    levels: usize,
}

impl Size {
    fn take_in(&mut self, inner: Self) -> Result<(), String> {
        self.values += inner.values;
        self.levels = self.levels.max(inner.levels + 1);
        let bounds = [(self.values, MOST_VALUES, "values"), (self.levels, MOST_LEVELS, "levels")];
        match bounds.iter().find(|(found, most, _)| found > most) {
            Some((_, most, what)) => {
                Err(format!("has more than {most} {what} once its references are followed"))
            }
            None => Ok(()),
        }
    }
}

struct Walk<'a> {
    schema: &'a Value,
    /// By pointer; `None` while the place is being looked at.
    sizes: BTreeMap<&'a str, Option<Size>>,
}

impl<'a> Walk<'a> {
    fn size(&mut self, value: &'a Value) -> Result<Size, String> {
        let mut size = Size { values: 1, levels: 1 };
        match value {
            Value::Object(fields) => {
                for (name, field) in fields {
                    size.take_in(self.size(field)?)?;
                    if let Some(text) = field.as_str() {
                        size.take_in(self.keyword(name, text)?)?;
                    }
                }
            }
            Value::Array(items) => {
                for item in items {
                    size.take_in(self.size(item)?)?;
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
        Ok(size)
    }

    /// What a reference adds. Others than to places, and names that change what a place is, are not understood here.
    fn keyword(&mut self, name: &str, text: &'a str) -> Result<Size, String> {
        match name {
            "$ref" => self.target(text),
            "$id" | "id" | "$anchor" | "$dynamicAnchor" | "$dynamicRef" | "$recursiveRef" => Err(format!(
                "`{name}` is not allowed here; refer to places of the schema such as #/$defs/line"
            )),
            _ => Ok(Size::default()),
        }
    }

    fn target(&mut self, reference: &'a str) -> Result<Size, String> {
        let nowhere = || format!("`{reference}` is no place of the schema");
        let pointer = reference.strip_prefix('#').ok_or_else(nowhere)?;
        match self.sizes.get(pointer) {
            Some(Some(size)) => return Ok(*size),
            Some(None) => return Err(format!("`{reference}` leads to itself")),
            None => {}
        }
        let target = self.schema.pointer(pointer).ok_or_else(nowhere)?;
        self.sizes.insert(pointer, None);
        // Each place is looked at once, so many in a row are what could go deep here.
        if self.sizes.values().filter(|size| size.is_none()).count() > MOST_LEVELS {
            return Err(format!("has more than {MOST_LEVELS} levels once its references are followed"));
        }
        let size = self.size(target)?;
        self.sizes.insert(pointer, Some(size));
        Ok(size)
    }
}
