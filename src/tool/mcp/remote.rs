//! One tool of a server.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use rmcp::model::{CallToolRequestParams, InputRequest, InputRequests, InputResponses, ServerResult};
use serde_json::json;
use tokio::time::sleep;

use super::server::Shared;
use super::{content, handler};
use crate::chat::context::ToolSpec;
use crate::chat::policy::Hints;
use crate::tool::{Asker, Invocation, Outcome, Source, Tool};

/// How often a server may want to know more before it does anything.
const MOST_ROUNDS: u32 = 16;

pub(super) struct RemoteTool {
    pub spec: ToolSpec,
    /// As the server calls it.
    pub remote_name: String,
    pub hints: Hints,
    pub is_idempotent: bool,
    pub server: Arc<Shared>,
}

impl RemoteTool {
    async fn call(&self, call: Invocation) -> Outcome {
        let Some(link) = self.server.link() else {
            self.server.hurry();
            return Outcome::Unreachable(format!("the MCP server `{}` is not connected", self.server.name));
        };
        let mut params = CallToolRequestParams::new(self.remote_name.clone());
        params.arguments = call.args.as_object().cloned();
        for round in 1..=MOST_ROUNDS {
            let wanted = match link.call(params.clone(), &call, self.server.config.timeout).await {
                Ok(ServerResult::CallToolResult(result)) => return content::outcome(result),
                Ok(ServerResult::InputRequiredResult(wanted)) => wanted,
                Ok(_) => return Outcome::Unknown("the server answered with something else".to_owned()),
                // It was asked in an earlier round, so "never started" is no longer true.
                Err(Outcome::Unreachable(why)) if round > 1 => return Outcome::Unknown(why),
                Err(outcome) => return outcome,
            };
            let asked = wanted.input_requests.unwrap_or_default();
            if asked.is_empty() {
                sleep(Duration::from_millis(250) * round).await;
            }
            params.input_responses = answers(&call.asker, asked).await;
            params.request_state = wanted.request_state;
        }
        Outcome::Failed(format!("the server wanted to know more {MOST_ROUNDS} times"))
    }
}

async fn answers(asker: &Asker, asked: InputRequests) -> Option<InputResponses> {
    let mut answers = InputResponses::new();
    for (key, request) in asked {
        let answer = match request {
            InputRequest::Elicitation(request) => {
                handler::in_words(&handler::ask(asker, request.params).await)
            }
            // Neither was offered to the server.
            InputRequest::ListRoots(_) => json!({ "roots": [] }),
            _ => continue,
        };
        answers.insert(key, answer);
    }
    (!answers.is_empty()).then_some(answers)
}

impl Tool for RemoteTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn source(&self) -> Source {
        Source::Mcp
    }

    fn is_idempotent(&self) -> bool {
        self.is_idempotent
    }

    fn hints(&self) -> Hints {
        self.hints
    }

    fn run(&self, call: Invocation) -> BoxFuture<'_, Outcome> {
        self.call(call).boxed()
    }
}
