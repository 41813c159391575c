//! The native protocol (PROTOCOL.md), one file per noun: its wire types and its endpoints.

pub mod agents;
pub mod approval_rules;
pub mod approvals;
pub mod audit;
pub mod branches;
pub mod compactions;
pub mod context;
pub mod conversations;
pub mod email;
pub mod events;
pub mod exports;
pub mod feed;
pub mod files;
pub mod forks;
pub mod imports;
pub mod keys;
pub mod mcp;
pub mod memories;
pub mod messages;
pub mod meta;
pub mod models;
pub mod operations;
pub mod people;
pub mod queue;
pub mod regenerate;
pub mod search;
mod send;
pub mod sessions;
pub mod sign_in;
pub mod tokens;
pub mod tool_calls;
pub mod tree;
pub mod turns;
pub mod webhooks;

use serde::de::{Deserialize, Deserializer};

use super::State;
use super::problem::Result;
use crate::chat::conversation::Command;
use crate::id::ConversationId;
use crate::runtime::{Order, Receipt};
use crate::scope::Caller;

/// Reads a field that may be absent but not `null`: with `#[serde(default, deserialize_with = "given")]`.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Has a conversation carry out what the audit tells of, with who asked for it.
async fn order_for(state: &State, caller: Caller, id: ConversationId, command: Command) -> Result<Receipt> {
    Ok(state.runtime().order(id, Order::plain(command).asked_by(caller)).await?)
}

/// Has a conversation carry out what needs neither ids nor a key.
async fn order(state: &State, id: ConversationId, command: Command) -> Result<Receipt> {
    Ok(state.runtime().order(id, Order::plain(command)).await?)
}
