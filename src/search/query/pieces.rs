//! Cuts what a person typed into words, phrases and operators.

/// A stretch of a query between spaces or quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'q> {
    Words { text: &'q str, sign: Sign },
    Phrase { text: &'q str, sign: Sign },
    Or,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    Wanted,
    Unwanted,
}

/// The pieces of a query, in order.
pub struct Pieces<'q> {
    rest: &'q str,
    quotes: Quotes,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Quotes {
    Enclose,
    /// The last one has no partner: it is taken for a space.
    Separate,
}

impl<'q> Pieces<'q> {
    pub fn new(text: &'q str) -> Pieces<'q> {
        Pieces { rest: text, quotes: Quotes::Enclose }
    }

    /// What was not read yet.
    pub fn rest(&self) -> &'q str {
        self.rest
    }

    /// What stands between the quote at the beginning of `text` and the next one, and what follows.
    fn quoted(&mut self, text: &'q str) -> Option<(&'q str, &'q str)> {
        if self.quotes == Quotes::Separate {
            return None;
        }
        let inside = text.strip_prefix(is_quote)?;
        let Some(end) = inside.find(is_quote) else {
            self.quotes = Quotes::Separate;
            return None;
        };
        let after = inside[end..].strip_prefix(is_quote).expect("a quote was found here");
        Some((&inside[..end], after))
    }
}

impl<'q> Iterator for Pieces<'q> {
    type Item = Piece<'q>;

    fn next(&mut self) -> Option<Piece<'q>> {
        loop {
            self.rest = self.rest.trim_start();
            if self.rest.is_empty() {
                return None;
            }
            let unsigned = self.rest.strip_prefix('-').filter(|after| !after.starts_with('-'));
            let (text, sign) = match unsigned {
                Some(after) => (after, Sign::Unwanted),
                None => (self.rest, Sign::Wanted),
            };
            if let Some((inside, after)) = self.quoted(text) {
                self.rest = after;
                return Some(Piece::Phrase { text: inside, sign });
            }
            let end = text.find(separates).unwrap_or(text.len());
            let (text, after) = text.split_at(end);
            self.rest = if text.is_empty() { after.trim_start_matches(is_quote) } else { after };
            match (text, sign) {
                ("", _) => {}
                ("OR", Sign::Wanted) => return Some(Piece::Or),
                _ => return Some(Piece::Words { text, sign }),
            }
        }
    }
}

/// What stands between words.
pub fn separates(c: char) -> bool {
    c.is_whitespace() || is_quote(c)
}

/// As keyboards make them, those of phones too.
fn is_quote(c: char) -> bool {
    matches!(c, '"' | '“' | '”' | '„' | '‟' | '«' | '»' | '＂')
}
