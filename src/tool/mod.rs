//! Tools: what a model may call, and what comes of it.
//!
//! Owns the tools that need nothing of ours (`clock`, `calculator`, those behind HTTP), the check of arguments, and
//! the guard that keeps requests to public addresses. Never decides whether a call may run, and never runs one by
//! itself: who drops a call's future cancels it.

mod args;
mod ask_user;
mod asker;
mod calculator;
mod clock;
mod fetch;
mod fingerprint;
mod http;
pub mod mcp;
mod progress;
pub mod public_net;
mod toolbox;

pub use args::{check_args, check_declared_schema, check_schema};
pub use asker::{Asked, Asker};
pub use fetch::{FETCH_URL, FetchTool};
pub use fingerprint::schema_hash;
pub use http::{HttpTool, HttpToolConfig};
pub use progress::Progress;
pub use toolbox::{AGENTS, BUILT_IN, Misconfigured, NameTaken, Toolbox, is_named};

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::chat::context::ToolSpec;
use crate::chat::file::FileChange;
use crate::chat::policy::Hints;
use crate::id::{CallId, ConversationId, UserId, WorkspaceId};

pub trait Tool: Send + Sync {
    fn spec(&self) -> &ToolSpec;

    fn source(&self) -> Source;

    /// Whether running a call twice comes to the same as running it once.
    fn is_idempotent(&self) -> bool;

    /// What it says of its risks. They can make a policy stricter, never laxer.
    fn hints(&self) -> Hints {
        Hints::default()
    }

    /// Whether a person of the conversation gives its result: it is never run.
    fn is_answered_by_people(&self) -> bool {
        false
    }

    /// Runs a call whose arguments passed [`check_args`]. Nothing happens until the future is polled.
    fn run(&self, call: Invocation) -> BoxFuture<'_, Outcome>;
}

/// One call, on behalf of whoever asked the agent.
#[derive(Debug, Clone)]
pub struct Invocation {
    pub call_id: CallId,
    pub workspace_id: WorkspaceId,
    pub conversation_id: ConversationId,
    pub user_id: UserId,
    pub agent: String,
    pub args: Value,
    /// Whoever asks may see this conversation and no other.
    pub only_here: bool,
    /// Where it says how far it has come.
    pub progress: Progress,
    /// Where it asks people.
    pub asker: Asker,
}

/// What came of a call. The texts are for the model and for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Succeeded(String),
    /// And the conversation's files change with its success: both or neither.
    Changed {
        output: String,
        files: Vec<FileChange>,
    },
    Failed(String),
    /// It may or may not have happened.
    Unknown(String),
    /// It was never started, and may be later: nothing left this machine.
    Unreachable(String),
}

/// Where a tool comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    BuiltIn,
    Http,
    /// Another agent of this server.
    Agent,
    /// A server that speaks the Model Context Protocol.
    Mcp,
    /// Declared by whoever sent the message, and run there.
    Client,
}
