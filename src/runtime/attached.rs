//! Files of messages, as far as a model takes them: text in words, images and documents as they are, and of the rest
//! what it is.

use std::collections::BTreeMap;

use tracing::warn;

use super::Shared;
use super::files::media;
use crate::chat::context::{Item, Prompt};
use crate::chat::file::StoredFile;
use crate::chat::message::{Part, Role, StoredPart};
use crate::id::FileId;
use crate::provider::{self, InputKind, Model};
use crate::store::{self, PromptPath};

/// Of the text of one file.
const TEXT_BYTES: u64 = 64 * 1024;

/// Of the texts of all files, and no more than half of what the model reads.
const TEXTS_BYTES: u64 = 512 * 1024;

/// Providers refuse larger ones.
const IMAGE_BYTES: u64 = 5_000_000;

/// Images and documents of one request.
const SHOWN_BYTES: u64 = 20 << 20;

/// Puts the files of a path into words where the model does not take them as they are, the newest first. `room`: the
/// bytes that a prompt has.
pub(super) async fn tell(
    shared: &Shared,
    path: &mut PromptPath,
    model: &Model,
    room: u64,
) -> Result<(), store::Error> {
    let parts = path.messages.iter_mut().rev().filter(|message| message.role == Role::User);
    let parts: Vec<&mut StoredPart> = parts.flat_map(|message| message.parts.iter_mut()).collect();
    let ids: Vec<FileId> = parts.iter().filter_map(|stored| file_of(&stored.part)).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let files = shared.store.stored_files(ids).await?;
    let files: BTreeMap<FileId, StoredFile> = files.into_iter().map(|file| (file.info.id, file)).collect();
    let (mut shown_left, mut texts_left) = (SHOWN_BYTES, TEXTS_BYTES.min(room / 2));
    for stored in parts {
        let Some(id) = file_of(&stored.part) else { continue };
        let Some(file) = files.get(&id) else {
            stored.part = told(&stored.part, "it is not kept any more");
            continue;
        };
        let (media_type, size) = (file.info.media_type.as_str(), file.info.size);
        if media::is_textual(media_type) {
            stored.part = match text_of(shared, file, texts_left).await {
                Some(text) => {
                    texts_left -= texts_left.min(text.len() as u64);
                    Part::Text { text }
                }
                None => told(&stored.part, "it is not shown to you"),
            };
            continue;
        }
        let (kind, most) = match media_type {
            image if media::IMAGES.contains(&image) => (InputKind::Image, IMAGE_BYTES),
            media::PDF => (InputKind::Pdf, SHOWN_BYTES),
            _ => (InputKind::Text, 0),
        };
        if kind == InputKind::Text || !model.input.contains(&kind) {
            stored.part = told(&stored.part, "it is not shown to you");
        } else if size > most || size > shown_left {
            stored.part = told(&stored.part, "it is too large to be shown to you");
        } else {
            shown_left -= size;
        }
    }
    Ok(())
}

/// The contents of what is left of the files in a prompt.
pub(super) async fn contents(shared: &Shared, prompt: &Prompt) -> provider::Files {
    let items = prompt.items.iter().filter_map(|item| match item {
        Item::User { parts } => Some(parts),
        Item::Assistant { .. } | Item::ToolResult { .. } => None,
    });
    let ids: Vec<FileId> = items.flatten().filter_map(file_of).collect();
    let mut contents = provider::Files::default();
    let (Some(files), false) = (shared.files.get(), ids.is_empty()) else { return contents };
    let stored = shared.store.stored_files(ids).await.unwrap_or_default();
    for file in stored {
        match files.bytes(&file, 0..file.info.size).await {
            Ok(bytes) => contents.add(file.info.id, bytes),
            // The model is told that it does not see it.
            Err(error) => warn!(%error, file_id = %file.info.id, "a file is left out of a request"),
        }
    }
    contents
}

fn file_of(part: &Part) -> Option<FileId> {
    match part {
        Part::File { file_id, .. } => Some(*file_id),
        Part::Text { .. }
        | Part::Reasoning { .. }
        | Part::ToolCall { .. }
        | Part::Source { .. }
        | Part::Notice { .. } => None,
    }
}

fn told(part: &Part, why: &str) -> Part {
    let Part::File { name, media_type, size, .. } = part else { return part.clone() };
    Part::Text { text: format!("[File \"{name}\": {media_type}, {size} bytes; {why}.]") }
}

/// The beginning of a text file, with its name; `None` where nothing of it can be given.
async fn text_of(shared: &Shared, file: &StoredFile, left: u64) -> Option<String> {
    let (name, size) = (&file.info.name, file.info.size);
    let end = size.min(TEXT_BYTES).min(left);
    if end == 0 {
        return None;
    }
    let bytes = shared.files.get()?.bytes(file, 0..end).await;
    let bytes = bytes.inspect_err(|error| warn!(%error, "a text is left out of a request")).ok()?;
    // Nothing in it ends the quotation.
    let text = String::from_utf8_lossy(&bytes).replace("</file", "<\\/file");
    let rest = match size - end {
        0 => String::new(),
        rest => format!("\n[The other {rest} bytes are not shown to you.]"),
    };
    Some(format!("<file name=\"{}\">\n{text}\n</file>{rest}", name.replace('"', "'")))
}
