//! What was left out or mended, and why.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Texts of a report are cut after so many characters.
const CHARS: usize = 200;

/// Why something was left out, or changed on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A file of the archive that holds no conversations: a picture, a list of users.
    NotConversations,
    /// A value that no known format looks like.
    UnknownFormat,
    /// What stands there cannot be read.
    Malformed,
    /// One conversation, or one message, that is larger than what is read.
    TooLarge,
    TooManyMessages,
    /// Messages inside messages, deeper than what is read.
    TooDeep,
    /// A conversation without its messages.
    MissingMessages,
    /// The person deleted it here; it is not brought back.
    Deleted,
    /// Somebody is talking there; importing again later brings the rest.
    Busy,
    /// A message that was never shown: an instruction, a tool's bookkeeping.
    Hidden,
    /// A message that says nothing.
    Empty,
    UnknownRole,
    /// A part of a message that is not text: what is known of it is kept as a notice.
    UnsupportedContent,
    /// Mended: the message is a root now.
    MissingParent,
    /// Mended: messages that were each other's ancestors; the first of them is a root now.
    Cycle,
    /// The first message of that id is kept.
    DuplicateId,
    /// Mended: the current branch is not there; the newest message took its place.
    MissingHead,
    /// Mended: it lies before 1970 or in the future.
    TimeOutOfRange,
    /// Mended: there is no such agent here; the default one took its place.
    UnknownAgent,
    /// Mended: the name is taken here; the conversation has none.
    NameTaken,
    /// The file ends in the middle.
    Truncated,
}

impl Reason {
    /// Whether nothing was lost: what was wrong was set right.
    pub const fn is_mended(self) -> bool {
        match self {
            Self::MissingParent
            | Self::Cycle
            | Self::MissingHead
            | Self::TimeOutOfRange
            | Self::UnknownAgent
            | Self::NameTaken => true,
            Self::NotConversations
            | Self::UnknownFormat
            | Self::Malformed
            | Self::TooLarge
            | Self::TooManyMessages
            | Self::TooDeep
            | Self::MissingMessages
            | Self::Deleted
            | Self::Busy
            | Self::Hidden
            | Self::Empty
            | Self::UnknownRole
            | Self::UnsupportedContent
            | Self::DuplicateId
            | Self::Truncated => false,
        }
    }
}

/// One item of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Skipped {
    pub reason: Reason,
    /// Where the item stands: the file in the archive, the conversation's id there, the message's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

impl Skipped {
    pub fn new(reason: Reason) -> Self {
        Self { reason, file: None, conversation: None, message: None, detail: String::new() }
    }

    pub fn message(reason: Reason, id: &str) -> Self {
        Self { message: Some(cut(id)), ..Self::new(reason) }
    }

    /// Whether a whole conversation was left out.
    pub fn is_conversation(&self) -> bool {
        let about = self.conversation.is_some() && self.message.is_none();
        about && !self.reason.is_mended() && self.reason != Reason::Truncated
    }

    pub fn in_file(mut self, name: &str) -> Self {
        self.file = (!name.is_empty()).then(|| cut(name));
        self
    }

    pub fn of(mut self, conversation: &str) -> Self {
        self.conversation = Some(cut(conversation));
        self
    }

    pub fn detail(mut self, detail: impl std::fmt::Display) -> Self {
        self.detail = cut(&detail.to_string());
        self
    }
}

fn cut(text: &str) -> String {
    text.chars().take(CHARS).collect()
}
