//! Forgetting files that nobody needs, and contents that nobody knows.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};

use super::{Error, Files};
use crate::chat::file::ContentHash;
use crate::clock::Timestamp;

/// What was uploaded waits so long for somebody who uses it.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// Contents that are looked up at a time.
const AT_ONCE: usize = 256;

impl Files {
    /// Forgets what nothing uses, rows before contents. What a crash left in between goes at the next start.
    pub async fn tidy(&self, now: Timestamp) -> Result<(), Error> {
        let before = Timestamp::from_millis(now.millis().saturating_sub(KEPT.as_millis() as i64));
        let mut after = None;
        loop {
            let scanned = self.0.store.unused_files(after, before).await?;
            if !scanned.unused.is_empty() {
                let files = self.0.store.stored_files(scanned.unused.clone()).await?;
                self.0.store.forget_files(scanned.unused, before).await?;
                self.remove_unneeded(files.into_iter().map(|file| file.sha256).collect()).await?;
            }
            after = scanned.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Removes the contents that no row knows.
    pub async fn sweep(&self) -> Result<(), Error> {
        let mut all = self.0.blobs.all().try_chunks(AT_ONCE);
        while let Some(hashes) = all.next().await {
            let hashes: Vec<ContentHash> = hashes.map_err(|broken| broken.1)?;
            let strange = self.0.store.strange_contents(hashes).await?;
            if !strange.is_empty() {
                self.remove_unneeded(strange).await?;
            }
        }
        Ok(())
    }
}
