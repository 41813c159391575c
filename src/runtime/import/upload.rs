//! A file on its way in. Dropped before its end it leaves nothing.

use std::path::PathBuf;

use tokio::io::AsyncWriteExt;

use super::record::Files;
use super::{Error, Import, Imports, Job, remove};
use crate::id::ImportId;
use crate::import::Identity;

pub struct Upload {
    imports: Imports,
    owner: Identity,
    files: Option<Files>,
    file: tokio::fs::File,
    bytes: u64,
}

impl Imports {
    pub async fn upload(&self, owner: Identity) -> Result<Upload, Error> {
        self.check_room(owner)?;
        let files = Files::create(&self.0.options.dir, ImportId::new())?;
        let file = tokio::fs::File::create(files.upload()).await?;
        Ok(Upload { imports: self.clone(), owner, files: Some(files), file, bytes: 0 })
    }

    /// Takes a file of this machine, which is copied before it is read.
    pub async fn take(&self, owner: Identity, source: PathBuf) -> Result<Import, Error> {
        self.check_room(owner)?;
        let bytes = tokio::fs::metadata(&source).await?.len();
        let files = Files::create(&self.0.options.dir, ImportId::new())?;
        self.enqueue(owner, files, bytes, Some(source)).await
    }

    async fn enqueue(
        &self,
        owner: Identity,
        files: Files,
        bytes: u64,
        source: Option<PathBuf>,
    ) -> Result<Import, Error> {
        let name = files.dir().file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
        let id = name.expect("the directory is named by its id");
        let import = Import { source, ..Import::new(id, owner, bytes, self.0.runtime.clock().now()) };
        let noted = import.clone();
        let files = self.0.runtime.aside(move || files.write(&noted).map(|()| files)).await?;
        self.0.known.lock().insert(import.id, std::sync::Arc::new(Job::new(files, import.clone())));
        self.0.arrived.notify_one();
        Ok(import)
    }
}

impl Upload {
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.bytes += bytes.len() as u64;
        let most = self.imports.0.options.file_bytes;
        if self.bytes > most {
            return Err(Error::TooLarge(most));
        }
        Ok(self.file.write_all(bytes).await?)
    }

    /// The file is whole and on the disk: it will be read, whatever happens.
    pub async fn finish(mut self) -> Result<Import, Error> {
        self.file.flush().await?;
        self.file.sync_all().await?;
        let imports = self.imports.clone();
        let Some(files) = self.files.take() else { unreachable!("only its end takes the files") };
        imports.enqueue(self.owner, files, self.bytes, None).await
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(files) = self.files.take() {
            remove(files.dir());
        }
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Io(error),
        }
    }
}
