//! Makes words that people take for the same the same: case, accents, widths, ligatures.

use std::sync::LazyLock;

use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};

use super::runs::{is_invisible, is_mark};

/// What becomes of the diacritics.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Marks {
    /// As words are compared.
    Dropped,
    /// As stemmers want them.
    Kept,
}

/// Appends `word` in lower case, normalised (NFKC), to `out`, with nothing in it but letters, digits and marks.
///
/// The vowel signs of Indic scripts stay in any case: without them, words are others.
pub fn fold(word: &str, marks: Marks, out: &mut String) {
    if word.is_ascii() {
        out.extend(
            word.bytes().filter(|byte| *byte != b'_').map(|byte| char::from(byte.to_ascii_lowercase())),
        );
        return;
    }
    let start = out.len();
    for c in word.chars() {
        let Some(spelled) = alone(c, marks) else {
            out.truncate(start);
            normalise(word, marks, out);
            return;
        };
        out.extend(spelled.into_iter().filter(|c| *c != NOTHING));
    }
}

/// The first character of a folded word that begins with `c`, where that alone tells it.
pub fn folded_initial(c: char) -> Option<char> {
    let [first, _] = alone(c, Marks::Dropped)?;
    (first != NOTHING).then_some(first)
}

fn normalise(word: &str, marks: Marks, out: &mut String) {
    let decomposed = DecomposingNormalizerBorrowed::new_nfkd().normalize_iter(word.chars());
    let lower = decomposed.flat_map(char::to_lowercase);
    let spelled = lower.flat_map(|c| spelling(c, marks)).filter(|c| *c != NOTHING);
    out.extend(ComposingNormalizerBorrowed::new_nfc().normalize_iter(spelled));
}

/// What folding makes of a letter whatever stands beside it. Most alphabets are in this table; in the others, and
/// with marks, letters depend on each other.
fn alone(c: char, marks: Marks) -> Option<[char; 2]> {
    let index = u32::from(c) as usize;
    if index < 0x80 {
        return Some([if c == '_' { NOTHING } else { c.to_ascii_lowercase() }, NOTHING]);
    }
    let entry = *ALONE.get(index)?;
    match marks {
        Marks::Dropped => entry.0,
        Marks::Kept => entry.1,
    }
}

type Alone = Option<[char; 2]>;

static ALONE: LazyLock<Vec<(Alone, Alone)>> = LazyLock::new(|| {
    let letter = |c: char, marks: Marks| {
        let mut text = String::new();
        normalise(c.encode_utf8(&mut [0; 4]), marks, &mut text);
        let mut folded = text.chars();
        let spelled = [folded.next().unwrap_or(NOTHING), folded.next().unwrap_or(NOTHING)];
        (folded.next().is_none() && !is_mark(c) && !text.chars().any(is_mark)).then_some(spelled)
    };
    ('\0'..'\u{700}').map(|c| (letter(c, Marks::Dropped), letter(c, Marks::Kept))).collect()
});

const NOTHING: char = '\0';

/// One or two letters for one.
fn spelling(c: char, marks: Marks) -> [char; 2] {
    if c.is_ascii() {
        return [if c.is_ascii_alphanumeric() { c } else { NOTHING }, NOTHING];
    }
    if is_invisible(c) || c == TATWEEL {
        return [NOTHING; 2];
    }
    if marks == Marks::Kept {
        return [c, NOTHING];
    }
    match c {
        'ß' => ['s', 's'],
        'æ' => ['a', 'e'],
        'œ' => ['o', 'e'],
        'þ' => ['t', 'h'],
        'ø' => ['o', NOTHING],
        'ł' => ['l', NOTHING],
        'đ' | 'ð' => ['d', NOTHING],
        'ħ' => ['h', NOTHING],
        'ı' => ['i', NOTHING],
        'ς' => ['σ', NOTHING],
        c if is_diacritic(c) || !(c.is_alphanumeric() || is_mark(c)) => [NOTHING; 2],
        c => [c, NOTHING],
    }
}

/// Lengthens an Arabic word for the looks of it.
const TATWEEL: char = '\u{640}';

/// Marks that people leave out: accents, the vowel points of Hebrew and Arabic, variation selectors.
fn is_diacritic(c: char) -> bool {
    matches!(u32::from(c),
        0x0300..=0x036F | 0x1AB0..=0x1AFF | 0x1DC0..=0x1DFF | 0x20D0..=0x20FF | 0xFE20..=0xFE2F
        | 0x0591..=0x05BD | 0x05BF | 0x05C1..=0x05C2 | 0x05C4..=0x05C5 | 0x05C7
        | 0x0610..=0x061A | 0x064B..=0x065F | 0x0670 | 0x06D6..=0x06DC | 0x06DF..=0x06E4 | 0x06E7..=0x06E8 | 0x06EA..=0x06ED
        | 0xFE00..=0xFE0F | 0xE0100..=0xE01EF)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_table_says_what_normalising_says(word in "[a-zA-Z0-9_\u{80}-\u{6ff}]{1,8}") {
            for marks in [Marks::Dropped, Marks::Kept] {
                let (mut by_table, mut normalised) = (String::new(), String::new());
                fold(&word, marks, &mut by_table);
                normalise(&word, marks, &mut normalised);
                prop_assert_eq!(by_table, normalised);
            }
        }

        #[test]
        fn folding_twice_is_folding_once(word in "[\\p{L}\\p{N}][\\p{L}\\p{N}\\p{M}]{0,7}") {
            let (mut once, mut twice) = (String::new(), String::new());
            fold(&word, Marks::Dropped, &mut once);
            fold(&once, Marks::Dropped, &mut twice);
            prop_assert_eq!(once, twice);
        }
    }
}
