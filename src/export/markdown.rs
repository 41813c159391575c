//! A branch as a person reads it.

use crate::chat::conversation::ConversationInfo;
use crate::chat::message::{Call, Message, MessageStatus, Part, Role};

pub fn conversation(info: &ConversationInfo, out: &mut Vec<u8>) {
    let title = info.title.as_deref().unwrap_or("Untitled conversation");
    put(out, &format!("# {title}\n\n_{}_\n", info.created_at));
}

pub fn message(message: &Message, calls: &[Call], out: &mut Vec<u8>) {
    let who = match message.role {
        Role::User => "You",
        Role::Assistant => "Assistant",
        Role::System => "System",
    };
    let model = message.model.as_ref().map(|model| format!(" · {model}")).unwrap_or_default();
    put(out, &format!("\n## {who}{model}\n\n_{}_\n", message.created_at));
    for part in &message.parts {
        out.push(b'\n');
        match part {
            Part::Text { text } => put(out, &format!("{}\n", text.trim_end())),
            Part::Reasoning { text } => quoted("Reasoning", text, out),
            Part::ToolCall { call_id, name, args_text, .. } => {
                fenced(&format!("Tool `{name}`"), args_text, out);
                let call = calls.iter().find(|call| call.id == *call_id);
                for (label, said) in [
                    ("Output", call.and_then(|call| call.output.as_ref())),
                    ("Error", call.and_then(|call| call.error.as_ref())),
                ] {
                    if let Some(said) = said {
                        out.push(b'\n');
                        fenced(label, said, out);
                    }
                }
            }
            Part::File { name, .. } => put(out, &format!("_File: {name}_\n")),
            Part::Source { url, title } => {
                put(out, &format!("_Source: {}_ <{url}>\n", title.as_deref().unwrap_or("")));
            }
            Part::Notice { code, text } => put(out, &format!("_{}: {text}_\n", code.replace('_', " "))),
        }
    }
    let cut = match message.status {
        MessageStatus::Complete => return,
        MessageStatus::Streaming => "still being written",
        MessageStatus::Interrupted => "interrupted",
        MessageStatus::Cancelled => "cancelled",
        MessageStatus::Failed => "failed",
    };
    put(out, &format!("\n_({cut})_\n"));
}

fn quoted(label: &str, text: &str, out: &mut Vec<u8>) {
    put(out, &format!("> **{label}**\n>\n"));
    for line in text.trim_end().lines() {
        put(out, &format!("> {line}\n"));
    }
}

/// In a fence that is longer than any in the text.
fn fenced(label: &str, text: &str, out: &mut Vec<u8>) {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    put(out, &format!("{label}:\n\n{fence}\n{}\n{fence}\n", text.trim_end()));
}

fn put(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}
