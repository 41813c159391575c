//! Follows a log over server-sent events.
//!
//! The body is only polled while the socket takes data, so a slow reader holds at most one batch. Its state is one
//! box with one timer, which looks at the credential and says `: ping` when nothing else was said.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use axum::response::Response;
use bytes::BytesMut;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::State;
use super::problem::{Error, Kind, Result};
use super::slots::Slot;
use super::stream::{Step, Stream};
use crate::auth::AuthError;
use crate::runtime::live::joined;
use crate::scope::Scope;

/// How often the credential is looked at: it must die within 5 s.
const TICK: Duration = Duration::from_millis(3750);

/// A comment keeps the connection alive after so many quiet ticks: 15 s.
const PING_TICKS: u8 = 4;

const RETRY: &[u8] = b"retry: 1500\n\n";
const PING: &[u8] = b": ping\n\n";

/// The stream as an answer.
pub fn answer(state: State, scope: Scope, stream: Stream) -> Result<Response> {
    let slot = Slot::take(&state, scope.user_id)?;
    let connection = Connection::new(slot, state, scope, stream);
    let chunks = futures_util::stream::unfold(connection, |mut connection| async {
        let chunk = connection.chunk().await?;
        Some((Ok::<_, Infallible>(chunk), connection))
    });
    let mut response = Response::new(Body::from_stream(chunks));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(response)
}

struct Inner {
    _slot: Slot,
    state: State,
    scope: Scope,
    stream: Stream,
    timer: Interval,
    quiet_ticks: u8,
    greeted: bool,
    over: bool,
}

struct Connection(Box<Inner>);

impl Connection {
    fn new(slot: Slot, state: State, scope: Scope, stream: Stream) -> Self {
        let mut timer = interval_at(Instant::now() + TICK, TICK);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (quiet_ticks, greeted, over) = (0, false, false);
        Self(Box::new(Inner { _slot: slot, state, scope, stream, timer, quiet_ticks, greeted, over }))
    }

    /// What to write next; `None` ends the stream.
    async fn chunk(&mut self) -> Option<Bytes> {
        let inner = &mut *self.0;
        if !inner.greeted {
            inner.greeted = true;
            return Some(Bytes::from_static(RETRY));
        }
        while !inner.over {
            let step = tokio::select! {
                biased;
                // Looked at first: a stream that is never quiet must notice too.
                _ = inner.timer.tick() => inner.tick(),
                step = inner.stream.next() => Some(step),
            };
            let Some(step) = step else { return Some(Bytes::from_static(PING)) };
            if let Some(chunk) = inner.encode(step) {
                inner.quiet_ticks = 0;
                return Some(chunk);
            }
        }
        None
    }
}

impl Inner {
    /// `None` is a ping; what says nothing is an empty batch.
    fn tick(&mut self) -> Option<Step> {
        if !self.state.directory().still_valid(&self.scope) {
            return Some(Step::Problem(AuthError::Revoked.into()));
        }
        if self.state.is_stopping() {
            return Some(Step::Problem(Error::new(
                Kind::ShuttingDown,
                "the server is stopping; connect again",
            )));
        }
        self.quiet_ticks += 1;
        if self.quiet_ticks < PING_TICKS {
            return Some(Step::Log(Vec::new()));
        }
        self.quiet_ticks = 0;
        None
    }

    fn encode(&mut self, step: Step) -> Option<Bytes> {
        match step {
            Step::Log(frames) if frames.is_empty() => None,
            Step::Log(frames) => Some(joined(&frames)),
            Step::Feed(frames) => {
                let mut chunk = BytesMut::new();
                for frame in frames {
                    chunk.extend_from_slice(frame.sse().as_bytes());
                }
                Some(chunk.freeze())
            }
            Step::CaughtUp(cursor) => Some(event("caught_up", &serde_json::json!({ "cursor": cursor }))),
            Step::Resync(data) => {
                self.over = true;
                Some(event("resync", &data))
            }
            Step::Problem(error) => {
                self.over = true;
                Some(event("problem", &error.body()))
            }
            Step::End => {
                self.over = true;
                None
            }
        }
    }
}

/// An event without an id: it leaves the client's cursor where it is.
fn event(kind: &str, data: &serde_json::Value) -> Bytes {
    format!("event: {kind}\ndata: {data}\n\n").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_stream_is_small() {
        // hyper's read buffer takes 8 KiB of the 16 KiB that a connection may have.
        let bytes = size_of::<Inner>() + Stream::footprint();
        assert!(bytes < 1024, "{bytes}");
    }
}
