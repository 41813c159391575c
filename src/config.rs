//! The configuration: one small struct per concern, read from `weir.toml`, the environment and the flags.
//!
//! Flags beat `WEIR_*`, which beats the file. Unknown keys are refused. An error names the file (or the variable
//! or flag), the key and what was expected. Nothing here opens a socket or starts anything.

mod error;
mod load;
mod value;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

use crate::auth::KeyText;
use crate::auth::token::{Creation, TokenAlgorithm};
use crate::chat::policy::Policy;
use crate::chat::turn::Recovery;
use crate::provider;
use crate::tool::HttpToolConfig;
use crate::tool::mcp::McpConfig;

pub use error::Error;
pub use load::Flags;
pub use value::{Network, Origin};

/// `WEIR_ROOT_KEY` is refused below this many characters.
pub const ROOT_KEY_MIN_CHARS: usize = 32;

/// The agent that answers where nobody names one.
pub const DEFAULT_AGENT: &str = "default";

/// Everything that an operator may set.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub server: Server,
    pub providers: BTreeMap<String, provider::Options>,
    /// Never empty once loaded: without any, there is [`DEFAULT_AGENT`].
    pub agents: BTreeMap<String, Agent>,
    /// Tools behind HTTP, by name.
    pub tools: BTreeMap<String, HttpToolConfig>,
    /// MCP servers, by name.
    pub mcp: BTreeMap<String, McpConfig>,
    pub auth: Auth,
    pub logging: Logging,
    pub metrics: Metrics,
    pub limits: Limits,
    pub files: Files,
    pub webhooks: Webhooks,
    pub email: Email,
    /// `WEIR_ROOT_KEY`: an API key of the default workspace's owner. Never read from the file.
    #[serde(skip)]
    pub root_key: Option<SecretString>,
    /// Who answers for the agents that name no provider.
    #[serde(skip)]
    pub default_provider: ProviderChoice,
    /// Where all this was read from, whether or not there is such a file.
    #[serde(skip)]
    pub file: PathBuf,
}

impl Config {
    /// What only the start finds out about a setting: `error("providers.openai.api_key_env", "... is not set")`.
    pub fn error(&self, key: &str, problem: impl std::fmt::Display) -> Error {
        Error::new(self.file.display().to_string(), key, problem.to_string())
    }
}

/// Where the server listens and keeps its data, and whom it trusts.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// `WEIR_LISTEN`, `--listen`.
    #[serde(deserialize_with = "value::socket_addr")]
    pub listen: SocketAddr,
    /// `WEIR_DATA`, `--data`. In the file it is relative to the file.
    pub data: PathBuf,
    /// `WEIR_PUBLIC_URL`: what people type, for links and the checks of `Host` and `Origin`.
    pub public_url: Option<Origin>,
    /// `WEIR_TRUSTED_PROXIES`, separated by commas: whose `X-Forwarded-*` headers are believed.
    pub trusted_proxies: Vec<Network>,
    /// `WEIR_ALLOWED_ORIGINS`, separated by commas: pages elsewhere that may call the API, without cookies.
    pub allowed_origins: Vec<Origin>,
    /// How long running turns may go on after SIGTERM before they are left for recovery.
    #[serde(with = "humantime_serde")]
    pub grace: Duration,
}

impl Server {
    /// Where the page is. `listen` is the address that the server really has.
    pub fn url(&self, listen: SocketAddr) -> String {
        match &self.public_url {
            Some(url) => url.to_string(),
            // Every address of the machine is no address that a browser can open.
            None if listen.ip().is_unspecified() => format!("http://localhost:{}", listen.port()),
            None => format!("http://{listen}"),
        }
    }

    /// What its user opens once to choose a name and a password. The code stands behind the `#`, so that no browser
    /// sends it and no proxy writes it down.
    pub fn setup_link(&self, listen: SocketAddr, code: &KeyText) -> String {
        format!("{}/setup#code={}", self.url(listen), code.expose())
    }
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            data: PathBuf::from("./data"),
            public_url: None,
            trusted_proxies: Vec::new(),
            allowed_origins: Vec::new(),
            grace: Duration::from_secs(30),
        }
    }
}

/// A named way to answer: model, prompt, tools, approval policy and limits.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Agent {
    /// What people see; absent: the agent's key.
    pub name: Option<String>,
    pub description: Option<String>,
    /// A key of `providers`; absent: [`Config::default_provider`].
    pub provider: Option<String>,
    /// `auto` takes the first usable of the provider's list.
    pub model: String,
    /// A minijinja template. In the file it is relative to the file; absent: the embedded default.
    pub prompt: Option<PathBuf>,
    pub recovery: Recovery,
    /// Whether the model accepts a trailing assistant message to go on from.
    pub prefill: bool,
    /// Model calls in one turn.
    pub max_steps: u32,
    /// Input and output tokens of one turn.
    pub max_tokens: Option<u64>,
    /// Wall time of one turn.
    #[serde(with = "humantime_serde")]
    pub max_wall: Duration,
    /// Absent: the model's own.
    pub context_tokens: Option<u32>,
    /// Names of tools; `files.*` means all of that server.
    pub tools: Vec<String>,
    /// Openers that the page offers in an empty conversation.
    pub suggestions: Vec<String>,
    /// Whether a conversation without a title gets one from the model after its first exchange.
    pub titles: bool,
    /// Absent: the agent's model. A cheaper one will do.
    pub title_model: Option<String>,
    /// Whether the beginning of a long conversation is summarised before it no longer fits the model's context.
    pub compaction: bool,
    /// Absent: the agent's model.
    pub compaction_model: Option<String>,
    /// Which calls run, are asked for, or never run, by patterns of tool names.
    pub policy: Policy,
}

impl Default for Agent {
    fn default() -> Self {
        Self {
            name: None,
            description: None,
            provider: None,
            model: "auto".to_owned(),
            prompt: None,
            recovery: Recovery::default(),
            prefill: false,
            max_steps: 20,
            max_tokens: None,
            max_wall: Duration::from_secs(30 * 60),
            context_tokens: None,
            tools: Vec::new(),
            suggestions: Vec::new(),
            titles: true,
            title_model: None,
            compaction: true,
            compaction_model: None,
            policy: Policy::default(),
        }
    }
}

/// What a newcomer may let happen unasked: what changes nothing but its own notes.
const UNASKED: &str = r#"
    "clock" = "allow"
    "calculator" = "allow"
    "memory" = "allow"
    "search_conversations" = "allow"
    "files.list" = "allow"
    "files.read" = "allow"
"#;

impl Agent {
    /// The one that is there where nobody configured any: it has the tools that need nothing else.
    fn of_a_newcomer() -> Self {
        let tools = ["ask_user", "calculator", "clock", "files.*", "memory", "search_conversations"];
        let policy = toml::from_str(UNASKED).expect("it is written above");
        Self { tools: tools.map(str::to_owned).into(), policy, ..Self::default() }
    }
}

/// Who answers for an agent that names no provider.
#[derive(Debug, Clone, Default)]
pub enum ProviderChoice {
    /// The only configured provider.
    Configured(String),
    /// `OPENAI_API_KEY`, with `OPENAI_BASE_URL` if that is set.
    OpenAi { api_key: SecretString, base_url: Option<String> },
    /// `ANTHROPIC_API_KEY`.
    Anthropic { api_key: SecretString },
    /// An Ollama if one answers on its usual port, else the built-in demo. The server looks.
    #[default]
    OllamaOrDemo,
}

/// Whose tokens are believed besides our own.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    pub issuers: Vec<TokenIssuer>,
}

/// A product that signs JSON Web Tokens for its own users. Its key is exactly one of the `secret`s (HS256) or of the
/// others (RS256, EdDSA).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenIssuer {
    /// What its users and workspaces are remembered under. Never change it.
    pub name: String,
    /// `iss`
    pub issuer: String,
    /// `aud`
    pub audience: String,
    pub algorithm: TokenAlgorithm,
    pub secret: Option<SecretString>,
    /// The environment variable that holds the secret.
    pub secret_env: Option<String>,
    /// A file that holds nothing but the secret.
    pub secret_file: Option<PathBuf>,
    /// A file with the public key as PEM.
    pub public_key_file: Option<PathBuf>,
    /// Where the public keys are, by their `kid`.
    pub jwks_url: Option<String>,
    /// `create`: who was never seen is made a user.
    #[serde(default)]
    pub users: Creation,
    /// `create`: what was never seen is made a workspace.
    #[serde(default)]
    pub workspaces: Creation,
}

/// What is written to standard error.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Logging {
    /// `WEIR_LOG_FORMAT`.
    pub format: LogFormat,
    /// `WEIR_LOG_LEVEL`: a level, or a filter such as `warn,weir::runtime=debug`.
    #[serde(deserialize_with = "value::log_filter")]
    pub level: String,
}

impl Default for Logging {
    fn default() -> Self {
        Self { format: LogFormat::default(), level: "warn".to_owned() }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

/// Who may read `/metrics`: with neither of the two, nobody.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Metrics {
    /// `WEIR_METRICS_LISTEN`: an address of its own, without a token.
    #[serde(deserialize_with = "value::optional_socket_addr")]
    pub listen: Option<SocketAddr>,
    /// `WEIR_METRICS_TOKEN`: a bearer token for `/metrics` on the server's own address.
    pub token: Option<SecretString>,
}

/// What one request, user or key may use up.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// The text of one message.
    pub message_bytes: usize,
    /// The body of one request, files apart.
    pub body_bytes: usize,
    /// A file of conversations that is imported.
    pub import_bytes: u64,
    pub requests_per_minute: u32,
    /// Streams and sockets that one user has open.
    pub streams_per_user: u32,
    /// Turns that one user has running.
    pub turns_per_user: usize,
    /// Sends that wait in one conversation.
    pub queue_per_conversation: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: 1 << 20,
            body_bytes: 4 << 20,
            import_bytes: 4 << 30,
            requests_per_minute: 1200,
            streams_per_user: 256,
            turns_per_user: 64,
            queue_per_conversation: 32,
        }
    }
}

/// What files may take up, in bytes unless it says otherwise.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Files {
    /// One file.
    pub max_bytes: u64,
    /// All that one user has sent.
    pub per_user_bytes: u64,
    /// The same, as a number of files.
    pub per_user_count: u64,
    /// All of a workspace.
    pub per_workspace_bytes: u64,
    /// What tools write in one conversation, with what stood there before.
    pub per_conversation_bytes: u64,
}

impl Default for Files {
    fn default() -> Self {
        Self {
            max_bytes: 50 << 20,
            per_user_bytes: 5 << 30,
            per_user_count: 10_000,
            per_workspace_bytes: 100 << 30,
            per_conversation_bytes: 256 << 20,
        }
    }
}

/// How webhooks are told.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Webhooks {
    /// Hosts, as they stand in the URLs, that may have any address and need no TLS.
    pub allow_private_addresses: Vec<String>,
    /// What is waited before each further attempt, each with up to a fifth more; then nobody tries any more.
    #[serde(deserialize_with = "value::durations")]
    pub retry: Vec<Duration>,
    /// A webhook of which every attempt failed for so long is disabled.
    #[serde(with = "humantime_serde")]
    pub disable_after: Duration,
}

impl Default for Webhooks {
    fn default() -> Self {
        let (minutes, hours) = (|n: u64| Duration::from_secs(60 * n), |n: u64| Duration::from_secs(3600 * n));
        Self {
            allow_private_addresses: Vec::new(),
            // As the Standard Webhooks specification proposes.
            retry: vec![
                Duration::from_secs(5),
                minutes(5),
                minutes(30),
                hours(2),
                hours(5),
                hours(10),
                hours(14),
                hours(20),
                hours(24),
            ],
            disable_after: hours(5 * 24),
        }
    }
}

/// How people are written to. Without `smtp` and `from` nobody is.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Email {
    /// `smtps://user:password@host:465`, or `smtp://host:587?tls=required`.
    pub smtp: Option<SecretString>,
    /// The environment variable that holds the password.
    pub password_env: Option<String>,
    /// `Weir <weir@example.com>`.
    pub from: Option<String>,
    /// Whether those who may decide about a call are written to.
    pub approvals: bool,
    /// What comes within this time is one mail.
    #[serde(with = "humantime_serde")]
    pub gather: Duration,
}

impl Default for Email {
    fn default() -> Self {
        Self { smtp: None, password_env: None, from: None, approvals: true, gather: Duration::from_secs(30) }
    }
}

#[cfg(test)]
mod tests;
