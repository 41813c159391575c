//! Each rule as a sentence.

mod answers;
mod busy;
mod calls;
mod cancelling;
mod limits;
mod questions;
mod queueing;
mod recovery;
