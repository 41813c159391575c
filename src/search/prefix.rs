//! All texts that have a word with a certain beginning. The library's own query for this opens each of the words anew,
//! which takes longer than reading what stands under most of them.

use tantivy::query::{EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocId, Score, SegmentReader};

use super::bits::{Bits, BitsScorer};
use crate::priority::Steps;

#[derive(Debug, Clone)]
pub struct Prefix {
    pub field: Field,
    pub start: String,
}

impl Query for Prefix {
    fn weight(&self, _: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(self.clone()))
    }
}

impl Weight for Prefix {
    fn scorer(&self, segment: &SegmentReader, _: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let words = segment.inverted_index(self.field)?;
        let range = words.terms().range().ge(&self.start);
        let range = match after(&self.start) {
            Some(end) => range.lt(&end),
            None => range,
        };
        let (mut found, mut texts, mut postings) =
            (range.without_keys().into_stream()?, Bits::none(segment.max_doc()), None);
        let mut words_read = Steps::default();
        while found.advance() {
            words_read.step();
            let postings = match &mut postings {
                Some(postings) => {
                    words.reset_block_postings_from_terminfo(found.value(), postings)?;
                    postings
                }
                None => postings.insert(
                    words.read_block_postings_from_terminfo(found.value(), IndexRecordOption::Basic)?,
                ),
            };
            while !postings.docs().is_empty() {
                postings.docs().iter().for_each(|doc| texts.insert(*doc));
                postings.advance();
            }
        }
        Ok(Box::new(BitsScorer::from(texts)))
    }

    fn explain(&self, _: &SegmentReader, _: DocId) -> tantivy::Result<Explanation> {
        Ok(Explanation::new("prefix", 0.0))
    }
}

/// The first text behind all that begin with this one.
fn after(prefix: &str) -> Option<String> {
    let mut letters: Vec<char> = prefix.chars().collect();
    while let Some(last) = letters.pop() {
        let next = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32);
        if let Some(next) = next {
            letters.push(next);
            return Some(letters.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::after;

    #[test]
    fn a_prefix_ends_before_the_next_letter() {
        assert_eq!(after("par"), Some("pas".to_owned()));
        assert_eq!(after("a\u{d7ff}"), Some("a\u{e000}".to_owned()));
        assert_eq!(after("a\u{10ffff}"), Some("b".to_owned()));
        assert_eq!(after("\u{10ffff}"), None);
    }
}
