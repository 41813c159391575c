//! Where a server is, and the first words with it.

use std::collections::HashMap;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use rmcp::model::ProtocolVersion;
use rmcp::service::{
    ClientInitializeError, ClientLifecycleMode, RoleClient, RunningService, serve_client_with_lifecycle,
};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};

use super::McpConfig;
use super::guarded::Guarded;
use super::handler::Handler;
use super::oauth::{Challenge, OAuth};
use super::process::{Pipes, Process};

/// Of one message.
const MOST_MESSAGE_BYTES: usize = 8 << 20;
/// Posted at the same time; more wait.
const MOST_AT_ONCE: usize = 64;

pub(super) enum Endpoint {
    Command { program: String, arguments: Vec<String> },
    Http(Remote),
}

pub(super) struct Remote {
    pub url: Arc<str>,
    pub guarded: Guarded,
    pub headers: HashMap<HeaderName, HeaderValue>,
    pub oauth: Option<Arc<OAuth>>,
}

/// Why there is no connection, or none any more.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error("somebody has to sign in for it")]
    NeedsAuthorization,
    /// It answered with something else than was asked.
    #[error("{0}")]
    Misunderstood(String),
    #[error("{0}")]
    Because(String),
}

/// What is there before the first word.
pub(super) enum Started<'a> {
    Process { process: Box<Process>, pipes: Option<(ChildStdin, ChildStdout)> },
    Http(&'a Remote),
}

pub(super) type Service = RunningService<RoleClient, Handler>;

impl Endpoint {
    pub(super) fn start(&self, config: &McpConfig) -> Result<(Started<'_>, Option<ChildStderr>), Broken> {
        match self {
            Self::Http(remote) => Ok((Started::Http(remote), None)),
            Self::Command { program, arguments } => {
                let started = Process::start(program, arguments, config);
                let (process, Pipes { input, output, errors }) = started
                    .map_err(|error| Broken::Because(format!("`{program}` cannot be started: {error}")))?;
                let process = Box::new(process);
                Ok((Started::Process { process, pipes: Some((input, output)) }, Some(errors)))
            }
        }
    }
}

impl Started<'_> {
    pub(super) async fn greet(&mut self, handler: Handler, manners: Manners) -> Result<Service, Broken> {
        let greeted = match self {
            Self::Process { pipes, .. } => {
                let (input, output) = pipes.take().expect("a process is greeted once");
                let transport =
                    AsyncRwTransport::new_client(output, input).with_max_line_length(MOST_MESSAGE_BYTES);
                serve_client_with_lifecycle(handler, transport, manners.lifecycle()).await
            }
            Self::Http(remote) => {
                let config = StreamableHttpClientTransportConfig::with_uri(remote.url.clone())
                    .custom_headers(remote.headers.clone())
                    .max_sse_event_size(MOST_MESSAGE_BYTES)
                    .max_concurrent_requests(MOST_AT_ONCE)
                    // What was under way on the old session would be told as failed.
                    .reinit_on_expired_session(false);
                match &remote.oauth {
                    None => {
                        let client = remote.guarded.client.clone();
                        let transport = StreamableHttpClientTransport::with_client(client, config);
                        serve_client_with_lifecycle(handler, transport, manners.lifecycle()).await
                    }
                    Some(oauth) => {
                        let client = oauth.client().await?;
                        let transport = StreamableHttpClientTransport::with_client(client, config);
                        serve_client_with_lifecycle(handler, transport, manners.lifecycle()).await
                    }
                }
            }
        };
        greeted.map_err(|error| self.broken(&error))
    }

    fn broken(&self, error: &ClientInitializeError) -> Broken {
        let Some(said) = error.auth_challenge() else {
            return match error {
                _ if error.is_authorization_required() => Broken::NeedsAuthorization,
                ClientInitializeError::ExpectedInitResult(_) => Broken::Misunderstood(error.to_string()),
                _ => Broken::Because(error.to_string()),
            };
        };
        if let Some(challenge) = self.challenge() {
            challenge.heard(said);
        }
        Broken::NeedsAuthorization
    }

    pub(super) fn challenge(&self) -> Option<Arc<Challenge>> {
        match self {
            Self::Process { .. } => None,
            Self::Http(remote) => Some(remote.oauth.as_ref()?.challenge()),
        }
    }

    pub(super) async fn end(self) {
        match self {
            Self::Process { process, .. } => process.end().await,
            Self::Http(_) => {}
        }
    }
}

/// How a server is spoken to first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manners {
    /// The revision without a handshake is asked for, and who says no is greeted as before.
    New,
    /// Who neither knows that revision nor says no to it is greeted as before at once.
    Old,
}

impl Manners {
    fn lifecycle(self) -> ClientLifecycleMode {
        match self {
            Self::New => ClientLifecycleMode::Auto {
                preferred_versions: vec![ProtocolVersion::V_2026_07_28],
                legacy_version: Some(ProtocolVersion::V_2025_11_25),
            },
            Self::Old => ClientLifecycleMode::Initialize,
        }
    }
}
