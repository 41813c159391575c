//! What was found, kept for a while: whoever turns a page finds the same order, whatever was said meanwhile.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::search::Candidate;

/// Lists that are kept at a time, about 20 KB each at most.
const KEPT: usize = 500;

/// The best that were found, in their order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct List {
    /// Of whom asked, and what for.
    pub question: u64,
    /// Nothing has all of the words.
    pub relaxed: bool,
    pub listed: Vec<Listed>,
    /// What comes behind, in no order that is sure.
    pub rest: Vec<Candidate>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Listed {
    pub candidate: Candidate,
    /// More of the same conversation, where only the best is listed.
    pub others: u32,
}

#[derive(Default)]
pub(super) struct Lists(Mutex<VecDeque<(u64, Arc<List>)>>);

impl Lists {
    /// Returns the name under which the list is found again.
    pub fn keep(&self, list: Arc<List>) -> u64 {
        let name = rand::random();
        let mut kept = self.0.lock();
        kept.push_back((name, list));
        if kept.len() > KEPT {
            kept.pop_front();
        }
        name
    }

    /// If it is still there, and an answer to the same question of the same person.
    pub fn find(&self, name: u64, question: u64) -> Option<Arc<List>> {
        let kept = self.0.lock();
        let (_, list) = kept.iter().find(|(known, _)| *known == name)?;
        (list.question == question).then(|| Arc::clone(list))
    }
}
