//! The one table of routes, each with the rule of who may use it. A route without a rule cannot be written.

use axum::extract::{FromRequestParts, Request, State as Given};
use axum::http::Method;
use axum::http::header::UPGRADE;
use axum::http::request::Parts;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

use super::State;
use super::auth::{bearer, check_token};
use super::cookie;
use super::edge::Place;
use super::native::{
    agents, approval_rules, approvals, audit, branches, compactions, context, conversations, email, events,
    exports, feed, files, forks, imports, keys, mcp, memories, messages, meta, models, operations, people,
    queue, regenerate, search, sessions, sign_in, tokens, tool_calls, tree, turns, webhooks,
};
use super::openapi;
use super::prefer::Answer;
use super::problem::{Error, Kind, Result};
use super::rate::Left;
use super::ws;
use crate::auth::AuthError;
use crate::scope::{Credential, Permission, Scope, WorkspaceRole};
use Permission::{ApprovalsDecide, ConversationsRead, ConversationsWrite};
use Rule::{Account, Admin, AnyScope, Metrics, Operator, Public, SignedIn, Socket};

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Anyone.
    Public,
    /// Whoever has this permission. What the route names must be visible besides, and for anything but
    /// `conversations:read` the caller must be allowed to write to it.
    SignedIn(Permission),
    /// Whoever is signed in, with whatever permissions.
    AnyScope,
    /// A person in their browser, or a key with `admin`: what is here decides who else comes in.
    Account,
    /// Anyone who signs in with the header, or with the first frame.
    Socket,
    /// An admin of the workspace: what is here is about everybody's. A token for some conversations is for nothing else.
    Admin,
    /// An admin of the workspace that the server was installed with: what concerns all workspaces.
    Operator,
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
        (SignedIn(ConversationsRead), routes!(exports::export)),
        (SignedIn(ConversationsRead), routes!(messages::list)),
        (SignedIn(ConversationsWrite), routes!(messages::send)),
        (SignedIn(ConversationsWrite), routes!(regenerate::regenerate)),
        (SignedIn(ConversationsRead), routes!(tree::get)),
        (SignedIn(ConversationsWrite), routes!(tree::set_head)),
        (SignedIn(ConversationsWrite), routes!(forks::fork)),
        (SignedIn(ConversationsWrite), routes!(branches::mark)),
        (SignedIn(ConversationsWrite), routes!(branches::delete)),
        (SignedIn(ConversationsRead), routes!(context::get)),
        (SignedIn(ConversationsWrite), routes!(compactions::compact)),
        (SignedIn(ConversationsRead), routes!(compactions::list)),
        (SignedIn(ConversationsWrite), routes!(compactions::edit)),
        (SignedIn(ConversationsWrite), routes!(compactions::undo)),
        (SignedIn(ConversationsRead), routes!(events::follow)),
        (SignedIn(ConversationsRead), routes!(queue::list)),
        (SignedIn(ConversationsWrite), routes!(queue::reorder)),
        (SignedIn(ConversationsWrite), routes!(queue::edit)),
        (SignedIn(ConversationsWrite), routes!(queue::withdraw)),
        (SignedIn(ConversationsRead), routes!(turns::get)),
        (SignedIn(ConversationsWrite), routes!(turns::cancel)),
        (SignedIn(ConversationsRead), routes!(turns::events)),
        (SignedIn(ApprovalsDecide), routes!(approvals::list)),
        (SignedIn(ApprovalsDecide), routes!(approvals::get)),
        (SignedIn(ApprovalsDecide), routes!(people::of_approval)),
        (SignedIn(ApprovalsDecide), routes!(approvals::decide)),
        (SignedIn(ApprovalsDecide), routes!(approvals::decide_many)),
        (SignedIn(ApprovalsDecide), routes!(approval_rules::list)),
        (SignedIn(ApprovalsDecide), routes!(approval_rules::revoke)),
        (Admin, routes!(audit::list)),
        (SignedIn(ConversationsWrite), routes!(tool_calls::result)),
        (SignedIn(ConversationsWrite), routes!(tool_calls::resolve)),
        (SignedIn(ConversationsWrite), routes!(tool_calls::answer)),
        (Operator, routes!(mcp::list)),
        (Operator, routes!(mcp::connect)),
        (Operator, routes!(mcp::callback)),
        (Operator, routes!(mcp::refresh)),
        (SignedIn(ConversationsRead), routes!(memories::list)),
        (SignedIn(ConversationsWrite), routes!(memories::create)),
        (SignedIn(ConversationsWrite), routes!(memories::change)),
        (SignedIn(ConversationsWrite), routes!(memories::delete)),
        (SignedIn(ConversationsWrite), routes!(files::create)),
        (SignedIn(ConversationsRead), routes!(files::list)),
        (SignedIn(ConversationsRead), routes!(files::get)),
        (SignedIn(ConversationsRead), routes!(files::content)),
        (SignedIn(ConversationsWrite), routes!(files::delete)),
        (SignedIn(ConversationsRead), routes!(files::of_conversation)),
        (SignedIn(ConversationsWrite), routes!(imports::create)),
        (SignedIn(ConversationsRead), routes!(imports::list)),
        (SignedIn(ConversationsRead), routes!(imports::get)),
        (SignedIn(ConversationsRead), routes!(imports::report)),
        (SignedIn(ConversationsWrite), routes!(imports::cancel)),
        (SignedIn(ConversationsRead), routes!(search::search)),
        (SignedIn(ConversationsRead), routes!(feed::follow)),
        (SignedIn(ConversationsRead), routes!(agents::list)),
        (SignedIn(ConversationsRead), routes!(models::list)),
        (Socket, routes!(ws::connect)),
        (Public, routes!(sign_in::set_up)),
        (Public, routes!(sign_in::log_in)),
        (AnyScope, routes!(sign_in::log_out)),
        (AnyScope, routes!(sign_in::me)),
        (AnyScope, routes!(tokens::mint)),
        (Account, routes!(sessions::list)),
        (Account, routes!(sessions::end)),
        (Account, routes!(email::get)),
        (Account, routes!(email::update)),
        (Account, routes!(email::confirm)),
        (Account, routes!(keys::list)),
        (Account, routes!(keys::create)),
        (Account, routes!(keys::revoke)),
        (Admin, routes!(webhooks::create)),
        (Admin, routes!(webhooks::list)),
        (Admin, routes!(webhooks::get)),
        (Admin, routes!(webhooks::update)),
        (Admin, routes!(webhooks::delete)),
        (Admin, routes!(webhooks::rotate)),
        (Admin, routes!(webhooks::deliveries)),
        (Admin, routes!(webhooks::redeliver)),
        (Admin, routes!(webhooks::test)),
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
    let place = Place::of(&parts, state.options());
    let authorised = authorise(&state, rule, &parts, &place).await;
    parts.extensions.insert(place);
    let left = match authorised {
        Ok(Some((scope, left))) => {
            parts.extensions.insert(scope);
            Some(left)
        }
        Ok(None) => None,
        Err(error) => return error.into_response(),
    };
    parts.extensions.insert(rule);
    let is_upload = parts.method == Method::POST && matches!(parts.uri.path(), imports::PATH | files::PATH);
    let patience = match Answer::from_request_parts(&mut parts, &state).await {
        _ if is_upload => state.limits().upload_time,
        Ok(Answer::After(wait)) => state.limits().answer_time + wait,
        Ok(Answer::AtOnce | Answer::Stream) | Err(_) => state.limits().answer_time + state.limits().body_time,
    };
    let answer = next.run(Request::from_parts(parts, body));
    let mut response = tokio::time::timeout(patience, answer).await.unwrap_or_else(|_| {
        let detail = "the answer took too long; a retry with the same idempotency key is safe";
        Error::new(Kind::Timeout, detail).into_response()
    });
    if let Some(left) = left {
        left.write(response.headers_mut());
    }
    response
}

/// Who asks, where the rule wants to know, and what is left of their allowance.
async fn authorise(state: &State, rule: Rule, parts: &Parts, place: &Place) -> Result<Option<(Scope, Left)>> {
    let options = state.options();
    // Probes and scrapers come under whatever name.
    let is_probe = rule == Rule::Metrics || matches!(parts.uri.path(), "/healthz" | "/readyz");
    if !is_probe {
        place.check_host(options)?;
    }
    let scope = match rule {
        // Another site must not sign a browser in, or out.
        Rule::Public if parts.method != Method::GET && place.is_cross_site(&parts.headers, options) => {
            return Err(cross_site());
        }
        Rule::Public => return Ok(None),
        Rule::Metrics => {
            let token = options.metrics_token.as_ref().ok_or_else(Error::not_found)?;
            return check_token(&parts.headers, token).map(|()| None);
        }
        Rule::Socket => match sign_in(state, parts, place).await {
            // The first frame will say.
            Err(_) if !carries_a_credential(parts, place) => return Ok(None),
            signed_in => with(ConversationsRead, signed_in?)?,
        },
        Rule::SignedIn(permission) => with(permission, sign_in(state, parts, place).await?)?,
        Rule::AnyScope => sign_in(state, parts, place).await?,
        Rule::Admin => {
            let scope = with(Permission::Admin, sign_in(state, parts, place).await?)?;
            match scope.only.is_none() && scope.role >= WorkspaceRole::Admin {
                true => scope,
                false => return Err(Error::forbidden("this is for admins of the workspace")),
            }
        }
        // Whoever runs this server.
        Rule::Operator => {
            let scope = with(Permission::Admin, sign_in(state, parts, place).await?)?;
            let here = scope.workspace_id == state.directory().default_workspace();
            match here && scope.only.is_none() && scope.role >= WorkspaceRole::Admin {
                true => scope,
                false => return Err(Error::forbidden("this is for admins of the server's first workspace")),
            }
        }
        Rule::Account => {
            let scope = sign_in(state, parts, place).await?;
            match scope.credential {
                _ if scope.only.is_some() => {
                    return Err(Error::forbidden("a token for some conversations is for nothing else"));
                }
                Credential::Session(_) => scope,
                Credential::Root | Credential::Key(_) | Credential::Token { .. } => {
                    with(Permission::Admin, scope)?
                }
            }
        }
    };
    let left = state.rates().request(&scope)?;
    Ok(Some((scope, left)))
}

fn carries_a_credential(parts: &Parts, place: &Place) -> bool {
    bearer(&parts.headers).is_some() || cookie::session_token(&parts.headers, place).is_some()
}

/// By the header, or else by the cookie: for whatever changes something only with proof that a page of ours asks.
async fn sign_in(state: &State, parts: &Parts, place: &Place) -> Result<Scope> {
    if let Some(token) = bearer(&parts.headers) {
        return by_token(state, Some(token)).await;
    }
    let token = cookie::session_token(&parts.headers, place).ok_or(AuthError::Missing)?;
    let scope = state.directory().authenticate_session(&token)?;
    // A socket is opened with GET, and a browser opens it for any page.
    let is_safe = matches!(parts.method, Method::GET | Method::HEAD) && !parts.headers.contains_key(UPGRADE);
    match is_safe || place.is_same_origin(&parts.headers, state.options()) {
        true => Ok(scope),
        false => Err(cross_site()),
    }
}

fn cross_site() -> Error {
    Error::new(Kind::CrossSite, "only a page of this server may do this with a cookie; others send a token")
}

/// The scope, if it carries the permission.
fn with(permission: Permission, scope: Scope) -> Result<Scope> {
    match scope.permits(permission) {
        true => Ok(scope),
        false => Err(Error::forbidden(format!("this needs the scope `{}`", permission.as_str()))),
    }
}

/// The scope of a token that carries the permission.
pub async fn authenticate(state: &State, token: Option<&str>, permission: Permission) -> Result<Scope> {
    with(permission, by_token(state, token).await?)
}

/// By an API key, or by a JSON Web Token, which has three parts.
async fn by_token(state: &State, token: Option<&str>) -> Result<Scope> {
    let parts = token.map_or(0, |token| token.split('.').count());
    match (state.directory().authenticate(token), token) {
        (Err(AuthError::Unknown), Some(token)) if parts == 3 => {
            // Boxed: it may fetch keys, and every request would carry the room for that.
            Ok(Box::pin(state.directory().authenticate_token(token)).await?)
        }
        (found, _) => Ok(found?),
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
