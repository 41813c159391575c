//! The texts that the search index is made of: what changed since a position, and everything there is.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, named_params};

use super::file;
use crate::chat::message::{Marks, Part, Role};
use crate::chat::searchable::{Scan, Searchable, Subject, TextKind, deleted_of};
use crate::id::{ConversationId, MessageId};
use crate::priority::give_way;
use crate::store::Store;
use crate::store::error::Error;
use crate::store::record::{Lane, Record};
use crate::store::row::Row;
use crate::store::tree;
use crate::store::writer::queue::Work;

/// What the index is to look at again.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchChanges {
    /// Each once, with its texts as they are now; without any, it is gone.
    pub subjects: Vec<(Subject, Vec<Searchable>)>,
    /// All up to this position.
    pub through: u64,
    pub more: bool,
    /// How many changes there are after `after`, those of other stretches too.
    pub behind: u64,
}

/// A stretch of everything there is.
#[derive(Debug, Clone, PartialEq)]
pub struct Texts {
    pub subjects: Vec<(Subject, Vec<Searchable>)>,
    /// Absent: that was all.
    pub next: Option<Scan>,
}

/// A stretch ends early where its texts are as large as this.
const STRETCH_BYTES: u64 = 4 << 20;

const POSITION: &str = "SELECT value FROM meta WHERE key = 'search'";
const FORGOTTEN: &str = "SELECT min(position) - 1 FROM search_changes";
const CHANGED: &str = "
    SELECT position, kind, subject FROM search_changes WHERE position > :after ORDER BY position LIMIT :limit";

impl Store {
    /// The position of the last change that can be found by its words.
    pub async fn search_position(&self) -> Result<u64, Error> {
        self.read(position).await
    }

    /// What changed after a position, in a stretch of about `limit` subjects; `None` where some of that is forgotten
    /// already.
    pub async fn search_changes(&self, after: u64, limit: usize) -> Result<Option<SearchChanges>, Error> {
        self.read(move |tx| changes(tx, after, limit)).await
    }

    /// A stretch of everything, of about `limit` subjects.
    pub async fn scan_searchables(&self, from: Scan, limit: usize) -> Result<Texts, Error> {
        self.read(move |tx| scan(tx, from, limit)).await
    }

    /// Changes up to this position are in the index, on the disk. A slice of them goes.
    pub async fn forget_search_changes(&self, through: u64) -> Result<(), Error> {
        self.ask(Lane::Bulk, Work::Upkeep(vec![Record::Indexed { through }])).await
    }
}

fn position(tx: &Connection) -> Result<u64, Error> {
    let value: Option<i64> = tx.prepare_cached(POSITION)?.query_row([], |row| row.get(0)).optional()?;
    Ok(value.unwrap_or(0).unsigned_abs())
}

fn changes(tx: &Connection, after: u64, limit: usize) -> Result<Option<SearchChanges>, Error> {
    let end = position(tx)?;
    let forgotten: Option<i64> = tx.prepare_cached(FORGOTTEN)?.query_row([], |row| row.get(0))?;
    if after > end || after < forgotten.map_or(end, i64::unsigned_abs) {
        return Ok(None);
    }
    let mut statement = tx.prepare_cached(CHANGED)?;
    let mut rows = statement.query(named_params! {
    ":after": after.cast_signed(), ":limit": i64::try_from(limit).unwrap_or(i64::MAX)})?;
    let (mut through, mut seen, mut subjects, mut bytes) = (after, HashSet::new(), Vec::new(), 0);
    while bytes < STRETCH_BYTES
        && let Some(row) = rows.next()?
    {
        let row = Row::new(row, "search_changes", "position");
        through = row.number("position")?;
        let kind: String = row.get("kind")?;
        let subject = match kind.as_str() {
            "message" => Subject::Message(row.id("subject")?),
            "conversation" => Subject::Conversation(row.id("subject")?),
            _ => return Err(row.corrupt("kind")),
        };
        if seen.insert(subject) {
            give_way();
            let texts = of(tx, subject)?;
            bytes += texts.iter().map(Searchable::bytes).sum::<u64>();
            subjects.push((subject, texts));
        }
    }
    Ok(Some(SearchChanges { subjects, through, more: through < end, behind: end - after }))
}

const MESSAGES: &str = "SELECT id FROM messages WHERE id < :before ORDER BY id DESC LIMIT :limit";
const CONVERSATIONS: &str = "SELECT id FROM conversations WHERE id < :before ORDER BY id DESC LIMIT :limit";

fn scan(tx: &Connection, from: Scan, limit: usize) -> Result<Texts, Error> {
    let (sql, before) = match from {
        Scan::Messages { before } => (MESSAGES, before.map(|id| *id.as_bytes())),
        Scan::Conversations { before } => (CONVERSATIONS, before.map(|id| *id.as_bytes())),
    };
    let ids: Vec<[u8; 16]> = tx
        .prepare_cached(sql)?
        .query_map(
            named_params! {":before": before.unwrap_or([0xff; 16]),
            ":limit": i64::try_from(limit).unwrap_or(i64::MAX)},
            |row| {
                give_way();
                row.get(0)
            },
        )?
        .collect::<Result<_, _>>()?;
    let (mut subjects, mut bytes, mut last) = (Vec::with_capacity(ids.len()), 0, None);
    for id in &ids {
        let subject = match from {
            Scan::Messages { .. } => Subject::Message(MessageId::from_bytes(*id)),
            Scan::Conversations { .. } => Subject::Conversation(ConversationId::from_bytes(*id)),
        };
        give_way();
        let texts = of(tx, subject)?;
        bytes += texts.iter().map(Searchable::bytes).sum::<u64>();
        subjects.push((subject, texts));
        last = Some(subject);
        if bytes >= STRETCH_BYTES {
            break;
        }
    }
    let more = ids.len() >= limit || subjects.len() < ids.len();
    let next = match (last.filter(|_| more), from) {
        (Some(Subject::Message(last)), _) => Some(Scan::Messages { before: Some(last) }),
        (Some(Subject::Conversation(last)), _) => Some(Scan::Conversations { before: Some(last) }),
        (None, Scan::Messages { .. }) => Some(Scan::Conversations { before: None }),
        (None, Scan::Conversations { .. }) => None,
    };
    Ok(Texts { subjects, next })
}

/// The texts of a subject, as they are now.
pub(super) fn of(tx: &Connection, subject: Subject) -> Result<Vec<Searchable>, Error> {
    match subject {
        Subject::Message(id) => of_message(tx, id),
        Subject::Conversation(id) => Ok(title(tx, id)?.into_iter().collect()),
    }
}

const TITLE: &str = "
    SELECT id, agent, title, created_at FROM conversations
    WHERE id = :id AND title IS NOT NULL AND deleted_at IS NULL";

fn title(tx: &Connection, id: ConversationId) -> Result<Option<Searchable>, Error> {
    let mut statement = tx.prepare_cached(TITLE)?;
    let mut rows = statement.query(named_params! {":id": id.as_bytes()})?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let row = Row::new(row, "conversations", "id");
    Ok(Some(Searchable {
        kind: TextKind::Title,
        conversation_id: id,
        role: None,
        agent: row.get("agent")?,
        model: None,
        tool: None,
        text: row.get("title")?,
        at: row.at("created_at")?,
        file: None,
    }))
}

const MESSAGE: &str = "
    SELECT m.id, m.conversation_id, m.role, m.model, m.created_at, coalesce(t.agent, c.agent) AS agent,
           EXISTS (SELECT 1 FROM file_uses u WHERE u.message_id = m.id)
           OR EXISTS (SELECT 1 FROM conversation_files p WHERE p.message_id = m.id) AS has_files,
           EXISTS (SELECT 1 FROM annotations a WHERE a.message_id = m.id AND a.kind = 'marks') AS has_marks,
           EXISTS (SELECT 1 FROM deleted_branches d WHERE d.conversation_id = m.conversation_id) AS pruned
    FROM messages m JOIN conversations c ON c.id = m.conversation_id LEFT JOIN turns t ON t.id = m.turn_id
    WHERE m.id = :id AND m.status <> 'streaming'";

pub(super) fn of_message(tx: &Connection, id: MessageId) -> Result<Vec<Searchable>, Error> {
    let mut statement = tx.prepare_cached(MESSAGE)?;
    let mut rows = statement.query(named_params! {":id": id.as_bytes()})?;
    let Some(row) = rows.next()? else { return Ok(Vec::new()) };
    let row = Row::new(row, "messages", "id");
    let of: ConversationId = row.id("conversation_id")?;
    let deleted = row.get("pruned")? && is_deleted(tx, of, id)?;
    let message = Searchable {
        kind: TextKind::Message,
        conversation_id: if deleted { deleted_of(of) } else { of },
        role: Some(row.word::<Role>("role")?),
        model: row.get("model")?,
        at: row.at("created_at")?,
        agent: row.get("agent")?,
        tool: None,
        text: String::new(),
        file: None,
    };
    let (has_files, has_marks): (bool, bool) = (row.get("has_files")?, row.get("has_marks")?);
    let mut texts = Vec::new();
    let (text, calls) = said(tx, id)?;
    if !text.is_empty() {
        texts.push(Searchable { text, ..message.clone() });
    }
    if calls {
        of_calls(tx, id, &message, &mut texts)?;
    }
    if has_files {
        of_files(tx, id, &message, &mut texts)?;
    }
    if has_marks {
        of_branches(tx, id, &message, &mut texts)?;
        // What it was called there went with it.
        texts.retain(|text| text.kind != TextKind::Branch || !deleted || text.conversation_id != of);
    }
    Ok(texts)
}

/// Whether a conversation has deleted one of its messages, and forks alone show it.
fn is_deleted(tx: &Connection, of: ConversationId, id: MessageId) -> Result<bool, Error> {
    match tree::node(tx, id)? {
        Some(node) => Ok(!tree::visible(tx, of, &node)?),
        None => Ok(false),
    }
}

const PARTS: &str = "
    SELECT message_id, kind, data, text FROM parts
    WHERE message_id = :id AND kind IN ('text', 'source', 'tool_call') ORDER BY idx";

/// What a message says, and whether it calls tools.
pub(super) fn said(tx: &Connection, id: MessageId) -> Result<(String, bool), Error> {
    let mut statement = tx.prepare_cached(PARTS)?;
    let mut rows = statement.query(named_params! {":id": id.as_bytes()})?;
    let (mut said, mut calls) = (String::new(), false);
    while let Some(row) = rows.next()? {
        let row = Row::new(row, "parts", "message_id");
        let kind: String = row.get("kind")?;
        match kind.as_str() {
            "text" => add(&mut said, &row.get::<String>("text")?),
            "tool_call" => calls = true,
            _ => {
                if let Part::Source { url, title } = row.json("data")? {
                    add(&mut said, &title.unwrap_or_default());
                    add(&mut said, &url);
                }
            }
        }
    }
    Ok((said, calls))
}

fn add(said: &mut String, text: &str) {
    if !said.is_empty() && !text.is_empty() {
        said.push('\n');
    }
    said.push_str(text);
}

const CALLS: &str = "SELECT id, tool, args_text, output, error FROM calls WHERE message_id = :id ORDER BY id";

fn of_calls(
    tx: &Connection,
    id: MessageId,
    message: &Searchable,
    texts: &mut Vec<Searchable>,
) -> Result<(), Error> {
    let mut statement = tx.prepare_cached(CALLS)?;
    let mut rows = statement.query(named_params! {":id": id.as_bytes()})?;
    while let Some(row) = rows.next()? {
        let row = Row::new(row, "calls", "id");
        let tool: String = row.get("tool")?;
        let mut text = tool.clone();
        add(&mut text, &row.get::<String>("args_text")?);
        add(&mut text, &row.get::<Option<String>>("output")?.unwrap_or_default());
        add(&mut text, &row.get::<Option<String>>("error")?.unwrap_or_default());
        texts.push(Searchable { kind: TextKind::Call, tool: Some(tool), text, ..message.clone() });
    }
    Ok(())
}

const FILES: &str = concat!(
    "SELECT ",
    file::columns!(),
    ", NULL AS path FROM file_uses u JOIN files f ON f.id = u.file_id WHERE u.message_id = :id
     UNION ALL SELECT ",
    file::columns!(),
    ", p.path FROM conversation_files p JOIN files f ON f.id = p.file_id WHERE p.message_id = :id"
);

fn of_files(
    tx: &Connection,
    id: MessageId,
    message: &Searchable,
    texts: &mut Vec<Searchable>,
) -> Result<(), Error> {
    let mut statement = tx.prepare_cached(FILES)?;
    let mut rows = statement.query(named_params! {":id": id.as_bytes()})?;
    while let Some(row) = rows.next()? {
        let row = Row::new(row, "files", "id");
        let file = file::from_row(&row)?;
        let path: Option<String> = row.get("path")?;
        let text = path.unwrap_or_else(|| file.info.name.clone());
        texts.push(Searchable { kind: TextKind::File, text, file: Some(file), ..message.clone() });
    }
    Ok(())
}

const BRANCHES: &str = "
    SELECT a.conversation_id, a.body FROM annotations a JOIN conversations c ON c.id = a.conversation_id
    WHERE a.message_id = :id AND a.kind = 'marks' AND a.until IS NULL AND c.deleted_at IS NULL";

fn of_branches(
    tx: &Connection,
    id: MessageId,
    message: &Searchable,
    texts: &mut Vec<Searchable>,
) -> Result<(), Error> {
    let mut statement = tx.prepare_cached(BRANCHES)?;
    let mut rows = statement.query(named_params! {":id": id.as_bytes()})?;
    while let Some(row) = rows.next()? {
        let row = Row::new(row, "annotations", "conversation_id");
        let conversation_id = row.id("conversation_id")?;
        let marks: Option<Marks> = row.opt_json("body")?;
        if let Some(text) = marks.and_then(|marks| marks.branch_name) {
            texts.push(Searchable { kind: TextKind::Branch, conversation_id, text, ..message.clone() });
        }
    }
    Ok(())
}
