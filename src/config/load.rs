//! Lays the file, the environment and the flags over each other, and checks what no single value can say.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use toml::{Table, Value};

use crate::chat::conversation::MAX_QUEUED_TURNS;
use crate::tool::Misconfigured;

use super::{Agent, Config, DEFAULT_AGENT, Error, ProviderChoice, ROOT_KEY_MIN_CHARS};

/// What the command line says about the configuration.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    pub config: Option<PathBuf>,
    pub data: Option<PathBuf>,
    pub listen: Option<String>,
}

/// Variables, and the keys that they set.
const VARIABLES: &[(&str, &str)] = &[
    ("WEIR_LISTEN", "server.listen"),
    ("WEIR_DATA", "server.data"),
    ("WEIR_PUBLIC_URL", "server.public_url"),
    ("WEIR_TRUSTED_PROXIES", "server.trusted_proxies"),
    ("WEIR_ALLOWED_ORIGINS", "server.allowed_origins"),
    ("WEIR_LOG_FORMAT", "logging.format"),
    ("WEIR_LOG_LEVEL", "logging.level"),
    ("WEIR_METRICS_LISTEN", "metrics.listen"),
    ("WEIR_METRICS_TOKEN", "metrics.token"),
];

/// Their variables are lists, separated by commas.
const LISTS: &[&str] = &["server.trusted_proxies", "server.allowed_origins"];

const DEFAULT_FILE: &str = "weir.toml";

impl Config {
    /// Reads the file that the flags, `WEIR_CONFIG` or the working directory name, and lays the rest over it.
    /// A variable that is set but empty counts as not set.
    pub fn load(flags: &Flags, env: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let env = |name: &str| env(name).filter(|value| !value.is_empty());
        let named = flags.config.clone().or_else(|| env("WEIR_CONFIG").map(PathBuf::from));
        let path = named.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_FILE));
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => String::new(),
            Err(error) => return Err(Error::new(shown(&path), "", format!("cannot be read: {error}"))),
        };
        Self::layered(&path, &text, flags, env)
    }

    fn layered(
        path: &Path,
        text: &str,
        flags: &Flags,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        let mut table = parse(path, text)?;
        let file_sets_data = table.get("server").is_some_and(|server| server.get("data").is_some());
        // Which keys come from elsewhere than the file, for the words of an error.
        let mut sources = BTreeMap::new();
        for (variable, key) in VARIABLES {
            let Some(value) = env(variable) else { continue };
            let value = match LISTS.contains(key) {
                true => {
                    Value::Array(value.split(',').map(|item| Value::String(item.trim().to_owned())).collect())
                }
                false => Value::String(value),
            };
            set(&mut table, key, value);
            sources.insert(*key, *variable);
        }
        let data = flags.data.as_ref().map(|data| data.to_string_lossy().into_owned());
        for (flag, key, value) in
            [("--listen", "server.listen", flags.listen.clone()), ("--data", "server.data", data)]
        {
            let Some(value) = value else { continue };
            set(&mut table, key, Value::String(value));
            sources.insert(key, flag);
        }

        let at = |key: &str| match sources.get(key.split('[').next().unwrap_or(key)) {
            Some(source) => ((*source).to_owned(), String::new()),
            None => (shown(path), key.to_owned()),
        };
        let mut config: Self = serde_path_to_error::deserialize(Value::Table(table)).map_err(|error| {
            let key = error.path().to_string();
            let (source, key) = at(if key == "." { "" } else { &key });
            Error::from_serde(source, key, error.inner().message())
        })?;

        let base = path.parent().unwrap_or(Path::new(""));
        if !sources.contains_key("server.data") && file_sets_data {
            config.server.data = base.join(&config.server.data);
        }
        path.clone_into(&mut config.file);
        config.root_key = root_key(&env)?;
        config.default_provider = provider_choice(&config, &env);
        config.check(base)?;
        Ok(config)
    }

    /// What no single value can say; fills in the default agent and makes the prompts' paths whole.
    fn check(&mut self, base: &Path) -> Result<(), Error> {
        if self.agents.is_empty() {
            self.agents.insert(DEFAULT_AGENT.to_owned(), Agent::of_a_newcomer());
        }
        let wrong = |key: String, problem: String| Err(self.error(&key, problem));
        let providers =
            || self.providers.keys().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
        for (name, agent) in &self.agents {
            let key = format!("agents.{name}.provider");
            match &agent.provider {
                Some(provider) if !self.providers.contains_key(provider) => {
                    let expected = match self.providers.is_empty() {
                        true => "a key of `providers`, which is empty".to_owned(),
                        false => format!("one of {}", providers()),
                    };
                    return wrong(key, format!("expected {expected}, found {provider:?}"));
                }
                None if self.providers.len() > 1 => {
                    return wrong(key, format!("is missing; expected one of {}", providers()));
                }
                Some(_) | None => {}
            }
            if agent.max_steps == 0 {
                return wrong(format!("agents.{name}.max_steps"), "expected at least 1, found 0".to_owned());
            }
            if agent.max_wall.is_zero() {
                return wrong(format!("agents.{name}.max_wall"), "expected more than no time".to_owned());
            }
            if agent.model.is_empty() {
                return wrong(format!("agents.{name}.model"), "expected a model or \"auto\"".to_owned());
            }
        }
        for (name, server) in &self.mcp {
            if let Err(Misconfigured { key, detail }) = server.check(name) {
                return wrong(key, detail);
            }
        }
        for (name, tool) in &self.tools {
            if let Err(Misconfigured { key, detail }) = tool.check(name) {
                return wrong(key, detail);
            }
        }
        if self.limits.message_bytes > self.limits.body_bytes {
            let (message, body) = (self.limits.message_bytes, self.limits.body_bytes);
            return wrong(
                "limits.message_bytes".to_owned(),
                format!("expected at most limits.body_bytes ({body}), found {message}"),
            );
        }
        if self.email.smtp.is_some() && self.email.from.is_none() {
            let expected = "is missing; expected a sender such as \"Weir <weir@example.com>\"";
            return wrong("email.from".to_owned(), expected.to_owned());
        }
        if self.limits.queue_per_conversation > MAX_QUEUED_TURNS {
            let found = self.limits.queue_per_conversation;
            return wrong(
                "limits.queue_per_conversation".to_owned(),
                format!("expected at most {MAX_QUEUED_TURNS}, found {found}"),
            );
        }
        for (name, agent) in &self.agents {
            let prompt = agent.prompt.as_ref().map(|prompt| base.join(prompt));
            if let Some(prompt) = prompt.filter(|prompt| !prompt.is_file()) {
                let problem = format!("expected a readable file, found none at {}", prompt.display());
                return wrong(format!("agents.{name}.prompt"), problem);
            }
        }
        for issuer in &mut self.auth.issuers {
            for path in [&mut issuer.secret_file, &mut issuer.public_key_file].into_iter().flatten() {
                *path = base.join(&*path);
            }
        }
        for directory in self.mcp.values_mut().filter_map(|server| server.cwd.as_mut()) {
            *directory = base.join(&*directory);
        }
        let prompts = self.agents.values_mut().filter_map(|agent| agent.prompt.as_mut());
        let keys = self.providers.values_mut().filter_map(|provider| provider.api_key_file.as_mut());
        for path in prompts.chain(keys) {
            *path = base.join(&*path);
        }
        Ok(())
    }
}

fn parse(path: &Path, text: &str) -> Result<Table, Error> {
    text.parse().map_err(|error: toml::de::Error| {
        let at = error.span().map_or(0, |span| span.start.min(text.len()));
        let line = text[..at].matches('\n').count() + 1;
        Error::new(format!("{}:{line}", shown(path)), "", error.message().trim().replace('\n', ", "))
    })
}

/// Sets a dotted key. What stands in its way (`server = 1`) is left for the error that follows.
fn set(table: &mut Table, key: &str, value: Value) {
    let (section, name) = key.split_once('.').expect("every key that a variable sets has a section");
    let section = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(section) = section {
        section.insert(name.to_owned(), value);
    }
}

fn root_key(env: &impl Fn(&str) -> Option<String>) -> Result<Option<SecretString>, Error> {
    let Some(key) = env("WEIR_ROOT_KEY") else { return Ok(None) };
    let chars = key.chars().count();
    if chars < ROOT_KEY_MIN_CHARS {
        let problem = format!("expected at least {ROOT_KEY_MIN_CHARS} characters, found {chars}");
        return Err(Error::new("WEIR_ROOT_KEY", "", problem));
    }
    Ok(Some(key.into()))
}

fn provider_choice(config: &Config, env: &impl Fn(&str) -> Option<String>) -> ProviderChoice {
    if let Some(name) = config.providers.keys().next() {
        return ProviderChoice::Configured(name.clone());
    }
    if let Some(api_key) = env("OPENAI_API_KEY") {
        return ProviderChoice::OpenAi { api_key: api_key.into(), base_url: env("OPENAI_BASE_URL") };
    }
    match env("ANTHROPIC_API_KEY") {
        Some(api_key) => ProviderChoice::Anthropic { api_key: api_key.into() },
        None => ProviderChoice::OllamaOrDemo,
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
