//! What a person writes in these suites: a script, as JSON, of what the model is to answer.
//!
//! The text of an answer follows from its script alone, so the model and the oracle agree on it without talking.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Script {
    /// Names the answer; its text is made of it.
    pub id: String,
    /// Bytes of the answer, at least.
    #[serde(skip_serializing_if = "is_default")]
    pub text: usize,
    /// Bytes of reasoning before it.
    #[serde(skip_serializing_if = "is_default")]
    pub reasoning: usize,
    /// Tools that are called at once, before the answer.
    #[serde(skip_serializing_if = "is_default")]
    pub calls: usize,
    /// Bytes of one delta, about; 0 is 24.
    #[serde(skip_serializing_if = "is_default")]
    pub piece: usize,
    /// What goes wrong in the first step, after so many bytes of text.
    #[serde(skip_serializing_if = "is_default")]
    pub fault: Option<Fault>,
    #[serde(skip_serializing_if = "is_default")]
    pub at: usize,
    /// In how many requests; 0 is in the first one only.
    #[serde(skip_serializing_if = "is_default")]
    pub times: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Says nothing more until it is released.
    Hold,
    /// Ends the answer in good form, but without a finish.
    Eof,
    /// Drops the connection.
    Reset,
    /// Says nothing at all until it is released.
    Silent,
    /// Refuses with this status.
    Status429,
    Status500,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Script {
    pub fn new(id: impl Into<String>, text: usize) -> Self {
        Self { id: id.into(), text, ..Self::default() }
    }

    pub fn held_at(self, at: usize) -> Self {
        Self { fault: Some(Fault::Hold), at, ..self }
    }

    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("a script is made of JSON types")
    }

    /// What the model says in the step that calls tools, where there is one.
    pub fn preface(&self) -> String {
        prose(&format!("{}-calls", self.id), 40)
    }

    pub fn answer(&self) -> String {
        prose(&self.id, self.text)
    }

    pub fn thoughts(&self) -> String {
        match self.reasoning {
            0 => String::new(),
            bytes => prose(&format!("{}-thoughts", self.id), bytes),
        }
    }

    /// The arguments of one of the calls, as the model writes them: odd, but JSON.
    pub fn arguments(&self, call: usize) -> String {
        let query = prose(&format!("{}-call-{call}", self.id), 60).replace(['\n', '"'], " ");
        format!("{{ \"n\":{call},  \"query\": \"{query}\" }}")
    }
}

const WORDS: &[&str] = &[
    "gate",
    "Wehr",
    "naïve",
    "水",
    "🌊",
    "e\u{301}clat",
    "\"quoted\"",
    "back\\slash",
    "a\nnew line",
    "data:",
    "\u{2028}",
    "0.1",
    "строка",
    "👩‍👩‍👧",
    "tab\there",
    "end",
];

/// Text of at least so many bytes that begins unlike any other's.
fn prose(seed: &str, bytes: usize) -> String {
    let mut text = format!("[{seed}]");
    let mut state = seed.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    while text.len() < bytes {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push(' ');
        text.push_str(WORDS[(state >> 33) as usize % WORDS.len()]);
    }
    text
}

/// Cuts text into pieces of about so many bytes, each a whole number of characters.
pub fn pieces(text: &str, bytes: usize) -> Vec<&str> {
    let bytes = if bytes == 0 { 24 } else { bytes };
    let mut rest = text;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.ceil_char_boundary(bytes.min(rest.len())));
        pieces.push(piece);
        rest = after;
    }
    pieces
}
