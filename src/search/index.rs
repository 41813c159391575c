//! The index as it lies on the disk: its fields, how far it has come, and whether it is whole.

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tantivy::index::SegmentComponent;
use tantivy::schema::{
    FAST, Field, INDEXED, IndexRecordOption, STRING, Schema, TextFieldIndexing, TextOptions,
};
use tantivy::{IndexReader, IndexSettings, ReloadPolicy, Searcher, TantivyError};

use super::analyzer::{self, Analyzer};
use super::columns::{Columns, name};
use super::directory::Mapped;
use super::shown::Shown;
use super::write::halves;
use crate::chat::event::Epoch;
use crate::chat::searchable::{Scan, Subject};

/// The files that each piece has.
const PARTS: [SegmentComponent; 6] = [
    SegmentComponent::Postings,
    SegmentComponent::Positions,
    SegmentComponent::Terms,
    SegmentComponent::FieldNorms,
    SegmentComponent::FastFields,
    SegmentComponent::Store,
];

/// Of the fields, and of what the analyzer makes of a text. An index of another version is made anew.
const VERSION: u32 = 3_000 + analyzer::VERSION;

const ANALYZER: &str = "weir";

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no index")]
    Missing,
    #[error("the index is of another version")]
    Outdated,
    #[error("the index is damaged: {0}")]
    Damaged(String),
    #[error("the index cannot be written: {0}")]
    Unwritable(#[source] std::io::Error),
}

impl From<TantivyError> for Error {
    fn from(error: TantivyError) -> Self {
        match error {
            // What the system did not say, the library makes of bytes that it cannot read.
            TantivyError::IoError(error)
                if error.raw_os_error().is_some() && error.kind() != std::io::ErrorKind::NotFound =>
            {
                Self::Unwritable(std::io::Error::new(error.kind(), error.to_string()))
            }
            TantivyError::LockFailure(..) => Self::Unwritable(std::io::ErrorKind::ResourceBusy.into()),
            error => Self::Damaged(error.to_string()),
        }
    }
}

/// How far an index has come, written with each commit of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Of whose positions it speaks.
    pub epoch: Epoch,
    /// All changes up to this position are in it.
    pub through: u64,
    /// Where it goes on to take in everything there is. Absent: it did.
    pub scan: Option<Scan>,
}

#[derive(Serialize, Deserialize)]
struct Payload {
    version: u32,
    progress: Progress,
    /// CRC-32 of the progress: nothing else covers the file it stands in.
    sum: u32,
}

/// A handle to search with. Clones share it. The library may panic over damaged files: see [`unbroken`].
#[derive(Clone)]
pub struct Index {
    pub(super) fields: Fields,
    pub(super) index: tantivy::Index,
    reader: IndexReader,
    committed: Arc<ArcSwap<Committed>>,
    reloads: Arc<Mutex<()>>,
    pub(super) shown: Arc<Shown>,
}

/// What is searched in: one commit.
pub(super) struct Committed {
    pub searcher: Searcher,
    /// Of each piece of it.
    pub columns: Vec<Arc<Columns>>,
}

#[derive(Clone, Copy)]
pub(super) struct Fields {
    pub text: Field,
    /// The words of titles once more, by themselves.
    pub title: Field,
    pub agent: Field,
    pub model: Field,
    pub tool: Field,
    /// The random half of the id; the other one is for reading only.
    pub subject: Field,
    pub subject_high: Field,
    pub conversation: Field,
    pub conversation_high: Field,
    /// Of the text, and the role: one number.
    pub kind: Field,
    /// As [`Language::number`](analyzer::Language::number) has it.
    pub language: Field,
    pub at: Field,
    pub digest: Field,
}

/// What is in an index, or should be: how often each text, as a hash of all that is indexed of it.
pub type Census = HashMap<u64, i64>;

fn schema() -> (Schema, Fields) {
    let mut builder = Schema::builder();
    let words = TextFieldIndexing::default()
        .set_tokenizer(ANALYZER)
        .set_index_option(IndexRecordOption::WithFreqsAndPositions);
    let unscored = words.clone().set_fieldnorms(false);
    let fields = Fields {
        text: builder.add_text_field("text", TextOptions::default().set_indexing_options(words)),
        title: builder.add_text_field("title", TextOptions::default().set_indexing_options(unscored)),
        agent: builder.add_text_field("agent", STRING),
        model: builder.add_text_field("model", STRING),
        tool: builder.add_text_field("tool", STRING),
        subject: builder.add_u64_field(name::SUBJECT, INDEXED | FAST),
        subject_high: builder.add_u64_field(name::SUBJECT_HIGH, FAST),
        conversation: builder.add_u64_field(name::CONVERSATION, FAST),
        conversation_high: builder.add_u64_field(name::CONVERSATION_HIGH, FAST),
        kind: builder.add_u64_field(name::KIND, FAST),
        language: builder.add_u64_field(name::LANGUAGE, FAST),
        at: builder.add_i64_field(name::AT, FAST),
        digest: builder.add_u64_field(name::DIGEST, FAST),
    };
    (builder.build(), fields)
}

impl Index {
    /// Makes an empty one.
    pub fn create(dir: &Path) -> Result<Self, Error> {
        std::fs::create_dir_all(dir).map_err(Error::Unwritable)?;
        let (schema, fields) = schema();
        Self::with(tantivy::Index::create(Mapped::open(dir)?, schema, IndexSettings::default())?, fields)
    }

    /// Opens the one that is there, if it is of this version and looks whole.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        if !dir.join("meta.json").exists() {
            return Err(Error::Missing);
        }
        let index = tantivy::Index::open(Mapped::open(dir)?)?;
        let (schema, fields) = schema();
        if index.schema() != schema {
            return Err(Error::Outdated);
        }
        let index = Self::with(index, fields)?;
        index.progress()?.ok_or(Error::Outdated)?;
        Ok(index)
    }

    fn with(index: tantivy::Index, fields: Fields) -> Result<Self, Error> {
        index.tokenizers().register(ANALYZER, Analyzer::default());
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        let committed = Arc::new(ArcSwap::from_pointee(Committed::of(reader.searcher(), &[])?));
        Ok(Self { fields, index, reader, committed, reloads: Arc::default(), shown: Arc::default() })
    }

    /// Reads every file of it, and compares it with the sum that was written with it.
    pub fn check(&self) -> Result<(), Error> {
        loop {
            let files = self.files()?;
            match self.compare(&files) {
                // What was merged meanwhile is gone, and right so.
                Err(Error::Damaged(_)) if self.files()? != files => {}
                compared => break compared?,
            }
        }
        for segment in self.committed().searcher.segment_readers() {
            let columns = segment.fast_fields().u64(name::SUBJECT)?;
            if columns.num_docs() != segment.max_doc() {
                return Err(Error::Damaged("a segment is not as long as it is said to be".to_owned()));
            }
        }
        Ok(())
    }

    /// Of each piece, as of the last commit.
    fn files(&self) -> Result<Vec<PathBuf>, Error> {
        let mut files = Vec::new();
        for segment in self.index.searchable_segment_metas()? {
            let deletes = segment.has_deletes().then_some(SegmentComponent::Delete);
            files.extend(PARTS.into_iter().chain(deletes).map(|part| segment.relative_path(part)));
        }
        Ok(files)
    }

    fn compare(&self, files: &[PathBuf]) -> Result<(), Error> {
        let directory = self.index.directory();
        let known = directory.list_managed_files();
        for file in files {
            // What is not on the library's own list, it neither compares nor removes in the end.
            if !known.contains(file) {
                return Err(Error::Damaged(format!("{} is on no list", file.display())));
            }
            if !directory.validate_checksum(file).map_err(TantivyError::from)? {
                return Err(Error::Damaged(format!("{} is not what was written", file.display())));
            }
        }
        Ok(())
    }

    /// `None` before the first commit.
    pub fn progress(&self) -> Result<Option<Progress>, Error> {
        let Some(payload) = self.index.load_metas()?.payload else { return Ok(None) };
        let payload: Payload =
            serde_json::from_str(&payload).map_err(|error| Error::Damaged(error.to_string()))?;
        if payload.version != VERSION {
            return Err(Error::Outdated);
        }
        if payload.sum != sum(&payload.progress) {
            return Err(Error::Damaged("it does not know how far it has come".to_owned()));
        }
        Ok(Some(payload.progress))
    }

    /// Searches see what was committed last.
    pub fn reload(&self) -> Result<(), Error> {
        let _one_at_a_time = self.reloads.lock();
        self.reader.reload()?;
        let before = self.committed();
        let now = Committed::of(self.reader.searcher(), &before.columns)?;
        // No search need do that.
        for columns in &now.columns {
            columns.conversations();
        }
        self.committed.store(Arc::new(now));
        Ok(())
    }

    pub(super) fn committed(&self) -> Arc<Committed> {
        self.committed.load_full()
    }

    /// All that is in it but for the texts of some subjects.
    pub fn census(&self, but: &HashSet<Subject>) -> Result<Census, Error> {
        let but: HashSet<_> = but.iter().map(|subject| halves(*subject)).collect();
        let mut census = Census::new();
        let committed = self.committed();
        let Committed { searcher, columns } = committed.as_ref();
        for (segment, columns) in searcher.segment_readers().iter().zip(columns) {
            let digests = segment.fast_fields().u64(name::DIGEST)?.first_or_default_col(0);
            for doc in segment.doc_ids_alive() {
                let subject = (columns.subject_high.get_val(doc), columns.subject.get_val(doc));
                if !but.contains(&subject) {
                    *census.entry(digests.get_val(doc)).or_default() += 1;
                }
            }
        }
        Ok(census)
    }

    /// How many texts are in it.
    pub fn len(&self) -> u64 {
        self.committed.load().searcher.num_docs()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Committed {
    fn of(searcher: Searcher, known: &[Arc<Columns>]) -> Result<Self, Error> {
        let columns = searcher
            .segment_readers()
            .iter()
            .map(|segment| match known.iter().find(|columns| columns.segment == segment.segment_id()) {
                Some(columns) => Ok(Arc::clone(columns)),
                None => Columns::of(segment).map(Arc::new),
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { searcher, columns })
    }
}

pub(super) fn payload(progress: Progress) -> String {
    let payload = Payload { version: VERSION, progress, sum: sum(&progress) };
    serde_json::to_string(&payload).expect("numbers serialise")
}

fn sum(progress: &Progress) -> u32 {
    crc32fast::hash(&serde_json::to_vec(progress).expect("numbers serialise"))
}

/// Files that are not what was written may make the library panic; that is no reason to stop for anything else.
pub fn unbroken<T>(f: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(f))
        .unwrap_or_else(|_| Err(Error::Damaged("it could not be read".to_owned())))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::chat::message::Role;
    use crate::chat::searchable::{Searchable, Subject, TextKind};
    use crate::clock::Timestamp;
    use crate::id::{ConversationId, MessageId};
    use crate::search::Writer;

    fn opened(dir: &Path) -> Result<(), Error> {
        unbroken(|| {
            let index = Index::open(dir)?;
            index.check()?;
            index.progress().map(drop)
        })
    }

    fn walnut() -> Searchable {
        Searchable {
            kind: TextKind::Message,
            conversation_id: ConversationId::from_bytes([7; 16]),
            role: Some(Role::User),
            agent: "default".to_owned(),
            model: None,
            tool: None,
            at: Timestamp::from_millis(1_800_000_000_000),
            text: "a walnut on the meadow".to_owned(),
            file: None,
        }
    }

    /// One piece, with three texts.
    fn made(dir: &Path) {
        let index = Index::create(dir).unwrap();
        let mut writer = Writer::new(&index, 1).unwrap();
        for id in 0..3 {
            writer.add(Subject::Message(MessageId::from_bytes([id; 16])), &[walnut()]).unwrap();
        }
        writer.commit(Progress { epoch: Epoch(3), through: 3, scan: None }).unwrap();
        writer.close().unwrap();
    }

    #[test]
    fn whatever_file_is_missing_the_index_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        made(dir.path());
        opened(dir.path()).unwrap();
        let files = std::fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().path());
        let files: Vec<_> = files.filter(|file| file.extension().is_none_or(|end| end != "lock")).collect();
        assert_eq!(files.len(), PARTS.len() + 2, "{files:?}");
        for file in files {
            let whole = std::fs::read(&file).unwrap();
            std::fs::remove_file(&file).unwrap();
            match opened(dir.path()) {
                Err(Error::Missing | Error::Damaged(_)) => {}
                other => panic!("{}: {other:?}", file.display()),
            }
            std::fs::write(&file, whole).unwrap();
        }
    }

    #[test]
    fn what_is_merged_meanwhile_is_no_damage() {
        let dir = tempfile::tempdir().unwrap();
        let index = Index::create(dir.path()).unwrap();
        let mut writer = Writer::new(&index, 1).unwrap();
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let checked = scope.spawn(|| {
                let mut times = 0;
                while !over.load(Ordering::Relaxed) {
                    index.check().unwrap();
                    times += 1;
                }
                times
            });
            for through in 0..80 {
                let subject = Subject::Message(MessageId::from_bytes([through as u8 / 2; 16]));
                writer.replace(subject, &[walnut()]).unwrap();
                writer.commit(Progress { epoch: Epoch(3), through, scan: None }).unwrap();
            }
            over.store(true, Ordering::Relaxed);
            assert!(checked.join().unwrap() > 0);
        });
        writer.close().unwrap();
    }

    #[test]
    fn whatever_byte_is_another_one_the_index_is_whole_or_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        made(dir.path());
        opened(dir.path()).unwrap();
        let mut damaged = 0;
        for file in std::fs::read_dir(dir.path()).unwrap() {
            let file = file.unwrap().path();
            let whole = std::fs::read(&file).unwrap();
            for at in 0..whole.len() {
                let mut bytes = whole.clone();
                bytes[at] ^= 1 << (at % 8);
                std::fs::write(&file, bytes).unwrap();
                match opened(dir.path()) {
                    Err(Error::Unwritable(error)) => panic!("{}, byte {at}: {error}", file.display()),
                    Err(_) => damaged += 1,
                    Ok(()) => {}
                }
            }
            std::fs::write(&file, whole).unwrap();
        }
        assert!(damaged > 500, "{damaged}");
    }
}
