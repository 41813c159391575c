//! Walking the chains of a data directory, beside a running server or without one. Changes nothing.

use std::collections::HashSet;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, named_params};

use super::{AuditEntry, AuditRow, BEGINNING, audit_columns};
use crate::id::{ConversationId, WorkspaceId};
use crate::store::error::Error;
use crate::store::row::Row;

const BUSY: Duration = Duration::from_secs(5);

/// A chain that is as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    pub workspace_id: WorkspaceId,
    pub rows: u64,
    /// Those whose content a purge has erased.
    pub erased: u64,
    pub head: [u8; 32],
    /// Whether the anchor that was asked about is the hash of one of its rows.
    pub anchored: bool,
}

/// The first row that is not as it was written, or the place of one that is missing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("row {n} of {workspace}: {what}")]
pub struct Bad {
    pub workspace: String,
    pub n: i64,
    pub what: &'static str,
}

const ALL: &str = concat!("SELECT ", audit_columns!(), " FROM audit ORDER BY workspace_id, n");
const OF_WORKSPACE: &str =
    concat!("SELECT ", audit_columns!(), " FROM audit WHERE workspace_id = :workspace_id ORDER BY n");

/// Every chain of the database, or the first row that is wrong in it.
pub fn verify(weir_db: &Path, anchor: Option<&[u8; 32]>) -> Result<Result<Vec<Chain>, Bad>, Error> {
    let conn = open(weir_db)?;
    let mut statement = conn.prepare(ALL)?;
    let mut rows = statement.query([])?;
    let mut walk = Walk { chains: Vec::new(), erasable: HashSet::new(), erased: Vec::new(), anchor };
    while let Some(row) = rows.next()? {
        if let Err(bad) = walk.step(&Row::new(row, "audit", "n")) {
            return Ok(Err(bad));
        }
    }
    Ok(walk.end())
}

/// Writes a chain as lines of JSON, oldest first.
pub fn export(weir_db: &Path, workspace_id: WorkspaceId, out: &mut impl Write) -> Result<(), Error> {
    let conn = open(weir_db)?;
    let mut statement = conn.prepare(OF_WORKSPACE)?;
    let mut rows = statement.query(named_params! {":workspace_id": workspace_id.as_bytes()})?;
    while let Some(row) = rows.next()? {
        let row = AuditRow::from_row(&Row::new(row, "audit", "n"))?;
        let line = serde_json::to_string(&AuditEntry::from(row)).expect("an entry is made of JSON types");
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// Read-only, so that it works beside the server that writes.
fn open(weir_db: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(weir_db, flags)?;
    conn.busy_timeout(BUSY)?;
    Ok(conn)
}

struct Walk<'a> {
    chains: Vec<Chain>,
    /// Conversations that were deleted, or of which a branch was: the chain itself says so.
    erasable: HashSet<ConversationId>,
    erased: Vec<(ConversationId, Bad)>,
    anchor: Option<&'a [u8; 32]>,
}

impl Walk<'_> {
    fn step(&mut self, found: &Row<'_>) -> Result<(), Bad> {
        let row = AuditRow::from_row(found);
        let bad = |what| Bad {
            workspace: found.id::<WorkspaceId>("workspace_id").map_or("?".to_owned(), |id| id.to_string()),
            n: found.get("n").unwrap_or_default(),
            what,
        };
        let row = row.map_err(|_| bad("it cannot be read"))?;
        if self.chains.last().is_none_or(|chain| chain.workspace_id != row.workspace_id) {
            let (workspace_id, head) = (row.workspace_id, BEGINNING);
            self.chains.push(Chain { workspace_id, rows: 0, erased: 0, head, anchored: false });
        }
        let chain = self.chains.last_mut().expect("one was pushed where there was none");
        if row.n != chain.rows + 1 {
            return Err(Bad { n: (chain.rows + 1).cast_signed(), what: "it is missing", ..bad("") });
        }
        if row.content.as_ref().is_some_and(|content| content.hash() != row.content_hash) {
            return Err(bad("its content is not what was written"));
        }
        if row.hash_after(&chain.head) != row.hash {
            return Err(bad("it does not follow from the row before"));
        }
        if let Some(id) = row.conversation_id {
            if matches!(row.action.as_str(), "conversation.deleted" | "branch.deleted") {
                self.erasable.insert(id);
            }
            if row.content.is_none() {
                chain.erased += 1;
                self.erased.push((id, bad("its content is gone, and nobody deleted its conversation")));
            }
        } else if row.content.is_none() {
            return Err(bad("its content is gone"));
        }
        chain.rows = row.n;
        chain.head = row.hash;
        chain.anchored |= self.anchor == Some(&row.hash);
        Ok(())
    }

    fn end(self) -> Result<Vec<Chain>, Bad> {
        match self.erased.into_iter().find(|(id, _)| !self.erasable.contains(id)) {
            Some((_, bad)) => Err(bad),
            None => Ok(self.chains),
        }
    }
}
