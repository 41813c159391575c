//! Some of the texts of one piece of the index: a bit for each.

use tantivy::{DocId, DocSet, Score, TERMINATED};

#[derive(Clone)]
pub struct Bits(Vec<u64>);

impl Bits {
    /// None of so many.
    pub fn none(texts: u32) -> Self {
        Self(vec![0; (texts as usize).div_ceil(64)])
    }

    pub fn insert(&mut self, doc: DocId) {
        self.0[doc as usize / 64] |= 1 << (doc % 64);
    }

    pub fn has(&self, doc: DocId) -> bool {
        self.0[doc as usize / 64] & 1 << (doc % 64) != 0
    }

    /// These and those, of the same piece.
    pub fn or(&self, others: &Self) -> Self {
        Self(self.0.iter().zip(&others.0).map(|(bits, others)| bits | others).collect())
    }

    pub fn count(&self) -> usize {
        self.0.iter().map(|bits| bits.count_ones() as usize).sum()
    }

    /// Every so manieth, after so many that are skipped; as many are then to be skipped in what comes next.
    pub fn every(&self, step: usize, skip: &mut usize) -> Vec<DocId> {
        let mut found = Vec::new();
        for (at, bits) in self.0.iter().enumerate() {
            let mut bits = *bits;
            if bits == 0 {
                continue;
            }
            let mut left = bits.count_ones() as usize;
            while *skip < left {
                for _ in 0..*skip {
                    bits &= bits - 1;
                }
                left -= *skip;
                *skip = step;
                found.push((at * 64) as DocId + bits.trailing_zeros());
            }
            *skip -= left;
        }
        found
    }

    pub fn bytes(&self) -> usize {
        size_of_val(self.0.as_slice())
    }

    /// The first one from `doc` on.
    pub fn next(&self, doc: DocId) -> Option<DocId> {
        let (mut word, bit) = (doc as usize / 64, doc % 64);
        let mut bits = self.0.get(word)? & (u64::MAX << bit);
        while bits == 0 {
            word += 1;
            bits = *self.0.get(word)?;
        }
        Some((word * 64) as DocId + bits.trailing_zeros())
    }
}

/// Goes through them.
pub struct BitsScorer {
    bits: Bits,
    doc: DocId,
}

impl From<Bits> for BitsScorer {
    fn from(bits: Bits) -> Self {
        let doc = bits.next(0).unwrap_or(TERMINATED);
        Self { bits, doc }
    }
}

impl DocSet for BitsScorer {
    fn advance(&mut self) -> DocId {
        self.seek(self.doc.saturating_add(1))
    }

    fn seek(&mut self, target: DocId) -> DocId {
        if self.doc < target {
            self.doc = self.bits.next(target).unwrap_or(TERMINATED);
        }
        self.doc
    }

    fn doc(&self) -> DocId {
        self.doc
    }

    fn size_hint(&self) -> u32 {
        u32::try_from(self.bits.count()).unwrap_or(u32::MAX)
    }
}

/// None is better than another.
impl tantivy::query::Scorer for BitsScorer {
    fn score(&mut self) -> Score {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_bit_is_the_first_from_there_on() {
        let mut bits = Bits::none(130);
        [3, 63, 128].into_iter().for_each(|doc| bits.insert(doc));
        let found: Vec<_> = [0, 3, 4, 63, 64, 128, 129, 200].map(|doc| bits.next(doc)).into();
        assert_eq!(found, [Some(3), Some(3), Some(63), Some(63), Some(128), Some(128), None, None]);
        let mut scorer = BitsScorer::from(bits);
        let mut docs = vec![scorer.doc()];
        while scorer.advance() != TERMINATED {
            docs.push(scorer.doc());
        }
        assert_eq!(docs, [3, 63, 128]);
    }

    #[test]
    fn every_third_is_counted_over_all_pieces() {
        let mut pieces = [Bits::none(130), Bits::none(70), Bits::none(10)];
        for (piece, last) in pieces.iter_mut().zip([130, 70, 10]) {
            (0..last).filter(|doc| doc % 2 == 0).for_each(|doc| piece.insert(doc));
        }
        let mut skip = 0;
        let found: Vec<_> = pieces.iter().map(|bits| bits.every(3, &mut skip)).collect();
        let of = |first: u32, last| (first..last).step_by(6).collect::<Vec<_>>();
        // 65 of them leave one to be skipped, and 35 more leave two.
        assert_eq!(found, [of(0, 130), of(2, 70), of(4, 10)]);
        assert_eq!(pieces[2].every(1, &mut 0), [0, 2, 4, 6, 8]);
    }
}
