//! Finding: the best of what the words match and the eyes see, without looking at what cannot be among them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::ops::RangeInclusive;
use std::time::Instant;

use tantivy::query::{EnableScoring, Weight};
use tantivy::{DocId, DocSet, SeekDangerResult, SegmentReader, TERMINATED};

use super::analyzer::Language;
use super::bits::Bits;
use super::columns::Columns;
use super::compile::{Compiled, compile};
use super::index::{Committed, Error, unbroken};
use super::query::Query;
use super::rarity::Rarity;
use super::shown::Seen;
use super::view::View;
use super::write::{subject_of, unpacked};
use crate::chat::message::Role;
use crate::chat::searchable::{Sees, Subject, TextKind};
use crate::clock::Timestamp;
use crate::id::ConversationId;
use crate::priority::{Steps, give_way};

/// Where more than one text in so many is seen, looking at each match costs less than going from one of those to the next.
const SPARSE: usize = 3;

/// What is looked for.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    pub query: &'a Query,
    /// Any of the words is enough.
    pub any: bool,
    pub narrow: Narrow,
    pub order: Order,
    pub limit: usize,
    /// When the search is broken off with what was found until then.
    pub deadline: Instant,
}

/// What is absent narrows nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Narrow {
    pub role: Option<Role>,
    pub kind: Option<TextKind>,
    pub agent: Option<String>,
    pub model: Option<String>,
    pub tool: Option<String>,
    /// Calls of this tool are not looked for.
    pub but_tool: Option<&'static str>,
    pub since: Option<Timestamp>,
    /// The first moment that does not count any more.
    pub until: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Relevance,
    /// The newest first, after a place.
    Recent {
        after: Option<Place>,
    },
}

/// Where something stands among all, by its age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub at: Timestamp,
    /// The id of the message or conversation, as a number.
    pub subject: u128,
}

/// What was found, and may be shown to whoever sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    pub subject: Subject,
    pub kind: TextKind,
    pub role: Option<Role>,
    pub conversation_id: ConversationId,
    pub at: Timestamp,
    /// Of the text.
    pub language: Option<Language>,
    /// BM25, `k1` 1.2 and `b` 0.75.
    pub score: f32,
}

impl Candidate {
    pub fn place(&self) -> Place {
        let subject = match self.subject {
            Subject::Message(id) => u128::from_be_bytes(*id.as_bytes()),
            Subject::Conversation(id) => u128::from_be_bytes(*id.as_bytes()),
        };
        Place { at: self.at, subject }
    }
}

/// Whether time was up before everything was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    No,
    Yes,
}

/// Who looks.
pub trait Eyes {
    /// What is not to be found, although it is seen.
    fn leaves_out(&self, candidate: &Candidate) -> bool;

    /// Asked where only some of a conversation is seen.
    fn sees_one(&mut self, candidate: &Candidate) -> bool;
}

impl View {
    /// The best first.
    pub fn find(&self, wanted: &Wanted<'_>, eyes: &mut dyn Eyes) -> Result<(Vec<Candidate>, Cut), Error> {
        unbroken(|| {
            let Committed { searcher, columns } = self.committed.as_ref();
            let compiled = compile(wanted, &self.fields);
            let Some(Compiled { query, scored, weighs }) = compiled else {
                return Ok((Vec::new(), Cut::No));
            };
            // Where nothing tells one match from another, the newest is the best.
            let by_score = scored && wanted.order == Order::Relevance;
            let best: Box<dyn Best> = match wanted.order {
                Order::Relevance if by_score => Box::new(Highest::new(wanted.limit)),
                Order::Relevance => Box::new(Newest::new(wanted.limit, None)),
                Order::Recent { after } => Box::new(Newest::new(wanted.limit, after)),
            };
            let rarity = match weighs && by_score {
                true => Rarity::among(self),
                false => Rarity::alike(),
            };
            let scoring = EnableScoring::enabled_from_statistics_provider(&rarity, searcher);
            let weight = query.weight(scoring)?;
            let mut search =
                Search { view: self, wanted, eyes, by_score, best, looked: Steps::default(), cut: Cut::No };
            let segments = searcher.segment_readers().iter().zip(columns).zip(&self.seen);
            let mut segments: Vec<_> =
                segments.map(|((segment, columns), seen)| (segment, columns, seen)).collect();
            // What is new is in the newest: where the age decides, the others need not be looked through.
            segments.sort_by_key(|(_, columns, _)| Reverse(*columns.ages().end()));
            for (segment, columns, seen) in segments {
                give_way();
                search.look_through(weight.as_ref(), segment, columns, seen)?;
            }
            Ok((search.best.into_sorted(), search.cut))
        })
    }
}

struct Search<'a> {
    view: &'a View,
    wanted: &'a Wanted<'a>,
    eyes: &'a mut dyn Eyes,
    /// The higher the score, the better.
    by_score: bool,
    best: Box<dyn Best>,
    looked: Steps,
    cut: Cut,
}

impl Search<'_> {
    fn look_through(
        &mut self,
        weight: &dyn Weight,
        segment: &SegmentReader,
        columns: &Columns,
        seen: &Seen,
    ) -> Result<(), Error> {
        if self.cut == Cut::Yes || !self.may_be(columns.ages()) {
            return Ok(());
        }
        let is_sparse = seen.count * SPARSE < segment.max_doc() as usize;
        match (self.by_score, is_sparse) {
            (true, false) => self.look_at_best(weight, segment, columns),
            (false, false) => self.look_at_all(weight, segment, columns),
            (_, true) => self.look_at_seen(weight, segment, columns, &seen.bits),
        }
    }

    /// The library leaves out what cannot be among the best.
    fn look_at_best(
        &mut self,
        weight: &dyn Weight,
        segment: &SegmentReader,
        columns: &Columns,
    ) -> Result<(), Error> {
        let alive = segment.alive_bitset();
        let threshold = self.best.threshold();
        let mut look = |doc: DocId, score: f32| {
            if !self.is_late() && alive.is_none_or(|alive| alive.is_alive(doc)) {
                self.consider(columns, doc, None, &mut || score);
            }
            match self.cut {
                Cut::No => self.best.threshold(),
                Cut::Yes => f32::MAX,
            }
        };
        weight.for_each_pruning(threshold, segment, &mut look)?;
        Ok(())
    }

    /// Goes from match to match.
    fn look_at_all(
        &mut self,
        weight: &dyn Weight,
        segment: &SegmentReader,
        columns: &Columns,
    ) -> Result<(), Error> {
        let alive = segment.alive_bitset();
        let mut matches = weight.scorer(segment, 1.0)?;
        let mut doc = matches.doc();
        while doc != TERMINATED && !self.is_late() {
            if alive.is_none_or(|alive| alive.is_alive(doc)) {
                self.consider(columns, doc, None, &mut || matches.score());
            }
            doc = matches.advance();
        }
        Ok(())
    }

    /// Goes from one that is seen to the next. Whether something matches that is not seen is never found out, where that
    /// takes a look at it: a phrase of common words would be looked for in every text that has them.
    fn look_at_seen(
        &mut self,
        weight: &dyn Weight,
        segment: &SegmentReader,
        columns: &Columns,
        seen: &Bits,
    ) -> Result<(), Error> {
        let alive = segment.alive_bitset();
        let Some(mut doc) = seen.next(0) else { return Ok(()) };
        let sees = self.view.sees_wholes.then_some(Sees::All);
        let (mut found, mut matches) = weight.scorer_danger(segment, doc, 1.0)?;
        while !self.is_late() {
            let from = match found {
                SeekDangerResult::Found => {
                    if alive.is_none_or(|alive| alive.is_alive(doc)) {
                        self.consider(columns, doc, sees, &mut || matches.score());
                    }
                    doc + 1
                }
                SeekDangerResult::SeekLowerBound(from) => from,
            };
            match seen.next(from) {
                Some(next) => doc = next,
                None => break,
            }
            found = matches.seek_danger(doc);
        }
        Ok(())
    }

    /// Whether something of these ages is looked for, and may be among the best.
    fn may_be(&self, ages: RangeInclusive<Timestamp>) -> bool {
        let Narrow { since, until, .. } = &self.wanted.narrow;
        since.is_none_or(|since| *ages.end() >= since)
            && until.is_none_or(|until| *ages.start() < until)
            && self.best.may_take_age(ages)
    }

    /// Whether time is up; a look at it now and then.
    fn is_late(&mut self) -> bool {
        if self.looked.step() && Instant::now() > self.wanted.deadline {
            self.cut = Cut::Yes;
        }
        self.cut == Cut::Yes
    }

    /// What costs least to look at, and what most matches fail at, comes first.
    /// `sees` is what is known already of whoever looks and the conversation.
    fn consider(
        &mut self,
        columns: &Columns,
        doc: DocId,
        sees: Option<Sees>,
        score: &mut dyn FnMut() -> f32,
    ) {
        if !self.best.may_take_score(score) {
            return;
        }
        let at = Timestamp::from_millis(columns.at.get_val(doc));
        if !self.may_be(at..=at) {
            return;
        }
        let low = columns.conversation.get_val(doc);
        let sees = sees.unwrap_or_else(|| self.view.sees(low));
        if sees == Sees::Nothing {
            return;
        }
        let (kind, role) = unpacked(columns.kind.get_val(doc));
        let narrow = &self.wanted.narrow;
        if narrow.role.is_some() && narrow.role != role || narrow.kind.is_some_and(|wanted| wanted != kind) {
            return;
        }
        let (high, subject) = (columns.subject_high.get_val(doc), columns.subject.get_val(doc));
        let candidate = Candidate {
            subject: subject_of(kind, high, subject),
            kind,
            role,
            conversation_id: ConversationId::from_halves(columns.conversation_high.get_val(doc), low),
            at,
            language: Language::of_number(columns.language.get_val(doc)),
            score: score(),
        };
        if self.eyes.leaves_out(&candidate) {
            return;
        }
        if sees == Sees::All || self.eyes.sees_one(&candidate) {
            self.best.take(candidate);
        }
    }
}

/// The best so far.
trait Best {
    /// Nothing that scores no more than this is taken.
    fn threshold(&self) -> f32;

    fn may_take_score(&self, score: &mut dyn FnMut() -> f32) -> bool;

    /// Whether it takes something of any of these ages.
    fn may_take_age(&self, ages: RangeInclusive<Timestamp>) -> bool;

    fn take(&mut self, candidate: Candidate);

    fn into_sorted(self: Box<Self>) -> Vec<Candidate>;
}

/// Those with the highest scores, and among equals the newest.
struct Highest {
    limit: usize,
    heap: BinaryHeap<Reverse<Ranked>>,
}

struct Ranked(Candidate);

impl Ranked {
    fn key(&self) -> (i64, Place) {
        // Scores are not negative: their bits are in their order.
        (i64::from(self.0.score.max(0.0).to_bits()), self.0.place())
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Ranked {}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl Highest {
    fn new(limit: usize) -> Self {
        Self { limit, heap: BinaryHeap::with_capacity(limit + 1) }
    }
}

impl Best for Highest {
    fn threshold(&self) -> f32 {
        match self.heap.peek() {
            Some(Reverse(worst)) if self.heap.len() >= self.limit => worst.0.score,
            Some(_) | None => f32::MIN,
        }
    }

    fn may_take_score(&self, score: &mut dyn FnMut() -> f32) -> bool {
        score() > self.threshold()
    }

    fn may_take_age(&self, _: RangeInclusive<Timestamp>) -> bool {
        true
    }

    fn take(&mut self, candidate: Candidate) {
        self.heap.push(Reverse(Ranked(candidate)));
        if self.heap.len() > self.limit {
            self.heap.pop();
        }
    }

    fn into_sorted(self: Box<Self>) -> Vec<Candidate> {
        self.heap.into_sorted_vec().into_iter().map(|Reverse(Ranked(candidate))| candidate).collect()
    }
}

/// The newest, each subject once.
struct Newest {
    limit: usize,
    after: Option<Place>,
    found: BTreeMap<Place, Candidate>,
}

impl Newest {
    fn new(limit: usize, after: Option<Place>) -> Self {
        Self { limit, after, found: BTreeMap::new() }
    }
}

impl Best for Newest {
    fn threshold(&self) -> f32 {
        f32::MIN
    }

    fn may_take_score(&self, _: &mut dyn FnMut() -> f32) -> bool {
        true
    }

    fn may_take_age(&self, ages: RangeInclusive<Timestamp>) -> bool {
        self.after.is_none_or(|after| *ages.start() <= after.at)
            && (self.found.len() < self.limit
                || self.found.first_key_value().is_none_or(|(oldest, _)| *ages.end() >= oldest.at))
    }

    fn take(&mut self, candidate: Candidate) {
        let place = candidate.place();
        if self.after.is_some_and(|after| place >= after) {
            return;
        }
        let known = self.found.entry(place).or_insert(candidate);
        if (candidate.score, Reverse(candidate.kind)) > (known.score, Reverse(known.kind)) {
            *known = candidate;
        }
        if self.found.len() > self.limit {
            self.found.pop_first();
        }
    }

    fn into_sorted(self: Box<Self>) -> Vec<Candidate> {
        self.found.into_values().rev().collect()
    }
}
