//! A conversation to test with: who owns it, what is asked for, what may go wrong.

use weir::chat::approval::{Approval, ApprovalContext, ApprovalState, ShownTool};
use weir::chat::conversation::{ConversationInfo, Visibility};
use weir::chat::event::{Problem, Settings};
use weir::chat::turn::TurnRequest;
use weir::clock::Timestamp;
use weir::id::{ApprovalId, CallId, ConversationId, TurnId, UserId, WorkspaceId};
use weir::scope::WorkspaceRole;

pub fn info() -> ConversationInfo {
    ConversationInfo {
        id: ConversationId::from_bytes([1; 16]),
        workspace_id: WorkspaceId::from_bytes([2; 16]),
        created_by: UserId::from_bytes([3; 16]),
        agent: "default".to_owned(),
        name: None,
        title: None,
        visibility: Visibility::Private,
        settings: Default::default(),
        metadata: None,
        archived: false,
        created_at: Timestamp::from_millis(0),
        parent: None,
    }
}

pub fn request() -> TurnRequest {
    TurnRequest {
        agent: "default".to_owned(),
        model: None,
        settings: Settings::default(),
        tools: Vec::new(),
        tool_choice: None,
        requested_by: UserId::from_bytes([3; 16]),
        requested_role: WorkspaceRole::Member,
        only_here: false,
    }
}

pub fn problem() -> Problem {
    Problem {
        kind: "provider".to_owned(),
        title: "The provider failed".to_owned(),
        status: 502,
        detail: String::new(),
        errors: Vec::new(),
    }
}

/// A question about a call that `approvals` people have to answer, until the time is 1,000,000.
pub fn approval(id: ApprovalId, turn_id: TurnId, call_id: CallId, approvals: u32) -> Approval {
    Approval {
        id,
        conversation_id: ConversationId::from_bytes([1; 16]),
        turn_id,
        call_id,
        tool: "clock".to_owned(),
        args: serde_json::json!({}),
        args_text: "{}".to_owned(),
        args_hash: "as shown".to_owned(),
        state: ApprovalState::Pending,
        requested_at: Timestamp::from_millis(0),
        expires_at: Timestamp::from_millis(1_000_000),
        required_role: None,
        approvals,
        votes: Vec::new(),
        decided_args: None,
        context: ApprovalContext {
            agent: "default".to_owned(),
            requested_by: UserId::from_bytes([3; 16]),
            conversation_title: None,
            recent: Vec::new(),
            sibling_calls: Vec::new(),
            rule: None,
            parents: Vec::new(),
            tool: ShownTool {
                source: "built_in".to_owned(),
                description: String::new(),
                schema: serde_json::json!({}),
            },
        },
    }
}
