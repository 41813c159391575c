//! Events into outputs. Items stand side by side, each with parts of its own.

use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::chat::message::{FinishReason, Opaque};
use crate::provider::Kind;
use crate::provider::answer::{Answer, PartIndex};
use crate::provider::decode::{Fold, Progress};
use crate::provider::failure::Failure;
use crate::provider::lenient::parse;
use crate::provider::openai_responses::event::{Annotation, Event, Item, Piece, Response};
use crate::provider::redact::Redactor;
use crate::provider::rejection::ErrorObject;
use crate::provider::sse::{Extent, Frame};

pub(crate) struct Folding {
    redactor: Redactor,
    items: Vec<OpenItem>,
    citations: Vec<(String, Option<String>)>,
    calls: u32,
    finished: bool,
}

#[derive(Debug)]
struct OpenItem {
    output_index: u64,
    sort: Sort,
    /// The part that grows, and which piece of its item it is.
    growing: Option<(PartIndex, PieceIndex)>,
    /// What the growing part holds, in bytes: a `done` repeats the whole text.
    grown: usize,
    state: ItemState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Message,
    Reasoning,
    Call,
    /// The provider's own tools, and what is newer than this code.
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PieceIndex {
    Content(u64),
    Summary(u64),
    Arguments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ItemState {
    Silent,
    Spoke,
}

impl Folding {
    pub(crate) fn new(redactor: Redactor) -> Self {
        Self { redactor, items: Vec::new(), citations: Vec::new(), calls: 0, finished: false }
    }
}

impl Fold for Folding {
    fn frame(&mut self, frame: &Frame, answer: &mut Answer) -> Result<Progress, Failure> {
        let data = frame.data.trim();
        if data.eq_ignore_ascii_case("[done]") {
            return Ok(Progress::More);
        }
        let mut mended = String::new();
        if frame.extent == Extent::Whole {
            let response: Response<'_> = parse(data, &mut mended)?;
            self.close_response(&response, data, answer)?;
            return Ok(Progress::Done);
        }
        let event: Event<'_> = parse(data, &mut mended)?;
        match event.kind.given().unwrap_or(&frame.event) {
            "response.created" | "response.in_progress" | "response.queued" => open(&event, answer),
            "response.output_item.added" => self.add_item(&event, answer),
            "response.output_text.delta" | "response.refusal.delta" => {
                self.grow(&event, Sort::Message, PieceIndex::Content(event.content_index.or_zero()), answer);
            }
            "response.reasoning_summary_text.delta" => {
                self.grow(
                    &event,
                    Sort::Reasoning,
                    PieceIndex::Summary(event.summary_index.or_zero()),
                    answer,
                );
            }
            "response.reasoning_text.delta" => {
                self.grow(
                    &event,
                    Sort::Reasoning,
                    PieceIndex::Content(event.content_index.or_zero()),
                    answer,
                );
            }
            "response.function_call_arguments.delta" => {
                self.grow(&event, Sort::Call, PieceIndex::Arguments, answer);
            }
            "response.output_text.done" => self.fill(&event, Sort::Message, event.text.as_str(), answer),
            "response.refusal.done" => self.fill(&event, Sort::Message, event.refusal.as_str(), answer),
            "response.function_call_arguments.done" => {
                self.fill(&event, Sort::Call, event.arguments.as_str(), answer);
            }
            "response.output_text.annotation.added" => {
                event.annotation.iter().for_each(|annotation| self.cite(annotation));
            }
            "response.output_item.done" => {
                if let Some(item) = event.item {
                    self.finish_item(event.output_index.or_zero(), item, answer);
                }
            }
            "response.completed"
            | "response.incomplete"
            | "response.failed"
            | "response.cancelled"
            | "response.done" => {
                let Some(response) = &event.response else {
                    return Err(Failure::malformed("the last event of the answer holds no response"));
                };
                self.close_response(response, data, answer)?;
                return Ok(Progress::Done);
            }
            "error" => return Err(self.refusal(data)),
            _ => {}
        }
        Ok(Progress::More)
    }

    fn end(&mut self, _: &mut Answer) -> Result<(), Failure> {
        match self.finished {
            true => Ok(()),
            false => Err(Failure::cut("the answer ended without `response.completed`")),
        }
    }
}

/// The id is of use only where the provider keeps the run.
fn open(event: &Event<'_>, answer: &mut Answer) {
    let Some(response) = &event.response else { return };
    let id = response.id.given().filter(|_| response.background == Some(true));
    answer.opened(response.model.given(), id);
}

impl Folding {
    fn item(&mut self, output_index: u64, sort: Sort) -> &mut OpenItem {
        let at = self.items.iter().position(|item| item.output_index == output_index);
        let at = at.unwrap_or_else(|| {
            let state = ItemState::Silent;
            self.items.push(OpenItem { output_index, sort, growing: None, grown: 0, state });
            self.items.len() - 1
        });
        &mut self.items[at]
    }

    fn add_item(&mut self, event: &Event<'_>, answer: &mut Answer) {
        let Some(item) = event.item.and_then(read) else { return };
        self.begin_item(event.output_index.or_zero(), &item, answer);
    }

    fn begin_item(&mut self, output_index: u64, item: &Item<'_>, answer: &mut Answer) {
        let sort = match item.kind.as_str() {
            "message" => Sort::Message,
            "reasoning" => Sort::Reasoning,
            "function_call" => Sort::Call,
            _ => Sort::Other,
        };
        let open = self.item(output_index, sort);
        if sort == Sort::Call && open.growing.is_none() {
            open.growing = Some((answer.start_call(item.name.as_str()), PieceIndex::Arguments));
            open.state = ItemState::Spoke;
            self.calls += 1;
        }
    }

    fn grow(&mut self, event: &Event<'_>, sort: Sort, piece: PieceIndex, answer: &mut Answer) {
        let open = self.item(event.output_index.or_zero(), sort);
        open.say(piece, event.delta.as_str(), answer);
    }

    /// A text that came without deltas.
    fn fill(&mut self, event: &Event<'_>, sort: Sort, text: &str, answer: &mut Answer) {
        let open = self.item(event.output_index.or_zero(), sort);
        let piece = match sort {
            Sort::Call => PieceIndex::Arguments,
            Sort::Message | Sort::Reasoning | Sort::Other => {
                PieceIndex::Content(event.content_index.or_zero())
            }
        };
        open.say_if_silent(piece, text, answer);
    }

    /// The item as a whole. Only a finished item tells what the provider needs back.
    fn finish_item(&mut self, output_index: u64, raw: &RawValue, answer: &mut Answer) {
        let Some(item) = read(raw) else { return };
        self.begin_item(output_index, &item, answer);
        let at = self.items.iter().position(|open| open.output_index == output_index);
        let Some(mut open) = at.map(|at| self.items.remove(at)) else { return };
        let opaque = match open.sort {
            Sort::Message => {
                if open.state == ItemState::Silent {
                    open.say_all(item.content.as_deref(), PieceIndex::Content, answer);
                }
                let pieces = item.content.iter().flatten();
                pieces
                    .flat_map(|piece| piece.annotations.iter().flatten())
                    .for_each(|cited| self.cite(cited));
                item.phase.given().map(|phase| json!({"phase": phase}))
            }
            Sort::Reasoning => {
                if open.state == ItemState::Silent {
                    open.say_all(item.summary.as_deref(), PieceIndex::Summary, answer);
                    open.say_all(item.content.as_deref(), PieceIndex::Content, answer);
                }
                let kept = item.encrypted_content.given().and_then(|_| kept_reasoning(raw));
                if kept.is_some() && open.growing.is_none() {
                    open.growing = Some((answer.start_reasoning(), PieceIndex::Summary(0)));
                }
                kept
            }
            Sort::Call => {
                open.say_if_silent(PieceIndex::Arguments, item.arguments.as_str(), answer);
                Some(json!({"id": item.call_id.given().or(item.id.given()), "item_id": item.id.given()}))
            }
            Sort::Other => None,
        };
        if let Some((part, _)) = open.growing {
            let api = Kind::OpenaiResponses.name().to_owned();
            answer.complete(part, opaque.map(|data| Opaque { api, data }));
        }
    }

    fn close_response(
        &mut self,
        response: &Response<'_>,
        data: &str,
        answer: &mut Answer,
    ) -> Result<(), Failure> {
        answer.opened(response.model.given(), None);
        let finish_reason = match response.status.as_str() {
            "completed" | "" => None,
            "incomplete" => Some(incomplete(response)),
            "failed" | "cancelled" => {
                return Err(match response.error {
                    Some(error) => self.refusal(error.get()),
                    None => Failure::cut(format!(
                        "the provider says that the answer is {}",
                        response.status.as_str()
                    )),
                });
            }
            _ => return Err(self.refusal(data)),
        };
        if !answer.has_output() {
            for (index, item) in (0..).zip(response.output.iter().flatten()) {
                self.finish_item(index, item, answer);
            }
        }
        for open in std::mem::take(&mut self.items) {
            if let Some((part, _)) = open.growing {
                answer.complete(part, None);
            }
        }
        for (url, title) in &self.citations {
            answer.cite(url, title.as_deref());
        }
        let whole = if self.calls > 0 { FinishReason::ToolCalls } else { FinishReason::Stop };
        answer.finish(finish_reason.unwrap_or(whole), response.usage());
        self.finished = true;
        Ok(())
    }

    fn cite(&mut self, annotation: &Annotation<'_>) {
        if let Some(url) = annotation.url.given() {
            self.citations.push((url.to_owned(), annotation.title.given().map(str::to_owned)));
        }
    }

    fn refusal(&self, json: &str) -> Failure {
        let value = serde_json::from_str(json).unwrap_or_else(|_| Value::from(json));
        ErrorObject::from_json(&value).into_failure(&self.redactor)
    }
}

impl OpenItem {
    /// Each piece of an item is a part, so that headings of one summary don't run into the next one's text.
    fn say(&mut self, piece: PieceIndex, text: &str, answer: &mut Answer) {
        if text.is_empty() {
            return;
        }
        let part = match (self.growing, self.sort) {
            (Some((part, growing)), _) if growing == piece => part,
            // Arguments of a call that was never announced have no name.
            (_, Sort::Call | Sort::Other) => return,
            (growing, sort) => {
                if let Some((part, _)) = growing {
                    answer.complete(part, None);
                }
                let part = if sort == Sort::Message { answer.start_text() } else { answer.start_reasoning() };
                self.growing = Some((part, piece));
                self.grown = 0;
                part
            }
        };
        self.state = ItemState::Spoke;
        self.grown += text.len();
        answer.delta(part, text);
    }

    fn say_if_silent(&mut self, piece: PieceIndex, text: &str, answer: &mut Answer) {
        let silent = self.grown == 0 || self.growing.is_none_or(|(_, growing)| growing != piece);
        if silent {
            self.say(piece, text, answer);
        }
    }

    fn say_all(&mut self, pieces: Option<&[Piece<'_>]>, index: fn(u64) -> PieceIndex, answer: &mut Answer) {
        for (at, piece) in (0..).zip(pieces.unwrap_or_default()) {
            self.say(index(at), piece.text.as_str(), answer);
            self.say(index(at), piece.refusal.as_str(), answer);
        }
    }
}

fn read(raw: &RawValue) -> Option<Item<'_>> {
    serde_json::from_str(raw.get()).ok()
}

/// A reasoning item as it is sent back: all of it but the state that it was in.
fn kept_reasoning(raw: &RawValue) -> Option<Value> {
    let mut item: Value = serde_json::from_str(raw.get()).ok()?;
    item.as_object_mut()?.remove("status");
    Some(json!({"item": item}))
}

fn incomplete(response: &Response<'_>) -> FinishReason {
    match response.incomplete_details.as_ref().and_then(|details| details.reason.given()) {
        Some("max_output_tokens" | "max_tokens") => FinishReason::Length,
        Some("content_filter") => FinishReason::ContentFilter,
        Some(other) => FinishReason::Other(other.to_owned()),
        None => FinishReason::Other("incomplete".to_owned()),
    }
}
