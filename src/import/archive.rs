//! The file that was sent: a ZIP, or the JSON itself. Bombs are refused, by what an archive says of itself and by
//! what really comes out of it. Nothing is written: an entry's name is only ever a word in the report.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use zip::ZipArchive;
use zip::result::ZipError;

/// Entries of an archive, at most; an export of ten years of pictures has some ten thousand.
const ENTRIES: usize = 100_000;

/// Deflate makes at most 1 of 1,032. Text of people makes 1 of 3 to 10, JSON around it 1 of 30.
const RATIO: u64 = 200;

/// What is smaller than this may be as dense as it likes.
const DENSE: u64 = 16 << 20;

const NAME_BYTES: usize = 4096;

/// How much is read.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Of everything that comes out of the archive.
    pub unpacked_bytes: u64,
    /// Of one conversation, as JSON.
    pub conversation_bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { unpacked_bytes: 64 << 30, conversation_bytes: 128 << 20 }
    }
}

/// Why the whole file is not read.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("the file cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("the archive is broken: {0}")]
    Broken(String),
    #[error("the archive is refused: {0}")]
    Bomb(String),
    #[error("there are no conversations of a known format in the file")]
    NoConversations,
}

/// A file, and how far it was read.
pub struct Counted {
    file: File,
    read: Arc<AtomicU64>,
}

impl Counted {
    pub fn new(file: File, read: Arc<AtomicU64>) -> Self {
        Self { file, read }
    }
}

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(into)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

impl Seek for Counted {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

pub enum Archive {
    Zip { archive: Box<ZipArchive<BufReader<Counted>>>, entries: Vec<Entry> },
    Plain(Counted),
}

/// One file of an archive.
#[derive(Debug, Clone)]
pub struct Entry {
    pub index: usize,
    pub name: String,
    pub encrypted: bool,
    packed: u64,
}

impl Archive {
    /// Looks at the beginning of the file, and at the whole directory of a ZIP.
    pub fn open(mut file: Counted, bounds: &Bounds) -> Result<Self, Refused> {
        let mut magic = [0; 4];
        let length = file.file.metadata()?.len();
        let is_zip = length >= 4 && {
            file.file.read_exact(&mut magic)?;
            file.file.rewind()?;
            magic.starts_with(b"PK")
        };
        if !is_zip {
            return Ok(Self::Plain(file));
        }
        let archive = ZipArchive::new(BufReader::new(file)).map_err(broken)?;
        let entries = entries(&archive, bounds)?;
        Ok(Self::Zip { archive: Box::new(archive), entries })
    }
}

fn entries(archive: &ZipArchive<BufReader<Counted>>, bounds: &Bounds) -> Result<Vec<Entry>, Refused> {
    if archive.len() > ENTRIES {
        return Err(Refused::Bomb(format!("{} files, and {ENTRIES} are read at most", archive.len())));
    }
    let (mut entries, mut unpacked) = (Vec::new(), 0u64);
    for index in 0..archive.len() {
        let data = archive.by_index_data(index).map_err(broken)?;
        let name = String::from_utf8_lossy(data.name_raw()).into_owned();
        if name.len() > NAME_BYTES {
            return Err(Refused::Bomb(format!("a name of {} bytes", name.len())));
        }
        if data.is_dir() || !is_json(&name) {
            if !data.is_dir() {
                entries.push(Entry {
                    index,
                    name,
                    encrypted: data.encrypted(),
                    packed: data.compressed_size(),
                });
            }
            continue;
        }
        let (size, packed) = (data.size(), data.compressed_size());
        unpacked = unpacked.saturating_add(size);
        if size > DENSE && size / packed.max(1) > RATIO {
            return Err(Refused::Bomb(format!("`{}` unpacks to {size} bytes out of {packed}", cut(&name))));
        }
        entries.push(Entry { index, name, encrypted: data.encrypted(), packed });
    }
    match unpacked > bounds.unpacked_bytes {
        true => Err(Refused::Bomb(format!("{unpacked} bytes come out of it"))),
        false => Ok(entries),
    }
}

impl Entry {
    pub fn is_json(&self) -> bool {
        is_json(&self.name)
    }

    /// What the entry holds: an error of [`is_bomb`] where more comes out of it than it may.
    pub fn unpacked<R: Read>(&self, from: R, left: u64) -> Unpacked<R> {
        Unpacked { from, read: 0, most: left.min((self.packed.saturating_mul(RATIO)).max(DENSE)) }
    }
}

/// Reads what comes out of an entry, as far as that is believable.
pub struct Unpacked<R> {
    from: R,
    pub read: u64,
    most: u64,
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(into)?;
        self.read += read as u64;
        match self.read > self.most {
            true => Err(io::Error::new(io::ErrorKind::FileTooLarge, "more comes out of it than it says")),
            false => Ok(read),
        }
    }
}

pub fn is_bomb(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::FileTooLarge
}

pub fn broken(error: ZipError) -> Refused {
    match error {
        ZipError::Io(error) if error.kind() != io::ErrorKind::UnexpectedEof => Refused::Unreadable(error),
        error => Refused::Broken(error.to_string()),
    }
}

fn is_json(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [".json", ".jsonl", ".ndjson"].iter().any(|end| name.ends_with(end))
}

fn cut(name: &str) -> String {
    name.chars().take(100).collect()
}
