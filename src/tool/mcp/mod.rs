//! MCP servers: the tools of the Model Context Protocol, over a process of ours or over HTTP.
//!
//! Owns the connections, the lists of tools and the authorisations. A server that is slow, dead or hostile holds
//! nothing else up: each lives in a future of its own ([`Servers::run`]), and what it says is bounded and checked
//! before anyone sees it. Nothing here decides whether a call may run.

mod config;
mod content;
mod endpoint;
mod guarded;
mod handler;
mod link;
mod listing;
mod oauth;
mod process;
mod remote;
mod server;
mod servers;
mod status;

pub use config::{Auth, McpConfig};
pub use oauth::{AuthorizationRefused, Callback};
pub use servers::{Place, Servers};
pub use status::{Connection, Status};
