//! The index at one moment, with somebody's eyes. Whatever an answer depends on is counted in what they see: what others
//! say in other places changes nothing in it.

use std::sync::Arc;

use super::analyzer::Language;
use super::index::{Committed, Error, Fields, Index, unbroken};
use super::shown::{FEW, Seen};
use crate::chat::searchable::{Reach, Sees};
use crate::priority::give_way;

/// A language that fewer than one in so many texts are in is not looked for: some of those are in another one.
const RARE: u32 = 500;

pub struct View {
    pub(super) committed: Arc<Committed>,
    pub(super) fields: Fields,
    reaches: Vec<Arc<Reach>>,
    /// Whatever conversation is seen at all is seen as a whole.
    pub(super) sees_wholes: bool,
    /// Of each piece.
    pub(super) seen: Vec<Arc<Seen>>,
}

impl Index {
    /// What is in none of the reaches is not seen.
    pub fn view(&self, reaches: &[Arc<Reach>]) -> Result<View, Error> {
        unbroken(|| {
            let committed = self.committed();
            let reaches = reaches.to_vec();
            let conversations: usize = reaches.iter().map(|reach| reach.len()).sum();
            let few: Option<Vec<_>> = (conversations <= FEW).then(|| {
                let all = reaches.iter().flat_map(|reach| reach.all());
                all.map(|conversation| (conversation, sees(&reaches, conversation))).collect()
            });
            let segments = committed.searcher.segment_readers().iter().zip(&committed.columns);
            let seen = segments.map(|(segment, columns)| {
                give_way();
                match &few {
                    Some(few) => Arc::new(Seen::of(few.iter().copied(), segment, columns)),
                    None => self.shown.of(&reaches, segment, columns),
                }
            });
            let seen = seen.collect();
            let sees_wholes = reaches.iter().all(|reach| !reach.has_forks());
            Ok(View { committed, fields: self.fields, reaches, sees_wholes, seen })
        })
    }
}

impl View {
    /// Those that texts are in: words are looked for by their stems in these.
    pub fn languages(&self) -> Vec<Language> {
        let count = |language: usize| -> u32 { self.seen.iter().map(|seen| seen.languages[language]).sum() };
        let all: u32 = (0..=Language::ALL.len()).map(count).sum();
        let is_rare = |language: usize| count(language).saturating_mul(RARE) < all.max(1);
        (1..=Language::ALL.len())
            .filter(|language| !is_rare(*language))
            .filter_map(|language| Language::of_number(language as u64))
            .collect()
    }

    pub(super) fn sees(&self, conversation: u64) -> Sees {
        sees(&self.reaches, conversation)
    }
}

fn sees(reaches: &[Arc<Reach>], conversation: u64) -> Sees {
    let mut sees = Sees::Nothing;
    for reach in reaches {
        match reach.sees(conversation) {
            Sees::All => return Sees::All,
            Sees::Some => sees = Sees::Some,
            Sees::Nothing => {}
        }
    }
    sees
}
