//! Tools and approvals, on the real server with a tool server outside that counts: what runs, how often, and with what.

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "each suite uses its part of what they share")]
mod support;

#[cfg(feature = "failpoints")]
mod killed;
mod life;
mod never;
mod people;
mod rules;
mod scene;
mod subagents;
