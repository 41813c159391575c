//! What a person may send, checked and made into a command. One shape for every endpoint that takes a message.

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use utoipa::ToSchema;

use super::given;
use crate::chat::context::ToolSpec;
use crate::chat::conversation::{OnBusy, Parent, Send};
use crate::chat::event::Settings;
use crate::chat::file::FileInfo;
use crate::chat::message::Part;
use crate::chat::turn::TurnRequest;
use crate::http::State;
use crate::http::auth::Owned;
use crate::http::json::{object, objects};
use crate::http::limits::{self, NAME_CHARS, PARTS, TOOL_BYTES, TOOLS};
use crate::http::problem::{Error, Kind, Result};
use crate::id::{ConversationId, FileId, MessageId, TurnId};
use crate::runtime::agent::Agent;
use crate::scope::Scope;
use crate::tool::check_declared_schema;

/// A message, and how it is to be answered. Either `text` or `parts`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SendRequest {
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    text: Option<String>,
    #[serde(default, deserialize_with = "given_parts")]
    #[schema(nullable = false)]
    parts: Option<Vec<PartRequest>>,
    /// Absent: the head. The parent of a message that is to be edited makes a sibling of it; `null` a new root.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<MessageId>)]
    parent_id: Option<Option<MessageId>>,
    /// Absent: the agent's.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    model: Option<String>,
    #[serde(default, deserialize_with = "object")]
    settings: Settings,
    /// Tools that the client runs itself.
    #[serde(default, deserialize_with = "objects")]
    tools: Vec<ToolSpec>,
    /// As OpenAI's chat completions take it.
    #[serde(default)]
    #[schema(value_type = Value)]
    tool_choice: Option<Value>,
    /// What to do where a turn runs on the leaf that the message would follow. Absent: `queue`, but 409 where the
    /// turn waits for a person.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    on_busy: Option<OnBusy>,
    /// An object of at most 16 KiB.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Object>, nullable = false)]
    metadata: Option<Value>,
}

/// What a message is edited to while it is queued. Either `text` or `parts`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EditRequest {
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    text: Option<String>,
    #[serde(default, deserialize_with = "given_parts")]
    #[schema(nullable = false)]
    parts: Option<Vec<PartRequest>>,
}

/// A part that a person may send: `{"type": "text", "text": ...}` or `{"type": "file", "file_id": ...}`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PartRequest {
    r#type: PartKind,
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    text: Option<String>,
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    file_id: Option<FileId>,
}

fn given_parts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<PartRequest>>, D::Error> {
    objects(deserializer).map(Some)
}

#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum PartKind {
    Text,
    File,
}

impl SendRequest {
    /// The command for a conversation that is there.
    pub async fn into_send(self, state: &State, scope: &Scope, to: &Owned<ConversationId>) -> Result<Send> {
        let agent = &to.conversation().info.agent;
        let agent = state.runtime().agents().get(agent);
        let gone = || Error::new(Kind::Conflict, "the agent of this conversation is no longer configured");
        let agent = agent.ok_or_else(gone)?;
        let parent = match self.parent_id {
            None => Parent::Head,
            Some(None) => Parent::Root,
            Some(Some(id)) => {
                let parent = to.message(state, scope, id).await;
                Parent::Message(
                    parent.map_err(|error| if error.status() == 404 { no_parent(id) } else { error })?.id(),
                )
            }
        };
        self.send(state, scope, agent, parent, &to.conversation().info.settings).await
    }

    /// The first message of a conversation that is being created.
    pub async fn into_first(
        self,
        state: &State,
        scope: &Scope,
        agent: &Agent,
        usual: &Settings,
    ) -> Result<Send> {
        if let Some(Some(id)) = self.parent_id {
            return Err(no_parent(id));
        }
        self.send(state, scope, agent, Parent::Root, usual).await
    }

    /// `usual` are the settings of the conversation.
    async fn send(
        self,
        state: &State,
        scope: &Scope,
        agent: &Agent,
        parent: Parent,
        usual: &Settings,
    ) -> Result<Send> {
        let parts = parts(state, scope, self.text, self.parts).await?;
        if let Some(model) = &self.model {
            limits::line("/model", model, NAME_CHARS)?;
        }
        check_settings(&self.settings)?;
        check_tools(state, agent, &self.tools)?;
        limits::metadata("/metadata", self.metadata.as_ref())?;
        let request = TurnRequest {
            agent: agent.options.id.clone(),
            model: self.model,
            settings: self.settings.or(usual),
            tools: self.tools,
            tool_choice: self.tool_choice,
            requested_by: scope.user_id,
            requested_role: scope.role,
            only_here: scope.only.is_some(),
        };
        Ok(Send {
            turn_id: TurnId::new(),
            message_id: MessageId::new(),
            parts,
            metadata: self.metadata,
            parent,
            on_busy: self.on_busy,
            request,
            limits: agent.options.limits,
            recovery: agent.options.recovery,
        })
    }
}

impl EditRequest {
    pub async fn into_parts(self, state: &State, scope: &Scope) -> Result<Vec<Part>> {
        parts(state, scope, self.text, self.parts).await
    }
}

fn no_parent(id: MessageId) -> Error {
    Error::invalid("/parent_id", format!("there is no message {id} in this conversation"))
}

async fn parts(
    state: &State,
    scope: &Scope,
    text: Option<String>,
    parts: Option<Vec<PartRequest>>,
) -> Result<Vec<Part>> {
    let parts = match (text, parts) {
        (Some(text), None) => vec![Part::Text { text: checked("/text", text)? }],
        (None, Some(parts)) if parts.is_empty() => return Err(Error::invalid("/parts", "at least one part")),
        (None, Some(parts)) if parts.len() > PARTS => {
            return Err(Error::invalid("/parts", format!("at most {PARTS} parts")));
        }
        (None, Some(given)) => {
            let mut parts = Vec::with_capacity(given.len());
            for (at, part) in given.into_iter().enumerate() {
                parts.push(part.checked(state, scope, at).await?);
            }
            parts
        }
        (Some(_), Some(_)) => return Err(Error::invalid("/parts", "either `text` or `parts`, not both")),
        (None, None) => return Err(Error::invalid("/text", "`text` or `parts` is missing")),
    };
    let bytes: usize = parts.iter().map(|part| part.streamed().len()).sum();
    let most = state.limits().message_bytes;
    match bytes <= most {
        true => Ok(parts),
        false => Err(Error::new(Kind::TooLarge, format!("the text of a message has at most {most} bytes"))),
    }
}

impl PartRequest {
    async fn checked(self, state: &State, scope: &Scope, at: usize) -> Result<Part> {
        match (self.r#type, self.text, self.file_id) {
            (PartKind::Text, Some(text), None) => {
                Ok(Part::Text { text: checked(&format!("/parts/{at}/text"), text)? })
            }
            (PartKind::Text, None, _) => Err(Error::invalid(format!("/parts/{at}/text"), "is missing")),
            (PartKind::Text, Some(_), Some(_)) => {
                Err(Error::invalid(format!("/parts/{at}/file_id"), "a text has no file"))
            }
            (PartKind::File, Some(_), _) => {
                Err(Error::invalid(format!("/parts/{at}/text"), "a file has no text"))
            }
            (PartKind::File, None, None) => Err(Error::invalid(format!("/parts/{at}/file_id"), "is missing")),
            (PartKind::File, None, Some(id)) => {
                let file = state.runtime().store().file(scope, id).await?;
                let gone =
                    || Error::invalid(format!("/parts/{at}/file_id"), format!("there is no file {id}"));
                let FileInfo { id, name, media_type, size } = file.ok_or_else(gone)?.info;
                Ok(Part::File { file_id: id, name, media_type, size })
            }
        }
    }
}

/// Something to read, without the one character that many databases and models choke on.
fn checked(pointer: &str, text: String) -> Result<String> {
    if text.trim().is_empty() {
        return Err(Error::invalid(pointer, "must not be empty"));
    }
    match text.contains('\0') {
        true => Err(Error::invalid(pointer, "must not contain the character U+0000")),
        false => Ok(text),
    }
}

pub fn check_settings(settings: &Settings) -> Result<()> {
    if settings.temperature.is_some_and(|temperature| !(0.0..=2.0).contains(&temperature)) {
        return Err(Error::invalid("/settings/temperature", "from 0 to 2"));
    }
    if settings.max_output_tokens == Some(0) {
        return Err(Error::invalid("/settings/max_output_tokens", "at least 1"));
    }
    if let Some(effort) = &settings.reasoning_effort {
        limits::line("/settings/reasoning_effort", effort, NAME_CHARS)?;
    }
    match &settings.response_format {
        Some(format) if !format.is_object() => {
            Err(Error::invalid("/settings/response_format", "must be an object"))
        }
        Some(format) if format.to_string().len() > TOOL_BYTES => {
            Err(Error::invalid("/settings/response_format", format!("at most {TOOL_BYTES} bytes of JSON")))
        }
        Some(_) | None => Ok(()),
    }
}

fn check_tools(state: &State, agent: &Agent, tools: &[ToolSpec]) -> Result<()> {
    if tools.len() > TOOLS {
        return Err(Error::invalid("/tools", format!("at most {TOOLS} tools")));
    }
    for (at, tool) in tools.iter().enumerate() {
        let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if !(1..=64).contains(&tool.name.len()) || !tool.name.chars().all(named) {
            let detail = "1 to 64 letters, digits, `_`, `-` and `.`";
            return Err(Error::invalid(format!("/tools/{at}/name"), detail));
        }
        if tools[..at].iter().any(|other| other.name == tool.name) {
            return Err(Error::invalid(format!("/tools/{at}/name"), "two tools have this name"));
        }
        if state.runtime().offers(agent, &tool.name) {
            let detail = "the agent has a tool of this name";
            return Err(Error::invalid(format!("/tools/{at}/name"), detail));
        }
        if tool.description.len() + tool.schema.to_string().len() > TOOL_BYTES {
            return Err(Error::invalid(format!("/tools/{at}"), format!("at most {TOOL_BYTES} bytes")));
        }
        check_declared_schema(&tool.schema)
            .map_err(|detail| Error::invalid(format!("/tools/{at}/schema"), detail))?;
    }
    Ok(())
}
