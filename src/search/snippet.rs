//! The piece of a text that shows best why it was found, and where in it to look.
//!
//! Plain text, never HTML. Spaces, line ends and control characters become single spaces; marks of direction and
//! other characters without a look of their own are left out, so that nothing reorders what stands around.

mod excerpt;
mod matches;
#[cfg(test)]
mod tests;
mod window;
mod written;

use super::analyzer::Language;
use super::query::Query;
use excerpt::around;
use matches::Wanted;
use window::best_window;
use written::written;

/// What is highlighted in one snippet at most.
const MOST_HIGHLIGHTS: usize = 64;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snippet {
    pub text: String,
    /// Begin and end of each, in UTF-16 code units of `text`, in order and apart.
    pub highlights: Vec<(u32, u32)>,
    /// How often the whole text has something that the query looks for.
    pub matches: usize,
}

/// What a query looks for, made ready to be found in many texts.
pub struct Highlighter<'q>(Wanted<'q>);

impl<'q> Highlighter<'q> {
    pub fn new(query: &'q Query) -> Self {
        Self(Wanted::new(query))
    }

    /// The snippet of `text` with most of what is looked for, of at most `room` characters. `None` where the text has
    /// nothing of it.
    pub fn snippet(&self, text: &str, room: usize) -> Option<Snippet> {
        self.snippet_in(text, Language::of(text), room)
    }

    /// Where it is known in which language the text is.
    pub fn snippet_in(&self, text: &str, language: Option<Language>, room: usize) -> Option<Snippet> {
        let room = room.saturating_sub(2); // for what says that the text goes on
        let matches = self.0.matches(text, language);
        let stretch = around(text, best_window(text, &matches, room)?, room);
        let (text, highlights) = written(text, stretch, &matches, MOST_HIGHLIGHTS);
        Some(Snippet { text, highlights, matches: matches.len() })
    }
}
