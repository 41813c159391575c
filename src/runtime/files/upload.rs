//! A file on its way in. Dropped before its end it leaves nothing.

use super::media;
use super::{Error, Files};
use crate::blob::Arriving;
use crate::chat::file::{FileInfo, StoredFile, readable_name};
use crate::id::{FileId, UserId};
use crate::runtime::Idempotency;
use crate::scope::Scope;
use crate::store::{self, Conflict, IdempotencyKey};

/// Files of one user that arrive at the same time.
pub const AT_ONCE: usize = 8;

pub struct Upload {
    files: Files,
    arriving: Arriving,
    /// Its beginning, which says what it is.
    head: Vec<u8>,
    size: u64,
    _place: Place,
}

/// What is said of a file by whoever sends it.
#[derive(Debug, Clone, Default)]
pub struct Said {
    pub name: Option<String>,
    pub media_type: Option<String>,
}

impl Files {
    pub async fn upload(&self, scope: &Scope) -> Result<Upload, Error> {
        let place = Place::take(self, scope.user_id)?;
        let arriving = self.0.blobs.arrive().await?;
        Ok(Upload { files: self.clone(), arriving, head: Vec::new(), size: 0, _place: place })
    }
}

impl Upload {
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.size += bytes.len() as u64;
        let most = self.files.limits().file_bytes;
        if self.size > most {
            return Err(Error::TooLarge(most));
        }
        let wanted = media::HEAD.saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..wanted]);
        Ok(self.arriving.write(bytes).await?)
    }

    /// It is whole. `key` binds a retry to the file as it is.
    pub async fn finish(
        self,
        scope: &Scope,
        said: Said,
        key: impl FnOnce(&StoredFile) -> Option<Idempotency>,
    ) -> Result<StoredFile, Error> {
        let Self { files, arriving, head, size, _place } = self;
        if size == 0 {
            return Err(Error::Empty);
        }
        let name = readable_name(said.name.as_deref().unwrap_or_default());
        let media_type = media::of(&head, &name, said.media_type.as_deref())?.to_owned();
        let clock = &files.0.clock;
        let made = |sha256| StoredFile {
            info: FileInfo { id: FileId::new(), name, media_type, size },
            workspace_id: scope.workspace_id,
            uploaded_by: Some(scope.user_id),
            sha256,
            created_at: clock.now(),
        };
        let mut repeat = None;
        let noted = files.note(arriving, made, |file| {
            repeat = key(file);
            let Idempotency { scope, user_id, key, fingerprint } = repeat.clone()?;
            let response = serde_json::to_string(file).expect("a file serialises");
            Some(IdempotencyKey {
                scope,
                user_id,
                key,
                fingerprint,
                response,
                turn_id: None,
                at: file.created_at,
            })
        });
        match (noted.await, repeat) {
            (Err(Error::Store(store::Error::Refused(Conflict::DuplicateIdempotencyKey))), Some(repeat)) => {
                files.first_answer(&repeat).await
            }
            (noted, _) => noted,
        }
    }
}

impl Files {
    /// What the first request under the key was answered, if it was the same one.
    async fn first_answer(&self, repeat: &Idempotency) -> Result<StoredFile, Error> {
        let first = self.0.store.idempotency(repeat.scope, repeat.user_id, &repeat.key).await?;
        let first = first.filter(|first| first.fingerprint == repeat.fingerprint);
        let first = first.and_then(|first| serde_json::from_str(&first.response).ok());
        first.ok_or(Error::Store(Conflict::DuplicateIdempotencyKey.into()))
    }
}

/// One of the places in which a user's files arrive. Free again when it is dropped.
struct Place {
    files: Files,
    user_id: UserId,
}

impl Place {
    fn take(files: &Files, user_id: UserId) -> Result<Self, Error> {
        let mut arriving = files.0.arriving.lock();
        let taken = arriving.entry(user_id).or_default();
        if *taken >= AT_ONCE {
            return Err(Error::TooMany);
        }
        *taken += 1;
        Ok(Self { files: files.clone(), user_id })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut arriving = self.files.0.arriving.lock();
        if let Some(taken) = arriving.get_mut(&self.user_id) {
            *taken -= 1;
            if *taken == 0 {
                arriving.remove(&self.user_id);
            }
        }
    }
}
