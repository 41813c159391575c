//! Model providers: a request in, a stream of what the model says out, whatever API is spoken on the wire.
//!
//! Owns the wire formats, their oddities, the bounds on what we take in, and when to ask again. Never spawns a task:
//! who drops a stream cancels its request. Never calls an answer finished that the provider did not.

mod answer;
mod anthropic;
mod caps;
mod decode;
mod demo;
mod endpoint;
mod failure;
mod families;
mod files;
mod kind;
mod lenient;
mod model;
mod ollama;

mod openai_chat;
mod openai_responses;
mod options;
mod prompt;
mod redact;
mod rejection;
mod retry;
mod sse;
mod tool_names;
mod wire;

pub use caps::Caps;
pub use decode::{decode, decode_within};
pub use failure::{Failure, FailureKind};
pub use files::Files;
pub use kind::Kind;
pub use model::{Capability, InputKind, Model, choose};
pub use options::{Misconfigured, Options, connect};

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use serde_json::Value;

use crate::chat::context::{Prompt, ToolSpec};
use crate::chat::event::Settings;
use crate::chat::turn::ModelOutput;

/// What a model says, as it says it. After an error nothing follows; without a `Finished` the answer is not whole.
pub type ModelStream = BoxStream<'static, Result<ModelOutput, Failure>>;

pub trait Provider: Send + Sync {
    fn kind(&self) -> Kind;

    /// Asks the model. Nothing happens until the stream is polled; dropping it cancels the request.
    fn stream(&self, request: Request) -> ModelStream;

    /// The models that may be asked, in the provider's order.
    fn models(&self) -> BoxFuture<'_, Result<Vec<Model>, Failure>>;
}

/// What a model is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Purpose {
    /// The next message of a conversation.
    #[default]
    Answer,
    /// A summary of the beginning of one.
    Summary,
    /// A title for one.
    Title,
}

/// One model call.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    pub purpose: Purpose,
    pub model: String,
    pub prompt: Prompt,
    /// Of those that the prompt names; of another one the model is told that it does not see it.
    pub files: Files,
    pub tools: Vec<ToolSpec>,
    /// As OpenAI's chat completions take it; translated for the others.
    pub tool_choice: Option<Value>,
    pub settings: Settings,
    /// The model's window, where the provider has to be told (Ollama).
    pub context_tokens: Option<u64>,
    pub ending: Ending,
    /// Follow an answer that the provider is still making, or has made, rather than ask for another one.
    pub reattach: Option<Reattach>,
}

impl Request {
    pub fn new(model: impl Into<String>, prompt: Prompt) -> Self {
        Self {
            purpose: Purpose::default(),
            model: model.into(),
            prompt,
            files: Files::default(),
            tools: Vec::new(),
            tool_choice: None,
            settings: Settings::default(),
            context_tokens: None,
            ending: Ending::Normal,
            reattach: None,
        }
    }
}

/// How the prompt ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ending {
    #[default]
    Normal,
    /// With an answer that the model is to continue: it is sent as a trailing assistant message.
    Prefill,
}

/// An answer that a provider keeps for us ([`Options::background`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reattach {
    /// From [`ModelOutput::Opened`].
    pub response_id: String,
    /// The provider's number of the last event that was seen; `None` gives the answer from its first part.
    pub after: Option<u64>,
}
