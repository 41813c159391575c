//! The files of the index, mapped into memory by the library. Its threads that merge pieces are made within it, and open
//! files here: that is where they step back, so that neither a stream waits for them nor a message that is said meanwhile.
//! Whoever reads or writes one lets others go first all the time.

use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use tantivy::directory::error::{DeleteError, LockError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    AntiCallToken, Directory, DirectoryLock, FileHandle, Lock, MmapDirectory, OwnedBytes, TerminatingWrite,
    WatchCallback, WatchHandle, WritePtr,
};
use tantivy::{HasLen, TantivyError};

use crate::priority::{give_way, step_back};

/// What the library calls those threads, up to a number.
const MERGES: &str = "merge_thread";

#[derive(Debug, Clone)]
pub struct Mapped(MmapDirectory);

impl Mapped {
    pub fn open(dir: &Path) -> Result<Self, TantivyError> {
        Ok(Self(MmapDirectory::open(dir)?))
    }
}

impl Directory for Mapped {
    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        if std::thread::current().name().is_some_and(|name| name.starts_with(MERGES)) {
            step_back();
        }
        Ok(BufWriter::new(Box::new(Courteous(self.0.open_write(path)?))))
    }

    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        Ok(Arc::new(CourteousHandle(self.0.get_file_handle(path)?)))
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        self.0.delete(path)
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        self.0.exists(path)
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        self.0.atomic_read(path)
    }

    fn atomic_write(&self, path: &Path, data: &[u8]) -> io::Result<()> {
        self.0.atomic_write(path, data)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.0.sync_directory()
    }

    fn acquire_lock(&self, lock: &Lock) -> Result<DirectoryLock, LockError> {
        self.0.acquire_lock(lock)
    }

    fn watch(&self, callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        self.0.watch(callback)
    }
}

/// Before each stretch that is read, others go first.
#[derive(Debug)]
struct CourteousHandle(Arc<dyn FileHandle>);

impl FileHandle for CourteousHandle {
    fn read_bytes(&self, range: Range<usize>) -> io::Result<OwnedBytes> {
        give_way();
        self.0.read_bytes(range)
    }
}

impl HasLen for CourteousHandle {
    fn len(&self) -> usize {
        self.0.len()
    }
}

/// Between two stretches of what is written, others go first.
struct Courteous(WritePtr);

impl Write for Courteous {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        give_way();
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl TerminatingWrite for Courteous {
    fn terminate_ref(&mut self, token: AntiCallToken) -> io::Result<()> {
        self.0.terminate_ref(token)
    }
}
