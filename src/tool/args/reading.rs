//! JSON as RFC 7493 (I-JSON) wants it: no key twice in an object, no number that is changed by reading it.

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

use crate::chat::event::FieldError;

const MOST_DEPTH: usize = 64;

pub fn read(text: &str) -> Result<Value, FieldError> {
    let whole = serde_json::from_str::<&RawValue>(text);
    let whole = whole.map_err(|error| wrong("", format!("is not JSON: {error}")))?;
    value(whole.get(), "", 0)
}

fn value(text: &str, at: &str, depth: usize) -> Result<Value, FieldError> {
    if depth > MOST_DEPTH {
        return Err(wrong("", format!("is nested deeper than {MOST_DEPTH} levels")));
    }
    match text.as_bytes().first() {
        Some(b'{') => object(text, at, depth),
        Some(b'[') => {
            let items: Vec<&RawValue> = parsed(text, at)?;
            let items = items.iter().enumerate();
            items.map(|(index, item)| value(item.get(), &format!("{at}/{index}"), depth + 1)).collect()
        }
        Some(b'-' | b'0'..=b'9') => number(text)
            .map(Value::Number)
            .ok_or_else(|| wrong(at, "is a number with more digits than 64 bits hold; send it as a string")),
        _ => parsed(text, at),
    }
}

fn object(text: &str, at: &str, depth: usize) -> Result<Value, FieldError> {
    let fields: Fields<'_> = parsed(text, at)?;
    let mut names = BTreeSet::new();
    let mut object = Map::new();
    for (name, field) in fields.0 {
        let at = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
        if !names.insert(name.clone()) {
            return Err(wrong(&at, "is given twice"));
        }
        object.insert(name, value(field.get(), &at, depth + 1)?);
    }
    Ok(Value::Object(object))
}

/// The number, where writing it again gives the same one.
fn number(text: &str) -> Option<Number> {
    let number = match (text.parse::<u64>(), text.parse::<i64>()) {
        (Ok(whole), _) => Number::from(whole),
        (_, Ok(whole)) => Number::from(whole),
        // Rust reads the nearest one, and an infinity is no `Number`.
        _ => Number::from_f64(text.parse().ok()?)?,
    };
    (significant(&number.to_string()) == significant(text)).then_some(number)
}

/// Its digits without zeros at either end, and the power of ten of the last one.
fn significant(text: &str) -> (String, i64) {
    let text = text.trim_start_matches('-');
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let kept = digits.trim_end_matches('0');
    let dropped = i64::try_from(digits.len() - kept.len()).unwrap_or(i64::MAX);
    let places = i64::try_from(fraction.len()).unwrap_or(i64::MAX);
    // One that does not fit is of a number that is zero or infinite to us.
    let exponent = exponent.parse::<i64>().unwrap_or(i64::MAX);
    match kept.trim_start_matches('0') {
        "" => (String::new(), 0),
        kept => (kept.to_owned(), exponent.saturating_sub(places).saturating_add(dropped)),
    }
}

fn parsed<'a, T: Deserialize<'a>>(text: &'a str, at: &str) -> Result<T, FieldError> {
    serde_json::from_str(text).map_err(|error| wrong(at, format!("is not JSON: {error}")))
}

fn wrong(pointer: &str, detail: impl Into<String>) -> FieldError {
    FieldError { pointer: pointer.to_owned(), detail: detail.into() }
}

/// An object as it is written, with every key as often as it comes.
struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }

        d.deserialize_map(Entries)
    }
}
