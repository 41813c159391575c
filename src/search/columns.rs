//! What is read of each match: values beside the words, in columns.

use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};

use tantivy::SegmentReader;
use tantivy::columnar::ColumnValues;
use tantivy::index::SegmentId;

use super::conversations::Conversations;
use super::index::Error;
use crate::clock::Timestamp;

pub mod name {
    pub const SUBJECT: &str = "subject";
    pub const SUBJECT_HIGH: &str = "subject_high";
    pub const CONVERSATION: &str = "conversation";
    pub const CONVERSATION_HIGH: &str = "conversation_high";
    pub const KIND: &str = "kind";
    pub const LANGUAGE: &str = "language";
    pub const AT: &str = "at";
    pub const DIGEST: &str = "digest";
}

/// Of one piece of the index. Each text has each of the values once.
pub struct Columns {
    pub segment: SegmentId,
    pub subject: Arc<dyn ColumnValues<u64>>,
    pub subject_high: Arc<dyn ColumnValues<u64>>,
    pub conversation: Arc<dyn ColumnValues<u64>>,
    pub conversation_high: Arc<dyn ColumnValues<u64>>,
    pub kind: Arc<dyn ColumnValues<u64>>,
    pub language: Arc<dyn ColumnValues<u64>>,
    pub at: Arc<dyn ColumnValues<i64>>,
    conversations: OnceLock<Conversations>,
}

impl Columns {
    pub fn of(segment: &SegmentReader) -> Result<Self, Error> {
        let fast = segment.fast_fields();
        let column = |name: &str| Ok::<_, Error>(fast.u64(name)?.values);
        Ok(Self {
            segment: segment.segment_id(),
            subject: column(name::SUBJECT)?,
            subject_high: column(name::SUBJECT_HIGH)?,
            conversation: column(name::CONVERSATION)?,
            conversation_high: column(name::CONVERSATION_HIGH)?,
            kind: column(name::KIND)?,
            language: column(name::LANGUAGE)?,
            at: fast.i64(name::AT)?.values,
            conversations: OnceLock::new(),
        })
    }

    /// From the oldest text, or before it where that is deleted, to the newest.
    pub fn ages(&self) -> RangeInclusive<Timestamp> {
        let [oldest, newest] = [self.at.min_value(), self.at.max_value()].map(Timestamp::from_millis);
        oldest..=newest
    }

    /// What belongs to which; found out when it is first asked for.
    pub fn conversations(&self) -> &Conversations {
        self.conversations.get_or_init(|| Conversations::of(self.conversation.as_ref()))
    }
}
