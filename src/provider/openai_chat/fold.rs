//! Chunks into outputs. One answer: the first choice.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::chat::message::{FinishReason, Usage};
use crate::provider::answer::{Answer, PartIndex};
use crate::provider::decode::{Fold, Progress};
use crate::provider::failure::Failure;
use crate::provider::lenient::{Text, parse};
use crate::provider::openai_chat::calls::Calls;
use crate::provider::openai_chat::chunk::{Choice, Chunk, Content, Delta, usage};
use crate::provider::openai_chat::reasoning::{Details, Origin, opaque};
use crate::provider::redact::Redactor;
use crate::provider::rejection::ErrorObject;
use crate::provider::sse::{Extent, Frame};

pub(crate) struct Folding {
    redactor: Redactor,
    open: Option<Open>,
    details: Details,
    calls: Calls,
    citations: Vec<Citation>,
    finish_reason: Option<FinishReason>,
    usage: Option<Usage>,
}

/// The part that grows. Tool calls are open beside it.
#[derive(Debug, Clone, Copy)]
enum Open {
    Text(PartIndex),
    Reasoning(PartIndex, Origin),
}

struct Citation {
    url: String,
    title: Option<String>,
}

impl Folding {
    pub(crate) fn new(redactor: Redactor) -> Self {
        Self {
            redactor,
            open: None,
            details: Details::default(),
            calls: Calls::default(),
            citations: Vec::new(),
            finish_reason: None,
            usage: None,
        }
    }
}

impl Fold for Folding {
    fn frame(&mut self, frame: &Frame, answer: &mut Answer) -> Result<Progress, Failure> {
        let data = frame.data.trim();
        match frame.event.as_str() {
            "ping" | "keepalive" | "keep-alive" | "heartbeat" => return Ok(self.progress()),
            "error" => return Err(self.refusal(data)),
            _ => {}
        }
        if data.eq_ignore_ascii_case("[done]") {
            self.end(answer)?;
            return Ok(Progress::Done);
        }
        let mut mended = String::new();
        let chunk: Chunk<'_> = parse(data, &mut mended)?;
        if let Some(failure) = self.error_in(&chunk, data) {
            return Err(failure);
        }
        self.chunk(&chunk, answer)?;
        if frame.extent == Extent::Whole {
            self.end(answer)?;
            return Ok(Progress::Done);
        }
        Ok(self.progress())
    }

    /// Every choice ends with a finish reason. `[DONE]` only ends the transport: gateways send it also after an
    /// upstream that was cut, so alone it makes no answer whole. The other way round, a reason without `[DONE]` does.
    fn end(&mut self, answer: &mut Answer) -> Result<(), Failure> {
        let Some(finish_reason) = self.finish_reason.take() else {
            return Err(Failure::cut("the answer ended without a finish reason"));
        };
        self.close(answer);
        self.calls.complete(answer);
        for citation in &self.citations {
            answer.cite(&citation.url, citation.title.as_deref());
        }
        answer.finish(finish_reason, self.usage);
        Ok(())
    }
}

impl Folding {
    fn progress(&self) -> Progress {
        match self.finish_reason {
            Some(_) => Progress::Whole,
            None => Progress::More,
        }
    }

    fn chunk(&mut self, chunk: &Chunk<'_>, answer: &mut Answer) -> Result<(), Failure> {
        if let Some(groq) = &chunk.x_groq {
            self.count(groq.usage);
        }
        self.count(chunk.usage);
        if let Some(results) = chunk.search_results {
            self.cite_all(results);
        }
        let choices = chunk.choices.as_deref().unwrap_or_default();
        let Some(choice) = choices.iter().find(|choice| choice.index.or_zero() == 0) else {
            return Ok(());
        };
        answer.opened(chunk.model.given(), None);
        self.count(choice.usage);
        match (&choice.delta, &choice.message) {
            (Some(delta), _) => self.delta(delta, answer),
            // Beside deltas a message repeats them.
            (None, Some(message)) if !answer.has_output() => self.delta(message, answer),
            (None, _) => {}
        }
        self.stop(choice)
    }

    fn delta(&mut self, delta: &Delta<'_>, answer: &mut Answer) {
        self.reason(delta, answer);
        match &delta.content {
            Content::Nothing => {}
            Content::Text(text) => self.say(text, answer),
            Content::Pieces(pieces) => {
                for piece in pieces {
                    self.think(&piece.thinking.flat(), Origin::Elsewhere, answer);
                    self.say(piece.text.as_str(), answer);
                }
            }
        }
        self.say(&delta.refusal.flat(), answer);
        for call in delta.tool_calls.as_deref().unwrap_or_default() {
            self.close(answer);
            self.calls.delta(call, answer);
        }
        if let Some(function) = &delta.function_call {
            self.close(answer);
            self.calls.legacy_delta(function, answer);
        }
        if let Some(annotations) = delta.annotations {
            self.cite_all(annotations);
        }
    }

    /// The same reasoning often comes under several keys: it is shown once.
    fn reason(&mut self, delta: &Delta<'_>, answer: &mut Answer) {
        let details = delta.reasoning_details.as_deref().unwrap_or_default();
        if !delta.reasoning_content.is_empty() {
            self.think(&delta.reasoning_content.flat(), Origin::ReasoningContent, answer);
        } else if !delta.reasoning.is_empty() {
            self.think(&delta.reasoning.flat(), Origin::Elsewhere, answer);
        } else if !delta.thinking.is_empty() {
            self.think(&delta.thinking.flat(), Origin::Elsewhere, answer);
        } else {
            for detail in details {
                self.think(detail.text.as_str(), Origin::Elsewhere, answer);
                self.think(detail.summary.as_str(), Origin::Elsewhere, answer);
            }
        }
        for detail in details {
            self.details.add(detail);
        }
    }

    fn say(&mut self, text: &str, answer: &mut Answer) {
        if text.is_empty() {
            return;
        }
        let part = match self.open {
            Some(Open::Text(part)) => part,
            Some(Open::Reasoning(..)) | None => {
                self.close(answer);
                let part = answer.start_text();
                self.open = Some(Open::Text(part));
                part
            }
        };
        answer.delta(part, text);
    }

    fn think(&mut self, text: &str, origin: Origin, answer: &mut Answer) {
        if text.is_empty() {
            return;
        }
        let part = match self.open {
            Some(Open::Reasoning(part, _)) => part,
            Some(Open::Text(_)) | None => {
                self.close(answer);
                let part = answer.start_reasoning();
                self.open = Some(Open::Reasoning(part, origin));
                part
            }
        };
        answer.delta(part, text);
    }

    /// Ends the part that grows. Details without any text get a part of their own, so that they are kept.
    fn close(&mut self, answer: &mut Answer) {
        match self.open.take() {
            Some(Open::Reasoning(part, origin)) => {
                answer.complete(part, opaque(origin, std::mem::take(&mut self.details)));
                return;
            }
            Some(Open::Text(part)) => answer.complete(part, None),
            None => {}
        }
        if !self.details.is_empty() {
            let part = answer.start_reasoning();
            answer.complete(part, opaque(Origin::Elsewhere, std::mem::take(&mut self.details)));
        }
    }

    fn stop(&mut self, choice: &Choice<'_>) -> Result<(), Failure> {
        let Some(reason) = choice.finish_reason.given() else {
            return Ok(());
        };
        match stop_reason(reason) {
            Stop::Because(reason) => self.finish_reason = Some(reason),
            Stop::Failed => {
                return Err(Failure::cut(format!("the provider stopped with the reason `{reason}`")));
            }
        }
        Ok(())
    }

    /// What counts nothing does not replace what counted something.
    fn count(&mut self, raw: Option<&RawValue>) {
        let Some(counted) = raw.and_then(usage) else {
            return;
        };
        if self.usage.is_none() || counted != Usage::default() {
            self.usage = Some(counted);
        }
    }

    fn cite_all(&mut self, raw: &RawValue) {
        #[derive(Deserialize)]
        struct Source<'a> {
            #[serde(borrow, default)]
            url: Text<'a>,
            #[serde(borrow, default)]
            title: Text<'a>,
            #[serde(borrow, default)]
            url_citation: Option<Box<Self>>,
        }
        let sources: Vec<Source<'_>> = serde_json::from_str(raw.get()).unwrap_or_default();
        for source in sources {
            let source = source
                .url_citation
                .map_or_else(|| (source.url, source.title), |inner| (inner.url, inner.title));
            self.citations
                .push(Citation { url: source.0.0.into_owned(), title: source.1.given().map(str::to_owned) });
        }
    }

    fn error_in(&self, chunk: &Chunk<'_>, data: &str) -> Option<Failure> {
        let of_choice = chunk.choices.iter().flatten().filter_map(|choice| choice.error);
        let of_groq = chunk.x_groq.iter().filter_map(|groq| groq.error);
        let told = chunk.error.into_iter().chain(of_choice).chain(of_groq).find(|raw| says_something(raw));
        match told {
            Some(raw) => Some(self.refusal(raw.get())),
            None if chunk.object.as_str() == "error" => Some(self.refusal(data)),
            None => None,
        }
    }

    fn refusal(&self, json: &str) -> Failure {
        let error = match serde_json::from_str::<Value>(json) {
            Ok(value) => ErrorObject::from_json(&value),
            Err(_) => ErrorObject::from_json(&Value::from(json)),
        };
        error.into_failure(&self.redactor)
    }
}

fn says_something(raw: &RawValue) -> bool {
    !matches!(raw.get(), "null" | "{}" | "\"\"" | "false")
}

enum Stop {
    Because(FinishReason),
    Failed,
}

/// The reasons of the API, and what compatible servers write for them.
fn stop_reason(reason: &str) -> Stop {
    Stop::Because(match reason.to_ascii_lowercase().as_str() {
        "stop" | "end_turn" | "eos" | "eos_token" | "stop_sequence" | "end" | "complete" | "completed"
        | "finished" => FinishReason::Stop,
        "length" | "max_tokens" | "max_output_tokens" | "model_length" => FinishReason::Length,
        "tool_calls" | "tool_call" | "tool_use" | "function_call" => FinishReason::ToolCalls,
        "content_filter" | "content_filtered" | "safety" | "refusal" | "recitation"
        | "prohibited_content" | "blocklist" | "sensitive" => FinishReason::ContentFilter,
        "error" | "insufficient_system_resource" | "network_error" | "abort" => {
            return Stop::Failed;
        }
        _ => FinishReason::Other(reason.to_owned()),
    })
}
