//! The models that are installed, with what `show` says of each.

use std::collections::BTreeMap;

use futures_util::{StreamExt, stream};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::provider::endpoint::{Ask, Endpoint};
use crate::provider::failure::Failure;
use crate::provider::model::Capability;
use crate::provider::{InputKind, Model};

/// A window takes memory, so we don't ask for more of it than most machines have unless the operator says so.
const LARGEST_WINDOW: u64 = 32_768;
const AT_ONCE: usize = 4;

#[derive(Deserialize)]
struct Tags {
    models: Vec<Tag>,
}

#[derive(Deserialize)]
struct Tag {
    name: String,
}

#[derive(Default, Deserialize)]
struct Shown {
    #[serde(default)]
    capabilities: Option<Vec<String>>,
    #[serde(default)]
    model_info: BTreeMap<String, Value>,
    /// Lines of a Modelfile: `num_ctx    8192`.
    #[serde(default)]
    parameters: String,
}

pub(crate) async fn models(endpoint: &Endpoint) -> Result<Vec<Model>, Failure> {
    let tags: Tags = endpoint.json(&Ask::Get(endpoint.url("api/tags"))).await?;
    let models: Vec<Option<Model>> =
        stream::iter(tags.models).map(|tag| look_at(endpoint, tag.name)).buffered(AT_ONCE).collect().await;
    Ok(models.into_iter().flatten().collect())
}

/// `None` for what cannot chat. A model that cannot be looked at is taken by its name.
async fn look_at(endpoint: &Endpoint, name: String) -> Option<Model> {
    let ask = Ask::Post(endpoint.url("api/show"), json!({"model": name}));
    let shown: Shown = endpoint.json(&ask).await.unwrap_or_default();
    let known = Model::named(name);
    let context_tokens = shown.window().or(known.context_tokens.map(|tokens| tokens.min(LARGEST_WINDOW)));
    let Some(capabilities) = &shown.capabilities else {
        return Some(Model { context_tokens, ..known });
    };
    let can = |what: &str| match capabilities.iter().any(|capability| capability == what) {
        true => Capability::Yes,
        false => Capability::No,
    };
    if can("completion") == Capability::No {
        return None;
    }
    let mut input = vec![InputKind::Text];
    if can("vision") == Capability::Yes {
        input.push(InputKind::Image);
    }
    Some(Model { context_tokens, input, tools: can("tools"), reasoning: can("thinking"), ..known })
}

impl Shown {
    fn window(&self) -> Option<u64> {
        let set =
            self.parameters.lines().find_map(|line| line.trim().strip_prefix("num_ctx")?.trim().parse().ok());
        let trained = self.model_info.iter().find(|(key, _)| key.ends_with(".context_length"));
        set.or_else(|| trained?.1.as_u64().map(|tokens| tokens.min(LARGEST_WINDOW)))
    }
}
