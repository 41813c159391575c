//! Text with gaps: `files.*`, `https://*.example.com/**`.

use std::str::FromStr;

use super::condition::Judgement;

/// `*` stands for any characters within one part of a path or URL, `**` for any at all. There is no escape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(String);

/// What ends a part: an allowed host must not end up in somebody else's query.
const ENDS: &[u8] = br"/\?#";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Part,
    All,
}

impl FromStr for Glob {
    type Err = Empty;

    fn from_str(text: &str) -> Result<Self, Empty> {
        if text.is_empty() { Err(Empty) } else { Ok(Self(text.to_owned())) }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("an empty pattern matches nothing")]
pub struct Empty;

impl Glob {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Unclear where it matches only if `*` reaches as far as `**`: whoever forbids `/etc/*` means `/etc/ssh/key` too,
    /// and whoever allows `/srv/*` may not.
    pub fn judge(&self, text: &str) -> Judgement {
        match (self.matches(text, Reach::Part), self.spans(text)) {
            (true, _) => Judgement::Yes,
            (false, true) => Judgement::Unclear,
            (false, false) => Judgement::No,
        }
    }

    /// Whether it matches with every `*` reaching as far as `**`.
    pub fn spans(&self, text: &str) -> bool {
        self.matches(text, Reach::All)
    }

    /// Walks through all the places of the pattern where the text so far may have led, so that no pattern is slow.
    fn matches(&self, text: &str, star: Reach) -> bool {
        let tokens = self.tokens(star);
        let mut places = vec![false; tokens.len() + 1];
        places[0] = true;
        skip_gaps(&mut places, &tokens);
        for byte in text.bytes() {
            let mut next = vec![false; places.len()];
            for (at, token) in tokens.iter().enumerate().filter(|(at, _)| places[*at]) {
                match token {
                    Token::Byte(expected) => next[at + 1] |= *expected == byte,
                    Token::Gap(Reach::Part) => next[at] |= !ENDS.contains(&byte),
                    Token::Gap(Reach::All) => next[at] = true,
                }
            }
            skip_gaps(&mut next, &tokens);
            places = next;
        }
        places[tokens.len()]
    }

    fn tokens(&self, star: Reach) -> Vec<Token> {
        let mut tokens = Vec::new();
        let mut rest = self.0.as_bytes();
        while let [first, after @ ..] = rest {
            rest = match (first, after) {
                (b'*', [b'*', after @ ..]) => {
                    tokens.push(Token::Gap(Reach::All));
                    after
                }
                (b'*', after) => {
                    tokens.push(Token::Gap(star));
                    after
                }
                (byte, after) => {
                    tokens.push(Token::Byte(*byte));
                    after
                }
            };
        }
        tokens
    }
}

#[derive(Debug, Clone, Copy)]
enum Token {
    Byte(u8),
    Gap(Reach),
}

/// A gap may be empty.
fn skip_gaps(places: &mut [bool], tokens: &[Token]) {
    for (at, token) in tokens.iter().enumerate() {
        if places[at] && matches!(token, Token::Gap(_)) {
            places[at + 1] = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glob(pattern: &str) -> Glob {
        pattern.parse().unwrap()
    }

    #[test]
    fn a_star_is_clear_within_a_part_and_two_are_clear_beyond_it() {
        use Judgement::{No, Unclear, Yes};
        for (pattern, text, expected) in [
            ("clock", "clock", Yes),
            ("clock", "clocks", No),
            ("/srv/*.txt", "/srv/.txt", Yes),
            ("/srv/*.txt", "/srv/a.b.txt", Yes),
            ("/srv/*.txt", "/srv/a/b.txt", Unclear),
            ("/srv/**.txt", "/srv/a/b.txt", Yes),
            ("/srv/**/x*y", "/srv/a/b/x/x1y", Yes),
            ("/etc/*", "/srv/etc/", No),
            ("https://*.example.com/**", "https://shop.example.com/a?b", Yes),
            ("https://*.example.com/**", "https://evil.test/.example.com/", Unclear),
            ("https://*.example.com/**", "https://evil.test?.example.com/", Unclear),
            ("https://*.example.com/**", "https://evil.test\\.example.com/", Unclear),
            ("https://*.example.com/**", "https://evil.test#.example.com/", Unclear),
            ("*é", "ééé", Yes),
            ("*", "", Yes),
        ] {
            assert_eq!(glob(pattern).judge(text), expected, "{pattern} of {text}");
        }
    }

    #[test]
    fn many_stars_are_not_slow() {
        let text = "a".repeat(100_000);
        assert!(!glob(&format!("{}b", "a*".repeat(20))).spans(&text));
    }
}
