//! The MCP client, on the real server, with real MCP servers outside and some that mean no good.
//!
//! The packages below `tests/mcp/node` have to be there: `make mcp-packages`.

#[allow(dead_code, reason = "each suite uses its part of what they share")]
#[path = "../support/mod.rs"]
mod support;

mod conformance;
mod everything;
mod node;
mod oauth;
mod pretender;
mod scene;
mod strangers;
