//! The path that a model call is built from: whole messages, with what only their provider understands.

use rusqlite::Connection;

use super::message::{self, Found};
use crate::chat::context::PathMessage;
use crate::chat::message::{Call, Message, StoredPart};
use crate::id::{ConversationId, MessageId};
use crate::store::Store;
use crate::store::error::Error;
use crate::store::tree;

impl Store {
    /// The end of the path to `leaf`, oldest message first: as many as fit into `budget` bytes of text and tool
    /// output, and at least the leaf. `None` where the conversation does not see the leaf.
    pub async fn prompt_path(
        &self,
        id: ConversationId,
        leaf: MessageId,
        budget: usize,
    ) -> Result<Option<Vec<PathMessage>>, Error> {
        self.read(move |tx| {
            let Some(leaf) = message::by_id(tx, leaf)? else { return Ok(None) };
            match tree::visible(tx, id, &leaf.node)? {
                true => climb(tx, leaf, budget).map(Some),
                false => Ok(None),
            }
        })
        .await
    }
}

fn climb(tx: &Connection, leaf: Found, budget: usize) -> Result<Vec<PathMessage>, Error> {
    let (mut messages, mut left, mut next) = (Vec::new(), budget, Some(leaf));
    while let Some(found) = next {
        let id = found.node.id;
        let (parts, calls) = (message::parts(tx, id)?, message::calls(tx, id)?);
        let bytes = weight(&parts, &calls);
        if bytes > left && !messages.is_empty() {
            break;
        }
        left = left.saturating_sub(bytes);
        next = match found.node.parent_id {
            Some(parent) => Some(message::linked(tx, parent, id)?),
            None => None,
        };
        let Message { parent_id, role, status, turn_id, .. } = found.message;
        messages.push(PathMessage { id, parent_id, role, status, turn_id, parts, calls });
    }
    messages.reverse();
    Ok(messages)
}

fn weight(parts: &[StoredPart], calls: &[Call]) -> usize {
    let text: usize = parts.iter().map(|stored| stored.part.streamed().len()).sum();
    let outputs: usize = calls.iter().filter_map(|call| call.output.as_ref()).map(String::len).sum();
    text + outputs
}
