//! OpenAI's chat completions, and the many servers that speak them more or less.

mod calls;
mod chunk;
mod fold;
mod reasoning;
mod request;

pub(crate) use fold::Folding;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Deserialize;

use crate::provider::endpoint::{Ask, Endpoint};
use crate::provider::failure::Failure;
use crate::provider::lenient::Count;
use crate::provider::retry::Continuity;
use crate::provider::sse::Framing;
use crate::provider::tool_names::ToolNames;
use crate::provider::{Kind, Model, ModelStream, Provider, Request};

pub(crate) struct OpenaiChat {
    endpoint: Endpoint,
}

impl OpenaiChat {
    pub(crate) fn new(endpoint: Endpoint) -> Self {
        Self { endpoint }
    }
}

impl Provider for OpenaiChat {
    fn kind(&self) -> Kind {
        Kind::OpenaiChat
    }

    fn stream(&self, request: Request) -> ModelStream {
        let names = ToolNames::new(&request.tools);
        let body = request::body(&request, &names, request::Dialect::of(self.endpoint.host()));
        let ask = Ask::Post(self.endpoint.url("chat/completions"), body);
        self.endpoint.stream(ask, Framing::Events, Continuity::OneConnection, names, |redactor| {
            Box::new(Folding::new(redactor))
        })
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<Model>, Failure>> {
        models(&self.endpoint).boxed()
    }
}

/// The list of `GET /models`; only some servers say more than the names.
pub(crate) async fn models(endpoint: &Endpoint) -> Result<Vec<Model>, Failure> {
    let list: List = endpoint.json(&Ask::Get(endpoint.url("models"))).await?;
    let entries = match list {
        List::Enveloped { data } => data,
        List::Bare(entries) => entries,
    };
    Ok(entries.into_iter().filter(|entry| !entry.id.is_empty()).map(Entry::into_model).collect())
}

#[derive(Deserialize)]
#[serde(untagged)]
enum List {
    Enveloped { data: Vec<Entry> },
    Bare(Vec<Entry>),
}

/// The sizes under the names that OpenRouter, Groq, Mistral, vLLM and Together give them.
#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    id: String,
    #[serde(default)]
    context_length: Count,
    #[serde(default)]
    context_window: Count,
    #[serde(default)]
    max_context_length: Count,
    #[serde(default)]
    max_model_len: Count,
    #[serde(default)]
    max_completion_tokens: Count,
}

impl Entry {
    fn into_model(self) -> Model {
        let mut model = Model::named(self.id);
        let told = [self.context_length, self.context_window, self.max_context_length, self.max_model_len];
        if let Some(tokens) = told.iter().find_map(|count| count.0.filter(|tokens| *tokens > 0)) {
            model.context_tokens = Some(tokens);
        }
        if let Some(tokens) = self.max_completion_tokens.0.filter(|tokens| *tokens > 0) {
            model.max_output_tokens = Some(tokens);
        }
        model
    }
}
