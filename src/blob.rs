//! Contents of files, each once, named by its SHA-256, in the directory `files/` of the data.
//!
//! A content is whole and on the disk before it has its name. Which contents are needed, others know.

use std::ops::Range;
use std::path::Path;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path as Location;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt, WriteMultipart};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::chat::file::ContentHash;

/// What is written at a time.
const PIECE: usize = 1 << 20;

/// Pieces on their way to the disk, of one content.
const PIECES: usize = 2;

/// Contents that are still arriving. Nothing in it outlives the process.
const ARRIVING: &str = "arriving";

const WHOLE: &str = "whole";

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the disk is full")]
    Full,
    #[error("there is no content {0}")]
    Missing(ContentHash),
    #[error("the files cannot be reached: {0}")]
    Io(#[source] object_store::Error),
}

#[derive(Debug, Clone)]
pub struct Blobs {
    disk: LocalFileSystem,
}

/// A content on its way in. Dropped before its end it leaves nothing.
pub struct Arriving {
    disk: LocalFileSystem,
    location: Location,
    parts: WriteMultipart,
    hash: Sha256,
}

impl Blobs {
    /// Makes the directory where it is missing. What was arriving when the last process ended is gone.
    pub fn open(dir: &Path) -> std::io::Result<Self> {
        let arriving = dir.join(ARRIVING);
        match std::fs::remove_dir_all(&arriving) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        std::fs::create_dir_all(&arriving)?;
        std::fs::create_dir_all(dir.join(WHOLE))?;
        let disk = LocalFileSystem::new_with_prefix(dir).map_err(std::io::Error::other)?;
        Ok(Self { disk: disk.with_fsync(true) })
    }

    pub async fn arrive(&self) -> Result<Arriving, Error> {
        let location = Location::from_iter([ARRIVING, &Uuid::now_v7().simple().to_string()]);
        let upload = self.disk.put_multipart(&location).await?;
        let parts = WriteMultipart::new_with_chunk_size(upload, PIECE);
        Ok(Arriving { disk: self.disk.clone(), location, parts, hash: Sha256::new() })
    }

    /// The bytes of a stretch that lies in the content, in pieces.
    pub async fn read(
        &self,
        hash: ContentHash,
        stretch: Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes, Error>>, Error> {
        if stretch.is_empty() {
            return Ok(futures_util::stream::empty().boxed());
        }
        let options = GetOptions { range: Some(GetRange::Bounded(stretch)), ..GetOptions::default() };
        let found = self.disk.get_opts(&whole(hash), options).await;
        let found = found.map_err(|error| missing(hash, error))?;
        Ok(found.into_stream().map_err(Error::from).boxed())
    }

    /// The bytes of a stretch that lies in the content, at once: for what is small.
    pub async fn bytes(&self, hash: ContentHash, stretch: Range<u64>) -> Result<Bytes, Error> {
        if stretch.is_empty() {
            return Ok(Bytes::new());
        }
        self.disk.get_range(&whole(hash), stretch).await.map_err(|error| missing(hash, error))
    }

    /// Also where it is not there.
    pub async fn remove(&self, hash: ContentHash) -> Result<(), Error> {
        match self.disk.delete(&whole(hash)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Every content that is there.
    pub fn all(&self) -> BoxStream<'static, Result<ContentHash, Error>> {
        let found = self.disk.list(Some(&Location::from(WHOLE)));
        let hash = |meta: object_store::ObjectMeta| meta.location.filename()?.parse().ok();
        found.map_err(Error::from).try_filter_map(move |meta| std::future::ready(Ok(hash(meta)))).boxed()
    }
}

impl Arriving {
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.hash.update(bytes);
        self.parts.wait_for_capacity(PIECES).await?;
        self.parts.write(bytes);
        Ok(())
    }

    /// It is whole: on the disk, and under its name.
    pub async fn finish(self) -> Result<ContentHash, Error> {
        let Self { disk, location, parts, hash } = self;
        let hash = ContentHash(hash.finalize().into());
        parts.finish().await?;
        // Where the same content is there already, it is replaced by itself.
        disk.rename(&location, &whole(hash)).await?;
        Ok(hash)
    }
}

/// Not all in one directory.
fn whole(hash: ContentHash) -> Location {
    let name = hash.to_string();
    Location::from_iter([WHOLE, &name[..2], &name])
}

fn missing(hash: ContentHash, error: object_store::Error) -> Error {
    match error {
        object_store::Error::NotFound { .. } => Error::Missing(hash),
        error => error.into(),
    }
}

impl From<object_store::Error> for Error {
    fn from(error: object_store::Error) -> Self {
        let mut cause: Option<&dyn std::error::Error> = Some(&error);
        while let Some(found) = cause {
            let kind = found.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
            if matches!(kind, Some(std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)) {
                return Self::Full;
            }
            cause = found.source();
        }
        Self::Io(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn stored(blobs: &Blobs, content: &[u8]) -> ContentHash {
        let mut arriving = blobs.arrive().await.unwrap();
        for piece in content.chunks(700_000) {
            arriving.write(piece).await.unwrap();
        }
        arriving.finish().await.unwrap()
    }

    fn files_below(dir: &Path) -> Vec<String> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => found.extend(files_below(&path)),
                false => found.push(path.file_name().unwrap().to_string_lossy().into_owned()),
            }
        }
        found
    }

    #[tokio::test]
    async fn a_content_is_kept_once_and_read_in_stretches() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(dir.path()).unwrap();
        let content: Vec<u8> = (0..3_000_000u32).map(|n| (n / 7) as u8).collect();
        let hash = stored(&blobs, &content).await;
        assert_eq!(hash, ContentHash(Sha256::digest(&content).into()));
        assert_eq!(stored(&blobs, &content).await, hash);
        assert_eq!(files_below(dir.path()), [hash.to_string()]);
        assert_eq!(blobs.bytes(hash, 5..1_999_999).await.unwrap(), content[5..1_999_999]);
        let pieces: Vec<Bytes> = blobs.read(hash, 0..3_000_000).await.unwrap().try_collect().await.unwrap();
        assert_eq!(pieces.concat(), content);

        let empty = stored(&blobs, b"").await;
        assert_eq!(blobs.bytes(empty, 0..0).await.unwrap(), Bytes::new());
        let mut all: Vec<ContentHash> = blobs.all().try_collect().await.unwrap();
        all.sort();
        assert_eq!(all.len(), 2);

        blobs.remove(hash).await.unwrap();
        blobs.remove(hash).await.unwrap();
        assert!(matches!(blobs.bytes(hash, 0..1).await, Err(Error::Missing(gone)) if gone == hash));
        assert_eq!(files_below(dir.path()), [empty.to_string()]);
    }

    #[tokio::test]
    async fn what_breaks_off_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(dir.path()).unwrap();
        let mut arriving = blobs.arrive().await.unwrap();
        arriving.write(&[7; 3 << 20]).await.unwrap();
        assert_eq!(files_below(dir.path()).len(), 1);
        std::mem::forget(arriving);
        let blobs = Blobs::open(dir.path()).unwrap();
        assert_eq!(files_below(dir.path()), Vec::<String>::new(), "as after a crash");

        let mut arriving = blobs.arrive().await.unwrap();
        arriving.write(&[7; 3 << 20]).await.unwrap();
        drop(arriving);
        for _ in 0..1000 {
            if files_below(dir.path()).is_empty() {
                return;
            }
            tokio::task::yield_now().await;
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        panic!("{:?}", files_below(dir.path()));
    }
}
