//! A durable question about one tool call with exact arguments, and what people say to it.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::chat::message::Role;
use crate::clock::Timestamp;
use crate::id::{ApprovalId, CallId, ConversationId, MessageId, RuleId, TurnId, UserId};
use crate::scope::WorkspaceRole;

/// At most so many characters of each recent message are shown with an approval.
pub const RECENT_CHARS: usize = 500;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Approval {
    pub id: ApprovalId,
    pub conversation_id: ConversationId,
    pub turn_id: TurnId,
    pub call_id: CallId,
    pub tool: String,
    /// What runs if it is approved as it is.
    #[schema(value_type = Object)]
    pub args: Value,
    /// The same, verbatim as the model wrote it.
    pub args_text: String,
    /// SHA-256 over tool, its description and schema, and `args_text`, in hex. A decision names it: what was seen is
    /// what is decided about.
    pub args_hash: String,
    pub state: ApprovalState,
    pub requested_at: Timestamp,
    pub expires_at: Timestamp,
    /// Absent: whoever may write to the conversation decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required_role: Option<WorkspaceRole>,
    /// So many different people have to approve.
    pub approvals: u32,
    #[serde(default)]
    pub votes: Vec<Vote>,
    /// What runs instead, where those who approved changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub decided_args: Option<Value>,
    pub context: ApprovalContext,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalState {
    Pending,
    Approved,
    Denied,
    Expired,
    /// Its turn ended before anyone decided.
    Withdrawn,
    /// What was shown is no longer what would run.
    Void,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Vote {
    pub user_id: UserId,
    pub decision: VoteDecision,
    /// The model is told it where the call is denied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Changed arguments: earlier votes were about others, and no longer count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<ChangedArgs>,
    /// It is a yes for the next times too, once the call is approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remember: Option<Box<Remember>>,
    pub at: Timestamp,
}

/// A yes for the next times too: where, for what, and how long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Remember {
    pub rule_id: RuleId,
    pub scope: RememberScope,
    #[serde(rename = "match")]
    pub matches: RememberMatch,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// SHA-256, in hex, of the tool as it was shown: its name, description and schema.
    pub tool_hash: String,
    /// The voter's role.
    pub made_as: WorkspaceRole,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RememberScope {
    /// The approval's conversation; a fork of it has none of its rules.
    Conversation,
    /// Wherever its agent asks and the maker could decide.
    Agent,
    /// Wherever the maker could decide.
    Workspace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RememberMatch {
    /// The same arguments as JSON values.
    Exact,
    /// Any arguments.
    Tool,
}

/// A remembered yes, as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ApprovalRule {
    pub id: RuleId,
    pub tool: String,
    pub scope: RememberScope,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<ConversationId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    #[serde(rename = "match")]
    pub matches: RememberMatch,
    /// The arguments that it is for, where it is for these alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub args: Option<Value>,
    pub tool_hash: String,
    pub made_by: UserId,
    pub made_as: WorkspaceRole,
    pub made_at: Timestamp,
    /// The approval that it was made with.
    pub approval_id: ApprovalId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_by: Option<UserId>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ChangedArgs {
    #[schema(value_type = Object)]
    pub args: Value,
    pub args_text: String,
    pub args_hash: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VoteDecision {
    Approve,
    Deny,
}

/// What a person who cannot read the conversation needs to decide.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ApprovalContext {
    pub agent: String,
    pub requested_by: UserId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation_title: Option<String>,
    /// The end of the path before the call, oldest first.
    pub recent: Vec<RecentMessage>,
    /// The other calls of the same step.
    pub sibling_calls: Vec<SiblingCall>,
    /// What in the policy asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    pub tool: ShownTool,
    /// Where an agent works for another one: the calls above it, the first one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<ParentOfApproval>,
}

/// A call of an agent that another agent works for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ParentOfApproval {
    pub conversation_id: ConversationId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation_title: Option<String>,
    pub agent: String,
    pub call_id: CallId,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RecentMessage {
    pub message_id: MessageId,
    pub role: Role,
    pub text: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SiblingCall {
    pub call_id: CallId,
    pub tool: String,
    pub args_text: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ShownTool {
    pub source: String,
    pub description: String,
    #[schema(value_type = Object)]
    pub schema: Value,
}

/// What a vote comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Others have to agree.
    Open,
    Approved,
    Denied,
}

/// Why a vote does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VoteRefusal {
    #[error("the approval is no longer open")]
    Closed(ApprovalState),
    #[error("the approval is about other arguments by now")]
    OtherArgs,
    #[error("you have voted already")]
    Twice,
    #[error("the approval has expired")]
    Expired,
}

impl Approval {
    /// The hash that a decision has to name now.
    pub fn current_hash(&self) -> &str {
        self.changed().map_or(&self.args_hash, |changed| &changed.args_hash)
    }

    /// The arguments that were changed last.
    pub fn changed(&self) -> Option<&ChangedArgs> {
        self.votes.iter().rev().find_map(|vote| vote.changed.as_ref())
    }

    /// The arguments that run if it is approved now, verbatim.
    pub fn runs(&self) -> &str {
        self.changed().map_or(&self.args_text, |changed| &changed.args_text)
    }

    /// Whether this vote counts, and what it comes to. `args_hash` is what the voter was shown.
    pub fn judge(&self, vote: &Vote, args_hash: &str) -> Result<Outcome, VoteRefusal> {
        if self.state != ApprovalState::Pending {
            return Err(VoteRefusal::Closed(self.state));
        }
        if vote.at >= self.expires_at {
            return Err(VoteRefusal::Expired);
        }
        if args_hash != self.current_hash() {
            return Err(VoteRefusal::OtherArgs);
        }
        if vote.decision == VoteDecision::Deny {
            return Ok(Outcome::Denied);
        }
        let counting = || self.counting_votes();
        if vote.changed.is_none() && counting().any(|earlier| earlier.user_id == vote.user_id) {
            return Err(VoteRefusal::Twice);
        }
        let earlier = if vote.changed.is_some() { 0 } else { counting().count() };
        match earlier + 1 >= self.approvals as usize {
            true => Ok(Outcome::Approved),
            false => Ok(Outcome::Open),
        }
    }

    /// The rules that those who approved it made of their yes.
    pub fn rules(&self) -> impl Iterator<Item = ApprovalRule> {
        let args = self.changed().map_or(&self.args, |changed| &changed.args);
        self.counting_votes().filter_map(|vote| {
            let remember = vote.remember.as_deref()?;
            let in_conversation = remember.scope == RememberScope::Conversation;
            let of_agent = remember.scope == RememberScope::Agent;
            Some(ApprovalRule {
                id: remember.rule_id,
                tool: self.tool.clone(),
                scope: remember.scope,
                conversation_id: in_conversation.then_some(self.conversation_id),
                agent: of_agent.then(|| self.context.agent.clone()),
                matches: remember.matches,
                args: (remember.matches == RememberMatch::Exact).then(|| args.clone()),
                tool_hash: remember.tool_hash.clone(),
                made_by: vote.user_id,
                made_as: remember.made_as,
                made_at: vote.at,
                approval_id: self.id,
                expires_at: remember.expires_at,
                revoked_at: None,
                revoked_by: None,
            })
        })
    }

    /// Those about the arguments as they are now.
    pub fn counting_votes(&self) -> impl Iterator<Item = &Vote> {
        let from = self.votes.iter().rposition(|vote| vote.changed.is_some()).unwrap_or_default();
        self.votes[from..].iter()
    }
}
