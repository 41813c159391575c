//! The stems of a word in one language.

use frostem::Stemmer;

use super::fold::{Marks, fold};
use super::language::Language;
use super::runs::is_spaceless;

/// Stems words, one after another.
#[derive(Clone)]
pub struct Stems {
    language: Language,
    stemmer: Stemmer,
    /// The word with its diacritics: a buffer.
    spelled: String,
    found: [String; 2],
}

impl Stems {
    pub fn new(language: Language) -> Stems {
        Stems { language, stemmer: language.stemmer(), spelled: String::new(), found: Default::default() }
    }

    /// Whether a stem may begin with another letter than its word.
    pub fn change_initials(&self) -> bool {
        matches!(self.language, Language::Arabic | Language::Dutch | Language::Tamil)
    }

    /// The stems of `word` that are not its folded form: that of the word as people type it who leave the accents
    /// out, and that of the word as it is spelled.
    pub fn of(&mut self, word: &str, folded: &str) -> impl Iterator<Item = &str> + use<'_> {
        let [of_folded, of_spelled] = &mut self.found;
        of_folded.clear();
        of_spelled.clear();
        if folded.len() >= SHORTEST && !folded.starts_with(|c: char| c.is_numeric() || is_spaceless(c)) {
            of_folded.push_str(&self.stemmer.stem(folded));
            if !word.is_ascii() {
                self.spelled.clear();
                fold(word, Marks::Kept, &mut self.spelled);
                if self.spelled != folded {
                    fold(&self.stemmer.stem(&self.spelled), Marks::Dropped, of_spelled);
                }
            }
        }
        if of_folded == folded {
            of_folded.clear();
        }
        if of_spelled == folded || of_spelled == of_folded {
            of_spelled.clear();
        }
        self.found.iter().map(String::as_str).filter(|stem| !stem.is_empty())
    }
}

/// Of what is shorter, in bytes, nothing is an ending.
const SHORTEST: usize = 3;
