//! Under which titles something is found. What somebody called a conversation says what all of it is about.

use std::time::Instant;

use rustc_hash::FxHashSet;
use tantivy::query::EnableScoring;
use tantivy::{DocSet, TERMINATED};

use super::compile::anything;
use super::find::Cut;
use super::index::{Committed, Error, unbroken};
use super::query::Query;
use super::view::View;
use crate::chat::searchable::Sees;
use crate::priority::{Steps, give_way};

impl View {
    /// The conversations whose titles have any of the words, of those that are read, by the
    /// [low half](crate::id::ConversationId::low) of their ids; those that were found until the deadline.
    pub fn titled(&self, query: &Query, deadline: Instant) -> Result<(FxHashSet<u64>, Cut), Error> {
        let mut titled = FxHashSet::default();
        let Some(query) = anything(query, self.fields.title) else { return Ok((titled, Cut::No)) };
        unbroken(|| {
            let Committed { searcher, columns } = self.committed.as_ref();
            let weight = query.weight(EnableScoring::disabled_from_searcher(searcher))?;
            let mut looked = Steps::default();
            for ((segment, columns), seen) in searcher.segment_readers().iter().zip(columns).zip(&self.seen) {
                give_way();
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
                    if looked.step() && Instant::now() > deadline {
                        return Ok((titled, Cut::Yes));
                    }
                    doc = titles.advance();
                }
            }
            Ok((titled, Cut::No))
        })
    }
}
