//! Conversations written out: all of them as lines, one as a document, or a branch to be read.
//!
//! Pure: it is given what to write, a conversation and a message at a time, and holds no more than that. What goes
//! only back to a provider (signatures, encrypted reasoning) is never written. `import/` reads the first two.

mod markdown;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::chat::compaction::Compaction;
use crate::chat::conversation::ConversationInfo;
use crate::chat::message::{Call, Marks, Message};
use crate::clock::Timestamp;
use crate::id::MessageId;

/// The version of the lines and of the document.
pub const VERSION: u32 = 1;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Lines of JSON: everything, to be imported again.
    #[default]
    Weir,
    /// The current branch, to be read.
    Markdown,
    /// Everything as one JSON document.
    Json,
}

impl Format {
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Weir => "application/x-ndjson",
            Self::Markdown => "text/markdown; charset=utf-8",
            Self::Json => "application/json",
        }
    }

    pub const fn extension(self) -> &'static str {
        match self {
            Self::Weir => "weir.ndjson",
            Self::Markdown => "md",
            Self::Json => "json",
        }
    }

    /// Whether only the current branch is written.
    pub const fn is_path(self) -> bool {
        match self {
            Self::Markdown => true,
            Self::Weir | Self::Json => false,
        }
    }
}

impl std::str::FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "weir" => Ok(Self::Weir),
            "markdown" => Ok(Self::Markdown),
            "json" => Ok(Self::Json),
            other => Err(format!("`{other}` is not a format; there are weir, markdown and json")),
        }
    }
}

#[derive(Serialize)]
struct Conversation<'a> {
    #[serde(flatten)]
    info: &'a ConversationInfo,
    head: Option<MessageId>,
    #[serde(skip_serializing_if = "<[Compaction]>::is_empty")]
    compactions: &'a [Compaction],
}

#[derive(Serialize)]
struct Said<'a> {
    #[serde(flatten)]
    message: &'a Message,
    #[serde(skip_serializing_if = "<[Call]>::is_empty")]
    calls: &'a [Call],
    #[serde(skip_serializing_if = "Option::is_none")]
    marks: Option<&'a Marks>,
}

#[derive(Serialize)]
#[serde(tag = "weir", rename_all = "snake_case")]
enum Line<'a> {
    Export { version: u32, at: Timestamp },
    Conversation { conversation: Conversation<'a> },
    Message { message: Said<'a> },
    End { conversations: u64, messages: u64 },
}

/// Writes conversations one after the other: `begin`, then for each `conversation`, its messages and `close`, then
/// `end`.
#[derive(Debug)]
pub struct Writer {
    format: Format,
    /// Whether there may be several documents, which then stand in an array.
    many: bool,
    conversations: u64,
    messages: u64,
    /// Of the conversation that is being written.
    of_this: u64,
}

impl Writer {
    pub fn new(format: Format, many: bool) -> Self {
        Self { format, many, conversations: 0, messages: 0, of_this: 0 }
    }

    pub fn format(&self) -> Format {
        self.format
    }

    pub fn begin(&self, at: Timestamp, out: &mut Vec<u8>) {
        match (self.format, self.many) {
            (Format::Weir, _) => line(&Line::Export { version: VERSION, at }, out),
            (Format::Json, true) => out.push(b'['),
            (Format::Json, false) | (Format::Markdown, _) => {}
        }
    }

    pub fn conversation(
        &mut self,
        info: &ConversationInfo,
        head: Option<MessageId>,
        compactions: &[Compaction],
        out: &mut Vec<u8>,
    ) {
        let conversation = Conversation { info, head, compactions };
        match self.format {
            Format::Weir => line(&Line::Conversation { conversation }, out),
            Format::Json => {
                out.extend_from_slice(if self.conversations > 0 { b",\n" } else { b"" });
                let head = format!("{{\"weir\":\"document\",\"version\":{VERSION},\"conversation\":");
                out.extend_from_slice(head.as_bytes());
                json(&conversation, out);
                out.extend_from_slice(b",\"messages\":[");
            }
            Format::Markdown => {
                out.extend_from_slice(if self.conversations > 0 { b"\n---\n\n" } else { b"" });
                markdown::conversation(info, out);
            }
        }
        self.conversations += 1;
        self.of_this = 0;
    }

    pub fn message(&mut self, message: &Message, calls: &[Call], marks: Option<&Marks>, out: &mut Vec<u8>) {
        let said = Said { message, calls, marks };
        match self.format {
            Format::Weir => line(&Line::Message { message: said }, out),
            Format::Json => {
                out.extend_from_slice(if self.of_this > 0 { b",\n" } else { b"\n" });
                json(&said, out);
            }
            Format::Markdown => markdown::message(message, calls, out),
        }
        self.messages += 1;
        self.of_this += 1;
    }

    pub fn close(&self, out: &mut Vec<u8>) {
        match self.format {
            Format::Json => out.extend_from_slice(b"\n]}"),
            Format::Weir | Format::Markdown => {}
        }
    }

    pub fn end(&self, out: &mut Vec<u8>) {
        let (conversations, messages) = (self.conversations, self.messages);
        match (self.format, self.many) {
            (Format::Weir, _) => line(&Line::End { conversations, messages }, out),
            (Format::Json, true) => out.extend_from_slice(b"]\n"),
            (Format::Json, false) => out.push(b'\n'),
            (Format::Markdown, _) => {}
        }
    }
}

fn line(line: &Line<'_>, out: &mut Vec<u8>) {
    json(line, out);
    out.push(b'\n');
}

fn json<T: Serialize>(value: &T, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("an export is made of JSON types, and memory takes it");
}
