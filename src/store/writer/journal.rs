//! The journal's rows as the writer keeps them: one more per commit, a few less at the other end.

use rusqlite::{Connection, Transaction, named_params};

use crate::store::error::Error;
use crate::store::record::{Batch, Record};

/// Rows that one commit deletes at most, and one that does nothing but forget.
const TRIM: u64 = 4;
const TRIM_AT_LEISURE: u64 = 64;

#[derive(Debug, Clone, Copy, Default)]
pub(in crate::store) struct Journal {
    /// The oldest row, and the position that comes after the newest.
    pub first: u64,
    pub next: u64,
    bytes: u64,
    pending: Option<Pending>,
}

/// What the open transaction makes of the journal.
#[derive(Debug, Clone, Copy)]
struct Pending {
    first: u64,
    next: u64,
    bytes: u64,
}

const SIZE: &str = "
    SELECT coalesce(min(position), 1), coalesce(max(position), 0), coalesce(sum(length(deltas)), 0) FROM journal";
const WRITE: &str = "INSERT INTO journal (position, deltas) VALUES (:position, :deltas)";
const DELETE: &str = "DELETE FROM journal WHERE position < :from RETURNING length(deltas)";

impl Journal {
    pub fn read(conn: &Connection) -> Result<Self, Error> {
        let (first, last, bytes) = conn.query_row(SIZE, [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
        })?;
        let (first, last) = (first.unsigned_abs(), last.unsigned_abs());
        Ok(Self { first, next: last + 1, bytes: bytes.unsigned_abs(), pending: None })
    }

    /// The batch's row, last of all its changes; then rows below the oldest open text go. The newest row always
    /// stays: the next position is counted from it.
    pub fn write(
        &mut self,
        tx: &Transaction<'_>,
        batch: &mut Batch,
        deltas: &[u8],
        floor: Option<u64>,
    ) -> Result<(), Error> {
        let keep_from = floor.unwrap_or(batch.position).min(batch.position);
        let trim = match batch.jobs.iter().flatten().all(Record::forgets) {
            true => TRIM_AT_LEISURE,
            false => TRIM,
        };
        batch.journal_from = keep_from.min(self.first + trim).max(self.first);
        self.write_as_told(tx, batch, deltas)
    }

    pub fn write_as_told(&mut self, tx: &Transaction<'_>, batch: &Batch, deltas: &[u8]) -> Result<(), Error> {
        tx.prepare_cached(WRITE)?
            .execute(named_params! {":position": batch.position.cast_signed(), ":deltas": deltas})?;
        let mut bytes = self.bytes + deltas.len() as u64;
        if batch.journal_from > self.first {
            let mut statement = tx.prepare_cached(DELETE)?;
            let mut gone = statement.query(named_params! {":from": batch.journal_from.cast_signed()})?;
            while let Some(row) = gone.next()? {
                bytes -= row.get::<_, i64>(0)?.unsigned_abs();
            }
        }
        self.pending = Some(Pending { first: batch.journal_from, next: batch.position + 1, bytes });
        Ok(())
    }

    pub fn settle(&mut self) {
        if let Some(Pending { first, next, bytes }) = self.pending.take() {
            (self.first, self.next, self.bytes) = (first, next, bytes);
        }
    }

    pub fn roll_back(&mut self) {
        self.pending = None;
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}
