//! Models: what the providers offer.

use std::time::Duration;

use axum::Json as Answered;
use futures_util::future::join_all;
use serde::Serialize;
use tracing::warn;
use utoipa::ToSchema;

use crate::http::State;
use crate::http::problem::Result;
use crate::provider::{self, Capability, InputKind, Provider};

/// A provider that takes longer is left out.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, Serialize, ToSchema)]
pub struct Models {
    items: Vec<Model>,
    /// Always `null`: all models are one page.
    next: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Model {
    id: String,
    /// Its key in the configuration.
    provider: String,
    /// Input and output together; absent: nobody said.
    #[serde(skip_serializing_if = "Option::is_none")]
    context_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u64>,
    input: Vec<InputKind>,
    tools: Capability,
    reasoning: Capability,
}

/// The models that may be asked for.
///
/// In the order of each provider's list; a provider that does not answer is left out.
#[utoipa::path(get, path = "/v1/models", tag = "catalogue", operation_id = "list_models",
    responses((status = 200, body = Models)))]
pub async fn list(state: State) -> Result<Answered<Models>> {
    let lists = state.providers().iter().map(|(name, provider)| ask(name, provider.as_ref()));
    let items = join_all(lists).await.into_iter().flatten().collect();
    Ok(Answered(Models { items, next: None }))
}

async fn ask(name: &str, provider: &dyn Provider) -> Vec<Model> {
    let models = match tokio::time::timeout(PATIENCE, provider.models()).await {
        Ok(Ok(models)) => models,
        Ok(Err(failure)) => {
            warn!(provider = name, %failure, "the models could not be listed");
            Vec::new()
        }
        Err(_) => {
            warn!(provider = name, "the models were not listed in time");
            Vec::new()
        }
    };
    models.into_iter().map(|model| Model::of(name, model)).collect()
}

impl Model {
    fn of(provider: &str, model: provider::Model) -> Self {
        Self {
            id: model.id,
            provider: provider.to_owned(),
            context_tokens: model.context_tokens,
            max_output_tokens: model.max_output_tokens,
            input: model.input,
            tools: model.tools,
            reasoning: model.reasoning,
        }
    }
}
