//! Which conversations somebody reads: lists that are kept for as long as a number in the database says that they have
//! not changed. The number is read in the same transaction as what is looked for, so that no list is ever out of date.

use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;
use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension, named_params};

use crate::chat::searchable::Reach;
use crate::id::{ConversationId, UserId, WorkspaceId};
use crate::priority::give_way;
use crate::store::error::Error;
use crate::store::row::Row;

/// Those of whoever searched lately.
pub struct Reaches(Mutex<LruCache<Whose, Kept>>);

/// Lists that are kept at a time. One of a thousand conversations takes 20 KB.
const KEPT: NonZeroUsize = NonZeroUsize::new(1000).expect("it is not zero");

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Whose {
    /// What somebody made.
    Own(WorkspaceId, UserId),
    /// What everybody in a workspace reads.
    Shared(WorkspaceId),
}

struct Kept {
    changes: i64,
    reach: Arc<Reach>,
}

impl Default for Reaches {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(KEPT)))
    }
}

const CHANGES: &str = "SELECT changes FROM reaches WHERE workspace_id = :workspace_id AND user_id = :user_id";
const OWN: &str = "
    SELECT id FROM conversations
    WHERE workspace_id = :workspace_id AND created_by = :user_id AND deleted_at IS NULL";
const OWN_FORKS: &str = "
    SELECT id, origin_id FROM conversations
    WHERE workspace_id = :workspace_id AND created_by = :user_id AND origin_id IS NOT NULL AND deleted_at IS NULL";
// The last condition is true: both kinds have the same parameters.
const SHARED: &str = "
    SELECT id FROM conversations
    WHERE workspace_id = :workspace_id AND visibility = 'workspace' AND deleted_at IS NULL AND :user_id = x''";
const SHARED_FORKS: &str = "
    SELECT id, origin_id FROM conversations
    WHERE workspace_id = :workspace_id AND visibility = 'workspace' AND origin_id IS NOT NULL
      AND deleted_at IS NULL AND :user_id = x''";
const ORIGIN: &str = "SELECT origin_id FROM conversations WHERE id = :id";

impl Reaches {
    /// As the transaction sees it.
    pub(super) fn of(&self, tx: &Connection, whose: Whose) -> Result<Arc<Reach>, Error> {
        let changes = whose.changes(tx)?;
        let before = self.0.lock().get(&whose).map(|kept| (kept.changes, Arc::clone(&kept.reach)));
        let mut reach = match &before {
            Some((then, reach)) if *then == changes => return Ok(Arc::clone(reach)),
            Some(_) | None => read(tx, whose)?,
        };
        if let Some((_, before)) = before {
            reach.follows(&before);
        }
        let reach = Arc::new(reach);
        self.0.lock().put(whose, Kept { changes, reach: Arc::clone(&reach) });
        Ok(reach)
    }
}

impl Whose {
    fn workspace(&self) -> &[u8] {
        match self {
            Self::Own(workspace, _) | Self::Shared(workspace) => workspace.as_bytes(),
        }
    }

    fn user(&self) -> &[u8] {
        match self {
            Self::Own(_, user) => user.as_bytes(),
            Self::Shared(_) => &[],
        }
    }

    fn changes(&self, tx: &Connection) -> Result<i64, Error> {
        let parameters = named_params! {":workspace_id": self.workspace(), ":user_id": self.user()};
        let changes = tx.prepare_cached(CHANGES)?.query_row(parameters, |row| row.get(0)).optional()?;
        Ok(changes.unwrap_or(0))
    }
}

fn read(tx: &Connection, whose: Whose) -> Result<Reach, Error> {
    let (all, forks) = match whose {
        Whose::Own(..) => (OWN, OWN_FORKS),
        Whose::Shared(_) => (SHARED, SHARED_FORKS),
    };
    let parameters = named_params! {":workspace_id": whose.workspace(), ":user_id": whose.user()};
    let mut reach = Reach::default();
    let mut statement = tx.prepare_cached(all)?;
    let mut rows = statement.query(parameters)?;
    while let Some(row) = rows.next()? {
        give_way();
        reach.add(ConversationId::from_bytes(row.get(0)?));
    }
    let mut statement = tx.prepare_cached(forks)?;
    let mut rows = statement.query(parameters)?;
    while let Some(row) = rows.next()? {
        give_way();
        let row = Row::new(row, "conversations", "id");
        let (id, origin) = (row.id("id")?, row.opt_id("origin_id")?);
        add_fork(&mut reach, tx, id, origin)?;
    }
    Ok(reach)
}

/// Of one conversation, which is read.
pub(super) fn of_one(tx: &Connection, id: ConversationId) -> Result<Reach, Error> {
    let mut reach = Reach::default();
    reach.add(id);
    add_fork(&mut reach, tx, id, origin(tx, id)?)?;
    Ok(reach)
}

/// A fork may show something of all that it goes back to.
fn add_fork(
    reach: &mut Reach,
    tx: &Connection,
    id: ConversationId,
    origin_id: Option<ConversationId>,
) -> Result<(), Error> {
    let mut above = origin_id;
    while let Some(id_above) = above {
        reach.add_fork(id, id_above);
        above = origin(tx, id_above)?;
    }
    Ok(())
}

fn origin(tx: &Connection, id: ConversationId) -> Result<Option<ConversationId>, Error> {
    let mut statement = tx.prepare_cached(ORIGIN)?;
    let mut rows = statement.query(named_params! {":id": id.as_bytes()})?;
    match rows.next()? {
        Some(row) => Row::new(row, "conversations", "id").opt_id("origin_id"),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tree::tests::database;

    #[test]
    fn lists_are_read_from_indexes_alone() {
        let dir = tempfile::tempdir().unwrap();
        let db = database(&dir);
        for list in [OWN, OWN_FORKS, SHARED, SHARED_FORKS] {
            let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {list}")).unwrap();
            let nobody = named_params! {":workspace_id": [], ":user_id": []};
            let plan = statement.query_map(nobody, |row| row.get::<_, String>("detail")).unwrap();
            let plan: Vec<_> = plan.map(Result::unwrap).collect();
            assert!(plan.iter().all(|step| step.contains("USING COVERING INDEX")), "{list}: {plan:?}");
        }
    }
}
