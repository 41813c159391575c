//! Agents: who answers.

use std::time::Duration;

use axum::Json as Answered;
use futures_util::future::join_all;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::State;
use crate::http::problem::Result;
use crate::runtime::agent;

/// A provider that takes longer to say which model `auto` is, is not waited for.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Debug, Serialize, ToSchema)]
pub struct Agents {
    items: Vec<Agent>,
    /// Always `null`: all agents are one page.
    next: Option<String>,
}

/// A named way to answer.
#[derive(Debug, Serialize, ToSchema)]
struct Agent {
    id: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// The model that answers unless another one is asked for. `auto` where the provider could not be asked.
    models: Vec<String>,
    tools: Vec<String>,
    /// Openers for an empty conversation.
    suggestions: Vec<String>,
}

/// Who answers.
#[utoipa::path(get, path = "/v1/agents", tag = "catalogue", operation_id = "list_agents",
    responses((status = 200, body = Agents)))]
pub async fn list(state: State) -> Result<Answered<Agents>> {
    let items = join_all(state.runtime().agents().iter().map(describe)).await;
    Ok(Answered(Agents { items, next: None }))
}

async fn describe(agent: &agent::Agent) -> Agent {
    let options = &agent.options;
    let model = tokio::time::timeout(PATIENCE, agent.model(None)).await.ok().and_then(Result::ok);
    Agent {
        id: options.id.clone(),
        name: options.name.clone(),
        description: options.description.clone(),
        models: vec![model.map_or_else(|| options.model.clone(), |model| model.id)],
        tools: options.tools.clone(),
        suggestions: options.suggestions.clone(),
    }
}
