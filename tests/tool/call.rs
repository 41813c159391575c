//! A call of somebody.

use serde_json::Value;
use weir::id::{CallId, ConversationId, UserId};
use weir::tool::Invocation;

pub fn invocation(args: Value) -> Invocation {
    Invocation {
        call_id: CallId::new(),
        conversation_id: ConversationId::new(),
        user_id: UserId::new(),
        agent: "default".to_owned(),
        args,
    }
}
