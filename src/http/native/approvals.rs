//! Approvals: the queue over all conversations of a workspace, and what people decide.
//!
//! Whoever may decide an approval may read it with its context, and nothing else of the conversation.

use axum::Json as Answered;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::given;
use crate::chat::approval::{
    Approval, ApprovalState, ChangedArgs, Remember, RememberMatch, RememberScope, Vote, VoteDecision,
};
use crate::chat::conversation::Command;
use crate::clock::Timestamp;
use crate::http::State;
use crate::http::auth::ApprovalInPath;
use crate::http::feed;
use crate::http::json::Json;
use crate::http::limits;
use crate::http::problem::{Error, Kind, Result};
use crate::http::query::Query;
use crate::id::{ApprovalId, ConversationId, RuleId};
use crate::runtime::{self, Order};
use crate::scope::{Caller, Scope};
use crate::store::{ApprovalFilter, ApprovalPage};

const REASON_CHARS: usize = 2000;
const ITEMS: usize = 100;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct QueueQuery {
    /// Absent: `pending`.
    state: Option<ApprovalState>,
    agent: Option<String>,
    conversation_id: Option<ConversationId>,
    tool: Option<String>,
    /// Those behind this one.
    after: Option<ApprovalId>,
    limit: Option<u32>,
}

/// The oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct Queue {
    items: Vec<Approval>,
    /// For `after`; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<ApprovalId>,
    /// Follow the feed from here and miss nothing.
    feed_cursor: String,
}

/// The approvals that you may decide, over all conversations.
#[utoipa::path(get, path = "/v1/approvals", tag = "approvals", operation_id = "list_approvals",
    params(QueueQuery), responses((status = 200, body = Queue)))]
pub async fn list(state: State, scope: Scope, Query(query): Query<QueueQuery>) -> Result<Answered<Queue>> {
    let QueueQuery { state: wanted, agent, conversation_id, tool, after, limit } = query;
    let limit = limits::page(limit)? as usize;
    let filter = ApprovalFilter { state: wanted, agent, conversation_id, tool };
    let page = state.runtime().store().approvals(&scope, filter, after, limit).await?;
    let ApprovalPage { approvals, next, feed_cursor } = page;
    Ok(Answered(Queue {
        items: approvals,
        next,
        feed_cursor: feed::cursor(state.runtime().epoch(), feed_cursor),
    }))
}

/// An approval that you may decide.
#[utoipa::path(get, path = "/v1/approvals/{approval_id}", tag = "approvals", operation_id = "get_approval",
    params(("approval_id" = ApprovalId, Path)), responses((status = 200, body = Approval)))]
pub async fn get(
    state: State,
    scope: Scope,
    ApprovalInPath(id): ApprovalInPath,
) -> Result<Answered<Approval>> {
    Ok(Answered(read(&state, &scope, id).await?))
}

pub(super) async fn read(state: &State, scope: &Scope, id: ApprovalId) -> Result<Approval> {
    state.runtime().store().approval(scope, id).await?.ok_or_else(Error::not_found)
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DecideRequest {
    decision: VoteDecision,
    /// That of the approval as you saw it. Another one is 409 `approval-changed`, with the approval as it is.
    args_hash: String,
    /// Other arguments than the model's. They pass the tool's schema again, and earlier votes no longer count.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Object>, nullable = false)]
    args: Option<Box<RawValue>>,
    /// The model is told it where the call is denied.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    reason: Option<String>,
    /// The yes is for the next times too: a rule, of which others see who made it. It answers no approval that is
    /// already pending.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    remember: Option<RememberRequest>,
}

#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RememberRequest {
    scope: RememberScope,
    r#match: RememberMatch,
    /// Absent: until it is revoked.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    expires_at: Option<Timestamp>,
}

/// Approve a call or deny it.
///
/// One vote per person; any denial ends it; once enough people approved, the outcome is fixed. A later decision is 409
/// `approval-closed` with the approval as it is.
#[utoipa::path(post, path = "/v1/approvals/{approval_id}/decide", tag = "approvals",
    operation_id = "decide_approval", request_body = DecideRequest,
    params(("approval_id" = ApprovalId, Path)), responses((status = 200, body = Approval)))]
pub async fn decide(
    state: State,
    scope: Scope,
    caller: Caller,
    ApprovalInPath(id): ApprovalInPath,
    Json { body, .. }: Json<DecideRequest>,
) -> Result<Answered<Approval>> {
    Ok(Answered(decide_one(&state, &scope, &caller, id, body).await?))
}

async fn decide_one(
    state: &State,
    scope: &Scope,
    caller: &Caller,
    id: ApprovalId,
    request: DecideRequest,
) -> Result<Approval> {
    let DecideRequest { decision, args_hash, args, reason, remember } = request;
    if let Some(reason) = &reason {
        check_reason(reason)?;
    }
    if args.is_some() && decision == VoteDecision::Deny {
        return Err(Error::invalid("/args", "a call that is denied has no arguments"));
    }
    let approval = read(state, scope, id).await?;
    let changed = match args {
        Some(args) => Some(changed(state, &approval, args.get())?),
        None => None,
    };
    let at = state.runtime().clock().now();
    let remember = match remember {
        Some(asked) if decision == VoteDecision::Approve => {
            Some(Box::new(remembered(state, scope, &approval, asked, at)?))
        }
        Some(_) => return Err(Error::invalid("/remember", "a denial is not remembered")),
        None => None,
    };
    let vote = Vote { user_id: scope.user_id, decision, reason, changed, remember, at };
    let (turn_id, call_id) = (approval.turn_id, approval.call_id);
    let command = Command::Vote { turn_id, call_id, approval_id: id, vote: Box::new(vote), args_hash };
    match state
        .runtime()
        .order(approval.conversation_id, Order::plain(command).asked_by(caller.clone()))
        .await
    {
        Ok(_) => read(state, scope, id).await,
        Err(error @ runtime::Error::Refused(_)) => {
            let now = read(state, scope, id).await?;
            Err(Error::from(error).with("approval", now))
        }
        Err(error) => Err(error.into()),
    }
}

/// Other arguments, as they were written, for the tool that was shown.
fn changed(state: &State, approval: &Approval, args: &str) -> Result<ChangedArgs> {
    if !args.starts_with('{') {
        return Err(Error::invalid("/args", "arguments are an object"));
    }
    state.runtime().tool_as_shown(approval).ok_or_else(changed_tool)?;
    let changed = state.runtime().change_args(approval, args);
    changed.map_err(|errors| Error::invalid_below("/args", errors))
}

fn changed_tool() -> Error {
    Error::new(Kind::ApprovalChanged, "the tool is no longer what was shown")
}

fn remembered(
    state: &State,
    scope: &Scope,
    approval: &Approval,
    asked: RememberRequest,
    at: Timestamp,
) -> Result<Remember> {
    let RememberRequest { scope: reach, r#match: matches, expires_at } = asked;
    if expires_at.is_some_and(|end| end <= at) {
        return Err(Error::invalid("/remember/expires_at", "lies in the past"));
    }
    if scope.only.is_some() && reach != RememberScope::Conversation {
        return Err(Error::forbidden("a token for some conversations makes no rule for others"));
    }
    let tool_hash = state.runtime().tool_as_shown(approval).ok_or_else(changed_tool)?;
    Ok(Remember { rule_id: RuleId::new(), scope: reach, matches, expires_at, tool_hash, made_as: scope.role })
}

fn check_reason(reason: &str) -> Result<()> {
    match reason.chars().count() <= REASON_CHARS {
        true => Ok(()),
        false => Err(Error::invalid("/reason", format!("at most {REASON_CHARS} characters"))),
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DecideManyRequest {
    #[schema(max_items = 100)]
    items: Vec<DecideItem>,
    decision: VoteDecision,
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    reason: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DecideItem {
    id: ApprovalId,
    args_hash: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Decided {
    /// In the order of the request.
    items: Vec<DecidedItem>,
}

/// The approval as it is now, or why this vote does not count.
#[derive(Debug, Serialize, ToSchema)]
pub struct DecidedItem {
    id: ApprovalId,
    #[serde(skip_serializing_if = "Option::is_none")]
    approval: Option<Approval>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<crate::chat::event::Problem>)]
    problem: Option<Value>,
}

/// Decide about many calls at once, each on its own.
#[utoipa::path(post, path = "/v1/approvals/decide", tag = "approvals", operation_id = "decide_approvals",
    request_body = DecideManyRequest, responses((status = 200, body = Decided)))]
pub async fn decide_many(
    state: State,
    scope: Scope,
    caller: Caller,
    Json { body, .. }: Json<DecideManyRequest>,
) -> Result<Answered<Decided>> {
    let DecideManyRequest { items, decision, reason } = body;
    if items.len() > ITEMS {
        return Err(Error::new(Kind::TooLarge, format!("at most {ITEMS} at once")));
    }
    let mut decided = Vec::with_capacity(items.len());
    for DecideItem { id, args_hash } in items {
        let request =
            DecideRequest { decision, args_hash, args: None, reason: reason.clone(), remember: None };
        decided.push(match decide_one(&state, &scope, &caller, id, request).await {
            Ok(approval) => DecidedItem { id, approval: Some(approval), problem: None },
            Err(error) => DecidedItem { id, approval: None, problem: Some(error.body()) },
        });
    }
    Ok(Answered(Decided { items: decided }))
}
