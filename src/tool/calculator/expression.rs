//! An arithmetic expression, worked out while it is read. Its length and depth are bounded, and so is every number.

use rust_decimal::{Decimal, MathematicalOps};

const MOST_BYTES: usize = 4096;
const MOST_DEPTH: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the expression is longer than {MOST_BYTES} bytes")]
    TooLong,
    #[error("the expression is nested deeper than {MOST_DEPTH} levels")]
    TooDeep,
    #[error("the expression ends too early")]
    EndsEarly,
    #[error("`{0}` is not expected at character {1}")]
    Unexpected(char, usize),
    #[error("`{0}` has more than 28 digits or is not a number")]
    NotANumber(String),
    #[error("division by zero")]
    DivisionByZero,
    #[error("the result is too large: more than 28 digits")]
    TooLarge,
    #[error("an exponent must be a whole number")]
    Exponent,
}

pub fn evaluate(text: &str) -> Result<Decimal, Error> {
    if text.len() > MOST_BYTES {
        return Err(Error::TooLong);
    }
    let mut reader = Reader { characters: text.chars().collect(), at: 0, depth: 0 };
    let value = reader.sum()?;
    match reader.peek() {
        None => Ok(value),
        Some(found) => Err(reader.unexpected(found)),
    }
}

struct Reader {
    characters: Vec<char>,
    at: usize,
    depth: usize,
}

impl Reader {
    fn sum(&mut self) -> Result<Decimal, Error> {
        let mut value = self.product()?;
        while let Some(sign) = self.take(&['+', '-', '−']) {
            let other = self.product()?;
            let sum = if sign == '+' { value.checked_add(other) } else { value.checked_sub(other) };
            value = sum.ok_or(Error::TooLarge)?;
        }
        Ok(value)
    }

    fn product(&mut self) -> Result<Decimal, Error> {
        let mut value = self.signed()?;
        while let Some(sign) = self.take(&['*', '×', '/', '÷', '%']) {
            let other = self.signed()?;
            let product = match sign {
                '*' | '×' => value.checked_mul(other),
                _ if other.is_zero() => return Err(Error::DivisionByZero),
                '%' => value.checked_rem(other),
                _ => value.checked_div(other),
            };
            value = product.ok_or(Error::TooLarge)?;
        }
        Ok(value)
    }

    /// A sign binds less than a power: -2^2 is -4.
    fn signed(&mut self) -> Result<Decimal, Error> {
        match self.take(&['+', '-', '−']) {
            Some('+') => self.deeper(Self::signed),
            Some(_) => self.deeper(Self::signed).map(|value| -value),
            None => self.power(),
        }
    }

    /// From the right: 2^3^2 is 2^9.
    fn power(&mut self) -> Result<Decimal, Error> {
        let base = self.operand()?;
        match self.take(&['^']) {
            Some(_) => raised(base, self.deeper(Self::signed)?),
            None => Ok(base),
        }
    }

    fn operand(&mut self) -> Result<Decimal, Error> {
        if self.take(&['(']).is_none() {
            return self.number();
        }
        let value = self.deeper(Self::sum)?;
        match self.take(&[')']) {
            Some(_) => Ok(value),
            None => Err(self.peek().map_or(Error::EndsEarly, |found| self.unexpected(found))),
        }
    }

    fn number(&mut self) -> Result<Decimal, Error> {
        let first = self.peek().ok_or(Error::EndsEarly)?;
        let digits = |c: &&char| c.is_ascii_digit() || **c == '.';
        let text: String = self.characters[self.at..].iter().take_while(digits).collect();
        if text.is_empty() {
            return Err(self.unexpected(first));
        }
        self.at += text.len();
        Decimal::from_str_exact(&text).map_err(|_| Error::NotANumber(text.chars().take(40).collect()))
    }

    fn deeper(&mut self, read: impl FnOnce(&mut Self) -> Result<Decimal, Error>) -> Result<Decimal, Error> {
        if self.depth == MOST_DEPTH {
            return Err(Error::TooDeep);
        }
        self.depth += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn take(&mut self, wanted: &[char]) -> Option<char> {
        let found = self.peek().filter(|c| wanted.contains(c))?;
        self.at += 1;
        Some(found)
    }

    /// The next character that is no white space.
    fn peek(&mut self) -> Option<char> {
        while self.characters.get(self.at).is_some_and(|c| c.is_whitespace()) {
            self.at += 1;
        }
        self.characters.get(self.at).copied()
    }

    fn unexpected(&self, found: char) -> Error {
        Error::Unexpected(found, self.at + 1)
    }
}

fn raised(base: Decimal, exponent: Decimal) -> Result<Decimal, Error> {
    if !exponent.is_integer() {
        return Err(Error::Exponent);
    }
    if base.is_zero() && exponent.is_sign_negative() && !exponent.is_zero() {
        return Err(Error::DivisionByZero);
    }
    let exponent = i64::try_from(exponent).map_err(|_| Error::TooLarge)?;
    base.checked_powi(exponent).ok_or(Error::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match evaluate(text) {
            Ok(value) => value.normalize().to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn arithmetic_is_exact_and_binds_as_on_paper() {
        for (text, expected) in [
            ("12*7", "84"),
            ("1 + 2 * 3", "7"),
            ("(1 + 2) * 3", "9"),
            ("10 - 4 - 3", "3"),
            ("0.1 + 0.2", "0.3"),
            ("19.99 * 3", "59.97"),
            ("100 / 8", "12.5"),
            ("1 / 3", "0.3333333333333333333333333333"),
            ("10 % 4", "2"),
            ("-7 % 3", "-1"),
            ("2 ^ 10", "1024"),
            ("2 ^ 3 ^ 2", "512"),
            ("-2 ^ 2", "-4"),
            ("2 ^ -2", "0.25"),
            ("0 ^ 0", "1"),
            ("--3", "3"),
            (".5 + 1.", "1.5"),
            ("6 ÷ 3 × 2 − 1", "3"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_worked_out_says_why() {
        for (text, expected) in [
            ("1 / 0", "division by zero"),
            ("1 % 0", "division by zero"),
            ("1 / (3 - 3)", "division by zero"),
            ("0 ^ -1", "division by zero"),
            ("", "the expression ends too early"),
            ("1 +", "the expression ends too early"),
            ("(1", "the expression ends too early"),
            ("1 2", "`2` is not expected at character 3"),
            ("2 * x", "`x` is not expected at character 5"),
            ("1)", "`)` is not expected at character 2"),
            ("1.2.3", "`1.2.3` has more than 28 digits or is not a number"),
            ("2 ^ 0.5", "an exponent must be a whole number"),
            ("9 ^ 9 ^ 9", "the result is too large: more than 28 digits"),
            ("10 ^ 20 * 10 ^ 20", "the result is too large: more than 28 digits"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn a_bomb_is_refused_at_once() {
        assert_eq!(evaluate(&"1+".repeat(3000)), Err(Error::TooLong));
        assert_eq!(evaluate(&"(".repeat(4000)), Err(Error::TooDeep));
        assert_eq!(evaluate(&"-".repeat(4000)), Err(Error::TooDeep));
        assert_eq!(evaluate(&"2^".repeat(2000)), Err(Error::TooDeep));
        assert_eq!(evaluate(&"9".repeat(4000)), Err(Error::NotANumber("9".repeat(40))));
        // As large as an exponent gets, and a base whose powers stay small.
        let small = evaluate("0.9999999999999999999999999999 ^ 9223372036854775807");
        assert!(small.is_ok_and(|value| value < Decimal::ONE));
        assert_eq!(evaluate("1.5 ^ -9223372036854775807"), Err(Error::TooLarge));
    }
}
