//! Files: a content beside the database and a row in it, the content always first. What nobody needs any more goes in
//! the opposite order, so that no row is ever without its content.

pub mod media;
mod tidy;
mod upload;

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use parking_lot::Mutex;
use tokio::sync::RwLock;

use crate::blob::{self, Arriving, Blobs};
use crate::chat::file::{ContentHash, FileInfo, StoredFile, readable_name};
use crate::clock::Clock;
use crate::id::{ConversationId, FileId, UserId, WorkspaceId};
use crate::store::{self, FileRoom, IdempotencyKey, Store};

pub use upload::{Said, Upload};

/// What files may take up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Of one file.
    pub file_bytes: u64,
    pub user_files: u64,
    pub user_bytes: u64,
    pub workspace_bytes: u64,
    /// What tools keep in one conversation, with everything that they ever kept there.
    pub conversation_changes: u64,
    pub conversation_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes: 50 << 20,
            user_files: 10_000,
            user_bytes: 5 << 30,
            workspace_bytes: 100 << 30,
            conversation_changes: 10_000,
            conversation_bytes: 256 << 20,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("a file has at most {0} bytes here")]
    TooLarge(u64),
    #[error("the file is empty")]
    Empty,
    #[error("an image has at most {} million pixels here", media::MEGAPIXELS)]
    TooManyPixels,
    #[error(
        "there is no room: the files of a conversation, with what they were before, have at most {0} bytes"
    )]
    NoRoom(u64),
    #[error("{} files of yours are arriving already", upload::AT_ONCE)]
    TooMany,
    #[error(transparent)]
    Blob(#[from] blob::Error),
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// All files of this server. Cheap to clone.
#[derive(Clone)]
pub struct Files(Arc<Inner>);

struct Inner {
    store: Store,
    blobs: Blobs,
    clock: Clock,
    limits: Limits,
    /// Held by whoever makes a row of a content, and alone by whoever removes one: it may be the same content.
    keeping: RwLock<()>,
    arriving: Mutex<HashMap<UserId, usize>>,
}

impl Files {
    pub fn open(store: Store, dir: &Path, clock: Clock, limits: Limits) -> std::io::Result<Self> {
        let blobs = Blobs::open(dir)?;
        let (keeping, arriving) = (RwLock::default(), Mutex::default());
        Ok(Self(Arc::new(Inner { store, blobs, clock, limits, keeping, arriving })))
    }

    pub fn limits(&self) -> Limits {
        self.0.limits
    }

    /// Keeps what a tool made in a conversation.
    pub async fn keep_in(
        &self,
        conversation_id: ConversationId,
        workspace_id: WorkspaceId,
        name: &str,
        content: &[u8],
    ) -> Result<FileInfo, Error> {
        let size = content.len() as u64;
        if size > self.0.limits.file_bytes {
            return Err(Error::TooLarge(self.0.limits.file_bytes));
        }
        let most = self.0.limits.conversation_bytes;
        let there = self.0.store.file_totals(conversation_id).await?;
        if there.changes >= self.0.limits.conversation_changes || there.bytes + size > most {
            return Err(Error::NoRoom(most));
        }
        let mut arriving = self.0.blobs.arrive().await?;
        arriving.write(content).await?;
        let name = readable_name(name);
        let media_type = media::of(content, &name, None).unwrap_or(media::UNKNOWN).to_owned();
        let info = FileInfo { id: FileId::new(), name, media_type, size };
        let made = |sha256| StoredFile {
            info: info.clone(),
            workspace_id,
            uploaded_by: None,
            sha256,
            created_at: self.0.clock.now(),
        };
        self.note(arriving, made, |_| None).await?;
        Ok(info)
    }

    /// Names a content and makes its row. Where the row is refused, the content goes again.
    async fn note(
        &self,
        arriving: Arriving,
        made: impl FnOnce(ContentHash) -> StoredFile,
        key: impl FnOnce(&StoredFile) -> Option<IdempotencyKey>,
    ) -> Result<StoredFile, Error> {
        let keeping = self.0.keeping.read().await;
        let file = made(arriving.finish().await?);
        fail::fail_point!("runtime::file_before_row");
        let Limits { user_files, user_bytes, workspace_bytes, .. } = self.0.limits;
        let room = FileRoom { user_files, user_bytes, workspace_bytes };
        let kept = self.0.store.keep_file(file.clone(), room, key(&file)).await;
        drop(keeping);
        if let Err(store::Error::Refused(_) | store::Error::Full | store::Error::Busy) = kept {
            self.remove_unneeded(vec![file.sha256]).await?;
        }
        Ok(kept.map(|()| file)?)
    }

    /// The bytes of a stretch that lies in the file, in pieces.
    pub async fn read(
        &self,
        file: &StoredFile,
        stretch: Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes, blob::Error>>, Error> {
        Ok(self.0.blobs.read(file.sha256, stretch).await?)
    }

    /// The same at once, for what is small.
    pub async fn bytes(&self, file: &StoredFile, stretch: Range<u64>) -> Result<Bytes, Error> {
        Ok(self.0.blobs.bytes(file.sha256, stretch).await?)
    }

    /// Its uploader lets go of it; what uses it keeps it.
    pub async fn release(&self, file: &StoredFile) -> Result<(), Error> {
        self.0.store.release_file(file.info.id).await?;
        self.remove_unneeded(vec![file.sha256]).await
    }

    /// Those of these contents that no file has.
    async fn remove_unneeded(&self, hashes: Vec<ContentHash>) -> Result<(), Error> {
        let _alone = self.0.keeping.write().await;
        for hash in self.0.store.strange_contents(hashes).await? {
            self.0.blobs.remove(hash).await?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Files").field("limits", &self.0.limits).finish_non_exhaustive()
    }
}
