//! The text of open messages, gathered from the journal and from what was spilled out of it.

use std::collections::HashMap;

use rusqlite::{Connection, named_params};

use crate::chat::event::Seq;
use crate::id::{ConversationId, MessageId};
use crate::store::error::Error;
use crate::store::journal::{self, Entries, Entry};
use crate::store::record::Run;
use crate::store::row::Row;

/// What was streamed of a message that is not complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenTail {
    pub message_id: MessageId,
    /// The text of each part that has any, by its index.
    pub parts: Vec<(u32, String)>,
    /// Where that text stands in the log, in the log's order.
    pub runs: Vec<Run>,
}

impl OpenTail {
    fn add(&mut self, entry: &Entry<'_>) {
        let length = entry.text.len() as u64;
        let offset = match self.parts.iter_mut().find(|(index, _)| *index == entry.index) {
            Some((_, text)) => {
                text.push_str(entry.text);
                text.len() as u64 - length
            }
            None => {
                self.parts.push((entry.index, entry.text.to_owned()));
                0
            }
        };
        Run { prev: entry.prev, index: entry.index, offset, length }.push_to(&mut self.runs);
    }

    /// The last position that it holds.
    pub fn seq(&self) -> Seq {
        self.runs.last().map_or(Seq::START, Run::seq)
    }

    pub fn bytes(&self) -> u64 {
        self.runs.iter().map(|run| run.length).sum()
    }
}

/// A tail, and where in the journal the rest of it would be.
#[derive(Debug, Clone)]
pub(super) struct Gathered {
    pub conversation_id: ConversationId,
    pub tail: OpenTail,
    /// The journal up to here is in a chunk.
    pub through: Option<u64>,
    /// The first journal row past that which holds text.
    pub mark: Option<u64>,
}

impl Gathered {
    /// Whether that row of the journal was not spilled.
    pub fn lacks(&self, position: u64) -> bool {
        self.through.is_none_or(|through| position > through)
    }
}

const STREAMING: &str = "
    SELECT id, conversation_id, (SELECT max(through) FROM chunks WHERE message_id = id) AS through
    FROM messages WHERE status = 'streaming'";
const STREAMING_OF: &str = "
    SELECT id, conversation_id, (SELECT max(through) FROM chunks WHERE message_id = id) AS through
    FROM messages WHERE status = 'streaming' AND conversation_id = :id";
const CHUNKS: &str = "SELECT message_id, through, deltas FROM chunks WHERE message_id = :id ORDER BY through";

/// The tails of all open messages, or of one conversation's.
pub(super) fn gather(
    tx: &Connection,
    of: Option<ConversationId>,
) -> Result<HashMap<MessageId, Gathered>, Error> {
    let mut tails = streaming(tx, of)?;
    if tails.is_empty() {
        return Ok(tails);
    }
    for gathered in tails.values_mut() {
        read_chunks(tx, gathered)?;
    }
    journal::scan(tx, 0, u64::MAX, |position, entry| {
        let Some(gathered) = tails.get_mut(&entry.message_id) else { return };
        if gathered.lacks(position) {
            gathered.mark.get_or_insert(position);
            gathered.tail.add(&entry);
        }
    })?;
    Ok(tails)
}

/// The open messages, without their text.
pub(super) fn streaming(
    tx: &Connection,
    of: Option<ConversationId>,
) -> Result<HashMap<MessageId, Gathered>, Error> {
    let mut statement = tx.prepare_cached(if of.is_some() { STREAMING_OF } else { STREAMING })?;
    let mut rows = match &of {
        Some(id) => statement.query(named_params! {":id": id.as_bytes()})?,
        None => statement.query([])?,
    };
    let mut tails = HashMap::new();
    while let Some(row) = rows.next()? {
        let row = Row::new(row, "messages", "id");
        let (message_id, conversation_id) = (row.id("id")?, row.id("conversation_id")?);
        let tail = OpenTail { message_id, parts: Vec::new(), runs: Vec::new() };
        tails.insert(
            message_id,
            Gathered { conversation_id, tail, through: row.opt_number("through")?, mark: None },
        );
    }
    Ok(tails)
}

fn read_chunks(tx: &Connection, gathered: &mut Gathered) -> Result<(), Error> {
    let mut statement = tx.prepare_cached(CHUNKS)?;
    let mut rows = statement.query(named_params! {":id": gathered.tail.message_id.as_bytes()})?;
    while let Some(row) = rows.next()? {
        let row = Row::new(row, "chunks", "message_id");
        for entry in Entries::of(&row.get::<Vec<u8>>("deltas")?) {
            gathered.tail.add(&entry.map_err(|()| row.corrupt("deltas"))?);
        }
    }
    Ok(())
}
