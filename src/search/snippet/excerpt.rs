//! Cuts a stretch out of a text, between words.

use super::written::{Look, look};
use crate::search::analyzer::{is_invisible, is_mark, is_spaceless};

/// The bytes from here to there that fit into `room` characters, with `window` in the middle. Where `window` itself
/// does not fit, its end is missing.
pub fn around(text: &str, window: (usize, usize), room: usize) -> (usize, usize) {
    let inside = fitting(text[window.0..window.1].chars(), room);
    let end = window.0 + inside.bytes;
    let room = room - inside.characters;
    let before = |room| fitting(text[..window.0].chars().rev(), room);
    let after = |room| fitting(text[end..].chars(), room);

    let after = after(room - before(room / 2).characters);
    let before = before(room - after.characters);
    (next_border(text, window.0 - before.bytes, window.0), last_border(text, end, end + after.bytes))
}

struct Stretch {
    bytes: usize,
    /// As they are shown.
    characters: usize,
}

/// How many of `chars` go into `room`.
fn fitting(chars: impl Iterator<Item = char>, room: usize) -> Stretch {
    let mut fits = Stretch { bytes: 0, characters: 0 };
    let mut after_space = false;
    for c in chars {
        let characters = match look(c) {
            Look::Nothing => 0,
            Look::Space => usize::from(!after_space),
            Look::Itself => 1,
        };
        if fits.characters + characters > room {
            break;
        }
        fits.bytes += c.len_utf8();
        fits.characters += characters;
        match look(c) {
            Look::Nothing => {}
            Look::Space => after_space = true,
            Look::Itself => after_space = false,
        }
    }
    fits
}

/// So many characters are given up at most to cut between words.
const MOST_GIVEN_UP: usize = 32;

/// The first place from `at` on where no word is cut; `at`, if there is none soon or before `latest`.
fn next_border(text: &str, at: usize, latest: usize) -> usize {
    let mut before = text[..at].chars().next_back();
    let near = text[at..].char_indices().take(MOST_GIVEN_UP);
    for (offset, c) in near.take_while(|(offset, _)| at + offset <= latest) {
        if before.is_none_or(|before| !joined(before, c)) {
            return at + offset;
        }
        before = Some(c);
    }
    at
}

/// The last place up to `at` where no word is cut; `at`, if there is none near or after `earliest`.
fn last_border(text: &str, earliest: usize, at: usize) -> usize {
    let mut after = text[at..].chars().next();
    let mut border = at;
    for c in text[earliest..at].chars().rev().take(MOST_GIVEN_UP) {
        if after.is_none_or(|after| !joined(c, after)) {
            return border;
        }
        border -= c.len_utf8();
        after = Some(c);
    }
    at
}

/// Whether two characters are parts of the same word.
fn joined(before: char, after: char) -> bool {
    let in_word = |c: char| (c.is_alphanumeric() || c == '_' || is_mark(c)) && !is_spaceless(c);
    is_mark(after) || is_invisible(after) || is_invisible(before) || (in_word(before) && in_word(after))
}
