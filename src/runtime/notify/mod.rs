//! Tells others what happened: follows the feed, writes down what is to be told, and sends it until it is taken.
//!
//! What is written down survives every kill and is sent at least once; who sees the same id twice was told twice.

mod mail;
mod payload;
mod send;
mod slots;
mod target;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinSet;
use tracing::warn;

pub use self::mail::{MailOptions, Mails, Post, Unsendable, is_address};
pub use self::payload::{TEST, test_payload};
pub use self::target::{Refused, Targets};

use self::payload::payload;
use self::send::Sender;
use self::slots::{OF_WEBHOOK, Slots};
use super::Runtime;
use crate::id::WebhookId;
use crate::notify::{Due, Error, Follower, Fresh, Moved, Notices, Patience};
use crate::store::Notifications;

/// Notifications that one read of the feed brings.
const PAGE: usize = 200;
/// What arrives meanwhile shares the next look.
const BREATH: Duration = Duration::from_millis(20);
/// After a failure of the disk, or where nothing says that there is something to do.
const LOOKS_AGAIN: Duration = Duration::from_secs(30);
/// Deliveries that ended are listed for so long.
const KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How webhooks are told.
#[derive(Debug, Clone)]
pub struct Options {
    pub targets: Targets,
    pub patience: Patience,
    /// Of the page, for links.
    pub public_url: Option<String>,
}

#[derive(Clone)]
pub struct Webhooks {
    runtime: Runtime,
    notices: Notices,
    options: Arc<Options>,
    sender: Sender,
    slots: Arc<Mutex<Slots>>,
}

impl Webhooks {
    pub fn new(runtime: Runtime, notices: Notices, options: Options) -> Self {
        let sender = Sender::new(options.targets.clone());
        Self { runtime, notices, options: Arc::new(options), sender, slots: Arc::default() }
    }

    pub fn notices(&self) -> &Notices {
        &self.notices
    }

    pub fn targets(&self) -> &Targets {
        &self.options.targets
    }

    /// As long as it is polled.
    pub async fn run(&self) {
        tokio::join!(self.follow(), self.deliver());
    }

    /// Reads the feed for every webhook, and writes down what is to be delivered.
    async fn follow(&self) {
        let (mut feed, mut changed) = (self.runtime.store().feed_changes(), self.notices.changes());
        let mut read = HashMap::new();
        loop {
            feed.mark_unchanged();
            changed.mark_unchanged();
            if let Err(error) = self.catch_up(&mut read).await {
                warn!(%error, "webhooks are not told for now");
                tokio::time::sleep(LOOKS_AGAIN).await;
                continue;
            }
            tokio::select! {
                Ok(()) = feed.changed() => {}
                Ok(()) = changed.changed() => {}
                () = tokio::time::sleep(LOOKS_AGAIN) => {}
            }
            tokio::time::sleep(BREATH).await;
        }
    }

    /// `read` is how far the feed was read without anything to write down. A webhook that is enabled again goes on
    /// further along.
    async fn catch_up(&self, read: &mut HashMap<WebhookId, u64>) -> Result<(), Failure> {
        let notices = self.notices.clone();
        let followers = self.runtime.aside(move || notices.followers()).await?;
        read.retain(|id, _| followers.iter().any(|follower| follower.id == *id));
        for follower in followers {
            let after = read.get(&follower.id).map_or(follower.cursor, |read| follower.cursor.max(*read));
            read.insert(follower.id, self.catch_up_one(&follower, after).await?);
        }
        Ok(())
    }

    /// Returns how far the feed was read.
    async fn catch_up_one(&self, follower: &Follower, mut after: u64) -> Result<u64, Failure> {
        let mut from = follower.cursor;
        loop {
            let read = self.runtime.store().notifications(follower.workspace_id, after, PAGE).await?;
            let Notifications { items, through, more } = read;
            let wanted = items.iter().filter(|item| follower.wants(&item.kind, &item.agent));
            let fresh: Vec<Fresh> = wanted
                .map(|item| Fresh {
                    position: Some(item.position),
                    kind: item.kind.clone(),
                    payload: payload(item, self.options.public_url.as_deref()),
                })
                .collect();
            // The feed moves all the time; a position alone is not worth a write.
            if !fresh.is_empty() || more || through < after {
                let (notices, now, id) = (self.notices.clone(), self.runtime.clock().now(), follower.id);
                let moved = Some(Moved { from, to: through });
                if !self.runtime.aside(move || notices.add_deliveries(id, &fresh, moved, now)).await? {
                    return Ok(after);
                }
                from = through;
            }
            if !more {
                return Ok(through);
            }
            after = through;
        }
    }

    /// Sends what is due.
    async fn deliver(&self) {
        let mut changed = self.notices.changes();
        let mut on_their_way = JoinSet::new();
        loop {
            changed.mark_unchanged();
            let pause = match self.start_due(&mut on_their_way).await {
                Ok(pause) => pause,
                Err(error) => {
                    warn!(%error, "webhooks are not told for now");
                    LOOKS_AGAIN
                }
            };
            tokio::select! {
                Ok(()) = changed.changed() => {}
                Some(_) = on_their_way.join_next(), if !on_their_way.is_empty() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// For how long nothing else is due.
    async fn start_due(&self, on_their_way: &mut JoinSet<()>) -> Result<Duration, Error> {
        let (notices, now) = (self.notices.clone(), self.runtime.clock().now());
        let due = self.runtime.aside(move || {
            notices.forget_deliveries(now.minus(KEPT))?;
            Ok::<_, Error>((notices.due(now, OF_WEBHOOK)?, notices.next_due(now)?))
        });
        let (due, next) = due.await?;
        for due in self.slots.lock().take(due) {
            let webhooks = self.clone();
            on_their_way.spawn(async move { webhooks.send(due).await });
        }
        Ok(next.map_or(LOOKS_AGAIN, |next| next.since(now).min(LOOKS_AGAIN)))
    }

    async fn send(&self, due: Due) {
        let id = due.id;
        let attempt = self.sender.send(&due, self.runtime.clock().now()).await;
        fail::fail_point!("runtime::webhook_sent");
        let (notices, patience) = (self.notices.clone(), self.options.patience.clone());
        let (jitter, now) = (rand::random(), self.runtime.clock().now());
        let recorded =
            self.runtime.aside(move || notices.record(&due, &attempt, &patience, jitter, now)).await;
        if let Err(error) = recorded {
            warn!(%error, "what came of a delivery could not be written down; it is sent again");
            tokio::time::sleep(LOOKS_AGAIN).await;
        }
        self.slots.lock().free(id);
    }
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Notices(#[from] Error),
    #[error(transparent)]
    Store(#[from] crate::store::Error),
    #[error(transparent)]
    Directory(#[from] crate::auth::Error),
}

impl Follower {
    fn wants(&self, kind: &str, agent: &str) -> bool {
        self.events.iter().any(|topic| topic.as_str() == kind)
            && self.agents.as_ref().is_none_or(|agents| agents.iter().any(|wanted| wanted == agent))
    }
}
