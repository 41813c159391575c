//! OpenAI's responses.

mod event;
mod fold;
mod request;

pub(crate) use fold::Folding;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::provider::endpoint::{Ask, Endpoint};
use crate::provider::failure::Failure;
use crate::provider::openai_chat;
use crate::provider::retry::Continuity;
use crate::provider::sse::Framing;
use crate::provider::tool_names::ToolNames;
use crate::provider::{Kind, Model, ModelStream, Provider, Request};

pub(crate) struct OpenaiResponses {
    endpoint: Endpoint,
    keeping: Keeping,
}

/// What the provider keeps of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeping {
    Nothing,
    /// The run itself, which goes on without us.
    Background,
}

impl OpenaiResponses {
    pub(crate) fn new(endpoint: Endpoint, keeping: Keeping) -> Self {
        Self { endpoint, keeping }
    }
}

impl Provider for OpenaiResponses {
    fn kind(&self) -> Kind {
        Kind::OpenaiResponses
    }

    fn stream(&self, request: Request) -> ModelStream {
        let names = ToolNames::new(&request.tools);
        let ask = match &request.reattach {
            None => Ask::Post(self.endpoint.url("responses"), request::body(&request, &names, self.keeping)),
            Some(reattach) => {
                let mut url = self.endpoint.url(&format!("responses/{}", reattach.response_id));
                url.query_pairs_mut().append_pair("stream", "true");
                if let Some(after) = reattach.after {
                    url.query_pairs_mut().append_pair("starting_after", &after.to_string());
                }
                Ask::Get(url)
            }
        };
        let continuity = match (self.keeping, &request.reattach) {
            (Keeping::Background, None) => Continuity::Reattachable,
            // Asking twice to follow is harmless.
            (Keeping::Background, Some(_)) | (Keeping::Nothing, _) => Continuity::OneConnection,
        };
        self.endpoint
            .stream(ask, Framing::Events, continuity, names, |redactor| Box::new(Folding::new(redactor)))
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<Model>, Failure>> {
        openai_chat::models(&self.endpoint).boxed()
    }
}
