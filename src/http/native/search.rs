//! Search over everything that the caller may see.

use axum::Json as Answered;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::chat::event::{Cursor, Epoch};
use crate::chat::message::Role;
use crate::chat::searchable::TextKind;
use crate::clock::Timestamp;
use crate::http::State;
use crate::http::limits;
use crate::http::problem::{Error, Kind, Result};
use crate::http::query::Query;
use crate::id::{ConversationId, MessageId};
use crate::runtime::search::{self, Ask, Hit, Page, Search};
use crate::scope::Scope;

const QUERY_CHARS: usize = 1000;
const NAME_CHARS: usize = 200;
const PAGE: u32 = 20;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct SearchQuery {
    /// Words, `"phrases"`, `-not`, `OR`, `prefix*`. Upper and lower case, accents and endings do not matter. Nothing is
    /// an error: what cannot be parsed is searched as plain words.
    q: String,
    /// Whose message it is.
    role: Option<Role>,
    /// What it stands in.
    kind: Option<TextKind>,
    agent: Option<String>,
    model: Option<String>,
    /// Calls of this tool.
    tool: Option<String>,
    conversation_id: Option<ConversationId>,
    /// From this moment on.
    since: Option<Timestamp>,
    /// Before this moment.
    until: Option<Timestamp>,
    /// Absent: `relevance`, which finds the best 200.
    #[param(inline)]
    sort: Option<SearchSort>,
    /// `conversation`: the best of each, with the number of the others.
    #[param(inline)]
    group: Option<SearchGroup>,
    /// The cursor of what you have seen, or an `indexed_through`: waits, for five seconds at most, until whatever was
    /// committed before this request is found.
    after: Option<String>,
    /// The `next` of an answer to the same search.
    page: Option<String>,
    /// Absent: 20.
    limit: Option<u32>,
}

#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SearchSort {
    Relevance,
    Recent,
}

#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SearchGroup {
    Conversation,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct SearchResults {
    items: Vec<SearchItem>,
    /// For `page`; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// Up to where everything is found that was committed.
    indexed_through: String,
    /// What was said before is being taken in: there may be more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    indexing: bool,
    /// Nothing has all of the words; these have some of them.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    relaxed: bool,
    /// Time was up before everything was looked at.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    partial: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct SearchItem {
    /// Through which you see it: it may have been said in the one that this was forked off.
    conversation: SearchConversation,
    /// Absent: it is the title that was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<MessageId>,
    kind: TextKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<Role>,
    created_at: Timestamp,
    /// Whether it is on the way to where the conversation stands.
    on_current_path: bool,
    snippet: SearchSnippet,
    score: f32,
    /// More of the best that were found in the same conversation, where only one of each is listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    others: Option<u32>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct SearchConversation {
    id: ConversationId,
    title: Option<String>,
}

/// Plain text, never HTML.
#[derive(Debug, Serialize, ToSchema)]
pub struct SearchSnippet {
    text: String,
    /// `[start, end]` of what was looked for, in UTF-16 code units of `text`.
    highlights: Vec<(u32, u32)>,
}

/// Find what was said, in everything that you may see.
///
/// The best first, or the newest. What you may see is asked at the time of the search: what is shared, forked or deleted
/// now is found, or not, from now on.
#[utoipa::path(get, path = "/v1/search", tag = "search", operation_id = "search",
    params(SearchQuery), responses((status = 200, body = SearchResults)))]
pub async fn search(
    state: State,
    scope: Scope,
    Query(query): Query<SearchQuery>,
) -> Result<Answered<SearchResults>> {
    let search = search_of(&state)?;
    let limit = limits::page(Some(query.limit.unwrap_or(PAGE)))? as usize;
    let page = query.page.as_deref().map(str::parse::<Page>).transpose();
    let page = page.map_err(|error| Error::invalid("/page", error.to_string()))?;
    if let Some(after) = &query.after {
        check_cursor(after)?;
        search.catch_up().await?;
    }
    let grouped = query.group.is_some();
    let ask = ask(query)?;
    let before = search.state();
    let answer = search.search(&scope, ask, limit, page).await?;
    Ok(Answered(SearchResults {
        items: answer.hits.into_iter().map(|hit| SearchItem::of(hit, grouped)).collect(),
        next: answer.next.map(|page| page.to_string()),
        indexed_through: cursor(state.runtime().epoch(), before),
        indexing: before.incomplete,
        relaxed: answer.relaxed,
        partial: answer.cut,
    }))
}

fn ask(query: SearchQuery) -> Result<Ask> {
    if query.q.chars().count() > QUERY_CHARS {
        return Err(Error::invalid("/q", format!("at most {QUERY_CHARS} characters")));
    }
    for (pointer, name) in [("/agent", &query.agent), ("/model", &query.model), ("/tool", &query.tool)] {
        if name.as_ref().is_some_and(|name| name.chars().count() > NAME_CHARS) {
            return Err(Error::invalid(pointer, format!("at most {NAME_CHARS} characters")));
        }
    }
    Ok(Ask {
        query: query.q,
        role: query.role,
        kind: query.kind,
        agent: query.agent,
        model: query.model,
        tool: query.tool,
        conversation_id: query.conversation_id,
        since: query.since,
        until: query.until,
        sort: match query.sort {
            None | Some(SearchSort::Relevance) => search::Sort::Relevance,
            Some(SearchSort::Recent) => search::Sort::Recent,
        },
        grouped: query.group.is_some(),
        asked_in: None,
    })
}

fn search_of(state: &State) -> Result<&Search> {
    let none = || Error::new(Kind::Unavailable, "this server has no search");
    state.runtime().search().ok_or_else(none)
}

fn cursor(epoch: Epoch, at: search::State) -> String {
    format!("s{epoch}.{}", if at.incomplete { 0 } else { at.through })
}

/// Of a log, of the feed, or an `indexed_through`: all of them were durable before anyone had them.
fn check_cursor(text: &str) -> Result<()> {
    let position = text.strip_prefix(['f', 's']).unwrap_or(text);
    position.parse::<Cursor>()?;
    Ok(())
}

impl SearchItem {
    fn of(hit: Hit, grouped: bool) -> Self {
        Self {
            conversation: SearchConversation { id: hit.conversation_id, title: hit.title },
            message_id: hit.message_id,
            kind: hit.kind,
            role: hit.role,
            created_at: hit.at,
            on_current_path: hit.on_current_path,
            snippet: SearchSnippet { text: hit.snippet.text, highlights: hit.snippet.highlights },
            score: (hit.score * 1000.0).round() / 1000.0,
            others: grouped.then_some(hit.others),
        }
    }
}
