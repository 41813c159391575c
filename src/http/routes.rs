//! The one table of routes, each with the rule of who may use it. A route without a rule cannot be written.

use axum::extract::{FromRequestParts, Request, State as Given};
use axum::http::Method;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

use super::State;
use super::auth::{bearer, check_token};
use super::native::{agents, conversations, events, feed, messages, meta, models, operations, queue, turns};
use super::openapi;
use super::prefer::Answer;
use super::problem::{Error, Kind, Result};
use super::ws;
use crate::scope::Permission;
use Permission::{ConversationsRead, ConversationsWrite};
use Rule::{Metrics, Public, SignedIn, Socket};

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Anyone.
    Public,
    /// Whoever has this permission. What the route names must be visible besides, and for anything but
    /// `conversations:read` the caller must be allowed to write to it.
    SignedIn(Permission),
    /// Anyone who signs in with the header, or with the first frame.
    Socket,
    /// Whoever has the operator's token.
    Metrics,
}

type Route = UtoipaMethodRouter<State>;

/// The table. One line is one operation.
fn table() -> Vec<(Rule, Route)> {
    vec![
        (SignedIn(ConversationsWrite), routes!(conversations::create)),
        (SignedIn(ConversationsRead), routes!(conversations::list)),
        (SignedIn(ConversationsRead), routes!(conversations::get)),
        (SignedIn(ConversationsWrite), routes!(conversations::update)),
        (SignedIn(ConversationsWrite), routes!(conversations::delete)),
        (SignedIn(ConversationsWrite), routes!(conversations::bulk)),
        (SignedIn(ConversationsRead), routes!(messages::list)),
        (SignedIn(ConversationsWrite), routes!(messages::send)),
        (SignedIn(ConversationsRead), routes!(events::follow)),
        (SignedIn(ConversationsRead), routes!(queue::list)),
        (SignedIn(ConversationsWrite), routes!(queue::reorder)),
        (SignedIn(ConversationsWrite), routes!(queue::edit)),
        (SignedIn(ConversationsWrite), routes!(queue::withdraw)),
        (SignedIn(ConversationsRead), routes!(turns::get)),
        (SignedIn(ConversationsWrite), routes!(turns::cancel)),
        (SignedIn(ConversationsRead), routes!(turns::events)),
        (SignedIn(ConversationsRead), routes!(feed::follow)),
        (SignedIn(ConversationsRead), routes!(agents::list)),
        (SignedIn(ConversationsRead), routes!(models::list)),
        (Socket, routes!(ws::connect)),
        (Public, routes!(meta::get)),
        (Public, routes!(operations::healthz)),
        (Public, routes!(operations::readyz)),
        (Metrics, routes!(operations::metrics)),
        (Public, routes!(operations::document)),
    ]
}

/// The routes as they are served, each behind its rule.
pub fn router(state: &State) -> axum::Router<State> {
    let guarded = |rule: Rule, route: MethodRouter<State>| {
        route.route_layer(middleware::from_fn_with_state((state.clone(), rule), enforce))
    };
    build(guarded).split_for_parts().0
}

/// The routes as they are described.
pub fn described() -> utoipa::openapi::OpenApi {
    build(|_, route| route).into_openapi()
}

fn build(guard: impl Fn(Rule, MethodRouter<State>) -> MethodRouter<State>) -> OpenApiRouter<State> {
    let empty = OpenApiRouter::with_openapi(openapi::outline());
    table().into_iter().fold(empty, |router, (rule, mut route)| {
        openapi::describe(rule, &mut route.1);
        router.routes(route.map(|route| guard(rule, route)))
    })
}

/// Checks the rule, puts the caller's scope where handlers find it, and bounds the time of the answer.
async fn enforce(Given((state, rule)): Given<(State, Rule)>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let authorised = match rule {
        Rule::Public => Ok(None),
        Rule::Metrics => match &state.options().metrics_token {
            Some(token) => check_token(&parts.headers, token).map(|()| None),
            None => Err(Error::not_found()),
        },
        Rule::Socket if bearer(&parts.headers).is_none() => Ok(None),
        Rule::Socket => authenticate(&state, bearer(&parts.headers), ConversationsRead).map(Some),
        Rule::SignedIn(permission) => authenticate(&state, bearer(&parts.headers), permission).map(Some),
    };
    match authorised {
        Ok(Some(scope)) => drop(parts.extensions.insert(scope)),
        Ok(None) => {}
        Err(error) => return error.into_response(),
    }
    parts.extensions.insert(rule);
    let patience = match Answer::from_request_parts(&mut parts, &state).await {
        Ok(Answer::After(wait)) => state.limits().answer_time + wait,
        Ok(Answer::AtOnce | Answer::Stream) | Err(_) => state.limits().answer_time + state.limits().body_time,
    };
    let answer = next.run(Request::from_parts(parts, body));
    tokio::time::timeout(patience, answer).await.unwrap_or_else(|_| {
        let detail = "the answer took too long; a retry with the same idempotency key is safe";
        Error::new(Kind::Timeout, detail).into_response()
    })
}

/// The scope of a token that carries the permission.
pub fn authenticate(
    state: &State,
    token: Option<&str>,
    permission: Permission,
) -> Result<crate::scope::Scope> {
    let scope = state.directory().authenticate(token)?;
    match scope.permits(permission) {
        true => Ok(scope),
        false => Err(Error::forbidden(format!("this needs the scope `{}`", permission.as_str()))),
    }
}

/// Method, path and rule of every route, for those who walk the table.
pub fn every_route() -> Vec<(Method, String, Rule)> {
    let mut routes = Vec::new();
    for (rule, (_, paths, _)) in table() {
        for (path, item) in paths.paths {
            routes.extend(openapi::operations(item).map(|(method, _)| (method, path.clone(), rule)));
        }
    }
    routes
}
