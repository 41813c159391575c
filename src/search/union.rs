//! Any of several words, found by going from one match to the next: nothing is read ahead, and only what is looked at is
//! scored. Where most is skipped, that is a fraction of the work of the library's own union, which reads and scores
//! 4,096 documents at a time.

use tantivy::query::{BooleanQuery, EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::{DocId, DocSet, Score, SegmentReader, TERMINATED};

#[derive(Debug)]
pub struct Union(Vec<Box<dyn Query>>);

impl Clone for Union {
    fn clone(&self) -> Self {
        Self(self.0.iter().map(|query| query.box_clone()).collect())
    }
}

/// Of one alone it is that one.
pub fn union(mut queries: Vec<Box<dyn Query>>) -> Box<dyn Query> {
    match queries.len() {
        1 => queries.remove(0),
        _ => Box::new(Union(queries)),
    }
}

impl Query for Union {
    fn weight(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        let each = self.0.iter().map(|query| query.weight(scoring)).collect::<Result<_, _>>()?;
        let best = BooleanQuery::union(self.clone().0).weight(scoring)?;
        Ok(Box::new(UnionWeight { each, best }))
    }
}

struct UnionWeight {
    each: Vec<Box<dyn Weight>>,
    /// For the best of all, where the library leaves out whole blocks that cannot be among them.
    best: Box<dyn Weight>,
}

impl Weight for UnionWeight {
    fn scorer(&self, segment: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let mut scorers = Vec::with_capacity(self.each.len());
        for weight in &self.each {
            let scorer = weight.scorer(segment, boost)?;
            if scorer.doc() != TERMINATED {
                scorers.push(scorer);
            }
        }
        Ok(match scorers.len() {
            1 => scorers.remove(0),
            _ => Box::new(UnionScorer { doc: first(&scorers), scorers }),
        })
    }

    fn explain(&self, segment: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        self.best.explain(segment, doc)
    }

    fn for_each_pruning(
        &self,
        threshold: Score,
        segment: &SegmentReader,
        callback: &mut dyn FnMut(DocId, Score) -> Score,
    ) -> tantivy::Result<()> {
        self.best.for_each_pruning(threshold, segment, callback)
    }
}

struct UnionScorer {
    scorers: Vec<Box<dyn Scorer>>,
    doc: DocId,
}

fn first(scorers: &[Box<dyn Scorer>]) -> DocId {
    scorers.iter().map(|scorer| scorer.doc()).min().unwrap_or(TERMINATED)
}

impl DocSet for UnionScorer {
    fn advance(&mut self) -> DocId {
        for scorer in &mut self.scorers {
            if scorer.doc() == self.doc {
                scorer.advance();
            }
        }
        self.doc = first(&self.scorers);
        self.doc
    }

    fn seek(&mut self, target: DocId) -> DocId {
        if self.doc < target {
            for scorer in &mut self.scorers {
                if scorer.doc() < target {
                    scorer.seek(target);
                }
            }
            self.doc = first(&self.scorers);
        }
        self.doc
    }

    fn doc(&self) -> DocId {
        self.doc
    }

    fn size_hint(&self) -> u32 {
        self.scorers.iter().map(|scorer| scorer.size_hint()).fold(0, u32::saturating_add)
    }

    fn cost(&self) -> u64 {
        self.scorers.iter().map(|scorer| scorer.cost()).sum()
    }
}

impl Scorer for UnionScorer {
    fn score(&mut self) -> Score {
        let doc = self.doc;
        self.scorers.iter_mut().filter(|scorer| scorer.doc() == doc).map(|scorer| scorer.score()).sum()
    }
}
