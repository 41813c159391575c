//! What a word counts for in BM25: the rarer, the more. How rare a word is must not tell what is said where whoever asks
//! does not read, so only what they may see is looked at, of that a sample, and the length of texts is nobody's.

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tantivy::query::Bm25StatisticsProvider;
use tantivy::schema::{Field, IndexRecordOption, Term};
use tantivy::{DocId, DocSet, SegmentReader, TERMINATED};

use super::index::Committed;
use super::view::View;
use crate::chat::searchable::Sees;
use crate::priority::give_way;

/// Of up to so many texts, all are looked at.
const ALL: usize = 2048;

/// Of more, so many. A word that is in none of them is as rare as any.
const SAMPLE: usize = 512;

/// In words, what a text of ordinary length has.
const LENGTH: u64 = 120;

pub struct Rarity<'a> {
    segments: &'a [SegmentReader],
    /// Of each segment, in order.
    sample: Vec<Vec<DocId>>,
    texts: u64,
    known: Mutex<FxHashMap<Term, u64>>,
}

impl<'a> Rarity<'a> {
    pub fn among(view: &'a View) -> Self {
        let Committed { searcher, columns } = view.committed.as_ref();
        let segments = searcher.segment_readers();
        let all: usize = view.seen.iter().map(|seen| seen.count).sum();
        let step = if all > ALL { all.div_ceil(SAMPLE) } else { 1 };
        let mut skip = 0;
        let sample: Vec<Vec<DocId>> = view
            .seen
            .iter()
            .zip(columns)
            .zip(segments)
            .map(|((seen, columns), segment)| {
                give_way();
                let alive = segment.alive_bitset();
                let is_alive = |doc| alive.is_none_or(|alive| alive.is_alive(doc));
                let mut sample = seen.bits.every(step, &mut skip);
                sample.retain(|doc| {
                    let sees = || view.sees(columns.conversation.get_val(*doc));
                    is_alive(*doc) && (view.sees_wholes || sees() == Sees::All)
                });
                sample
            })
            .collect();
        let texts = sample.iter().map(|docs| docs.len() as u64).sum();
        Self { segments, sample, texts, known: Mutex::default() }
    }

    /// For a search whose words need not be told apart.
    pub fn alike() -> Self {
        Self { segments: &[], sample: Vec::new(), texts: 0, known: Mutex::default() }
    }

    fn count(&self, term: &Term) -> tantivy::Result<u64> {
        let mut count = 0;
        for (segment, sample) in self.segments.iter().zip(&self.sample) {
            give_way();
            let words = segment.inverted_index(term.field())?;
            let Some(mut postings) = words.read_postings(term, IndexRecordOption::Basic)? else { continue };
            for &doc in sample {
                let mut at = postings.doc();
                if at < doc {
                    at = postings.seek(doc);
                }
                match at {
                    TERMINATED => break,
                    at if at == doc => count += 1,
                    _ => {}
                }
            }
        }
        Ok(count)
    }
}

impl Bm25StatisticsProvider for Rarity<'_> {
    fn total_num_tokens(&self, _: Field) -> tantivy::Result<u64> {
        Ok(LENGTH * self.total_num_docs()?)
    }

    fn total_num_docs(&self) -> tantivy::Result<u64> {
        Ok(self.texts.max(1))
    }

    fn doc_freq(&self, term: &Term) -> tantivy::Result<u64> {
        if let Some(count) = self.known.lock().get(term) {
            return Ok(*count);
        }
        let count = self.count(term)?;
        self.known.lock().insert(term.clone(), count);
        Ok(count)
    }
}
