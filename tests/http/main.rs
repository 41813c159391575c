//! The edges through their public face: a real router, real SQLite, a scripted or the demo model.

mod app;
mod bounds;
mod branches;
mod caller;
mod compaction;
mod conversations;
mod file_tools;
mod files;
mod imports;
mod memory;
mod messages;
mod page;
mod requests;
mod routes;
mod sign_in;
mod sockets;
mod streams;
mod tokens;
mod trees;
mod webhooks;

#[path = "../support/runtime.rs"]
#[expect(dead_code, reason = "only its scripted model is used here")]
mod runtime;
