//! A conversation: a name for a place in a message tree (its head), the turns that run in it, and its queue.

mod command;
mod decide;
mod state;

pub use command::{Command, Doomed, OnBusy, Parent, Refusal, Regenerate, Send};
pub use decide::decide;
pub use state::{Conversation, Queued};

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::chat::event::Settings;
use crate::clock::Timestamp;
use crate::id::{CallId, ConversationId, MessageId, TurnId, UserId, WorkspaceId};

/// At most so many turns run in one conversation at a time, each on a leaf of its own.
pub const MAX_RUNNING_TURNS: usize = 4;

/// At most so many sends wait in one conversation.
pub const MAX_QUEUED_TURNS: usize = 100;

/// Who may read a conversation, and write to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// Its creator.
    #[default]
    Private,
    /// Every member of the workspace reads it; members and above write.
    Workspace,
}

/// Where a fork hangs on another conversation's tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ForkPoint {
    pub conversation_id: ConversationId,
    pub message_id: MessageId,
}

/// What a conversation is apart from its messages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ConversationInfo {
    pub id: ConversationId,
    pub workspace_id: WorkspaceId,
    pub created_by: UserId,
    pub agent: String,
    /// With the agent, a stable address: `(agent, name)` is unique in the workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    pub visibility: Visibility,
    /// For every send that does not say otherwise.
    #[serde(default)]
    pub settings: Settings,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Value>,
    pub archived: bool,
    pub created_at: Timestamp,
    /// The call that it works for, where another agent began it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ParentCall>,
}

/// A call of a conversation that another conversation works for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ParentCall {
    pub conversation_id: ConversationId,
    pub turn_id: TurnId,
    pub call_id: CallId,
    /// How many agents stand above this one.
    pub depth: u32,
}

/// What an update changed; absent fields stayed as they were.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ConversationChanges {
    /// `null`: it has none any more.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub title: Option<Option<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<Settings>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived: Option<bool>,
}

/// A field that is there, `null` or not.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl ConversationInfo {
    pub fn take_in(&mut self, changes: &ConversationChanges) {
        if let Some(title) = &changes.title {
            self.title.clone_from(title);
        }
        if let Some(agent) = &changes.agent {
            self.agent.clone_from(agent);
        }
        if let Some(visibility) = changes.visibility {
            self.visibility = visibility;
        }
        if let Some(settings) = &changes.settings {
            self.settings.clone_from(settings);
        }
        if let Some(metadata) = &changes.metadata {
            self.metadata = Some(metadata.clone());
        }
        if let Some(archived) = changes.archived {
            self.archived = archived;
        }
    }
}
