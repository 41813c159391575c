//! Search: what it finds and for whom, how well, and what it survives.

#[path = "../store_support/mod.rs"]
mod store_support;
#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "each suite uses its part of what they share")]
mod support;

mod asking;
mod faults;
mod fts5;
mod hostile;
mod judged;
mod relevance;
mod sight;
mod upload;
