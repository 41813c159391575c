//! Tools: their arguments, what they answer, and what is said of a call that went wrong.

mod args;
mod built_in;
mod call;
mod fetch;
mod fingerprint;
mod http;
mod names;
mod public_net;
mod shop;
mod toolbox;
