//! The MCP servers of this server, for its operators: how they are doing, and signing in for them.

use axum::Json as Answered;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Html;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::clock::Timestamp;
use crate::http::State;
use crate::http::problem::{Error, Kind, Result};
use crate::http::query::Query;
use crate::scope::Scope;
use crate::tool::mcp::{AuthorizationRefused, Callback, Connection, Status};

/// Where browsers come back to.
pub const CALLBACK: &str = "/v1/mcp/callback";

#[derive(Debug, Serialize, ToSchema)]
pub struct McpServers {
    items: Vec<McpServer>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct McpServer {
    name: String,
    state: McpState,
    /// Since when it is in this state.
    since: Timestamp,
    /// The revision of the protocol that it speaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<String>,
    /// What it calls itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    /// As agents name them. They stay while it is not connected.
    tools: Vec<String>,
    /// Tools that it has and that are not offered, and why.
    left_out: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    /// Whether `connect` leads anywhere.
    signs_in: bool,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum McpState {
    Connecting,
    Ready,
    Failed,
    NeedsAuthorization,
}

impl From<Status> for McpServer {
    fn from(status: Status) -> Self {
        let state = match status.connection {
            Connection::Connecting => McpState::Connecting,
            Connection::Ready => McpState::Ready,
            Connection::Failed => McpState::Failed,
            Connection::NeedsAuthorization => McpState::NeedsAuthorization,
        };
        let Status { name, since, protocol, title, tools, left_out, last_error, signs_in, .. } = status;
        Self { name, state, since, protocol, title, tools, left_out, last_error, signs_in }
    }
}

/// The MCP servers of the configuration.
#[utoipa::path(get, path = "/v1/mcp", tag = "mcp", operation_id = "list_mcp_servers",
    responses((status = 200, body = McpServers)))]
pub async fn list(state: State) -> Answered<McpServers> {
    let items = state.mcp().statuses().into_iter().map(McpServer::from).collect();
    Answered(McpServers { items })
}

#[derive(Debug, Serialize, ToSchema)]
pub struct SignIn {
    /// To be opened in a browser in which the same person is signed in here.
    url: String,
}

/// Begin to sign in for a server. It counts for ten minutes, for whoever asked, and once.
#[utoipa::path(post, path = "/v1/mcp/{name}/connect", tag = "mcp", operation_id = "connect_mcp_server",
    params(("name" = String, Path)), responses((status = 200, body = SignIn)))]
pub async fn connect(state: State, scope: Scope, Path(name): Path<String>) -> Result<Answered<SignIn>> {
    let url = state.mcp().begin(&name, scope.user_id).await.ok_or_else(Error::not_found)??;
    Ok(Answered(SignIn { url }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CallbackQuery {
    state: String,
    /// Absent where the authorisation server does not agree.
    code: Option<String>,
    iss: Option<String>,
}

/// Where the authorisation server sends the browser back to.
#[utoipa::path(get, path = CALLBACK, tag = "mcp", operation_id = "finish_mcp_sign_in", params(CallbackQuery),
    responses((status = 200, description = "A page that says so", body = String, content_type = "text/html")))]
pub async fn callback(
    state: State,
    scope: Scope,
    Query(query): Query<CallbackQuery>,
) -> Result<Html<&'static str>> {
    let Some(code) = query.code else {
        return Err(Error::new(Kind::Conflict, "the authorisation server did not agree"));
    };
    let callback = Callback { state: query.state, code, issuer: query.iss };
    state.mcp().finish(&callback, scope.user_id).await?;
    Ok(Html("<!doctype html><title>Weir</title><p>Signed in. This page can be closed.</p>"))
}

/// Have a server list its tools again, or try to connect to it at once.
#[utoipa::path(post, path = "/v1/mcp/{name}/refresh", tag = "mcp", operation_id = "refresh_mcp_server",
    params(("name" = String, Path)), responses((status = 202, body = McpServer)))]
pub async fn refresh(state: State, Path(name): Path<String>) -> Result<(StatusCode, Answered<McpServer>)> {
    state.mcp().refresh(&name).ok_or_else(Error::not_found)?;
    let status = state.mcp().status(&name).ok_or_else(Error::not_found)?;
    Ok((StatusCode::ACCEPTED, Answered(status.into())))
}

impl From<AuthorizationRefused> for Error {
    fn from(refused: AuthorizationRefused) -> Self {
        let kind = match refused {
            AuthorizationRefused::NotOffered | AuthorizationRefused::UnknownState => Kind::Conflict,
            AuthorizationRefused::Failed(_) => Kind::Unavailable,
        };
        Self::new(kind, refused.to_string())
    }
}
