//! Files: what is known of them and what uses them. A file that something uses is never forgotten.

use rusqlite::{OptionalExtension, Transaction, named_params};

use super::Place;
use crate::chat::file::{FileChange, StoredFile};
use crate::chat::message::Part;
use crate::clock::Timestamp;
use crate::id::{FileId, MessageId, TurnId, WorkspaceId};
use crate::store::error::{Conflict, Error};
use crate::store::record::FileRoom;

const KEEP: &str = "
    INSERT INTO files (id, workspace_id, uploaded_by, name, media_type, size, sha256, created_at)
    VALUES (:id, :workspace_id, :uploaded_by, :name, :media_type, :size, :sha256, :created_at)";

/// The content is on the disk already.
pub(super) fn keep(tx: &Transaction<'_>, file: &StoredFile, room: FileRoom) -> Result<(), Error> {
    let FileRoom { user_files, user_bytes, workspace_bytes } = room;
    if let Some(user_id) = &file.uploaded_by {
        let (files, bytes) = add(tx, file.workspace_id, user_id.as_bytes(), 1, size(file))?;
        if files > user_files {
            return Err(Conflict::NoRoom { what: format!("your files are at most {user_files}") }.into());
        }
        if bytes > user_bytes {
            let what = format!("your files have at most {user_bytes} bytes in all");
            return Err(Conflict::NoRoom { what }.into());
        }
    }
    let (_, bytes) = add(tx, file.workspace_id, file.workspace_id.as_bytes(), 1, size(file))?;
    if bytes > workspace_bytes {
        let what = format!("the files of this workspace have at most {workspace_bytes} bytes in all");
        return Err(Conflict::NoRoom { what }.into());
    }
    tx.prepare_cached(KEEP)?.execute(named_params! {
        ":id": file.info.id.as_bytes(),
        ":workspace_id": file.workspace_id.as_bytes(),
        ":uploaded_by": file.uploaded_by.as_ref().map(|id| id.as_bytes()),
        ":name": file.info.name,
        ":media_type": file.info.media_type,
        ":size": size(file),
        ":sha256": file.sha256.0,
        ":created_at": file.created_at.millis(),
    })?;
    Ok(())
}

fn size(file: &StoredFile) -> i64 {
    i64::try_from(file.info.size).unwrap_or(i64::MAX)
}

const ADD: &str = "
    INSERT INTO file_totals (workspace_id, owner, files, bytes) VALUES (:workspace_id, :owner, :files, :bytes)
    ON CONFLICT (workspace_id, owner) DO UPDATE SET files = files + excluded.files, bytes = bytes + excluded.bytes
    RETURNING files, bytes";

fn add(
    tx: &Transaction<'_>,
    workspace_id: WorkspaceId,
    owner: &[u8; 16],
    files: i64,
    bytes: i64,
) -> Result<(u64, u64), Error> {
    let totals: (i64, i64) = tx.prepare_cached(ADD)?.query_row(
        named_params! {":workspace_id": workspace_id.as_bytes(), ":owner": owner, ":files": files, ":bytes": bytes},
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    Ok((totals.0.max(0).unsigned_abs(), totals.1.max(0).unsigned_abs()))
}

const RELEASE: &str = "UPDATE files SET released = 1 WHERE id = :id";

/// Its uploader lets go of it.
pub(super) fn release(tx: &Transaction<'_>, id: FileId) -> Result<(), Error> {
    tx.prepare_cached(RELEASE)?.execute(named_params! {":id": id.as_bytes()})?;
    forget(tx, id, None)
}

const FORGET: &str = "
    DELETE FROM files
    WHERE id = :id AND (released OR created_at < :before)
      AND NOT EXISTS (SELECT 1 FROM file_uses WHERE file_id = :id)
      AND NOT EXISTS (SELECT 1 FROM conversation_files WHERE file_id = :id)
    RETURNING workspace_id, uploaded_by, size";

/// If nothing uses it, and its uploader let go of it or it is from before then.
pub(super) fn forget(tx: &Transaction<'_>, id: FileId, before: Option<Timestamp>) -> Result<(), Error> {
    type Gone = ([u8; 16], Option<[u8; 16]>, i64);
    let gone: Option<Gone> = tx
        .prepare_cached(FORGET)?
        .query_row(
            named_params! {":id": id.as_bytes(), ":before": before.map_or(i64::MIN, Timestamp::millis)},
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .optional()?;
    let Some((workspace, user, size)) = gone else { return Ok(()) };
    for owner in user.iter().chain([&workspace]) {
        add(tx, WorkspaceId::from_bytes(workspace), owner, -1, -size)?;
    }
    Ok(())
}

const USE: &str = "
    INSERT INTO file_uses (message_id, file_id, conversation_id)
    SELECT :message_id, f.id, c.id FROM files f JOIN conversations c ON c.workspace_id = f.workspace_id
    WHERE f.id = :file_id AND c.id = :conversation_id
    ON CONFLICT DO NOTHING";

/// A message, or what will be one, has these parts.
pub(super) fn attach(tx: &Transaction<'_>, place: Place, id: MessageId, parts: &[Part]) -> Result<(), Error> {
    for part in parts {
        if let Part::File { file_id, .. } = part {
            tx.prepare_cached(USE)?.execute(named_params! {":message_id": id.as_bytes(),
            ":file_id": file_id.as_bytes(), ":conversation_id": place.conversation_id.as_bytes()})?;
        }
    }
    Ok(())
}

const DETACH: &str = "
    DELETE FROM file_uses
    WHERE message_id = (SELECT input_id FROM turns WHERE id = :turn_id)
      AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.id = file_uses.message_id)";

/// A turn ended, or was edited, before its message became one.
pub(super) fn detach(tx: &Transaction<'_>, turn_id: TurnId) -> Result<(), Error> {
    tx.prepare_cached(DETACH)?.execute(named_params! {":turn_id": turn_id.as_bytes()})?;
    Ok(())
}

const CHANGE: &str = "
    INSERT INTO conversation_files (conversation_id, path, seq, message_id, file_id)
    VALUES (:conversation_id, :path, :seq, :message_id, :file_id)
    ON CONFLICT (conversation_id, path, seq) DO UPDATE SET file_id = excluded.file_id";

/// What a call of that message did to the conversation's files.
pub(super) fn change(
    tx: &Transaction<'_>,
    place: Place,
    id: MessageId,
    changes: &[FileChange],
) -> Result<(), Error> {
    for FileChange { path, file } in changes {
        tx.prepare_cached(CHANGE)?.execute(named_params! {
            ":conversation_id": place.conversation_id.as_bytes(),
            ":path": path.as_str(),
            ":seq": place.seq.0.cast_signed(),
            ":message_id": id.as_bytes(),
            ":file_id": file.as_ref().map(|file| file.id.as_bytes().as_slice()),
        })?;
    }
    Ok(())
}
