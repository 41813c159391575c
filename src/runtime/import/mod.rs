//! Imports: files of conversations that are read in the background, whoever uploaded them waiting or not.
//!
//! Each has a directory below the data's `imports/`: the file, what is known of it, and its report. An import that
//! was cut off goes on at the next start from what it last noted; what it did since then it finds done.

mod record;
mod store;
mod upload;
mod work;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tracing::{error, warn};

use super::Runtime;
use crate::clock::Timestamp;
use crate::id::ImportId;
use crate::import::{Bounds, Identity};
use record::Files;

pub use record::{Counts, Import, ImportState};
pub use upload::Upload;

/// Imports that run at the same time.
const AT_ONCE: usize = 2;

/// Unfinished imports that one user may have.
const PER_USER: usize = 4;

/// What is known of an import is kept for so long after its end.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

#[derive(Debug, Clone)]
pub struct Options {
    pub dir: PathBuf,
    /// The agents of this server, the default one first.
    pub agents: Vec<String>,
    /// Of one file as it is uploaded.
    pub file_bytes: u64,
    pub bounds: Bounds,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("you have {PER_USER} unfinished imports; wait for one of them, or cancel it")]
    TooMany,
    #[error("a file has at most {0} bytes here")]
    TooLarge(u64),
    #[error("the disk is full")]
    Full,
    #[error("the file cannot be kept: {0}")]
    Io(std::io::Error),
}

/// All imports of this server. Cheap to clone.
#[derive(Clone)]
pub struct Imports(Arc<Inner>);

struct Inner {
    runtime: Runtime,
    options: Options,
    known: Mutex<HashMap<ImportId, Arc<Job>>>,
    /// There is one to be begun.
    arrived: Notify,
}

/// One import.
struct Job {
    files: Files,
    import: Mutex<Import>,
}

impl Imports {
    /// Finds the imports that the last process left behind. Waits for the disk.
    pub fn open(runtime: Runtime, options: Options) -> std::io::Result<Self> {
        std::fs::create_dir_all(&options.dir)?;
        let forgotten = Timestamp::from_millis(
            runtime
                .clock()
                .now()
                .millis()
                .saturating_sub(i64::try_from(KEPT.as_millis()).unwrap_or(i64::MAX)),
        );
        let mut known = HashMap::new();
        for entry in std::fs::read_dir(&options.dir)? {
            let dir = entry?.path();
            match Files::at(dir.clone()).read() {
                Some(import) if import.ended_at.is_none_or(|at| at >= forgotten) => {
                    known.insert(import.id, Arc::new(Job::new(Files::at(dir), import)));
                }
                // Too old, or an upload that broke off.
                Some(_) | None => remove(&dir),
            }
        }
        Ok(Self(Arc::new(Inner { runtime, options, known: Mutex::new(known), arrived: Notify::new() })))
    }

    /// Works through what waits, oldest first, for as long as it is polled.
    pub async fn run(&self) {
        let mut running = JoinSet::new();
        loop {
            let arrived = self.0.arrived.notified();
            while running.len() < AT_ONCE
                && let Some(job) = self.next()
            {
                let imports = self.clone();
                running.spawn(async move { work::work(&imports, &job).await });
            }
            tokio::select! {
                () = arrived => {}
                Some(ended) = running.join_next(), if !running.is_empty() => {
                    if let Err(failed) = ended {
                        error!(%failed, "an import panicked");
                    }
                }
            }
        }
    }

    fn next(&self) -> Option<Arc<Job>> {
        let known = self.0.known.lock();
        let waiting = known.values().filter(|job| job.import.lock().is_waiting());
        let job = waiting.min_by_key(|job| job.import.lock().id)?.clone();
        job.import.lock().begin(self.0.runtime.clock().now());
        Some(job)
    }

    pub fn get(&self, owner: Identity, id: ImportId) -> Option<Import> {
        self.job(owner, id).map(|job| job.import.lock().clone())
    }

    /// Whosever it is: for the operator.
    pub fn find(&self, id: ImportId) -> Option<Import> {
        let job = self.0.known.lock().get(&id).cloned();
        job.map(|job| job.import.lock().clone())
    }

    /// Newest first.
    pub fn list(&self, owner: Identity) -> Vec<Import> {
        let known = self.0.known.lock();
        let mut imports: Vec<Import> = known.values().map(|job| job.import.lock().clone()).collect();
        imports.retain(|import| import.owner() == owner);
        imports.sort_by_key(|import| std::cmp::Reverse(import.id));
        imports
    }

    /// Where the report stands: one item a line, as JSON.
    pub fn report(&self, owner: Identity, id: ImportId) -> Option<PathBuf> {
        self.job(owner, id).map(|job| job.files.report())
    }

    /// Ends an import that has not ended; what it brought stays. One that has ended is forgotten. `false` where there
    /// is none.
    pub async fn cancel(&self, owner: Identity, id: ImportId) -> bool {
        let Some(job) = self.job(owner, id) else { return false };
        let now = self.0.runtime.clock().now();
        let had_ended = job.import.lock().cancel(now);
        if had_ended {
            self.0.known.lock().remove(&id);
        }
        let dir = job.files.dir().to_owned();
        self.0
            .runtime
            .aside(move || match had_ended {
                true => remove(&dir),
                false => job.note(),
            })
            .await;
        true
    }

    fn job(&self, owner: Identity, id: ImportId) -> Option<Arc<Job>> {
        let job = self.0.known.lock().get(&id)?.clone();
        let own = job.import.lock().owner() == owner;
        own.then_some(job)
    }

    fn check_room(&self, owner: Identity) -> Result<(), Error> {
        let unfinished = self.list(owner).iter().filter(|import| import.ended_at.is_none()).count();
        if unfinished < PER_USER { Ok(()) } else { Err(Error::TooMany) }
    }
}

impl std::fmt::Debug for Imports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Imports").field("dir", &self.0.options.dir).finish_non_exhaustive()
    }
}

impl Job {
    fn new(files: Files, import: Import) -> Self {
        Self { files, import: Mutex::new(import) }
    }

    /// Writes down how things stand. What cannot be written down is done again after a restart.
    fn note(&self) {
        let import = self.import.lock().clone();
        if let Err(error) = self.files.write(&import) {
            warn!(%error, import_id = %import.id, "the progress of an import could not be noted");
        }
    }
}

fn remove(dir: &Path) {
    if let Err(error) = std::fs::remove_dir_all(dir) {
        warn!(%error, "what an import left behind could not be removed");
    }
}
