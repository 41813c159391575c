//! Files as a conversation knows them: what a part names, where the conversation keeps its own, what they are called.
//! Never their content.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::clock::Timestamp;
use crate::id::{FileId, UserId, WorkspaceId};

const NAME_BYTES: usize = 200;
const PATH_BYTES: usize = 512;
const PATH_DEPTH: usize = 16;

/// Where the files of messages are found among those of the conversation.
pub const ATTACHMENTS: &str = "attachments";

/// Where the outputs of tools are kept that are too long for a model.
pub const OUTPUTS: &str = "outputs";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileInfo {
    pub id: FileId,
    pub name: String,
    /// What the content is, whatever it was said to be.
    pub media_type: String,
    /// In bytes.
    pub size: u64,
}

/// The SHA-256 of a content, written in hex.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash(pub [u8; 32]);

/// A file as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredFile {
    pub info: FileInfo,
    pub workspace_id: WorkspaceId,
    /// Absent: a tool made it.
    pub uploaded_by: Option<UserId>,
    pub sha256: ContentHash,
    pub created_at: Timestamp,
}

/// What a call did to one of the conversation's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileChange {
    pub path: FilePath,
    /// What stands there now; absent: nothing any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileInfo>,
}

/// The place of a file in a conversation: names with slashes between them, none of which leads anywhere else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(value_type = String)]
pub struct FilePath(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a path of a file: {0}")]
pub struct InvalidPath(&'static str);

impl FilePath {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last of its names.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// Whether the server alone decides what is there.
    pub fn is_reserved(&self) -> bool {
        let (first, _) = self.0.split_once('/').unwrap_or((&self.0, ""));
        first == ATTACHMENTS || first == OUTPUTS
    }
}

impl FromStr for FilePath {
    type Err = InvalidPath;

    fn from_str(text: &str) -> Result<Self, InvalidPath> {
        let is = |wrong: bool, why| if wrong { Err(InvalidPath(why)) } else { Ok(()) };
        is(text.is_empty(), "it is empty")?;
        is(text.len() > PATH_BYTES, "it has more than 512 bytes")?;
        is(text.starts_with('/'), "it begins with a slash; it is relative to the conversation's files")?;
        is(text.contains('\\'), "it has a backslash")?;
        is(text.chars().any(is_hidden), "it has characters that nobody sees")?;
        is(text.split('/').count() > PATH_DEPTH, "it is more than 16 names deep")?;
        for name in text.split('/') {
            is(name.trim().is_empty(), "a name in it is empty")?;
            is(name == "." || name == "..", "`.` and `..` lead nowhere")?;
            is(name.len() > NAME_BYTES, "a name in it has more than 200 bytes")?;
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for FilePath {
    type Error = InvalidPath;

    fn try_from(text: String) -> Result<Self, InvalidPath> {
        text.parse()
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A name that can be shown, saved and quoted, as near to the given one as that allows.
pub fn readable_name(given: &str) -> String {
    let last = given.rsplit(['/', '\\']).find(|name| !name.trim().is_empty()).unwrap_or_default();
    let clean: String = last.chars().filter(|c| !is_hidden(*c)).collect();
    let clean = clean.trim().trim_start_matches('.').trim();
    if clean.is_empty() {
        return "file".to_owned();
    }
    if clean.len() <= NAME_BYTES {
        return clean.to_owned();
    }
    // The ending says what it is, so it stays.
    let (stem, ending) = match clean.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() && ending.len() <= 16 => (stem, format!(".{ending}")),
        Some(_) | None => (clean, String::new()),
    };
    let stem = &stem[..stem.floor_char_boundary(NAME_BYTES - ending.len())];
    format!("{}{ending}", stem.trim_end())
}

/// Control characters, and those that change how others are shown without being shown themselves.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a hash is 64 hexadecimal digits")]
pub struct InvalidHash;

impl FromStr for ContentHash {
    type Err = InvalidHash;

    fn from_str(text: &str) -> Result<Self, InvalidHash> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(InvalidHash);
        }
        for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| InvalidHash)?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for ContentHash {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ContentHash {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_nowhere_else() {
        for good in ["a", "a/b.txt", "outputs/x", "ä ö/…/c", "a.b/..c", &"x/".repeat(15).add("y")] {
            assert_eq!(good.parse::<FilePath>().unwrap().as_str(), good);
        }
        let long = "x".repeat(201);
        let deep = "x/".repeat(16).add("y");
        for bad in [
            "",
            "/",
            "/etc/passwd",
            "..",
            "../a",
            "a/../b",
            "a/.",
            "./a",
            "a//b",
            "a/",
            "a\\b",
            "a\0b",
            "a\nb",
            "a/ /b",
            "\u{202e}txt.exe",
            &long,
            &deep,
            &"ä".repeat(300),
        ] {
            assert!(bad.parse::<FilePath>().is_err(), "{bad}");
        }
        assert!("outputs/x".parse::<FilePath>().unwrap().is_reserved());
        assert!("attachments".parse::<FilePath>().unwrap().is_reserved());
        assert!(!"output/attachments".parse::<FilePath>().unwrap().is_reserved());
    }

    trait Add {
        fn add(self, end: &str) -> String;
    }

    impl Add for String {
        fn add(mut self, end: &str) -> String {
            self.push_str(end);
            self
        }
    }

    #[test]
    fn a_name_stays_readable() {
        for (given, name) in [
            ("report.pdf", "report.pdf"),
            ("Übersicht 2026 (1).md", "Übersicht 2026 (1).md"),
            ("../../etc/passwd", "passwd"),
            ("C:\\Users\\me\\a.txt", "a.txt"),
            ("gpj\u{202e}cod.exe", "gpjcod.exe"),
            ("a\u{0}\r\nb", "ab"),
            (".htaccess", "htaccess"),
            ("...", "file"),
            ("", "file"),
            ("dir/", "dir"),
            ("\u{200b}", "file"),
        ] {
            assert_eq!(readable_name(given), name, "{given:?}");
        }
        let long = readable_name(&format!("{}.docx", "漢".repeat(200)));
        assert!(long.len() <= 200 && long.ends_with("漢.docx"), "{long}");
    }

    #[test]
    fn a_hash_survives_its_text() {
        let hash = ContentHash([0xa5; 32]);
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert_eq!("A5".repeat(32).parse::<ContentHash>(), Err(InvalidHash));
        assert_eq!("a5".parse::<ContentHash>(), Err(InvalidHash));
    }
}
