//! Turns text into the terms of the index: folded words, names in their parts, stems, pairs of letters.
//!
//! Each word is one place, whatever its spelling: `parse_query`, `parseQuery` and `parsequery` are the same word in
//! the same place, so that a phrase finds them all. Queries and snippets go through the same code.

mod exact;
mod fold;
mod initials;
mod language;
mod parts;
mod runs;
mod spaceless;
mod stems;
#[cfg(test)]
pub(super) mod tests;
mod words;

use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

use crate::priority::give_way;

pub use language::Language;

pub(super) use exact::{ExactWord, ExactWords, acronym, name_parts};
pub(super) use initials::Initials;
pub(super) use runs::{is_invisible, is_mark, is_spaceless};
pub(super) use stems::Stems;
pub(super) use words::{Forms, Words};

/// Raised whenever a text becomes other terms than before: an index that was made with another version is of no use.
pub const VERSION: u32 = 2;

/// Words of a text, between which others go first.
const STRETCH: usize = 16;

/// The tokenizer of the index.
#[derive(Clone, Default)]
pub struct Analyzer {
    forms: Forms,
    token: Token,
}

impl Tokenizer for Analyzer {
    type TokenStream<'a> = Tokens<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Tokens<'a> {
        self.token.reset();
        Tokens { words: Words::new(text), forms: &mut self.forms, next: 0, token: &mut self.token }
    }
}

/// The tokens of one text. Those of one word have one position.
pub struct Tokens<'a> {
    words: Words<'a>,
    forms: &'a mut Forms,
    next: usize,
    token: &'a mut Token,
}

impl TokenStream for Tokens<'_> {
    fn advance(&mut self) -> bool {
        loop {
            if let Some((text, from, to)) = self.forms.get(self.next) {
                self.token.text.clear();
                self.token.text.push_str(text);
                (self.token.offset_from, self.token.offset_to) = (from, to);
                self.next += 1;
                return true;
            }
            if self.token.position.wrapping_add(1).is_multiple_of(STRETCH) {
                give_way();
            }
            if !self.words.next(self.forms) {
                return false;
            }
            self.token.position = self.token.position.wrapping_add(1);
            self.next = 0;
        }
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}
