//! Deliveries: one notification for one webhook each, tried until it is taken or nobody believes in it any more.

use std::time::Duration;

use rusqlite::{OptionalExtension, Row, named_params};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{Error, Notices, Secret, row};
use crate::clock::Timestamp;
use crate::id::{DeliveryId, WebhookId, WorkspaceId};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    Pending,
    Delivered,
    /// Nobody tries any more, unless somebody asks for it again.
    Dead,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Delivery {
    /// Also the `webhook-id` of each attempt.
    pub id: DeliveryId,
    pub webhook_id: WebhookId,
    /// `approval.requested` and so on; `webhook.test`.
    pub r#type: String,
    pub state: DeliveryState,
    pub attempts: u32,
    /// When it is tried next.
    pub next_at: Option<Timestamp>,
    /// Of the last answer.
    pub status: Option<u16>,
    /// The beginning of the last answer.
    pub answer: Option<String>,
    /// Why there was none.
    pub error: Option<String>,
    #[schema(value_type = Object)]
    pub payload: Box<RawValue>,
    pub created_at: Timestamp,
    pub ended_at: Option<Timestamp>,
}

/// A notification that is to be delivered.
#[derive(Debug, Clone)]
pub struct Fresh {
    /// In the feed.
    pub position: Option<u64>,
    pub kind: String,
    pub payload: String,
}

/// How far the feed was read for a webhook, and from where it was told to.
#[derive(Debug, Clone, Copy)]
pub struct Moved {
    pub from: u64,
    pub to: u64,
}

/// What is to be sent now.
#[derive(Debug, Clone)]
pub struct Due {
    pub id: DeliveryId,
    pub workspace_id: WorkspaceId,
    pub webhook_id: WebhookId,
    pub url: String,
    pub secrets: Vec<Secret>,
    pub payload: String,
    /// How many there were before.
    pub attempts: u32,
}

/// What one attempt came to.
#[derive(Debug, Clone, Default)]
pub struct Attempt {
    pub status: Option<u16>,
    pub answer: Option<String>,
    pub error: Option<String>,
    /// What the receiver asks to wait.
    pub retry_after: Option<Duration>,
}

/// When it is tried again, and how long a webhook may fail.
#[derive(Debug, Clone)]
pub struct Patience {
    pub retry: Vec<Duration>,
    pub disable_after: Duration,
}

impl Attempt {
    fn is_taken(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }

    /// The receiver wants nothing any more (410).
    fn is_gone(&self) -> bool {
        self.status == Some(410)
    }
}

macro_rules! columns {
    () => {
        "SELECT d.id, d.webhook_id, d.kind, d.payload, d.state, d.attempts, d.next_at, d.status, d.answer, d.error,
                d.created_at, d.ended_at
         FROM deliveries d JOIN webhooks w ON w.id = d.webhook_id
         WHERE w.workspace_id = :workspace_id AND d.webhook_id = :webhook_id"
    };
}

const ADD: &str = "
    INSERT INTO deliveries (id, webhook_id, position, kind, payload, state, attempts, next_at, created_at)
    VALUES (:id, :webhook_id, :position, :kind, :payload, 'pending', 0, :now, :now)
    ON CONFLICT (webhook_id, position) WHERE position IS NOT NULL DO NOTHING";
/// A feed that ends earlier gives its positions again: those after its end are no longer what was told.
const FORGET_POSITIONS: &str =
    "UPDATE deliveries SET position = NULL WHERE webhook_id = :id AND position > :cursor";
const MOVE_CURSOR: &str =
    "UPDATE webhooks SET cursor = :cursor WHERE id = :id AND cursor = :from AND enabled = 1";
const LIST: &str = concat!(
    columns!(),
    " AND (:state IS NULL OR d.state = :state) AND (:before IS NULL OR d.id < :before) ORDER BY d.id DESC LIMIT :limit"
);
const ONE: &str = concat!(columns!(), " AND d.id = :id");
const AGAIN: &str = "
    UPDATE deliveries SET state = 'pending', attempts = 0, next_at = :now, ended_at = NULL
    WHERE id = :id AND webhook_id = :webhook_id";
const DUE: &str = "
    SELECT id, workspace_id, webhook_id, payload, attempts, url, secret, old_secret, old_secret_until FROM (
        SELECT d.id, w.workspace_id, d.webhook_id, d.payload, d.attempts, d.next_at, w.url, w.secret,
               w.old_secret, w.old_secret_until,
               row_number() OVER (PARTITION BY d.webhook_id ORDER BY d.next_at, d.id) AS place
        FROM deliveries d JOIN webhooks w ON w.id = d.webhook_id
        WHERE d.state = 'pending' AND w.enabled = 1 AND d.next_at <= :now
    ) WHERE place <= :of_webhook ORDER BY next_at, id";
const NEXT: &str = "
    SELECT min(d.next_at) FROM deliveries d JOIN webhooks w ON w.id = d.webhook_id
    WHERE d.state = 'pending' AND w.enabled = 1 AND d.next_at > :now";
const RECORD: &str = "
    UPDATE deliveries
    SET state = :state, attempts = attempts + 1, next_at = :next_at, status = :status, answer = :answer,
        error = :error, ended_at = :ended_at
    WHERE id = :id AND state = 'pending'";
const WENT_WELL: &str =
    "UPDATE webhooks SET failing_since = NULL WHERE id = :id AND failing_since IS NOT NULL";
const WENT_WRONG: &str = "
    UPDATE webhooks SET failing_since = coalesce(failing_since, :now) WHERE id = :id RETURNING failing_since";
const DISABLE: &str =
    "UPDATE webhooks SET enabled = 0, disabled_reason = :reason WHERE id = :id AND enabled = 1";
const FORGET: &str = "DELETE FROM deliveries WHERE state <> 'pending' AND ended_at < :before";

impl Notices {
    /// Writes down what is to be delivered, and how far the feed was read where it was, in one. Nothing, and `false`,
    /// where the webhook was disabled or moved on meanwhile.
    pub fn add_deliveries(
        &self,
        webhook_id: WebhookId,
        fresh: &[Fresh],
        moved: Option<Moved>,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let mut db = self.0.db.lock();
        let tx = db.transaction()?;
        if let Some(Moved { from, to }) = moved {
            let there = named_params! {
                ":id": webhook_id.to_string(), ":from": from.cast_signed(), ":cursor": to.cast_signed(),
            };
            if tx.prepare_cached(MOVE_CURSOR)?.execute(there)? == 0 {
                return Ok(false);
            }
            tx.prepare_cached(FORGET_POSITIONS)?.execute(named_params! {
                ":id": webhook_id.to_string(), ":cursor": to.cast_signed(),
            })?;
        }
        for Fresh { position, kind, payload } in fresh {
            tx.prepare_cached(ADD)?.execute(named_params! {
                ":id": DeliveryId::new().to_string(), ":webhook_id": webhook_id.to_string(),
                ":position": position.map(u64::cast_signed), ":kind": kind, ":payload": payload,
                ":now": now.millis(),
            })?;
        }
        tx.commit()?;
        drop(db);
        if !fresh.is_empty() {
            self.announce();
        }
        Ok(true)
    }

    /// The newest first.
    pub fn deliveries(
        &self,
        workspace_id: WorkspaceId,
        webhook_id: WebhookId,
        state: Option<DeliveryState>,
        before: Option<DeliveryId>,
        limit: usize,
    ) -> Result<Vec<Delivery>, Error> {
        let db = self.0.db.lock();
        let mut statement = db.prepare_cached(LIST)?;
        let found = statement.query_map(
            named_params! {
                ":workspace_id": workspace_id.to_string(),
                ":webhook_id": webhook_id.to_string(),
                ":state": state.map(DeliveryState::as_str),
                ":before": before.map(|id| id.to_string()),
                ":limit": i64::try_from(limit).unwrap_or(i64::MAX),
            },
            from_row,
        )?;
        Ok(found.collect::<Result<_, _>>()?)
    }

    /// Delivers once more, with the same id, and from the beginning of its patience.
    pub fn redeliver(
        &self,
        workspace_id: WorkspaceId,
        webhook_id: WebhookId,
        id: DeliveryId,
        now: Timestamp,
    ) -> Result<Option<Delivery>, Error> {
        let db = self.0.db.lock();
        let there = || {
            let of = (workspace_id.to_string(), webhook_id.to_string(), id.to_string());
            let mut statement = db.prepare_cached(ONE)?;
            let named = named_params! {":workspace_id": of.0, ":webhook_id": of.1, ":id": of.2};
            statement.query_row(named, from_row).optional()
        };
        if there()?.is_none() {
            return Ok(None);
        }
        db.execute(
            AGAIN,
            named_params! {
                ":id": id.to_string(), ":webhook_id": webhook_id.to_string(), ":now": now.millis(),
            },
        )?;
        let delivery = there()?;
        drop(db);
        self.announce();
        Ok(delivery)
    }

    /// What may be sent now, so many of each webhook; those that are being sent are among them.
    pub fn due(&self, now: Timestamp, of_webhook: usize) -> Result<Vec<Due>, Error> {
        let db = self.0.db.lock();
        let mut statement = db.prepare_cached(DUE)?;
        let of_webhook = i64::try_from(of_webhook).unwrap_or(i64::MAX);
        let due = statement.query_map(
            named_params! {":now": now.millis(), ":of_webhook": of_webhook},
            |found| {
                let old: Option<String> = found.get("old_secret")?;
                let until = row::opt_at(found, "old_secret_until")?;
                let old = old.filter(|_| until.is_some_and(|until| now < until));
                let secrets = [Some(found.get("secret")?), old];
                Ok(Due {
                    id: row::id(found, "id")?,
                    workspace_id: row::id(found, "workspace_id")?,
                    webhook_id: row::id(found, "webhook_id")?,
                    url: found.get("url")?,
                    secrets: secrets.into_iter().flatten().map(Secret::from_stored).collect(),
                    payload: found.get("payload")?,
                    attempts: found.get("attempts")?,
                })
            },
        )?;
        Ok(due.collect::<Result<_, _>>()?)
    }

    /// When something else will be due.
    pub fn next_due(&self, now: Timestamp) -> Result<Option<Timestamp>, Error> {
        let next: Option<i64> =
            self.0.db.lock().query_row(NEXT, named_params! {":now": now.millis()}, |row| row.get(0))?;
        Ok(next.map(Timestamp::from_millis))
    }

    /// Writes down what an attempt came to, and what that means for its webhook. `jitter` is from 0 to 1.
    pub fn record(
        &self,
        due: &Due,
        attempt: &Attempt,
        patience: &Patience,
        jitter: f64,
        now: Timestamp,
    ) -> Result<(), Error> {
        let pause = patience.retry.get(due.attempts as usize);
        let (state, next_at) = match pause {
            _ if attempt.is_taken() => (DeliveryState::Delivered, None),
            _ if attempt.is_gone() => (DeliveryState::Dead, None),
            None => (DeliveryState::Dead, None),
            Some(pause) => {
                let pause = pause.mul_f64(1.0 + jitter / 5.0).max(attempt.retry_after.unwrap_or_default());
                (DeliveryState::Pending, Some(now.plus(pause)))
            }
        };
        let mut db = self.0.db.lock();
        let tx = db.transaction()?;
        tx.execute(
            RECORD,
            named_params! {
                ":id": due.id.to_string(),
                ":state": state.as_str(),
                ":next_at": next_at.map(Timestamp::millis),
                ":status": attempt.status,
                ":answer": attempt.answer,
                ":error": attempt.error,
                ":ended_at": (state != DeliveryState::Pending).then_some(now.millis()),
            },
        )?;
        let webhook = due.webhook_id.to_string();
        if attempt.is_taken() {
            tx.execute(WENT_WELL, named_params! {":id": webhook})?;
        } else {
            let named = named_params! {":id": webhook, ":now": now.millis()};
            let since: Option<i64> = tx.query_row(WENT_WRONG, named, |row| row.get(0)).optional()?;
            let since = since.map_or(now, Timestamp::from_millis);
            let reason = match attempt.is_gone() {
                true => Some("it answered 410, which says that it wants nothing any more".to_owned()),
                false if now.since(since) >= patience.disable_after => {
                    Some(format!("every attempt has failed since {since}"))
                }
                false => None,
            };
            if let Some(reason) = reason {
                tx.execute(DISABLE, named_params! {":id": webhook, ":reason": reason})?;
            }
        }
        tx.commit()?;
        Ok(())
    }

    /// Lets go of deliveries that ended before.
    pub fn forget_deliveries(&self, before: Timestamp) -> Result<(), Error> {
        self.0.db.lock().execute(FORGET, named_params! {":before": before.millis()})?;
        Ok(())
    }
}

impl DeliveryState {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }

    fn parse(text: &str) -> Self {
        match text {
            "pending" => Self::Pending,
            "delivered" => Self::Delivered,
            // The table takes no fourth word.
            _ => Self::Dead,
        }
    }
}

fn from_row(found: &Row<'_>) -> Result<Delivery, rusqlite::Error> {
    Ok(Delivery {
        id: row::id(found, "id")?,
        webhook_id: row::id(found, "webhook_id")?,
        r#type: found.get("kind")?,
        state: DeliveryState::parse(&found.get::<_, String>("state")?),
        attempts: found.get("attempts")?,
        next_at: row::opt_at(found, "next_at")?,
        status: found.get("status")?,
        answer: found.get("answer")?,
        error: found.get("error")?,
        payload: row::json(found, "payload")?,
        created_at: row::at(found, "created_at")?,
        ended_at: row::opt_at(found, "ended_at")?,
    })
}
