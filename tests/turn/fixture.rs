//! A conversation to test with: who owns it, what is asked for, what may go wrong.

use weir::chat::conversation::{ConversationInfo, Visibility};
use weir::chat::event::{Problem, Settings};
use weir::chat::turn::TurnRequest;
use weir::clock::Timestamp;
use weir::id::{ConversationId, UserId, WorkspaceId};

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
