//! Tools: their arguments, what a yes to one was said to, and where their requests may go.

mod args;
mod fingerprint;
mod names;
mod public_net;
