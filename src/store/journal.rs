//! The journal's blobs: the deltas of one commit, or of one message, as compact binary entries.
//!
//! An entry is the conversation's and the message's id, then as LEB128 numbers the part's index, the position
//! before the text and the text's length, then the text.

use rusqlite::{Connection, named_params};

use crate::chat::event::{Delta, Seq};
use crate::id::{ConversationId, MessageId};
use crate::store::error::Error;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    pub conversation_id: ConversationId,
    pub message_id: MessageId,
    pub index: u32,
    pub prev: Seq,
    pub text: &'a str,
}

impl<'a> Entry<'a> {
    pub fn of(conversation_id: ConversationId, prev: Seq, delta: &'a Delta) -> Self {
        Self { conversation_id, message_id: delta.message_id, index: delta.index, prev, text: &delta.text }
    }

    pub fn write_to(&self, buffer: &mut Vec<u8>) {
        buffer.extend_from_slice(self.conversation_id.as_bytes());
        buffer.extend_from_slice(self.message_id.as_bytes());
        write_number(buffer, u64::from(self.index));
        write_number(buffer, self.prev.0);
        write_number(buffer, self.text.len() as u64);
        buffer.extend_from_slice(self.text.as_bytes());
    }
}

/// The entries of a blob, in the order in which they were written.
pub(super) struct Entries<'a> {
    rest: &'a [u8],
}

impl<'a> Entries<'a> {
    pub const fn of(blob: &'a [u8]) -> Self {
        Self { rest: blob }
    }

    fn read(&mut self) -> Option<Entry<'a>> {
        let conversation_id = ConversationId::from_bytes(*self.take::<16>()?);
        let message_id = MessageId::from_bytes(*self.take::<16>()?);
        let index = u32::try_from(self.number()?).ok()?;
        let prev = Seq(self.number()?);
        let length = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(Entry { conversation_id, message_id, index, prev, text: std::str::from_utf8(text).ok()? })
    }

    fn take<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (head, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(head)
    }

    fn number(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let [byte] = *self.take::<1>()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

/// An unreadable entry ends the blob with `Err(())`.
impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, ()>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let entry = self.read().ok_or(());
        if entry.is_err() {
            self.rest = &[];
        }
        Some(entry)
    }
}

fn write_number(buffer: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        buffer.push(value as u8 | 0x80);
        value >>= 7;
    }
    buffer.push(value as u8);
}

const ROWS: &str =
    "SELECT position, deltas FROM journal WHERE position BETWEEN :from AND :through ORDER BY position";

/// Calls `f` with the position and each entry of the journal's rows `from ..= through`.
pub(super) fn scan(
    tx: &Connection,
    from: u64,
    through: u64,
    mut f: impl FnMut(u64, Entry<'_>),
) -> Result<(), Error> {
    let mut statement = tx.prepare_cached(ROWS)?;
    let mut rows = statement.query(named_params! {
    ":from": from.cast_signed(), ":through": i64::try_from(through).unwrap_or(i64::MAX)})?;
    while let Some(row) = rows.next()? {
        let position = row.get::<_, i64>(0)?.cast_unsigned();
        for entry in Entries::of(row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?) {
            let corrupt = || Error::Corrupt { table: "journal", column: "deltas", key: position.to_string() };
            f(position, entry.map_err(|()| corrupt())?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_survives_its_bytes_and_a_cut_blob_is_an_error() {
        let (conversation_id, message_id) = (ConversationId::new(), MessageId::new());
        let entries = [(0, 0, "a"), (200, 127, ""), (u32::MAX, u64::MAX, "grüße")]
            .map(|(index, prev, text)| Entry { conversation_id, message_id, index, prev: Seq(prev), text });
        let mut blob = Vec::new();
        for entry in &entries {
            entry.write_to(&mut blob);
        }
        assert_eq!(Entries::of(&blob).collect::<Vec<_>>(), entries.map(Ok));
        let cut: Vec<_> = Entries::of(&blob[..blob.len() - 1]).collect();
        assert_eq!(cut, [Ok(entries[0]), Ok(entries[1]), Err(())]);
    }
}
