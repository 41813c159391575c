//! Writes a stretch of a text as it can be shown, and keeps count of where the matches went.

use super::matches::Match;

/// What says that there is more.
const CUT: char = '…';

/// How a character is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Look {
    Itself,
    /// Several in a row are one.
    Space,
    Nothing,
}

/// Control characters would act, and characters that cannot be seen could reorder or hide something.
pub fn look(c: char) -> Look {
    match u32::from(c) {
        0x20..=0x7E => {
            if c == ' ' {
                Look::Space
            } else {
                Look::Itself
            }
        }
        // joiners are part of words and emoji
        0x200C..=0x200D => Look::Itself,
        0xAD
        | 0x061C
        | 0x180E
        | 0x200B..=0x200F
        | 0x202A..=0x202E
        | 0x2060..=0x206F
        | 0xFEFF
        | 0xFFF9..=0xFFFB
        | 0xE0000..=0xE0FFF => Look::Nothing,
        _ if c.is_whitespace() || c.is_control() => Look::Space,
        _ => Look::Itself,
    }
}

/// `text[from..to]` as it is shown, and where, in UTF-16 code units, the first `most` of `matches` are.
pub fn written(
    text: &str,
    (from, to): (usize, usize),
    matches: &[Match],
    most: usize,
) -> (String, Vec<(u32, u32)>) {
    let mut marked = marked(matches, from, to, most).into_iter().peekable();
    let mut page = Page::default();
    if !text[..from].trim().is_empty() {
        page.push(CUT);
    }
    let begun = page.text.len();
    let mut highlights = Vec::new();
    let mut highlight: Option<(u32, u32)> = None;
    let mut space = false;
    for (offset, c) in text[from..to].char_indices() {
        let at = from + offset;
        if marked.next_if(|(_, end)| *end <= at).is_some() {
            highlights.extend(highlight.take());
        }
        match look(c) {
            Look::Nothing => continue,
            Look::Space => space = page.text.len() > begun,
            Look::Itself => {
                if std::mem::take(&mut space) {
                    page.push(' ');
                }
                let start = page.units;
                page.push(c);
                if marked.peek().is_some_and(|(begin, _)| *begin <= at) {
                    highlight = Some((highlight.map_or(start, |(start, _)| start), page.units));
                }
            }
        }
    }
    highlights.extend(highlight);
    if !text[to..].trim().is_empty() {
        page.push(CUT);
    }
    (page.text, highlights)
}

/// The stretches that matches cover between `from` and `to`: in order, apart, none that is empty.
fn marked(matches: &[Match], from: usize, to: usize, most: usize) -> Vec<(usize, usize)> {
    let mut marked: Vec<(usize, usize)> = Vec::new();
    for found in matches.iter().filter(|found| found.to > from && found.from < to) {
        let full = marked.len() == most;
        match marked.last_mut() {
            Some(last) if found.from < last.1 => last.1 = last.1.max(found.to),
            _ if full => break,
            _ => marked.push((found.from, found.to)),
        }
    }
    marked
}

#[derive(Default)]
struct Page {
    text: String,
    /// The length of `text` in UTF-16 code units.
    units: u32,
}

impl Page {
    fn push(&mut self, c: char) {
        self.text.push(c);
        self.units += c.len_utf16() as u32;
    }
}
