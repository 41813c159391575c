//! Webhooks: addresses that the admins of a workspace want to be told at.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, named_params};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Error, Notices, Secret, row};
use crate::clock::Timestamp;
use crate::id::{UserId, WebhookId, WorkspaceId};

/// Of one workspace.
const MOST: usize = 50;

/// After a rotation the old secret signs for so long beside the new one.
const OVERLAP: Duration = Duration::from_secs(24 * 60 * 60);

/// What a webhook may be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum Topic {
    #[serde(rename = "approval.requested")]
    ApprovalRequested,
    #[serde(rename = "approval.decided")]
    ApprovalDecided,
    #[serde(rename = "approval.closed")]
    ApprovalClosed,
    #[serde(rename = "turn.finished")]
    TurnFinished,
}

impl Topic {
    pub const ALL: [Self; 4] =
        [Self::ApprovalRequested, Self::ApprovalDecided, Self::ApprovalClosed, Self::TurnFinished];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApprovalRequested => "approval.requested",
            Self::ApprovalDecided => "approval.decided",
            Self::ApprovalClosed => "approval.closed",
            Self::TurnFinished => "turn.finished",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Webhook {
    pub id: WebhookId,
    pub url: String,
    pub description: Option<String>,
    pub events: Vec<Topic>,
    /// `null`: of all agents.
    pub agents: Option<Vec<String>>,
    pub enabled: bool,
    /// Why the server itself disabled it.
    pub disabled_reason: Option<String>,
    /// Since when every attempt failed.
    pub failing_since: Option<Timestamp>,
    pub created_by: UserId,
    pub created_at: Timestamp,
}

pub struct NewWebhook {
    pub workspace_id: WorkspaceId,
    pub url: String,
    pub description: Option<String>,
    pub events: Vec<Topic>,
    pub agents: Option<Vec<String>>,
    pub enabled: bool,
    pub created_by: UserId,
    /// It is told of what comes behind this position of the feed.
    pub cursor: u64,
}

/// What is absent stays as it is.
#[derive(Debug, Default)]
pub struct Changes {
    pub url: Option<String>,
    pub description: Option<Option<String>>,
    pub events: Option<Vec<Topic>>,
    pub agents: Option<Option<Vec<String>>>,
    pub enabled: Option<bool>,
}

/// An enabled webhook, and how far it was told.
#[derive(Debug, Clone)]
pub struct Follower {
    pub id: WebhookId,
    pub workspace_id: WorkspaceId,
    pub events: Vec<Topic>,
    pub agents: Option<Vec<String>>,
    pub cursor: u64,
}

macro_rules! columns {
    () => {
        "SELECT id, workspace_id, url, description, events, agents, enabled, disabled_reason, failing_since, cursor,
                created_by, created_at
         FROM webhooks"
    };
}

const ADD: &str = "
    INSERT INTO webhooks
        (id, workspace_id, url, description, events, agents, enabled, secret, cursor, created_by, created_at)
    VALUES
        (:id, :workspace_id, :url, :description, :events, :agents, :enabled, :secret, :cursor, :created_by, :now)";
const COUNT: &str = "SELECT count(*) FROM webhooks WHERE workspace_id = :workspace_id";
const LIST: &str = concat!(columns!(), " WHERE workspace_id = :workspace_id ORDER BY id");
const ONE: &str = concat!(columns!(), " WHERE workspace_id = :workspace_id AND id = :id");
const ENABLED: &str = concat!(columns!(), " WHERE enabled = 1");
const CHANGE: &str = "
    UPDATE webhooks
    SET url = :url, description = :description, events = :events, agents = :agents, enabled = :enabled,
        disabled_reason = :disabled_reason, failing_since = :failing_since, cursor = :cursor
    WHERE id = :id";
const ROTATE: &str = "
    UPDATE webhooks SET old_secret = secret, old_secret_until = :until, secret = :secret
    WHERE workspace_id = :workspace_id AND id = :id";
const REMOVE: &str = "DELETE FROM webhooks WHERE workspace_id = :workspace_id AND id = :id";
const REMOVE_DELIVERIES: &str = "DELETE FROM deliveries WHERE webhook_id = :id";

impl Notices {
    /// Its secret is shown here and never again.
    pub fn add_webhook(&self, new: NewWebhook, now: Timestamp) -> Result<(Webhook, Secret), Error> {
        let (id, secret) = (WebhookId::new(), Secret::random());
        let mut db = self.0.db.lock();
        let tx = db.transaction()?;
        let workspace_id = new.workspace_id.to_string();
        let count: i64 =
            tx.query_row(COUNT, named_params! {":workspace_id": workspace_id}, |row| row.get(0))?;
        if count >= MOST as i64 {
            return Err(Error::TooMany { most: MOST });
        }
        tx.execute(
            ADD,
            named_params! {
                ":id": id.to_string(),
                ":workspace_id": workspace_id,
                ":url": new.url,
                ":description": new.description,
                ":events": json(&new.events),
                ":agents": new.agents.as_ref().map(json),
                ":enabled": new.enabled,
                ":secret": secret.expose(),
                ":cursor": new.cursor.cast_signed(),
                ":created_by": new.created_by.to_string(),
                ":now": now.millis(),
            },
        )?;
        tx.commit()?;
        let made = find(&db, new.workspace_id, id)?.expect("it was just made").0;
        drop(db);
        self.announce();
        Ok((made, secret))
    }

    pub fn webhooks(&self, workspace_id: WorkspaceId) -> Result<Vec<Webhook>, Error> {
        let db = self.0.db.lock();
        let mut statement = db.prepare_cached(LIST)?;
        let found =
            statement.query_map(named_params! {":workspace_id": workspace_id.to_string()}, from_row)?;
        found.map(|webhook| Ok(webhook?.0)).collect()
    }

    pub fn webhook(&self, workspace_id: WorkspaceId, id: WebhookId) -> Result<Option<Webhook>, Error> {
        Ok(find(&self.0.db.lock(), workspace_id, id)?.map(|(webhook, _)| webhook))
    }

    /// `feed` is where the feed ends: what happened while it was disabled is not told afterwards.
    pub fn change_webhook(
        &self,
        workspace_id: WorkspaceId,
        id: WebhookId,
        changes: Changes,
        feed: u64,
    ) -> Result<Option<Webhook>, Error> {
        let db = self.0.db.lock();
        let Some((mut webhook, follower)) = find(&db, workspace_id, id)? else { return Ok(None) };
        let was_enabled = webhook.enabled;
        webhook.url = changes.url.unwrap_or(webhook.url);
        webhook.description = changes.description.unwrap_or(webhook.description);
        webhook.events = changes.events.unwrap_or(webhook.events);
        webhook.agents = changes.agents.unwrap_or(webhook.agents);
        webhook.enabled = changes.enabled.unwrap_or(webhook.enabled);
        if webhook.enabled && !was_enabled {
            (webhook.disabled_reason, webhook.failing_since) = (None, None);
        }
        let cursor = if webhook.enabled && !was_enabled { feed } else { follower.cursor };
        db.execute(
            CHANGE,
            named_params! {
                ":id": id.to_string(),
                ":url": webhook.url,
                ":description": webhook.description,
                ":events": json(&webhook.events),
                ":agents": webhook.agents.as_ref().map(json),
                ":enabled": webhook.enabled,
                ":disabled_reason": webhook.disabled_reason,
                ":failing_since": webhook.failing_since.map(Timestamp::millis),
                ":cursor": cursor.cast_signed(),
            },
        )?;
        drop(db);
        self.announce();
        Ok(Some(webhook))
    }

    /// A new secret; the old one signs beside it for a day.
    pub fn rotate_secret(
        &self,
        workspace_id: WorkspaceId,
        id: WebhookId,
        now: Timestamp,
    ) -> Result<Option<Secret>, Error> {
        let secret = Secret::random();
        let changed = self.0.db.lock().execute(
            ROTATE,
            named_params! {
                ":workspace_id": workspace_id.to_string(), ":id": id.to_string(), ":secret": secret.expose(),
                ":until": now.plus(OVERLAP).millis(),
            },
        )?;
        Ok((changed > 0).then_some(secret))
    }

    /// With what was still to be delivered. Whether there was one.
    pub fn remove_webhook(&self, workspace_id: WorkspaceId, id: WebhookId) -> Result<bool, Error> {
        let mut db = self.0.db.lock();
        let tx = db.transaction()?;
        let there = named_params! {":workspace_id": workspace_id.to_string(), ":id": id.to_string()};
        let removed = tx.execute(REMOVE, there)? > 0;
        if removed {
            tx.execute(REMOVE_DELIVERIES, named_params! {":id": id.to_string()})?;
        }
        tx.commit()?;
        Ok(removed)
    }

    /// Those that are told of what comes.
    pub fn followers(&self) -> Result<Vec<Follower>, Error> {
        let db = self.0.db.lock();
        let mut statement = db.prepare_cached(ENABLED)?;
        statement.query_map([], from_row)?.map(|webhook| Ok(webhook?.1)).collect()
    }
}

fn find(
    db: &Connection,
    workspace_id: WorkspaceId,
    id: WebhookId,
) -> Result<Option<(Webhook, Follower)>, rusqlite::Error> {
    let there = named_params! {":workspace_id": workspace_id.to_string(), ":id": id.to_string()};
    db.prepare_cached(ONE)?.query_row(there, from_row).optional()
}

fn from_row(row: &Row<'_>) -> Result<(Webhook, Follower), rusqlite::Error> {
    let webhook = Webhook {
        id: row::id(row, "id")?,
        url: row.get("url")?,
        description: row.get("description")?,
        events: row::json(row, "events")?,
        agents: row::opt_json(row, "agents")?,
        enabled: row.get("enabled")?,
        disabled_reason: row.get("disabled_reason")?,
        failing_since: row::opt_at(row, "failing_since")?,
        created_by: row::id(row, "created_by")?,
        created_at: row::at(row, "created_at")?,
    };
    let follower = Follower {
        id: webhook.id,
        workspace_id: row::id(row, "workspace_id")?,
        events: webhook.events.clone(),
        agents: webhook.agents.clone(),
        cursor: row.get::<_, i64>("cursor")?.unsigned_abs(),
    };
    Ok((webhook, follower))
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("words and names serialise")
}
