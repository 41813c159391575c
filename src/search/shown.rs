//! Which texts of a piece of the index somebody may see at all, and in which languages those are. It is kept for as long as
//! neither the piece nor what is seen of it changes.

use std::sync::Arc;

use lru::LruCache;
use parking_lot::Mutex;
use tantivy::index::SegmentId;
use tantivy::{DocId, SegmentReader};

use super::analyzer::Language;
use super::bits::Bits;
use super::columns::Columns;
use crate::chat::searchable::{Reach, Sees};
use crate::priority::give_way;

/// Bytes that are kept.
const KEPT: usize = 32 << 20;

/// What is seen of up to so many conversations is not kept.
pub const FEW: usize = 64;

/// Of one piece.
#[derive(Clone)]
pub struct Seen {
    /// The texts of conversations of which something is seen.
    pub bits: Bits,
    /// How many those are.
    pub count: usize,
    /// Where all is seen: how many texts are in no known language, and in each of [`Language::ALL`].
    pub languages: [u32; Language::ALL.len() + 1],
}

impl Seen {
    fn nothing(segment: &SegmentReader) -> Self {
        Self { bits: Bits::none(segment.max_doc()), count: 0, languages: [0; _] }
    }

    fn see(&mut self, doc: DocId, sees: Sees, columns: &Columns) {
        if sees != Sees::Nothing {
            self.bits.insert(doc);
        }
        if sees == Sees::All
            && let Some(count) = self.languages.get_mut(columns.language.get_val(doc) as usize)
        {
            *count += 1;
        }
    }

    fn or(&self, other: &Self) -> Self {
        let bits = self.bits.or(&other.bits);
        let mut languages = self.languages;
        languages.iter_mut().zip(other.languages).for_each(|(count, more)| *count += more);
        Self { count: bits.count(), bits, languages }
    }

    fn bytes(&self) -> usize {
        // With what it takes to keep it.
        self.bits.bytes() + 2 * size_of::<Self>()
    }

    /// Of one reach.
    fn by(reach: &Reach, segment: &SegmentReader, columns: &Columns) -> Self {
        let there = columns.conversations();
        let of = |conversation| (conversation, reach.sees(conversation));
        match reach.len() < there.len() {
            true => Self::of(reach.all().map(of), segment, columns),
            false => Self::of(there.all().map(of), segment, columns),
        }
    }

    /// Of these conversations.
    pub fn of(
        conversations: impl Iterator<Item = (u64, Sees)>,
        segment: &SegmentReader,
        columns: &Columns,
    ) -> Self {
        let mut seen = Self::nothing(segment);
        seen.see_all(conversations, columns);
        seen
    }

    fn see_all(&mut self, conversations: impl Iterator<Item = (u64, Sees)>, columns: &Columns) {
        for (conversation, sees) in conversations {
            for doc in columns.conversations().texts_of(conversation) {
                self.see(*doc, sees, columns);
            }
            give_way();
        }
        self.count = self.bits.count();
    }
}

pub struct Shown(Mutex<Kept>);

struct Kept {
    seen: LruCache<(u64, SegmentId), Arc<Seen>>,
    bytes: usize,
}

impl Default for Shown {
    fn default() -> Self {
        Self(Mutex::new(Kept { seen: LruCache::unbounded(), bytes: 0 }))
    }
}

impl Shown {
    /// What is in any of the reaches.
    pub fn of(&self, reaches: &[Arc<Reach>], segment: &SegmentReader, columns: &Columns) -> Arc<Seen> {
        let each = reaches.iter().map(|reach| self.find(reach, segment, columns));
        let all = each.filter(|seen| seen.count > 0).reduce(|all, seen| Arc::new(all.or(&seen)));
        all.unwrap_or_else(|| Arc::new(Seen::nothing(segment)))
    }

    fn find(&self, reach: &Reach, segment: &SegmentReader, columns: &Columns) -> Arc<Seen> {
        let key = (reach.id(), segment.segment_id());
        if let Some(seen) = self.0.lock().seen.get(&key) {
            return Arc::clone(seen);
        }
        // Most that changes is a conversation more.
        let before = reach.grown().and_then(|grown| {
            let seen = self.0.lock().take((grown.from, segment.segment_id()))?;
            Some((seen, &grown.added))
        });
        let seen = match before {
            Some((seen, added)) => {
                let mut seen = Arc::unwrap_or_clone(seen);
                seen.see_all(added.iter().copied(), columns);
                Arc::new(seen)
            }
            None => Arc::new(Seen::by(reach, segment, columns)),
        };
        self.0.lock().keep(key, Arc::clone(&seen));
        seen
    }
}

impl Kept {
    fn take(&mut self, key: (u64, SegmentId)) -> Option<Arc<Seen>> {
        let seen = self.seen.pop(&key)?;
        self.bytes -= seen.bytes();
        Some(seen)
    }

    fn keep(&mut self, key: (u64, SegmentId), seen: Arc<Seen>) {
        self.bytes += seen.bytes();
        if let Some((_, replaced)) = self.seen.push(key, seen) {
            self.bytes -= replaced.bytes();
        }
        while self.bytes > KEPT {
            let Some((_, oldest)) = self.seen.pop_lru() else { return };
            self.bytes -= oldest.bytes();
        }
    }
}
