//! Which format a value is of, by what is in it.

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize as Derive, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::conversation::Conversation;
use super::report::{Reason, Skipped};
use super::{chatgpt, claude, librechat, oasst, open_webui};
use crate::clock::Timestamp;

pub use super::weir::Lines;

/// Where conversations come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Derive, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    #[serde(rename = "chatgpt")]
    ChatGpt,
    Claude,
    OpenWebui,
    #[serde(rename = "librechat")]
    LibreChat,
    Oasst,
    Weir,
}

impl Format {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ChatGpt => "chatgpt",
            Self::Claude => "claude",
            Self::OpenWebui => "open_webui",
            Self::LibreChat => "librechat",
            Self::Oasst => "oasst",
            Self::Weir => "weir",
        }
    }

    /// Reads a value that is a whole conversation. Our own export is read line by line instead.
    pub fn read(self, json: &[u8]) -> Result<Conversation, Box<Skipped>> {
        match self {
            Self::ChatGpt => chatgpt::read(json),
            Self::Claude => claude::read(json),
            Self::OpenWebui => open_webui::read(json),
            Self::LibreChat => librechat::read(json),
            Self::Oasst => oasst::read(json),
            Self::Weir => Err(Box::new(Skipped::new(Reason::UnknownFormat))),
        }
    }
}

#[derive(Default)]
struct Marks {
    mapping: bool,
    current_node: bool,
    chat_messages: bool,
    account: bool,
    uuid: bool,
    chat: bool,
    conversation_id: bool,
    messages: bool,
    tree: bool,
    weir: bool,
}

/// The format of a value, if it is a conversation or a line of our own export.
pub fn detect(json: &[u8]) -> Option<Format> {
    let marks: Marks = match serde_json::from_slice(json) {
        Ok(marks) => marks,
        // Of what is broken or nested too deeply, the keys that were seen may say enough.
        Err(_) => keys_of(json),
    };
    match marks {
        Marks { weir: true, .. } => Some(Format::Weir),
        Marks { mapping: true, .. } | Marks { current_node: true, .. } => Some(Format::ChatGpt),
        Marks { chat_messages: true, .. } | Marks { uuid: true, account: true, .. } => Some(Format::Claude),
        Marks { tree: true, .. } => Some(Format::Oasst),
        Marks { conversation_id: true, messages: true, .. } => Some(Format::LibreChat),
        Marks { chat: true, .. } => Some(Format::OpenWebui),
        _ => None,
    }
}

impl Marks {
    fn see(&mut self, key: &str) {
        match key {
            "mapping" => self.mapping = true,
            "current_node" => self.current_node = true,
            "chat_messages" => self.chat_messages = true,
            "account" => self.account = true,
            "uuid" => self.uuid = true,
            "chat" => self.chat = true,
            "conversationId" => self.conversation_id = true,
            "messages" => self.messages = true,
            "message_tree_id" => self.tree = true,
            "weir" => self.weir = true,
            _ => {}
        }
    }
}

impl<'de> Deserialize<'de> for Marks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;

        impl<'de> Visitor<'de> for Keys {
            type Value = Marks;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Marks, A::Error> {
                let mut marks = Marks::default();
                while let Some((key, _)) = members.next_entry::<String, IgnoredAny>()? {
                    marks.see(&key);
                }
                Ok(marks)
            }
        }

        deserializer.deserialize_map(Keys)
    }
}

fn keys_of(json: &[u8]) -> Marks {
    let mut marks = Marks::default();
    for key in ["mapping", "chat_messages", "message_tree_id", "weir"] {
        if memchr::memmem::find(json, format!("\"{key}\":").as_bytes()).is_some() {
            marks.see(key);
        }
    }
    marks
}

/// A conversation without an id is known by what it says.
pub fn id_of(given: Option<String>, json: &[u8]) -> String {
    match given {
        Some(id) if !id.is_empty() => id,
        Some(_) | None => {
            let hash = Sha256::digest(json);
            format!("sha256:{}", data_encoding::HEXLOWER.encode(&hash))
        }
    }
}

/// A conversation that cannot be read at all.
pub fn malformed(id: Option<&str>, error: &serde_json::Error) -> Box<Skipped> {
    Box::new(Skipped::new(Reason::Malformed).of(id.unwrap_or_default()).detail(error))
}

/// A number of seconds since 1970, or of milli-, micro- or nanoseconds where it is too large for that.
pub fn time(number: Option<f64>) -> Option<Timestamp> {
    let number = number.filter(|number| number.is_finite())?;
    let millis = match number.abs() {
        ..1e11 => number * 1e3,
        1e11..1e14 => number,
        1e14..1e17 => number / 1e3,
        _ => number / 1e6,
    };
    #[expect(clippy::cast_possible_truncation, reason = "it saturates, and is judged later")]
    Some(Timestamp::from_millis(millis.round() as i64))
}

pub fn time_text(text: Option<String>) -> Option<Timestamp> {
    text?.parse().ok()
}

/// The members of an object in their order, repeated ones too.
pub struct Pairs<V>(pub Vec<(String, V)>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Pairs<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<V>(std::marker::PhantomData<V>);

        impl<'de, V: Deserialize<'de>> Visitor<'de> for Members<V> {
            type Value = Pairs<V>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Pairs<V>, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = members.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(Members(std::marker::PhantomData))
    }
}
