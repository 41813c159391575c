//! A model that takes every kind of file, calls the tools that the person's text names as JSON, and else says what it
//! was given.

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt, ready};
use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use serde_json::Value;

use weir::chat::context::Item;
use weir::chat::message::{FinishReason, Part, Usage};
use weir::chat::turn::ModelOutput;
use weir::id::CallId;
use weir::provider::{Capability, Failure, InputKind, Kind, Model, ModelStream, Provider, Request};

#[derive(Default)]
pub struct Caller {
    /// What it was asked, in the order in which it came.
    pub asked: Mutex<Vec<Request>>,
}

impl Caller {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// What the person said last, as the model was given it.
    pub fn last_said(&self) -> Vec<Part> {
        let asked = self.asked.lock();
        let said = asked.iter().rev().find_map(|request| match request.prompt.items.last() {
            Some(Item::User { parts }) => Some(parts.clone()),
            Some(Item::Assistant { .. } | Item::ToolResult { .. }) | None => None,
        });
        said.expect("it was asked")
    }
}

impl Provider for Caller {
    fn kind(&self) -> Kind {
        Kind::Demo
    }

    fn stream(&self, request: Request) -> ModelStream {
        let calls = match request.prompt.items.last() {
            Some(Item::User { parts }) => parts.iter().find_map(|part| match part {
                Part::Text { text } => serde_json::from_str::<Vec<Value>>(text).ok(),
                _ => None,
            }),
            _ => None,
        };
        let told = request.prompt.items.iter().rev().map_while(|item| match item {
            Item::ToolResult { output, .. } => Some(output.clone()),
            _ => None,
        });
        let told: Vec<String> = told.collect();
        self.asked.lock().push(request);
        let mut outputs = vec![ModelOutput::Opened { model: None, response_id: None }];
        let usage = Some(Usage::default());
        match calls {
            Some(calls) => {
                for (index, call) in (0..).zip(calls) {
                    let name = call["tool"].as_str().unwrap().to_owned();
                    let call_id = CallId::new();
                    let part = Part::ToolCall { call_id, name, args_text: String::new(), discarded: false };
                    outputs.push(ModelOutput::PartStarted { index, part });
                    outputs.push(ModelOutput::Delta { index, text: call["args"].to_string() });
                    outputs.push(ModelOutput::PartCompleted { index, opaque: None });
                }
                outputs.push(ModelOutput::Finished { finish_reason: FinishReason::ToolCalls, usage });
            }
            None => {
                let text = if told.is_empty() { "Seen.".to_owned() } else { told.join("\n") };
                outputs.push(ModelOutput::PartStarted { index: 0, part: Part::Text { text: String::new() } });
                outputs.push(ModelOutput::Delta { index: 0, text });
                outputs.push(ModelOutput::PartCompleted { index: 0, opaque: None });
                outputs.push(ModelOutput::Finished { finish_reason: FinishReason::Stop, usage });
            }
        }
        stream::iter(outputs.into_iter().map(Ok)).boxed()
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<Model>, Failure>> {
        let model = Model {
            id: "m".to_owned(),
            context_tokens: Some(100_000),
            max_output_tokens: None,
            input: vec![InputKind::Text, InputKind::Image, InputKind::Pdf],
            tools: Capability::Yes,
            reasoning: Capability::No,
        };
        ready(Ok(vec![model])).boxed()
    }
}
