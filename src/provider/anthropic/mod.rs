//! Anthropic's messages.

mod event;
mod fold;
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

pub(crate) struct Anthropic {
    endpoint: Endpoint,
}

impl Anthropic {
    pub(crate) fn new(endpoint: Endpoint) -> Self {
        Self { endpoint }
    }
}

impl Provider for Anthropic {
    fn kind(&self) -> Kind {
        Kind::Anthropic
    }

    fn stream(&self, request: Request) -> ModelStream {
        let names = ToolNames::new(&request.tools);
        let ask = Ask::Post(self.endpoint.url("messages"), request::body(&request, &names));
        let withheld = request::withheld_space(&request);
        self.endpoint.stream(ask, Framing::Events, Continuity::OneConnection, names, move |redactor| {
            Box::new(Folding::new(redactor).after_space(&withheld))
        })
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<Model>, Failure>> {
        self.list().boxed()
    }
}

impl Anthropic {
    /// One page is enough: it holds up to a thousand, newest first.
    async fn list(&self) -> Result<Vec<Model>, Failure> {
        #[derive(Deserialize)]
        struct List {
            data: Vec<Entry>,
        }
        #[derive(Deserialize)]
        struct Entry {
            id: String,
            #[serde(default)]
            max_input_tokens: Count,
            #[serde(default)]
            max_tokens: Count,
        }
        let mut url = self.endpoint.url("models");
        url.query_pairs_mut().append_pair("limit", "1000");
        let list: List = self.endpoint.json(&Ask::Get(url)).await?;
        let models = list.data.into_iter().map(|entry| {
            let known = Model::named(entry.id);
            Model {
                context_tokens: entry.max_input_tokens.0.or(known.context_tokens),
                max_output_tokens: entry.max_tokens.0.or(known.max_output_tokens),
                ..known
            }
        });
        Ok(models.collect())
    }
}
