//! Ollama's native API.

mod fold;
mod list;
mod request;

pub(crate) use fold::Folding;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::provider::endpoint::{Ask, Endpoint};
use crate::provider::failure::Failure;
use crate::provider::retry::Continuity;
use crate::provider::sse::Framing;
use crate::provider::tool_names::ToolNames;
use crate::provider::{Kind, Model, ModelStream, Provider, Request};

pub(crate) struct Ollama {
    endpoint: Endpoint,
}

impl Ollama {
    pub(crate) fn new(endpoint: Endpoint) -> Self {
        Self { endpoint }
    }
}

impl Provider for Ollama {
    fn kind(&self) -> Kind {
        Kind::Ollama
    }

    fn stream(&self, request: Request) -> ModelStream {
        let names = ToolNames::new(&request.tools);
        let ask = Ask::Post(self.endpoint.url("api/chat"), request::body(&request, &names));
        self.endpoint.stream(ask, Framing::JsonLines, Continuity::OneConnection, names, |redactor| {
            Box::new(Folding::new(redactor))
        })
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<Model>, Failure>> {
        list::models(&self.endpoint).boxed()
    }
}
