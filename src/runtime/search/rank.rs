//! What counts beside the words: what kind of text it is and how old, which the index knows; under which title it stands
//! and on which branch, which is asked of the store.

use std::cmp::Ordering;

use crate::chat::searchable::TextKind;
use crate::clock::Timestamp;
use crate::search::{Candidate, Highlighter};
use crate::store::Seen;

/// What was said now counts so much more than what was said long ago,
const RECENCY: f32 = 0.2;
/// and half of that after so many days.
const HALF_LIFE_DAYS: f32 = 30.0;
/// What stands under a title that has a word of the query.
const TITLED: f32 = 1.15;
/// What is not on the way to where its conversation stands.
const OFF_PATH: f32 = 0.9;

/// No [`standing`] is more.
pub(super) const HIGHEST_STANDING: f32 = TITLED;

/// Of what the index knows.
pub(super) fn weight(candidate: &Candidate, now: Timestamp) -> f32 {
    let kind = match candidate.kind {
        TextKind::Message => 1.0,
        // They are short, and score high by that alone.
        TextKind::Title | TextKind::Branch => 0.9,
        TextKind::File => 0.8,
        TextKind::Call => 0.7,
    };
    let days = now.since(candidate.at).as_secs_f32() / 86_400.0;
    kind * (1.0 + RECENCY * (-days / HALF_LIFE_DAYS).exp2())
}

/// Of what the store knows.
pub(super) fn standing(candidate: &Candidate, seen: &Seen, words: &Highlighter<'_>) -> f32 {
    let on_path = seen.on_current_path || candidate.kind == TextKind::Title;
    titled(seen.title.as_deref(), words) * (if on_path { 1.0 } else { OFF_PATH })
}

/// Of the title alone: what stands under it has no higher [`standing`].
pub(super) fn titled(title: Option<&str>, words: &Highlighter<'_>) -> f32 {
    if title.is_some_and(|title| words.finds_any(title)) { TITLED } else { 1.0 }
}

/// By the score, and among equals the newest.
pub(super) fn best_first(a: &Candidate, b: &Candidate) -> Ordering {
    b.score.total_cmp(&a.score).then(b.place().cmp(&a.place()))
}
