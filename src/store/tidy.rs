//! Forgetting, off the gate: deleted conversations, old notifications, old answers kept for retries.

use std::time::Duration;

use rusqlite::{OptionalExtension, named_params};
use tokio::sync::oneshot;

use crate::clock::Timestamp;
use crate::id::{ConversationId, MessageId};
use crate::store::Store;
use crate::store::error::Error;
use crate::store::record::{Lane, Record};
use crate::store::writer::queue::Work;

/// How long the feed, and answers that belong to no turn, are kept.
const KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

const UNPURGED: &str = "
    SELECT id FROM conversations WHERE deleted_at IS NOT NULL AND purged = 0 ORDER BY deleted_at LIMIT 1";

const UNERASED: &str = "
    SELECT conversation_id, message_id FROM deleted_branches WHERE erased = 0 LIMIT 1";

/// Messages of a deleted branch in one slice.
const ERASED_AT_ONCE: usize = 8;

const OLD: &str = "
    SELECT coalesce((SELECT at FROM feed ORDER BY position LIMIT 1) < :before, 0)
        OR EXISTS (SELECT 1 FROM idempotency_keys WHERE turn_id IS NULL AND at < :before)";

impl Store {
    /// Removes what is no longer kept, in small slices of the bulk lane, and returns once nothing is left to do.
    pub async fn tidy(&self, now: Timestamp) -> Result<(), Error> {
        while let Some(conversation_id) = self.unpurged().await? {
            self.upkeep(Record::Purge { conversation_id }).await?;
        }
        while let Some((conversation_id, root)) = self.unerased().await? {
            self.erase_branch(conversation_id, root).await?;
        }
        let before = Timestamp::from_millis(now.millis().saturating_sub(KEPT.as_millis() as i64));
        while self.has_older(before).await? {
            self.upkeep(Record::Expire { before }).await?;
        }
        Ok(())
    }

    /// Erases what a deleted branch leaves behind; what forks need of it stays.
    pub async fn erase_branch(&self, conversation_id: ConversationId, root: MessageId) -> Result<(), Error> {
        for messages in self.below(conversation_id, root).await?.chunks(ERASED_AT_ONCE) {
            fail::fail_point!("store::before_erasing");
            let message_ids = messages.to_vec();
            self.upkeep(Record::Erase { conversation_id, message_ids }).await?;
        }
        fail::fail_point!("store::before_erased");
        self.upkeep(Record::Erased { conversation_id, message_id: root }).await
    }

    /// Takes the streamed text of what was deleted out of the journal and the WAL, also while something streams.
    pub async fn forget_streamed(&self) -> Result<(), Error> {
        let (asked, answer) = oneshot::channel();
        self.inner.shared.keeper.ask(asked);
        answer.await.map_err(|_| Error::Closed)?
    }

    async fn upkeep(&self, record: Record) -> Result<(), Error> {
        self.ask(Lane::Bulk, Work::Upkeep(vec![record])).await
    }

    async fn unerased(&self) -> Result<Option<(ConversationId, MessageId)>, Error> {
        self.read(|tx| {
            let ids: Option<([u8; 16], [u8; 16])> = tx
                .prepare_cached(UNERASED)?
                .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            Ok(ids.map(|(id, root)| (ConversationId::from_bytes(id), MessageId::from_bytes(root))))
        })
        .await
    }

    async fn unpurged(&self) -> Result<Option<ConversationId>, Error> {
        self.read(|tx| {
            let id: Option<[u8; 16]> =
                tx.prepare_cached(UNPURGED)?.query_row([], |row| row.get(0)).optional()?;
            Ok(id.map(ConversationId::from_bytes))
        })
        .await
    }

    async fn has_older(&self, before: Timestamp) -> Result<bool, Error> {
        self.read(move |tx| {
            Ok(tx
                .prepare_cached(OLD)?
                .query_row(named_params! {":before": before.millis()}, |row| row.get(0))?)
        })
        .await
    }
}
