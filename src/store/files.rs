//! What is written of files besides what their conversations' logs say.

use crate::chat::file::StoredFile;
use crate::clock::Timestamp;
use crate::id::FileId;
use crate::store::Store;
use crate::store::error::Error;
use crate::store::record::{FileRoom, IdempotencyKey, Lane, Record};
use crate::store::writer::queue::Work;

impl Store {
    /// A file whose content is on the disk, and the answer under which a retry finds it. Refused where there is no room.
    pub async fn keep_file(
        &self,
        file: StoredFile,
        room: FileRoom,
        key: Option<IdempotencyKey>,
    ) -> Result<(), Error> {
        let key = key.map(Record::IdempotencyKey);
        let records = std::iter::once(Record::FileKept { file, room }).chain(key).collect();
        self.ask(Lane::People, Work::Upkeep(records)).await
    }

    /// Its uploader lets go of it. It stays for as long as something uses it.
    pub async fn release_file(&self, id: FileId) -> Result<(), Error> {
        self.ask(Lane::People, Work::Upkeep(vec![Record::FileReleased { id }])).await
    }

    /// Those of them that nothing uses by now.
    pub async fn forget_files(&self, ids: Vec<FileId>, before: Timestamp) -> Result<(), Error> {
        self.ask(Lane::Bulk, Work::Upkeep(vec![Record::FilesForgotten { ids, before }])).await
    }
}
