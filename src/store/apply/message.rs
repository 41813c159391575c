//! Messages: nodes of the tree. The head follows a message that is created under it.

use rusqlite::{OptionalExtension, Transaction, named_params};

use super::Place;
use super::content;
use super::feed::{self, Listed};
use super::file;
use super::search;
use crate::chat::message::{FinishReason, Message, MessageStatus, Role, StoredPart, Usage};
use crate::id::{MessageId, TurnId};
use crate::store::error::{Conflict, Error};
use crate::store::row::{json, word};
use crate::store::tree;

const CREATE: &str = "
    INSERT INTO messages
        (id, conversation_id, parent_id, depth, jump_id, role, status, turn_id, step, attempt, model, finish_reason,
         usage, metadata, created_at, completed_at, seq)
    VALUES
        (:id, :conversation_id, :parent_id, :depth, :jump_id, :role, :status, :turn_id, :step, :attempt, :model,
         :finish_reason, :usage, :metadata, :created_at, :completed_at, :seq)";

const EXISTS: &str = "SELECT 1 FROM messages WHERE id = :id";

const FOLLOW: &str = "
    UPDATE conversations
    SET head = CASE WHEN head IS :parent_id THEN :message_id ELSE head END, active_at = max(active_at, :at)
    WHERE id = :id";

pub(super) fn create(
    tx: &Transaction<'_>,
    place: Place,
    turn_id: Option<TurnId>,
    message: &Message,
) -> Result<(), Error> {
    let exists = tx
        .prepare_cached(EXISTS)?
        .query_row(named_params! {":id": message.id.as_bytes()}, |_| Ok(()))
        .optional()?;
    if exists.is_some() {
        return Err(Conflict::MessageExists(message.id).into());
    }
    let (depth, jump_id) = match message.parent_id {
        None => (0, message.id),
        Some(id) => {
            let parent = tree::node(tx, id)?.ok_or(Conflict::UnknownMessage(id))?;
            if !tree::visible(tx, place.conversation_id, &parent)? {
                return Err(Conflict::UnknownMessage(id).into());
            }
            (parent.depth + 1, tree::jump_of_child(tx, &parent)?)
        }
    };
    let streaming = message.status == MessageStatus::Streaming;
    tx.prepare_cached(CREATE)?.execute(named_params! {
        ":id": message.id.as_bytes(),
        ":conversation_id": place.conversation_id.as_bytes(),
        ":parent_id": message.parent_id.as_ref().map(|id| id.as_bytes()),
        ":depth": depth.cast_signed(),
        ":jump_id": jump_id.as_bytes(),
        ":role": word(&message.role),
        ":status": word(&message.status),
        ":turn_id": message.turn_id.or(turn_id).as_ref().map(|id| id.as_bytes()),
        ":step": message.step,
        ":attempt": message.attempt,
        ":model": message.model,
        ":finish_reason": message.finish_reason.as_ref().map(word),
        ":usage": message.usage.as_ref().map(json),
        ":metadata": message.metadata.as_ref().map(json),
        ":created_at": message.created_at.millis(),
        ":completed_at": (!streaming).then_some(place.at.millis()),
        ":seq": place.seq.0.cast_signed(),
    })?;
    for (index, part) in (0..).zip(&message.parts) {
        content::put(tx, message.id, index, &StoredPart { part: part.clone(), opaque: None })?;
    }
    file::attach(tx, place, message.id, &message.parts)?;
    if !streaming {
        search::message(tx, message.id)?;
    }
    tx.prepare_cached(FOLLOW)?.execute(named_params! {
        ":id": place.conversation_id.as_bytes(),
        ":parent_id": message.parent_id.as_ref().map(|id| id.as_bytes()),
        ":message_id": message.id.as_bytes(),
        ":at": place.at.millis(),
    })?;
    match (message.role, turn_id) {
        (Role::User, Some(_)) => feed::listed(tx, place, Listed::MovedUp),
        // What an import brings was said long ago: the list was told of the conversation.
        (Role::User, None) | (Role::Assistant | Role::System, _) => Ok(()),
    }
}

const COMPLETE: &str = "
    UPDATE messages
    SET status = :status, finish_reason = :finish_reason, usage = :usage, completed_at = :at, seq = :seq
    WHERE id = :id AND conversation_id = :conversation_id AND status = 'streaming'";

pub(super) fn complete(
    tx: &Transaction<'_>,
    place: Place,
    id: MessageId,
    status: MessageStatus,
    finish_reason: Option<&FinishReason>,
    usage: Option<&Usage>,
) -> Result<(), Error> {
    let changed = tx.prepare_cached(COMPLETE)?.execute(named_params! {
        ":id": id.as_bytes(),
        ":conversation_id": place.conversation_id.as_bytes(),
        ":status": word(&status),
        ":finish_reason": finish_reason.map(word),
        ":usage": usage.map(json),
        ":at": place.at.millis(),
        ":seq": place.seq.0.cast_signed(),
    })?;
    if changed == 0 {
        return Err(Conflict::MessageNotOpen(id).into());
    }
    search::message(tx, id)?;
    content::drop_chunks(tx, id)
}
