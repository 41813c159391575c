//! Where an answer goes on, as it is written into a request.

use crate::clock::Timestamp;
use crate::search::Place;

/// Where an answer goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// In a list that is kept.
    List { name: u64, offset: usize },
    /// Behind a place in time.
    After { place: Place, relaxed: bool },
}

impl std::fmt::Display for Page {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::List { name, offset } => write!(f, "l{name:016x}.{offset}"),
            Self::After { place, relaxed } => {
                let kind = if *relaxed { 's' } else { 'r' };
                write!(f, "{kind}{}.{:032x}", place.at.millis(), place.subject)
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not the `next` of a search")]
pub struct InvalidPage;

impl std::str::FromStr for Page {
    type Err = InvalidPage;

    fn from_str(text: &str) -> Result<Self, InvalidPage> {
        let kind = text.chars().next().ok_or(InvalidPage)?;
        let (first, second) = text[kind.len_utf8()..].split_once('.').ok_or(InvalidPage)?;
        let after = |relaxed| {
            let at = first.parse().map(Timestamp::from_millis).map_err(|_| InvalidPage)?;
            let subject = u128::from_str_radix(second, 16).map_err(|_| InvalidPage)?;
            Ok(Self::After { place: Place { at, subject }, relaxed })
        };
        match kind {
            'l' => {
                let name = u64::from_str_radix(first, 16).map_err(|_| InvalidPage)?;
                Ok(Self::List { name, offset: second.parse().map_err(|_| InvalidPage)? })
            }
            'r' => after(false),
            's' => after(true),
            _ => Err(InvalidPage),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_reads_what_it_writes_and_nothing_else() {
        let place = Place { at: Timestamp::from_millis(-5), subject: 7 };
        for page in [
            Page::List { name: u64::MAX, offset: 20 },
            Page::After { place, relaxed: false },
            Page::After { place, relaxed: true },
        ] {
            assert_eq!(page.to_string().parse(), Ok(page));
        }
        for text in ["", "l", "l1", "x1.2", "r1", "r1.", "é1.2", "l-1.2", "r1.-2"] {
            assert_eq!(text.parse::<Page>(), Err(InvalidPage), "{text}");
        }
    }
}
