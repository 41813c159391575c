//! What `when` says: JSON pointers into the arguments, and a test for each.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use crate::chat::policy::condition::{Condition, Scalar, Test};
use crate::chat::policy::glob::Glob;
use crate::chat::policy::number::Number;

pub fn conditions<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<Condition>, D::Error> {
    let conditions: BTreeMap<Pointer, Test> = BTreeMap::deserialize(d)?;
    if conditions.is_empty() {
        return Err(D::Error::custom("expected at least one JSON pointer, found none"));
    }
    Ok(conditions.into_iter().map(|(Pointer(pointer), test)| Condition { pointer, test }).collect())
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Pointer(String);

impl<'de> Deserialize<'de> for Pointer {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        // `~` only stands in `~0` and `~1`.
        let escaped = text.split('~').skip(1).all(|after| after.starts_with(['0', '1']));
        if text.starts_with('/') && escaped {
            return Ok(Self(text));
        }
        Err(D::Error::invalid_value(Unexpected::Str(&text), &r#"a JSON pointer such as "/amount""#))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TestTable {
    present: Option<bool>,
    equals: Option<Scalar>,
    one_of: Option<Vec<Scalar>>,
    min: Option<Number>,
    max: Option<Number>,
    prefix: Option<String>,
    glob: Option<Glob>,
    each: Option<Box<Test>>,
}

impl<'de> Deserialize<'de> for Test {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        TestTable::deserialize(d)?.test().map_err(D::Error::custom)
    }
}

impl TestTable {
    fn test(self) -> Result<Test, &'static str> {
        let range = match (self.min, self.max) {
            (None, None) => None,
            (Some(min), Some(max)) if min.compare(max).is_gt() => {
                return Err("expected `min` to be at most `max`, found it above");
            }
            (min, max) => Some(Test::Range { min, max }),
        };
        if self.one_of.as_ref().is_some_and(Vec::is_empty) {
            return Err("expected at least one value in `one_of`, found none");
        }
        if self.prefix.as_ref().is_some_and(String::is_empty) {
            return Err("expected a `prefix` of at least one character, found none");
        }
        if matches!(self.each.as_deref(), Some(Test::Present(_))) {
            return Err("expected `each` to test values, found `present`, which every item is");
        }
        let tests = [
            self.present.map(Test::Present),
            self.equals.map(|scalar| Test::OneOf(vec![scalar])),
            self.one_of.map(Test::OneOf),
            range,
            self.prefix.map(Test::Prefix),
            self.glob.map(Test::Glob),
            self.each.map(Test::Each),
        ];
        let mut tests = tests.into_iter().flatten();
        match (tests.next(), tests.next()) {
            (Some(test), None) => Ok(test),
            (Some(_), Some(_)) => Err("expected one test (or `min` and `max`), found several"),
            (None, _) => Err(
                "expected one of `present`, `equals`, `one_of`, `min`, `max`, `prefix`, `glob`, `each`, found none",
            ),
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        match Scalar::deserialize(d)? {
            Scalar::Number(number) => Ok(number),
            Scalar::Bool(found) => Err(D::Error::invalid_type(Unexpected::Bool(found), &"a number")),
            Scalar::Text(found) => Err(D::Error::invalid_type(Unexpected::Str(&found), &"a number")),
        }
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct AnyScalar;

        impl Visitor<'_> for AnyScalar {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text, a finite number, true or false")
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Scalar, E> {
                Ok(Scalar::Bool(value))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Scalar, E> {
                Ok(Scalar::Number(Number::Integer(value.into())))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Scalar, E> {
                Ok(Scalar::Number(Number::Integer(value.into())))
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Scalar, E> {
                match value.is_finite() {
                    true => Ok(Scalar::Number(Number::Float(value))),
                    false => Err(E::invalid_value(Unexpected::Float(value), &self)),
                }
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<Scalar, E> {
                Ok(Scalar::Text(value.to_owned()))
            }
        }

        d.deserialize_any(AnyScalar)
    }
}
