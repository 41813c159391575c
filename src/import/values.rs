//! JSON values one at a time, out of an array or one after the other, in bounded memory.
//!
//! serde_json reads streams too, but neither gets past a value that is broken nor past one that is too large. This
//! only counts brackets: whatever stands between them, the next value is found.

use std::io::{self, Read};

use memchr::memchr2;

const BUFFER: usize = 64 * 1024;

/// Values of a stream.
pub struct Values<R> {
    from: R,
    buffer: Vec<u8>,
    at: usize,
    filled: usize,
    /// How much of the stream lies behind.
    pub read: u64,
    limit: usize,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    InArray,
    /// Values that follow each other.
    Sequence,
    End,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Value {
    /// An object or array, as it stands there; balanced, not more.
    Whole(Vec<u8>),
    /// Larger than the limit; it was passed over.
    TooLarge(u64),
    /// No object: a number, a text.
    Scalar,
    /// The stream ended inside the value, or before its array's end.
    Truncated,
}

impl<R: Read> Values<R> {
    pub fn new(from: R, limit: usize) -> Self {
        let buffer = vec![0; BUFFER];
        Self { from, buffer, at: 0, filled: 0, read: 0, limit, state: State::Start }
    }

    pub fn next(&mut self) -> io::Result<Option<Value>> {
        loop {
            if self.state == State::End {
                return Ok(None);
            }
            let Some(byte) = self.skip_space()? else {
                let cut = self.state == State::InArray;
                self.state = State::End;
                return Ok(cut.then_some(Value::Truncated));
            };
            match (self.state, byte) {
                (State::Start, b'[') => {
                    self.at += 1;
                    self.state = State::InArray;
                }
                (State::Start, _) => self.state = State::Sequence,
                (State::InArray, b']') => self.state = State::End,
                (State::InArray | State::Sequence, b',') => self.at += 1,
                (_, b'{' | b'[') => return self.container().map(Some),
                (_, _) => {
                    self.scalar()?;
                    return Ok(Some(Value::Scalar));
                }
            }
        }
    }

    fn fill(&mut self) -> io::Result<bool> {
        if self.at < self.filled {
            return Ok(true);
        }
        self.at = 0;
        self.filled = loop {
            match self.from.read(&mut self.buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        self.read += self.filled as u64;
        Ok(self.filled > 0)
    }

    /// The next byte that says something, not taken yet. A byte order mark says nothing.
    fn skip_space(&mut self) -> io::Result<Option<u8>> {
        while self.fill()? {
            match self.buffer[self.at] {
                b' ' | b'\t' | b'\r' | b'\n' | 0xef | 0xbb | 0xbf => self.at += 1,
                byte => return Ok(Some(byte)),
            }
        }
        Ok(None)
    }

    fn container(&mut self) -> io::Result<Value> {
        let (mut value, mut passed, mut depth) = (Vec::new(), 0u64, 0usize);
        let (mut in_string, mut escaped) = (false, false);
        loop {
            if !self.fill()? {
                self.state = State::End;
                return Ok(Value::Truncated);
            }
            let start = self.at;
            let mut ended = false;
            while self.at < self.filled {
                if in_string && !escaped {
                    // Most bytes of an export are text.
                    let rest = &self.buffer[self.at..self.filled];
                    self.at += memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
                    if self.at == self.filled {
                        break;
                    }
                }
                let byte = self.buffer[self.at];
                self.at += 1;
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' if in_string => escaped = true,
                    b'"' => in_string = !in_string,
                    b'{' | b'[' if !in_string => depth += 1,
                    b'}' | b']' if !in_string => {
                        depth -= 1;
                        if depth == 0 {
                            ended = true;
                            break;
                        }
                    }
                    _ => {}
                }
            }
            let piece = &self.buffer[start..self.at];
            passed += piece.len() as u64;
            if passed <= self.limit as u64 {
                value.extend_from_slice(piece);
            } else {
                value = Vec::new();
            }
            if ended {
                let fits = passed <= self.limit as u64;
                return Ok(if fits { Value::Whole(value) } else { Value::TooLarge(passed) });
            }
        }
    }

    /// Passes over what is neither an object nor an array.
    fn scalar(&mut self) -> io::Result<()> {
        let (mut in_string, mut escaped) = (false, false);
        while self.fill()? {
            match self.buffer[self.at] {
                _ if escaped => escaped = false,
                b'\\' if in_string => escaped = true,
                b'"' => in_string = !in_string,
                b',' | b'\n' | b'[' | b'{' | b']' if !in_string => return Ok(()),
                _ => {}
            }
            self.at += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str, limit: usize) -> Vec<String> {
        // One byte at a time: whatever is cut anywhere is put together again.
        struct Drip<'a>(&'a [u8]);
        impl Read for Drip<'_> {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                let Some((first, rest)) = self.0.split_first() else { return Ok(0) };
                (into[0], self.0) = (*first, rest);
                Ok(1)
            }
        }
        let mut values = Values::new(Drip(text.as_bytes()), limit);
        let mut found = Vec::new();
        while let Some(value) = values.next().unwrap() {
            found.push(match value {
                Value::Whole(bytes) => String::from_utf8(bytes).unwrap(),
                other => format!("{other:?}"),
            });
            assert!(found.len() < 100, "{text}");
        }
        found
    }

    #[test]
    fn values_come_from_an_array_and_one_after_the_other() {
        let strange = r#"{"a": "]}\"{", "b": [{}, "\\"]}"#;
        assert_eq!(all(&format!("\u{feff} [ {strange} ,{{}}]"), 100), [strange, "{}"]);
        assert_eq!(all(&format!("{strange}\n{{}}\n"), 100), [strange, "{}"]);
        assert_eq!(all("", 100), [""; 0]);
        assert_eq!(all("[]", 100), [""; 0]);
    }

    #[test]
    fn what_is_too_large_or_no_object_is_passed_over() {
        assert_eq!(
            all(r#"[{"a": "0123456789"}, 7, "x,{", {"b": 1}]"#, 10),
            ["TooLarge(19)", "Scalar", "Scalar", r#"{"b": 1}"#]
        );
    }

    #[test]
    fn an_end_in_the_middle_is_told() {
        assert_eq!(all(r#"[{"a": 1}, {"b": "#, 100), [r#"{"a": 1}"#, "Truncated"]);
        assert_eq!(all(r#"[{"a": 1}"#, 100), [r#"{"a": 1}"#, "Truncated"]);
        assert_eq!(all(r#"{"a": "#, 100), ["Truncated"]);
    }
}
