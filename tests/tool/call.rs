//! A call of somebody.

use serde_json::Value;
use weir::id::{CallId, ConversationId, UserId, WorkspaceId};
use weir::tool::{Asker, Invocation, Progress};

pub fn invocation(args: Value) -> Invocation {
    Invocation {
        call_id: CallId::new(),
        workspace_id: WorkspaceId::new(),
        conversation_id: ConversationId::new(),
        user_id: UserId::new(),
        agent: "default".to_owned(),
        args,
        only_here: false,
        progress: Progress::unheard(),
        asker: Asker::unheard(),
    }
}
