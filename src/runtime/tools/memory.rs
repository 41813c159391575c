//! `memory`: what an agent notes about a person, for later conversations with them.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::is_private;
use crate::chat::context::ToolSpec;
use crate::chat::memory::{MEMORY_CHARS, MOST_MEMORIES, Memory};
use crate::clock::Clock;
use crate::id::MemoryId;
use crate::store::{self, Store};
use crate::tool::{Invocation, Outcome, Source, Tool};

pub const MEMORY: &str = "memory";

/// What the notes begin with, in the system prompt.
const NOTED: &str = include_str!("../../../prompts/memory.md");

/// The notes as the model is given them; `None` where there are none.
pub fn told(memories: &[Memory]) -> Option<String> {
    if memories.is_empty() {
        return None;
    }
    let lines =
        memories.iter().map(|memory| format!("- [{}] {}\n", memory.id, memory.text.replace('\n', " ")));
    Some(format!("{}\n{}", NOTED.trim_end(), lines.collect::<String>()))
}

pub struct MemoryTool {
    spec: ToolSpec,
    store: Store,
    clock: Clock,
}

impl MemoryTool {
    pub fn new(store: Store, clock: Clock) -> Self {
        let spec = ToolSpec {
            name: MEMORY.to_owned(),
            description: "Keeps short notes about the person you talk to, for later conversations with them: \
                          `save` a note, `change` or `forget` one by its id, `list` them. Note only what will be of \
                          use later, and never secrets."
                .to_owned(),
            schema: json!({
                "type": "object",
                "properties": {
                    "action": {"enum": ["save", "change", "forget", "list"]},
                    "id": {"type": "string", "description": "Of the note to change or forget."},
                    "text": {"type": "string", "minLength": 1, "maxLength": MEMORY_CHARS},
                },
                "required": ["action"],
                "additionalProperties": false,
            }),
        };
        Self { spec, store, clock }
    }

    async fn act(&self, call: Invocation) -> Result<Outcome, store::Error> {
        if call.only_here {
            return Ok(Outcome::Failed(
                "notes are not for whoever may see this conversation only".to_owned(),
            ));
        }
        let text = call.args.get("text").and_then(Value::as_str).map(str::to_owned);
        let id = call.args.get("id").and_then(Value::as_str).and_then(|id| id.parse::<MemoryId>().ok());
        let known = self.store.memories(call.workspace_id, call.user_id, Some(&call.agent)).await?;
        let found = known.iter().find(|memory| Some(memory.id) == id);
        let now = self.clock.now();
        let memory = match (call.args["action"].as_str(), found, text) {
            (Some("list"), ..) if !is_private(&self.store, call.conversation_id, call.user_id).await? => {
                return Ok(Outcome::Failed(
                    "others read this conversation; notes are not for them".to_owned(),
                ));
            }
            (Some("list"), ..) => {
                let told = told(&known).unwrap_or_else(|| "There are no notes.".to_owned());
                return Ok(Outcome::Succeeded(told));
            }
            (Some("save"), _, Some(_)) if known.len() >= MOST_MEMORIES => {
                let full = format!("there are {MOST_MEMORIES} notes; forget one first");
                return Ok(Outcome::Failed(full));
            }
            // Done again, it is the same note.
            (Some("save"), _, Some(text)) => {
                let id = MemoryId::from_bytes(*call.call_id.as_bytes());
                Memory { id, agent: call.agent, text, created_at: now, updated_at: now }
            }
            (Some("change"), Some(found), Some(text)) => Memory { text, updated_at: now, ..found.clone() },
            (Some("forget"), Some(found), _) => {
                self.store.forget(found.id).await?;
                return Ok(Outcome::Succeeded(format!("{} is forgotten", found.id)));
            }
            (Some("save" | "change"), _, None) => {
                return Ok(Outcome::Failed("`text` is missing".to_owned()));
            }
            (Some("change" | "forget"), None, _) => {
                return Ok(Outcome::Failed("there is no note with that `id`".to_owned()));
            }
            _ => return Ok(Outcome::Failed("`action` is save, change, forget or list".to_owned())),
        };
        let id = memory.id;
        self.store.remember(call.workspace_id, call.user_id, memory).await?;
        Ok(Outcome::Succeeded(format!("noted as {id}")))
    }
}

impl Tool for MemoryTool {
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
            self.act(call)
                .await
                .unwrap_or_else(|error| Outcome::Failed(format!("the notes could not be kept: {error}")))
        }
        .boxed()
    }
}
