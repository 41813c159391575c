//! Who the people are whom an approval names.

use axum::Json as Answered;
use serde::Serialize;
use utoipa::ToSchema;

use super::approvals;
use crate::auth::User;
use crate::http::State;
use crate::http::auth::ApprovalInPath;
use crate::http::problem::Result;
use crate::id::{ApprovalId, UserId};
use crate::scope::Scope;

#[derive(Debug, Serialize, ToSchema)]
pub struct People {
    items: Vec<Person>,
    /// Always `null`: all of them are one page.
    next: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Person {
    id: UserId,
    name: String,
}

/// The people whom an approval names: for whom it was asked, and who voted.
#[utoipa::path(get, path = "/v1/approvals/{approval_id}/people", tag = "approvals",
    operation_id = "list_people_of_approval", params(("approval_id" = ApprovalId, Path)),
    responses((status = 200, body = People)))]
pub async fn of_approval(
    state: State,
    scope: Scope,
    ApprovalInPath(id): ApprovalInPath,
) -> Result<Answered<People>> {
    let approval = approvals::read(&state, &scope, id).await?;
    let voters = approval.votes.iter().map(|vote| vote.user_id);
    let mut ids: Vec<UserId> = voters.chain([approval.context.requested_by]).collect();
    ids.sort_unstable();
    ids.dedup();
    let found = state.with_directory(move |directory| {
        ids.into_iter()
            .filter_map(|id| directory.user(id).transpose())
            .collect::<std::result::Result<Vec<_>, _>>()
    });
    let items = found.await?.into_iter().map(|User { id, name, .. }| Person { id, name }).collect();
    Ok(Answered(People { items, next: None }))
}
