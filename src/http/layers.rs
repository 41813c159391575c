//! Every layer around the routes, outermost first, in one place.

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::http::header::{
    ACCEPT, ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, HeaderName,
    HeaderValue, LOCATION, REFERRER_POLICY, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use metrics::{counter, histogram};
use std::time::Instant;
use tower::ServiceBuilder;
use tower::util::option_layer;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::sensitive_headers::SetSensitiveRequestHeadersLayer;
use tracing::{Instrument, Span, field, info_span};
use uuid::Uuid;

use super::State;
use super::problem::{self, PROBLEM_JSON};
use super::rate::{RATE_LIMIT, RATE_LIMIT_POLICY};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const PREFER: HeaderName = HeaderName::from_static("prefer");
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// What every answer says to a browser: it is data, for our own pages, and never a page to run or to frame.
const SECURITY: [(HeaderName, HeaderValue); 4] = [
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    (CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("same-origin")),
];

pub fn around(router: Router<State>, state: &State) -> Router<State> {
    let stack = ServiceBuilder::new()
        // A debug print of a request shows no credential.
        .layer(SetSensitiveRequestHeadersLayer::new([AUTHORIZATION, COOKIE]))
        .layer(from_fn(observe))
        .layer(option_layer(cors(&state.options().allowed_origins)))
        .layer(from_fn(finish))
        .layer(CatchPanicLayer::custom(problem::of_panic));
    router.layer(stack)
}

/// One span, one id and one count for each request. Never its body, its query or its token.
async fn observe(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = request.method().clone();
    let matched = request.extensions().get::<MatchedPath>();
    let route = matched.map_or_else(|| "-".to_owned(), |matched| matched.as_str().to_owned());
    let request_id = Uuid::now_v7().simple().to_string();
    let span = info_span!("request", %method, route, request_id, status = field::Empty,
        conversation_id = field::Empty, turn_id = field::Empty);

    let answer = async {
        let response = next.run(request).await;
        Span::current().record("status", response.status().as_u16());
        tracing::debug!(seconds = began.elapsed().as_secs_f64(), "answered");
        response
    };
    let mut response = answer.instrument(span).await;

    let status = response.status().as_str().to_owned();
    histogram!("weir_http_request_seconds", "route" => route.clone()).record(began.elapsed().as_secs_f64());
    // Anyone may invent a method; a label of it would grow without bound.
    let method = if is_known(&method) { method.as_str().to_owned() } else { "other".to_owned() };
    counter!("weir_http_requests_total", "method" => method, "route" => route, "status" => status)
        .increment(1);
    if let Ok(id) = HeaderValue::try_from(request_id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

fn is_known(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS]
        .contains(method)
}

/// Puts errors that axum made into the words of the table, and sets what every answer carries.
async fn finish(request: Request, next: Next) -> Response {
    let mut response = in_our_words(next.run(request).await);
    let headers = response.headers_mut();
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    for (name, value) in SECURITY {
        headers.entry(name).or_insert(value);
    }
    response
}

fn in_our_words(response: Response) -> Response {
    let status = response.status();
    let is_problem = response.headers().get(CONTENT_TYPE).is_some_and(|value| value == PROBLEM_JSON);
    if status < StatusCode::BAD_REQUEST || is_problem {
        return response;
    }
    let Some(error) = problem::of_status(status) else { return response };
    let mut ours = error.into_response();
    if let Some(allow) = response.headers().get(ALLOW) {
        ours.headers_mut().insert(ALLOW, allow.clone());
    }
    ours
}

/// Pages elsewhere may call the API with a token, never with a cookie.
fn cors(origins: &[String]) -> Option<CorsLayer> {
    let allowed: Vec<HeaderValue> = origins.iter().filter_map(|origin| origin.parse().ok()).collect();
    (!allowed.is_empty()).then(|| {
        CorsLayer::new()
            .allow_origin(AllowOrigin::list(allowed))
            .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
            .allow_headers([AUTHORIZATION, CONTENT_TYPE, ACCEPT, IDEMPOTENCY_KEY, LAST_EVENT_ID, PREFER])
            .expose_headers([LOCATION, RETRY_AFTER, RATE_LIMIT, RATE_LIMIT_POLICY, REQUEST_ID])
    })
}
