//! Lines into frames: the events of an SSE stream, the lines of a JSON stream, or one JSON document that came
//! instead of a stream.
//!
//! `eventsource-stream` parses the events. It has no bounds, copies its whole buffer once a line, panics on a byte
//! order mark, and hoards everything after a byte that is not UTF-8; so it is fed one event at a time, of bounded
//! size, with plain line ends, without the mark, and only as UTF-8.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use eventsource_stream::{EventStream, EventStreamError};
use futures_util::future::poll_fn;
use futures_util::{Stream, StreamExt};

use crate::provider::failure::Failure;
use crate::provider::wire::{Lines, too_long};

/// One message of the provider's, before anyone looked into it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Frame {
    /// The SSE event's name; empty where it has none.
    pub(crate) event: String,
    pub(crate) data: String,
    pub(crate) extent: Extent,
}

/// How much of the answer a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    Piece,
    /// The provider answered with one document, not a stream.
    Whole,
}

/// What a kind of API streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    Events,
    JsonLines,
}

pub(crate) struct Frames {
    state: State,
    left: u64,
    cap: u64,
}

enum State {
    Fresh(Lines),
    Events(Box<EventStream<Blocks>>),
    JsonLines(Lines),
    Ended,
}

impl Frames {
    pub(crate) fn new(framing: Framing, lines: Lines) -> Self {
        let cap = lines.caps().events;
        let state = match framing {
            Framing::Events => State::Fresh(lines),
            Framing::JsonLines => State::JsonLines(lines),
        };
        Self { state, left: cap, cap }
    }

    pub(crate) async fn next(&mut self) -> Option<Result<Frame, Failure>> {
        let frame = self.read().await;
        match &frame {
            Some(Ok(_)) if self.left == 0 => {
                self.state = State::Ended;
                return Some(Err(Failure::malformed(format!(
                    "the answer has more than {} events",
                    self.cap
                ))));
            }
            Some(Ok(_)) => self.left -= 1,
            Some(Err(_)) | None => self.state = State::Ended,
        }
        frame
    }

    async fn read(&mut self) -> Option<Result<Frame, Failure>> {
        loop {
            match &mut self.state {
                State::Ended => return None,
                State::Fresh(_) => match self.begin().await? {
                    Ok(Some(whole)) => return Some(Ok(whole)),
                    Ok(None) => {}
                    Err(failure) => return Some(Err(failure)),
                },
                State::JsonLines(lines) => match poll_fn(|cx| lines.poll_line(cx)).await? {
                    Ok(line) if line.trim_ascii().is_empty() => {}
                    Ok(line) => return Some(text(&line).map(|data| piece(String::new(), data))),
                    Err(failure) => return Some(Err(failure)),
                },
                State::Events(events) => match events.next().await? {
                    Ok(event) if event.data.is_empty() => {}
                    Ok(event) => return Some(Ok(piece(event.event, event.data))),
                    Err(EventStreamError::Transport(failure)) => return Some(Err(failure)),
                    Err(EventStreamError::Utf8(_)) => return Some(Err(not_utf8())),
                    Err(EventStreamError::Parser(_)) => {
                        return Some(Err(Failure::malformed("the answer is not an event stream")));
                    }
                },
            }
        }
    }

    /// Some gateways answer a request for a stream with a whole document; no line of an event stream begins with a
    /// brace or a bracket, so the first line tells.
    async fn begin(&mut self) -> Option<Result<Option<Frame>, Failure>> {
        let State::Fresh(mut lines) = std::mem::replace(&mut self.state, State::Ended) else {
            return None;
        };
        loop {
            match poll_fn(|cx| lines.poll_line(cx)).await? {
                Err(failure) => return Some(Err(failure)),
                Ok(line) if line.trim_ascii().is_empty() => {}
                Ok(line) if matches!(line.trim_ascii_start()[0], b'{' | b'[') => {
                    lines.unread(line);
                    return Some(whole_document(&mut lines).await.map(Some));
                }
                Ok(line) => {
                    lines.unread(line);
                    self.state =
                        State::Events(Box::new(EventStream::new(Blocks { lines, block: Vec::new() })));
                    return Some(Ok(None));
                }
            }
        }
    }
}

fn piece(event: String, data: String) -> Frame {
    Frame { event, data, extent: Extent::Piece }
}

async fn whole_document(lines: &mut Lines) -> Result<Frame, Failure> {
    let mut body = Vec::new();
    while let Some(line) = poll_fn(|cx| lines.poll_line(cx)).await {
        body.extend_from_slice(&line?);
        body.push(b'\n');
        if body.len() > lines.caps().event_bytes {
            return Err(too_long(lines.caps()));
        }
    }
    Ok(Frame { event: String::new(), data: text(&body)?, extent: Extent::Whole })
}

fn text(bytes: &[u8]) -> Result<String, Failure> {
    String::from_utf8(bytes.to_vec()).map_err(|_| not_utf8())
}

fn not_utf8() -> Failure {
    Failure::malformed("the answer is not UTF-8")
}

/// One event at a time, with its closing blank line. A last event without one counts where its data is whole.
struct Blocks {
    lines: Lines,
    block: Vec<u8>,
}

impl Stream for Blocks {
    type Item = Result<Bytes, Failure>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let this = &mut *self;
            let line = match ready!(this.lines.poll_line(cx)) {
                None if this.block.is_empty() => return Poll::Ready(None),
                None if !holds_whole_data(&this.block) => {
                    return Poll::Ready(Some(Err(Failure::cut(
                        "the answer ended in the middle of an event",
                    ))));
                }
                None => Bytes::new(),
                Some(Err(failure)) => return Poll::Ready(Some(Err(failure))),
                Some(Ok(line)) if line.starts_with(b":") => continue,
                Some(Ok(line)) => line,
            };
            if line.is_empty() && this.block.is_empty() {
                continue;
            }
            // The line with its end, and most often only the blank line after it.
            this.block.reserve(line.len() + 2);
            this.block.extend_from_slice(&line);
            this.block.push(b'\n');
            if this.block.len() > this.lines.caps().event_bytes {
                return Poll::Ready(Some(Err(too_long(this.lines.caps()))));
            }
            if !line.is_empty() {
                continue;
            }
            let block = std::mem::take(&mut this.block);
            if std::str::from_utf8(&block).is_err() {
                return Poll::Ready(Some(Err(not_utf8())));
            }
            return Poll::Ready(Some(Ok(Bytes::from(block))));
        }
    }
}

fn holds_whole_data(block: &[u8]) -> bool {
    let data = block.split(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(b"data:")).next_back();
    data.is_some_and(|data| {
        data.trim_ascii() == b"[DONE]" || serde_json::from_slice::<serde::de::IgnoredAny>(data).is_ok()
    })
}
