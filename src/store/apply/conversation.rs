//! Conversations: their settings, their head and their end.

use rusqlite::{OptionalExtension, Transaction, named_params};

use super::feed::{self, Audience, Listed};
use super::{Place, approval, search};
use crate::chat::conversation::{ConversationChanges, ConversationInfo, ForkPoint, Visibility};
use crate::id::MessageId;
use crate::store::error::{Conflict, Error};
use crate::store::row::{Row, json, word};
use crate::store::tree;

const CREATE: &str = "
    INSERT INTO conversations
        (id, workspace_id, created_by, agent, name, title, visibility, settings, metadata, archived, created_at,
         active_at, parent)
    VALUES
        (:id, :workspace_id, :created_by, :agent, :name, :title, :visibility, :settings, :metadata, :archived,
         :created_at, :at, :parent)";

pub(super) fn create(tx: &Transaction<'_>, place: Place, info: &ConversationInfo) -> Result<(), Error> {
    if let Some(name) = &info.name {
        check_name(tx, info, &info.agent, name)?;
    }
    tx.prepare_cached(CREATE)?.execute(named_params! {
        ":id": info.id.as_bytes(),
        ":workspace_id": info.workspace_id.as_bytes(),
        ":created_by": info.created_by.as_bytes(),
        ":agent": info.agent,
        ":name": info.name,
        ":title": info.title,
        ":visibility": word(&info.visibility),
        ":settings": json(&info.settings),
        ":metadata": info.metadata.as_ref().map(json),
        ":archived": info.archived,
        ":created_at": info.created_at.millis(),
        // An imported one is listed now, and stands in the list where it belongs by its age.
        ":at": info.created_at.millis(),
        ":parent": info.parent.as_ref().map(json),
    })?;
    if info.title.is_some() {
        search::conversation(tx, info.id)?;
    }
    feed::listed(tx, place, Listed::Created)
}

const NAMED: &str = "
    SELECT 1 FROM conversations
    WHERE workspace_id = :workspace_id AND agent = :agent AND name = :name AND deleted_at IS NULL AND id <> :id";

fn check_name(tx: &Transaction<'_>, info: &ConversationInfo, agent: &str, name: &str) -> Result<(), Error> {
    let taken = tx
        .prepare_cached(NAMED)?
        .query_row(
            named_params! {":workspace_id": info.workspace_id.as_bytes(), ":agent": agent, ":name": name,
            ":id": info.id.as_bytes()},
            |_| Ok(()),
        )
        .optional()?;
    match taken {
        Some(()) => Err(Conflict::NameTaken { name: name.to_owned() }.into()),
        None => Ok(()),
    }
}

const INFO: &str = "
    SELECT id, workspace_id, created_by, agent, name, title, visibility, settings, metadata, archived, created_at,
        parent
    FROM conversations WHERE id = :id";

const UPDATE: &str = "
    UPDATE conversations
    SET title = :title, agent = :agent, visibility = :visibility, settings = :settings, metadata = :metadata,
        archived = :archived
    WHERE id = :id";

pub(super) fn update(tx: &Transaction<'_>, place: Place, changes: &ConversationChanges) -> Result<(), Error> {
    let before = info(tx, place)?;
    let mut after = before.clone();
    after.take_in(changes);
    if let (Some(agent), Some(name)) = (&changes.agent, &after.name) {
        check_name(tx, &before, agent, name)?;
    }
    tx.prepare_cached(UPDATE)?.execute(named_params! {
        ":id": place.conversation_id.as_bytes(),
        ":title": after.title,
        ":agent": after.agent,
        ":visibility": word(&after.visibility),
        ":settings": json(&after.settings),
        ":metadata": after.metadata.as_ref().map(json),
        ":archived": after.archived,
    })?;
    if after.title != before.title {
        search::conversation(tx, place.conversation_id)?;
        feed::listed(tx, place, Listed::Renamed)?;
    }
    if after.archived != before.archived {
        feed::listed(tx, place, if after.archived { Listed::Archived } else { Listed::Unarchived })?;
    }
    match (before.visibility, after.visibility) {
        (Visibility::Private, Visibility::Workspace) => {
            approval::readdress(tx, place)?;
            feed::listed(tx, place, Listed::Shared)
        }
        (Visibility::Workspace, Visibility::Private) => {
            approval::readdress(tx, place)?;
            feed::unlisted(tx, place, Audience::Others)
        }
        (Visibility::Private, Visibility::Private) | (Visibility::Workspace, Visibility::Workspace) => Ok(()),
    }
}

fn info(tx: &Transaction<'_>, place: Place) -> Result<ConversationInfo, Error> {
    let mut statement = tx.prepare_cached(INFO)?;
    let mut rows = statement.query(named_params! {":id": place.conversation_id.as_bytes()})?;
    let row = rows.next()?.ok_or(Conflict::UnknownConversation(place.conversation_id))?;
    info_from_row(&Row::new(row, "conversations", "id"))
}

pub(in crate::store) fn info_from_row(row: &Row<'_>) -> Result<ConversationInfo, Error> {
    Ok(ConversationInfo {
        id: row.id("id")?,
        workspace_id: row.id("workspace_id")?,
        created_by: row.id("created_by")?,
        agent: row.get("agent")?,
        name: row.get("name")?,
        title: row.get("title")?,
        visibility: row.word("visibility")?,
        settings: row.json("settings")?,
        metadata: row.opt_json("metadata")?,
        archived: row.get("archived")?,
        created_at: row.at("created_at")?,
        parent: row.opt_json("parent")?,
    })
}

const MOVE_HEAD: &str = "UPDATE conversations SET head = :head WHERE id = :id";

pub(super) fn move_head(tx: &Transaction<'_>, place: Place, head: Option<MessageId>) -> Result<(), Error> {
    if let Some(id) = head {
        let node = tree::node(tx, id)?.ok_or(Conflict::UnknownMessage(id))?;
        if !tree::visible(tx, place.conversation_id, &node)? {
            return Err(Conflict::UnknownMessage(id).into());
        }
    }
    tx.prepare_cached(MOVE_HEAD)?.execute(named_params! {
    ":id": place.conversation_id.as_bytes(), ":head": head.as_ref().map(|id| id.as_bytes())})?;
    Ok(())
}

const FORK: &str = "
    UPDATE conversations
    SET origin_id = :origin_id, origin_seq = (SELECT coalesce(max(seq), 0) FROM events WHERE conversation_id = :origin_id),
        fork_message_id = :message_id, head = :message_id
    WHERE id = :id";
const IN_WORKSPACE: &str = "
    SELECT 1 FROM conversations o JOIN conversations f ON f.workspace_id = o.workspace_id
    WHERE o.id = :origin_id AND o.deleted_at IS NULL AND f.id = :id";

/// Hangs a new conversation on a message of another one.
pub(super) fn fork(tx: &Transaction<'_>, place: Place, origin: ForkPoint) -> Result<(), Error> {
    let ForkPoint { conversation_id, message_id } = origin;
    let (id, origin_id) = (place.conversation_id.as_bytes(), conversation_id.as_bytes());
    let near = tx
        .prepare_cached(IN_WORKSPACE)?
        .query_row(named_params! {":id": id, ":origin_id": origin_id}, |_| Ok(()))
        .optional()?;
    near.ok_or(Conflict::UnknownConversation(conversation_id))?;
    let node = tree::node(tx, message_id)?.ok_or(Conflict::UnknownMessage(message_id))?;
    if !tree::visible(tx, conversation_id, &node)? {
        return Err(Conflict::UnknownMessage(message_id).into());
    }
    tx.prepare_cached(FORK)?.execute(named_params! {
    ":id": id, ":origin_id": origin_id, ":message_id": message_id.as_bytes()})?;
    Ok(())
}

const DELETE: &str = "UPDATE conversations SET deleted_at = :at WHERE id = :id";
const CLOSE_MESSAGES: &str = "
    UPDATE messages SET status = 'cancelled', completed_at = :at
    WHERE conversation_id = :id AND status = 'streaming'";
const END_TURNS: &str = "
    UPDATE turns SET state = 'cancelled', ended_at = :at, last_seq = :seq
    WHERE conversation_id = :id AND state IN ('queued', 'running', 'waiting')";

/// The name is free again; the content goes in slices (see `purge`). What ran ends here.
pub(super) fn delete(tx: &Transaction<'_>, place: Place) -> Result<(), Error> {
    let before = info(tx, place)?;
    let (id, at) = (place.conversation_id, place.at.millis());
    tx.prepare_cached(DELETE)?.execute(named_params! {":id": id.as_bytes(), ":at": at})?;
    tx.prepare_cached(CLOSE_MESSAGES)?.execute(named_params! {":id": id.as_bytes(), ":at": at})?;
    tx.prepare_cached(END_TURNS)?
        .execute(named_params! {":id": id.as_bytes(), ":at": at, ":seq": place.seq.0.cast_signed()})?;
    search::conversation(tx, id)?;
    feed::unlisted(
        tx,
        place,
        match before.visibility {
            Visibility::Private => Audience::Creator,
            Visibility::Workspace => Audience::Workspace,
        },
    )
}
