//! What can be found by its words, as values: which texts there are, and whose they are. Neither the database nor the
//! index.

use std::sync::atomic::{AtomicU64, Ordering};

use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::chat::file::StoredFile;
use crate::chat::message::Role;
use crate::clock::Timestamp;
use crate::id::{ConversationId, MessageId};

/// What has texts, and gets other ones only as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    Message(MessageId),
    Conversation(ConversationId),
}

/// What a text is of its subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TextKind {
    /// What was said in a message.
    Message,
    /// A tool's name, its arguments and what it gave back.
    Call,
    /// The name of a file, and what stands in it.
    File,
    /// The name of a branch.
    Branch,
    /// The title of a conversation.
    Title,
}

/// One text that can be found.
#[derive(Debug, Clone, PartialEq)]
pub struct Searchable {
    pub kind: TextKind,
    /// Whoever reads this conversation and sees the message in it may find the text.
    pub conversation_id: ConversationId,
    /// Of the message.
    pub role: Option<Role>,
    pub agent: String,
    pub model: Option<String>,
    pub tool: Option<String>,
    pub at: Timestamp,
    pub text: String,
    /// The file whose name this is; what stands in it belongs to the text.
    pub file: Option<StoredFile>,
}

/// Bytes of a file that are looked into for words.
pub const FILE_BYTES: u64 = 256 << 10;

impl Searchable {
    /// How large it is, with what stands in its file.
    pub fn bytes(&self) -> u64 {
        let file = self.file.as_ref().map_or(0, |file| file.info.size.min(FILE_BYTES));
        self.text.len() as u64 + file
    }
}

/// How far one is with everything there is: the newest first, messages before titles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scan {
    Messages { before: Option<MessageId> },
    Conversations { before: Option<ConversationId> },
}

/// Whether somebody sees messages of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sees {
    All,
    /// What is above the point of a fork, where the conversation itself is not read.
    Some,
    Nothing,
}

/// Conversations of which somebody sees something, by the [low half](ConversationId::low) of their ids.
#[derive(Debug)]
pub struct Reach {
    id: u64,
    readable: FxHashSet<u64>,
    /// Which forks that are read may show something of a conversation.
    forks: FxHashMap<u64, Vec<ConversationId>>,
}

impl Default for Reach {
    fn default() -> Self {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let id = MADE.fetch_add(1, Ordering::Relaxed);
        Self { id, readable: FxHashSet::default(), forks: FxHashMap::default() }
    }
}

impl Reach {
    /// Another one for each that is made.
    pub fn id(&self) -> u64 {
        self.id
    }

    pub fn add(&mut self, id: ConversationId) {
        self.readable.insert(id.low());
    }

    pub fn add_fork(&mut self, id: ConversationId, of: ConversationId) {
        self.forks.entry(of.low()).or_default().push(id);
    }

    pub fn sees(&self, conversation: u64) -> Sees {
        if self.readable.contains(&conversation) {
            Sees::All
        } else if self.forks.contains_key(&conversation) {
            Sees::Some
        } else {
            Sees::Nothing
        }
    }

    pub fn forks_of(&self, conversation: u64) -> &[ConversationId] {
        self.forks.get(&conversation).map_or(&[], Vec::as_slice)
    }

    /// At most so many conversations are there.
    pub fn len(&self) -> usize {
        self.readable.len() + self.forks.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The conversations, some of them twice.
    pub fn all(&self) -> impl Iterator<Item = u64> {
        self.readable.iter().chain(self.forks.keys()).copied()
    }
}

impl TextKind {
    pub const ALL: [Self; 5] = [Self::Message, Self::Call, Self::File, Self::Branch, Self::Title];
}
