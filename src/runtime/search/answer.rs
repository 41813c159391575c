//! One search: what is asked, who asks, and what they are shown of it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::looking::{BUDGET, Looking, Next};
use super::page::Page;
use super::{Error, Search};
use crate::chat::message::Role;
use crate::chat::searchable::{Searchable, TextKind};
use crate::clock::Timestamp;
use crate::id::{ConversationId, MessageId};
use crate::scope::Scope;
use crate::search::{self, Cut, Highlighter, Index, Query, Snippet};
use crate::store::Sight;

/// Of a snippet, in characters.
pub(super) const SNIPPET: usize = 240;

/// What is looked for. What is absent narrows nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Ask {
    pub query: String,
    pub role: Option<Role>,
    pub kind: Option<TextKind>,
    pub agent: Option<String>,
    pub model: Option<String>,
    pub tool: Option<String>,
    pub conversation_id: Option<ConversationId>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    pub sort: Sort,
    /// The best of each conversation only.
    pub grouped: bool,
    /// An agent asks in this conversation: neither the message that asks is looked for nor what came after it, nor what
    /// agents looked for before.
    pub asked_in: Option<ConversationId>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Sort {
    #[default]
    Relevance,
    Recent,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub hits: Vec<Hit>,
    pub next: Option<Page>,
    /// Nothing has all of the words; these have some of them.
    pub relaxed: bool,
    /// Time was up before everything was looked at.
    pub cut: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// Through which it is seen; it may have been said in the one that this was forked off.
    pub conversation_id: ConversationId,
    pub title: Option<String>,
    /// Absent: it is the title.
    pub message_id: Option<MessageId>,
    pub kind: TextKind,
    pub role: Option<Role>,
    pub at: Timestamp,
    pub on_current_path: bool,
    pub snippet: Snippet,
    pub score: f32,
    /// More that was found in the same conversation.
    pub others: u32,
}

/// A hit of a page. Where it is a file, what stands in it must be read before its snippet is cut.
pub(super) struct Found {
    pub hit: Hit,
    pub files: Vec<Searchable>,
}

impl Search {
    /// What the scope sees of it, the best or the newest first.
    pub async fn search(
        &self,
        scope: &Scope,
        ask: Ask,
        limit: usize,
        page: Option<Page>,
    ) -> Result<Answer, Error> {
        let began = Instant::now();
        let _place = self.0.places.try_acquire().map_err(|_| Error::Busy)?;
        let _permit = self.0.permits.acquire().await.expect("it is never closed");
        let index = self.index().await?;
        let question = question(scope, &ask);
        let kept = match page {
            Some(Page::List { name, .. }) => self.0.lists.find(name, question),
            Some(Page::After { .. }) | None => None,
        };
        let scope = narrowed(scope, ask.conversation_id);
        let now = self.0.clock.now();
        let look = move |sight: &mut Sight<'_>| {
            let view = match index.view(sight.reaches()) {
                Ok(view) => view,
                // What the index says is told apart from what the store says.
                Err(error) => return Ok(Err(Error::Index(error))),
            };
            let query = Query::parse(&ask.query, &view.languages());
            let words = Highlighter::new(&query);
            let deadline = Instant::now() + BUDGET;
            let mut looking =
                Looking { view: &view, ask: &ask, query: &query, words, now, deadline, question, sight };
            Ok(looking.answer(limit, page, kept).map(|(found, rest)| (found, rest, query)))
        };
        let looked = self.0.store.look(&scope, look).await?;
        if let Err(Error::Index(search::Error::Damaged(_))) = &looked {
            self.doubt();
        }
        let (found, rest, query) = looked?;
        let hits = self.with_files(query, found).await;
        let next = match rest.next {
            Some(Next::Listed(list, offset)) => {
                let name = match page {
                    Some(Page::List { name, .. }) if !rest.fresh => name,
                    Some(_) | None => self.0.lists.keep(list),
                };
                Some(Page::List { name, offset })
            }
            Some(Next::After(place)) => Some(Page::After { place, relaxed: rest.relaxed }),
            None => None,
        };
        metrics::histogram!("weir_search_seconds").record(began.elapsed().as_secs_f64());
        Ok(Answer { hits, next, relaxed: rest.relaxed, cut: rest.cut == Cut::Yes })
    }

    /// Waits a little where the server has only just begun.
    async fn index(&self) -> Result<Arc<Index>, Error> {
        if let Some(index) = self.0.index.load_full() {
            return Ok(index);
        }
        let _ = tokio::time::timeout(super::PATIENCE, async {
            while self.0.index.load().is_none() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        self.0.index.load_full().ok_or(Error::NotYet)
    }

    async fn with_files(&self, query: Query, mut found: Vec<Found>) -> Vec<Hit> {
        if found.iter().all(|found| found.files.is_empty()) {
            return found.into_iter().map(|found| found.hit).collect();
        }
        for file in found.iter_mut().flat_map(|found| &mut found.files) {
            self.add_content(file).await;
        }
        let cut = move || {
            let words = Highlighter::new(&query);
            found.into_iter().filter_map(|found| found.cut(&words)).collect()
        };
        match tokio::task::spawn_blocking(cut).await {
            Ok(hits) => hits,
            Err(failed) => std::panic::resume_unwind(failed.into_panic()),
        }
    }
}

impl Found {
    fn cut(self, words: &Highlighter<'_>) -> Option<Hit> {
        if self.files.is_empty() {
            return Some(self.hit);
        }
        best_snippet(words, &self.files).map(|snippet| Hit { snippet, ..self.hit })
    }
}

/// Of the text that has most of what was looked for. `None`: they have changed since; the index may be a moment behind.
pub(super) fn best_snippet(words: &Highlighter<'_>, texts: &[Searchable]) -> Option<Snippet> {
    let snippets = texts.iter().filter_map(|text| words.snippet(&text.text, SNIPPET));
    snippets.max_by_key(|snippet| snippet.matches)
}

/// The same eyes, for one conversation only.
fn narrowed(scope: &Scope, only: Option<ConversationId>) -> Scope {
    let Some(id) = only else { return scope.clone() };
    let only: Arc<[ConversationId]> = if scope.reaches(id) { Arc::new([id]) } else { Arc::new([]) };
    Scope { only: Some(only), ..scope.clone() }
}

/// Who asks, and what for.
fn question(scope: &Scope, ask: &Ask) -> u64 {
    let mut hasher = DefaultHasher::new();
    (scope.workspace_id, scope.user_id, &scope.only, ask).hash(&mut hasher);
    hasher.finish()
}
