//! What a conversation says about its messages: its own words, and above its fork point what its origin said when the
//! fork was made, unless it says otherwise itself.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, named_params};

use super::conversation;
use super::lineage::Lineage;
use crate::chat::compaction::Compaction;
use crate::chat::message::Marks;
use crate::id::{ConversationId, MessageId};
use crate::scope::Scope;
use crate::store::Store;
use crate::store::error::Error;
use crate::store::row::Row;
use crate::store::tree::{self, Node};

#[derive(Debug, Default)]
pub(super) struct Annotations {
    marks: BTreeMap<MessageId, Marks>,
    /// With the depth of their message, the shallowest first.
    pub compactions: Vec<(u64, Compaction)>,
}

impl Annotations {
    pub fn marks(&self, id: MessageId) -> Marks {
        self.marks.get(&id).cloned().unwrap_or_default()
    }

    pub fn pinned(&self) -> impl Iterator<Item = MessageId> {
        self.marks.iter().filter(|(_, marks)| marks.pinned).map(|(id, _)| *id)
    }

    /// Those on the path to a leaf, the shallowest first.
    pub fn compactions_on(&self, tx: &Connection, leaf: Node) -> Result<Vec<Compaction>, Error> {
        let mut found = Vec::new();
        for (depth, compaction) in &self.compactions {
            let on_path = tree::ancestor(tx, leaf, *depth)?;
            if on_path.is_some_and(|node| node.id == compaction.message_id) {
                found.push(compaction.clone());
            }
        }
        Ok(found)
    }
}

impl Store {
    /// The compactions that a conversation sees, the shallowest first; `None` where the scope does not see it.
    pub async fn compactions(
        &self,
        scope: &Scope,
        id: ConversationId,
    ) -> Result<Option<Vec<Compaction>>, Error> {
        let scope = scope.clone();
        self.read(move |tx| {
            if !conversation::readable(tx, &scope, id)? {
                return Ok(None);
            }
            Ok(Some(all(tx, id)?.compactions.into_iter().map(|(_, compaction)| compaction).collect()))
        })
        .await
    }

    /// What the conversation says about a message that it sees.
    pub async fn marks(
        &self,
        scope: &Scope,
        id: ConversationId,
        message_id: MessageId,
    ) -> Result<Option<Marks>, Error> {
        let scope = scope.clone();
        self.read(move |tx| {
            let Some(node) = tree::node(tx, message_id)? else { return Ok(None) };
            if !conversation::readable(tx, &scope, id)? || !tree::visible(tx, id, &node)? {
                return Ok(None);
            }
            Ok(Some(all(tx, id)?.marks(message_id)))
        })
        .await
    }
}

const SAID: &str = "
    SELECT kind, subject, message_id, body FROM annotations
    WHERE conversation_id = :id AND seq <= :as_of AND (until IS NULL OR until > :as_of)";

pub(super) fn all(tx: &Connection, id: ConversationId) -> Result<Annotations, Error> {
    let mut found = Annotations::default();
    // A subject that a conversation spoke of is settled for those that it was forked off.
    let mut settled: BTreeSet<(String, [u8; 16])> = BTreeSet::new();
    let mut next = Some(Lineage::of(id));
    while let Some(lineage) = next {
        let mut statement = tx.prepare_cached(SAID)?;
        let mut rows =
            statement.query(named_params! {":id": lineage.at.as_bytes(), ":as_of": lineage.as_of})?;
        while let Some(row) = rows.next()? {
            let row = Row::new(row, "annotations", "subject");
            let (kind, subject): (String, [u8; 16]) = (row.get("kind")?, row.get("subject")?);
            let Some(node) = lineage.sees(tx, row.id("message_id")?)? else { continue };
            if !settled.insert((kind.clone(), subject)) {
                continue;
            }
            match kind.as_str() {
                "marks" => drop(found.marks.insert(node.id, row.opt_json("body")?.unwrap_or_default())),
                "compaction" => {
                    found
                        .compactions
                        .extend(row.opt_json("body")?.map(|compaction| (node.depth, compaction)));
                }
                _ => return Err(row.corrupt("kind")),
            }
        }
        next = lineage.up(tx)?;
    }
    found.compactions.sort_by_key(|(depth, compaction)| (*depth, compaction.created_at, compaction.id));
    Ok(found)
}
