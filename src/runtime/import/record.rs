//! What is known of an import, and where it is kept.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::clock::Timestamp;
use crate::id::{ImportId, UserId, WorkspaceId};
use crate::import::{Identity, Reason, Skipped};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImportState {
    Queued,
    Running,
    Completed,
    /// The file could not be read to its end; what was read before is there.
    Failed,
    Cancelled,
}

/// What became of what was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Counts {
    /// Conversations that are new.
    pub created: u64,
    /// Those that were there, and got messages that were not.
    pub grown: u64,
    /// Those that were there with all their messages.
    pub unchanged: u64,
    /// Those that were left out; the report says why.
    pub skipped: u64,
    /// New messages.
    pub messages: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Import {
    pub id: ImportId,
    pub workspace_id: WorkspaceId,
    pub user_id: UserId,
    pub state: ImportState,
    /// The size of the file, and how much of it was read.
    pub bytes: u64,
    pub bytes_read: u64,
    pub counts: Counts,
    /// How many items of the report have which reason.
    pub reasons: BTreeMap<Reason, u64>,
    /// Why the import failed.
    pub failure: Option<String>,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    /// How much of what the file holds is done, and how long the report was then.
    pub done: u64,
    pub report_bytes: u64,
    /// A file that is still to be fetched from where the operator said.
    #[serde(default)]
    pub source: Option<PathBuf>,
}

impl Import {
    pub fn new(id: ImportId, owner: Identity, bytes: u64, now: Timestamp) -> Self {
        Self {
            id,
            workspace_id: owner.workspace_id,
            user_id: owner.user_id,
            state: ImportState::Queued,
            bytes,
            bytes_read: 0,
            counts: Counts::default(),
            reasons: BTreeMap::new(),
            failure: None,
            created_at: now,
            started_at: None,
            ended_at: None,
            done: 0,
            report_bytes: 0,
            source: None,
        }
    }

    pub fn owner(&self) -> Identity {
        Identity { workspace_id: self.workspace_id, user_id: self.user_id }
    }

    pub fn conversations(&self) -> u64 {
        let Counts { created, grown, unchanged, skipped, .. } = self.counts;
        created + grown + unchanged + skipped
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.state == ImportState::Queued
    }

    pub(super) fn begin(&mut self, now: Timestamp) {
        self.state = ImportState::Running;
        self.started_at.get_or_insert(now);
    }

    /// Whether it had ended before.
    pub(super) fn cancel(&mut self, now: Timestamp) -> bool {
        let had_ended = self.ended_at.is_some();
        self.end(ImportState::Cancelled, now);
        had_ended
    }

    pub(super) fn end(&mut self, state: ImportState, now: Timestamp) {
        if self.ended_at.is_none() {
            self.state = state;
            self.ended_at = Some(now);
        }
    }
}

/// The directory of one import.
pub(super) struct Files {
    dir: PathBuf,
}

impl Files {
    pub fn at(dir: PathBuf) -> Self {
        Self { dir }
    }

    pub fn create(imports: &Path, id: ImportId) -> io::Result<Self> {
        let dir = imports.join(id.to_string());
        DirBuilder::new().mode(0o700).create(&dir)?;
        Ok(Self { dir })
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn upload(&self) -> PathBuf {
        self.dir.join("upload")
    }

    pub fn report(&self) -> PathBuf {
        self.dir.join("report.ndjson")
    }

    fn state(&self) -> PathBuf {
        self.dir.join("import.json")
    }

    /// What ran when the last process ended waits again. `None` where the upload never was complete.
    pub fn read(&self) -> Option<Import> {
        let text = std::fs::read(self.state()).ok()?;
        let mut import: Import = serde_json::from_slice(&text).ok()?;
        if import.ended_at.is_none() {
            import.state = ImportState::Queued;
        }
        Some(import)
    }

    /// Either the old or the new state is there after a crash.
    pub fn write(&self, import: &Import) -> io::Result<()> {
        let next = self.dir.join("import.json.next");
        let mut file = File::create(&next)?;
        file.write_all(&serde_json::to_vec(import)?)?;
        file.sync_all()?;
        std::fs::rename(next, self.state())?;
        File::open(&self.dir)?.sync_all()
    }

    /// Adds items behind the first `length` bytes of the report, and says how long it is now.
    pub fn append(&self, length: u64, items: &[Skipped]) -> io::Result<u64> {
        use std::io::{Seek, SeekFrom};

        let mut file = File::options().create(true).truncate(false).write(true).open(self.report())?;
        // What came behind was written by a process that did not live to note it.
        file.set_len(length)?;
        file.seek(SeekFrom::End(0))?;
        let mut lines = Vec::new();
        for item in items {
            serde_json::to_writer(&mut lines, item)?;
            lines.push(b'\n');
        }
        file.write_all(&lines)?;
        Ok(length + lines.len() as u64)
    }
}
