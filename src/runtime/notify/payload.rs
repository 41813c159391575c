//! What a webhook is told: ids and names, nothing of what was said or of what a tool is to do.

use serde_json::{Value, json};

use crate::clock::Timestamp;
use crate::id::WebhookId;
use crate::store::Notification;

pub fn payload(told: &Notification, public_url: Option<&str>) -> String {
    let Notification { at, kind, conversation_id, agent, body, approval, .. } = told;
    let mut data = json!({ "conversation_id": conversation_id, "agent": agent });
    let mut set = |name: &str, value: Value| data[name] = value;
    match approval {
        Some(approval) => {
            set("approval_id", json!(approval.id));
            set("turn_id", json!(approval.turn_id));
            set("call_id", json!(approval.call_id));
            set("tool", json!(approval.tool));
            set("agent", json!(approval.context.agent));
        }
        None => {
            for name in ["approval_id", "turn_id", "call_id", "tool"] {
                if let Some(value) = body.get(name) {
                    set(name, value.clone());
                }
            }
        }
    }
    // As it was then: by now it may have gone on.
    set("state", body["state"].clone());
    if let (Some(url), Some(id)) = (public_url, body["approval_id"].as_str()) {
        set("link", json!(format!("{url}/approvals/{id}")));
    }
    whole(kind, *at, data)
}

/// What tells that an address is right.
pub fn test_payload(id: WebhookId, at: Timestamp) -> String {
    whole(TEST, at, json!({ "webhook_id": id }))
}

pub const TEST: &str = "webhook.test";

fn whole(kind: &str, at: Timestamp, data: Value) -> String {
    json!({ "type": kind, "timestamp": at, "data": data }).to_string()
}
