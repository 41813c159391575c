//! Writing the index: what a subject says now takes the place of what it said before.

use tantivy::indexer::{IndexWriterOptions, LogMergePolicy};
use tantivy::schema::Term;
use tantivy::{IndexWriter, TantivyDocument};

use super::analyzer::Language;
use super::index::{Census, Error, Index, Progress, payload};
use crate::chat::message::Role;
use crate::chat::searchable::{Searchable, Subject, TextKind};
use crate::id::{ConversationId, MessageId};
use crate::priority::give_way;

/// What each thread gathers before it writes a piece, in bytes.
const GATHERED: usize = 24 << 20;

/// So many pieces of about the same size become one while changes come in: the fewer there are, the less a search costs.
const ALIKE: usize = 4;

/// Pieces with fewer texts than these become one when everything is taken in.
const SMALL: u32 = 200_000;

/// The one who writes; there is one per index. Its threads have the priority of the thread that makes it, but for those
/// that merge: they are always behind.
pub struct Writer {
    index: Index,
    inner: IndexWriter,
}

impl Writer {
    /// With two threads, for everything there is, or one, for what comes.
    pub fn new(index: &Index, threads: usize) -> Result<Self, Error> {
        let options = IndexWriterOptions::builder()
            .num_worker_threads(threads)
            .memory_budget_per_thread(GATHERED)
            .num_merge_threads(1)
            .build();
        let inner = index.index.writer_with_options(options)?;
        let mut merges = LogMergePolicy::default();
        if threads == 1 {
            merges.set_min_num_segments(ALIKE);
        }
        inner.set_merge_policy(Box::new(merges));
        Ok(Self { index: index.clone(), inner })
    }

    /// Adds texts of which none is there yet.
    pub fn add(&self, subject: Subject, texts: &[Searchable]) -> Result<(), Error> {
        for text in texts {
            give_way();
            self.inner.add_document(self.document(subject, text))?;
        }
        Ok(())
    }

    /// These are the texts of a subject from now on.
    pub fn replace(&self, subject: Subject, texts: &[Searchable]) -> Result<(), Error> {
        self.inner.delete_term(Term::from_field_u64(self.index.fields.subject, halves(subject).1));
        self.add(subject, texts)
    }

    /// What was added is on the disk, and found from now on.
    pub fn commit(&mut self, progress: Progress) -> Result<(), Error> {
        let mut prepared = self.inner.prepare_commit()?;
        prepared.set_payload(&payload(progress));
        give_way();
        fail::fail_point!("search::before_commit");
        prepared.commit()?;
        fail::fail_point!("search::after_commit");
        self.index.reload()
    }

    /// Takes what was deleted off the disk. It must be committed, and nothing may be written in the background.
    pub fn forget_deleted(&mut self) -> Result<(), Error> {
        let metas = self.index.index.searchable_segment_metas()?;
        let with_deleted: Vec<_> =
            metas.iter().filter(|meta| meta.num_deleted_docs() > 0).map(|meta| meta.id()).collect();
        if !with_deleted.is_empty() {
            self.inner.merge(&with_deleted).wait()?;
        }
        self.index.reload()?;
        self.inner.garbage_collect_files().wait()?;
        Ok(())
    }

    /// Makes one piece of the small ones, in the background; searches see it after [`Index::reload`].
    pub fn tidy(&mut self) -> Result<impl Future<Output = Result<(), Error>> + use<>, Error> {
        let metas = self.index.index.searchable_segment_metas()?;
        let small: Vec<_> =
            metas.iter().filter(|meta| meta.num_docs() < SMALL).map(|meta| meta.id()).collect();
        let merging = (small.len() > 1).then(|| self.inner.merge(&small));
        Ok(async {
            match merging {
                Some(merging) => Ok(merging.await.map(|_| ())?),
                None => Ok(()),
            }
        })
    }

    /// Waits for what is written in the background. What was not committed is forgotten.
    pub fn close(self) -> Result<(), Error> {
        Ok(self.inner.wait_merging_threads()?)
    }

    fn document(&self, subject: Subject, text: &Searchable) -> TantivyDocument {
        let fields = &self.index.fields;
        let (high, low) = halves(subject);
        let mut document = TantivyDocument::new();
        document.add_text(fields.text, &text.text);
        if text.kind == TextKind::Title {
            document.add_text(fields.title, &text.text);
        }
        document.add_text(fields.agent, &text.agent);
        if let Some(model) = &text.model {
            document.add_text(fields.model, model);
        }
        if let Some(tool) = &text.tool {
            document.add_text(fields.tool, tool);
        }
        document.add_u64(fields.subject, low);
        document.add_u64(fields.subject_high, high);
        document.add_u64(fields.conversation, text.conversation_id.low());
        document.add_u64(fields.conversation_high, text.conversation_id.high());
        document.add_u64(fields.language, Language::number(Language::of(&text.text)));
        document.add_u64(fields.kind, packed(text.kind, text.role));
        document.add_i64(fields.at, text.at.millis());
        document.add_u64(fields.digest, digest(subject, text));
        document
    }
}

/// Adds what an index should have of a subject.
pub fn count(census: &mut Census, subject: Subject, texts: &[Searchable]) {
    for text in texts {
        *census.entry(digest(subject, text)).or_default() += 1;
    }
}

/// What a subject is known by. The conversation of a subagent and what it is asked there first have the id of the call:
/// the low half of a conversation's is turned over.
pub(super) fn halves(subject: Subject) -> (u64, u64) {
    match subject {
        Subject::Message(id) => (id.high(), id.low()),
        Subject::Conversation(id) => (id.high(), !id.low()),
    }
}

pub(super) fn subject_of(kind: TextKind, high: u64, low: u64) -> Subject {
    match kind {
        TextKind::Title => Subject::Conversation(ConversationId::from_halves(high, !low)),
        TextKind::Message | TextKind::Call | TextKind::File | TextKind::Branch => {
            Subject::Message(MessageId::from_halves(high, low))
        }
    }
}

/// Of all that is indexed: CRC-32 of the words, and of what stands beside them.
fn digest(subject: Subject, text: &Searchable) -> u64 {
    let (high, low) = halves(subject);
    let mut beside = crc32fast::Hasher::new();
    for number in [high, low, text.conversation_id.high(), text.conversation_id.low()] {
        beside.update(&number.to_le_bytes());
    }
    beside.update(&packed(text.kind, text.role).to_le_bytes());
    beside.update(&text.at.millis().to_le_bytes());
    for word in [Some(&text.agent), text.model.as_ref(), text.tool.as_ref()] {
        beside.update(word.map_or(&[0xff], |word| word.as_bytes()));
        beside.update(&[0xff]);
    }
    u64::from(crc32fast::hash(text.text.as_bytes())) << 32 | u64::from(beside.finalize())
}

fn packed(kind: TextKind, role: Option<Role>) -> u64 {
    let kind = TextKind::ALL.iter().position(|known| *known == kind).expect("all kinds are there") as u64;
    let role = match role {
        None => 0,
        Some(Role::User) => 1,
        Some(Role::Assistant) => 2,
        Some(Role::System) => 3,
    };
    kind | role << 4
}

pub(super) fn unpacked(number: u64) -> (TextKind, Option<Role>) {
    let kind = TextKind::ALL[(number & 0xf) as usize % TextKind::ALL.len()];
    let role = match number >> 4 {
        1 => Some(Role::User),
        2 => Some(Role::Assistant),
        3 => Some(Role::System),
        _ => None,
    };
    (kind, role)
}
