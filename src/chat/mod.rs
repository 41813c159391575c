//! What a conversation is and how a turn behaves. Pure: no tasks, no database, no clock, no randomness.
//!
//! Ids, times and results come in as arguments; events and effects go out as values.

pub mod approval;
pub mod compaction;
pub mod context;
pub mod conversation;
pub mod event;
pub mod file;
pub mod memory;
pub mod message;
pub mod policy;
pub mod question;
pub mod searchable;
pub mod turn;
