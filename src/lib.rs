//! Weir: a self-hosted chat-agent backend. Each conversation is a durable log, each client a cursor on it.
//!
//! The floors and the way of a token are drawn in ARCHITECTURE.md.

pub mod admin;
pub mod auth;
pub mod blob;
pub mod chat;
pub mod clock;
pub mod config;
pub mod data_dir;
pub mod doctor;
pub mod export;
#[cfg(feature = "failpoints")]
pub mod failpoint;
pub mod http;
pub mod id;
pub mod import;
pub mod notify;
mod priority;
pub mod provider;
pub mod runtime;
pub mod scope;
pub mod search;
pub mod server;
pub mod store;
pub mod tool;
