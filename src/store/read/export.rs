//! A whole conversation, to be written out: what it consists of, then its messages a few at a time.

use rusqlite::{Connection, named_params};

use std::collections::HashMap;

use super::annotation;
use super::conversation::{self, ConversationRow};
use super::message;
use crate::chat::compaction::Compaction;
use crate::chat::message::{Call, Marks, Message};
use crate::id::{ConversationId, MessageId, UserId, WorkspaceId};
use crate::scope::Scope;
use crate::store::Store;
use crate::store::error::Error;
use crate::store::tree;

/// What a conversation consists of. The messages themselves never change.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportIndex {
    pub conversation: ConversationRow,
    /// Every visible message that is complete, with its parent, parents first.
    pub nodes: Vec<(MessageId, Option<MessageId>)>,
    /// What the conversation says of its messages, where it says something.
    pub marks: HashMap<MessageId, Marks>,
    pub compactions: Vec<Compaction>,
}

// A message is complete before it has children, so the order of the log puts parents first.
const OWN: &str = "
    SELECT id, parent_id FROM messages WHERE conversation_id = :id AND status <> 'streaming' ORDER BY seq";

impl Store {
    /// `None` where the conversation is not visible.
    pub async fn export_index(
        &self,
        scope: &Scope,
        id: ConversationId,
    ) -> Result<Option<ExportIndex>, Error> {
        let scope = scope.clone();
        self.read(move |tx| {
            let Some(mut conversation) = conversation::find(tx, &scope, id)? else { return Ok(None) };
            let nodes = nodes(tx, id)?;
            // What is still being written is left out, and the branch ends above it.
            if let Some(head) = conversation.head
                && let Some(found) = message::by_id(tx, head)?
                && found.is_streaming()
            {
                conversation.head = found.node.parent_id;
            }
            let said = annotation::all(tx, id)?;
            let marks = nodes.iter().map(|(id, _)| (*id, said.marks(*id)));
            let marks = marks.filter(|(_, marks)| *marks != Marks::default()).collect();
            let compactions = said.compactions.into_iter().map(|(_, compaction)| compaction).collect();
            Ok(Some(ExportIndex { conversation, nodes, marks, compactions }))
        })
        .await
    }

    /// Messages of the index with their calls, in that order; what was deleted since is left out. `None` where the
    /// conversation is no longer visible.
    pub async fn export_messages(
        &self,
        scope: &Scope,
        id: ConversationId,
        ids: Vec<MessageId>,
    ) -> Result<Option<Vec<(Message, Vec<Call>)>>, Error> {
        let scope = scope.clone();
        self.read(move |tx| {
            if !conversation::readable(tx, &scope, id)? {
                return Ok(None);
            }
            let mut messages = Vec::with_capacity(ids.len());
            for message_id in ids {
                let Some(found) = message::by_id(tx, message_id)? else { continue };
                if tree::visible(tx, id, &found.node)? {
                    let calls = message::calls(tx, id, &found.node)?;
                    messages.push((found.with_parts(tx)?, calls));
                }
            }
            Ok(Some(messages))
        })
        .await
    }
}

/// A conversation and who made it.
pub type Owned = (ConversationId, WorkspaceId, UserId);

const EVERY: &str = "
    SELECT id, workspace_id, created_by FROM conversations
    WHERE deleted_at IS NULL AND (:user_id IS NULL OR created_by = :user_id) ORDER BY id";

impl Store {
    /// Every conversation, or those that one user made, for the operator.
    pub async fn every_conversation(&self, user_id: Option<UserId>) -> Result<Vec<Owned>, Error> {
        self.read(move |tx| {
            let user_id = user_id.as_ref().map(|id| id.as_bytes());
            let owned = tx
                .prepare_cached(EVERY)?
                .query_map(named_params! {":user_id": user_id}, |row| {
                    Ok((
                        ConversationId::from_bytes(row.get(0)?),
                        WorkspaceId::from_bytes(row.get(1)?),
                        UserId::from_bytes(row.get(2)?),
                    ))
                })?
                .collect::<Result<_, _>>()?;
            Ok(owned)
        })
        .await
    }
}

fn nodes(tx: &Connection, id: ConversationId) -> Result<Vec<(MessageId, Option<MessageId>)>, Error> {
    let mut nodes = Vec::new();
    let mut above = tree::fork_point(tx, id)?;
    while let Some(node) = above {
        nodes.push((node.id, node.parent_id));
        above = match node.parent_id {
            Some(parent) => tree::node(tx, parent)?,
            None => None,
        };
    }
    nodes.reverse();
    let mut statement = tx.prepare_cached(OWN)?;
    let mut rows = statement.query(named_params! {":id": id.as_bytes()})?;
    while let Some(row) = rows.next()? {
        let parent: Option<[u8; 16]> = row.get(1)?;
        nodes.push((MessageId::from_bytes(row.get(0)?), parent.map(MessageId::from_bytes)));
    }
    Ok(nodes)
}
