//! The rules of conversations and turns: one by one, and all at once against a reference model.
//!
//! `PROPTEST_CASES=20000 cargo test --test turn` takes more than the usual 256 conversations through the model.

mod chat;
mod fixture;
mod ledger;
mod model;
mod rules;
mod script;
mod world;
