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
use crate::priority::give_way;

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

impl Scan {
    /// Whether it has come past a subject, if that was there then.
    pub fn is_past(self, subject: Subject) -> bool {
        match (self, subject) {
            (Self::Messages { before }, Subject::Message(id)) => before.is_some_and(|before| id >= before),
            (Self::Messages { .. }, Subject::Conversation(_)) => false,
            (Self::Conversations { .. }, Subject::Message(_)) => true,
            (Self::Conversations { before }, Subject::Conversation(id)) => {
                before.is_some_and(|before| id >= before)
            }
        }
    }
}

/// What stands in for a conversation where it has deleted a message that a fork still shows: whoever reads the
/// conversation does not see it there.
pub fn deleted_of(id: ConversationId) -> ConversationId {
    ConversationId::from_halves(id.high(), deleted_of_low(id.low()))
}

fn deleted_of_low(low: u64) -> u64 {
    low ^ 1 << 63
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
    grown: Option<Grown>,
}

/// What a reach has more than an earlier one, where nothing else is different.
#[derive(Debug)]
pub struct Grown {
    /// The id of the earlier one.
    pub from: u64,
    pub added: Vec<(u64, Sees)>,
}

impl Default for Reach {
    fn default() -> Self {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let id = MADE.fetch_add(1, Ordering::Relaxed);
        Self { id, readable: FxHashSet::default(), forks: FxHashMap::default(), grown: None }
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

    pub fn has_forks(&self) -> bool {
        !self.forks.is_empty()
    }

    pub fn add_fork(&mut self, id: ConversationId, of: ConversationId) {
        for of in [of.low(), deleted_of_low(of.low())] {
            self.forks.entry(of).or_default().push(id);
        }
    }

    /// Says what it has more than that one.
    pub fn follows(&mut self, before: &Self) {
        let sees_less = before.all().inspect(|_| give_way()).any(|one| self.sees(one) == Sees::Nothing);
        let mut sees_otherwise = false;
        let mut added = Vec::new();
        for (one, sees) in self.all().map(|one| (one, self.sees(one))) {
            give_way();
            match before.sees(one) {
                Sees::Nothing => added.push((one, sees)),
                earlier => sees_otherwise |= earlier != sees,
            }
        }
        self.grown = (!sees_less && !sees_otherwise).then_some(Grown { from: before.id, added });
    }

    /// Absent where it has not only more than an earlier one.
    pub fn grown(&self) -> Option<&Grown> {
        self.grown.as_ref()
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

    /// The conversations.
    pub fn all(&self) -> impl Iterator<Item = u64> {
        let origins = self.forks.keys().filter(|origin| !self.readable.contains(*origin));
        self.readable.iter().chain(origins).copied()
    }
}

impl TextKind {
    pub const ALL: [Self; 5] = [Self::Message, Self::Call, Self::File, Self::Branch, Self::Title];
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> ConversationId {
        ConversationId::from_bytes([number; 16])
    }

    fn reach(readable: &[u8], forks: &[(u8, u8)]) -> Reach {
        let mut reach = Reach::default();
        readable.iter().for_each(|one| reach.add(id(*one)));
        forks.iter().for_each(|(fork, origin)| reach.add_fork(id(*fork), id(*origin)));
        reach
    }

    #[test]
    fn a_reach_says_what_it_has_more_only_where_nothing_else_is_different() {
        let added = |before: &Reach, mut now: Reach| {
            now.follows(before);
            let grown = now.grown()?;
            assert_eq!(grown.from, before.id());
            let mut added = grown.added.clone();
            added.sort_unstable_by_key(|(one, _)| *one);
            Some(added)
        };
        let low = |number| id(number).low();
        let before = reach(&[1, 2], &[(2, 3)]);
        assert_eq!(added(&before, reach(&[1, 2], &[(2, 3)])), Some(vec![]));
        let deleted = deleted_of(id(5)).low();
        let more = vec![(low(4), Sees::All), (low(5), Sees::Some), (deleted, Sees::Some)];
        assert_eq!(added(&before, reach(&[1, 2, 4], &[(2, 3), (4, 5)])), Some(more));
        assert_eq!(added(&before, reach(&[1, 2, 3], &[(2, 3)])), None, "of 3 more is seen");
        assert_eq!(added(&before, reach(&[1, 4], &[])), None, "2 and 3 are gone");
        assert_eq!(added(&reach(&[1, 3], &[]), reach(&[1, 4], &[(4, 3)])), None, "of 3 less is seen");
    }
}
