//! Queued sends: those that wait until their branch is free. They can be reordered, edited and withdrawn.

use axum::Json as Answered;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::send::EditRequest;
use super::turns::{self, Turn};
use crate::chat::conversation::{Command, MAX_QUEUED_TURNS};
use crate::chat::event::Cursor;
use crate::chat::turn::TurnState;
use crate::http::State;
use crate::http::auth::{Owned, TurnInPath};
use crate::http::json::Json;
use crate::http::problem::{Error, Kind, Result};
use crate::id::{ConversationId, TurnId};
use crate::runtime::{Order, ReceiptOf};
use crate::scope::Scope;
use crate::store::TurnRow;

#[derive(Debug, Serialize, ToSchema)]
pub struct Queue {
    /// In the order in which they will run.
    items: Vec<Turn>,
    /// Always `null`: a queue is one page.
    next: Option<String>,
    /// The log's position that this was read at.
    #[schema(value_type = String)]
    cursor: Cursor,
}

/// Every queued turn, each once, in the new order.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReorderRequest {
    turn_ids: Vec<TurnId>,
}

/// The queue of a conversation.
#[utoipa::path(get, path = "/v1/conversations/{conversation_id}/queue", tag = "queue", operation_id = "get_queue",
    params(("conversation_id" = ConversationId, Path)), responses((status = 200, body = Queue)))]
pub async fn list(state: State, scope: Scope, id: Owned<ConversationId>) -> Result<Answered<Queue>> {
    read(&state, &scope, &id).await.map(Answered)
}

/// Reorder the queue.
///
/// 409 with the current order where the queue holds other turns.
#[utoipa::path(put, path = "/v1/conversations/{conversation_id}/queue", tag = "queue",
    operation_id = "reorder_queue", request_body = ReorderRequest,
    params(("conversation_id" = ConversationId, Path)), responses((status = 200, body = Queue)))]
pub async fn reorder(
    state: State,
    scope: Scope,
    id: Owned<ConversationId>,
    Json { body, .. }: Json<ReorderRequest>,
) -> Result<Answered<Queue>> {
    if body.turn_ids.len() > MAX_QUEUED_TURNS {
        return Err(Error::invalid("/turn_ids", format!("at most {MAX_QUEUED_TURNS} turns")));
    }
    order(&state, &id, Command::Reorder { turn_ids: body.turn_ids }).await?;
    read(&state, &scope, &id).await.map(Answered)
}

/// Edit a queued message.
///
/// 403 for anybody who has not the rights of its sender, 409 where its turn is no longer queued.
#[utoipa::path(patch, path = "/v1/conversations/{conversation_id}/queue/{turn_id}", tag = "queue",
    operation_id = "edit_queued", request_body = EditRequest,
    params(("conversation_id" = ConversationId, Path), ("turn_id" = TurnId, Path)),
    responses((status = 200, body = Turn)))]
pub async fn edit(
    state: State,
    scope: Scope,
    id: Owned<ConversationId>,
    TurnInPath(turn_id): TurnInPath,
    Json { body, .. }: Json<EditRequest>,
) -> Result<Answered<Turn>> {
    let turn = check_queued(&state, &scope, &id, turn_id).await?;
    if !turn.request.takes_words_of(scope.user_id, scope.role, scope.only.is_some()) {
        return Err(Error::forbidden(
            "it would run with the rights of whoever sent it; they alone may edit it",
        ));
    }
    let parts = body.into_parts(&state, &scope).await?;
    order(&state, &id, Command::EditQueued { turn_id, parts }).await?;
    Ok(Answered(turns::read(&state, &scope, turn_id).await?.into()))
}

/// Withdraw a queued message.
///
/// 409 where its turn is no longer queued.
#[utoipa::path(delete, path = "/v1/conversations/{conversation_id}/queue/{turn_id}", tag = "queue",
    operation_id = "withdraw_queued",
    params(("conversation_id" = ConversationId, Path), ("turn_id" = TurnId, Path)),
    responses((status = 204, description = "It will not run")))]
pub async fn withdraw(
    state: State,
    scope: Scope,
    id: Owned<ConversationId>,
    TurnInPath(turn_id): TurnInPath,
) -> Result<StatusCode> {
    check_queued(&state, &scope, &id, turn_id).await?;
    order(&state, &id, Command::Withdraw { turn_id }).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn read(state: &State, scope: &Scope, id: &Owned<ConversationId>) -> Result<Queue> {
    let found = state.runtime().conversation(scope, id.id()).await?.ok_or_else(Error::not_found)?;
    let turns = found.value.turns.into_iter().filter(|turn| turn.state == TurnState::Queued);
    Ok(Queue { items: turns.map(Turn::from).collect(), next: None, cursor: found.cursor })
}

/// A turn of another conversation is not there; one that has started says so.
async fn check_queued(
    state: &State,
    scope: &Scope,
    id: &Owned<ConversationId>,
    turn_id: TurnId,
) -> Result<TurnRow> {
    let turn = turns::read(state, scope, turn_id).await?;
    match turn.state {
        _ if turn.conversation_id != id.id() => Err(Error::not_found()),
        TurnState::Queued => Ok(turn),
        TurnState::Running
        | TurnState::Waiting
        | TurnState::Completed
        | TurnState::Failed
        | TurnState::Cancelled
        | TurnState::Interrupted => {
            Err(Error::new(Kind::NotQueued, "the turn is no longer queued").with("turn", Turn::from(turn)))
        }
    }
}

async fn order(state: &State, id: &Owned<ConversationId>, command: Command) -> Result<()> {
    let order = Order { command, receipt: ReceiptOf::default(), idempotency: None, caller: None };
    state.runtime().order(id.id(), order).await?;
    Ok(())
}
