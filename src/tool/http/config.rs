//! How to call one tool: a `[tools.<name>]` section of the configuration.

use std::collections::BTreeMap;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;

use crate::tool::{AGENTS, BUILT_IN, Misconfigured, check_schema, public_net};

use super::redact::Redactor;

const MOST_NAME_BYTES: usize = 64;

/// Headers may be secrets, so none of them is ever printed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpToolConfig {
    pub url: String,
    /// For the model.
    pub description: String,
    /// JSON Schema of the arguments.
    pub schema: Value,
    /// From the look-up of the name to the end of the answer.
    #[serde(default = "usual_timeout", with = "humantime_serde")]
    pub timeout: Duration,
    /// Running a call twice, with the same `Idempotency-Key`, comes to the same as running it once.
    #[serde(default)]
    pub idempotent: bool,
    /// Any address may be called, and the system's proxy is used. Otherwise the address is public and called directly.
    #[serde(default)]
    pub allow_private_address: bool,
    #[serde(default)]
    pub headers: BTreeMap<String, SecretString>,
    /// The environment variable that holds a bearer token.
    #[serde(default)]
    pub auth_env: Option<String>,
}

fn usual_timeout() -> Duration {
    Duration::from_secs(30)
}

impl HttpToolConfig {
    /// Checks what the section alone can say, and gives the URL.
    pub fn check(&self, name: &str) -> Result<Url, Misconfigured> {
        let wrong = |key: &str, detail: String| Err(Misconfigured::of(name, key, detail));
        let is_fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if !(1..=MOST_NAME_BYTES).contains(&name.len()) || !name.chars().all(is_fit) {
            let expected =
                format!("expected a name of 1 to {MOST_NAME_BYTES} letters, digits, `_`, `-` and `.`");
            return wrong("", expected);
        }
        if BUILT_IN.contains(&name) || name.starts_with(AGENTS) {
            return wrong("", "expected another name; this one is a built-in tool's".to_owned());
        }
        if self.timeout.is_zero() {
            return wrong("timeout", "expected more than no time".to_owned());
        }
        if self.schema.get("type").is_none_or(|kind| kind != "object") {
            return wrong("schema", "expected a JSON Schema with type = \"object\"".to_owned());
        }
        if let Err(unusable) = check_schema(&self.schema) {
            return wrong("schema", format!("expected a JSON Schema: {unusable}"));
        }
        let url = match Url::parse(&self.url) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => url,
            Ok(_) | Err(_) => {
                return wrong("url", format!("expected an http or https URL, found {:?}", self.url));
            }
        };
        if !url.username().is_empty() || url.password().is_some() {
            return wrong("url", "expected no password in it; use auth_env or headers".to_owned());
        }
        match public_net::check(&url) {
            Err(refused) if !self.allow_private_address => {
                let expected = "expected a public address, or allow_private_address = true";
                wrong("url", format!("{expected}, found {:?}", refused.host))
            }
            Ok(()) | Err(_) => Ok(url),
        }
    }

    /// What goes along with every request, and who takes it out of the answers.
    pub(super) fn headers(
        &self,
        name: &str,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<(HeaderMap, Redactor), Misconfigured> {
        let wrong = |key: &str, detail: String| Misconfigured::of(name, key, detail);
        let mut headers = HeaderMap::new();
        for (header, value) in &self.headers {
            let key = format!("headers.{header}");
            let header = HeaderName::try_from(header)
                .map_err(|_| wrong(&key, "expected the name of a header".to_owned()))?;
            let value = sensitive(value.expose_secret())
                .ok_or_else(|| wrong(&key, "expected a value that can stand in a header".to_owned()))?;
            headers.insert(header, value);
        }
        let mut token = None;
        if let Some(variable) = &self.auth_env {
            let found = env(variable).unwrap_or_default().trim().to_owned();
            if found.is_empty() {
                let detail = format!("the environment variable `{variable}` is not set");
                return Err(wrong("auth_env", detail));
            }
            if headers.contains_key(header::AUTHORIZATION) {
                return Err(wrong(
                    "auth_env",
                    "expected one of auth_env and headers.authorization".to_owned(),
                ));
            }
            let bearer = sensitive(&format!("Bearer {found}")).ok_or_else(|| {
                wrong("auth_env", format!("the value of `{variable}` cannot stand in a header"))
            })?;
            headers.insert(header::AUTHORIZATION, bearer);
            token = Some(found);
        }
        let secrets = self.headers.values().map(ExposeSecret::expose_secret).chain(token.as_deref());
        Ok((headers, Redactor::new(secrets)))
    }
}

fn sensitive(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}
