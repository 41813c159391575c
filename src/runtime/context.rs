//! What the next model call of a path would be given.

use super::agent::Agent;
use super::{Error, Runtime, Shared, attached, tool, tools};
use crate::chat::context::{self, Context, Fate, FateState, Given, Reason, ToolSpec, tokens};
use crate::chat::event::{Cursor, Settings};
use crate::chat::memory::Memory;
use crate::chat::message::Role;
use crate::clock::Timestamp;
use crate::id::{CompactionId, ConversationId, MessageId, UserId, WorkspaceId};
use crate::provider::Model;
use crate::scope::Scope;
use crate::store::{self, PathNode, PromptPath};

/// A model call in the making.
pub(super) struct Call<'a> {
    pub agent: &'a Agent,
    pub model: &'a Model,
    pub settings: &'a Settings,
    pub tools: &'a [ToolSpec],
    /// What the agent noted about whoever asks.
    pub memories: &'a [Memory],
    /// When the turn began: what the system prompt calls today.
    pub at: Timestamp,
}

impl Call<'_> {
    pub fn budget(&self) -> u64 {
        self.agent.budget(self.model, self.settings)
    }

    /// The end of the path to a leaf, a little more of it than fits.
    pub async fn path(
        &self,
        shared: &Shared,
        id: ConversationId,
        leaf: MessageId,
    ) -> Result<Option<PromptPath>, Error> {
        let bytes = tokens::bytes_for(self.budget());
        let Some(mut path) = shared.store.prompt_path(id, leaf, bytes).await? else { return Ok(None) };
        attached::tell(shared, &mut path, self.model, bytes as u64).await?;
        Ok(Some(path))
    }

    fn system(&self) -> Option<String> {
        match (self.agent.system_prompt(self.at), tools::told(self.memories)) {
            (Some(prompt), Some(noted)) => Some(format!("{}\n\n{noted}", prompt.trim_end())),
            (prompt, noted) => prompt.or(noted),
        }
    }

    /// `budget`: less than the usual one, where that turned out to be too much.
    pub fn given(&self, path: PromptPath, budget: u64) -> Given {
        let PromptPath { mut compactions, above, messages, pinned, .. } = path;
        Given {
            system: self.system(),
            tools: self.tools.to_vec(),
            compaction: compactions.pop(),
            above,
            path: messages,
            pinned,
            budget,
        }
    }
}

/// What the agent noted about the person, where it can note anything and nobody else reads what it makes of it.
pub(super) async fn memories(
    shared: &Shared,
    (workspace_id, id): (WorkspaceId, ConversationId),
    user_id: UserId,
    agent: &Agent,
    tools: &[ToolSpec],
) -> Result<Vec<Memory>, store::Error> {
    let store = &shared.store;
    match tools.iter().any(|tool| tool.name == tools::MEMORY) && tools::is_private(store, id, user_id).await?
    {
        true => store.memories(workspace_id, user_id, Some(&agent.options.id)).await,
        false => Ok(Vec::new()),
    }
}

/// What the next call would send, and what not.
#[derive(Debug, Clone)]
pub struct Preview {
    pub model: String,
    /// The model's window.
    pub context_tokens: u64,
    /// What of it a request may take.
    pub budget: u64,
    pub compaction: Option<CompactionId>,
    pub compaction_tokens: u64,
    pub system: Option<String>,
    pub outcome: Result<Whole, context::TooLong>,
}

#[derive(Debug, Clone)]
pub struct Whole {
    pub tokens: u64,
    /// Every message of the path, the root first.
    pub messages: Vec<Placed>,
}

#[derive(Debug, Clone, Copy)]
pub struct Placed {
    pub id: MessageId,
    pub role: Role,
    pub fate: Fate,
}

impl Runtime {
    /// What the next model call on the path to `head` (the conversation's, unless given) would be given; `None` where
    /// the scope does not see that.
    pub async fn preview(
        &self,
        scope: &Scope,
        id: ConversationId,
        head: Option<MessageId>,
    ) -> Result<Option<(Preview, Cursor)>, Error> {
        let shared = &self.0;
        let Some(found) = self.conversation(scope, id).await? else { return Ok(None) };
        let (info, head) = (found.value.conversation.info, head.or(found.value.conversation.head));
        let agent = shared.agents.get(&info.agent).ok_or(Error::UnknownAgent)?;
        let model = agent.model(None).await.map_err(|failure| Error::Model(failure.problem()))?;
        let tools = tool::of_agent(shared, agent);
        let (settings, at) = (&info.settings, self.clock().now());
        let memories = match scope.only {
            Some(_) => Vec::new(),
            None => memories(shared, (info.workspace_id, id), scope.user_id, agent, &tools).await?,
        };
        let call = Call { agent, model: &model, settings, tools: &tools, memories: &memories, at };
        let path = match head {
            Some(leaf) => {
                let Some(path) = call.path(shared, id, leaf).await? else { return Ok(None) };
                path
            }
            None => PromptPath::default(),
        };
        let mut nodes = match path.top {
            Some(top) => shared.store.path_down_to(top).await?,
            None => Vec::new(),
        };
        nodes.extend(path.messages.iter().map(|message| PathNode { id: message.id, role: message.role }));
        let covered = path.compactions.last().map(|compaction| compaction.message_id);
        let compaction = path.compactions.last().map(|compaction| compaction.id);
        let compaction_tokens =
            path.compactions.last().map_or(0, |compaction| tokens::of_text(&compaction.summary));
        let given = call.given(path, call.budget());
        let system = given.system.clone();
        let outcome = context::fit(given).map(|Context { fates, tokens, .. }| {
            let above = covered.and_then(|covered| nodes.iter().position(|node| node.id == covered));
            let messages = nodes.iter().enumerate().map(|(at, node)| {
                let reason = match above.is_some_and(|above| at <= above) {
                    true => Reason::Summarised,
                    false => Reason::OverBudget,
                };
                let unseen = Fate { state: FateState::LeftOut(reason), tokens: 0 };
                let fate = fates.get(&node.id).copied().unwrap_or(unseen);
                Placed { id: node.id, role: node.role, fate }
            });
            Whole { tokens, messages: messages.collect() }
        });
        let preview = Preview {
            context_tokens: agent.context_tokens(&model),
            budget: call.budget(),
            model: model.id.clone(),
            compaction,
            compaction_tokens,
            system,
            outcome,
        };
        Ok(Some((preview, found.cursor)))
    }
}
