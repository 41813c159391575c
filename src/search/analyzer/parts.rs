//! Cuts a name as programmers write it into its parts.

/// The parts of a name without underscores, as byte ranges, if it has several: `parseQuery` → parse, Query; `HTTPServer2` → HTTP,
/// Server, 2; `APIs` is one.
///
/// What changes too often is no name but a hash or a formula, and has no parts.
pub fn parts(name: &str) -> Vec<(usize, usize)> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut letters = name.char_indices().filter_map(|(at, c)| Some((at, Kind::of(c)?))).peekable();
    let Some((_, mut last)) = letters.next() else { return parts };
    let mut last_at = 0;
    let mut capitals = usize::from(last == Kind::Upper);
    while let Some((at, kind)) = letters.next() {
        let plural =
            name[at..].starts_with('s') && letters.peek().is_none_or(|(_, next)| *next != Kind::Lower);
        let border = match (last, kind) {
            (Kind::Upper, Kind::Lower) if capitals > 1 && !plural => Some(last_at),
            (Kind::Upper, Kind::Lower) => None,
            (last, kind) => (last != kind).then_some(at),
        };
        if let Some(border) = border {
            parts.push((start, border));
            start = border;
        }
        capitals = if kind == Kind::Upper { capitals + 1 } else { 0 };
        (last, last_at) = (kind, at);
    }
    if !parts.is_empty() {
        parts.push((start, name.len()));
    }
    if parts.len() > 2 && name.len() < 3 * parts.len() {
        parts.clear();
    }
    parts
}

/// The acronym of which a name is the plural: `API` of `APIs`.
pub fn singular(name: &str) -> Option<&str> {
    let acronym = name.strip_suffix('s')?;
    let capital = |c: char| c.is_uppercase() || c.is_numeric();
    (acronym.chars().count() > 1 && acronym.starts_with(char::is_uppercase) && acronym.chars().all(capital))
        .then_some(acronym)
}

/// What is between the underscores of a name, as byte ranges.
pub fn pieces(name: &str) -> impl Iterator<Item = (usize, usize)> {
    let mut next = 0;
    let ranges = name.split('_').map(move |piece| {
        let from = next;
        next += piece.len() + 1;
        (from, from + piece.len())
    });
    ranges.filter(|(from, to)| from < to)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Upper,
    /// Any letter that is no capital, also of scripts that have none.
    Lower,
    Digit,
}

impl Kind {
    /// Marks belong to the letter before them.
    fn of(c: char) -> Option<Kind> {
        if c.is_lowercase() {
            Some(Kind::Lower)
        } else if c.is_uppercase() {
            Some(Kind::Upper)
        } else if c.is_numeric() {
            Some(Kind::Digit)
        } else {
            c.is_alphabetic().then_some(Kind::Lower)
        }
    }
}
