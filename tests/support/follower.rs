//! Somebody who watches a conversation and comes back with the old cursor whenever the connection is lost.
//!
//! What a follower was shown is the journal that the server is held to after a fault.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::client::Client;
use super::log::{Log, position};
use super::sse::{Heard, Sse};
use super::within;

const AGAIN: Duration = Duration::from_millis(5);

pub struct Follower {
    shown: watch::Receiver<Shown>,
    _task: Arc<Task>,
}

/// Ends with the last of its followers.
struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[derive(Debug, Default)]
struct Shown {
    log: Log,
    cursor: Option<String>,
    /// Where its events ended, as they were cut for this follower.
    boundaries: Vec<u64>,
    /// The first thing that should not have been said.
    wrong: Option<String>,
}

impl Follower {
    pub fn by_sse(client: &Client, conversation: &str) -> Self {
        Self::sse(client, conversation, Shown::default())
    }

    /// Somebody who comes back with this cursor.
    pub fn by_sse_after(client: &Client, conversation: &str, cursor: &str) -> Self {
        Self::sse(client, conversation, Shown::after(cursor))
    }

    fn sse(client: &Client, conversation: &str, shown: Shown) -> Self {
        let (sender, shown) = watch::channel(shown);
        let (client, conversation) = (client.clone(), conversation.to_owned());
        let task = tokio::spawn(async move {
            loop {
                listen(&client, &conversation, &sender).await;
                if sender.borrow().wrong.is_some() {
                    return;
                }
                tokio::time::sleep(AGAIN).await;
            }
        });
        Self { shown, _task: Arc::new(Task(task.abort_handle())) }
    }

    /// One follower for each conversation, all over one connection.
    pub fn by_socket(client: &Client, conversations: &[String]) -> Vec<Self> {
        Self::socket(client, conversations, Shown::default)
    }

    /// Somebody who comes back with this cursor.
    pub fn by_socket_after(client: &Client, conversation: &str, cursor: &str) -> Self {
        let only = [conversation.to_owned()];
        Self::socket(client, &only, || Shown::after(cursor)).remove(0)
    }

    fn socket(client: &Client, conversations: &[String], shown: impl Fn() -> Shown) -> Vec<Self> {
        let channels = conversations.iter().map(|_| watch::channel(shown()));
        let (senders, receivers): (Vec<_>, Vec<_>) = channels.unzip();
        let (client, conversations) = (client.clone(), conversations.to_vec());
        let task = tokio::spawn(async move {
            while senders.iter().all(|sender| sender.borrow().wrong.is_none()) {
                listen_to_all(&client, &conversations, &senders).await;
                tokio::time::sleep(AGAIN).await;
            }
        });
        let task = Arc::new(Task(task.abort_handle()));
        receivers.into_iter().map(|shown| Self { shown, _task: task.clone() }).collect()
    }

    /// What was shown so far.
    pub fn log(&self) -> Log {
        let shown = self.shown.borrow();
        assert_eq!(shown.wrong, None);
        shown.log.clone()
    }

    pub fn end(&self) -> u64 {
        self.shown.borrow().log.end
    }

    pub fn cursor(&self) -> Option<String> {
        self.shown.borrow().cursor.clone()
    }

    /// Where the events ended that it was shown.
    pub fn boundaries(&self) -> Vec<u64> {
        self.shown.borrow().boundaries.clone()
    }

    /// Waits until what was shown is enough.
    pub async fn sees(&self, what: &str, enough: impl Fn(&Log) -> bool) {
        let mut shown = self.shown.clone();
        let seen = shown.wait_for(|shown| shown.wrong.is_some() || enough(&shown.log));
        let wrong = match within(what, seen).await {
            Ok(shown) => shown.wrong.clone(),
            Err(_) => Some("the follower is gone".to_owned()),
        };
        assert_eq!(wrong, None, "while waiting for {what}");
    }

    /// Waits until it was shown at least so many bytes of a text that an answer begins with.
    pub async fn sees_text(&self, text: &str, bytes: usize) {
        let start = &text[..text.floor_char_boundary(bytes)];
        self.sees("the beginning of an answer", |log| log.has_text(start)).await;
    }

    pub async fn sees_the_end_of(&self, turn_id: &str) {
        self.sees("a turn to end", |log| log.turn_has_ended(turn_id)).await;
    }
}

/// Until the connection is lost, or something is wrong.
async fn listen(client: &Client, conversation: &str, shown: &watch::Sender<Shown>) {
    let after = shown.borrow().cursor.as_ref().map(|cursor| format!("?after={cursor}")).unwrap_or_default();
    let path = format!("/v1/conversations/{conversation}/events{after}");
    let Ok(response) = client.request(reqwest::Method::GET, &path).send().await else { return };
    match response.status().as_u16() {
        200 => {}
        503 => return,
        status => return shown.send_modify(|shown| shown.complain(format!("GET {path}: {status}"))),
    }
    let mut sse = Sse::new(response);
    while let Ok(heard) = sse.next().await {
        shown.send_modify(|shown| shown.take_in(heard));
    }
}

async fn listen_to_all(client: &Client, conversations: &[String], shown: &[watch::Sender<Shown>]) {
    let Some(mut socket) = client.try_socket().await else { return };
    for (index, conversation) in conversations.iter().enumerate() {
        let after = shown[index].borrow().cursor.clone();
        if socket.subscribe(index, conversation, after.as_deref()).await.is_err() {
            return;
        }
    }
    while let Ok((index, heard)) = socket.next().await {
        shown[index].send_modify(|shown| shown.take_in(heard));
    }
}

impl Shown {
    fn after(cursor: &str) -> Self {
        Self { log: Log::starting_at(position(cursor)), cursor: Some(cursor.to_owned()), ..Self::default() }
    }

    fn take_in(&mut self, heard: Heard) {
        match heard {
            Heard::Event { cursor, event } => match self.log.push(&event) {
                Ok(()) => {
                    self.cursor = Some(cursor);
                    self.boundaries.push(self.log.end);
                }
                Err(wrong) => self.complain(wrong),
            },
            Heard::CaughtUp { .. } => {}
            Heard::Problem(problem) if problem["status"] == 503 => {}
            Heard::Resync(other) | Heard::Problem(other) => self.complain(other.to_string()),
        }
    }

    fn complain(&mut self, wrong: String) {
        self.wrong.get_or_insert(wrong);
    }
}
