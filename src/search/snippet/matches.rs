//! Finds what a query looks for in a text, as the index would.

use rustc_hash::FxHashMap;

use crate::search::analyzer::{Forms, Initials, Language, Words};
use crate::search::query::{Query, Term};

/// A stretch of the text, in bytes, and which conditions of the query it meets, a bit for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    pub from: usize,
    pub to: usize,
    pub meets: u32,
}

/// The query, turned around: what each term of the index means to it.
#[derive(Default)]
pub struct Wanted<'q> {
    terms: FxHashMap<&'q str, Meaning>,
    prefixes: Vec<(&'q str, u32)>,
    initials: Initials,
    /// The places of all phrases one after another, a bit for each.
    begins: u128,
    ends: u128,
    /// Where any word may stand.
    gaps: u128,
    /// Of the phrase that a place ends: how long it is, and what it meets.
    ended: Vec<(usize, u32)>,
}

#[derive(Clone, Copy, Default)]
struct Meaning {
    meets: u32,
    /// The places of phrases where it may stand.
    places: u128,
}

impl<'q> Wanted<'q> {
    pub fn new(query: &'q Query) -> Wanted<'q> {
        let mut wanted = Wanted::default();
        for (index, any_of) in query.must.iter().enumerate() {
            any_of.0.iter().for_each(|term| wanted.add(term, 1 << index));
        }
        wanted
    }

    /// What the text has of it, in the order of its beginnings.
    pub fn matches(&self, text: &str, language: Option<Language>) -> Vec<Match> {
        let mut words = Words::beginning_with(text, language, self.initials.clone());
        let mut forms = Forms::default();
        let mut phrases = Phrases::default();
        let mut found = Vec::new();
        while words.next(&mut forms) {
            found.extend(self.word(&forms));
            phrases.step(self, &forms, &mut found);
        }
        found.sort_by_key(|found| (found.from, found.to));
        found
    }

    fn add(&mut self, term: &'q Term, meets: u32) {
        match term {
            Term::Word { forms, .. } => {
                for form in forms {
                    self.insert_initial(form);
                    self.terms.entry(form).or_default().meets |= meets;
                }
            }
            Term::Prefix { start, .. } => {
                self.insert_initial(start);
                self.prefixes.push((start, meets));
            }
            Term::Phrase { words, .. } => self.add_phrase(words, meets),
        }
    }

    fn add_phrase(&mut self, words: &'q [(usize, String)], meets: u32) {
        let first = self.ended.len();
        let length = words.last().map_or(0, |(place, _)| place + 1);
        if length == 0 || first + length > MOST_PLACES {
            return;
        }
        self.ended.resize(first + length, (length, meets));
        self.begins |= 1 << first;
        self.ends |= 1 << (first + length - 1);
        for place in first..first + length {
            self.gaps |= 1 << place;
        }
        for (place, text) in words {
            self.insert_initial(text);
            self.terms.entry(text).or_default().places |= 1 << (first + place);
            self.gaps &= !(1 << (first + place));
        }
    }

    fn insert_initial(&mut self, text: &str) {
        text.chars().next().into_iter().for_each(|c| self.initials.insert(c));
    }

    /// What the word is by itself.
    fn word(&self, forms: &Forms) -> Option<Match> {
        let mut found: Option<Match> = None;
        for (text, from, to) in forms.iter() {
            let prefixes = self.prefixes.iter().filter(|(start, _)| text.starts_with(start));
            let by_prefix = prefixes.fold(0, |meets, (_, of)| meets | of);
            let meets = by_prefix | self.terms.get(text).map_or(0, |meaning| meaning.meets);
            if meets == 0 {
                continue;
            }
            let found = found.get_or_insert(Match { from, to, meets });
            *found = Match { from: found.from.min(from), to: found.to.max(to), meets: found.meets | meets };
        }
        found
    }
}

/// As many places as `Wanted` has bits: the words of a query, each in at most four parts.
const MOST_PLACES: usize = 128;

/// How far each phrase has come, all at once: a bit per place that was reached.
struct Phrases {
    reached: u128,
    /// Where the last words begin, by their number modulo the length.
    beginnings: [usize; MOST_PLACES],
    word: usize,
}

impl Default for Phrases {
    fn default() -> Phrases {
        Phrases { reached: 0, beginnings: [0; MOST_PLACES], word: 0 }
    }
}

impl Phrases {
    fn step(&mut self, wanted: &Wanted, forms: &Forms, found: &mut Vec<Match>) {
        if wanted.begins == 0 {
            return;
        }
        self.beginnings[self.word % MOST_PLACES] = forms.get(0).map_or(0, |(_, from, _)| from);
        let mut here = wanted.gaps;
        let mut end = 0;
        for (text, _, to) in forms.iter() {
            let places = wanted.terms.get(text).map_or(0, |meaning| meaning.places);
            here |= places;
            if places & wanted.ends != 0 {
                end = end.max(to);
            }
        }
        self.reached = ((self.reached << 1) | wanted.begins) & here;
        let mut ended = self.reached & wanted.ends;
        while ended != 0 {
            let (length, meets) = wanted.ended[ended.trailing_zeros() as usize];
            let from = self.beginnings[(self.word + 1 - length) % MOST_PLACES];
            found.push(Match { from, to: end, meets });
            ended &= ended - 1;
        }
        self.word += 1;
    }
}
