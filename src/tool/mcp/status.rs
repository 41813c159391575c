//! How a server is doing, for the operator.

use crate::clock::Timestamp;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// Not yet, or not again yet.
    Connecting,
    Ready,
    /// Tried again by and by.
    Failed,
    /// Somebody has to sign in for it.
    NeedsAuthorization,
}

#[derive(Debug, Clone)]
pub struct Status {
    pub name: String,
    pub connection: Connection,
    pub since: Timestamp,
    /// What it speaks, once it was connected: `2025-11-25`.
    pub protocol: Option<String>,
    /// What it calls itself.
    pub title: Option<String>,
    /// As agents name them.
    pub tools: Vec<String>,
    /// Tools that it has and that are not offered, and why.
    pub left_out: Vec<String>,
    pub last_error: Option<String>,
    /// Whether somebody can sign in for it.
    pub signs_in: bool,
}
