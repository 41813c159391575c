//! The rules of conversations and turns.

mod chat;
mod fixture;
mod rules;
