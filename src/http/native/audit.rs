//! The audit of a workspace: who decided what, and what ran.

use axum::Json as Answered;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::clock::Timestamp;
use crate::http::State;
use crate::http::limits;
use crate::http::problem::{Error, Result};
use crate::http::query::Query;
use crate::scope::Scope;
use crate::store::audit::{AuditEntry, hex};
use crate::store::{AuditFilter, AuditPage};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct AuditQuery {
    /// Those behind this number.
    after: Option<u64>,
    limit: Option<u32>,
    action: Option<String>,
    since: Option<Timestamp>,
    /// Those before this time.
    until: Option<Timestamp>,
}

/// The oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct Audit {
    items: Vec<AuditEntry>,
    /// For `after`; `null` at the end.
    next: Option<u64>,
    /// The last row of the chain; `null` while there is none. Kept elsewhere, it shows later that nothing was taken away.
    head: Option<AuditHead>,
}

#[derive(Debug, Serialize, ToSchema)]
struct AuditHead {
    n: u64,
    hash: String,
}

/// Every decision, and every tool that ran, with who, when, from where, what was shown and what ran.
///
/// For admins, who see here arguments of calls in conversations that they may not read.
#[utoipa::path(get, path = "/v1/audit", tag = "approvals", operation_id = "list_audit",
    params(AuditQuery), responses((status = 200, body = Audit)))]
pub async fn list(state: State, scope: Scope, Query(query): Query<AuditQuery>) -> Result<Answered<Audit>> {
    let AuditQuery { after, limit, action, since, until } = query;
    let limit = limits::page(limit)? as usize;
    let filter = AuditFilter { action, since, until };
    let page = state.runtime().store().audit(&scope, filter, after.unwrap_or_default(), limit).await?;
    let AuditPage { rows, more, head } = page.ok_or_else(|| Error::forbidden("this is for admins"))?;
    Ok(Answered(Audit {
        next: rows.last().filter(|_| more).map(|row| row.n),
        items: rows.into_iter().map(AuditEntry::from).collect(),
        head: head.map(|(n, hash)| AuditHead { n, hash: hex(&hash) }),
    }))
}
