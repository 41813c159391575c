//! Lines into frames: the events of an SSE stream, the lines of a JSON stream, or one JSON document that came
//! instead of a stream.
//!
//! Events are parsed here, of what the HTML standard says the two fields that providers use: `eventsource-stream` has
//! no bounds, copies its whole buffer once a line, panics on a byte order mark, hoards everything after a byte that is
//! not UTF-8, and took a tenth of the server's time.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::future::poll_fn;

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
    Events(Events),
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
                State::Events(events) => return poll_fn(|cx| events.poll_event(cx)).await,
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
                    self.state = State::Events(Events::new(lines));
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

/// The event that is being read. A last one without its closing blank line counts where its data is whole.
struct Events {
    lines: Lines,
    name: String,
    data: Option<String>,
    bytes: usize,
}

impl Events {
    fn new(lines: Lines) -> Self {
        Self { lines, name: String::new(), data: None, bytes: 0 }
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, Failure>>> {
        loop {
            let line = match ready!(self.lines.poll_line(cx)) {
                None if self.bytes == 0 => return Poll::Ready(None),
                None if !self.is_whole() => {
                    return Poll::Ready(Some(Err(Failure::cut(
                        "the answer ended in the middle of an event",
                    ))));
                }
                None => Bytes::new(),
                Some(Err(failure)) => return Poll::Ready(Some(Err(failure))),
                Some(Ok(line)) => line,
            };
            if line.is_empty() {
                self.bytes = 0;
                let event = std::mem::take(&mut self.name);
                if let Some(data) = self.data.take().filter(|data| !data.is_empty()) {
                    return Poll::Ready(Some(Ok(piece(event, data))));
                }
            } else if let Err(failure) = self.take_in(&line) {
                return Poll::Ready(Some(Err(failure)));
            }
        }
    }

    fn take_in(&mut self, line: &[u8]) -> Result<(), Failure> {
        if line.starts_with(b":") {
            return Ok(());
        }
        self.bytes += line.len() + 1;
        if self.bytes > self.lines.caps().event_bytes {
            return Err(too_long(self.lines.caps()));
        }
        let line = std::str::from_utf8(line).map_err(|_| not_utf8())?;
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match (field, &mut self.data) {
            ("event", _) => value.clone_into(&mut self.name),
            ("data", Some(data)) => {
                data.push('\n');
                data.push_str(value);
            }
            ("data", none) => *none = Some(value.to_owned()),
            // Providers neither number their events for us nor say when to come back.
            _ => {}
        }
        Ok(())
    }

    fn is_whole(&self) -> bool {
        self.data.as_deref().is_some_and(|data| {
            data.trim() == "[DONE]" || serde_json::from_str::<serde::de::IgnoredAny>(data).is_ok()
        })
    }
}
