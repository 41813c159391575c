//! Messages: the path to a head, and sending one.

use std::time::Duration;

use axum::Json as Answered;
use axum::http::StatusCode;
use axum::http::header::{HeaderValue, LOCATION};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::send::SendRequest;
use super::turns::{self, Turn};
use crate::chat::conversation::Command;
use crate::chat::event::{Cursor, Seq};
use crate::chat::message::{Call, Message, MessageStatus};
use crate::http::State;
use crate::http::auth::{Access, Owned};
use crate::http::idempotency::IdempotencyKey;
use crate::http::json::Json;
use crate::http::limits;
use crate::http::openapi::StreamEvent;
use crate::http::prefer::Answer;
use crate::http::problem::{Error, Result};
use crate::http::query::Query;
use crate::id::{ConversationId, MessageId, TurnId};
use crate::runtime::{From as FollowFrom, Idempotency, Next, Order, Receipt, ReceiptOf};
use crate::scope::{Caller, Scope};
use crate::store::{KeyScope, PathMessage};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    /// The message that the path ends in. Absent: the current head.
    head: Option<MessageId>,
    /// 50, at most 200.
    limit: Option<u32>,
    /// Only what is above this message: `next` of the page before.
    before: Option<MessageId>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Messages {
    /// Newest first.
    items: Vec<ListedMessage>,
    /// The `before` of the next page, which holds older messages.
    next: Option<MessageId>,
    /// The message that the path ends in.
    head: Option<MessageId>,
    /// Read in the same transaction: a streaming message holds exactly what is durable up to here, so that following
    /// from here neither repeats nor misses anything.
    #[schema(value_type = String)]
    cursor: Cursor,
}

/// A message of a path, with what lies beside it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ListedMessage {
    #[serde(flatten)]
    message: Message,
    /// The last position that is folded into it.
    seq: Seq,
    siblings: Siblings,
    /// The tool calls that it made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    calls: Vec<Call>,
}

/// The visible messages with the same parent, this one among them.
#[derive(Debug, Serialize, ToSchema)]
struct Siblings {
    count: usize,
    /// From 0.
    index: usize,
    ids: Vec<MessageId>,
}

impl From<PathMessage> for ListedMessage {
    fn from(found: PathMessage) -> Self {
        let crate::store::Siblings { count, index, ids } = found.siblings;
        let siblings = Siblings { count, index, ids };
        Self { message: found.message, seq: found.seq, siblings, calls: found.calls }
    }
}

/// The messages on the path to a head, newest page first.
#[utoipa::path(get, path = "/v1/conversations/{conversation_id}/messages", tag = "messages",
    operation_id = "list_messages", params(("conversation_id" = ConversationId, Path), ListQuery),
    responses((status = 200, body = Messages)))]
pub async fn list(
    state: State,
    scope: Scope,
    id: Owned<ConversationId>,
    Query(query): Query<ListQuery>,
) -> Result<Answered<Messages>> {
    let limit = limits::page(query.limit)? as usize;
    let page = state.runtime().messages(&scope, id.id(), query.head, query.before, limit).await?;
    let page = page.ok_or_else(Error::not_found)?;
    let (path, cursor) = (page.value, page.cursor);
    let next = path.messages.last().filter(|_| path.more).map(|last| last.message.id);
    let items = path.messages.into_iter().map(ListedMessage::from).collect();
    Ok(Answered(Messages { items, next, head: path.head, cursor }))
}

/// What was sent, once it is durable.
#[derive(Debug, Serialize, ToSchema)]
pub struct Sent {
    /// While the turn is queued the message is not a node of the tree yet.
    message_id: MessageId,
    turn: Turn,
    /// The log's position after the send.
    #[schema(value_type = String)]
    cursor: Cursor,
    /// What the turn has said so far, its input first, oldest first (`Prefer: wait`).
    #[serde(skip_serializing_if = "Option::is_none")]
    messages: Option<Vec<TurnMessage>>,
}

#[derive(Debug, Serialize, ToSchema)]
struct TurnMessage {
    #[serde(flatten)]
    message: Message,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    calls: Vec<Call>,
}

/// Send a message.
///
/// 202 once it is durable; with `Accept: text/event-stream` the answer is the turn's stream; with `Prefer: wait=60` it is the finished turn and its messages, or 202 with what there is by then. A dropped
/// connection never cancels a turn.
#[utoipa::path(post, path = "/v1/conversations/{conversation_id}/messages", tag = "messages",
    operation_id = "send_message", request_body = SendRequest,
    params(("conversation_id" = ConversationId, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "A repeat gets the first answer, as long as the turn exists"),
        ("Prefer" = Option<String>, Header, description = "`wait=60`: seconds, at most 300")),
    responses(
        (status = 202, body = Sent, headers(("Location" = String, description = "The turn's stream"))),
        (status = 200, description = "The turn's stream, or with `Prefer: wait` the finished turn",
            content((Sent = "application/json"), (StreamEvent = "text/event-stream")),
            headers(("Location" = String, description = "The turn's stream")))))]
pub async fn send(
    state: State,
    scope: Scope,
    caller: Caller,
    id: Owned<ConversationId>,
    key: IdempotencyKey,
    answer: Answer,
    Json { body, bytes }: Json<SendRequest>,
) -> Result<Response> {
    let key = key.of(KeyScope::Conversation(id.id()), scope.user_id, "POST messages", &bytes);
    let receipt = order_send(&state, &scope, caller, &id, body, key).await?;
    receipted(&state, scope, answer, receipt).await
}

/// What a sender is answered, in the way that it asked for.
pub async fn receipted(state: &State, scope: Scope, answer: Answer, receipt: Receipt) -> Result<Response> {
    let (Some(turn_id), Some(message_id)) = (receipt.turn_id, receipt.message_id) else {
        return Err(Error::internal(&"a send was answered without its turn"));
    };
    let sent = Receipted { receipt, turn_id, message_id };
    let mut response = match answer {
        Answer::AtOnce => sent.at_once(state, &scope).await?,
        Answer::Stream => {
            let turn = Owned::<TurnId>::check(state, &scope, Access::Read, turn_id).await?;
            turns::follow(state, scope, &turn, FollowFrom::Beginning).await?
        }
        Answer::After(wait) => sent.after(state, &scope, wait).await?,
    };
    let location = format!("/v1/turns/{turn_id}/events");
    response.headers_mut().insert(LOCATION, HeaderValue::try_from(location).expect("an id is ASCII"));
    Ok(response)
}

/// Sends a message to a conversation that the caller may write to.
pub async fn order_send(
    state: &State,
    scope: &Scope,
    caller: Caller,
    to: &Owned<ConversationId>,
    message: SendRequest,
    idempotency: Option<Idempotency>,
) -> Result<Receipt> {
    let send = message.into_send(state, scope, to).await?;
    let receipt = ReceiptOf { message_id: Some(send.message_id), turn_id: Some(send.turn_id) };
    let order = Order { command: Command::Send(Box::new(send)), receipt, idempotency, caller: Some(caller) };
    Ok(state.runtime().order(to.id(), order).await?)
}

struct Receipted {
    receipt: Receipt,
    turn_id: TurnId,
    message_id: MessageId,
}

impl Receipted {
    async fn at_once(&self, state: &State, scope: &Scope) -> Result<Response> {
        let sent = self.sent(state, scope, None).await?;
        Ok((StatusCode::ACCEPTED, Answered(sent)).into_response())
    }

    async fn after(&self, state: &State, scope: &Scope, wait: Duration) -> Result<Response> {
        let ended = tokio::time::timeout(wait, self.ended(state, scope)).await;
        let status = match ended {
            Ok(ended) => ended.map(|()| StatusCode::OK)?,
            Err(_) => StatusCode::ACCEPTED,
        };
        let messages = self.messages(state, scope).await?;
        let sent = self.sent(state, scope, Some(messages)).await?;
        Ok((status, Answered(sent)).into_response())
    }

    async fn sent(&self, state: &State, scope: &Scope, messages: Option<Vec<TurnMessage>>) -> Result<Sent> {
        let turn = turns::read(state, scope, self.turn_id).await?.into();
        let cursor = state.runtime().cursor(self.receipt.seq);
        Ok(Sent { message_id: self.message_id, turn, cursor, messages })
    }

    /// Returns once the turn has ended.
    async fn ended(&self, state: &State, scope: &Scope) -> Result<()> {
        let from = FollowFrom::Cursor(state.runtime().cursor(self.receipt.seq));
        let mut follow = state.runtime().follow(self.receipt.conversation_id, from).await?.only(self.turn_id);
        // A repeat may come when it has long ended, and before the place that is followed from.
        if turns::read(state, scope, self.turn_id).await?.state.is_terminal() {
            return Ok(());
        }
        loop {
            match follow.next().await? {
                Next::Frames(_) | Next::CaughtUp(_) => {}
                Next::Sealed(problem) => return Err(Error::of_problem(problem)),
                Next::Resync { .. } | Next::End => return Ok(()),
            }
        }
    }

    async fn messages(&self, state: &State, scope: &Scope) -> Result<Vec<TurnMessage>> {
        let found = state.runtime().store().turn_messages(scope, self.turn_id).await?;
        let mut messages = Vec::new();
        for (message, calls) in found.ok_or_else(Error::not_found)? {
            let message = match message.status {
                MessageStatus::Streaming => self.with_open_text(state, scope, message).await?,
                MessageStatus::Complete
                | MessageStatus::Interrupted
                | MessageStatus::Cancelled
                | MessageStatus::Failed => message,
            };
            messages.push(TurnMessage { message, calls });
        }
        Ok(messages)
    }

    /// The store has a streaming message without its text; the conversation has it in memory.
    async fn with_open_text(&self, state: &State, scope: &Scope, message: Message) -> Result<Message> {
        let conversation_id = self.receipt.conversation_id;
        let page = state.runtime().messages(scope, conversation_id, Some(message.id), None, 1).await?;
        let found = page.and_then(|page| page.value.messages.into_iter().next());
        Ok(found.map_or(message, |found| found.message))
    }
}
