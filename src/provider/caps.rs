//! How much of one answer we take, and how long we wait for it.

use std::time::Duration;

/// The bounds of one streamed answer. Past any of them the answer counts as broken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// From the request to the first byte of the answer's body.
    pub first_byte: Duration,
    /// Between two reads, while we wait.
    pub idle: Duration,
    /// From the request to the last byte.
    pub time: Duration,
    /// Of the whole body.
    pub bytes: u64,
    /// Of one event or line, and so of what is held in memory.
    pub event_bytes: usize,
    pub events: u64,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            first_byte: Duration::from_secs(30),
            idle: Duration::from_secs(60),
            time: Duration::from_secs(30 * 60),
            bytes: 64 << 20,
            event_bytes: 4 << 20,
            events: 500_000,
        }
    }
}
