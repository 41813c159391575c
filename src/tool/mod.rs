//! Tools: what a model may call, and what comes of it.

mod args;
mod fingerprint;
pub mod public_net;

pub use args::{check_args, check_declared_schema, check_schema};
pub use fingerprint::schema_hash;
