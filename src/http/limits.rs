//! What one request may hold. Beyond it is a 413 or a 422 that names the field.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::problem::{Error, Result};

/// The bounds that an operator may move, as `GET /v1/meta` shows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Limits {
    /// The body of one request, in bytes.
    pub body_bytes: usize,
    /// The text of one message, all parts together, in UTF-8 bytes.
    pub message_bytes: usize,
    /// How long a body may take to arrive.
    #[serde(skip)]
    pub body_time: Duration,
    /// How long an answer that is not a stream may take, `Prefer: wait` apart.
    #[serde(skip)]
    pub answer_time: Duration,
    /// How long a file of conversations may take to arrive.
    #[serde(skip)]
    pub upload_time: Duration,
    /// Conversations that one socket follows.
    pub subscriptions_per_socket: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 2 << 20,
            message_bytes: 1 << 20,
            body_time: Duration::from_secs(30),
            answer_time: Duration::from_secs(30),
            upload_time: Duration::from_secs(60 * 60),
            subscriptions_per_socket: 256,
        }
    }
}

pub const PARTS: usize = 100;
pub const TITLE_CHARS: usize = 500;
pub const NAME_CHARS: usize = 200;
pub const METADATA_BYTES: usize = 16 * 1024;
pub const TOOLS: usize = 128;
pub const TOOL_BYTES: usize = 64 * 1024;
pub const BULK_IDS: usize = 200;
pub const PAGE: u32 = 50;
pub const PAGE_AT_MOST: u32 = 200;

/// The size of a page that was asked for.
pub fn page(limit: Option<u32>) -> Result<u32> {
    match limit.unwrap_or(PAGE) {
        0 => Err(Error::invalid("/limit", "at least 1")),
        limit => Ok(limit.min(PAGE_AT_MOST)),
    }
}

/// A line that people read: not empty, bounded, without control characters.
pub fn line(pointer: &str, text: &str, max_chars: usize) -> Result<()> {
    if text.trim().is_empty() {
        return Err(Error::invalid(pointer, "must not be empty"));
    }
    if text.chars().any(char::is_control) {
        return Err(Error::invalid(pointer, "must not contain control characters"));
    }
    match text.chars().count() <= max_chars {
        true => Ok(()),
        false => Err(Error::invalid(pointer, format!("at most {max_chars} characters"))),
    }
}

/// Free JSON that is kept with an object: an object itself, and small.
pub fn metadata(pointer: &str, metadata: Option<&Value>) -> Result<()> {
    let Some(metadata) = metadata else { return Ok(()) };
    if !metadata.is_object() {
        return Err(Error::invalid(pointer, "must be an object"));
    }
    match metadata.to_string().len() <= METADATA_BYTES {
        true => Ok(()),
        false => Err(Error::invalid(pointer, format!("at most {METADATA_BYTES} bytes of JSON"))),
    }
}
