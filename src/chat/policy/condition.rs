//! What a clause wants of one argument.

use std::cmp::Ordering;

use serde_json::Value;

use super::glob::Glob;
use super::number::Number;

/// A place in the arguments, as a JSON pointer (RFC 6901), and what is wanted of the value there.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    pub pointer: String,
    pub test: Test,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// Whether there is such a value at all.
    Present(bool),
    OneOf(Vec<Scalar>),
    /// Both ends included.
    Range {
        min: Option<Number>,
        max: Option<Number>,
    },
    Prefix(String),
    Glob(Glob),
    /// All items of a list.
    Each(Box<Self>),
}

#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    Bool(bool),
    Number(Number),
    Text(String),
}

/// `Unclear` is a value that is missing, of another type, or that may mean something else than it says. An allow needs
/// a `Yes`; for an ask or a denial an `Unclear` is enough to make what follows stricter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    Yes,
    Unclear,
    No,
}

impl Condition {
    pub fn judge(&self, args: &Value) -> Judgement {
        match (&self.test, args.pointer(&self.pointer)) {
            // Many programs write `null` for what isn't there.
            (Test::Present(_), Some(Value::Null)) => Judgement::Unclear,
            (Test::Present(wanted), found) => Judgement::of(*wanted == found.is_some()),
            (_, None) => Judgement::Unclear,
            (test, Some(value)) => test.judge(value),
        }
    }
}

impl Test {
    fn judge(&self, value: &Value) -> Judgement {
        match (self, value) {
            (Self::Present(wanted), _) => Judgement::of(*wanted),
            (Self::OneOf(scalars), value) => one_of(scalars, value),
            (Self::Range { min, max }, Value::Number(number)) => match Number::of(number) {
                Some(number) => Judgement::of(
                    min.is_none_or(|min| number.compare(min) != Ordering::Less)
                        && max.is_none_or(|max| number.compare(max) != Ordering::Greater),
                ),
                None => Judgement::Unclear,
            },
            (Self::Prefix(_) | Self::Glob(_), Value::String(text)) if climbs(text) => Judgement::Unclear,
            (Self::Prefix(prefix), Value::String(text)) => Judgement::of(text.starts_with(prefix.as_str())),
            (Self::Glob(glob), Value::String(text)) => glob.judge(text),
            (Self::Each(test), Value::Array(items)) => test.judge_each(items),
            (Self::Range { .. } | Self::Prefix(_) | Self::Glob(_) | Self::Each(_), _) => Judgement::Unclear,
        }
    }

    /// Unclear where some items pass and others don't, so that one of them is enough for a denial.
    fn judge_each(&self, items: &[Value]) -> Judgement {
        let mut judgements = items.iter().map(|item| self.judge(item));
        let first = judgements.next().unwrap_or(Judgement::Unclear);
        if judgements.all(|judgement| judgement == first) { first } else { Judgement::Unclear }
    }
}

impl Judgement {
    pub fn of(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }

    /// Whether all of these hold.
    pub fn all(judgements: impl Iterator<Item = Self>) -> Self {
        let mut whole = Self::Yes;
        for judgement in judgements {
            match judgement {
                Self::Yes => {}
                Self::Unclear => whole = Self::Unclear,
                Self::No => return Self::No,
            }
        }
        whole
    }
}

fn one_of(scalars: &[Scalar], value: &Value) -> Judgement {
    let judged = |scalar: &Scalar| match (scalar, value) {
        (Scalar::Bool(wanted), Value::Bool(found)) => Judgement::of(wanted == found),
        (Scalar::Text(wanted), Value::String(found)) => Judgement::of(wanted == found),
        (Scalar::Number(wanted), Value::Number(found)) => match Number::of(found) {
            Some(found) => Judgement::of(found.compare(*wanted) == Ordering::Equal),
            None => Judgement::Unclear,
        },
        (Scalar::Bool(_) | Scalar::Text(_) | Scalar::Number(_), _) => Judgement::Unclear,
    };
    let judgements: Vec<_> = scalars.iter().map(judged).collect();
    [Judgement::Yes, Judgement::No].into_iter().find(|j| judgements.contains(j)).unwrap_or(Judgement::Unclear)
}

/// Whether a path in it leads elsewhere than its beginning says: `/srv/../etc`.
fn climbs(text: &str) -> bool {
    text.split(['/', '\\']).any(|segment| segment == "..")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn judge(test: Test, args: &Value) -> Judgement {
        Condition { pointer: "/a".to_owned(), test }.judge(args)
    }

    #[test]
    fn what_is_missing_or_of_another_type_is_unclear() {
        let tests = || {
            [
                Test::OneOf(vec![Scalar::Text("1".to_owned())]),
                Test::Range { min: None, max: Some(Number::Integer(2)) },
                Test::Prefix("1".to_owned()),
                Test::Glob("*".parse().unwrap()),
                Test::Each(Box::new(Test::Prefix("1".to_owned()))),
            ]
        };
        for test in tests() {
            for args in [json!({}), json!({"a": null}), json!({"a": {}}), json!({"a": true}), json!([1])] {
                assert_eq!(judge(test.clone(), &args), Judgement::Unclear, "{test:?} of {args}");
            }
        }
        assert_eq!(judge(tests()[0].clone(), &json!({"a": 1})), Judgement::Unclear);
        assert_eq!(judge(tests()[1].clone(), &json!({"a": "1"})), Judgement::Unclear);
    }

    #[test]
    fn a_list_of_scalars_is_judged_by_those_of_the_same_type() {
        let test = || {
            Test::OneOf(vec![
                Scalar::Text("x".to_owned()),
                Scalar::Number(Number::Integer(1)),
                Scalar::Bool(true),
            ])
        };
        for (value, expected) in [
            (json!("x"), Judgement::Yes),
            (json!("X"), Judgement::No),
            (json!(1), Judgement::Yes),
            (json!(1.0), Judgement::Yes),
            (json!(true), Judgement::Yes),
            (json!(false), Judgement::No),
            (json!(null), Judgement::Unclear),
            (json!(1e300), Judgement::Unclear),
        ] {
            assert_eq!(judge(test(), &json!({"a": value})), expected, "{value}");
        }
    }

    #[test]
    fn a_path_that_climbs_is_judged_by_no_text() {
        let test = || Test::Prefix("/srv/".to_owned());
        assert_eq!(judge(test(), &json!({"a": "/srv/notes..txt"})), Judgement::Yes);
        assert_eq!(judge(test(), &json!({"a": "/etc/passwd"})), Judgement::No);
        for path in ["/srv/../etc/passwd", "/srv/..", "/srv/a\\..\\b", "../srv/"] {
            assert_eq!(judge(test(), &json!({"a": path})), Judgement::Unclear, "{path}");
            assert_eq!(
                judge(Test::Glob("**".parse().unwrap()), &json!({"a": path})),
                Judgement::Unclear,
                "{path}"
            );
        }
    }

    #[test]
    fn a_list_with_one_item_astray_is_unclear() {
        let test = || Test::Each(Box::new(Test::Prefix("/srv/".to_owned())));
        for (items, expected) in [
            (json!(["/srv/a", "/srv/b"]), Judgement::Yes),
            (json!(["/etc/a", "/b"]), Judgement::No),
            (json!(["/srv/a", "/etc/b"]), Judgement::Unclear),
            (json!(["/etc/b", "/srv/a"]), Judgement::Unclear),
            (json!(["/srv/a", 1]), Judgement::Unclear),
            (json!([]), Judgement::Unclear),
        ] {
            assert_eq!(judge(test(), &json!({"a": items})), expected, "{items}");
        }
    }

    #[test]
    fn presence_is_clear_except_for_null() {
        for (args, present, absent) in [
            (json!({"a": 0}), Judgement::Yes, Judgement::No),
            (json!({}), Judgement::No, Judgement::Yes),
            (json!({"a": null}), Judgement::Unclear, Judgement::Unclear),
        ] {
            assert_eq!(judge(Test::Present(true), &args), present, "{args}");
            assert_eq!(judge(Test::Present(false), &args), absent, "{args}");
        }
    }

    #[test]
    fn one_no_outweighs_what_is_unclear() {
        use Judgement::{No, Unclear, Yes};
        for (judgements, whole) in
            [(vec![], Yes), (vec![Yes, Yes], Yes), (vec![Unclear, Yes], Unclear), (vec![Unclear, No], No)]
        {
            assert_eq!(Judgement::all(judgements.iter().copied()), whole, "{judgements:?}");
        }
    }
}
