//! Under which titles something is found. What somebody called a conversation says what all of it is about.

use rustc_hash::FxHashSet;
use tantivy::query::EnableScoring;
use tantivy::{DocSet, TERMINATED};

use super::compile::anything;
use super::index::{Committed, Error, unbroken};
use super::query::Query;
use super::view::View;
use crate::chat::searchable::Sees;
use crate::priority::give_way;

/// Titles between two looks at who else waits.
const GIVES_WAY_EVERY: u32 = 64;

impl View {
    /// The conversations whose titles have any of the words, of those that are read, by the
    /// [low half](crate::id::ConversationId::low) of their ids.
    pub fn titled(&self, query: &Query) -> Result<FxHashSet<u64>, Error> {
        let Some(query) = anything(query, self.fields.title) else { return Ok(FxHashSet::default()) };
        unbroken(|| {
            let Committed { searcher, columns } = self.committed.as_ref();
            let weight = query.weight(EnableScoring::disabled_from_searcher(searcher))?;
            let mut titled = FxHashSet::default();
            let mut looked = 0_u32;
            for ((segment, columns), seen) in searcher.segment_readers().iter().zip(columns).zip(&self.seen) {
                let alive = segment.alive_bitset();
                let mut titles = weight.scorer(segment, 1.0)?;
                let mut doc = titles.doc();
                while doc != TERMINATED {
                    if seen.bits.has(doc) && alive.is_none_or(|alive| alive.is_alive(doc)) {
                        let conversation = columns.conversation.get_val(doc);
                        if self.sees(conversation) == Sees::All {
                            titled.insert(conversation);
                        }
                    }
                    looked += 1;
                    if looked.is_multiple_of(GIVES_WAY_EVERY) {
                        give_way();
                    }
                    doc = titles.advance();
                }
            }
            Ok(titled)
        })
    }
}
