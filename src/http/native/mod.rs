//! The native protocol (PROTOCOL.md), one file per noun: its wire types and its endpoints.

pub mod agents;
pub mod conversations;
pub mod events;
pub mod exports;
pub mod feed;
pub mod imports;
pub mod keys;
pub mod messages;
pub mod meta;
pub mod models;
pub mod operations;
pub mod queue;
mod send;
pub mod sessions;
pub mod sign_in;
pub mod tokens;
pub mod turns;

use serde::de::{Deserialize, Deserializer};

/// Reads a field that may be absent but not `null`: with `#[serde(default, deserialize_with = "given")]`.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
