//! Numbers that are compared as they are, never as what a conversion makes of them.

use std::cmp::Ordering;

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    Integer(i128),
    /// Finite.
    Float(f64),
}

/// From here on a double leaves out integers, so that it may stand for another number than was written.
const FIRST_INEXACT: f64 = 9_007_199_254_740_992.0;

impl Number {
    /// `None` where it may have been rounded when it was read.
    pub fn of(number: &serde_json::Number) -> Option<Self> {
        let integer = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
        let float = || number.as_f64().filter(|float| float.abs() < FIRST_INEXACT).map(Self::Float);
        integer.map(Self::Integer).or_else(float)
    }

    pub fn compare(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Integer(a), Self::Integer(b)) => a.cmp(&b),
            (Self::Float(a), Self::Float(b)) => a.partial_cmp(&b).expect("floats are finite"),
            (Self::Integer(integer), Self::Float(float)) => compare(integer, float),
            (Self::Float(float), Self::Integer(integer)) => compare(integer, float).reverse(),
        }
    }
}

/// The integer is compared with the whole number below the float. Far outside, the conversion stops at the ends of
/// `i128`, which no integer that was read comes near to.
#[expect(clippy::cast_possible_truncation, reason = "the fraction is looked at apart")]
fn compare(integer: i128, float: f64) -> Ordering {
    let below = float.floor();
    let fraction = if float > below { Ordering::Less } else { Ordering::Equal };
    integer.cmp(&(below as i128)).then(fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Number> {
        Number::of(&serde_json::from_str(text).unwrap())
    }

    #[test]
    fn neighbours_are_told_apart_where_doubles_are_not() {
        for (less, more) in [
            ("20", "20.000000000000004"),
            ("19.999999999999996", "20"),
            ("-20.000000000000004", "-20"),
            ("9007199254740992", "9007199254740993"),
            ("9223372036854775807", "9223372036854775808"),
            ("-9223372036854775808", "-9223372036854775807"),
            ("-0.5", "0"),
            ("0", "5e-324"),
        ] {
            let (less, more) = (read(less).unwrap(), read(more).unwrap());
            assert_eq!(less.compare(more), Ordering::Less, "{less:?} and {more:?}");
            assert_eq!(more.compare(less), Ordering::Greater, "{less:?} and {more:?}");
        }
        assert_eq!(read("20.0").unwrap().compare(read("20").unwrap()), Ordering::Equal);
        assert_eq!(Number::Integer(i128::from(u64::MAX)).compare(Number::Float(1e300)), Ordering::Less);
        assert_eq!(Number::Integer(i128::from(i64::MIN)).compare(Number::Float(-1e300)), Ordering::Greater);
    }

    #[test]
    fn what_may_have_been_rounded_is_no_number() {
        assert_eq!(read("18446744073709551615"), Some(Number::Integer(i128::from(u64::MAX))));
        for text in ["18446744073709551616", "9007199254740993.0", "1e300", "-1e16"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
