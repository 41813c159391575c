//! Each rule as a sentence.

mod answers;
mod busy;
mod cancelling;
mod limits;
mod queueing;
mod recovery;
