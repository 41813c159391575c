//! The built-in model: deterministic and offline, so that every feature can be seen without an account anywhere.
//!
//! What it says is a function of the prompt alone, which is why it can go on exactly where an answer was cut.

mod markdown;
mod place;
mod script;

use std::time::Duration;

use futures_util::future::{BoxFuture, ready};
use futures_util::{FutureExt, StreamExt, stream};
use tokio::time::sleep;

use crate::chat::message::{FinishReason, Usage};
use crate::chat::turn::ModelOutput;
use crate::provider::answer::Answer;
use crate::provider::demo::place::Place;
use crate::provider::demo::script::{Script, script};
use crate::provider::failure::Failure;
use crate::provider::model::Capability;
use crate::provider::{InputKind, Kind, Model, ModelStream, Provider, Purpose, Request};

/// About 50 deltas a second.
const BEAT: Duration = Duration::from_millis(20);
const NAME: &str = "demo";
const CONTEXT_TOKENS: u64 = 128_000;

pub(crate) struct Demo;

impl Provider for Demo {
    fn kind(&self) -> Kind {
        Kind::Demo
    }

    fn stream(&self, request: Request) -> ModelStream {
        let place = Place::of(&request.prompt.items);
        let reasons = request.settings.reasoning_effort.as_deref().is_some_and(|effort| effort != "none");
        let script = match request.purpose {
            Purpose::Answer => script(&place, &request.tools).resumed_after(&place.said),
            Purpose::Summary | Purpose::Title => Script::digest(&request),
        };
        let performance = Performance {
            reasoning: if reasons && place.said.is_empty() {
                pieces(script.reasoning.clone())
            } else {
                Vec::new()
            },
            text: pieces(script.text.clone()),
            left: request.settings.max_output_tokens.unwrap_or(u32::MAX),
            usage: Usage { input_tokens: tokens_of(&request), ..Usage::default() },
            script,
        };
        performance.stream()
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<Model>, Failure>> {
        let model = Model {
            id: NAME.to_owned(),
            context_tokens: Some(CONTEXT_TOKENS),
            max_output_tokens: None,
            input: vec![InputKind::Text],
            tools: Capability::Yes,
            reasoning: Capability::Yes,
        };
        ready(Ok(vec![model])).boxed()
    }
}

struct Performance {
    reasoning: Vec<String>,
    text: Vec<String>,
    script: Script,
    /// Deltas that may still be spoken.
    left: u32,
    usage: Usage,
}

impl Performance {
    /// Everything is known beforehand; only the beat makes it a stream.
    fn stream(mut self) -> ModelStream {
        let mut answer = Answer::default();
        answer.opened(Some(NAME), None);
        let reasoning = std::mem::take(&mut self.reasoning);
        if !reasoning.is_empty() {
            let part = answer.start_reasoning();
            for piece in reasoning {
                self.usage.reasoning_tokens += u64::from(self.speak());
                answer.delta(part, piece);
            }
            answer.complete(part, None);
        }
        let text = std::mem::take(&mut self.text);
        let mut finish_reason = FinishReason::Stop;
        if !text.is_empty() {
            let part = answer.start_text();
            for piece in text {
                if self.speak() == 0 {
                    finish_reason = FinishReason::Length;
                    break;
                }
                answer.delta(part, piece);
            }
            answer.complete(part, None);
        }
        for call in std::mem::take(&mut self.script.calls) {
            if finish_reason == FinishReason::Length || self.speak() == 0 {
                finish_reason = FinishReason::Length;
                break;
            }
            let part = answer.start_call(call.tool);
            answer.delta(part, call.args.to_string());
            answer.complete(part, None);
            finish_reason = FinishReason::ToolCalls;
        }
        answer.finish(finish_reason, Some(self.usage));
        stream::unfold(answer, |mut answer| async move {
            let output = answer.pop()?;
            if matches!(output, ModelOutput::Delta { .. }) {
                sleep(BEAT).await;
            }
            Some((Ok(output), answer))
        })
        .boxed()
    }

    /// Takes one token of what is left: 0 where nothing is.
    fn speak(&mut self) -> u8 {
        if self.left == 0 {
            return 0;
        }
        self.left -= 1;
        self.usage.output_tokens += 1;
        1
    }
}

/// Words with the space before them: what a delta holds.
fn pieces(text: String) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut piece = String::new();
    for c in text.chars() {
        if c.is_whitespace() && !piece.trim().is_empty() {
            pieces.push(std::mem::take(&mut piece));
        }
        piece.push(c);
    }
    if !piece.is_empty() {
        pieces.push(piece);
    }
    pieces
}

/// About four bytes a token.
fn tokens_of(request: &Request) -> u64 {
    let system = request.prompt.system.as_ref().map_or(0, String::len);
    let items: usize = request.prompt.items.iter().map(place::length).sum();
    (system + items).div_ceil(4) as u64
}
