//! What a conversation looks like at one position: the tables, and the text that is still streaming.

use std::future::Future;
use std::time::Duration;

use super::live::OpenSnapshot;
use super::{Error, Runtime};
use crate::chat::event::{Cursor, Seq};
use crate::chat::message::{Message, MessageStatus};
use crate::id::{ConversationId, MessageId};
use crate::scope::Scope;
use crate::store;

/// A commit that a reader already sees is published within this, unless the server is in trouble.
const PUBLISHED_WITHIN: Duration = Duration::from_secs(5);

/// Something read in one transaction, with the cursor to follow from: it holds exactly what is before it.
#[derive(Debug, Clone)]
pub struct At<T> {
    pub value: T,
    pub cursor: Cursor,
}

impl Runtime {
    /// A conversation and its unfinished turns; `None` where the scope does not see it.
    pub async fn conversation(
        &self,
        scope: &Scope,
        id: ConversationId,
    ) -> Result<Option<At<store::Snapshot>>, Error> {
        let read = || self.store().snapshot(scope, id);
        let found = self.read_at(id, read, |snapshot| snapshot.position).await?;
        Ok(found.map(|(value, open)| self.at(value.position, open.as_ref(), value)))
    }

    /// The page of the path to `head` that ends before `before`, newest first. A streaming message holds what is
    /// durable up to the cursor.
    pub async fn messages(
        &self,
        scope: &Scope,
        id: ConversationId,
        head: Option<MessageId>,
        before: Option<MessageId>,
        limit: usize,
    ) -> Result<Option<At<store::Path>>, Error> {
        let read = || self.store().path(scope, id, head, before, limit);
        let found = self.read_at(id, read, |path| path.position).await?;
        Ok(found.map(|(mut path, open)| {
            if let Some(open) = &open {
                for found in &mut path.messages {
                    found.seq = open.fill(&mut found.message).unwrap_or(found.seq);
                }
            }
            self.at(path.position, open.as_ref(), path)
        }))
    }

    fn at<T>(&self, position: Seq, open: Option<&OpenSnapshot>, value: T) -> At<T> {
        At { value, cursor: self.cursor(open.map_or(position, |open| open.end)) }
    }

    /// Reads until memory and the store agree on the last structural event, so that the open text of the one fits
    /// the tables of the other. Without anything in memory there is no open text.
    async fn read_at<T, F>(
        &self,
        id: ConversationId,
        read: impl Fn() -> F,
        position: impl Fn(&T) -> Seq,
    ) -> Result<Option<(T, Option<OpenSnapshot>)>, Error>
    where
        F: Future<Output = Result<Option<T>, store::Error>>,
    {
        let live = self.live(id);
        let mut changed = live.watch();
        loop {
            changed.borrow_and_update();
            let Some(value) = read().await? else { return Ok(None) };
            let Some(open) = live.open_snapshot() else { return Ok(Some((value, None))) };
            match position(&value).cmp(&open.structural) {
                std::cmp::Ordering::Equal => return Ok(Some((value, Some(open)))),
                // More was committed since; read again.
                std::cmp::Ordering::Less => {}
                // Committed, and shown in a moment.
                std::cmp::Ordering::Greater => {
                    let published = tokio::time::timeout(PUBLISHED_WITHIN, changed.changed()).await;
                    if published.is_err() {
                        return Err(Error::Unavailable);
                    }
                }
            }
        }
    }
}

impl OpenSnapshot {
    /// Puts the durable text into a message that is streaming; returns the position that it reaches to.
    fn fill(&self, message: &mut Message) -> Option<Seq> {
        if message.status != MessageStatus::Streaming {
            return None;
        }
        message.parts = self.open.get(message.id)?.parts();
        Some(self.end)
    }
}
