//! The contents of files that a prompt names, and a person's parts as the pieces that APIs are made of.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use data_encoding::BASE64;

use crate::chat::message::Part;
use crate::id::FileId;
use crate::provider::prompt::{in_words, user_text};

/// The contents of images and documents, for a model that takes them.
#[derive(Clone, Default, PartialEq)]
pub struct Files(BTreeMap<FileId, Bytes>);

/// Something that a person sent.
#[derive(Debug, PartialEq)]
pub(crate) enum Piece<'a> {
    Text(String),
    /// `data` is base64.
    Image {
        media_type: &'a str,
        data: String,
    },
    Pdf {
        name: &'a str,
        data: String,
    },
}

impl Files {
    pub fn add(&mut self, id: FileId, content: Bytes) {
        self.0.insert(id, content);
    }

    /// What a person sent, in its order; texts that follow each other are one.
    pub(crate) fn pieces<'a>(&self, parts: &'a [Part]) -> Vec<Piece<'a>> {
        let mut pieces: Vec<Piece<'a>> = Vec::new();
        for part in parts {
            let piece = match self.shown(part) {
                Some(piece) => piece,
                None => match user_text(std::slice::from_ref(part)) {
                    text if text.is_empty() => continue,
                    text => Piece::Text(text),
                },
            };
            match (pieces.last_mut(), piece) {
                (Some(Piece::Text(before)), Piece::Text(text)) => {
                    before.push_str("\n\n");
                    before.push_str(&text);
                }
                (_, piece) => pieces.push(piece),
            }
        }
        pieces
    }

    fn shown<'a>(&self, part: &'a Part) -> Option<Piece<'a>> {
        let Part::File { file_id, name, media_type, .. } = part else { return None };
        let content = self.0.get(file_id)?;
        let data = || BASE64.encode(content);
        match media_type.as_str() {
            "application/pdf" => Some(Piece::Pdf { name, data: data() }),
            image if image.starts_with("image/") => Some(Piece::Image { media_type: image, data: data() }),
            _ => None,
        }
    }
}

impl Piece<'_> {
    /// For an API that takes no documents.
    pub(crate) fn unseen(name: &str) -> String {
        in_words(name, "application/pdf", None)
    }
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().map(|(id, content)| (id, content.len()))).finish()
    }
}
