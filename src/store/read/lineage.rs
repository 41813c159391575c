//! What a conversation finds above its fork point: what its origin had there when the fork was made, and what that one
//! found above its own.

use rusqlite::{Connection, OptionalExtension, named_params};

use crate::id::{ConversationId, MessageId};
use crate::store::error::Error;
use crate::store::tree::{self, Node};

/// A conversation, and then those that it was forked off, from the nearest on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lineage {
    id: ConversationId,
    /// Whose turn it is.
    pub at: ConversationId,
    /// How much of that one's log counts.
    pub as_of: i64,
    /// The last message on the way up that is above every fork point so far.
    above: Option<Node>,
}

const ORIGIN: &str =
    "SELECT origin_id, origin_seq FROM conversations WHERE id = :id AND origin_id IS NOT NULL";

/// How much of the log of `of` counts for a conversation: all of its own, and of one that it was forked off what was
/// there when the fork was made.
pub(super) fn as_of(tx: &Connection, id: ConversationId, of: ConversationId) -> Result<i64, Error> {
    let (mut at, mut as_of) = (id, i64::MAX);
    while at != of {
        let Some(origin) = origin(tx, at)? else { return Ok(0) };
        (at, as_of) = origin;
    }
    Ok(as_of)
}

/// How many conversations it goes back to.
pub(super) fn generations(tx: &Connection, id: ConversationId) -> Result<usize, Error> {
    let (mut at, mut count) = (id, 0);
    while let Some((above, _)) = origin(tx, at)? {
        (at, count) = (above, count + 1);
    }
    Ok(count)
}

fn origin(tx: &Connection, id: ConversationId) -> Result<Option<(ConversationId, i64)>, Error> {
    let origin: Option<([u8; 16], i64)> = tx
        .prepare_cached(ORIGIN)?
        .query_row(named_params! {":id": id.as_bytes()}, |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(origin.map(|(id, as_of)| (ConversationId::from_bytes(id), as_of)))
}

impl Lineage {
    pub fn of(id: ConversationId) -> Self {
        Self { id, at: id, as_of: i64::MAX - 1, above: None }
    }

    /// The message, where what is said of it here is seen.
    pub fn sees(&self, tx: &Connection, message_id: MessageId) -> Result<Option<Node>, Error> {
        let Some(node) = tree::node(tx, message_id)? else { return Ok(None) };
        let sees = match self.above {
            Some(above) => tree::ancestor(tx, above, node.depth)?.is_some_and(|found| found.id == node.id),
            None => tree::visible(tx, self.id, &node)?,
        };
        Ok(sees.then_some(node))
    }

    /// The next one up, if anything of it is seen.
    pub fn up(self, tx: &Connection) -> Result<Option<Self>, Error> {
        let Some((at, as_of)) = origin(tx, self.at)? else { return Ok(None) };
        let Some(fork) = tree::fork_point(tx, self.at)? else { return Ok(None) };
        // A fork may have left the path to its own fork point before it was forked.
        let above = match self.above {
            Some(above) => tree::meet(tx, above, fork)?,
            None => Some(fork),
        };
        Ok(above.map(|above| Self { id: self.id, at, as_of, above: Some(above) }))
    }
}
