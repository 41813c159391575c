//! Mails about approvals: what is to be written to whom, gathered for a while, at most so many an hour.

use std::collections::BTreeMap;
use std::time::Duration;

use rusqlite::{OptionalExtension, named_params};

use super::address::HOUR;
use super::{Error, Notices, row};
use crate::clock::Timestamp;
use crate::id::{ApprovalId, UserId, WorkspaceId};

/// To one user. What comes beyond waits, and is then one mail.
const MAILS_AN_HOUR: i64 = 20;

/// What is to be written to one user now.
#[derive(Debug, Clone)]
pub struct DueMail {
    pub user_id: UserId,
    pub address: String,
    /// Each with its workspace, oldest first.
    pub approvals: Vec<(WorkspaceId, ApprovalId)>,
    /// How often it was tried.
    pub attempts: u32,
}

const CURSOR: &str = "SELECT position FROM mail_cursors WHERE workspace_id = :workspace_id";
const MOVE_CURSOR: &str = "
    INSERT INTO mail_cursors (workspace_id, position) VALUES (:workspace_id, :position)
    ON CONFLICT (workspace_id) DO UPDATE SET position = excluded.position";
const ADD: &str = "
    INSERT INTO mails (user_id, approval_id, workspace_id, attempts, next_at)
    VALUES (:user_id, :approval_id, :workspace_id, 0, :at) ON CONFLICT DO NOTHING";
const DUE: &str = "
    SELECT m.user_id, m.approval_id, m.workspace_id, m.attempts, a.address
    FROM mails m JOIN addresses a ON a.user_id = m.user_id
    WHERE a.confirmed_at IS NOT NULL AND a.enabled = 1
      AND EXISTS (SELECT 1 FROM mails first WHERE first.user_id = m.user_id AND first.next_at <= :now)
      AND (SELECT count(*) FROM sent_mails s
           WHERE s.user_id = m.user_id AND s.kind = 'approvals' AND s.at > :since) < :most
    ORDER BY m.user_id, m.approval_id";
const SENT: &str = "INSERT INTO sent_mails (user_id, at, kind) VALUES (:user_id, :now, 'approvals')";
const DONE: &str = "DELETE FROM mails WHERE user_id = :user_id AND approval_id = :approval_id";
const LATER: &str = "
    UPDATE mails SET attempts = attempts + 1, next_at = :at
    WHERE user_id = :user_id AND approval_id = :approval_id";
const FORGET: &str = "DELETE FROM sent_mails WHERE at <= :before";

impl Notices {
    /// How far the feed of the workspace was read for mails, if it was.
    pub fn mail_cursor(&self, workspace_id: WorkspaceId) -> Result<Option<u64>, Error> {
        let named = named_params! {":workspace_id": workspace_id.to_string()};
        let found: Option<i64> =
            self.0.db.lock().prepare_cached(CURSOR)?.query_row(named, |row| row.get(0)).optional()?;
        Ok(found.map(i64::unsigned_abs))
    }

    /// Writes down whom to write to about what, and that the feed was read up to `through`, in one.
    pub fn add_mails(
        &self,
        workspace_id: WorkspaceId,
        mails: &[(UserId, ApprovalId)],
        through: u64,
        at: Timestamp,
    ) -> Result<(), Error> {
        let workspace = workspace_id.to_string();
        let mut db = self.0.db.lock();
        let tx = db.transaction()?;
        for (user_id, approval_id) in mails {
            tx.prepare_cached(ADD)?.execute(named_params! {
                ":user_id": user_id.to_string(), ":approval_id": approval_id.to_string(),
                ":workspace_id": workspace, ":at": at.millis(),
            })?;
        }
        tx.prepare_cached(MOVE_CURSOR)?
            .execute(named_params! {":workspace_id": workspace, ":position": through.cast_signed()})?;
        Ok(tx.commit()?)
    }

    /// One mail for each user of whom anything is due, about everything that waits for them.
    pub fn due_mails(&self, now: Timestamp) -> Result<Vec<DueMail>, Error> {
        let mut due: BTreeMap<UserId, DueMail> = BTreeMap::new();
        let db = self.0.db.lock();
        let mut statement = db.prepare_cached(DUE)?;
        let mut rows = statement.query(named_params! {
            ":now": now.millis(), ":since": now.minus(HOUR).millis(), ":most": MAILS_AN_HOUR,
        })?;
        while let Some(found) = rows.next()? {
            let (user_id, address) = (row::id(found, "user_id")?, found.get("address")?);
            let empty = DueMail { user_id, address, approvals: Vec::new(), attempts: 0 };
            let mail = due.entry(user_id).or_insert(empty);
            mail.approvals.push((row::id(found, "workspace_id")?, row::id(found, "approval_id")?));
            mail.attempts = mail.attempts.max(found.get("attempts")?);
        }
        Ok(due.into_values().collect())
    }

    /// It was sent, or there is nothing to be said any more.
    pub fn mail_is_done(&self, mail: &DueMail, sent: bool, now: Timestamp) -> Result<(), Error> {
        let user = mail.user_id.to_string();
        let mut db = self.0.db.lock();
        let tx = db.transaction()?;
        if sent {
            tx.execute(SENT, named_params! {":user_id": user, ":now": now.millis()})?;
        }
        for (_, approval_id) in &mail.approvals {
            tx.execute(DONE, named_params! {":user_id": user, ":approval_id": approval_id.to_string()})?;
        }
        tx.execute(FORGET, named_params! {":before": now.minus(HOUR).millis()})?;
        Ok(tx.commit()?)
    }

    /// It could not be sent; after so long it is tried again.
    pub fn mail_waits(&self, mail: &DueMail, pause: Duration, now: Timestamp) -> Result<(), Error> {
        let mut db = self.0.db.lock();
        let tx = db.transaction()?;
        for (_, approval_id) in &mail.approvals {
            tx.execute(
                LATER,
                named_params! {
                    ":user_id": mail.user_id.to_string(), ":approval_id": approval_id.to_string(),
                    ":at": now.plus(pause).millis(),
                },
            )?;
        }
        Ok(tx.commit()?)
    }
}
