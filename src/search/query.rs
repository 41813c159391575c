//! What a person asks for: words, `"phrases"`, `-not`, `OR`, `prefix*`, in the terms of the index.
//!
//! Reading a query never fails and takes time linear in its length: what makes no sense as an operator is a word.

mod pieces;
mod reader;
#[cfg(test)]
mod tests;

use crate::search::analyzer::Language;
use pieces::{Piece, Pieces, Sign};
use reader::Reader;

/// So many words count, those in phrases too.
pub const MOST_WORDS: usize = 32;

/// A prefix has at least so many letters; a shorter one is a word.
pub const SHORTEST_PREFIX: usize = 3;

/// A text is found that has one of each of `must` and none of `must_not`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    pub must: Vec<AnyOf>,
    pub must_not: Vec<Term>,
    ignored: bool,
}

/// What stands around an `OR`, or is one thing in several spellings. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnyOf(pub Vec<Term>);

/// One thing to look for, and how it was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Term {
    /// Any of these terms of the index; the first is the word itself, the others are its stems.
    Word { typed: String, forms: Vec<String> },
    /// At least two terms of the index, each so many places after the first.
    Phrase { typed: String, words: Vec<(usize, String)> },
    /// Any term of the index that begins like this.
    Prefix { typed: String, start: String },
}

impl Query {
    /// Reads a query. Words are also looked for by their stems in each of `languages`.
    pub fn parse(text: &str, languages: &[Language]) -> Query {
        let mut reader = Reader::new(languages);
        let mut pieces = Pieces::new(text);
        while reader.has_room()
            && let Some(piece) = pieces.next()
        {
            reader.read(piece);
        }
        let query = reader.finish(pieces.rest());
        if query.is_empty() { Query::plain(text, languages) } else { query }
    }

    /// Reads all of it as words to look for, operators too.
    pub fn plain(text: &str, languages: &[Language]) -> Query {
        let mut reader = Reader::new(languages);
        let mut rest = text;
        while reader.has_room() && !rest.is_empty() {
            let (word, after) = rest.split_once(pieces::separates).unwrap_or((rest, ""));
            reader.read(Piece::Words { text: word.trim_end_matches('*'), sign: Sign::Wanted });
            rest = after;
        }
        reader.finish(rest)
    }

    /// There is nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.must.is_empty()
    }

    /// There were more words than count.
    pub fn ignored(&self) -> bool {
        self.ignored
    }
}

impl Term {
    /// As it was typed, without operators.
    pub fn typed(&self) -> &str {
        match self {
            Term::Word { typed, .. } | Term::Phrase { typed, .. } | Term::Prefix { typed, .. } => typed,
        }
    }
}
