//! Tools: their arguments, and what a yes to one was said to.

mod args;
mod fingerprint;
