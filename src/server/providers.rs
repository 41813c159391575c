//! Who answers: providers and agents, made of the configuration and of what is found at the start.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use crate::chat::turn::Limits;
use crate::clock::Clock;
use crate::config::{self, Config, ProviderChoice};
use crate::provider::{Kind, Options, Provider, connect};
use crate::runtime::agent::{Agent, AgentOptions, Agents};

/// Where Ollama usually listens.
const OLLAMA: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 11434);

/// A local port answers at once, or nobody is there.
const OLLAMA_ANSWERS_WITHIN: Duration = Duration::from_millis(300);

const DEFAULT_PROMPT: &str = include_str!("../../prompts/default.md");

/// Every provider by its name, and every agent with the one that answers for it.
pub struct Roster {
    pub providers: BTreeMap<String, Arc<dyn Provider>>,
    pub agents: Agents,
}

impl Roster {
    pub async fn of(config: &Config, clock: &Clock) -> anyhow::Result<Self> {
        let mut providers = BTreeMap::new();
        for (name, options) in &config.providers {
            providers.insert(name.clone(), connected(config, name, options, clock)?);
        }
        let needs_default = config.agents.values().any(|agent| agent.provider.is_none());
        let default = match needs_default {
            true => default_provider(config, clock, &mut providers).await?,
            false => String::new(),
        };
        let mut agents = Vec::new();
        for (id, agent) in &config.agents {
            let provider = agent.provider.clone().unwrap_or_else(|| default.clone());
            let connection = providers[&provider].clone();
            agents.push(Agent::new(options_of(id, agent, provider)?, connection)?);
        }
        Ok(Self { providers, agents: Agents::new(agents) })
    }
}

fn connected(
    config: &Config,
    name: &str,
    options: &Options,
    clock: &Clock,
) -> Result<Arc<dyn Provider>, config::Error> {
    let env = |variable: &str| std::env::var(variable).ok();
    connect(options, &env, clock.clone())
        .map_err(|wrong| config.error(&format!("providers.{name}.{}", wrong.key), wrong.detail))
}

/// Who answers for the agents that name no provider; returns the name.
async fn default_provider(
    config: &Config,
    clock: &Clock,
    providers: &mut BTreeMap<String, Arc<dyn Provider>>,
) -> anyhow::Result<String> {
    let (name, options) = match &config.default_provider {
        ProviderChoice::Configured(name) => return Ok(name.clone()),
        ProviderChoice::OpenAi { api_key, base_url } => {
            let api_key = Some(api_key.clone());
            let base_url = base_url.clone();
            ("openai", Options { api_key, base_url, ..Options::new(Kind::OpenaiChat) })
        }
        ProviderChoice::Anthropic { api_key } => {
            ("anthropic", Options { api_key: Some(api_key.clone()), ..Options::new(Kind::Anthropic) })
        }
        ProviderChoice::OllamaOrDemo if ollama_is_there().await => ("ollama", Options::new(Kind::Ollama)),
        ProviderChoice::OllamaOrDemo => ("demo", Options::new(Kind::Demo)),
    };
    providers.insert(name.to_owned(), connected(config, name, &options, clock)?);
    Ok(name.to_owned())
}

async fn ollama_is_there() -> bool {
    let connect = tokio::net::TcpStream::connect(OLLAMA);
    matches!(tokio::time::timeout(OLLAMA_ANSWERS_WITHIN, connect).await, Ok(Ok(_)))
}

fn options_of(id: &str, agent: &config::Agent, provider: String) -> anyhow::Result<AgentOptions> {
    let prompt = match &agent.prompt {
        Some(path) => std::fs::read_to_string(path).with_context(|| {
            format!("the prompt of the agent `{id}` cannot be read from {}", path.display())
        })?,
        None => DEFAULT_PROMPT.to_owned(),
    };
    Ok(AgentOptions {
        id: id.to_owned(),
        name: agent.name.clone().unwrap_or_else(|| id.to_owned()),
        description: agent.description.clone(),
        provider,
        model: agent.model.clone(),
        prompt,
        recovery: agent.recovery,
        prefill: agent.prefill,
        limits: Limits {
            max_steps: agent.max_steps,
            max_tokens: agent.max_tokens,
            max_wall_ms: u64::try_from(agent.max_wall.as_millis()).unwrap_or(u64::MAX),
        },
        context_tokens: agent.context_tokens.map(u64::from),
        tools: agent.tools.clone(),
        policy: agent.policy.clone(),
        suggestions: agent.suggestions.clone(),
        titles: agent.titles,
        title_model: agent.title_model.clone(),
        compaction: agent.compaction,
        compaction_model: agent.compaction_model.clone(),
    })
}
