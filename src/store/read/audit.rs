//! The audit, for the admins of its workspace.

use rusqlite::{OptionalExtension, named_params};

use crate::clock::Timestamp;
use crate::scope::{Scope, WorkspaceRole};
use crate::store::Store;
use crate::store::audit::{AuditRow, audit_columns};
use crate::store::error::Error;
use crate::store::row::Row;

/// What of the audit is wanted; what is absent narrows nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    pub action: Option<String>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct AuditPage {
    /// Oldest first.
    pub rows: Vec<AuditRow>,
    pub more: bool,
    /// The number and the hash of the chain's last row.
    pub head: Option<(u64, [u8; 32])>,
}

const PAGE: &str = concat!(
    "SELECT ",
    audit_columns!(),
    " FROM audit
      WHERE workspace_id = :workspace_id AND n > :after
        AND (:action IS NULL OR action = :action)
        AND (:since IS NULL OR at >= :since) AND (:until IS NULL OR at < :until)
      ORDER BY n LIMIT :limit"
);

const HEAD: &str = "SELECT n, hash FROM audit WHERE workspace_id = :workspace_id ORDER BY n DESC LIMIT 1";

impl Store {
    /// `None` where the scope is not an admin's.
    pub async fn audit(
        &self,
        scope: &Scope,
        filter: AuditFilter,
        after: u64,
        limit: usize,
    ) -> Result<Option<AuditPage>, Error> {
        if scope.role < WorkspaceRole::Admin || scope.only.is_some() {
            return Ok(None);
        }
        let workspace_id = scope.workspace_id;
        self.read(move |tx| {
            let mut statement = tx.prepare_cached(PAGE)?;
            let mut found = statement.query(named_params! {
                ":workspace_id": workspace_id.as_bytes(),
                ":after": i64::try_from(after).unwrap_or(i64::MAX),
                ":action": filter.action,
                ":since": filter.since.map(Timestamp::millis),
                ":until": filter.until.map(Timestamp::millis),
                ":limit": i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1),
            })?;
            let mut rows = Vec::new();
            while let Some(row) = found.next()? {
                rows.push(AuditRow::from_row(&Row::new(row, "audit", "n"))?);
            }
            let more = rows.len() > limit;
            rows.truncate(limit);
            let head: Option<(i64, [u8; 32])> = tx
                .prepare_cached(HEAD)?
                .query_row(named_params! {":workspace_id": workspace_id.as_bytes()}, |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
                .optional()?;
            Ok(Some(AuditPage { rows, more, head: head.map(|(n, hash)| (n.unsigned_abs(), hash)) }))
        })
        .await
    }
}
