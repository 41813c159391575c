//! What is written, as values: jobs, the records in them, and the batch that one commit makes of them.

use serde::{Deserialize, Serialize};

use crate::chat::event::{Delta, Event, Seq};
use crate::chat::file::StoredFile;
use crate::chat::memory::Memory;
use crate::chat::message::StoredPart;
use crate::clock::Timestamp;
use crate::id::{ConversationId, FileId, MemoryId, MessageId, RuleId, TurnId, UserId, WorkspaceId};
use crate::scope::Caller;
use crate::store::journal::Entry;

/// Who goes first. Bulk work runs beside people's turns in slices of about a millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    People,
    Bulk,
}

/// Everything or nothing of it is stored, and only if the conversation's log ends where the caller thinks.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    pub conversation_id: ConversationId,
    pub expected_last_seq: Seq,
    pub records: Vec<Record>,
}

/// One change of the tables. What it does depends on the record and the tables alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "a batch holds them for as long as one commit takes")]
pub enum Record {
    /// Takes the position after `prev`.
    Event {
        conversation_id: ConversationId,
        prev: Seq,
        at: Timestamp,
        event: Event,
    },
    /// Streamed text of an open message; takes as many positions as it has bytes.
    Delta {
        conversation_id: ConversationId,
        prev: Seq,
        delta: Delta,
    },
    /// The final parts of a message, in the job of its `message.completed` and before it.
    Content {
        conversation_id: ConversationId,
        message_id: MessageId,
        parts: Vec<StoredPart>,
        runs: Vec<Run>,
    },
    IdempotencyKey(IdempotencyKey),
    /// A note of an agent about a person is made, or says something else from now on.
    Remember {
        workspace_id: WorkspaceId,
        user_id: UserId,
        memory: Memory,
    },
    /// A note is gone.
    Forget {
        memory_id: MemoryId,
    },
    /// A remembered yes counts no more.
    RevokeRule {
        rule_id: RuleId,
        by: UserId,
        at: Timestamp,
        /// For the audit, like the `caller`.
        salt: [u8; 32],
        caller: Option<Caller>,
    },
    /// Behind an event of the same job that [is audited](Event::is_audited).
    Audit(Audit),
    /// Open text that lets go of the journal up to the position `through`. The store's own.
    Spill {
        conversation_id: ConversationId,
        message_id: MessageId,
        through: u64,
        pieces: Vec<Piece>,
    },
    /// A slice of what a deleted conversation leaves behind. The store's own.
    Purge {
        conversation_id: ConversationId,
    },
    /// Messages of a deleted branch, children before their parents. The store's own.
    Erase {
        conversation_id: ConversationId,
        message_ids: Vec<MessageId>,
    },
    /// All of the branch that began with this message has been erased. The store's own.
    Erased {
        conversation_id: ConversationId,
        message_id: MessageId,
    },
    /// A file whose content is on the disk.
    FileKept {
        file: StoredFile,
        room: FileRoom,
    },
    /// Its uploader lets go of it.
    FileReleased {
        id: FileId,
    },
    /// Files that nothing uses and that are from before then go. The store's own.
    FilesForgotten {
        ids: Vec<FileId>,
        before: Timestamp,
    },
    /// Old notifications and answers kept for retries go. The store's own.
    Expire {
        before: Timestamp,
    },
    /// The search index on the disk knows of these changes. The store's own.
    Indexed {
        through: u64,
    },
}

impl Record {
    /// Whether it does nothing but let go of what is no longer needed: nobody waits for it.
    pub(super) const fn forgets(&self) -> bool {
        matches!(
            self,
            Self::Spill { .. }
                | Self::Purge { .. }
                | Self::Erase { .. }
                | Self::Erased { .. }
                | Self::Expire { .. }
        )
    }
}

/// What files may take up at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRoom {
    pub user_files: u64,
    pub user_bytes: u64,
    pub workspace_bytes: u64,
}

/// Positions `prev .. prev + length` of the log are the bytes `offset ..` of that part's streamed text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    pub prev: Seq,
    pub index: u32,
    pub offset: u64,
    pub length: u64,
}

impl Run {
    pub const fn seq(&self) -> Seq {
        self.prev.plus(self.length)
    }

    /// Adds a run after the others; where it goes on with the last one, that one grows.
    pub fn push_to(self, runs: &mut Vec<Self>) {
        match runs.last_mut() {
            Some(last) if last.seq() == self.prev && last.index == self.index => last.length += self.length,
            Some(_) | None => runs.push(self),
        }
    }
}

/// A stretch of streamed text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    pub prev: Seq,
    pub index: u32,
    pub text: String,
}

impl Piece {
    /// Adds an entry after the others; where it goes on with the last one, that one grows.
    pub(super) fn push_to(pieces: &mut Vec<Self>, entry: &Entry<'_>) {
        match pieces.last_mut() {
            Some(last)
                if last.prev.plus(last.text.len() as u64) == entry.prev && last.index == entry.index =>
            {
                last.text.push_str(entry.text);
            }
            Some(_) | None => {
                pieces.push(Self { prev: entry.prev, index: entry.index, text: entry.text.to_owned() });
            }
        }
    }
}

/// What the audit says of an event beyond the event itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Audit {
    pub conversation_id: ConversationId,
    /// The position behind the event.
    pub seq: Seq,
    /// Random: nobody guesses from its hash what was erased.
    pub salt: [u8; 32],
    /// Who asked for it. Stands in the audit alone: no other approver is told from where one decided.
    pub caller: Option<Caller>,
}

/// The answer to a request, kept for its retries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IdempotencyKey {
    pub scope: KeyScope,
    pub user_id: UserId,
    pub key: String,
    /// SHA-256 of the request.
    pub fingerprint: [u8; 32],
    /// JSON text.
    pub response: String,
    /// The key lives as long as this turn; without one, for seven days.
    pub turn_id: Option<TurnId>,
    pub at: Timestamp,
}

/// Where an idempotency key is unique, together with its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyScope {
    Conversation(ConversationId),
    Workspace(WorkspaceId),
}

impl KeyScope {
    pub(super) fn as_bytes(&self) -> &[u8; 16] {
        match self {
            Self::Conversation(id) => id.as_bytes(),
            Self::Workspace(id) => id.as_bytes(),
        }
    }
}

/// Everything that one commit stores. Applying all batches in order to an empty database gives the same tables.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// Without gaps; also the position of the batch's journal row.
    pub position: u64,
    /// The records of the jobs that were not refused, job after job.
    pub jobs: Vec<Vec<Record>>,
    /// Journal rows below this position are gone after the batch.
    pub journal_from: u64,
}

/// Where a batch goes between being applied and being committed.
pub trait Replicate: Send {
    /// An error rolls the batch back and seals the store, since others may already have the batch.
    fn replicate(&mut self, batch: &Batch) -> Result<(), ReplicateError>;
}

#[derive(Debug, Clone, thiserror::Error)]
#[error("the batch was not replicated: {0}")]
pub struct ReplicateError(pub String);

/// A store without replicas.
#[derive(Debug, Clone, Copy, Default)]
pub struct Alone;

impl Replicate for Alone {
    fn replicate(&mut self, _: &Batch) -> Result<(), ReplicateError> {
        Ok(())
    }
}
