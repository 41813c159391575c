//! What counts beside the words: what kind of text it is, how old, and under which title it stands, which the index knows;
//! and on which branch, which is asked of the store.

use std::cmp::Ordering;

use crate::chat::searchable::TextKind;
use crate::clock::Timestamp;
use crate::search::Candidate;
use crate::store::Seen;

/// What was said now counts so much more than what was said long ago,
const RECENCY: f32 = 0.2;
/// and half of that after so many days.
const HALF_LIFE_DAYS: f32 = 30.0;
/// What stands under a title that has a word of the query.
const TITLED: f32 = 1.15;
/// What is not on the way to where its conversation stands.
const OFF_PATH: f32 = 0.9;

/// Of what the index knows.
pub(super) fn weight(candidate: &Candidate, is_titled: bool, now: Timestamp) -> f32 {
    let kind = match candidate.kind {
        TextKind::Message => 1.0,
        // They are short, and score high by that alone.
        TextKind::Title | TextKind::Branch => 0.9,
        TextKind::File => 0.8,
        TextKind::Call => 0.7,
    };
    let days = now.since(candidate.at).as_secs_f32() / 86_400.0;
    let title = if is_titled { TITLED } else { 1.0 };
    kind * title * (1.0 + RECENCY * (-days / HALF_LIFE_DAYS).exp2())
}

/// Of what the store knows: at most 1.
pub(super) fn standing(candidate: &Candidate, seen: &Seen) -> f32 {
    let on_path = seen.on_current_path || candidate.kind == TextKind::Title;
    if on_path { 1.0 } else { OFF_PATH }
}

/// By the score, and among equals the newest.
pub(super) fn best_first(a: &Candidate, b: &Candidate) -> Ordering {
    b.score.total_cmp(&a.score).then(b.place().cmp(&a.place()))
}
