//! Ids that follow from whose import it is and what a thing is called where it comes from.
//!
//! They are UUIDv7 as every id: the time is the thing's own, so that they sort as if it had been made here, and a hash
//! stands where the random bits are. Two people's ids never meet, and nobody chooses one.

use sha2::{Digest, Sha256};

use super::format::Format;
use crate::clock::Timestamp;
use crate::id::{CallId, CompactionId, ConversationId, MessageId, TurnId, UserId, WorkspaceId};

/// Whose import it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    pub workspace_id: WorkspaceId,
    pub user_id: UserId,
}

/// What an id of a message says of it, whenever and wherever among its siblings it was made.
pub type Mark = [u8; 8];

impl Identity {
    pub fn conversation(&self, format: Format, id: &str, created_at: Option<Timestamp>) -> ConversationId {
        let hash = self.hash("conversation", format, &[id]);
        ConversationId::from_bytes(uuid(created_at, u16::from_be_bytes([hash[8], hash[9]]), &hash))
    }

    pub fn message(&self, format: Format, conversation: &str, id: &str) -> Mark {
        let hash = self.hash("message", format, &[conversation, id]);
        mark(&uuid(None, 0, &hash))
    }

    /// The calls of a message in their order.
    pub fn call(&self, message: MessageId, index: usize) -> CallId {
        let bytes = message.as_bytes();
        let mut hash = Sha256::new_with_prefix(b"weir import call");
        hash.update(bytes);
        hash.update(index.to_be_bytes());
        let order = u16::try_from(index).unwrap_or(u16::MAX);
        CallId::from_bytes(uuid(Some(time_of(bytes)), order, hash.finalize().as_slice()))
    }

    pub fn turn(&self, format: Format, conversation: &str, id: &str, at: Timestamp) -> TurnId {
        let hash = self.hash("turn", format, &[conversation, id]);
        TurnId::from_bytes(uuid(Some(at), u16::from_be_bytes([hash[8], hash[9]]), &hash))
    }

    pub fn compaction(&self, conversation: &str, id: &str, at: Timestamp) -> CompactionId {
        let hash = self.hash("compaction", Format::Weir, &[conversation, id]);
        CompactionId::from_bytes(uuid(Some(at), u16::from_be_bytes([hash[8], hash[9]]), &hash))
    }

    /// The turn of the calls of a message that belongs to none.
    pub fn turn_of(&self, message: MessageId) -> TurnId {
        TurnId::from_bytes(*message.as_bytes())
    }

    fn hash(&self, what: &str, format: Format, names: &[&str]) -> [u8; 32] {
        let mut hash = Sha256::new_with_prefix(b"weir import 1");
        hash.update(self.workspace_id.as_bytes());
        hash.update(self.user_id.as_bytes());
        for text in [what, format.as_str()].iter().chain(names) {
            // With its length: no two lists of names are the same bytes.
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        }
        hash.finalize().into()
    }
}

/// The id of a message: its time, its place among siblings of the same millisecond, and its mark.
pub fn message_id(at: Timestamp, order: u16, mark: Mark) -> MessageId {
    MessageId::from_bytes(uuid(Some(at), order, &mark))
}

pub fn mark(id: &[u8; 16]) -> Mark {
    [id[8], id[9], id[10], id[11], id[12], id[13], id[14], id[15]]
}

/// Version 7: 48 bits of time, 12 of order, 62 of the hash.
fn uuid(at: Option<Timestamp>, order: u16, hash: &[u8]) -> [u8; 16] {
    let millis = at.map_or(0, |at| at.millis().clamp(0, (1 << 48) - 1));
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
    bytes[6..8].copy_from_slice(&(order & 0xfff | 0x7000).to_be_bytes());
    bytes[8..].copy_from_slice(&hash[..8]);
    bytes[8] = bytes[8] & 0x3f | 0x80;
    bytes
}

fn time_of(id: &[u8; 16]) -> Timestamp {
    let mut millis = [0; 8];
    millis[2..].copy_from_slice(&id[..6]);
    Timestamp::from_millis(i64::from_be_bytes(millis))
}
