//! The bytes of an answer, in time and in bounds, cut into lines.
//!
//! Nothing here grows beyond one line of [`Caps::event_bytes`], whatever comes over the wire.

use std::fmt::Display;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt};
use memchr::memchr2;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::provider::caps::Caps;
use crate::provider::failure::Failure;
use crate::provider::redact::Redactor;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

pub(crate) type ByteStream = futures_util::stream::BoxStream<'static, Result<Bytes, Failure>>;

/// What a transport says of its errors, as ours.
pub(crate) fn byte_stream<S, E>(bytes: S, redactor: Redactor) -> ByteStream
where
    S: Stream<Item = Result<Bytes, E>> + Send + 'static,
    E: Display,
{
    bytes
        .map(move |read| {
            read.map_err(|error| {
                Failure::cut(format!("the connection broke: {}", redactor.clean(&error.to_string())))
            })
        })
        .boxed()
}

/// Reads chunks and watches the clock. Time that the consumer takes is not the provider's idleness.
struct Chunks {
    bytes: ByteStream,
    caps: Caps,
    asked_at: Instant,
    received: u64,
    timer: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

impl Chunks {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Failure>>> {
        let over = self.asked_at + self.caps.time;
        let Poll::Ready(read) = self.bytes.as_mut().poll_next(cx) else {
            return self.poll_overdue(cx, over).map(|failure| Some(Err(failure)));
        };
        self.waiting = false;
        let chunk = match read {
            None => return Poll::Ready(None),
            Some(Err(failure)) => return Poll::Ready(Some(Err(failure))),
            Some(Ok(chunk)) => chunk,
        };
        self.received += chunk.len() as u64;
        if self.received > self.caps.bytes {
            return Poll::Ready(Some(Err(Failure::malformed(format!(
                "the answer is longer than {} bytes",
                self.caps.bytes
            )))));
        }
        if Instant::now() >= over {
            return Poll::Ready(Some(Err(self.took_too_long())));
        }
        Poll::Ready(Some(Ok(chunk)))
    }

    fn poll_overdue(&mut self, cx: &mut Context<'_>, over: Instant) -> Poll<Failure> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(over)));
        if !self.waiting {
            self.waiting = true;
            let due = match self.received {
                0 => self.asked_at + self.caps.first_byte,
                _ => Instant::now() + self.caps.idle,
            };
            timer.as_mut().reset(due.min(over));
        }
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(match self.received {
            _ if Instant::now() >= over => self.took_too_long(),
            0 => Failure::timeout(format!("nothing came within {:?}", self.caps.first_byte)),
            _ => Failure::cut(format!("nothing more came for {:?}", self.caps.idle)),
        })
    }

    fn took_too_long(&self) -> Failure {
        Failure::malformed(format!("the answer took longer than {:?}", self.caps.time))
    }
}

/// Lines without their ends: LF, CR or CRLF. A last line without an end counts.
pub(crate) struct Lines {
    chunks: Chunks,
    chunk: Bytes,
    /// The beginning of a line that goes on in the next chunk.
    held: Vec<u8>,
    unread: Option<Bytes>,
    after_cr: bool,
    first: bool,
    ended: bool,
}

impl Lines {
    /// `asked_at` is when the request went out: the first byte is due from then.
    pub(crate) fn new(bytes: ByteStream, caps: Caps, asked_at: Instant) -> Self {
        let chunks = Chunks { bytes, caps, asked_at, received: 0, timer: None, waiting: false };
        Self {
            chunks,
            chunk: Bytes::new(),
            held: Vec::new(),
            unread: None,
            after_cr: false,
            first: true,
            ended: false,
        }
    }

    pub(crate) fn caps(&self) -> &Caps {
        &self.chunks.caps
    }

    /// Puts a line back: the next read gives it again.
    pub(crate) fn unread(&mut self, line: Bytes) {
        self.unread = Some(line);
    }

    pub(crate) fn poll_line(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Failure>>> {
        if let Some(line) = self.unread.take() {
            return Poll::Ready(Some(Ok(line)));
        }
        loop {
            if self.ended {
                return Poll::Ready(None);
            }
            if self.after_cr && !self.chunk.is_empty() {
                self.after_cr = false;
                if self.chunk[0] == b'\n' {
                    self.chunk.advance(1);
                }
            }
            let end = memchr2(b'\n', b'\r', &self.chunk);
            let piece = end.unwrap_or(self.chunk.len());
            if self.held.len() + piece > self.chunks.caps.event_bytes {
                self.ended = true;
                return Poll::Ready(Some(Err(too_long(&self.chunks.caps))));
            }
            if let Some(end) = end {
                let piece = self.chunk.split_to(end);
                self.after_cr = self.chunk[0] == b'\r';
                self.chunk.advance(1);
                return Poll::Ready(Some(Ok(self.line(piece))));
            }
            // Taken, since the wait below may begin anew.
            self.held.extend_from_slice(&std::mem::take(&mut self.chunk));
            self.chunk = match ready!(self.chunks.poll_next(cx)) {
                Some(Ok(chunk)) => chunk,
                Some(Err(failure)) => {
                    self.ended = true;
                    return Poll::Ready(Some(Err(failure)));
                }
                None => {
                    self.ended = true;
                    if self.held.is_empty() {
                        return Poll::Ready(None);
                    }
                    return Poll::Ready(Some(Ok(self.line(Bytes::new()))));
                }
            };
        }
    }

    fn line(&mut self, last_piece: Bytes) -> Bytes {
        let mut line = last_piece;
        if !self.held.is_empty() {
            let mut whole = std::mem::take(&mut self.held);
            whole.extend_from_slice(&line);
            line = Bytes::from(whole);
        }
        if std::mem::take(&mut self.first) && line.starts_with(BYTE_ORDER_MARK) {
            line.advance(BYTE_ORDER_MARK.len());
        }
        line
    }
}

pub(crate) fn too_long(caps: &Caps) -> Failure {
    Failure::malformed(format!("one event of the answer is longer than {} bytes", caps.event_bytes))
}
