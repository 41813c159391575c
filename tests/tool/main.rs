//! Tools: their arguments, what they answer, and where their requests may go.

mod args;
mod built_in;
mod call;
mod fingerprint;
mod names;
mod public_net;
