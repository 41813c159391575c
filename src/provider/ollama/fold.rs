//! Lines into outputs.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::chat::message::{FinishReason, Usage};
use crate::provider::answer::{Answer, PartIndex};
use crate::provider::decode::{Fold, Progress};
use crate::provider::failure::Failure;
use crate::provider::lenient::{Count, Text, parse};
use crate::provider::redact::Redactor;
use crate::provider::rejection::ErrorObject;
use crate::provider::sse::Frame;

#[derive(Debug, Deserialize)]
struct Line<'a> {
    #[serde(borrow, default)]
    model: Text<'a>,
    #[serde(borrow, default)]
    message: Option<Message<'a>>,
    #[serde(default)]
    done: Option<bool>,
    #[serde(borrow, default)]
    done_reason: Text<'a>,
    #[serde(default)]
    prompt_eval_count: Count,
    #[serde(default)]
    eval_count: Count,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    content: Text<'a>,
    #[serde(borrow, default)]
    thinking: Text<'a>,
    #[serde(borrow, default)]
    tool_calls: Option<Vec<Call<'a>>>,
}

#[derive(Debug, Deserialize)]
struct Call<'a> {
    #[serde(borrow, default)]
    function: Option<Function<'a>>,
}

#[derive(Debug, Deserialize)]
struct Function<'a> {
    #[serde(borrow, default)]
    name: Text<'a>,
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
}

pub(crate) struct Folding {
    redactor: Redactor,
    open: Option<Open>,
    calls: u32,
    finish_reason: Option<FinishReason>,
    usage: Option<Usage>,
}

#[derive(Debug, Clone, Copy)]
enum Open {
    Text(PartIndex),
    Reasoning(PartIndex),
}

impl Folding {
    pub(crate) fn new(redactor: Redactor) -> Self {
        Self { redactor, open: None, calls: 0, finish_reason: None, usage: None }
    }
}

impl Fold for Folding {
    fn frame(&mut self, frame: &Frame, answer: &mut Answer) -> Result<Progress, Failure> {
        let mut mended = String::new();
        let line: Line<'_> = parse(frame.data.trim(), &mut mended)?;
        if let Some(error) = line.error {
            let value = serde_json::from_str(error.get()).unwrap_or(Value::Null);
            return Err(ErrorObject::from_json(&value).into_failure(&self.redactor));
        }
        answer.opened(line.model.given(), None);
        if let Some(message) = &line.message {
            self.message(message, answer);
        }
        if line.done != Some(true) {
            return Ok(Progress::More);
        }
        self.usage = Some(Usage {
            input_tokens: line.prompt_eval_count.or_zero(),
            output_tokens: line.eval_count.or_zero(),
            ..Usage::default()
        });
        self.finish_reason = Some(match (line.done_reason.as_str(), self.calls) {
            ("length", _) => FinishReason::Length,
            ("stop" | "", 0) => FinishReason::Stop,
            ("stop" | "", _) => FinishReason::ToolCalls,
            (other, _) => FinishReason::Other(other.to_owned()),
        });
        self.end(answer)?;
        Ok(Progress::Done)
    }

    fn end(&mut self, answer: &mut Answer) -> Result<(), Failure> {
        let Some(finish_reason) = self.finish_reason.take() else {
            return Err(Failure::cut("the answer ended without `done`"));
        };
        self.close(answer);
        answer.finish(finish_reason, self.usage);
        Ok(())
    }
}

impl Folding {
    fn message(&mut self, message: &Message<'_>, answer: &mut Answer) {
        if let Some(thought) = message.thinking.given() {
            let part = match self.open {
                Some(Open::Reasoning(part)) => part,
                Some(Open::Text(_)) | None => {
                    self.close(answer);
                    let part = answer.start_reasoning();
                    self.open = Some(Open::Reasoning(part));
                    part
                }
            };
            answer.delta(part, thought);
        }
        if let Some(said) = message.content.given() {
            let part = match self.open {
                Some(Open::Text(part)) => part,
                Some(Open::Reasoning(_)) | None => {
                    self.close(answer);
                    let part = answer.start_text();
                    self.open = Some(Open::Text(part));
                    part
                }
            };
            answer.delta(part, said);
        }
        let functions = message.tool_calls.iter().flatten().filter_map(|call| call.function.as_ref());
        for function in functions {
            self.close(answer);
            self.calls += 1;
            let part = answer.start_call(function.name.as_str());
            answer.delta(part, function.arguments.map_or("{}", RawValue::get));
            answer.complete(part, None);
        }
    }

    fn close(&mut self, answer: &mut Answer) {
        if let Some(Open::Text(part) | Open::Reasoning(part)) = self.open.take() {
            answer.complete(part, None);
        }
    }
}
