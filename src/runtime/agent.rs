//! Agents as the runtime uses them: a provider, a model, a prompt and the rules of a turn.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use minijinja::{Environment, context};
use parking_lot::Mutex;
use serde_json::json;

use crate::chat::context::ToolSpec;
use crate::chat::event::Settings;
use crate::chat::policy::Policy;
use crate::chat::turn::{Limits, Recovery};
use crate::clock::Timestamp;
use crate::provider::{self, Model, Provider};
use crate::tool::AGENTS;

/// The agent that is asked where nobody names one.
pub const DEFAULT_AGENT: &str = "default";

/// The model's name for the first usable one of the provider's list.
pub const AUTO: &str = "auto";

/// So many names of models are remembered; callers choose them.
const KNOWN_MODELS: usize = 256;

/// A provider's list of models is waited for no longer than this where the model is named anyway.
const LIST_WITHIN: Duration = Duration::from_secs(5);

/// The context of a model of which nothing is known, in tokens.
const UNKNOWN_CONTEXT_TOKENS: u64 = 8192;

/// Left for an answer of a model of which nobody says how long it may be.
const USUAL_ANSWER: u64 = 4096;

/// What is set for an agent.
#[derive(Debug, Clone)]
pub struct AgentOptions {
    pub id: String,
    pub name: String,
    pub description: Option<String>,
    /// The key of its provider in the configuration.
    pub provider: String,
    /// `auto` takes the first usable of the provider's list.
    pub model: String,
    /// The text of a minijinja template.
    pub prompt: String,
    pub recovery: Recovery,
    /// Whether the model accepts a trailing assistant message to go on from.
    pub prefill: bool,
    pub limits: Limits,
    /// Absent: the model's own.
    pub context_tokens: Option<u64>,
    pub tools: Vec<String>,
    /// Which calls run, are asked about, or never run.
    pub policy: Policy,
    pub suggestions: Vec<String>,
    /// Whether conversations without a title get one after their first exchange, and from which model; absent: the
    /// agent's.
    pub titles: bool,
    pub title_model: Option<String>,
    /// Whether the beginning of a path is summarised before the context is full, and by which model.
    pub compaction: bool,
    pub compaction_model: Option<String>,
}

pub struct Agent {
    pub options: AgentOptions,
    pub provider: Arc<dyn Provider>,
    pub prefill: bool,
    /// As another agent is told of it.
    pub as_tool: ToolSpec,
    prompts: Environment<'static>,
    /// What was found out about the models that were asked for, `auto` among them.
    known: Mutex<HashMap<String, Model>>,
}

#[derive(Debug, thiserror::Error)]
#[error("the prompt of the agent `{agent}` is not a template: {reason}")]
pub struct BadPrompt {
    pub agent: String,
    pub reason: String,
}

impl Agent {
    pub fn new(options: AgentOptions, provider: Arc<dyn Provider>) -> Result<Self, BadPrompt> {
        let mut prompts = Environment::new();
        let bad =
            |error: minijinja::Error| BadPrompt { agent: options.id.clone(), reason: error.to_string() };
        prompts.add_template_owned("system", options.prompt.clone()).map_err(bad)?;
        let as_tool = as_tool(&options);
        Ok(Self { prefill: options.prefill, as_tool, options, provider, prompts, known: Mutex::default() })
    }

    /// The model to ask: the one that was asked for, else the agent's.
    pub async fn model(&self, wanted: Option<&str>) -> Result<Model, provider::Failure> {
        let wanted = wanted.unwrap_or(&self.options.model);
        if let Some(model) = self.known.lock().get(wanted) {
            return Ok(model.clone());
        }
        let choose = provider::choose(self.provider.as_ref(), wanted);
        let model = match wanted {
            AUTO => choose.await?,
            named => match tokio::time::timeout(LIST_WITHIN, choose).await {
                Ok(chosen) => chosen?,
                Err(_) => Model::named(named),
            },
        };
        let mut known = self.known.lock();
        if known.len() < KNOWN_MODELS {
            known.insert(wanted.to_owned(), model.clone());
        }
        Ok(model)
    }

    /// How many tokens a request to the model may have.
    pub fn context_tokens(&self, model: &Model) -> u64 {
        self.options.context_tokens.or(model.context_tokens).unwrap_or(UNKNOWN_CONTEXT_TOKENS)
    }

    /// What of the model's context a request may take: a part is left for the answer.
    pub fn budget(&self, model: &Model, settings: &Settings) -> u64 {
        let context = self.context_tokens(model);
        let most = settings.max_output_tokens.map(u64::from).or(model.max_output_tokens);
        context - most.unwrap_or(USUAL_ANSWER).min(context / 4)
    }

    /// The system prompt of a turn that began at `at`.
    pub fn system_prompt(&self, at: Timestamp) -> Option<String> {
        let date = at.to_string();
        let values = context! {
            agent_name => self.options.name.as_str(),
            agent_description => self.options.description.as_deref(),
            tools => self.options.tools.clone(),
            date => date.split('T').next(),
        };
        let rendered = self.prompts.get_template("system").and_then(|template| template.render(values));
        match rendered {
            Ok(prompt) => Some(prompt).filter(|prompt| !prompt.trim().is_empty()),
            Err(error) => {
                tracing::error!(agent = self.options.id, %error, "the system prompt could not be rendered");
                None
            }
        }
    }
}

fn as_tool(options: &AgentOptions) -> ToolSpec {
    let what = options.description.as_deref().unwrap_or(&options.name);
    ToolSpec {
        name: format!("{AGENTS}{}", options.id),
        description: format!("Gives a task to another agent and returns what it answers. The agent: {what}"),
        schema: json!({
            "type": "object",
            "properties": {
                "task": {
                    "type": "string",
                    "minLength": 1,
                    "description": "All that the agent needs to know: it does not see this conversation.",
                },
            },
            "required": ["task"],
            "additionalProperties": false,
        }),
    }
}

/// Every configured agent, by id.
pub struct Agents(BTreeMap<String, Agent>);

impl Agents {
    pub fn new(agents: impl IntoIterator<Item = Agent>) -> Self {
        Self(agents.into_iter().map(|agent| (agent.options.id.clone(), agent)).collect())
    }

    pub fn get(&self, id: &str) -> Option<&Agent> {
        self.0.get(id)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Agent> {
        self.0.values()
    }
}
