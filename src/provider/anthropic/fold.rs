//! Events into outputs.

use serde_json::{Value, json};

use crate::chat::message::{FinishReason, Opaque};
use crate::provider::Kind;
use crate::provider::answer::{Answer, PartIndex};
use crate::provider::anthropic::event::{Block, Citation, Counted, Delta, Event, Message};
use crate::provider::decode::{Fold, Progress};
use crate::provider::failure::Failure;
use crate::provider::lenient::parse;
use crate::provider::redact::Redactor;
use crate::provider::rejection::ErrorObject;
use crate::provider::sse::{Extent, Frame};

pub(crate) struct Folding {
    redactor: Redactor,
    began: bool,
    blocks: Vec<(u64, OpenBlock)>,
    citations: Vec<(String, Option<String>)>,
    stop_reason: Option<FinishReason>,
    counted: Counted,
    /// White space that was shown but could not be sent: the model may write it once more.
    withheld: String,
}

/// A content block between its start and its stop.
#[derive(Debug)]
enum OpenBlock {
    Text(PartIndex),
    Thinking {
        part: PartIndex,
        signature: String,
    },
    Redacted {
        part: PartIndex,
        data: String,
    },
    Call {
        part: PartIndex,
        id: String,
        input: Input,
    },
    /// A server's own tool, or something newer than this code.
    Skipped,
}

/// A call's arguments come in pieces; a few servers give them whole at the start.
#[derive(Debug)]
enum Input {
    Given(String),
    InPieces,
}

impl Folding {
    pub(crate) fn new(redactor: Redactor) -> Self {
        Self {
            redactor,
            began: false,
            blocks: Vec::new(),
            citations: Vec::new(),
            stop_reason: None,
            counted: Counted::default(),
            withheld: String::new(),
        }
    }

    pub(crate) fn after_space(self, withheld: &str) -> Self {
        Self { withheld: withheld.to_owned(), ..self }
    }
}

impl Fold for Folding {
    fn frame(&mut self, frame: &Frame, answer: &mut Answer) -> Result<Progress, Failure> {
        let data = frame.data.trim();
        if frame.event == "error" {
            return Err(self.refusal(data));
        }
        if data.eq_ignore_ascii_case("[done]") {
            return Ok(self.progress());
        }
        let mut mended = String::new();
        let event: Event<'_> = parse(data, &mut mended)?;
        let kind = event.kind.given().unwrap_or(&frame.event);
        match kind {
            "message_start" => self.begin(&event, answer)?,
            "content_block_start" => {
                if let Some(block) = &event.content_block {
                    self.start_block(event.index.or_zero(), block, answer);
                }
            }
            "content_block_delta" => {
                if let Some(delta) = &event.delta {
                    self.delta(event.index.or_zero(), delta, answer);
                }
            }
            "content_block_stop" => self.stop_block(event.index.or_zero(), answer),
            "message_delta" => {
                if let Some(usage) = &event.usage {
                    self.counted.update(usage);
                }
                if let Some(reason) = event.delta.as_ref().and_then(|delta| delta.stop_reason.given()) {
                    self.stop_reason = Some(stop_reason(reason));
                }
            }
            "message_stop" => {
                self.stop_reason.get_or_insert(FinishReason::Stop);
                self.end(answer)?;
                return Ok(Progress::Done);
            }
            "error" => return Err(self.refusal(data)),
            "message" if frame.extent == Extent::Whole => {
                self.whole(data, answer)?;
                return Ok(Progress::Done);
            }
            _ if frame.extent == Extent::Whole => return Err(self.refusal(data)),
            // `ping`, and what is newer than this code.
            _ => {}
        }
        Ok(self.progress())
    }

    /// The stop reason says that the answer is whole; `message_stop` only repeats it.
    fn end(&mut self, answer: &mut Answer) -> Result<(), Failure> {
        let Some(reason) = self.stop_reason.take() else {
            return Err(Failure::cut("the answer ended without a stop reason"));
        };
        for (_, block) in std::mem::take(&mut self.blocks) {
            complete(block, answer);
        }
        for (url, title) in &self.citations {
            answer.cite(url, title.as_deref());
        }
        answer.finish(reason, self.counted.usage());
        Ok(())
    }
}

impl Folding {
    fn progress(&self) -> Progress {
        match self.stop_reason {
            Some(_) => Progress::Whole,
            None => Progress::More,
        }
    }

    fn begin(&mut self, event: &Event<'_>, answer: &mut Answer) -> Result<(), Failure> {
        if std::mem::replace(&mut self.began, true) {
            return Err(Failure::malformed("a second message_start inside one answer"));
        }
        if let Some(message) = &event.message {
            answer.opened(message.model.given(), None);
            if let Some(usage) = &message.usage {
                self.counted.update(usage);
            }
        }
        Ok(())
    }

    /// A message that came as one document.
    fn whole(&mut self, data: &str, answer: &mut Answer) -> Result<(), Failure> {
        let mut mended = String::new();
        let message: Message<'_> = parse(data, &mut mended)?;
        answer.opened(message.model.given(), None);
        if let Some(usage) = &message.usage {
            self.counted.update(usage);
        }
        for (index, block) in (0..).zip(message.content.iter().flatten()) {
            self.start_block(index, block, answer);
            self.stop_block(index, answer);
        }
        self.stop_reason = message.stop_reason.given().map(stop_reason);
        self.end(answer)
    }

    fn start_block(&mut self, index: u64, block: &Block<'_>, answer: &mut Answer) {
        self.stop_block(index, answer);
        let open = match block.kind.as_str() {
            "text" => {
                let part = answer.start_text();
                self.say(part, block.text.as_str(), answer);
                if let Some(citations) = block.citations {
                    let citations: Vec<Citation<'_>> =
                        serde_json::from_str(citations.get()).unwrap_or_default();
                    citations.iter().for_each(|citation| self.cite(citation));
                }
                OpenBlock::Text(part)
            }
            "thinking" => {
                let part = answer.start_reasoning();
                answer.delta(part, block.thinking.as_str());
                OpenBlock::Thinking { part, signature: block.signature.as_str().to_owned() }
            }
            "redacted_thinking" => {
                OpenBlock::Redacted { part: answer.start_reasoning(), data: block.data.as_str().to_owned() }
            }
            "tool_use" => {
                let part = answer.start_call(block.name.as_str());
                let input = match block.input.map(|raw| raw.get()) {
                    Some(given) if given.len() > 2 && given.starts_with('{') => {
                        Input::Given(given.to_owned())
                    }
                    Some(_) | None => Input::InPieces,
                };
                OpenBlock::Call { part, id: block.id.as_str().to_owned(), input }
            }
            _ => OpenBlock::Skipped,
        };
        self.blocks.push((index, open));
    }

    fn delta(&mut self, index: u64, delta: &Delta<'_>, answer: &mut Answer) {
        if let Some(citation) = &delta.citation {
            self.cite(citation);
        }
        let open = self.blocks.iter_mut().find(|(open, _)| *open == index).map(|(_, block)| block);
        match (open, delta.kind.as_str()) {
            (Some(OpenBlock::Text(part)), "text_delta") => {
                let part = *part;
                self.say(part, delta.text.as_str(), answer);
            }
            (Some(OpenBlock::Thinking { part, .. }), "thinking_delta") => {
                answer.delta(*part, delta.thinking.as_str())
            }
            (Some(OpenBlock::Thinking { signature, .. }), "signature_delta") => {
                signature.push_str(delta.signature.as_str());
            }
            (Some(OpenBlock::Call { part, input, .. }), "input_json_delta") => {
                if !delta.partial_json.is_empty() {
                    *input = Input::InPieces;
                }
                answer.delta(*part, delta.partial_json.as_str());
            }
            // A server that forgot to start its block still means what it says.
            (None, "text_delta") => {
                let part = answer.start_text();
                self.blocks.push((index, OpenBlock::Text(part)));
                self.say(part, delta.text.as_str(), answer);
            }
            (Some(_) | None, _) => {}
        }
    }

    fn stop_block(&mut self, index: u64, answer: &mut Answer) {
        if let Some(at) = self.blocks.iter().position(|(open, _)| *open == index) {
            complete(self.blocks.remove(at).1, answer);
        }
    }

    fn say(&mut self, part: PartIndex, mut text: &str, answer: &mut Answer) {
        while !self.withheld.is_empty() && !text.is_empty() {
            let mut wanted = self.withheld.chars();
            let mut said = text.chars();
            if wanted.next() != said.next() {
                self.withheld.clear();
                break;
            }
            text = said.as_str();
            self.withheld = wanted.as_str().to_owned();
        }
        answer.delta(part, text);
    }

    fn cite(&mut self, citation: &Citation<'_>) {
        if let Some(url) = citation.url.given() {
            self.citations.push((url.to_owned(), citation.title.given().map(str::to_owned)));
        }
    }

    fn refusal(&self, json: &str) -> Failure {
        let value = serde_json::from_str(json).unwrap_or_else(|_| Value::from(json));
        ErrorObject::from_json(&value).into_failure(&self.redactor)
    }
}

fn complete(block: OpenBlock, answer: &mut Answer) {
    let own = |data| Some(Opaque { api: Kind::Anthropic.name().to_owned(), data });
    match block {
        OpenBlock::Text(part) => answer.complete(part, None),
        OpenBlock::Thinking { part, signature } if signature.is_empty() => answer.complete(part, None),
        OpenBlock::Thinking { part, signature } => {
            answer.complete(part, own(json!({"signature": signature})))
        }
        OpenBlock::Redacted { part, data } => answer.complete(part, own(json!({"redacted": data}))),
        OpenBlock::Call { part, id, input } => {
            if let Input::Given(args) = input {
                answer.delta(part, args);
            }
            let opaque = if id.is_empty() { None } else { own(json!({"id": id})) };
            answer.complete(part, opaque);
        }
        OpenBlock::Skipped => {}
    }
}

fn stop_reason(reason: &str) -> FinishReason {
    match reason {
        "end_turn" | "stop_sequence" | "stop" => FinishReason::Stop,
        "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
        "tool_use" => FinishReason::ToolCalls,
        "refusal" => FinishReason::ContentFilter,
        other => FinishReason::Other(other.to_owned()),
    }
}
