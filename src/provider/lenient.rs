//! JSON as providers write it rather than as they document it: nulls, numbers for strings, keys given twice.
//!
//! The usual document is read once, in place. Only one that fails is mended and read again.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::provider::failure::Failure;

/// Reads a document. `mended` keeps it where it had to be mended: of keys given twice the last counts, and half of a
/// surrogate pair becomes U+FFFD.
pub(crate) fn parse<'a, T: Deserialize<'a>>(json: &'a str, mended: &'a mut String) -> Result<T, Failure> {
    if let Ok(document) = serde_json::from_str(json) {
        return Ok(document);
    }
    // Without the parser's own words: they quote what it read, and that may be anything.
    let malformed = |error: serde_json::Error| {
        Failure::malformed(format!("an event that cannot be read, at its byte {}", error.column()))
    };
    let value: Value = serde_json::from_str(&with_whole_surrogates(json)).map_err(malformed)?;
    *mended = value.to_string();
    serde_json::from_str(mended).map_err(malformed)
}

fn with_whole_surrogates(json: &str) -> Cow<'_, str> {
    if !json.contains("\\ud") && !json.contains("\\uD") {
        return Cow::Borrowed(json);
    }
    let mut whole = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        whole.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = match surrogate(rest) {
            None => rest.char_indices().nth(2).map_or(rest.len(), |(end, _)| end),
            Some(0xd800..=0xdbff) if matches!(rest.get(6..).and_then(surrogate), Some(0xdc00..=0xdfff)) => 12,
            Some(_) => {
                whole.push_str("\\ufffd");
                rest = &rest[6..];
                continue;
            }
        };
        whole.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    whole.push_str(rest);
    Cow::Owned(whole)
}

/// The surrogate whose escape stands first.
fn surrogate(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u32::from_str_radix(digits, 16).ok().filter(|unit| (0xd800..0xe000).contains(unit))
}

/// A string; empty where there is something else. A number is taken as its digits.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl Text<'_> {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn given(&self) -> Option<&str> {
        Some(self.as_str()).filter(|text| !text.is_empty())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match deserializer.deserialize_any(ScalarVisitor)? {
            Scalar::Text(text) => Self(text),
            Scalar::Number(number) => Self(Cow::Owned(number.to_string())),
            Scalar::Other => Self::default(),
        })
    }
}

/// A whole number, as a number or as its digits; `None` where there is something else.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count(pub(crate) Option<u64>);

impl Count {
    pub(crate) fn or_zero(self) -> u64 {
        self.0.unwrap_or(0)
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(match deserializer.deserialize_any(ScalarVisitor)? {
            Scalar::Text(digits) => digits.parse().ok(),
            Scalar::Number(number) => Some(number),
            Scalar::Other => None,
        }))
    }
}

enum Scalar<'a> {
    Text(Cow<'a, str>),
    Number(u64),
    Other,
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Owned(text)))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Number(number))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Scalar<'de>, E> {
        Ok(u64::try_from(number).map_or(Scalar::Other, Scalar::Number))
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be a small whole number"
    )]
    fn visit_f64<E: Error>(self, number: f64) -> Result<Scalar<'de>, E> {
        Ok(match (0.0..1e15).contains(&number) {
            true => Scalar::Number(number as u64),
            false => Scalar::Other,
        })
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Other)
    }

    fn visit_unit<E: Error>(self) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Scalar<'de>, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Scalar<'de>, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize, PartialEq)]
    struct Sample<'a> {
        #[serde(borrow, default)]
        text: Text<'a>,
        #[serde(default)]
        count: Count,
    }

    fn read(json: &str) -> (String, Option<u64>) {
        let mut mended = String::new();
        let sample: Sample<'_> = parse(json, &mut mended).unwrap();
        (sample.text.0.into_owned(), sample.count.0)
    }

    #[test]
    fn what_is_no_text_is_empty() {
        assert_eq!(read(r#"{"text":"a","count":3}"#), ("a".into(), Some(3)));
        assert_eq!(read(r#"{"text":null,"count":null}"#), (String::new(), None));
        assert_eq!(read(r#"{"text":{"a":[1]},"count":[2]}"#), (String::new(), None));
        assert_eq!(read(r#"{"text":7,"count":"7"}"#), ("7".into(), Some(7)));
        assert_eq!(read(r#"{"count":7.0}"#), (String::new(), Some(7)));
    }

    #[test]
    fn of_keys_given_twice_the_last_counts() {
        assert_eq!(read(r#"{"text":"a","text":"b"}"#), ("b".into(), None));
    }

    #[test]
    fn half_a_surrogate_pair_costs_one_character() {
        assert_eq!(read(r#"{"text":"a\ud83db"}"#).0, "a\u{fffd}b");
        assert_eq!(read(r#"{"text":"\ud83d\ude00\\ud83d \ude00"}"#).0, "😀\\ud83d \u{fffd}");
    }
}
