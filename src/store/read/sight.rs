//! What somebody may find: which conversations they read, and which messages are seen through them. Asked of the tables
//! for each search, so that nothing need be written anew when something is shared, forked or deleted.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use rusqlite::{CachedStatement, Connection, named_params};
use rustc_hash::FxHashMap;

use super::conversation::{self, may_read};
use super::lineage;
use super::reach::{self, Reaches, Whose};
use super::searchable;
use crate::chat::searchable::{Reach, Searchable, Subject, TextKind};
use crate::id::{ConversationId, MessageId};
use crate::priority::give_way;
use crate::scope::Scope;
use crate::store::Store;
use crate::store::error::Error;
use crate::store::row::Row;
use crate::store::tree::{self, Node};

/// One look at the conversations, with somebody's eyes, at one moment.
pub struct Sight<'a> {
    tx: &'a Connection,
    scope: &'a Scope,
    reaches: Vec<Arc<Reach>>,
    statements: Statements<'a>,
    known: FxHashMap<ConversationId, Option<Known>>,
    found: FxHashMap<(ConversationId, MessageId, Source), Option<Found>>,
    nodes: FxHashMap<MessageId, Option<Node>>,
}

/// What is asked for each thing that was found.
struct Statements<'a> {
    known: CachedStatement<'a>,
    placed: CachedStatement<'a>,
}

/// Where a text of a message comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Source {
    /// Said in it, and never different since.
    Words,
    /// Done by its calls, some of them maybe later. A fork has what there was when it was made.
    Calls,
}

/// Where something was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Through which it is seen.
    pub conversation_id: ConversationId,
    pub title: Option<String>,
    /// Of messages: whether it is on the path to the head.
    pub on_current_path: bool,
}

#[derive(Debug, Clone)]
struct Known {
    title: Option<String>,
    head: Option<Node>,
    /// Some of its branches are deleted.
    pruned: bool,
    is_fork: bool,
}

/// Where a message stands.
struct Placed {
    node: Node,
    /// None of its conversation stands beside it.
    is_alone: bool,
}

impl Store {
    /// Looks at the conversations with the eyes of the scope. Blocks a reader for as long as `look` takes.
    pub async fn look<T: Send + 'static>(
        &self,
        scope: &Scope,
        look: impl FnOnce(&mut Sight<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (scope, reaches) = (scope.clone(), Arc::clone(&self.inner.reaches));
        self.read(move |tx| {
            // A thread that slept takes the processor from whoever has it.
            give_way();
            look(&mut Sight::of(tx, &scope, &reaches)?)
        })
        .await
    }
}

impl<'a> Sight<'a> {
    fn of(tx: &'a Connection, scope: &'a Scope, reaches: &Reaches) -> Result<Self, Error> {
        let mut seen = Vec::new();
        match &scope.only {
            Some(only) => {
                for id in only.iter().copied() {
                    if conversation::readable(tx, scope, id)? {
                        seen.push(Arc::new(reach::of_one(tx, id)?));
                    }
                }
            }
            None => {
                seen.push(reaches.of(tx, Whose::Own(scope.workspace_id, scope.user_id))?);
                seen.push(reaches.of(tx, Whose::Shared(scope.workspace_id))?);
            }
        }
        Ok(Self {
            tx,
            scope,
            reaches: seen,
            statements: Statements { known: tx.prepare_cached(KNOWN)?, placed: tx.prepare_cached(PLACED)? },
            known: FxHashMap::default(),
            found: FxHashMap::default(),
            nodes: FxHashMap::default(),
        })
    }

    /// What of all it sees. Some of that may yet be deleted: [`Sight::find`] tells.
    pub fn reaches(&self) -> &[Arc<Reach>] {
        &self.reaches
    }

    /// Where the scope sees a text of what belongs to a conversation, and there to a message; `None`: nowhere.
    pub fn find(
        &mut self,
        id: ConversationId,
        subject: Subject,
        kind: TextKind,
    ) -> Result<Option<Found>, Error> {
        let message = match subject {
            Subject::Conversation(_) => {
                return Ok(self.know(id)?.map(|known| Found {
                    conversation_id: id,
                    title: known.title.clone(),
                    on_current_path: false,
                }));
            }
            Subject::Message(message) => message,
        };
        let source = match kind {
            TextKind::Call | TextKind::File => Source::Calls,
            TextKind::Message | TextKind::Branch | TextKind::Title => Source::Words,
        };
        if let Some(found) = self.found.get(&(id, message, source)) {
            return Ok(found.clone());
        }
        let found = self.find_message(id, message, source)?;
        self.found.insert((id, message, source), found.clone());
        Ok(found)
    }

    fn find_message(
        &mut self,
        id: ConversationId,
        message: MessageId,
        source: Source,
    ) -> Result<Option<Found>, Error> {
        let Some(placed) = self.placed(message)? else { return Ok(None) };
        let node = placed.node;
        let places: Vec<_> = self.may_be_seen_through(id).collect();
        for through in places {
            // What is not read is not known.
            let Some(known) = self.know(through)?.cloned() else { continue };
            let whole = node.conversation_id == through && !known.pruned;
            if !whole && !tree::visible(self.tx, through, &node)? {
                continue;
            }
            if source == Source::Calls && !self.was_done_by_then(through, &node)? {
                continue;
            }
            let on_current_path = self.is_on_path(&known, &placed)?;
            return Ok(Some(Found { conversation_id: through, title: known.title, on_current_path }));
        }
        Ok(None)
    }

    /// What of a conversation is seen is seen there, or in one of its forks that are read.
    pub fn may_be_seen_through(&self, id: ConversationId) -> impl Iterator<Item = ConversationId> {
        let forks = self.reaches.iter().flat_map(move |reach| reach.forks_of(id.low()));
        std::iter::once(id).chain(forks.copied())
    }

    /// Whether a conversation sees all that the calls of a message did: nothing of that came after it was forked off.
    fn was_done_by_then(&self, id: ConversationId, message: &Node) -> Result<bool, Error> {
        if message.conversation_id == id {
            return Ok(true);
        }
        let as_of = lineage::as_of(self.tx, id, message.conversation_id)?;
        let mut statement = self.tx.prepare_cached(CAME_LATER)?;
        let came_later = statement.exists(named_params! {":id": message.id.as_bytes(), ":as_of": as_of})?;
        Ok(!came_later)
    }

    /// Whether a message that is seen in a conversation is above its head, or its head.
    fn is_on_path(&mut self, known: &Known, placed: &Placed) -> Result<bool, Error> {
        let node = &placed.node;
        match known.head {
            None => Ok(false),
            Some(head) if head.depth <= node.depth => Ok(head.id == node.id),
            // Most have no branches here: then there is no other way up.
            Some(_) if !known.is_fork && placed.is_alone => Ok(true),
            Some(head) => {
                let above = tree::climb(head, node.depth, |id| self.node(id))?;
                Ok(above.is_some_and(|found| found.id == node.id))
            }
        }
    }

    fn placed(&mut self, id: MessageId) -> Result<Option<Placed>, Error> {
        let mut rows = self.statements.placed.query(named_params! {":id": id.as_bytes()})?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let row = Row::new(row, "messages", "id");
        Ok(Some(Placed { node: Node::from_row(&row, id)?, is_alone: row.get("is_alone")? }))
    }

    /// The texts that belong to a message, as they are now, whoever sees them.
    pub fn texts(&self, id: MessageId) -> Result<Vec<Searchable>, Error> {
        searchable::of_message(self.tx, id)
    }

    /// What a message itself says, as it is now, whoever sees it.
    pub fn said(&self, id: MessageId) -> Result<String, Error> {
        Ok(searchable::said(self.tx, id)?.0)
    }

    /// What the newest message of a person in a conversation is.
    pub fn last_question(&self, id: ConversationId) -> Result<Option<MessageId>, Error> {
        let mut statement = self.tx.prepare_cached(LAST_QUESTION)?;
        let mut rows = statement.query(named_params! {":id": id.as_bytes()})?;
        match rows.next()? {
            Some(row) => Row::new(row, "messages", "id").opt_id("id"),
            None => Ok(None),
        }
    }

    fn node(&mut self, id: MessageId) -> Result<Option<Node>, Error> {
        if let Some(node) = self.nodes.get(&id) {
            return Ok(*node);
        }
        let node = tree::node(self.tx, id)?;
        self.nodes.insert(id, node);
        Ok(node)
    }

    /// `None` where it is not read.
    fn know(&mut self, id: ConversationId) -> Result<Option<&Known>, Error> {
        let known = match self.known.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) if !self.scope.reaches(id) => place.insert(None),
            Entry::Vacant(place) => place.insert(Known::of(&mut self.statements.known, self.scope, id)?),
        };
        Ok(known.as_ref())
    }
}

impl Known {
    fn of(
        statement: &mut CachedStatement<'_>,
        scope: &Scope,
        id: ConversationId,
    ) -> Result<Option<Self>, Error> {
        let mut rows = statement.query(named_params! {
        ":id": id.as_bytes(), ":workspace_id": scope.workspace_id.as_bytes(),
        ":user_id": scope.user_id.as_bytes()})?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let row = Row::new(row, "conversations", "id");
        let (title, is_fork, pruned) = (row.get("title")?, row.get("is_fork")?, row.get("pruned")?);
        let head: Option<MessageId> = row.opt_id("head")?;
        let head = head.map(|id| Node::from_row(&row, id)).transpose()?;
        Ok(Some(Self { title, head, pruned, is_fork }))
    }
}

const CAME_LATER: &str = "
    SELECT 1 FROM calls
    WHERE message_id = :id
      AND (seq > :as_of OR state IN ('proposed', 'pending', 'approved', 'started')
           OR state = 'unknown' AND resolved IS NULL)
    UNION ALL SELECT 1 FROM conversation_files WHERE message_id = :id AND seq > :as_of";

const LAST_QUESTION: &str = "
    SELECT max(id) AS id FROM messages WHERE conversation_id = :id AND role = 'user'";

const PLACED: &str = "
    SELECT id, conversation_id, parent_id, depth, jump_id,
           (SELECT count(*) FROM (SELECT 1 FROM messages beside
                                  WHERE beside.conversation_id = m.conversation_id AND beside.depth = m.depth
                                  LIMIT 2)) = 1 AS is_alone
    FROM messages m WHERE id = :id";

const KNOWN: &str = concat!(
    "SELECT c.id, c.title, c.origin_id IS NOT NULL AS is_fork,
            EXISTS (SELECT 1 FROM deleted_branches d WHERE d.conversation_id = c.id) AS pruned,
            h.id AS head, h.conversation_id, h.parent_id, h.depth, h.jump_id
     FROM conversations c LEFT JOIN messages h ON h.id = c.head WHERE c.id = :id AND ",
    may_read!()
);
