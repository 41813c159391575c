//! A conversation's log as server-sent events.

use axum::http::request::Parts;
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::http::State;
use crate::http::auth::Owned;
use crate::http::openapi::StreamEvent;
use crate::http::problem::Result;
use crate::http::query::Query;
use crate::http::sse;
use crate::http::stream::{Stream, from_of};
use crate::id::ConversationId;
use crate::scope::Scope;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct EventsQuery {
    /// Everything after this cursor, also from the middle of a delta; `Last-Event-ID` wins over it. Absent or `0`:
    /// from the beginning. `now`: live only.
    after: Option<String>,
}

/// Follow a conversation's log.
///
/// Replay, `caught_up`, then live for as long as the client stays.
#[utoipa::path(get, path = "/v1/conversations/{conversation_id}/events", tag = "streams",
    operation_id = "follow_conversation",
    params(("conversation_id" = ConversationId, Path), EventsQuery,
        ("Last-Event-ID" = Option<String>, Header, description = "The last cursor that was seen")),
    responses((status = 200, body = StreamEvent, content_type = "text/event-stream")))]
pub async fn follow(
    state: State,
    scope: Scope,
    id: Owned<ConversationId>,
    Query(query): Query<EventsQuery>,
    parts: Parts,
) -> Result<Response> {
    let from = from_of(&parts, query.after.as_deref())?;
    let stream = Stream::log(&state, &scope, &id, from).await?;
    sse::answer(state, scope, stream)
}
