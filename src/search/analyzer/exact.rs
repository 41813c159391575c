//! The words of a text as a phrase wants them: one form for each place, and no stems.

use super::fold::{Marks, fold};
use super::parts::{parts, pieces, singular};
use super::words::{Forms, Words};

/// The words of a text that the index has.
pub struct ExactWords<'t> {
    words: Words<'t>,
    forms: Forms,
    place: usize,
    /// Up to here the text is in the words that were given.
    covered: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExactWord {
    pub text: String,
    /// Which word of the text it is, counting those that the index does not have.
    pub place: usize,
    /// The bytes of the text.
    pub from: usize,
    pub to: usize,
}

impl<'t> ExactWords<'t> {
    pub fn new(text: &'t str) -> ExactWords<'t> {
        ExactWords { words: Words::exact(text), forms: Forms::default(), place: 0, covered: 0 }
    }
}

impl Iterator for ExactWords<'_> {
    type Item = ExactWord;

    /// A single letter that the pair before it says already is left out.
    fn next(&mut self) -> Option<ExactWord> {
        while self.words.next(&mut self.forms) {
            let place = self.place;
            self.place += 1;
            if let Some((text, from, to)) = self.forms.get(0).filter(|(_, _, to)| *to > self.covered) {
                self.covered = to;
                return Some(ExactWord { text: text.to_owned(), place, from, to });
            }
        }
        None
    }
}

/// The acronym of which a word is the plural, folded.
pub fn acronym(word: &str) -> Option<String> {
    let mut text = String::new();
    fold(singular(word)?, Marks::Dropped, &mut text);
    Some(text)
}

/// The folded parts of one word: parse, query for `parse_query` and `parseQuery`.
pub fn name_parts(name: &str) -> Vec<String> {
    let mut folded = Vec::new();
    let mut add = |part: &str| {
        let mut text = String::new();
        fold(part, Marks::Dropped, &mut text);
        folded.extend(Some(text).filter(|text| !text.is_empty()));
    };
    for (from, to) in pieces(name) {
        let piece = &name[from..to];
        let parts = parts(piece);
        if parts.is_empty() {
            add(piece);
        }
        parts.iter().for_each(|(from, to)| add(&piece[*from..*to]));
    }
    folded
}
