//! Which texts of a piece of the index somebody may see at all, and in which languages those are. It is kept for as long as
//! neither the piece nor what is seen of it changes.

use std::sync::Arc;

use lru::LruCache;
use parking_lot::Mutex;
use tantivy::index::SegmentId;
use tantivy::schema::{Field, IndexRecordOption, Term};
use tantivy::{DocId, DocSet, SegmentReader, TERMINATED, TantivyError};

use super::analyzer::Language;
use super::bits::Bits;
use super::columns::Columns;
use super::index::Error;
use crate::chat::searchable::{Reach, Sees};

/// Bytes that are kept.
const KEPT: usize = 32 << 20;

/// Texts that are read at a time.
const STRETCH: u32 = 1024;

/// Up to so many conversations are looked up in the index, each by itself.
pub const FEW: usize = 64;

/// Of one piece.
#[derive(Clone)]
pub struct Seen {
    /// The texts of conversations of which something is seen.
    pub bits: Bits,
    /// Where all is seen: how many texts are in no known language, and in each of [`Language::ALL`].
    pub languages: [u32; Language::ALL.len() + 1],
}

impl Seen {
    fn nothing(segment: &SegmentReader) -> Self {
        Self { bits: Bits::none(segment.max_doc()), languages: [0; _] }
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

    fn add(&mut self, other: &Self) {
        self.bits.add(&other.bits);
        self.languages.iter_mut().zip(other.languages).for_each(|(count, more)| *count += more);
    }

    fn bytes(&self) -> usize {
        // With what it takes to keep it.
        self.bits.bytes() + 2 * size_of::<Self>()
    }

    /// Of one reach, by a look at every text.
    fn by(reach: &Reach, segment: &SegmentReader, columns: &Columns) -> Self {
        let mut seen = Self::nothing(segment);
        let mut values = [0; STRETCH as usize];
        let mut last = (0, reach.sees(0));
        for from in (0..segment.max_doc()).step_by(STRETCH as usize) {
            let values = &mut values[..STRETCH.min(segment.max_doc() - from) as usize];
            columns.conversation.get_range(from.into(), values);
            for (doc, conversation) in (from..).zip(values.iter()) {
                // What was said in one conversation stands together, mostly.
                if *conversation != last.0 {
                    last = (*conversation, reach.sees(*conversation));
                }
                seen.see(doc, last.1, columns);
            }
        }
        seen
    }

    /// Of a few conversations, which are looked for in the index.
    pub fn in_few(
        conversations: &[(u64, Sees)],
        field: Field,
        segment: &SegmentReader,
        columns: &Columns,
    ) -> Result<Self, Error> {
        let mut seen = Self::nothing(segment);
        seen.look_up(conversations, field, segment, columns)?;
        Ok(seen)
    }

    fn look_up(
        &mut self,
        conversations: &[(u64, Sees)],
        field: Field,
        segment: &SegmentReader,
        columns: &Columns,
    ) -> Result<(), Error> {
        let index = segment.inverted_index(field)?;
        for (conversation, sees) in conversations {
            let term = Term::from_field_u64(field, *conversation);
            let read = index.read_postings(&term, IndexRecordOption::Basic).map_err(TantivyError::from)?;
            let Some(mut texts) = read else { continue };
            while texts.doc() != TERMINATED {
                self.see(texts.doc(), *sees, columns);
                texts.advance();
            }
        }
        Ok(())
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
    pub fn of(
        &self,
        reaches: &[Arc<Reach>],
        field: Field,
        segment: &SegmentReader,
        columns: &Columns,
    ) -> Result<Seen, Error> {
        let mut all = Seen::nothing(segment);
        for reach in reaches {
            all.add(self.find(reach, field, segment, columns)?.as_ref());
        }
        Ok(all)
    }

    fn find(
        &self,
        reach: &Reach,
        field: Field,
        segment: &SegmentReader,
        columns: &Columns,
    ) -> Result<Arc<Seen>, Error> {
        let key = (reach.id(), segment.segment_id());
        if let Some(seen) = self.0.lock().seen.get(&key) {
            return Ok(Arc::clone(seen));
        }
        // Most that changes is a conversation more.
        let grown = reach.grown().filter(|grown| grown.added.len() <= FEW);
        let before = grown.and_then(|grown| {
            let seen = self.0.lock().take((grown.from, segment.segment_id()))?;
            Some((seen, &grown.added))
        });
        let seen = match before {
            Some((seen, added)) => {
                let mut seen = Arc::unwrap_or_clone(seen);
                seen.look_up(added, field, segment, columns)?;
                Arc::new(seen)
            }
            None => Arc::new(Seen::by(reach, segment, columns)),
        };
        self.0.lock().keep(key, Arc::clone(&seen));
        Ok(seen)
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
