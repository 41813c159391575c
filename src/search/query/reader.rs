//! Makes terms of what was typed, as long as there is room for them.

use super::pieces::{Piece, Sign};
use super::{AnyOf, MOST_WORDS, Query, SHORTEST_PREFIX, Term};
use crate::search::analyzer::{ExactWord, ExactWords, Language, Stems, acronym, name_parts};

pub struct Reader<'l> {
    languages: &'l [Language],
    query: Query,
    /// So many words still count.
    room: usize,
    join: Join,
}

/// How the next wanted term joins those before it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Join {
    /// As a condition of its own; an `OR` before it would have nothing on its left.
    Apart,
    /// As a condition of its own, unless an `OR` comes first.
    Beside,
    /// As another way to meet the last condition.
    Or,
}

impl<'l> Reader<'l> {
    pub fn new(languages: &'l [Language]) -> Reader<'l> {
        Reader { languages, query: Query::default(), room: MOST_WORDS, join: Join::Apart }
    }

    pub fn has_room(&self) -> bool {
        self.room > 0
    }

    /// What was read; `rest` was not.
    pub fn finish(mut self, rest: &str) -> Query {
        self.query.ignored |= ExactWords::new(rest).next().is_some();
        self.query
    }

    pub fn read(&mut self, piece: Piece) {
        match piece {
            Piece::Or if self.join == Join::Apart => {}
            Piece::Or => self.join = Join::Or,
            Piece::Phrase { text, sign } => {
                let terms = self.phrase(text);
                self.add(terms, sign);
            }
            Piece::Words { text, sign } => {
                let terms = self.word(text);
                self.add(terms, sign);
            }
        }
    }

    fn add(&mut self, terms: Vec<Term>, sign: Sign) {
        match sign {
            _ if terms.is_empty() => {}
            Sign::Unwanted => {
                self.query.must_not.extend(terms);
                self.join = Join::Apart;
            }
            Sign::Wanted => {
                match self.query.must.last_mut() {
                    Some(last) if self.join == Join::Or => last.0.extend(terms),
                    _ => self.query.must.push(AnyOf(terms)),
                }
                self.join = Join::Beside;
            }
        }
    }

    /// The words of `text` that there is still room for.
    fn take(&mut self, text: &str) -> Vec<ExactWord> {
        let mut taken: Vec<ExactWord> = Vec::new();
        for mut word in ExactWords::new(text) {
            let first = taken.first().map_or(word.place, |first| first.place);
            word.place -= first;
            if word.place >= self.room {
                self.query.ignored = true;
                break;
            }
            taken.push(word);
        }
        self.room -= taken.last().map_or(0, |last| last.place + 1);
        taken
    }

    fn phrase(&mut self, text: &str) -> Vec<Term> {
        let words = self.take(text);
        let (Some(first), Some(last)) = (words.first(), words.last()) else { return Vec::new() };
        let typed = text[first.from..last.to].to_owned();
        if let [word] = &words[..] {
            return vec![Term::Word { typed, forms: vec![word.text.clone()] }];
        }
        vec![Term::Phrase { typed, words: words.into_iter().map(|word| (word.place, word.text)).collect() }]
    }

    fn word(&mut self, text: &str) -> Vec<Term> {
        let unstarred = text.trim_end_matches('*');
        let words = self.take(unstarred);
        let [word] = &words[..] else { return several(unstarred, words) };

        let typed = unstarred[word.from..word.to].to_owned();
        let starred = unstarred.len() < text.len() && word.to == unstarred.len();
        if starred && word.text.chars().count() >= SHORTEST_PREFIX {
            return vec![Term::Prefix { typed, start: word.text.clone() }];
        }
        let mut forms = vec![word.text.clone()];
        forms.extend(acronym(&typed));
        for language in self.languages {
            for stem in Stems::new(*language).of(&typed, &word.text) {
                if !forms.iter().any(|form| form == stem) {
                    forms.push(stem.to_owned());
                }
            }
        }
        let parts = name_parts(&typed);
        let mut terms = vec![Term::Word { typed: typed.clone(), forms }];
        if (2..=MOST_PARTS).contains(&parts.len()) {
            terms.push(Term::Phrase { typed, words: parts.into_iter().enumerate().collect() });
        }
        terms
    }
}

/// A name of more parts is only looked for as a whole.
const MOST_PARTS: usize = 4;

/// A word with punctuation inside: its parts in a row, or without what stands between them (`e-mail`, email).
fn several(text: &str, words: Vec<ExactWord>) -> Vec<Term> {
    let (Some(first), Some(last)) = (words.first(), words.last()) else { return Vec::new() };
    let typed = text[first.from..last.to].to_owned();
    let joined: String = words.iter().map(|word| word.text.as_str()).collect();
    let hyphened = words.len() <= MOST_PARTS
        && words
            .windows(2)
            .all(|two| matches!(text.get(two[0].to..two[1].from), Some("-" | "." | "'" | "’")));

    let phrase = words.into_iter().map(|word| (word.place, word.text)).collect();
    let mut terms = vec![Term::Phrase { typed: typed.clone(), words: phrase }];
    if hyphened {
        terms.push(Term::Word { typed, forms: vec![joined] });
    }
    terms
}
