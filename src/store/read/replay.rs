//! The log after a cursor, as far as the store has it: events as they were written, and the streamed text of complete
//! messages cut out of their parts.

use rusqlite::{Connection, MAIN_DB, named_params};

use super::conversation::position;
use crate::chat::event::Seq;
use crate::clock::Timestamp;
use crate::id::{ConversationId, MessageId, TurnId};
use crate::store::Store;
use crate::store::error::Error;
use crate::store::row::Row;

#[derive(Debug, Clone, PartialEq)]
pub enum Replay {
    Page(Page),
    /// The cursor is past `until`.
    PastEnd,
    /// The cursor stands inside a character of the text. No cursor that was given out does.
    InsideCharacter,
}

/// Entries that tile the log from the cursor to `through`.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    pub entries: Vec<LogEntry>,
    pub through: Seq,
    /// The last structural event that the store has.
    pub end: Seq,
}

#[derive(Debug, Clone, PartialEq)]
pub struct LogEntry {
    pub prev: Seq,
    pub seq: Seq,
    pub kind: EntryKind,
}

#[derive(Debug, Clone, PartialEq)]
pub enum EntryKind {
    Event {
        at: Timestamp,
        turn_id: Option<TurnId>,
        /// The event's JSON, as it was stored.
        body: String,
    },
    Delta {
        message_id: MessageId,
        turn_id: Option<TurnId>,
        index: u32,
        text: String,
    },
    /// Content that was deleted.
    Redacted,
    /// Text of messages that are streaming: the conversation's actor has it.
    Open,
}

impl Store {
    /// A page of at most about `max_bytes` of the log from `after` to `until`; ask again from its `through` until
    /// that is `until`. Without a scope: the caller has checked that the conversation is visible.
    pub async fn replay(
        &self,
        id: ConversationId,
        after: Seq,
        until: Seq,
        max_bytes: usize,
    ) -> Result<Replay, Error> {
        self.read(move |tx| Reader { tx, id, until, max_bytes }.read(after)).await
    }
}

struct Reader<'a> {
    tx: &'a Connection,
    id: ConversationId,
    until: Seq,
    max_bytes: usize,
}

/// A run of a complete message, and where its part's text is.
struct Stretch {
    prev: Seq,
    length: u64,
    offset: u64,
    message_id: MessageId,
    turn_id: Option<TurnId>,
    index: u32,
    part: i64,
}

const EVENTS: &str = "
    SELECT seq, at, turn_id, body FROM events
    WHERE conversation_id = :id AND seq > :after AND seq <= :until ORDER BY seq";

const STRETCHES: &str = "
    SELECT r.prev, r.length, r.offset, r.message_id, r.idx, m.turn_id, p.rowid AS part
    FROM runs r JOIN messages m ON m.id = r.message_id
                JOIN parts p ON p.message_id = r.message_id AND p.idx = r.idx
    WHERE r.conversation_id = :id AND r.prev < :until
      AND r.prev >= coalesce((SELECT max(prev) FROM runs WHERE conversation_id = :id AND prev <= :after), 0)
      AND r.prev + r.length > :after
    ORDER BY r.prev";

const REDACTIONS: &str = "
    SELECT prev, seq FROM redactions
    WHERE conversation_id = :id AND prev < :until AND seq > :after ORDER BY prev";

impl Reader<'_> {
    fn read(&self, after: Seq) -> Result<Replay, Error> {
        if after > self.until {
            return Ok(Replay::PastEnd);
        }
        let end = position(self.tx, self.id)?;
        let bounds = named_params! {
        ":id": self.id.as_bytes(), ":after": stored(after), ":until": stored(self.until)};
        let (mut events, mut stretches, mut redactions) = (
            self.tx.prepare_cached(EVENTS)?,
            self.tx.prepare_cached(STRETCHES)?,
            self.tx.prepare_cached(REDACTIONS)?,
        );
        let (mut events, mut stretches) = (events.query(bounds)?, stretches.query(bounds)?);
        let mut redactions = redactions.query(bounds)?;
        let mut page = Page { entries: Vec::new(), through: after, end };
        let mut left = self.max_bytes.max(1);
        let (mut event, mut stretch) = (next_event(&mut events)?, next_stretch(&mut stretches)?);
        let mut redaction = next_redaction(&mut redactions)?;
        while left > 0 && page.through < self.until {
            let event_prev = event.as_ref().map(|entry| entry.prev);
            let stretch_prev = stretch.as_ref().map(|stretch| stretch.prev.max(page.through));
            let redacted = redaction.map(|(prev, _)| prev.max(page.through));
            let next = [event_prev, stretch_prev, redacted].into_iter().flatten().min().unwrap_or(self.until);
            if next > page.through {
                page.push(next, EntryKind::Open);
            }
            if event_prev == Some(next) {
                let entry = event.take().expect("it has a position");
                left = left.saturating_sub(entry.weight());
                page.push(entry.seq, entry.kind);
                event = next_event(&mut events)?;
            } else if let Some((_, seq)) = redaction.take_if(|_| redacted == Some(next)) {
                left -= 1;
                page.push(seq.min(self.until), EntryKind::Redacted);
                redaction = next_redaction(&mut redactions)?;
            } else if let Some(found) = stretch.take_if(|_| stretch_prev == Some(next)) {
                let Some((seq, text)) = self.cut(&found, next, left)? else {
                    return Ok(Replay::InsideCharacter);
                };
                left = left.saturating_sub(text.len());
                let Stretch { message_id, turn_id, index, .. } = found;
                page.push(seq, EntryKind::Delta { message_id, turn_id, index, text });
                stretch = match seq < found.prev.plus(found.length) {
                    true => Some(found),
                    false => next_stretch(&mut stretches)?,
                };
            }
        }
        Ok(Replay::Page(page))
    }

    /// The text of a stretch from `from`, about `most` bytes of it, whole characters. `None` where `from` or the
    /// end of the replay stands inside a character.
    fn cut(&self, stretch: &Stretch, from: Seq, most: usize) -> Result<Option<(Seq, String)>, Error> {
        let end = stretch.prev.plus(stretch.length).min(self.until);
        let whole = end.0 - from.0;
        // Room for a character that the limit would cut: at least one has to fit.
        let length = whole.min(most as u64 + 3);
        let skipped = stretch.offset + (from.0 - stretch.prev.0);
        let corrupt =
            || Error::Corrupt { table: "parts", column: "text", key: stretch.message_id.to_string() };
        let mut bytes = vec![0; usize::try_from(length).map_err(|_| corrupt())?];
        let blob = self.tx.blob_open(MAIN_DB, "parts", "text", stretch.part, true)?;
        blob.read_at_exact(&mut bytes, usize::try_from(skipped).map_err(|_| corrupt())?)
            .map_err(|_| corrupt())?;
        let valid = match std::str::from_utf8(&bytes) {
            Ok(_) => bytes.len(),
            Err(error) if error.error_len().is_none() && length < whole => error.valid_up_to(),
            Err(_) => return Ok(None),
        };
        bytes.truncate(valid);
        Ok(String::from_utf8(bytes)
            .ok()
            .filter(|text| !text.is_empty())
            .map(|text| (from.plus(text.len() as u64), text)))
    }
}

impl Page {
    fn push(&mut self, seq: Seq, kind: EntryKind) {
        self.entries.push(LogEntry { prev: self.through, seq, kind });
        self.through = seq;
    }
}

impl LogEntry {
    fn weight(&self) -> usize {
        match &self.kind {
            EntryKind::Event { body, .. } => body.len(),
            EntryKind::Delta { text, .. } => text.len(),
            EntryKind::Redacted | EntryKind::Open => 0,
        }
    }
}

/// A position that a caller may have made up.
fn stored(seq: Seq) -> i64 {
    i64::try_from(seq.0).unwrap_or(i64::MAX)
}

fn next_event(rows: &mut rusqlite::Rows<'_>) -> Result<Option<LogEntry>, Error> {
    let Some(row) = rows.next()? else { return Ok(None) };
    let row = Row::new(row, "events", "seq");
    let seq = row.seq("seq")?;
    let kind =
        EntryKind::Event { at: row.at("at")?, turn_id: row.opt_id("turn_id")?, body: row.get("body")? };
    Ok(Some(LogEntry { prev: Seq(seq.0 - 1), seq, kind }))
}

fn next_redaction(rows: &mut rusqlite::Rows<'_>) -> Result<Option<(Seq, Seq)>, Error> {
    let Some(row) = rows.next()? else { return Ok(None) };
    let row = Row::new(row, "redactions", "prev");
    Ok(Some((row.seq("prev")?, row.seq("seq")?)))
}

fn next_stretch(rows: &mut rusqlite::Rows<'_>) -> Result<Option<Stretch>, Error> {
    let Some(row) = rows.next()? else { return Ok(None) };
    let row = Row::new(row, "runs", "prev");
    Ok(Some(Stretch {
        prev: row.seq("prev")?,
        length: row.number("length")?,
        offset: row.number("offset")?,
        message_id: row.id("message_id")?,
        turn_id: row.opt_id("turn_id")?,
        index: row.number("idx")?,
        part: row.get("part")?,
    }))
}
