//! The feed as server-sent events: what changed for the caller, across conversations.

use axum::http::request::Parts;
use axum::response::Response;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::clock::Timestamp;
use crate::http::State;
use crate::http::feed::Feed;
use crate::http::problem::Result;
use crate::http::query::Query;
use crate::http::sse;
use crate::http::stream::{Stream, after_of};
use crate::id::ConversationId;
use crate::scope::Scope;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct FeedQuery {
    /// A `feed_cursor`, or the last id that was seen (`Last-Event-ID` wins over it). Absent: live only.
    after: Option<String>,
}

/// One notification. Others carry what their type says: `change`, `turn_id`, `state`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described; the store writes it")]
pub struct FeedEvent {
    /// `conversation.listed`, `conversation.unlisted`, `turn.finished`
    r#type: String,
    conversation_id: ConversationId,
    at: Timestamp,
}

/// Notifications of what the caller may see now.
///
/// The cursor is opaque and kept for 7 days; after that, `resync`.
#[utoipa::path(get, path = "/v1/feed", tag = "streams", operation_id = "follow_feed",
    params(FeedQuery, ("Last-Event-ID" = Option<String>, Header, description = "The last cursor that was seen")),
    responses((status = 200, body = FeedEvent, content_type = "text/event-stream")))]
pub async fn follow(
    state: State,
    scope: Scope,
    Query(query): Query<FeedQuery>,
    parts: Parts,
) -> Result<Response> {
    let after = after_of(&parts, query.after.as_deref())?;
    let feed = Feed::new(state.runtime().store(), &scope, after).await?;
    sse::answer(state, scope, Stream::feed(feed))
}
