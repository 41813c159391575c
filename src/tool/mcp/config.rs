//! How to reach one MCP server: a `[mcp.<name>]` section of the configuration.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, HeaderValue, header};
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::tool::{AGENTS, BUILT_IN, Misconfigured, public_net};

const MOST_NAME_BYTES: usize = 32;

/// Either `command` or `url`. Values of headers and of the environment may be secrets, so none of them is printed.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct McpConfig {
    /// The program and its arguments. It is started in a process group of its own, and ended with the server.
    pub command: Vec<String>,
    /// What the program finds in its environment, beside `PATH`, `HOME` and the like. Nothing else of ours is there.
    pub env: BTreeMap<String, SecretString>,
    /// Variables of our own environment that it is given.
    pub env_vars: Vec<String>,
    /// Where it starts. In the file it is relative to the file.
    pub cwd: Option<PathBuf>,
    /// A server that is reached over streamable HTTP.
    pub url: Option<String>,
    pub headers: BTreeMap<String, SecretString>,
    /// The environment variable that holds a bearer token.
    pub auth_env: Option<String>,
    pub auth: Option<Auth>,
    /// With `auth`. Absent: this server registers itself with the authorisation server.
    pub client_id: Option<String>,
    pub client_secret: Option<SecretString>,
    /// With `auth`. Absent: those that the server asks for.
    pub scopes: Vec<String>,
    /// Without a word from the server on a call. What people think about does not count.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// Which of the server's tools there are, by their names over there.
    pub tools: Vec<String>,
    /// Those of them of which two calls come to the same as one. What the server says of that counts for nothing.
    pub idempotent: Vec<String>,
    /// Any address may be called, and the system's proxy is used. Otherwise the address is public and called directly.
    pub allow_private_address: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    /// Somebody signs in at the authorisation server, in the browser.
    Oauth,
    /// `client_id` and `client_secret` are enough.
    ClientCredentials,
}

impl Default for McpConfig {
    fn default() -> Self {
        Self {
            command: Vec::new(),
            env: BTreeMap::new(),
            env_vars: Vec::new(),
            cwd: None,
            url: None,
            headers: BTreeMap::new(),
            auth_env: None,
            auth: None,
            client_id: None,
            client_secret: None,
            scopes: Vec::new(),
            timeout: Duration::from_secs(60),
            tools: vec!["*".to_owned()],
            idempotent: Vec::new(),
            allow_private_address: false,
        }
    }
}

/// Where the server is, as far as the section alone can say.
#[derive(Debug, Clone)]
pub(super) enum Target {
    Command { program: String, arguments: Vec<String> },
    Http(Url),
}

impl McpConfig {
    /// Checks what the section alone can say.
    pub fn check(&self, name: &str) -> Result<(), Misconfigured> {
        self.target(name).map(drop)
    }

    pub(super) fn target(&self, name: &str) -> Result<Target, Misconfigured> {
        let wrong = |key: &str, detail: &str| Err(misconfigured(name, key, detail));
        let is_fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if !(1..=MOST_NAME_BYTES).contains(&name.len()) || !name.chars().all(is_fit) {
            let expected = format!("expected a name of 1 to {MOST_NAME_BYTES} letters, digits, `_` and `-`");
            return wrong("", &expected);
        }
        // As the first part of a tool's name it would be ambiguous.
        let is_taken = |tool: &&str| tool.split('.').next() == Some(name);
        if name == AGENTS.trim_end_matches('.') || BUILT_IN.iter().any(is_taken) {
            return wrong("", "expected another name; tools of this server begin with it");
        }
        if self.timeout.is_zero() {
            return wrong("timeout", "expected more than no time");
        }
        match (self.command.split_first(), &self.url) {
            (Some((program, arguments)), None) => {
                self.check_command(name, program)?;
                Ok(Target::Command { program: program.clone(), arguments: arguments.to_vec() })
            }
            (None, Some(url)) => self.check_url(name, url).map(Target::Http),
            (Some(_), Some(_)) => wrong("url", "expected one of command and url"),
            (None, None) => wrong("command", "is missing; expected command or url"),
        }
    }

    fn check_command(&self, name: &str, program: &str) -> Result<(), Misconfigured> {
        if program.is_empty() {
            return Err(misconfigured(name, "command", "expected a program first, found \"\""));
        }
        let misplaced = [
            ("headers", !self.headers.is_empty()),
            ("auth_env", self.auth_env.is_some()),
            ("auth", self.auth.is_some()),
            ("client_id", self.client_id.is_some()),
            ("client_secret", self.client_secret.is_some()),
            ("scopes", !self.scopes.is_empty()),
            ("allow_private_address", self.allow_private_address),
        ];
        alone(name, misplaced, "expected it only with url")
    }

    fn check_url(&self, name: &str, url: &str) -> Result<Url, Misconfigured> {
        let wrong = |key: &str, detail: &str| Err(misconfigured(name, key, detail));
        let misplaced = [
            ("env", !self.env.is_empty()),
            ("env_vars", !self.env_vars.is_empty()),
            ("cwd", self.cwd.is_some()),
        ];
        alone(name, misplaced, "expected it only with command")?;
        let parsed = match Url::parse(url) {
            Ok(parsed) if matches!(parsed.scheme(), "http" | "https") => parsed,
            Ok(_) | Err(_) => return wrong("url", &format!("expected an http or https URL, found {url:?}")),
        };
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return wrong("url", "expected no password in it; use auth_env or headers");
        }
        if let Err(refused) = public_net::check(&parsed)
            && !self.allow_private_address
        {
            let expected = "expected a public address, or allow_private_address = true";
            return wrong("url", &format!("{expected}, found {:?}", refused.host));
        }
        match self.auth {
            None => {
                let misplaced = [
                    ("client_id", self.client_id.is_some()),
                    ("client_secret", self.client_secret.is_some()),
                    ("scopes", !self.scopes.is_empty()),
                ];
                alone(name, misplaced, "expected it only with auth")?;
            }
            Some(_) if self.auth_env.is_some() => {
                return wrong("auth_env", "expected one of auth and auth_env");
            }
            Some(Auth::Oauth) if self.client_secret.is_some() && self.client_id.is_none() => {
                return wrong("client_id", "is missing; client_secret is there");
            }
            Some(Auth::ClientCredentials) if self.client_id.is_none() || self.client_secret.is_none() => {
                return wrong("auth", "expected client_id and client_secret beside \"client_credentials\"");
            }
            Some(Auth::Oauth | Auth::ClientCredentials) => {}
        }
        Ok(parsed)
    }

    /// What goes along with every request.
    pub(super) fn headers(
        &self,
        name: &str,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<HashMap<HeaderName, HeaderValue>, Misconfigured> {
        let wrong = |key: &str, detail: String| misconfigured(name, key, &detail);
        let mut headers = HashMap::new();
        for (header, value) in &self.headers {
            let key = format!("headers.{header}");
            let header = HeaderName::try_from(header)
                .map_err(|_| wrong(&key, "expected the name of a header".to_owned()))?;
            let value = sensitive(value.expose_secret())
                .ok_or_else(|| wrong(&key, "expected a value that can stand in a header".to_owned()))?;
            headers.insert(header, value);
        }
        if let Some(variable) = &self.auth_env {
            let token = env(variable).unwrap_or_default().trim().to_owned();
            if token.is_empty() {
                return Err(wrong("auth_env", format!("the environment variable `{variable}` is not set")));
            }
            let bearer = sensitive(&format!("Bearer {token}")).ok_or_else(|| {
                wrong("auth_env", format!("the value of `{variable}` cannot stand in a header"))
            })?;
            if headers.insert(header::AUTHORIZATION, bearer).is_some() {
                return Err(wrong(
                    "auth_env",
                    "expected one of auth_env and headers.authorization".to_owned(),
                ));
            }
        }
        Ok(headers)
    }
}

fn misconfigured(name: &str, key: &str, detail: &str) -> Misconfigured {
    Misconfigured::in_section("mcp", name, key, detail)
}

fn alone<const N: usize>(
    name: &str,
    misplaced: [(&str, bool); N],
    expected: &str,
) -> Result<(), Misconfigured> {
    match misplaced.into_iter().find(|(_, is_there)| *is_there) {
        Some((key, _)) => Err(misconfigured(name, key, expected)),
        None => Ok(()),
    }
}

fn sensitive(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}
