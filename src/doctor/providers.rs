//! The model providers: whether each is reached and takes our key, and whether every agent has a model.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;

use super::{Check, configuration};
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::provider::{Failure, FailureKind, Kind, Model, Provider};
use crate::runtime::agent::{AUTO, Agent};
use crate::server::providers::Roster;

const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

pub async fn check(config: &Config) -> Vec<Check> {
    let roster = match Roster::of(config, &Clock::System).await {
        Ok(roster) => roster,
        Err(error) => {
            return vec![match error.downcast_ref::<config::Error>() {
                Some(error) => configuration::refused(error),
                None => Check::fail("agents", format!("{error:#}"), "correct the configuration"),
            }];
        }
    };
    let asked = roster.providers.iter().map(|(name, provider)| async move {
        let listed = timeout(ANSWERS_WITHIN, provider.models()).await;
        (name.as_str(), provider, listed)
    });
    let mut checks = Vec::new();
    for (name, provider, listed) in join_all(asked).await {
        let used = roster.agents.iter().any(|agent| agent.options.provider == name);
        let title = format!("provider {name}");
        match listed {
            Ok(Ok(models)) => {
                checks.push(reached(config, &title, name, provider, &models));
                let agents = roster.agents.iter().filter(|agent| agent.options.provider == name);
                checks.extend(join_all(agents.map(|agent| model_of(agent, &models))).await);
            }
            Ok(Err(failure)) => checks.push(unreached(title, name, &failure, used)),
            Err(_) => {
                let found = format!("no answer within {} s", ANSWERS_WITHIN.as_secs());
                checks.push(wrong(used, title, found, "look for a firewall or a proxy in between"));
            }
        }
    }
    checks
}

fn reached(
    config: &Config,
    title: &str,
    name: &str,
    provider: &Arc<dyn Provider>,
    models: &[Model],
) -> Check {
    let (kind, count) = (provider.kind(), models.len());
    if kind == Kind::Demo {
        return Check::ok(title, "the built-in demo, which is no real model");
    }
    let options = config.providers.get(name);
    let keyless = options
        .is_some_and(|one| one.api_key.is_none() && one.api_key_env.is_none() && one.api_key_file.is_none());
    let key = if keyless || kind == Kind::Ollama { "" } else { ", the key is accepted" };
    Check::ok(title, format!("{kind}, {count} models{key}"))
}

async fn model_of(agent: &Agent, models: &[Model]) -> Check {
    let title = format!("agent {}", agent.options.id);
    let wanted = &agent.options.model;
    if wanted != AUTO && !models.iter().any(|model| model.id == *wanted) {
        let found = format!("the provider does not list the model {wanted:?}");
        return Check::warn(title, found, format!("correct agents.{}.model", agent.options.id));
    }
    match timeout(ANSWERS_WITHIN, agent.model(None)).await {
        Ok(Ok(model)) => {
            let context = agent.context_tokens(&model);
            Check::ok(title, format!("model {}, {context} tokens of context", model.id))
        }
        Ok(Err(failure)) => {
            Check::fail(title, failure.to_string(), format!("set agents.{}.model", agent.options.id))
        }
        Err(_) => Check::fail(title, "the provider's list did not come in time", "try again"),
    }
}

/// What is wrong, as far as it can be told from here.
fn unreached(title: String, name: &str, failure: &Failure, used: bool) -> Check {
    // Every one of them begins so.
    let detail = &failure.detail.replace("error sending request: client error (Connect): ", "");
    let says = |words: &str| detail.contains(words);
    let advice = match failure.kind {
        FailureKind::Unauthorized => {
            format!("the key is refused: set another one in providers.{name}, or its environment variable")
        }
        FailureKind::Unreachable if says("dns error") => {
            "the name cannot be resolved: correct base_url, or this machine's DNS".to_owned()
        }
        FailureKind::Unreachable if says("refused") => {
            "nobody listens there: start the provider, or correct base_url".to_owned()
        }
        FailureKind::Unreachable if says("certificate") => {
            "its certificate is not trusted: correct base_url, or install its authority's certificate"
                .to_owned()
        }
        FailureKind::Unreachable => "look for a firewall or a proxy in between".to_owned(),
        FailureKind::Timeout => "look for a firewall or a proxy in between".to_owned(),
        FailureKind::RateLimited | FailureKind::Overloaded => {
            return Check::warn(title, detail.clone(), "it is reached, but busy: try again later");
        }
        FailureKind::Refused | FailureKind::Broken | FailureKind::ContextTooLong => {
            "it has no list of models there: correct base_url, which often ends in /v1".to_owned()
        }
    };
    wrong(used, title, detail.clone(), advice)
}

/// What no agent uses fails nobody.
fn wrong(used: bool, title: String, found: String, advice: impl Into<String>) -> Check {
    match used {
        true => Check::fail(title, found, advice),
        false => Check::warn(title, format!("{found} (no agent uses it)"), advice),
    }
}
