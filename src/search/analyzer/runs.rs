//! Cuts a text into runs: stretches of it that are words, and stretches in scripts that put no spaces between words.

use icu_properties::CodePointMapData;
use icu_properties::props::{GeneralCategory, GeneralCategoryGroup};

/// A longer run is no name: its underscores only separate, and a longer token is not indexed.
pub const LONGEST: usize = 128;

/// A stretch of text, in bytes, that begins with a letter, a digit or an underscore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    pub kind: Kind,
    pub from: usize,
    pub to: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// ASCII letters of one case, or with a capital in front, or digits: nothing to fold but case, nothing to split.
    Plain,
    /// Any other word: letters, marks, digits and underscores.
    Word,
    /// Of a script that writes words without spaces.
    Spaceless,
}

/// The runs of a text, in order. Apostrophes, punctuation, symbols and emoji separate them.
#[derive(Clone)]
pub struct Runs<'t> {
    text: &'t str,
    at: usize,
    /// Up to here underscores separate: the text is in a run that is too long to be one name.
    pieces_until: usize,
}

impl<'t> Runs<'t> {
    pub fn new(text: &'t str) -> Runs<'t> {
        Runs { text, at: 0, pieces_until: 0 }
    }

    /// The end of the run of `class` that `from` is in, and whether it is plain.
    fn end(&self, from: usize, class: Class) -> (usize, bool) {
        let bytes = self.text.as_bytes();
        let underscores_separate = from < self.pieces_until;
        let (mut at, mut first, mut rest) = (from, 0, 0);
        while let Some(&byte) = bytes.get(at) {
            if byte < 0x80 {
                let bit = ASCII[usize::from(byte)];
                if bit == 0 || class == Class::Spaceless || (bit == UNDERSCORE && underscores_separate) {
                    break;
                }
                if at == from {
                    first = bit
                } else {
                    rest |= bit
                }
                at += 1;
                continue;
            }
            let c = char_at(self.text, at);
            if ![class, Class::Joiner].contains(&Class::of(c)) {
                break;
            }
            rest |= FOREIGN;
            at += c.len_utf8();
        }
        let plain = match rest {
            0 => matches!(first, LOWER | UPPER | DIGIT),
            LOWER => matches!(first, LOWER | UPPER),
            UPPER | DIGIT => first == rest,
            _ => false,
        };
        (at, plain)
    }
}

impl Iterator for Runs<'_> {
    type Item = Run;

    fn next(&mut self) -> Option<Run> {
        let bytes = self.text.as_bytes();
        loop {
            let from = self.at;
            let &byte = bytes.get(from)?;
            let class = if byte >= 0x80 {
                Class::of(char_at(self.text, from))
            } else if ASCII[usize::from(byte)] & !UNDERSCORE != 0
                || (byte == b'_' && from >= self.pieces_until)
            {
                Class::Word
            } else {
                Class::Other
            };
            if matches!(class, Class::Other | Class::Joiner) {
                self.at += char_at(self.text, from).len_utf8();
                continue;
            }
            let (to, plain) = self.end(from, class);
            if class == Class::Word && to - from > LONGEST && from >= self.pieces_until {
                self.pieces_until = to;
                continue;
            }
            self.at = to;
            let kind = match class {
                Class::Spaceless => Kind::Spaceless,
                _ if plain => Kind::Plain,
                _ => Kind::Word,
            };
            return Some(Run { kind, from, to });
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Word,
    Spaceless,
    /// Goes on with whatever run it stands in and begins none: marks, joiners, soft hyphens.
    Joiner,
    Other,
}

impl Class {
    fn of(c: char) -> Class {
        if c >= FIRST_SPACELESS && is_spaceless(c) {
            Class::Spaceless
        } else if is_invisible(c) || is_mark(c) {
            Class::Joiner
        } else if c.is_alphanumeric() || c == '_' {
            Class::Word
        } else {
            Class::Other
        }
    }
}

const LOWER: u8 = 1;
const UPPER: u8 = 2;
const DIGIT: u8 = 4;
const UNDERSCORE: u8 = 8;
const FOREIGN: u8 = 16;

const ASCII: [u8; 128] = {
    let mut table = [0; 128];
    let mut byte = 0;
    while byte < 128 {
        table[byte as usize] = match byte {
            b'a'..=b'z' => LOWER,
            b'A'..=b'Z' => UPPER,
            b'0'..=b'9' => DIGIT,
            b'_' => UNDERSCORE,
            _ => 0,
        };
        byte += 1;
    }
    table
};

pub fn char_at(text: &str, at: usize) -> char {
    text[at..].chars().next().expect("there is a character")
}

const FIRST_SPACELESS: char = '\u{E01}';

/// Han, kana, Bopomofo, Hangul (whose words carry their endings), Thai, Lao, Khmer and Myanmar.
pub fn is_spaceless(c: char) -> bool {
    matches!(u32::from(c),
        0x4E00..=0x9FFF | 0x3041..=0x309F | 0x30A1..=0x30FA | 0x30FC..=0x30FF | 0xAC00..=0xD7A3
        | 0x0E01..=0x0E3A | 0x0E40..=0x0E4E
        | 0x0E81..=0x0ECE | 0x0EDC..=0x0EDF
        | 0x1000..=0x103F | 0x1050..=0x108F | 0x109A..=0x109D | 0xA9E0..=0xA9EF | 0xA9FA..=0xA9FE | 0xAA60..=0xAA76 | 0xAA7A..=0xAA7F
        | 0x1100..=0x11FF | 0x1780..=0x17D3 | 0x17DC..=0x17DD
        | 0x3005..=0x3007 | 0x3021..=0x3029 | 0x3031..=0x3035 | 0x3038..=0x303C
        | 0x3105..=0x312F | 0x3131..=0x318E | 0x31A0..=0x31BF | 0x31F0..=0x31FF | 0x3400..=0x4DBF
        | 0x3192..=0x3195 | 0x3220..=0x3229 | 0x3280..=0x3289 | 0xA960..=0xA97C | 0xD7B0..=0xD7FB | 0xF900..=0xFAFF | 0xFF66..=0xFF9F | 0xFFA0..=0xFFDC
        | 0x1B000..=0x1B16F | 0x20000..=0x3FFFD)
}

/// Format characters that stand inside words without being written: soft hyphens, joiners, marks of direction.
pub fn is_invisible(c: char) -> bool {
    matches!(u32::from(c), 0xAD | 0x061C | 0x180E | 0x200C..=0x200F | 0x202A..=0x202E | 0x2060..=0x2069 | 0xFEFF)
}

pub fn is_mark(c: char) -> bool {
    !c.is_ascii() && GeneralCategoryGroup::Mark.contains(CodePointMapData::<GeneralCategory>::new().get(c))
}
