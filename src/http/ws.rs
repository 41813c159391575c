//! Many logs over one WebSocket. Commands go over HTTP; a socket only follows.
//!
//! One task for each socket, axum's own: it waits for the peer, for the followed logs and for one timer. What the
//! peer does not take is not read from the logs.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::time::Duration;

use axum::Extension;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{AbortHandle, SelectAll, abortable, unfold};
use futures_util::{SinkExt, StreamExt};
use metrics::gauge;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};
use utoipa::ToSchema;

use super::State;
use super::auth::{Access, Owned};
use super::edge::Place;
use super::feed::Feed;
use super::json;
use super::problem::{Error, Kind, Result};
use super::routes::authenticate;
use super::slots::Slot;
use super::stream::{Step, Stream, from_text};
use crate::auth::AuthError;
use crate::id::ConversationId;
use crate::scope::{Permission, Scope};

/// A larger frame closes the socket with 1009.
const MAX_FRAME: usize = 64 * 1024;

/// The most that waits to be written. One event may be a message of many escaped characters.
const MAX_WRITE_BUFFER: usize = 16 << 20;

/// A socket without a credential has so long to send one.
const SIGN_IN_WITHIN: Duration = Duration::from_secs(5);

/// How often the credential is looked at: it must die within 5 s.
const TICK: Duration = Duration::from_secs(4);
/// 20 s.
const PING_TICKS: u32 = 5;
/// A peer that was silent for so long is dead: 44 s.
const DEAD_TICKS: u32 = 11;

/// A peer that takes nothing for so long is dead too.
const TAKEN_WITHIN: Duration = Duration::from_secs(45);

const UNAUTHORIZED: u16 = 4401;
const GOING_AWAY: u16 = 1001;
const PROTOCOL_ERROR: u16 = 1002;
const TOO_LARGE: u16 = 1009;
const TRY_AGAIN_LATER: u16 = 1013;

/// What a client says.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum ClientFrame {
    /// The first frame where no header signed in, and again to renew.
    Auth {
        token: String,
    },
    /// Follow a conversation, or the feed, under an id of the client's choice.
    Subscribe {
        id: u64,
        #[serde(default)]
        conversation_id: Option<String>,
        #[serde(default)]
        feed: bool,
        /// As in the query of the SSE routes.
        #[serde(default)]
        after: Option<String>,
    },
    Unsubscribe {
        id: u64,
    },
    Ping {},
}

/// What the server says.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "op", rename_all = "snake_case")]
#[expect(dead_code, reason = "only described; most of it is written around JSON that stands already")]
pub enum ServerFrame {
    Event {
        id: u64,
        cursor: String,
        #[schema(value_type = super::openapi::StreamEvent)]
        event: Value,
    },
    CaughtUp {
        id: u64,
        cursor: String,
    },
    /// The subscription is over: load the snapshot, and subscribe again from `cursor`.
    Resync {
        id: u64,
        reason: String,
        snapshot_url: String,
        cursor: String,
    },
    /// With an `id`, that subscription is over or was not made.
    Problem {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<u64>,
        #[schema(value_type = crate::chat::event::Problem)]
        problem: Value,
    },
    Pong {},
}

/// Follow many conversations and the feed over one WebSocket.
///
/// Frames are JSON texts (`ClientFrame`, `ServerFrame`).
#[utoipa::path(get, path = "/v1/socket", tag = "streams", operation_id = "open_socket",
    responses((status = 101, description = "Frames follow"),
        (status = 426, description = "This is not a WebSocket handshake", body = crate::chat::event::Problem,
            content_type = "application/problem+json")))]
pub async fn connect(
    state: State,
    scope: Option<Extension<Scope>>,
    Extension(place): Extension<Place>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response> {
    // A page of another origin must not use a person's browser to get in.
    if !place.may_connect(&headers, state.options()) {
        return Err(Error::forbidden("pages of that origin may not connect"));
    }
    let upgrade = upgrade.map_err(|rejection| match rejection.into_response().status() {
        StatusCode::INTERNAL_SERVER_ERROR => Error::internal(&"a connection could not be upgraded"),
        _ => Error::new(Kind::UpgradeRequired, "open it as a WebSocket (RFC 6455, version 13)"),
    })?;
    let upgrade = upgrade
        // What clients say is short; what is longer is read in several pieces.
        .read_buffer_size(512)
        .write_buffer_size(0)
        .max_write_buffer_size(MAX_WRITE_BUFFER)
        .max_message_size(MAX_FRAME)
        .max_frame_size(MAX_FRAME);
    let scope = scope.map(|Extension(scope)| scope);
    Ok(upgrade.on_upgrade(move |socket| Session::run(state, scope, socket)))
}

type Followed = Pin<Box<dyn futures_util::Stream<Item = (u64, Step)> + Send>>;

struct Session {
    state: State,
    scope: Scope,
    followed: SelectAll<Followed>,
    subscriptions: HashMap<u64, AbortHandle>,
    timer: Interval,
    ticks: u32,
    /// Since the peer was last heard.
    silent_ticks: u32,
}

/// Whether the session goes on; else how it closes.
type Flow = ControlFlow<Option<CloseFrame>>;

impl Session {
    /// What is only needed for a moment stands in a box of its own, so that a socket that idles is small.
    async fn run(state: State, scope: Option<Scope>, mut socket: WebSocket) {
        let _counted = Counted::one();
        let signed_in = match scope {
            Some(scope) => Ok(scope),
            None => Box::pin(sign_in(&state, &mut socket)).await,
        };
        let entered = signed_in.and_then(|scope| Ok((Slot::take(&state, scope.user_id)?, scope)));
        let goodbye = match entered {
            Ok((_slot, scope)) => Box::pin(Self::new(state, scope).live(&mut socket)).await,
            Err(error) => {
                // The close frame says it again.
                let _ = Box::pin(say(&mut socket, problem(None, &error))).await;
                Some(match error.status() {
                    401 | 403 => closing(UNAUTHORIZED, "sign in first"),
                    _ => closing(TRY_AGAIN_LATER, "too many are open"),
                })
            }
        };
        Box::pin(close(socket, goodbye)).await;
    }

    fn new(state: State, scope: Scope) -> Self {
        let mut timer = interval_at(Instant::now() + TICK, TICK);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (followed, subscriptions) = (SelectAll::new(), HashMap::new());
        Self { state, scope, followed, subscriptions, timer, ticks: 0, silent_ticks: 0 }
    }

    async fn live(mut self, socket: &mut WebSocket) -> Option<CloseFrame> {
        loop {
            let flow = tokio::select! {
                heard = socket.recv() => self.hear(socket, heard).await,
                Some((id, step)) = self.followed.next(), if !self.followed.is_empty() => {
                    self.show(socket, id, step).await
                }
                _ = self.timer.tick() => self.tick(socket).await,
            };
            if let ControlFlow::Break(frame) = flow {
                return frame;
            }
        }
    }

    async fn tick(&mut self, socket: &mut WebSocket) -> Flow {
        if !self.state.directory().still_valid(&self.scope) {
            say(socket, problem(None, &AuthError::Revoked.into())).await?;
            return ControlFlow::Break(Some(closing(UNAUTHORIZED, "the credential no longer counts")));
        }
        if self.state.is_stopping() {
            return ControlFlow::Break(Some(closing(GOING_AWAY, "the server is stopping")));
        }
        self.ticks += 1;
        self.silent_ticks += 1;
        if self.silent_ticks >= DEAD_TICKS {
            return ControlFlow::Break(None);
        }
        match self.ticks.is_multiple_of(PING_TICKS) {
            true => say(socket, Message::Ping(Default::default())).await,
            false => ControlFlow::Continue(()),
        }
    }

    async fn hear(&mut self, socket: &mut WebSocket, heard: Option<Result<Message, axum::Error>>) -> Flow {
        self.silent_ticks = 0;
        match heard {
            Some(Ok(Message::Text(text))) => Box::pin(self.obey(socket, &text)).await,
            Some(Ok(Message::Binary(_))) => {
                let error = Error::new(Kind::MalformedRequest, "frames are JSON texts");
                say(socket, problem(None, &error)).await
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => ControlFlow::Continue(()),
            Some(Ok(Message::Close(_))) | None => ControlFlow::Break(None),
            Some(Err(error)) => ControlFlow::Break(closing_after(&error)),
        }
    }

    async fn obey(&mut self, socket: &mut WebSocket, text: &str) -> Flow {
        let frame = match json::parse::<ClientFrame>(text.as_bytes()) {
            Ok(frame) => frame,
            Err(error) => return say(socket, problem(id_in(text), &error)).await,
        };
        let done = match frame {
            ClientFrame::Ping {} => return say(socket, text_of(&json!({"op": "pong"}))).await,
            ClientFrame::Auth { token } => self.renew(&token).await.map_err(|error| (None, error)),
            ClientFrame::Unsubscribe { id } => self.unsubscribe(id).map_err(|error| (Some(id), error)),
            ClientFrame::Subscribe { id, conversation_id, feed, after } => {
                let subscribed = self.subscribe(id, conversation_id.as_deref(), feed, after.as_deref()).await;
                subscribed.map_err(|error| (Some(id), error))
            }
        };
        match done {
            Ok(()) => ControlFlow::Continue(()),
            Err((id, error)) => say(socket, problem(id, &error)).await,
        }
    }

    /// Another credential of the same person in the same workspace. What is followed goes on.
    async fn renew(&mut self, token: &str) -> Result<()> {
        self.state.rates().request(&self.scope)?;
        let scope = authenticate(&self.state, Some(token), Permission::ConversationsRead).await?;
        let same = (scope.user_id, scope.workspace_id) == (self.scope.user_id, self.scope.workspace_id);
        // What is followed was checked against the old limits.
        if !same || scope.only != self.scope.only {
            return Err(Error::forbidden(
                "that token is for someone or something else; open another socket for it",
            ));
        }
        self.scope = scope;
        Ok(())
    }

    async fn subscribe(
        &mut self,
        id: u64,
        conversation_id: Option<&str>,
        feed: bool,
        after: Option<&str>,
    ) -> Result<()> {
        if self.subscriptions.contains_key(&id) {
            return Err(Error::new(Kind::Conflict, "there is a subscription with this id"));
        }
        let most = self.state.limits().subscriptions_per_socket;
        if self.subscriptions.len() >= most {
            return Err(Error::new(Kind::RateLimited, format!("at most {most} subscriptions on one socket")));
        }
        // It costs what a request costs.
        self.state.rates().request(&self.scope)?;
        let stream = match (conversation_id, feed) {
            (Some(text), false) => {
                let conversation_id: ConversationId = text.parse().map_err(|_| Error::not_found())?;
                let owned =
                    Owned::<ConversationId>::check(&self.state, &self.scope, Access::Read, conversation_id);
                Stream::log(&self.state, &self.scope, &owned.await?, from_text(after)?).await?
            }
            (None, true) => Stream::feed(Feed::new(self.state.runtime().store(), &self.scope, after).await?),
            (Some(_), true) | (None, false) => {
                return Err(Error::invalid("/conversation_id", "either `conversation_id` or `feed`"));
            }
        };
        let steps = unfold(Some(stream), move |stream| async move {
            let mut stream = stream?;
            let step = stream.next().await;
            let goes_on = matches!(step, Step::Log(_) | Step::Feed(_) | Step::CaughtUp(_));
            Some(((id, step), goes_on.then_some(stream)))
        });
        let (steps, handle) = abortable(steps);
        self.subscriptions.insert(id, handle);
        self.followed.push(Box::pin(steps));
        Ok(())
    }

    fn unsubscribe(&mut self, id: u64) -> Result<()> {
        let handle = self.subscriptions.remove(&id).ok_or_else(Error::not_found)?;
        handle.abort();
        Ok(())
    }

    async fn show(&mut self, socket: &mut WebSocket, id: u64, step: Step) -> Flow {
        match step {
            Step::Log(frames) => {
                let events = frames.iter().map(|frame| {
                    let cursor = self.state.runtime().cursor(frame.seq);
                    let json = frame.json();
                    event(id, &cursor, std::str::from_utf8(&json).expect("JSON is UTF-8"))
                });
                say_all(socket, events).await
            }
            Step::Feed(frames) => {
                say_all(socket, frames.iter().map(|frame| event(id, &frame.cursor, &frame.json))).await
            }
            Step::CaughtUp(cursor) => {
                say(socket, text_of(&json!({"op": "caught_up", "id": id, "cursor": cursor}))).await
            }
            Step::Resync(mut resync) => {
                self.subscriptions.remove(&id);
                resync["op"] = "resync".into();
                resync["id"] = id.into();
                say(socket, text_of(&resync)).await
            }
            Step::Problem(error) => {
                self.subscriptions.remove(&id);
                say(socket, problem(Some(id), &error)).await
            }
            Step::End => {
                self.subscriptions.remove(&id);
                ControlFlow::Continue(())
            }
        }
    }
}

/// The first frame of a socket whose handshake carried no credential.
async fn sign_in(state: &State, socket: &mut WebSocket) -> Result<Scope> {
    let first = timeout(SIGN_IN_WITHIN, async {
        loop {
            match socket.recv().await {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => return other,
            }
        }
    });
    let Ok(Some(Ok(Message::Text(text)))) = first.await else { return Err(AuthError::Missing.into()) };
    match json::parse::<ClientFrame>(text.as_bytes()) {
        Ok(ClientFrame::Auth { token }) => {
            authenticate(state, Some(&token), Permission::ConversationsRead).await
        }
        Ok(_) | Err(_) => Err(AuthError::Missing.into()),
    }
}

/// The id of a frame that is otherwise wrong.
fn id_in(text: &str) -> Option<u64> {
    #[derive(Deserialize)]
    struct Id {
        id: u64,
    }
    serde_json::from_str::<Id>(text).ok().map(|frame| frame.id)
}

fn event(id: u64, cursor: &dyn std::fmt::Display, json: &str) -> Message {
    Message::Text(format!("{{\"op\":\"event\",\"id\":{id},\"cursor\":\"{cursor}\",\"event\":{json}}}").into())
}

fn problem(id: Option<u64>, error: &Error) -> Message {
    let mut frame = json!({"op": "problem", "problem": error.body()});
    if let Some(id) = id {
        frame["id"] = id.into();
    }
    text_of(&frame)
}

fn text_of(frame: &Value) -> Message {
    Message::Text(frame.to_string().into())
}

async fn say(socket: &mut WebSocket, message: Message) -> Flow {
    say_all(socket, std::iter::once(message)).await
}

async fn say_all(socket: &mut WebSocket, messages: impl Iterator<Item = Message>) -> Flow {
    for message in messages {
        if !matches!(timeout(TAKEN_WITHIN, socket.feed(message)).await, Ok(Ok(()))) {
            return ControlFlow::Break(None);
        }
    }
    match timeout(TAKEN_WITHIN, socket.flush()).await {
        Ok(Ok(())) => ControlFlow::Continue(()),
        Ok(Err(_)) | Err(_) => ControlFlow::Break(None),
    }
}

fn closing(code: u16, reason: &'static str) -> CloseFrame {
    CloseFrame { code, reason: Utf8Bytes::from_static(reason) }
}

/// How to say goodbye after a frame that could not be read. axum hides which of tungstenite's errors it was.
fn closing_after(error: &axum::Error) -> Option<CloseFrame> {
    let error = error.to_string();
    if error.contains("too long") || error.contains("too big") || error.contains("Space limit") {
        return Some(closing(TOO_LARGE, "a frame has at most 64 KiB"));
    }
    error.contains("protocol").then(|| closing(PROTOCOL_ERROR, "that is not a WebSocket frame"))
}

async fn close(mut socket: WebSocket, frame: Option<CloseFrame>) {
    if let Some(frame) = frame {
        // Whether the peer still listens is its own business.
        let _ = timeout(SIGN_IN_WITHIN, socket.send(Message::Close(Some(frame)))).await;
        let _ = timeout(SIGN_IN_WITHIN, async { while let Some(Ok(_)) = socket.recv().await {} }).await;
    }
}

struct Counted;

impl Counted {
    fn one() -> Self {
        gauge!("weir_sockets").increment(1.0);
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        gauge!("weir_sockets").decrement(1.0);
    }
}
