//! Files: who sees one, what a conversation has, and which of them nobody needs.
//!
//! Whoever uploaded a file sees it, and whoever sees a message or a call that uses it: also through a fork.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, named_params};

use super::conversation;
use super::lineage::{self, Lineage};
use crate::chat::file::{ATTACHMENTS, ContentHash, FileInfo, StoredFile};
use crate::clock::Timestamp;
use crate::id::{ConversationId, FileId, MessageId, UserId, WorkspaceId};
use crate::scope::Scope;
use crate::store::Store;
use crate::store::error::Error;
use crate::store::row::Row;
use crate::store::tree;

/// Files of messages that are listed with a conversation, the newest.
const ATTACHED: usize = 1000;

/// One of the files of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConversationFile {
    /// `attachments/<name>`, for one of a message.
    pub path: String,
    pub file: StoredFile,
}

/// What the files of a conversation take up, with all that they ever were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FileTotals {
    pub changes: u64,
    pub bytes: u64,
}

/// A stretch of all files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scanned {
    /// Those that nobody needs.
    pub unused: Vec<FileId>,
    /// Where the next stretch begins; absent: that was all.
    pub next: Option<FileId>,
}

macro_rules! columns {
    () => {
        "f.id, f.workspace_id, f.uploaded_by, f.name, f.media_type, f.size, f.sha256, f.created_at"
    };
}
pub(super) use columns;

const BY_ID: &str = concat!("SELECT ", columns!(), ", f.released FROM files f WHERE f.id = :id");

const OF_USER: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM files f
      WHERE f.workspace_id = :workspace_id AND f.uploaded_by = :user_id AND f.released = 0 AND f.id < :before
      ORDER BY f.id DESC LIMIT :limit"
);

impl Store {
    /// `None` where the scope does not see it.
    pub async fn file(&self, scope: &Scope, id: FileId) -> Result<Option<StoredFile>, Error> {
        let scope = scope.clone();
        self.read(move |tx| {
            let Some((file, released)) = by_id(tx, id)? else { return Ok(None) };
            Ok(is_seen(tx, &scope, &file, released)?.then_some(file))
        })
        .await
    }

    /// One's own, newest first, before an id.
    pub async fn files(
        &self,
        scope: &Scope,
        before: Option<FileId>,
        limit: usize,
    ) -> Result<Vec<StoredFile>, Error> {
        let scope = scope.clone();
        self.read(move |tx| {
            let mut statement = tx.prepare_cached(OF_USER)?;
            let mut rows = statement.query(named_params! {
                ":workspace_id": scope.workspace_id.as_bytes(), ":user_id": scope.user_id.as_bytes(),
                ":before": before.unwrap_or(FileId::from_bytes([0xff; 16])).as_bytes(),
                ":limit": i64::try_from(limit).unwrap_or(i64::MAX),
            })?;
            let mut files = Vec::new();
            while let Some(row) = rows.next()? {
                files.push(from_row(&Row::new(row, "files", "id"))?);
            }
            Ok(files)
        })
        .await
    }

    /// The files of a conversation by their paths; `None` where the scope does not see it.
    pub async fn conversation_files(
        &self,
        scope: &Scope,
        id: ConversationId,
    ) -> Result<Option<Vec<ConversationFile>>, Error> {
        let scope = scope.clone();
        self.read(move |tx| match conversation::readable(tx, &scope, id)? {
            true => all_of(tx, id).map(Some),
            false => Ok(None),
        })
        .await
    }

    /// The same, for what runs in the conversation.
    pub async fn files_of(&self, id: ConversationId) -> Result<Vec<ConversationFile>, Error> {
        self.read(move |tx| all_of(tx, id)).await
    }

    pub async fn file_totals(&self, id: ConversationId) -> Result<FileTotals, Error> {
        self.read(move |tx| {
            let (changes, bytes): (i64, i64) = tx
                .prepare_cached(TOTALS)?
                .query_row(named_params! {":id": id.as_bytes()}, |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(FileTotals { changes: changes.unsigned_abs(), bytes: bytes.unsigned_abs() })
        })
        .await
    }

    /// What is known of the files that the parts of a path name. Whoever reads the path has been let in.
    pub async fn stored_files(&self, ids: Vec<FileId>) -> Result<Vec<StoredFile>, Error> {
        self.read(move |tx| {
            let found = ids.iter().map(|id| Ok(by_id(tx, *id)?.map(|(file, _)| file)));
            found.filter_map(Result::transpose).collect()
        })
        .await
    }

    /// Looks through a stretch of all files for those that nothing uses: its uploader let go of it, or it is from
    /// before then.
    pub async fn unused_files(&self, after: Option<FileId>, before: Timestamp) -> Result<Scanned, Error> {
        self.read(move |tx| {
            let mut statement = tx.prepare_cached(SCAN)?;
            let mut rows = statement.query(named_params! {
                ":after": after.unwrap_or(FileId::from_bytes([0; 16])).as_bytes(), ":before": before.millis(),
                ":limit": SCANNED,
            })?;
            let (mut scanned, mut count) = (Scanned { unused: Vec::new(), next: None }, 0);
            while let Some(row) = rows.next()? {
                let row = Row::new(row, "files", "id");
                let (id, unused): (FileId, bool) = (row.id("id")?, row.get("unused")?);
                scanned.unused.extend(unused.then_some(id));
                (scanned.next, count) = (Some(id), count + 1);
            }
            scanned.next = scanned.next.filter(|_| count == SCANNED);
            Ok(scanned)
        })
        .await
    }

    /// Which of these contents no file has.
    pub async fn strange_contents(&self, hashes: Vec<ContentHash>) -> Result<Vec<ContentHash>, Error> {
        self.read(move |tx| {
            let mut strange = Vec::new();
            for hash in hashes {
                let known = tx
                    .prepare_cached("SELECT 1 FROM files WHERE sha256 = :sha256 LIMIT 1")?
                    .query_row(named_params! {":sha256": hash.0}, |_| Ok(()))
                    .optional()?;
                strange.extend(known.is_none().then_some(hash));
            }
            Ok(strange)
        })
        .await
    }
}

pub(super) fn by_id(tx: &Connection, id: FileId) -> Result<Option<(StoredFile, bool)>, Error> {
    let mut statement = tx.prepare_cached(BY_ID)?;
    let mut rows = statement.query(named_params! {":id": id.as_bytes()})?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let row = Row::new(row, "files", "id");
    Ok(Some((from_row(&row)?, row.get("released")?)))
}

pub(super) fn from_row(row: &Row<'_>) -> Result<StoredFile, Error> {
    let (id, workspace_id, uploaded_by) = (
        row.id::<FileId>("id")?,
        row.id::<WorkspaceId>("workspace_id")?,
        row.opt_id::<UserId>("uploaded_by")?,
    );
    let info = FileInfo {
        id,
        name: row.get("name")?,
        media_type: row.get("media_type")?,
        size: row.number("size")?,
    };
    let sha256 = ContentHash(row.get("sha256")?);
    Ok(StoredFile { info, workspace_id, uploaded_by, sha256, created_at: row.at("created_at")? })
}

fn is_own(scope: &Scope, file: &StoredFile) -> bool {
    file.workspace_id == scope.workspace_id && file.uploaded_by == Some(scope.user_id)
}

const USES: &str = "
    SELECT conversation_id, message_id, 0 AS seq FROM file_uses WHERE file_id = :id
    UNION SELECT conversation_id, message_id, seq FROM conversation_files WHERE file_id = :id";

fn is_seen(tx: &Connection, scope: &Scope, file: &StoredFile, released: bool) -> Result<bool, Error> {
    if file.workspace_id != scope.workspace_id {
        return Ok(false);
    }
    let mut statement = tx.prepare_cached(USES)?;
    let mut rows = statement.query(named_params! {":id": file.info.id.as_bytes()})?;
    let mut is_used = false;
    while let Some(row) = rows.next()? {
        let row = Row::new(row, "file_uses", "message_id");
        is_used = true;
        if sees(tx, scope, row.id("conversation_id")?, row.id("message_id")?, row.get("seq")?)? {
            return Ok(true);
        }
    }
    // A credential for some conversations reaches what it brings, and then what those use.
    Ok(is_own(scope, file) && !released && (scope.only.is_none() || !is_used))
}

/// A conversation, and whatever was forked off it, directly or not.
const DESCENDANTS: &str = "
    WITH RECURSIVE family (id) AS (
        VALUES (:id) UNION SELECT c.id FROM conversations c JOIN family ON c.origin_id = family.id)
    SELECT id FROM family";

/// Whether the scope reads a conversation that sees the message, and what came to it at `seq`. One that waits in the
/// queue is seen with its conversation.
fn sees(
    tx: &Connection,
    scope: &Scope,
    id: ConversationId,
    message_id: MessageId,
    seq: i64,
) -> Result<bool, Error> {
    let Some(node) = tree::node(tx, message_id)? else { return conversation::readable(tx, scope, id) };
    let mut statement = tx.prepare_cached(DESCENDANTS)?;
    let mut rows = statement.query(named_params! {":id": id.as_bytes()})?;
    while let Some(row) = rows.next()? {
        let of = ConversationId::from_bytes(row.get(0)?);
        if conversation::readable(tx, scope, of)?
            && tree::visible(tx, of, &node)?
            && seq <= lineage::as_of(tx, of, id)?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

const WRITTEN: &str = concat!(
    "SELECT w.path, w.message_id, ",
    columns!(),
    " FROM conversation_files w LEFT JOIN files f ON f.id = w.file_id
      WHERE w.conversation_id = :id AND w.seq <= :as_of ORDER BY w.path, w.seq DESC"
);

const ATTACHMENTS_OF: &str = concat!(
    "SELECT u.message_id, ",
    columns!(),
    " FROM file_uses u JOIN messages m ON m.id = u.message_id JOIN files f ON f.id = u.file_id
      WHERE u.conversation_id = :id ORDER BY m.created_at DESC, m.id DESC, f.id DESC"
);

const TOTALS: &str = "
    SELECT count(*), coalesce(sum(f.size), 0)
    FROM conversation_files w LEFT JOIN files f ON f.id = w.file_id WHERE w.conversation_id = :id";

/// Its own, and above its fork point what its origin had when the fork was made, unless it has something else there.
fn all_of(tx: &Connection, id: ConversationId) -> Result<Vec<ConversationFile>, Error> {
    let (mut found, mut attached) = (Vec::new(), Vec::new());
    let (mut settled, mut known): (BTreeSet<String>, BTreeSet<FileId>) = Default::default();
    let mut next = Some(Lineage::of(id));
    while let Some(lineage) = next {
        let Lineage { at, as_of, .. } = lineage;
        let mut statement = tx.prepare_cached(WRITTEN)?;
        let mut rows = statement.query(named_params! {":id": at.as_bytes(), ":as_of": as_of})?;
        while let Some(row) = rows.next()? {
            let row = Row::new(row, "conversation_files", "path");
            let path: String = row.get("path")?;
            if settled.contains(&path) || lineage.sees(tx, row.id("message_id")?)?.is_none() {
                continue;
            }
            if row.opt_id::<FileId>("id")?.is_some() {
                found.push(ConversationFile { path: path.clone(), file: from_row(&row)? });
            }
            settled.insert(path);
        }
        let mut statement = tx.prepare_cached(ATTACHMENTS_OF)?;
        let mut rows = statement.query(named_params! {":id": at.as_bytes()})?;
        while let Some(row) = rows.next()?.filter(|_| attached.len() < ATTACHED) {
            let row = Row::new(row, "file_uses", "message_id");
            if lineage.sees(tx, row.id("message_id")?)?.is_some() {
                let file = from_row(&row)?;
                attached.extend(known.insert(file.info.id).then_some(file));
            }
        }
        next = lineage.up(tx)?;
    }
    name(attached, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Two of the same name are told apart by a number, the oldest first.
fn name(newest_first: Vec<StoredFile>, found: &mut Vec<ConversationFile>) {
    let mut taken = BTreeSet::new();
    for file in newest_first.into_iter().rev() {
        let name = &file.info.name;
        let (stem, ending) = match name.rsplit_once('.') {
            Some((stem, ending)) if !stem.is_empty() => (stem, format!(".{ending}")),
            Some(_) | None => (name.as_str(), String::new()),
        };
        let mut path = format!("{ATTACHMENTS}/{name}");
        let mut number = 2;
        while !taken.insert(path.clone()) {
            path = format!("{ATTACHMENTS}/{stem} ({number}){ending}");
            number += 1;
        }
        found.push(ConversationFile { path, file });
    }
}

/// Files that are looked at in one transaction.
const SCANNED: i64 = 500;

const SCAN: &str = "
    SELECT id, (released OR created_at < :before)
        AND NOT EXISTS (SELECT 1 FROM file_uses u WHERE u.file_id = files.id)
        AND NOT EXISTS (SELECT 1 FROM conversation_files w WHERE w.file_id = files.id) AS unused
    FROM files WHERE id > :after ORDER BY id LIMIT :limit";
