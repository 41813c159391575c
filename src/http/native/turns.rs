//! Turns: one run of the agent, from an input to a terminal state.

use axum::Json as Answered;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::chat::conversation::Command;
use crate::chat::event::{Cursor, Problem, Seq, WaitingFor};
use crate::chat::message::{Part, Usage};
use crate::chat::turn::TurnState;
use crate::clock::Timestamp;
use crate::http::State;
use crate::http::auth::Owned;
use crate::http::openapi::StreamEvent;
use crate::http::problem::{Error, Result};
use crate::http::query::Query;
use crate::http::sse;
use crate::http::stream::{Stream, from_of};
use crate::id::{ConversationId, MessageId, TurnId, UserId};
use crate::runtime::{From as FollowFrom, Order, ReceiptOf};
use crate::scope::{Caller, Scope};
use crate::store::TurnRow;

#[derive(Debug, Serialize, ToSchema)]
pub struct Turn {
    pub id: TurnId,
    pub conversation_id: ConversationId,
    pub state: TurnState,
    pub agent: String,
    /// The model that was asked for; absent: the agent's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    pub requested_by: UserId,
    /// The message that it answers. While the turn is queued it is not a node of the tree yet.
    pub message_id: MessageId,
    /// 0 while it is queued.
    pub attempt: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<WaitingFor>,
    /// What will be sent, while it is queued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts: Option<Vec<Part>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// The turn that took this one's message up (`on_busy: steer`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steered_into: Option<TurnId>,
    /// The positions of its first event, and of its last one once it has ended.
    pub first_seq: Seq,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seq: Option<Seq>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queued_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

impl From<TurnRow> for Turn {
    fn from(row: TurnRow) -> Self {
        Self {
            id: row.id,
            conversation_id: row.conversation_id,
            state: row.state,
            agent: row.request.agent,
            model: row.request.model,
            requested_by: row.request.requested_by,
            message_id: row.input_id,
            attempt: row.attempt,
            waiting_for: row.waiting_for,
            parts: row.queued.map(|queued| queued.parts),
            usage: row.usage,
            problem: row.problem,
            steered_into: row.steered_into,
            first_seq: row.first_seq,
            last_seq: row.last_seq,
            queued_at: row.queued_at,
            started_at: row.started_at,
            ended_at: row.ended_at,
        }
    }
}

pub async fn read(state: &State, scope: &Scope, id: TurnId) -> Result<TurnRow> {
    state.runtime().store().turn(scope, id).await?.ok_or_else(Error::not_found)
}

/// A turn.
#[utoipa::path(get, path = "/v1/turns/{turn_id}", tag = "turns", operation_id = "get_turn",
    params(("turn_id" = TurnId, Path)), responses((status = 200, body = Turn)))]
pub async fn get(state: State, scope: Scope, id: Owned<TurnId>) -> Result<Answered<Turn>> {
    Ok(Answered(read(&state, &scope, id.id()).await?.into()))
}

/// Cancel a turn, or withdraw it while it is queued.
///
/// Durable once it is answered; a turn that has ended stays as it ended.
#[utoipa::path(post, path = "/v1/turns/{turn_id}/cancel", tag = "turns", operation_id = "cancel_turn",
    params(("turn_id" = TurnId, Path)), responses((status = 200, body = Turn)))]
pub async fn cancel(state: State, scope: Scope, caller: Caller, id: Owned<TurnId>) -> Result<Answered<Turn>> {
    let turn = read(&state, &scope, id.id()).await?;
    if turn.state.is_terminal() {
        return Ok(Answered(turn.into()));
    }
    let receipt = ReceiptOf { turn_id: Some(id.id()), ..ReceiptOf::default() };
    let command = Command::Cancel { turn_id: id.id() };
    let order = Order { command, receipt, idempotency: None, caller: Some(caller) };
    state.runtime().order(id.conversation_id(), order).await?;
    Ok(Answered(read(&state, &scope, id.id()).await?.into()))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct EventsQuery {
    /// Everything after this cursor; `Last-Event-ID` wins over it. Absent or `0`: from the turn's first event.
    /// `now`: live only.
    pub after: Option<String>,
}

/// The events of a turn, from its first to its terminal one.
///
/// Then the stream ends. 204 where the turn has ended and nothing comes after the cursor.
#[utoipa::path(get, path = "/v1/turns/{turn_id}/events", tag = "streams", operation_id = "follow_turn",
    params(("turn_id" = TurnId, Path), EventsQuery,
        ("Last-Event-ID" = Option<String>, Header, description = "The last cursor that was seen")),
    responses((status = 200, body = StreamEvent, content_type = "text/event-stream"),
        (status = 204, description = "The turn has ended, and all of it was seen")))]
pub async fn events(
    state: State,
    scope: Scope,
    id: Owned<TurnId>,
    Query(query): Query<EventsQuery>,
    parts: Parts,
) -> Result<Response> {
    follow(&state, scope, &id, from_of(&parts, query.after.as_deref())?).await
}

/// The stream of one turn as an answer.
pub async fn follow(state: &State, scope: Scope, id: &Owned<TurnId>, from: FollowFrom) -> Result<Response> {
    let runtime = state.runtime();
    let begins = |turn: &TurnRow| runtime.cursor(Seq(turn.first_seq.0.saturating_sub(1)));
    let turn = read(state, &scope, id.id()).await?;
    let from = match from {
        FollowFrom::Beginning => FollowFrom::Cursor(begins(&turn)),
        FollowFrom::Cursor(cursor) if cursor.epoch == runtime.epoch() => {
            FollowFrom::Cursor(Cursor { seq: cursor.seq.max(begins(&turn).seq), ..cursor })
        }
        FollowFrom::Now | FollowFrom::Cursor(_) => from,
    };
    let stream = Stream::turn(state, &scope, id, from).await?;
    // Read again: it may have ended before the stream began.
    let turn = read(state, &scope, id.id()).await?;
    let seen = |last: Seq| stream.cursor().is_some_and(|cursor| cursor.seq >= last);
    match turn.last_seq {
        Some(last) if seen(last) => Ok(StatusCode::NO_CONTENT.into_response()),
        Some(_) | None => sse::answer(state.clone(), scope, stream),
    }
}
