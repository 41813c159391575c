//! What both transports follow: a conversation's log or the feed, by the caller's present rights.
//!
//! Each step hands out what came in order, ready to be encoded. A frame that may have changed who sees the
//! conversation is shown only once the caller was found to see it still.

use axum::http::request::Parts;
use metrics::gauge;
use serde_json::{Value, json};

use super::State;
use super::auth::Owned;
use super::feed::{Feed, FeedFrame, FeedNext};
use super::problem::{Error, Result};
use crate::chat::event::Cursor;
use crate::id::{ConversationId, TurnId};
use crate::runtime::frame::{Frame, FrameEffect};
use crate::runtime::{Follow, From, Next};
use crate::scope::Scope;

/// What comes next for a follower.
#[derive(Debug)]
pub enum Step {
    Log(Vec<Frame>),
    Feed(Vec<FeedFrame>),
    CaughtUp(String),
    /// The last step: load a snapshot.
    Resync(Value),
    /// The last step: this is why.
    Problem(Error),
    /// The last step: there is nothing more.
    End,
}

/// One follower. Counted for as long as it lives.
pub struct Stream {
    source: Source,
    _counted: Counted,
}

enum Source {
    Log(Box<Log>),
    Feed(Box<Feed>),
    /// The cursor was of no use from the start.
    Lost(Value),
}

struct Log {
    state: State,
    scope: Scope,
    conversation_id: ConversationId,
    follow: Follow,
    /// Frames that may change the caller's rights, and what came with them.
    held: Vec<Frame>,
    ended: bool,
}

impl Stream {
    pub async fn log(state: &State, scope: &Scope, id: &Owned<ConversationId>, from: From) -> Result<Self> {
        Self::of(state, scope, id.id(), None, from).await
    }

    /// The events of one turn, which ends with it.
    pub async fn turn(state: &State, scope: &Scope, id: &Owned<TurnId>, from: From) -> Result<Self> {
        Self::of(state, scope, id.conversation_id(), Some(id.id()), from).await
    }

    async fn of(
        state: &State,
        scope: &Scope,
        conversation_id: ConversationId,
        turn_id: Option<TurnId>,
        from: From,
    ) -> Result<Self> {
        let runtime = state.runtime();
        if let From::Cursor(cursor) = from
            && cursor.epoch != runtime.epoch()
        {
            let end = runtime.follow(conversation_id, From::Now).await?.cursor();
            let reason = "the cursor is of another history: the server was restored from a backup";
            return Ok(Self::new(Source::Lost(resync(conversation_id, reason, end))));
        }
        let follow = runtime.follow(conversation_id, from).await?;
        let follow = match turn_id {
            Some(turn_id) => follow.only(turn_id),
            None => follow,
        };
        let (state, scope) = (state.clone(), scope.clone());
        let log = Log { state, scope, conversation_id, follow, held: Vec::new(), ended: false };
        Ok(Self::new(Source::Log(Box::new(log))))
    }

    pub fn feed(feed: Feed) -> Self {
        Self::new(Source::Feed(Box::new(feed)))
    }

    fn new(source: Source) -> Self {
        Self { source, _counted: Counted::one() }
    }

    /// Where the follower stands in its log.
    pub fn cursor(&self) -> Option<Cursor> {
        match &self.source {
            Source::Log(log) => Some(log.follow.cursor()),
            Source::Feed(_) | Source::Lost(_) => None,
        }
    }

    /// What it holds while nothing happens, in bytes.
    #[cfg(test)]
    pub const fn footprint() -> usize {
        size_of::<Self>() + size_of::<Log>()
    }

    /// Cancel-safe.
    pub async fn next(&mut self) -> Step {
        match &mut self.source {
            Source::Log(log) => log.next().await,
            Source::Feed(feed) => match feed.next().await {
                Ok(FeedNext::Items(frames)) => Step::Feed(frames),
                Ok(FeedNext::CaughtUp(cursor)) => Step::CaughtUp(cursor),
                Ok(FeedNext::Resync(value)) => Step::Resync(value),
                Err(error) => Step::Problem(error),
            },
            Source::Lost(resync) => Step::Resync(resync.take()),
        }
    }
}

impl Log {
    async fn next(&mut self) -> Step {
        if self.ended {
            return Step::End;
        }
        if self.held.is_empty() {
            match self.follow.next().await {
                Ok(Next::Frames(frames)) => {
                    let first = frames.iter().position(|frame| frame.effect == FrameEffect::ChangesAccess);
                    let Some(first) = first else { return Step::Log(frames) };
                    self.held = frames;
                    if first > 0 {
                        return Step::Log(self.held.drain(..first).collect());
                    }
                }
                Ok(Next::CaughtUp(cursor)) => return Step::CaughtUp(cursor.to_string()),
                Ok(Next::Resync { reason, cursor }) => {
                    return Step::Resync(resync(self.conversation_id, reason, cursor));
                }
                Ok(Next::Sealed(problem)) => return Step::Problem(Error::of_problem(problem)),
                Ok(Next::End) => return Step::End,
                Err(error) => return Step::Problem(error.into()),
            }
        }
        self.release().await
    }

    /// Shows what was held back, if the caller still sees the conversation.
    async fn release(&mut self) -> Step {
        let found = self.state.runtime().store().conversation(&self.scope, self.conversation_id).await;
        match found {
            Ok(Some(_)) => Step::Log(std::mem::take(&mut self.held)),
            Ok(None) => {
                self.ended = true;
                // Whoever saw it until it was deleted is told so, and of nothing after it.
                let gone = self.held.drain(..).next().filter(is_deletion);
                gone.map_or_else(|| Step::Problem(Error::not_found()), |frame| Step::Log(vec![frame]))
            }
            Err(error) => Step::Problem(error.into()),
        }
    }
}

fn is_deletion(frame: &Frame) -> bool {
    const EVENT: &[u8] = b"\nevent: conversation.deleted\n";
    frame.sse().windows(EVENT.len()).take(64).any(|bytes| bytes == EVENT)
}

fn resync(id: ConversationId, reason: &str, cursor: Cursor) -> Value {
    json!({"reason": reason, "snapshot_url": format!("/v1/conversations/{id}/messages"), "cursor": cursor})
}

/// From where to follow: `Last-Event-ID`, else `after`. Absent or `0` is the beginning, `now` is live only.
pub fn from_of(parts: &Parts, after: Option<&str>) -> Result<From> {
    from_text(after_of(parts, after)?)
}

/// `now`, `0` or a cursor.
pub fn from_text(after: Option<&str>) -> Result<From> {
    match after {
        None | Some("0" | "") => Ok(From::Beginning),
        Some("now") => Ok(From::Now),
        Some(cursor) => Ok(From::Cursor(cursor.parse::<Cursor>()?)),
    }
}

/// The cursor as the client sent it: the header wins.
pub fn after_of<'a>(parts: &'a Parts, after: Option<&'a str>) -> Result<Option<&'a str>> {
    let Some(header) = parts.headers.get("last-event-id") else { return Ok(after) };
    let text = header.to_str().map_err(|_| crate::chat::event::InvalidCursor)?.trim();
    Ok(if text.is_empty() { after } else { Some(text) })
}

struct Counted;

impl Counted {
    fn one() -> Self {
        gauge!("weir_followers").increment(1.0);
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        gauge!("weir_followers").decrement(1.0);
    }
}
