//! For those who run the server: is it alive, does it take work, what are its numbers, what is its API.

use axum::Json as Answered;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::State;
use crate::http::openapi;
use crate::http::problem::{Error, Kind, Result};

#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    status: &'static str,
}

/// Alive.
#[utoipa::path(get, path = "/healthz", tag = "operations", operation_id = "healthz",
    responses((status = 200, body = Health)))]
pub async fn healthz() -> Answered<Health> {
    Answered(Health { status: "ok" })
}

/// Takes work.
///
/// 503 while it stops, and once its storage is sealed.
#[utoipa::path(get, path = "/readyz", tag = "operations", operation_id = "readyz",
    responses((status = 200, body = Health)))]
pub async fn readyz(state: State) -> Result<Answered<Health>> {
    if state.is_stopping() {
        return Err(Error::new(Kind::ShuttingDown, "the server is stopping"));
    }
    // One read shows that the store is there.
    state.runtime().store().feed_position().await?;
    Ok(Answered(Health { status: "ok" }))
}

/// Numbers for Prometheus.
///
/// Not there unless a token is configured for it.
#[utoipa::path(get, path = "/metrics", tag = "operations", operation_id = "metrics",
    responses((status = 200, body = String, content_type = "text/plain")))]
pub async fn metrics(state: State) -> Response {
    exposition(&state)
}

/// The numbers in Prometheus' text format.
pub fn exposition(state: &State) -> Response {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], state.numbers().render()).into_response()
}

/// This API as OpenAPI 3.1.
#[utoipa::path(get, path = "/openapi.json", tag = "operations", operation_id = "openapi",
    responses((status = 200, body = Object)))]
pub async fn document() -> Response {
    ([(CONTENT_TYPE, "application/json")], openapi::document()).into_response()
}
