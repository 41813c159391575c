//! Webhooks: where the admins of a workspace want to be told of approvals and of turns that ended.

use axum::Json as Answered;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::given;
use crate::http::State;
use crate::http::auth::{DeliveryInPath, WebhookInPath};
use crate::http::json::Json;
use crate::http::limits::{self, NAME_CHARS};
use crate::http::problem::{Error, Kind, Result};
use crate::http::query::Query;
use crate::id::{DeliveryId, WebhookId};
use crate::notify::{
    self, Changes, Delivery, DeliveryState, Fresh, NewWebhook, Notices, Secret, Topic, Webhook,
};
use crate::runtime::notify::{TEST, test_payload};
use crate::scope::Scope;

const AGENTS: usize = 50;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWebhookRequest {
    /// `https`, and a public address unless the operator vouches for its host.
    url: String,
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    description: Option<String>,
    /// Absent: all of them.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    events: Option<Vec<Topic>>,
    /// Absent: of all agents.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    agents: Option<Vec<String>>,
    /// Absent: it is.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    enabled: Option<bool>,
}

/// With what its deliveries are signed with, which is not shown again.
#[derive(Debug, Serialize, ToSchema)]
pub struct MadeWebhook {
    webhook: Webhook,
    secret: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Webhooks {
    items: Vec<Webhook>,
    /// Always `null`: all of them are one page.
    next: Option<String>,
}

/// Be told of what happens in the workspace, in all of its conversations.
///
/// Deliveries are POSTs as the Standard Webhooks specification has them: at least once, signed, with ids and names and
/// nothing of what was said.
#[utoipa::path(post, path = "/v1/webhooks", tag = "webhooks", operation_id = "create_webhook",
    request_body = NewWebhookRequest, responses((status = 201, body = MadeWebhook)))]
pub async fn create(
    state: State,
    scope: Scope,
    Json { body, .. }: Json<NewWebhookRequest>,
) -> Result<(StatusCode, Answered<MadeWebhook>)> {
    let NewWebhookRequest { url, description, events, agents, enabled } = body;
    check(&state, Some(&url), description.as_deref(), events.as_deref(), agents.as_deref())?;
    let new = NewWebhook {
        workspace_id: scope.workspace_id,
        url,
        description,
        events: events.unwrap_or_else(|| Topic::ALL.to_vec()),
        agents,
        enabled: enabled.unwrap_or(true),
        created_by: scope.user_id,
        cursor: state.runtime().store().feed_position().await?,
    };
    let now = state.runtime().clock().now();
    let made = with(&state, move |notices| match notices.add_webhook(new, now) {
        Err(error @ notify::Error::TooMany { .. }) => Ok(Err(Error::new(Kind::Conflict, error.to_string()))),
        made => made.map(Ok),
    });
    let (webhook, secret) = made.await??;
    Ok((StatusCode::CREATED, Answered(MadeWebhook { webhook, secret: secret.expose().to_owned() })))
}

/// The webhooks of the workspace.
#[utoipa::path(get, path = "/v1/webhooks", tag = "webhooks", operation_id = "list_webhooks",
    responses((status = 200, body = Webhooks)))]
pub async fn list(state: State, scope: Scope) -> Result<Answered<Webhooks>> {
    let items = with(&state, move |notices| notices.webhooks(scope.workspace_id)).await?;
    Ok(Answered(Webhooks { items, next: None }))
}

#[utoipa::path(get, path = "/v1/webhooks/{webhook_id}", tag = "webhooks", operation_id = "get_webhook",
    params(("webhook_id" = WebhookId, Path)), responses((status = 200, body = Webhook)))]
pub async fn get(state: State, scope: Scope, WebhookInPath(id): WebhookInPath) -> Result<Answered<Webhook>> {
    Ok(Answered(read(&state, &scope, id).await?))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookChanges {
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    url: Option<String>,
    /// `null`: it has none any more.
    #[serde(default, deserialize_with = "given")]
    description: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    events: Option<Vec<Topic>>,
    /// `null`: of all agents.
    #[serde(default, deserialize_with = "given")]
    agents: Option<Option<Vec<String>>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    enabled: Option<bool>,
}

/// Change a webhook, or enable it again.
///
/// What happened while it was disabled is not told afterwards; what was to be delivered before is tried again.
#[utoipa::path(patch, path = "/v1/webhooks/{webhook_id}", tag = "webhooks", operation_id = "update_webhook",
    request_body = WebhookChanges, params(("webhook_id" = WebhookId, Path)),
    responses((status = 200, body = Webhook)))]
pub async fn update(
    state: State,
    scope: Scope,
    WebhookInPath(id): WebhookInPath,
    Json { body, .. }: Json<WebhookChanges>,
) -> Result<Answered<Webhook>> {
    let WebhookChanges { url, description, events, agents, enabled } = body;
    let (words, names) = (description.as_ref().and_then(Option::as_deref), agents.as_ref());
    check(&state, url.as_deref(), words, events.as_deref(), names.and_then(Option::as_deref))?;
    let changes = Changes { url, description, events, agents, enabled };
    let feed = state.runtime().store().feed_position().await?;
    let change = move |notices: &Notices| notices.change_webhook(scope.workspace_id, id, changes, feed);
    Ok(Answered(with(&state, change).await?.ok_or_else(Error::not_found)?))
}

/// Delete a webhook, with what was still to be delivered.
#[utoipa::path(delete, path = "/v1/webhooks/{webhook_id}", tag = "webhooks", operation_id = "delete_webhook",
    params(("webhook_id" = WebhookId, Path)), responses((status = 204)))]
pub async fn delete(state: State, scope: Scope, WebhookInPath(id): WebhookInPath) -> Result<StatusCode> {
    match with(&state, move |notices| notices.remove_webhook(scope.workspace_id, id)).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Error::not_found()),
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct RotatedSecret {
    secret: String,
}

/// A new secret. For a day deliveries are signed with the old one too.
#[utoipa::path(post, path = "/v1/webhooks/{webhook_id}/rotate-secret", tag = "webhooks",
    operation_id = "rotate_webhook_secret", params(("webhook_id" = WebhookId, Path)),
    responses((status = 200, body = RotatedSecret)))]
pub async fn rotate(
    state: State,
    scope: Scope,
    WebhookInPath(id): WebhookInPath,
) -> Result<Answered<RotatedSecret>> {
    let now = state.runtime().clock().now();
    let secret = with(&state, move |notices| notices.rotate_secret(scope.workspace_id, id, now)).await?;
    let secret: Secret = secret.ok_or_else(Error::not_found)?;
    Ok(Answered(RotatedSecret { secret: secret.expose().to_owned() }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct DeliveriesQuery {
    state: Option<DeliveryState>,
    /// Those behind this one.
    after: Option<DeliveryId>,
    limit: Option<u32>,
}

/// The newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct Deliveries {
    items: Vec<Delivery>,
    /// For `after`; `null` at the end.
    next: Option<DeliveryId>,
}

/// What was delivered, is to be delivered, and could not be, for a week.
#[utoipa::path(get, path = "/v1/webhooks/{webhook_id}/deliveries", tag = "webhooks",
    operation_id = "list_deliveries", params(("webhook_id" = WebhookId, Path), DeliveriesQuery),
    responses((status = 200, body = Deliveries)))]
pub async fn deliveries(
    state: State,
    scope: Scope,
    WebhookInPath(id): WebhookInPath,
    Query(query): Query<DeliveriesQuery>,
) -> Result<Answered<Deliveries>> {
    let limit = limits::page(query.limit)? as usize;
    read(&state, &scope, id).await?;
    let (wanted, after) = (query.state, query.after);
    let list = move |notices: &Notices| notices.deliveries(scope.workspace_id, id, wanted, after, limit + 1);
    let mut items = with(&state, list).await?;
    let more = items.len() > limit;
    items.truncate(limit);
    Ok(Answered(Deliveries { next: items.last().filter(|_| more).map(|last| last.id), items }))
}

/// Deliver once more, under the same id.
#[utoipa::path(post, path = "/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver", tag = "webhooks",
    operation_id = "redeliver", params(("webhook_id" = WebhookId, Path), ("delivery_id" = DeliveryId, Path)),
    responses((status = 202, body = Delivery)))]
pub async fn redeliver(
    state: State,
    scope: Scope,
    WebhookInPath(id): WebhookInPath,
    DeliveryInPath(delivery_id): DeliveryInPath,
) -> Result<(StatusCode, Answered<Delivery>)> {
    let now = state.runtime().clock().now();
    let again = move |notices: &Notices| notices.redeliver(scope.workspace_id, id, delivery_id, now);
    let delivery = with(&state, again).await?.ok_or_else(Error::not_found)?;
    Ok((StatusCode::ACCEPTED, Answered(delivery)))
}

/// Deliver a `webhook.test`, so that one sees whether it arrives.
#[utoipa::path(post, path = "/v1/webhooks/{webhook_id}/test", tag = "webhooks", operation_id = "test_webhook",
    params(("webhook_id" = WebhookId, Path)), responses((status = 202, body = Delivery)))]
pub async fn test(
    state: State,
    scope: Scope,
    WebhookInPath(id): WebhookInPath,
) -> Result<(StatusCode, Answered<Delivery>)> {
    if !read(&state, &scope, id).await?.enabled {
        return Err(Error::new(Kind::Conflict, "the webhook is disabled"));
    }
    let now = state.runtime().clock().now();
    let fresh = Fresh { position: None, kind: TEST.to_owned(), payload: test_payload(id, now) };
    let add = move |notices: &Notices| {
        notices.add_deliveries(id, &[fresh], None, now)?;
        notices.deliveries(scope.workspace_id, id, None, None, 1)
    };
    let delivery = with(&state, add).await?.pop().ok_or_else(Error::not_found)?;
    Ok((StatusCode::ACCEPTED, Answered(delivery)))
}

async fn read(state: &State, scope: &Scope, id: WebhookId) -> Result<Webhook> {
    let workspace_id = scope.workspace_id;
    let found = with(state, move |notices| notices.webhook(workspace_id, id)).await?;
    found.ok_or_else(Error::not_found)
}

fn check(
    state: &State,
    url: Option<&str>,
    description: Option<&str>,
    events: Option<&[Topic]>,
    agents: Option<&[String]>,
) -> Result<()> {
    if let Some(url) = url {
        let targets = state.webhooks()?.targets();
        targets.check(url).map_err(|refused| Error::invalid("/url", refused.to_string()))?;
    }
    if let Some(description) = description {
        limits::line("/description", description, NAME_CHARS)?;
    }
    if events.is_some_and(<[Topic]>::is_empty) {
        return Err(Error::invalid("/events", "at least one"));
    }
    if agents.is_some_and(|agents| !(1..=AGENTS).contains(&agents.len())) {
        return Err(Error::invalid("/agents", format!("1 to {AGENTS} agents")));
    }
    let unknown =
        |agents: &[String]| agents.iter().position(|agent| state.runtime().agents().get(agent).is_none());
    match agents.and_then(unknown) {
        Some(at) => Err(Error::invalid(format!("/agents/{at}"), "there is no such agent")),
        None => Ok(()),
    }
}

/// Asks the database of notices, which waits for the disk.
async fn with<T: Send + 'static>(
    state: &State,
    f: impl FnOnce(&Notices) -> Result<T, notify::Error> + Send + 'static,
) -> Result<T> {
    let notices = state.webhooks()?.notices().clone();
    let done = state.runtime().aside(move || f(&notices)).await;
    done.map_err(|error| Error::internal(&error))
}
