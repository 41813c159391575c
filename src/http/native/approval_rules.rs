//! Rules that people made of their yes: who made them, for what, and an end to them.

use axum::Json as Answered;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::chat::approval::ApprovalRule;
use crate::http::State;
use crate::http::auth::RuleInPath;
use crate::http::limits;
use crate::http::problem::{Error, Result};
use crate::http::query::Query;
use crate::id::RuleId;
use crate::scope::{Caller, Scope};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct RulesQuery {
    /// Those behind this one.
    after: Option<RuleId>,
    limit: Option<u32>,
}

/// The oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct ApprovalRules {
    items: Vec<ShownRule>,
    /// For `after`; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<RuleId>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ShownRule {
    #[serde(flatten)]
    rule: ApprovalRule,
    /// The tool is not what the rule was made about any more: it answers nothing.
    void: bool,
}

/// The rules that you made; to an admin, all of the workspace, also those that expired or were revoked.
#[utoipa::path(get, path = "/v1/approval-rules", tag = "approvals", operation_id = "list_approval_rules",
    params(RulesQuery), responses((status = 200, body = ApprovalRules)))]
pub async fn list(
    state: State,
    scope: Scope,
    Query(query): Query<RulesQuery>,
) -> Result<Answered<ApprovalRules>> {
    check_reach(&scope)?;
    let limit = limits::page(query.limit)? as usize;
    let (rules, more) = state.runtime().store().rules(&scope, query.after, limit).await?;
    let next = rules.last().filter(|_| more).map(|rule| rule.id);
    let shown = |rule: ApprovalRule| {
        let void = state.runtime().tool_hash(&rule.tool).is_none_or(|now| now != rule.tool_hash);
        ShownRule { rule, void }
    };
    Ok(Answered(ApprovalRules { items: rules.into_iter().map(shown).collect(), next }))
}

/// Revoke a rule for good: the next call is asked for again.
#[utoipa::path(delete, path = "/v1/approval-rules/{rule_id}", tag = "approvals",
    operation_id = "revoke_approval_rule", params(("rule_id" = RuleId, Path)), responses((status = 204)))]
pub async fn revoke(
    state: State,
    scope: Scope,
    caller: Caller,
    RuleInPath(id): RuleInPath,
) -> Result<StatusCode> {
    check_reach(&scope)?;
    let at = state.runtime().clock().now();
    match state.runtime().store().revoke_rule(&scope, id, caller, at).await? {
        Some(()) => Ok(StatusCode::NO_CONTENT),
        None => Err(Error::not_found()),
    }
}

fn check_reach(scope: &Scope) -> Result<()> {
    match scope.only {
        None => Ok(()),
        Some(_) => Err(Error::forbidden("a token for some conversations is for nothing else")),
    }
}
