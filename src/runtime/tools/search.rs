//! `search_conversations`: what was said before, in the conversations of whoever asks.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::is_private;
use crate::chat::context::{SEARCH, ToolSpec};
use crate::chat::message::Role;
use crate::runtime::search::{self, Ask, Hit, Search, Sort};
use crate::scope::Scope;
use crate::store::Store;
use crate::tool::{Invocation, Outcome, Source, Tool};

/// Hits that the model is given.
const HITS: usize = 10;

pub struct SearchTool {
    spec: ToolSpec,
    store: Store,
    search: Search,
}

impl SearchTool {
    pub fn new(store: Store, search: Search) -> Self {
        let spec = ToolSpec {
            name: SEARCH.to_owned(),
            description: "Finds what was said earlier, here and in other conversations: messages, tool calls, files \
                          and titles that have all of the words. Understands \"phrases\", -not, OR and prefix*."
                .to_owned(),
            schema: json!({
                "type": "object",
                "properties": {
                    "query": {"type": "string", "minLength": 1, "maxLength": 200},
                    "here": {"type": "boolean", "description": "In this conversation only"},
                    "sort": {"enum": ["relevance", "recent"]},
                },
                "required": ["query"],
                "additionalProperties": false,
            }),
        };
        Self { spec, store, search }
    }

    async fn run(&self, call: &Invocation) -> Result<Outcome, search::Error> {
        let query = call.args.get("query").and_then(Value::as_str).unwrap_or_default();
        let here = call.only_here || call.args.get("here").and_then(Value::as_bool).unwrap_or_default();
        // What one person alone may see is told where they alone read it.
        let scope = match here || is_private(&self.store, call.conversation_id, call.user_id).await? {
            true => Scope::acting_for(call.workspace_id, call.user_id),
            false => Scope::of_everyone(call.workspace_id),
        };
        let ask = Ask {
            query: query.to_owned(),
            sort: match call.args.get("sort").and_then(Value::as_str) {
                Some("recent") => Sort::Recent,
                Some(_) | None => Sort::Relevance,
            },
            conversation_id: here.then_some(call.conversation_id),
            asked_in: Some(call.conversation_id),
            ..Ask::default()
        };
        self.search.catch_up().await?;
        let answer = self.search.search(&scope, ask, HITS, None).await?;
        if answer.hits.is_empty() {
            return Ok(Outcome::Succeeded("Nothing was found.".to_owned()));
        }
        let hits: Vec<_> = answer.hits.iter().map(shown).collect();
        let begin = if answer.relaxed { "Nothing has all of the words. These have some:\n\n" } else { "" };
        Ok(Outcome::Succeeded(format!("{begin}{}", hits.join("\n\n"))))
    }
}

fn shown(hit: &Hit) -> String {
    let title = hit.title.as_deref().unwrap_or("without a title");
    let role = match hit.role {
        Some(Role::Assistant) => "assistant, ",
        Some(Role::User) => "user, ",
        Some(Role::System) => "system, ",
        None => "",
    };
    format!("{title} ({}), {role}{}:\n{}", hit.conversation_id, hit.at, hit.snippet.text)
}

impl Tool for SearchTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn source(&self) -> Source {
        Source::BuiltIn
    }

    fn is_idempotent(&self) -> bool {
        true
    }

    fn run(&self, call: Invocation) -> BoxFuture<'_, Outcome> {
        async move {
            SearchTool::run(self, &call)
                .await
                .unwrap_or_else(|error| Outcome::Failed(format!("the search failed: {error}")))
        }
        .boxed()
    }
}
