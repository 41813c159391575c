//! One provider's address: the client, the headers, and how a request becomes an answer's bytes or a failure.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{RequestBuilder, Response, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{Instant, timeout, timeout_at};

use crate::clock::Clock;
use crate::provider::caps::Caps;
use crate::provider::decode::{Fold, Manner, read};
use crate::provider::failure::Failure;
use crate::provider::options::{Misconfigured, Options};
use crate::provider::redact::Redactor;
use crate::provider::retry::{Continuity, Patience, persist};
use crate::provider::sse::Framing;
use crate::provider::tool_names::ToolNames;
use crate::provider::wire::byte_stream;
use crate::provider::{Kind, ModelStream, rejection};

/// So much of an error's body is read, and for so long.
const ERROR_BODY_BYTES: usize = 64 << 10;
const ERROR_BODY_TIME: Duration = Duration::from_secs(5);
/// A list of models is no stream: it comes at once or not at all.
const LIST_BYTES: usize = 16 << 20;

#[derive(Clone)]
pub(crate) struct Endpoint {
    client: reqwest::Client,
    base: Url,
    caps: Caps,
    patience: Patience,
    redactor: Redactor,
    clock: Clock,
}

impl Endpoint {
    pub(crate) fn new(
        options: &Options,
        key: Option<&SecretString>,
        clock: Clock,
    ) -> Result<Self, Misconfigured> {
        let base = base(options)?;
        let mut client = reqwest::Client::builder()
            .default_headers(headers(options, key)?)
            // A redirect would take the key along to wherever it points.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(options.first_byte_timeout.min(Duration::from_secs(10)))
            .user_agent(concat!("weir/", env!("CARGO_PKG_VERSION")));
        if is_loopback(&base) {
            client = client.no_proxy();
        }
        let client = client
            .build()
            .map_err(|error| Misconfigured { key: "base_url", detail: error.without_url().to_string() })?;
        let secrets = key.into_iter().chain(options.headers.values()).chain(options.query.values());
        let redactor = Redactor::new(secrets.map(ExposeSecret::expose_secret));
        Ok(Self { client, base, caps: options.caps(), patience: options.patience(), redactor, clock })
    }

    /// `path` below the base URL, whose query stays.
    pub(crate) fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/{path}", self.base.path().trim_end_matches('/')));
        url
    }

    /// The host that answers, for what only one provider among the compatible ones wants.
    pub(crate) fn host(&self) -> &str {
        self.base.host_str().unwrap_or_default()
    }

    /// Asks until something of an answer comes, then decodes it.
    pub(crate) fn stream(
        &self,
        ask: Ask,
        framing: Framing,
        continuity: Continuity,
        tool_names: ToolNames,
        fold: impl Fn(Redactor) -> Box<dyn Fold> + Send + Sync + 'static,
    ) -> ModelStream {
        let endpoint = Arc::new(self.clone());
        let ask = Arc::new(ask);
        let fold = Arc::new(fold);
        persist(self.patience, continuity, move || {
            let (endpoint, ask, fold) = (endpoint.clone(), ask.clone(), fold.clone());
            let tool_names = tool_names.clone();
            stream::once(async move {
                let asked_at = Instant::now();
                let manner = Manner { caps: endpoint.caps, redactor: endpoint.redactor.clone(), tool_names };
                match endpoint.open(&ask, asked_at).await {
                    Ok(response) => {
                        let bytes = response
                            .bytes_stream()
                            .map(|read| read.map_err(|error| chain(error.without_url())));
                        let fold = fold(endpoint.redactor.clone());
                        read(framing, fold, byte_stream(bytes, endpoint.redactor.clone()), manner, asked_at)
                    }
                    Err(failure) => stream::iter([Err(failure)]).boxed(),
                }
            })
            .flatten()
            .boxed()
        })
    }

    /// One JSON document.
    pub(crate) async fn json<T: DeserializeOwned>(&self, ask: &Ask) -> Result<T, Failure> {
        let asked_at = Instant::now();
        let response = self.open(ask, asked_at).await?;
        let due = asked_at + self.caps.first_byte + self.caps.idle;
        let late = |_| Failure::timeout("the provider's list did not come in time");
        let body = timeout_at(due, beginning(response, LIST_BYTES)).await.map_err(late)?;
        serde_json::from_slice(&body).map_err(|error| {
            let detail = self.redactor.clean(&error.to_string());
            Failure::refused(format!("the provider's list is not what it should be: {detail}"))
        })
    }

    /// Sends a request and waits for the head of its answer.
    async fn open(&self, ask: &Ask, asked_at: Instant) -> Result<Response, Failure> {
        let sent = timeout_at(asked_at + self.caps.first_byte, ask.on(&self.client).send()).await;
        let response = match sent {
            Err(_) => {
                return Err(Failure::timeout(format!("nothing came within {:?}", self.caps.first_byte)));
            }
            Ok(Err(error)) => return Err(self.not_sent(error)),
            Ok(Ok(response)) => response,
        };
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let retry_after = rejection::retry_after(response.headers(), &self.clock);
        let body = timeout(ERROR_BODY_TIME, beginning(response, ERROR_BODY_BYTES)).await;
        Err(rejection::of_response(status.as_u16(), retry_after, &body.unwrap_or_default(), &self.redactor))
    }

    fn not_sent(&self, error: reqwest::Error) -> Failure {
        let detail = self.redactor.clean(&chain(error.without_url()));
        Failure::unreachable(format!("{}: {detail}", self.host()))
    }
}

/// A request that may be sent more than once.
pub(crate) enum Ask {
    Get(Url),
    Post(Url, Value),
}

impl Ask {
    fn on(&self, client: &reqwest::Client) -> RequestBuilder {
        match self {
            Self::Get(url) => client.get(url.clone()),
            Self::Post(url, body) => client.post(url.clone()).json(body),
        }
    }
}

/// At most `limit` bytes of a body, as far as it came.
async fn beginning(response: Response, limit: usize) -> Vec<u8> {
    let mut body = Vec::new();
    let mut reads = response.bytes_stream();
    while let Some(Ok(bytes)) = reads.next().await {
        body.extend_from_slice(&bytes[..bytes.len().min(limit - body.len())]);
        if body.len() == limit {
            break;
        }
    }
    body
}

/// An error with its causes, which is where reqwest says what happened.
fn chain(error: impl std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn base(options: &Options) -> Result<Url, Misconfigured> {
    let wrong = |detail: String| Misconfigured { key: "base_url", detail };
    let given = options.base_url.as_deref().or(options.kind.default_base_url()).unwrap_or_default();
    let mut base =
        Url::parse(given).map_err(|error| wrong(format!("expected an http or https URL: {error}")))?;
    if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
        return Err(wrong("expected an http or https URL".to_owned()));
    }
    let path = base.path().trim_end_matches('/').to_owned();
    let path = match options.kind {
        Kind::Anthropic if !path.ends_with("/v1") => format!("{path}/v1"),
        Kind::Ollama => path.strip_suffix("/v1").or(path.strip_suffix("/api")).unwrap_or(&path).to_owned(),
        Kind::OpenaiChat | Kind::OpenaiResponses | Kind::Anthropic | Kind::Demo => path,
    };
    base.set_path(&path);
    for (name, value) in &options.query {
        base.query_pairs_mut().append_pair(name, value.expose_secret());
    }
    Ok(base)
}

fn headers(options: &Options, key: Option<&SecretString>) -> Result<HeaderMap, Misconfigured> {
    let mut headers = HeaderMap::new();
    match options.kind {
        Kind::Anthropic => {
            headers.insert("anthropic-version", HeaderValue::from_static("2023-06-01"));
            if let Some(key) = key {
                headers.insert("x-api-key", sensitive("api_key", key.expose_secret())?);
            }
        }
        Kind::OpenaiChat | Kind::OpenaiResponses | Kind::Ollama | Kind::Demo => {
            if let Some(key) = key {
                let bearer = format!("Bearer {}", key.expose_secret());
                headers.insert(http::header::AUTHORIZATION, sensitive("api_key", &bearer)?);
            }
        }
    }
    for (name, value) in &options.headers {
        let name = HeaderName::try_from(name).map_err(|_| Misconfigured {
            key: "headers",
            detail: format!("`{name}` is not the name of a header"),
        })?;
        headers.insert(name, sensitive("headers", value.expose_secret())?);
    }
    Ok(headers)
}

fn sensitive(key: &'static str, value: &str) -> Result<HeaderValue, Misconfigured> {
    let mut header = HeaderValue::try_from(value)
        .map_err(|_| Misconfigured { key, detail: "the value cannot stand in a header".to_owned() })?;
    header.set_sensitive(true);
    Ok(header)
}

fn is_loopback(url: &Url) -> bool {
    match url.host_str() {
        Some("localhost") => true,
        Some(host) => host
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback()),
        None => false,
    }
}
