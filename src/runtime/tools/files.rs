//! `files.*`: the conversation's files, by their paths. What a call changes is true with its success, or not at all.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use crate::chat::context::ToolSpec;
use crate::chat::file::{FileChange, FilePath};
use crate::runtime::files::{Error, Files, media};
use crate::store::{ConversationFile, Store};
use crate::tool::{Invocation, Outcome, Source, Tool};

/// What one call reads at most, in bytes.
const READ: u64 = 24 * 1024;

/// Lines are counted in files of so many bytes at most.
const COUNTED: u64 = 8 << 20;

/// Files that one call lists at most.
const LISTED: usize = 500;

/// What nobody can foresee of a call is told to the model.
type Done = Result<Outcome, String>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    List,
    Read,
    Write,
    Delete,
}

pub struct FileTool {
    deed: Deed,
    spec: ToolSpec,
    store: Store,
    files: Files,
}

/// The four of them.
pub fn tools(store: &Store, files: &Files) -> [FileTool; 4] {
    let tool = |deed: Deed, name: &str, description: &str, schema: Value| {
        let spec = ToolSpec { name: name.to_owned(), description: description.to_owned(), schema };
        FileTool { deed, spec, store: store.clone(), files: files.clone() }
    };
    let path = json!({ "type": "string", "description": "Relative, such as notes/plan.md" });
    [
        tool(
            Deed::List,
            "files.list",
            "Lists the files of this conversation: those that tools wrote, and under attachments/ those of its messages.",
            json!({
                "type": "object",
                "properties": { "prefix": { "type": "string", "description": "Only paths that begin so" } },
                "additionalProperties": false,
            }),
        ),
        tool(
            Deed::Read,
            "files.read",
            "Reads a text file of this conversation, or a stretch of it: by bytes (offset, length) or by lines (line, lines).",
            json!({
                "type": "object",
                "properties": {
                    "path": path,
                    "offset": { "type": "integer", "minimum": 0, "description": "In bytes" },
                    "length": { "type": "integer", "minimum": 1, "description": "In bytes" },
                    "line": { "type": "integer", "minimum": 1, "description": "The first line, from 1" },
                    "lines": { "type": "integer", "minimum": 1, "description": "How many lines" },
                },
                "required": ["path"],
                "additionalProperties": false,
            }),
        ),
        tool(
            Deed::Write,
            "files.write",
            "Writes a text file of this conversation; what stood there before is replaced.",
            json!({
                "type": "object",
                "properties": { "path": path, "content": { "type": "string" } },
                "required": ["path", "content"],
                "additionalProperties": false,
            }),
        ),
        tool(
            Deed::Delete,
            "files.delete",
            "Deletes a file of this conversation.",
            json!({
                "type": "object",
                "properties": { "path": path },
                "required": ["path"],
                "additionalProperties": false,
            }),
        ),
    ]
}

impl Tool for FileTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn source(&self) -> Source {
        Source::BuiltIn
    }

    /// What was not said to have succeeded has changed nothing.
    fn is_idempotent(&self) -> bool {
        true
    }

    fn run(&self, call: Invocation) -> BoxFuture<'_, Outcome> {
        let done = async move {
            match self.deed {
                Deed::List => self.list(&call).await,
                Deed::Read => self.read(&call).await,
                Deed::Write => self.write(&call).await,
                Deed::Delete => self.delete(&call).await,
            }
        };
        done.map(|done| done.unwrap_or_else(Outcome::Failed)).boxed()
    }
}

impl FileTool {
    async fn list(&self, call: &Invocation) -> Done {
        let prefix = text(call, "prefix");
        let all = self.all(call).await?;
        let found: Vec<_> = all.iter().filter(|found| found.path.starts_with(prefix)).collect();
        let line = |found: &&ConversationFile| {
            let info = &found.file.info;
            format!("{} ({}, {} bytes)", found.path, info.media_type, info.size)
        };
        let mut lines: Vec<String> = found.iter().take(LISTED).map(line).collect();
        match found.len() {
            0 => lines.push("There are none.".to_owned()),
            count if count > LISTED => {
                lines.push(format!("[{} more; narrow them down with prefix]", count - LISTED));
            }
            _ => {}
        }
        Ok(Outcome::Succeeded(lines.join("\n")))
    }

    async fn read(&self, call: &Invocation) -> Done {
        let found = self.find(call).await?;
        let (info, number) = (&found.file.info, |name: &str| call.args.get(name).and_then(Value::as_u64));
        if !media::is_textual(&info.media_type) {
            return Err(format!("{} is {}, {} bytes: not a text", found.path, info.media_type, info.size));
        }
        let by_lines = number("line").is_some() || number("lines").is_some();
        let by_bytes = number("offset").is_some() || number("length").is_some();
        match (by_lines, by_bytes) {
            (true, true) => Err("either offset and length, or line and lines".to_owned()),
            (true, false) => self.lines(&found, number("line").unwrap_or(1), number("lines")).await,
            (false, _) => self.bytes(&found, number("offset").unwrap_or(0), number("length")).await,
        }
    }

    async fn bytes(&self, found: &ConversationFile, offset: u64, length: Option<u64>) -> Done {
        let size = found.file.info.size;
        if offset >= size && size > 0 {
            return Err(format!("{} ends at byte {size}", found.path));
        }
        let end = offset.saturating_add(length.unwrap_or(READ).min(READ)).min(size);
        let bytes = self.files.bytes(&found.file, offset..end).await.map_err(|error| failed(&error))?;
        let (skipped, text) = between_characters(&bytes, end == size);
        let (from, to) = (offset + skipped as u64, offset + (skipped + text.len()) as u64);
        let text = String::from_utf8_lossy(text);
        Ok(Outcome::Succeeded(match (from, to == size) {
            (0, true) => text.into_owned(),
            (from, true) => format!("{text}\n[bytes {from} to {to}, the end]"),
            (from, false) => format!("{text}\n[bytes {from} to {to} of {size}; go on with offset {to}]"),
        }))
    }

    async fn lines(&self, found: &ConversationFile, first: u64, count: Option<u64>) -> Done {
        let size = found.file.info.size;
        if size > COUNTED {
            return Err(format!("{} has {size} bytes, too many to count lines: use offset", found.path));
        }
        let bytes = self.files.bytes(&found.file, 0..size).await.map_err(|error| failed(&error))?;
        let all = String::from_utf8_lossy(&bytes);
        let (total, mut text, mut last) = (all.lines().count() as u64, String::new(), first - 1);
        let skipped = usize::try_from(first - 1).unwrap_or(usize::MAX);
        for line in
            all.lines().skip(skipped).take(usize::try_from(count.unwrap_or(u64::MAX)).unwrap_or(usize::MAX))
        {
            if !text.is_empty() && (text.len() + line.len()) as u64 > READ {
                break;
            }
            text.push_str(&line[..line.floor_char_boundary(READ as usize)]);
            text.push('\n');
            last += 1;
        }
        match last < first {
            true => Err(format!("{} has {total} lines", found.path)),
            false => Ok(Outcome::Succeeded(format!("{text}[lines {first} to {last} of {total}]"))),
        }
    }

    async fn write(&self, call: &Invocation) -> Done {
        let path = writable(call)?;
        let content = text(call, "content");
        let (conversation_id, workspace_id) = (call.conversation_id, call.workspace_id);
        let kept = self.files.keep_in(conversation_id, workspace_id, path.name(), content.as_bytes()).await;
        let file = kept.map_err(|error| failed(&error))?;
        let output = format!("{path} is written: {} bytes", file.size);
        Ok(Outcome::Changed { output, files: vec![FileChange { path, file: Some(file) }] })
    }

    async fn delete(&self, call: &Invocation) -> Done {
        let path = writable(call)?;
        self.find(call).await?;
        let output = format!("{path} is deleted");
        Ok(Outcome::Changed { output, files: vec![FileChange { path, file: None }] })
    }

    async fn all(&self, call: &Invocation) -> Result<Vec<ConversationFile>, String> {
        self.store.files_of(call.conversation_id).await.map_err(|error| error.to_string())
    }

    async fn find(&self, call: &Invocation) -> Result<ConversationFile, String> {
        let path: FilePath = text(call, "path").parse().map_err(|wrong| format!("{wrong}"))?;
        let found = self.all(call).await?.into_iter().find(|found| found.path == path.as_str());
        found.ok_or_else(|| format!("there is no file {path}"))
    }
}

fn text<'a>(call: &'a Invocation, name: &str) -> &'a str {
    call.args.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn writable(call: &Invocation) -> Result<FilePath, String> {
    let path: FilePath = text(call, "path").parse().map_err(|wrong| format!("{wrong}"))?;
    match path.is_reserved() {
        true => Err(format!("{path} is not yours to change: attachments/ and outputs/ are the server's")),
        false => Ok(path),
    }
}

fn failed(error: &Error) -> String {
    match error {
        Error::TooLarge(_)
        | Error::NoRoom(_)
        | Error::TooMany
        | Error::Empty
        | Error::TooManyPixels
        | Error::Store(_) => error.to_string(),
        Error::Blob(_) => "the file cannot be reached at the moment".to_owned(),
    }
}

/// A stretch without the halves of characters at its edges, and how many bytes were cut off before it.
fn between_characters(bytes: &[u8], is_end: bool) -> (usize, &[u8]) {
    let is_inside = |byte: &&u8| **byte & 0xc0 == 0x80;
    let skipped = bytes.iter().take(3).take_while(is_inside).count();
    let text = &bytes[skipped..];
    let cut = match std::str::from_utf8(text) {
        Err(error) if error.error_len().is_none() && !is_end && error.valid_up_to() > 0 => {
            error.valid_up_to()
        }
        Ok(_) | Err(_) => text.len(),
    };
    (skipped, &text[..cut])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_ends_between_characters() {
        let text = "aä漢👋".as_bytes();
        for (from, to, expected) in
            [(0, 2, "a"), (0, 3, "aä"), (1, 5, "ä"), (2, 6, "漢"), (3, 9, "漢"), (7, 10, ""), (4, 10, "👋")]
        {
            let (skipped, stretch) = between_characters(&text[from..to], to == text.len());
            assert_eq!(std::str::from_utf8(stretch), Ok(expected), "{from} {to}");
            assert_eq!(&text[from + skipped..from + skipped + stretch.len()], expected.as_bytes());
        }
        assert_eq!(between_characters(b"\xff\xfe", false), (0, b"\xff\xfe".as_slice()));
    }
}
