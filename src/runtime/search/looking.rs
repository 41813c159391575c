//! One look at the index and the store, with somebody's eyes, at one moment.

use std::cmp::Ordering;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Error;
use super::answer::{Ask, Found, Hit, SNIPPET, Sort, best_snippet};
use super::lists::{List, Listed};
use super::page::Page;
use super::rank::{best_first, standing, weight};
use crate::chat::context::SEARCH;
use crate::chat::searchable::{Subject, TextKind};
use crate::clock::Timestamp;
use crate::id::{ConversationId, MessageId};
use crate::priority::give_way;
use crate::search::{Candidate, Cut, Eyes, Highlighter, Narrow, Order, Place, Query, Snippet, View, Wanted};
use crate::store::{self, Seen, Sight};

/// What is looked at more closely than by its words, and the most that is found by relevance.
const BEST: usize = 200;

/// A search that takes longer answers with what it has found.
pub(super) const BUDGET: Duration = Duration::from_millis(500);

/// What comes behind a page.
pub(super) struct Rest {
    pub next: Option<Next>,
    /// The list was made for this page.
    pub fresh: bool,
    pub relaxed: bool,
    pub cut: Cut,
}

pub(super) enum Next {
    Listed(Arc<List>, usize),
    After(Place),
}

pub(super) struct Looking<'a, 'b> {
    pub view: &'a View,
    pub ask: &'a Ask,
    pub query: &'a Query,
    pub words: Highlighter<'a>,
    pub now: Timestamp,
    /// When it answers with what was found until then.
    pub deadline: Instant,
    /// Who asks, and what for.
    pub question: u64,
    pub sight: &'a mut Sight<'b>,
}

/// A candidate with all that it counts for, and the conversation through which it is seen.
struct Ranked {
    /// Its score is without its standing.
    candidate: Candidate,
    score: f32,
    through: ConversationId,
}

impl Looking<'_, '_> {
    pub fn answer(
        &mut self,
        limit: usize,
        page: Option<Page>,
        kept: Option<Arc<List>>,
    ) -> Result<(Vec<Found>, Rest), Error> {
        match (page, self.ask.sort, self.ask.grouped) {
            (None, Sort::Recent, false) => self.recent(limit, None, false),
            (Some(Page::After { place, relaxed }), ..) => self.recent(limit, Some(place), relaxed),
            (Some(Page::List { offset, .. }), ..) => self.listed(limit, offset, kept),
            (None, ..) => self.listed(limit, 0, None),
        }
    }

    fn listed(
        &mut self,
        limit: usize,
        offset: usize,
        kept: Option<Arc<List>>,
    ) -> Result<(Vec<Found>, Rest), Error> {
        let end = offset.saturating_add(limit);
        let (list, fresh, cut) = match kept {
            Some(list) if list.rest.is_empty() || list.listed.len() >= end => (list, false, Cut::No),
            Some(list) => (Arc::new(self.list_all(&list)?), true, Cut::No),
            None => {
                let (list, cut) = self.list(end)?;
                (Arc::new(list), true, cut)
            }
        };
        let mut found = Vec::new();
        let mut offset = offset.min(list.listed.len());
        while found.len() < limit && offset < list.listed.len() {
            let Listed { candidate, others } = &list.listed[offset];
            found.extend(self.look_at(candidate, *others)?);
            offset += 1;
        }
        let relaxed = list.relaxed;
        let more = offset < list.listed.len() || !list.rest.is_empty();
        let next = more.then(|| Next::Listed(Arc::clone(&list), offset));
        Ok((found, Rest { next, fresh, relaxed, cut }))
    }

    /// The best of all; at least the first `wanted` of them in the order in which they are shown.
    fn list(&mut self, wanted: usize) -> Result<(List, Cut), Error> {
        let by_relevance = self.ask.sort == Sort::Relevance;
        let order = match by_relevance {
            true => Order::Relevance,
            false => Order::Recent { after: None },
        };
        let (mut candidates, mut cut) = self.find(order, BEST, false)?;
        let relaxed = candidates.is_empty() && self.query.must.len() > 1;
        if relaxed {
            (candidates, cut) = self.find(order, BEST, true)?;
        }
        if by_relevance {
            let (titled, titles_cut) = self.view.titled(self.query, self.deadline)?;
            if titles_cut == Cut::Yes {
                cut = Cut::Yes;
            }
            for candidate in &mut candidates {
                let mut through = self.sight.may_be_seen_through(candidate.conversation_id);
                let is_titled = through.any(|conversation| titled.contains(&conversation.low()));
                candidate.score *= weight(candidate, is_titled, self.now);
            }
            candidates.sort_by(best_first);
        }
        let (listed, rest) = match (self.ask.grouped, by_relevance) {
            (true, _) => (grouped(self.look_at_all(&candidates, HashSet::new())?), Vec::new()),
            (false, true) => self.first(candidates, wanted)?,
            (false, false) => (listed(self.look_at_all(&candidates, HashSet::new())?), Vec::new()),
        };
        let relaxed = relaxed && !(listed.is_empty() && rest.is_empty());
        Ok((List { question: self.question, relaxed, listed, rest }, cut))
    }

    /// The first `wanted` or more in the order in which they are shown, and the others, of those that are given with the
    /// best first. The store is asked of as few as that takes: no standing makes more of what is left than it is. (R. Fagin
    /// et al., "Optimal aggregation algorithms for middleware", 2003, calls it the threshold algorithm.)
    fn first(
        &mut self,
        candidates: Vec<Candidate>,
        wanted: usize,
    ) -> Result<(Vec<Listed>, Vec<Candidate>), Error> {
        let (mut ranked, mut once) = (Vec::<Ranked>::new(), HashSet::new());
        let mut left = candidates.into_iter();
        let mut behind = None;
        for candidate in left.by_ref() {
            let worst = wanted.checked_sub(1).and_then(|last| ranked.get(last));
            if worst.is_some_and(|worst| best_first(&worst.shown(), &candidate).is_lt()) {
                behind = Some(candidate);
                break;
            }
            if once.contains(&candidate.subject) {
                continue;
            }
            if let Some(found) = self.rank(candidate)? {
                let place = ranked.partition_point(|better| better.is_before(&found));
                ranked.insert(place, found);
                once.insert(candidate.subject);
            }
        }
        // What has fallen behind the best that is left is shown after it.
        let is_ahead = |found: &Ranked| behind.is_none_or(|best| best_first(&found.shown(), &best).is_lt());
        let fallen = ranked.split_off(ranked.partition_point(is_ahead));
        let fallen = fallen.into_iter().map(|found| found.candidate);
        let once = subjects(ranked.iter().map(|found| &found.candidate));
        let rest = behind.into_iter().chain(left).chain(fallen);
        let rest = rest.filter(|candidate| !once.contains(&candidate.subject)).collect();
        Ok((listed(ranked), rest))
    }

    /// The same list with nothing left behind.
    fn list_all(&mut self, list: &List) -> Result<List, Error> {
        let once = subjects(list.listed.iter().map(|listed| &listed.candidate));
        let behind = listed(self.look_at_all(&list.rest, once)?);
        let listed = list.listed.iter().copied().chain(behind).collect();
        Ok(List { question: list.question, relaxed: list.relaxed, listed, rest: Vec::new() })
    }

    /// What is seen of these, in the order in which it is shown, each subject once. What is not seen hides nothing.
    fn look_at_all(
        &mut self,
        candidates: &[Candidate],
        mut once: HashSet<Subject>,
    ) -> Result<Vec<Ranked>, Error> {
        let mut ranked = Vec::with_capacity(candidates.len());
        for candidate in candidates {
            ranked.extend(self.rank(*candidate)?);
        }
        if self.ask.sort == Sort::Relevance {
            ranked.sort_by(Ranked::compare);
        }
        ranked.retain(|found| once.insert(found.candidate.subject));
        Ok(ranked)
    }

    fn rank(&mut self, candidate: Candidate) -> Result<Option<Ranked>, Error> {
        give_way();
        let Some(seen) = seen(self.sight, &candidate)? else { return Ok(None) };
        let score = candidate.score * standing(&candidate, &seen);
        Ok(Some(Ranked { candidate, score, through: seen.conversation_id }))
    }

    fn recent(
        &mut self,
        limit: usize,
        after: Option<Place>,
        relaxed: bool,
    ) -> Result<(Vec<Found>, Rest), Error> {
        let (mut after, mut relaxed, first) = (after, relaxed, after.is_none());
        let mut found: Vec<Found> = Vec::new();
        loop {
            // What is deleted and still in the index is left out, and made up for.
            let (candidates, cut) = self.find(Order::Recent { after }, limit + 1, relaxed)?;
            if candidates.is_empty() && first && !relaxed && found.is_empty() && self.query.must.len() > 1 {
                relaxed = true;
                continue;
            }
            let whole = candidates.len() > limit;
            for candidate in candidates {
                if found.len() == limit {
                    let next = after.map(Next::After);
                    return Ok((found, Rest { next, fresh: false, relaxed, cut }));
                }
                after = Some(candidate.place());
                found.extend(self.look_at(&candidate, 0)?);
            }
            if !whole || cut == Cut::Yes {
                let relaxed = relaxed && !found.is_empty();
                return Ok((found, Rest { next: None, fresh: false, relaxed, cut }));
            }
        }
    }

    fn find(&mut self, order: Order, limit: usize, any: bool) -> Result<(Vec<Candidate>, Cut), Error> {
        let ask = self.ask;
        let narrow = Narrow {
            role: ask.role,
            kind: ask.kind,
            agent: ask.agent.clone(),
            model: ask.model.clone(),
            tool: ask.tool.clone(),
            but_tool: ask.asked_in.map(|_| SEARCH),
            since: ask.since,
            until: ask.until,
        };
        let wanted = Wanted { query: self.query, any, narrow, order, limit, deadline: self.deadline };
        let asked = match ask.asked_in {
            Some(id) => self.sight.last_question(id)?.map(|question| (id, question)),
            None => None,
        };
        let mut eyes = Looks { sight: self.sight, asked, failed: None };
        let found = self.view.find(&wanted, &mut eyes)?;
        match eyes.failed {
            Some(error) => Err(error.into()),
            None => Ok(found),
        }
    }

    /// What is shown of it, if it is seen.
    fn look_at(&mut self, candidate: &Candidate, others: u32) -> Result<Option<Found>, Error> {
        give_way();
        let Some(seen) = seen(self.sight, candidate)? else { return Ok(None) };
        let message_id = match candidate.subject {
            Subject::Message(id) => Some(id),
            Subject::Conversation(_) => None,
        };
        let mut files = Vec::new();
        let snippet = match (candidate.kind, message_id) {
            (TextKind::Title, _) | (_, None) => {
                seen.title.as_deref().and_then(|title| self.words.snippet(title, SNIPPET))
            }
            (TextKind::Message, Some(id)) => {
                self.words.snippet_in(&self.sight.said(id)?, candidate.language, SNIPPET)
            }
            (TextKind::Call | TextKind::File | TextKind::Branch, Some(id)) => {
                let mut texts = self.sight.texts(id)?;
                // The name of a branch is its conversation's alone.
                texts.retain(|text| {
                    text.kind == candidate.kind && text.conversation_id == candidate.conversation_id
                });
                match candidate.kind == TextKind::File && !texts.is_empty() {
                    true => {
                        files = texts;
                        Some(Snippet::default())
                    }
                    false => best_snippet(&self.words, &texts),
                }
            }
        };
        let Some(snippet) = snippet else { return Ok(None) };
        let hit = Hit {
            conversation_id: seen.conversation_id,
            title: seen.title,
            message_id,
            kind: candidate.kind,
            role: candidate.role,
            at: candidate.at,
            on_current_path: seen.on_current_path || message_id.is_none(),
            snippet,
            score: candidate.score,
            others,
        };
        Ok(Some(Found { hit, files }))
    }
}

impl Ranked {
    fn shown(&self) -> Candidate {
        Candidate { score: self.score, ..self.candidate }
    }

    fn compare(&self, other: &Self) -> Ordering {
        best_first(&self.shown(), &other.shown())
    }

    fn is_before(&self, other: &Self) -> bool {
        self.compare(other).is_lt()
    }
}

fn subjects<'a>(of: impl Iterator<Item = &'a Candidate>) -> HashSet<Subject> {
    of.map(|candidate| candidate.subject).collect()
}

fn listed(ranked: Vec<Ranked>) -> Vec<Listed> {
    ranked.into_iter().map(|found| Listed { candidate: found.shown(), others: 0 }).collect()
}

/// The best of each conversation, with the number of the others.
fn grouped(ranked: Vec<Ranked>) -> Vec<Listed> {
    let (mut listed, mut places) = (Vec::<Listed>::new(), HashMap::new());
    for found in ranked {
        match places.entry(found.through) {
            Entry::Occupied(place) => {
                let place: &usize = place.get();
                listed[*place].others += 1;
            }
            Entry::Vacant(place) => {
                place.insert(listed.len());
                listed.push(Listed { candidate: found.shown(), others: 0 });
            }
        }
    }
    listed
}

struct Looks<'a, 'b> {
    sight: &'a mut Sight<'b>,
    asked: Option<(ConversationId, MessageId)>,
    failed: Option<store::Error>,
}

impl Eyes for Looks<'_, '_> {
    fn sees_one(&mut self, candidate: &Candidate) -> bool {
        seen(self.sight, candidate).map_or_else(
            |error| {
                self.failed.get_or_insert(error);
                false
            },
            |seen| seen.is_some(),
        )
    }

    fn leaves_out(&self, candidate: &Candidate) -> bool {
        let Subject::Message(id) = candidate.subject else { return false };
        // Ids are in the order of time.
        self.asked.is_some_and(|(here, question)| candidate.conversation_id == here && id >= question)
    }
}

/// Where it is seen, if it is. The names of branches are their conversation's own: a fork has those of when it was made,
/// and not what they are called since.
fn seen(sight: &mut Sight<'_>, candidate: &Candidate) -> Result<Option<Seen>, store::Error> {
    let seen = sight.find(candidate.conversation_id, candidate.subject, candidate.kind)?;
    Ok(seen.filter(|seen| {
        candidate.kind != TextKind::Branch || seen.conversation_id == candidate.conversation_id
    }))
}
