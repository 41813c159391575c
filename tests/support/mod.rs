//! What the black-box suites share: a server that can be killed, a model that does as it is told, clients that
//! keep everything they were shown, and the oracle that judges what is left after a fault.

pub mod caller;
pub mod client;
pub mod errand;
pub mod follower;
pub mod lives;
pub mod log;
pub mod oracle;
pub mod script;
pub mod server;
pub mod socket;
pub mod sse;
pub mod upstream;

use std::future::Future;
use std::time::Duration;

/// Nothing in these suites may take longer than this, however busy the machine is.
pub const PATIENCE: Duration = Duration::from_secs(45);

/// What is waited for, or a failure that names it.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("gave up after {PATIENCE:?} waiting for {what}"),
    }
}
