//! The letters of a run in a script that writes words without spaces: each is a place where a word may begin.

use super::fold::{Marks, fold};
use super::runs::{is_invisible, is_mark, is_spaceless};

/// What one letter may carry; what is piled on it beyond that is dropped.
const MOST_MARKS: usize = 16;

/// The folded letters of a run, each with the bytes that it comes from.
#[derive(Clone)]
pub struct Letters<'t> {
    text: &'t str,
    at: usize,
    to: usize,
    folded: String,
    /// How much of `folded` was given away.
    given: usize,
    cluster: (usize, usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Letter {
    pub c: char,
    pub from: usize,
    pub to: usize,
}

impl<'t> Letters<'t> {
    pub fn new(text: &'t str, from: usize, to: usize) -> Letters<'t> {
        Letters { text, at: from, to, folded: String::new(), given: 0, cluster: (from, from) }
    }

    /// Folds the next letter with what modifies it.
    fn fold_cluster(&mut self) {
        let rest = &self.text[self.at..self.to];
        let mut end = 0;
        let mut kept = 0;
        for (count, (at, c)) in rest.char_indices().enumerate() {
            if count > 0 && !modifies(c) {
                break;
            }
            end = at + c.len_utf8();
            if count <= MOST_MARKS {
                kept = end;
            }
        }
        self.folded.clear();
        self.given = 0;
        self.cluster = (self.at, self.at + end);
        self.at += end;
        fold(&rest[..kept], Marks::Dropped, &mut self.folded);
        self.folded.retain(|c| is_spaceless(c) || !is_mark(c));
    }
}

impl Iterator for Letters<'_> {
    type Item = Letter;

    fn next(&mut self) -> Option<Letter> {
        loop {
            if let Some(c) = self.folded[self.given..].chars().next() {
                self.given += c.len_utf8();
                return Some(Letter { c, from: self.cluster.0, to: self.cluster.1 });
            }
            if self.at == self.to {
                return None;
            }
            let mut rest = self.text[self.at..self.to].chars();
            let c = rest.next().expect("the run is not at its end");
            if stays(c) && rest.next().is_none_or(stays) {
                let from = self.at;
                self.at += c.len_utf8();
                return Some(Letter { c, from, to: self.at });
            }
            self.fold_cluster();
        }
    }
}

/// Letters that folding leaves as they are, and that are not part of the one before.
fn stays(c: char) -> bool {
    matches!(u32::from(c),
        0x4E00..=0x9FFF | 0x3041..=0x3096 | 0x30A1..=0x30FA | 0x30FC | 0xAC00..=0xD7A3
        | 0x0E01..=0x0E32 | 0x0E34..=0x0E3A | 0x0E40..=0x0E4C | 0x0E81..=0x0EB2 | 0x0EC0..=0x0EC4
        | 0x1000..=0x1025 | 0x1027..=0x103F | 0x1780..=0x17B3 | 0x17B6..=0x17D3)
}

/// Belongs to the letter before it: marks (a Thai vowel stands for itself), voicing, the later letters of a syllable.
fn modifies(c: char) -> bool {
    let is_mark_of_another_script = is_mark(c) && !is_spaceless(c);
    let combines = matches!(u32::from(c), 0x1160..=0x11FF | 0xD7B0..=0xD7FB | 0x314F..=0x3163 | 0xFFC2..=0xFFDC | 0x3099..=0x309C | 0xFF9E..=0xFF9F);
    combines || is_mark_of_another_script || is_invisible(c)
}
