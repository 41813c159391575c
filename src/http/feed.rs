//! The feed as it is followed: notifications across conversations, by the caller's present rights.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use super::problem::{Error, Kind, Result};
use crate::chat::event::Epoch;
use crate::scope::Scope;
use crate::store::{FeedItem, FeedPage, Store};

/// Notifications that are read at once.
const PAGE: usize = 200;

/// Commits come by the hundred: the feed is read no more often than this.
const BREATH: Duration = Duration::from_millis(50);

pub struct Feed {
    store: Store,
    scope: Scope,
    changes: watch::Receiver<u64>,
    position: u64,
    read_at: Instant,
    progress: Progress,
    /// There may be more than was read.
    dirty: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Replaying,
    /// All was read; the follower is to be told so.
    AtEnd,
    Live,
}

#[derive(Debug)]
pub enum FeedNext {
    Items(Vec<FeedFrame>),
    CaughtUp(String),
    /// What came after the cursor is partly gone.
    Resync(Value),
}

/// One notification, ready to be encoded.
#[derive(Debug)]
pub struct FeedFrame {
    pub cursor: String,
    pub kind: String,
    /// A JSON object.
    pub json: String,
}

impl FeedFrame {
    fn of(epoch: Epoch, item: FeedItem) -> Self {
        let FeedItem { position, conversation_id, at, kind, body } = item;
        let rest = body.trim_start_matches('{');
        let comma = if rest.trim_start().starts_with('}') { "" } else { "," };
        let json = format!(
            "{{\"type\":\"{kind}\",\"conversation_id\":\"{conversation_id}\",\"at\":\"{at}\"{comma}{rest}"
        );
        Self { cursor: cursor(epoch, position), kind, json }
    }

    pub fn sse(&self) -> String {
        format!("id: {}\nevent: {}\ndata: {}\n\n", self.cursor, self.kind, self.json)
    }
}

/// Opaque to clients.
pub fn cursor(epoch: Epoch, position: u64) -> String {
    format!("f{epoch}.{position}")
}

fn position_of(text: &str, epoch: Epoch) -> Result<Option<u64>> {
    let invalid = || Error::new(Kind::InvalidCursor, "that is not a cursor of the feed");
    let log: crate::chat::event::Cursor =
        text.strip_prefix('f').ok_or_else(invalid)?.parse().map_err(|_| invalid())?;
    Ok((log.epoch == epoch).then_some(log.seq.0))
}

impl Feed {
    /// From a cursor; without one, or from `now`, live only. `0` is the oldest that is kept.
    pub async fn new(store: &Store, scope: &Scope, after: Option<&str>) -> Result<Self> {
        let changes = store.feed_changes();
        let position = match after {
            None | Some("now" | "") => store.feed_position().await?,
            Some("0") => 0,
            // Of another history: past every end, so that the store says resync.
            Some(text) => position_of(text, store.epoch())?.unwrap_or(i64::MAX.unsigned_abs()),
        };
        let (store, scope) = (store.clone(), scope.clone());
        let (read_at, progress) = (Instant::now(), Progress::Replaying);
        Ok(Self { store, scope, changes, position, read_at, progress, dirty: true })
    }

    /// Cancel-safe.
    pub async fn next(&mut self) -> Result<FeedNext> {
        loop {
            if self.progress == Progress::AtEnd {
                self.progress = Progress::Live;
                return Ok(FeedNext::CaughtUp(cursor(self.store.epoch(), self.position)));
            }
            if !self.dirty {
                self.changes.changed().await.map_err(|_| crate::store::Error::Closed)?;
                self.dirty = true;
            }
            if self.progress == Progress::Live {
                tokio::time::sleep_until(self.read_at + BREATH).await;
            }
            if let Some(next) = self.read().await? {
                return Ok(next);
            }
        }
    }

    async fn read(&mut self) -> Result<Option<FeedNext>> {
        let page = self.store.feed(&self.scope, self.position, PAGE).await?;
        self.read_at = Instant::now();
        let epoch = self.store.epoch();
        match page {
            FeedPage::Resync { position } => {
                let cursor = cursor(epoch, position);
                let reason = "what came after the cursor is no longer kept";
                let resync = json!({"reason": reason, "snapshot_url": "/v1/conversations", "cursor": cursor});
                Ok(Some(FeedNext::Resync(resync)))
            }
            FeedPage::Items { items, through, more } => {
                self.position = through;
                self.dirty = more;
                if !more && self.progress == Progress::Replaying {
                    self.progress = Progress::AtEnd;
                }
                let frames: Vec<_> = items.into_iter().map(|item| FeedFrame::of(epoch, item)).collect();
                Ok((!frames.is_empty()).then_some(FeedNext::Items(frames)))
            }
        }
    }
}
