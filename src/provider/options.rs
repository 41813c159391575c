//! How to reach one provider: a `[providers.<name>]` section of the configuration.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::clock::Clock;
use crate::provider::caps::Caps;
use crate::provider::demo::Demo;
use crate::provider::endpoint::Endpoint;
use crate::provider::retry::Patience;
use crate::provider::{Kind, Provider, anthropic, ollama, openai_chat, openai_responses};

/// Headers and query values may be secrets, so none of them is ever printed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    pub kind: Kind,
    /// Default: the usual address of that kind.
    #[serde(default)]
    pub base_url: Option<String>,
    #[serde(default)]
    pub api_key: Option<SecretString>,
    /// The environment variable that holds the key.
    #[serde(default)]
    pub api_key_env: Option<String>,
    /// A file that holds nothing but the key.
    #[serde(default)]
    pub api_key_file: Option<PathBuf>,
    /// From the request to the first byte of the answer.
    #[serde(default = "first_byte_timeout", with = "humantime_serde")]
    pub first_byte_timeout: Duration,
    /// The longest silence inside an answer.
    #[serde(default = "idle_timeout", with = "humantime_serde")]
    pub idle_timeout: Duration,
    /// How long to go on asking while nothing of an answer came.
    #[serde(default = "retry_deadline", with = "humantime_serde")]
    pub retry_deadline: Duration,
    #[serde(default = "max_retries")]
    pub max_retries: u32,
    /// The longest time that one answer may take.
    #[serde(default = "max_answer_time", with = "humantime_serde")]
    pub max_answer_time: Duration,
    /// Bytes of one answer on the wire.
    #[serde(default = "max_answer_bytes")]
    pub max_answer_bytes: u64,
    /// Bytes of one event or line of an answer.
    #[serde(default = "max_event_bytes")]
    pub max_event_bytes: usize,
    #[serde(default = "max_events")]
    pub max_events: u64,
    #[serde(default)]
    pub headers: BTreeMap<String, SecretString>,
    #[serde(default)]
    pub query: BTreeMap<String, SecretString>,
    /// `openai-responses` only: the provider keeps the answer and goes on with it when the connection is lost.
    #[serde(default)]
    pub background: bool,
}

fn first_byte_timeout() -> Duration {
    Caps::default().first_byte
}
fn idle_timeout() -> Duration {
    Caps::default().idle
}
fn retry_deadline() -> Duration {
    Duration::from_secs(90)
}
const fn max_retries() -> u32 {
    4
}
fn max_answer_time() -> Duration {
    Caps::default().time
}
fn max_answer_bytes() -> u64 {
    Caps::default().bytes
}
fn max_event_bytes() -> usize {
    Caps::default().event_bytes
}
fn max_events() -> u64 {
    Caps::default().events
}

/// What is wrong with a provider's options.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {detail}")]
pub struct Misconfigured {
    /// The key inside the provider's section.
    pub key: &'static str,
    pub detail: String,
}

impl Options {
    /// A provider of that kind with everything else as usual.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            base_url: None,
            api_key: None,
            api_key_env: None,
            api_key_file: None,
            first_byte_timeout: first_byte_timeout(),
            idle_timeout: idle_timeout(),
            retry_deadline: retry_deadline(),
            max_retries: max_retries(),
            max_answer_time: max_answer_time(),
            max_answer_bytes: max_answer_bytes(),
            max_event_bytes: max_event_bytes(),
            max_events: max_events(),
            headers: BTreeMap::new(),
            query: BTreeMap::new(),
            background: false,
        }
    }

    pub(crate) fn caps(&self) -> Caps {
        Caps {
            first_byte: self.first_byte_timeout,
            idle: self.idle_timeout,
            time: self.max_answer_time,
            bytes: self.max_answer_bytes,
            event_bytes: self.max_event_bytes,
            events: self.max_events,
        }
    }

    pub(crate) fn patience(&self) -> Patience {
        Patience { deadline: self.retry_deadline, retries: self.max_retries }
    }

    /// The key from wherever it is, without the white space around it.
    fn key(&self, env: &dyn Fn(&str) -> Option<String>) -> Result<Option<SecretString>, Misconfigured> {
        let found = match (&self.api_key, &self.api_key_env, &self.api_key_file) {
            (None, None, None) => return Ok(None),
            (Some(key), None, None) => key.expose_secret().to_owned(),
            (None, Some(name), None) => env(name).ok_or_else(|| Misconfigured {
                key: "api_key_env",
                detail: format!("the environment variable `{name}` is not set"),
            })?,
            (None, None, Some(path)) => std::fs::read_to_string(path).map_err(|error| Misconfigured {
                key: "api_key_file",
                detail: format!("cannot read `{}`: {error}", path.display()),
            })?,
            _ => {
                return Err(Misconfigured {
                    key: "api_key",
                    detail: "expected one of api_key, api_key_env and api_key_file".to_owned(),
                });
            }
        };
        let key = found.trim();
        if key.is_empty() {
            return Err(Misconfigured { key: "api_key", detail: "the key is empty".to_owned() });
        }
        Ok(Some(SecretString::from(key)))
    }
}

/// Makes a provider of its options. Nothing is asked of it yet. The clock is for dates in `Retry-After` only.
pub fn connect(
    options: &Options,
    env: &dyn Fn(&str) -> Option<String>,
    clock: Clock,
) -> Result<Arc<dyn Provider>, Misconfigured> {
    let key = options.key(env)?;
    let endpoint = || Endpoint::new(options, key.as_ref(), clock);
    Ok(match options.kind {
        Kind::OpenaiChat => Arc::new(openai_chat::OpenaiChat::new(endpoint()?)),
        Kind::OpenaiResponses => {
            let keeping = match options.background {
                true => openai_responses::Keeping::Background,
                false => openai_responses::Keeping::Nothing,
            };
            Arc::new(openai_responses::OpenaiResponses::new(endpoint()?, keeping))
        }
        Kind::Anthropic => Arc::new(anthropic::Anthropic::new(endpoint()?)),
        Kind::Ollama => Arc::new(ollama::Ollama::new(endpoint()?)),
        Kind::Demo => Arc::new(Demo),
    })
}
