//! Deleted branches: invisible at once, erased in slices. What a fork needs of one stays for the fork alone.

use rusqlite::{Transaction, named_params};

use super::{Place, audit, rule, search};
use crate::chat::event::Event;
use crate::id::{CallId, ConversationId, MessageId, TurnId};
use crate::store::error::{Conflict, Error};
use crate::store::row::Row;
use crate::store::tree;

const DELETE: &str = "
    INSERT INTO deleted_branches (conversation_id, message_id, depth)
    VALUES (:conversation_id, :message_id, :depth)";

pub(super) fn delete(
    tx: &Transaction<'_>,
    place: Place,
    root: MessageId,
    queued: &[TurnId],
) -> Result<(), Error> {
    let node = tree::node(tx, root)?.ok_or(Conflict::UnknownMessage(root))?;
    let own = node.conversation_id == place.conversation_id;
    if !own || !tree::visible(tx, place.conversation_id, &node)? {
        return Err(Conflict::UnknownMessage(root).into());
    }
    tx.prepare_cached(DELETE)?.execute(named_params! {
    ":conversation_id": place.conversation_id.as_bytes(), ":message_id": root.as_bytes(),
    ":depth": node.depth.cast_signed()})?;
    // They have no message that could be erased.
    let log = Log { tx, id: place.conversation_id };
    for turn_id in queued.iter().copied() {
        log.blacken_events(&Span { turn_id, first: 0, last: place.seq.0.cast_signed() }, |_| true)?;
        tx.prepare_cached(FORGET_TURN)?.execute(named_params! {":id": turn_id.as_bytes()})?;
    }
    Ok(())
}

/// Takes the content of deleted messages out of the log, and the messages out of the tree, but for those that others
/// hang on. Children come before their parents.
pub(super) fn erase(tx: &Transaction<'_>, id: ConversationId, messages: &[MessageId]) -> Result<(), Error> {
    for message_id in messages {
        let Some(node) = tree::node(tx, *message_id)? else { continue };
        if node.conversation_id != id || tree::visible(tx, id, &node)? {
            continue;
        }
        redact(tx, id, *message_id)?;
        match is_free(tx, *message_id)? {
            true => remove(tx, *message_id)?,
            // From now on it is found through forks alone.
            false => search::message(tx, *message_id)?,
        }
    }
    Ok(())
}

const IS_FREE: &str = "
    SELECT NOT EXISTS (SELECT 1 FROM messages WHERE parent_id = :id)
       AND NOT EXISTS (SELECT 1 FROM conversations WHERE fork_message_id = :id AND deleted_at IS NULL)";

/// Whether nothing hangs on a message, neither a child nor a fork, in whatever conversation. A fork that is deleted needs
/// what its messages hang on.
fn is_free(tx: &Transaction<'_>, id: MessageId) -> Result<bool, Error> {
    Ok(tx.prepare_cached(IS_FREE)?.query_row(named_params! {":id": id.as_bytes()}, |row| row.get(0))?)
}

const OF_MESSAGE: [&str; 11] = [
    // Of what a deleted fork saw, its own forks may need less.
    "UPDATE conversations SET fork_message_id = (SELECT parent_id FROM messages WHERE id = :id)
     WHERE fork_message_id = :id",
    audit::ERASE_OF_MESSAGE,
    rule::FORGET_OF_MESSAGE,
    "DELETE FROM parts WHERE message_id = :id",
    "DELETE FROM approvals WHERE call_id IN (SELECT id FROM calls WHERE message_id = :id)",
    "DELETE FROM calls WHERE message_id = :id",
    "DELETE FROM chunks WHERE message_id = :id",
    "DELETE FROM annotations WHERE message_id = :id",
    "DELETE FROM file_uses WHERE message_id = :id",
    "DELETE FROM conversation_files WHERE message_id = :id",
    "DELETE FROM messages WHERE id = :id",
];

pub(super) fn remove(tx: &Transaction<'_>, id: MessageId) -> Result<(), Error> {
    for sql in OF_MESSAGE {
        tx.prepare_cached(sql)?.execute(named_params! {":id": id.as_bytes()})?;
    }
    search::message(tx, id)
}

const FINISH: [&str; 2] = [
    "DELETE FROM deleted_branches
     WHERE conversation_id = :conversation_id AND message_id = :message_id
       AND NOT EXISTS (SELECT 1 FROM messages WHERE id = :message_id)",
    "UPDATE deleted_branches SET erased = 1
     WHERE conversation_id = :conversation_id AND message_id = :message_id",
];

/// Everything that nobody needs is gone.
pub(super) fn finish(tx: &Transaction<'_>, id: ConversationId, root: MessageId) -> Result<(), Error> {
    for sql in FINISH {
        tx.prepare_cached(sql)?.execute(named_params! {
        ":conversation_id": id.as_bytes(), ":message_id": root.as_bytes()})?;
    }
    Ok(())
}

// A fork may have answered it, too: that is the fork's.
const ANSWERED_BY: &str = "
    SELECT t.id, t.first_seq, t.last_seq
    FROM messages m JOIN turns t ON t.input_id = m.id
    WHERE m.id = :id AND t.conversation_id = m.conversation_id";
// What became of a call may be said long after its turn.
const MADE_BY: &str = "
    SELECT t.id, t.first_seq,
           CASE WHEN EXISTS (SELECT 1 FROM calls WHERE message_id = :id AND resolved IS NOT NULL) THEN NULL
                ELSE t.last_seq END AS last_seq
    FROM messages m JOIN turns t ON t.id = m.turn_id
    WHERE m.id = :id AND t.conversation_id = m.conversation_id";
// A message of no turn that ran here: imported ones name turns of elsewhere.
const CREATED_AT: &str = "
    SELECT seq FROM messages m
    WHERE id = :id AND NOT EXISTS (SELECT 1 FROM turns t WHERE t.id = m.turn_id)";
const PROPOSED: &str = "
    SELECT c.turn_id AS id, m.seq AS first_seq, m.seq + count(*) AS last_seq
    FROM messages m JOIN calls c ON c.message_id = m.id
    WHERE m.id = :id AND NOT EXISTS (SELECT 1 FROM turns t WHERE t.id = c.turn_id)
    GROUP BY c.turn_id, m.seq";
/// Names and summaries, also those that were taken back.
const SAID_OF: &str = "
    SELECT seq FROM annotations
    WHERE conversation_id = :conversation_id AND message_id = :id AND body IS NOT NULL";
const CALLS: &str = "SELECT id FROM calls WHERE message_id = :id";
const FORGET_TURN: &str = "DELETE FROM turns WHERE id = :id";

/// The positions of a turn in the log.
struct Span {
    turn_id: TurnId,
    first: i64,
    last: i64,
}

/// A message speaks in the events that name it; what a turn was asked is in all of them.
fn redact(tx: &Transaction<'_>, id: ConversationId, message_id: MessageId) -> Result<(), Error> {
    let log = Log { tx, id };
    for span in spans(tx, ANSWERED_BY, message_id)? {
        log.blacken_events(&span, |_| true)?;
        log.blacken_runs(&span, message_id)?;
        tx.prepare_cached(FORGET_TURN)?.execute(named_params! {":id": span.turn_id.as_bytes()})?;
    }
    let calls = calls(tx, message_id)?;
    for span in spans(tx, MADE_BY, message_id)? {
        log.blacken_events(&span, |event| event.speaks_of(message_id, &calls))?;
        log.blacken_runs(&span, message_id)?;
    }
    for span in spans(tx, PROPOSED, message_id)? {
        log.blacken_events(&span, |event| event.speaks_of(message_id, &calls))?;
    }
    let mut statement = tx.prepare_cached(SAID_OF)?;
    let of = named_params! {":conversation_id": id.as_bytes(), ":id": message_id.as_bytes()};
    let said: Vec<i64> = statement.query_map(of, |row| row.get(0))?.collect::<Result<_, _>>()?;
    said.into_iter().try_for_each(|seq| log.forget_event(seq))?;
    let mut statement = tx.prepare_cached(CREATED_AT)?;
    let mut rows = statement.query(named_params! {":id": message_id.as_bytes()})?;
    if let Some(row) = rows.next()? {
        let seq: i64 = row.get(0)?;
        log.forget_event(seq)?;
    }
    Ok(())
}

fn spans(tx: &Transaction<'_>, sql: &str, id: MessageId) -> Result<Vec<Span>, Error> {
    let mut statement = tx.prepare_cached(sql)?;
    let mut rows = statement.query(named_params! {":id": id.as_bytes()})?;
    let mut spans = Vec::new();
    while let Some(row) = rows.next()? {
        let row = Row::new(row, "turns", "id");
        let last: Option<i64> = row.get("last_seq")?;
        spans.push(Span {
            turn_id: row.id("id")?,
            first: row.get("first_seq")?,
            last: last.unwrap_or(i64::MAX),
        });
    }
    Ok(spans)
}

fn calls(tx: &Transaction<'_>, id: MessageId) -> Result<Vec<CallId>, Error> {
    let mut statement = tx.prepare_cached(CALLS)?;
    let calls = statement.query_map(named_params! {":id": id.as_bytes()}, |row| row.get(0))?;
    calls.map(|call| Ok(CallId::from_bytes(call?))).collect()
}

impl Event {
    /// What a turn says of a message.
    fn speaks_of(&self, message: MessageId, calls: &[CallId]) -> bool {
        match self {
            Self::MessageCreated { message: created, .. } => created.id == message,
            Self::PartStarted { message_id, .. }
            | Self::PartCompleted { message_id, .. }
            | Self::MessageCompleted { message_id, .. } => *message_id == message,
            Self::ToolProposed { call, .. } => call.message_id == message,
            Self::ApprovalRequested { .. }
            | Self::ToolPending { .. }
            | Self::ToolApproved { .. }
            | Self::ToolStarted { .. }
            | Self::ToolProgress { .. }
            | Self::ToolAsked { .. }
            | Self::ToolAnswered { .. }
            | Self::ToolSucceeded { .. }
            | Self::ToolFailed { .. }
            | Self::ToolDenied { .. }
            | Self::ToolExpired { .. }
            | Self::ToolCancelled { .. }
            | Self::ToolUnknown { .. }
            | Self::ToolResolved { .. }
            | Self::ApprovalVoted { .. }
            | Self::ApprovalDecided { .. }
            | Self::ApprovalClosed { .. } => self.call_id().is_some_and(|id| calls.contains(&id)),
            Self::ConversationCreated { .. }
            | Self::ConversationUpdated { .. }
            | Self::HeadChanged { .. }
            | Self::ConversationForked { .. }
            | Self::MessageMarked { .. }
            | Self::ConversationCompacted { .. }
            | Self::ConversationUncompacted { .. }
            | Self::ConversationDeleted {}
            | Self::BranchDeleted { .. }
            | Self::TurnQueued { .. }
            | Self::TurnStarted { .. }
            | Self::TurnWaiting { .. }
            | Self::TurnResumed { .. }
            | Self::TurnCompleted { .. }
            | Self::TurnFailed { .. }
            | Self::TurnCancelled { .. }
            | Self::TurnInterrupted { .. }
            | Self::QueueChanged { .. }
            | Self::QueueEdited { .. }
            | Self::Notice { .. } => false,
        }
    }
}

struct Log<'a> {
    tx: &'a Transaction<'a>,
    id: ConversationId,
}

const EVENTS: &str = "
    SELECT conversation_id, seq, body FROM events
    WHERE conversation_id = :id AND seq BETWEEN :first AND :last AND turn_id = :turn_id";
const FORGET_EVENT: &str = "DELETE FROM events WHERE conversation_id = :id AND seq = :seq";
const RUNS: &str = "
    SELECT prev, length FROM runs
    WHERE conversation_id = :id AND prev BETWEEN :first AND :last AND message_id = :message_id";
const FORGET_RUN: &str = "DELETE FROM runs WHERE conversation_id = :id AND prev = :prev";
const SWALLOW: &str = "
    DELETE FROM redactions WHERE conversation_id = :id AND (prev = :seq OR seq = :prev) RETURNING prev, seq";
const REDACT: &str = "INSERT INTO redactions (conversation_id, prev, seq) VALUES (:id, :prev, :seq)";

impl Log<'_> {
    fn blacken_events(&self, span: &Span, secret: impl Fn(&Event) -> bool) -> Result<(), Error> {
        let mut found = Vec::new();
        let mut statement = self.tx.prepare_cached(EVENTS)?;
        let mut rows = statement.query(named_params! {
        ":id": self.id.as_bytes(), ":first": span.first, ":last": span.last,
        ":turn_id": span.turn_id.as_bytes()})?;
        while let Some(row) = rows.next()? {
            let row = Row::new(row, "events", "seq");
            let (seq, event): (i64, Event) = (row.get("seq")?, row.json("body")?);
            if secret(&event) {
                found.push(seq);
            }
        }
        found.into_iter().try_for_each(|seq| self.forget_event(seq))
    }

    fn forget_event(&self, seq: i64) -> Result<(), Error> {
        let mut statement = self.tx.prepare_cached(FORGET_EVENT)?;
        match statement.execute(named_params! {":id": self.id.as_bytes(), ":seq": seq})? {
            0 => Ok(()),
            _ => self.redact(seq - 1, seq),
        }
    }

    fn blacken_runs(&self, span: &Span, message_id: MessageId) -> Result<(), Error> {
        let mut statement = self.tx.prepare_cached(RUNS)?;
        let runs = statement.query_map(
            named_params! {":id": self.id.as_bytes(), ":first": span.first, ":last": span.last,
            ":message_id": message_id.as_bytes()},
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let runs: Vec<(i64, i64)> = runs.collect::<Result<_, _>>()?;
        for (prev, length) in runs {
            self.tx
                .prepare_cached(FORGET_RUN)?
                .execute(named_params! {":id": self.id.as_bytes(), ":prev": prev})?;
            self.redact(prev, prev + length)?;
        }
        Ok(())
    }

    /// Together with its neighbours.
    fn redact(&self, prev: i64, seq: i64) -> Result<(), Error> {
        let (mut from, mut to) = (prev, seq);
        let mut statement = self.tx.prepare_cached(SWALLOW)?;
        let neighbours = statement
            .query_map(named_params! {":id": self.id.as_bytes(), ":prev": prev, ":seq": seq}, |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        for neighbour in neighbours {
            let (prev, seq): (i64, i64) = neighbour?;
            (from, to) = (from.min(prev), to.max(seq));
        }
        self.tx.prepare_cached(REDACT)?.execute(named_params! {
        ":id": self.id.as_bytes(), ":prev": from, ":seq": to})?;
        Ok(())
    }
}
