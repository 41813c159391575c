//! Reading a row's columns into the domain's types. What cannot be read names its table, column and key.

use std::cell::Cell;

use rusqlite::types::{FromSql, ValueRef};
use serde::de::{DeserializeOwned, IntoDeserializer};

use crate::chat::event::Seq;
use crate::clock::Timestamp;
use crate::id;
use crate::store::error::Error;

/// An id that is stored as its 16 bytes.
pub(super) trait StoredId: Sized {
    fn from_stored(bytes: [u8; 16]) -> Self;
}

macro_rules! stored_ids {
    ($($name:ident),*) => {$(
        impl StoredId for id::$name {
            fn from_stored(bytes: [u8; 16]) -> Self {
                Self::from_bytes(bytes)
            }
        }
    )*};
}

stored_ids!(
    WorkspaceId,
    UserId,
    ConversationId,
    MessageId,
    TurnId,
    CallId,
    CompactionId,
    ApprovalId,
    MemoryId,
    FileId
);

/// A row of `table`, whose key is the column `key`.
pub(super) struct Row<'a> {
    row: &'a rusqlite::Row<'a>,
    table: &'static str,
    key: &'static str,
    /// Behind the column that was read last, where the next one usually is.
    next: Cell<usize>,
}

impl<'a> Row<'a> {
    pub const fn new(row: &'a rusqlite::Row<'a>, table: &'static str, key: &'static str) -> Self {
        Self { row, table, key, next: Cell::new(0) }
    }

    /// SQLite knows columns by number: to look each up by name takes longer than to read it.
    fn column(&self, name: &'static str) -> Result<ValueRef<'_>, Error> {
        let expected = self.next.get();
        let index = match self.row.as_ref().column_name(expected) {
            Ok(found) if found == name => expected,
            Ok(_) | Err(_) => self.row.as_ref().column_index(name)?,
        };
        self.next.set(index + 1);
        Ok(self.row.get_ref(index)?)
    }
    pub fn get<T: FromSql>(&self, column: &'static str) -> Result<T, Error> {
        T::column_result(self.column(column)?).map_err(|_| self.corrupt(column))
    }

    pub fn id<T: StoredId>(&self, column: &'static str) -> Result<T, Error> {
        Ok(T::from_stored(self.get(column)?))
    }

    pub fn opt_id<T: StoredId>(&self, column: &'static str) -> Result<Option<T>, Error> {
        Ok(self.get::<Option<[u8; 16]>>(column)?.map(T::from_stored))
    }

    pub fn seq(&self, column: &'static str) -> Result<Seq, Error> {
        Ok(Seq(self.number(column)?))
    }

    pub fn opt_seq(&self, column: &'static str) -> Result<Option<Seq>, Error> {
        let seq = self.get::<Option<i64>>(column)?.map(u64::try_from).transpose();
        Ok(seq.map_err(|_| self.corrupt(column))?.map(Seq))
    }

    pub fn number<T: TryFrom<i64>>(&self, column: &'static str) -> Result<T, Error> {
        self.get::<i64>(column)?.try_into().map_err(|_| self.corrupt(column))
    }

    pub fn opt_number<T: TryFrom<i64>>(&self, column: &'static str) -> Result<Option<T>, Error> {
        let number = self.get::<Option<i64>>(column)?.map(T::try_from).transpose();
        number.map_err(|_| self.corrupt(column))
    }

    pub fn at(&self, column: &'static str) -> Result<Timestamp, Error> {
        Ok(Timestamp::from_millis(self.get(column)?))
    }

    pub fn opt_at(&self, column: &'static str) -> Result<Option<Timestamp>, Error> {
        Ok(self.get::<Option<i64>>(column)?.map(Timestamp::from_millis))
    }

    pub fn json<T: DeserializeOwned>(&self, column: &'static str) -> Result<T, Error> {
        self.opt_json(column)?.ok_or_else(|| self.corrupt(column))
    }

    pub fn opt_json<T: DeserializeOwned>(&self, column: &'static str) -> Result<Option<T>, Error> {
        match self.column(column)? {
            ValueRef::Null => Ok(None),
            ValueRef::Text(json) => serde_json::from_slice(json).map(Some).map_err(|_| self.corrupt(column)),
            ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Blob(_) => Err(self.corrupt(column)),
        }
    }

    /// A unit variant of an enum, stored as serde names it.
    pub fn word<T: DeserializeOwned>(&self, column: &'static str) -> Result<T, Error> {
        self.opt_word(column)?.ok_or_else(|| self.corrupt(column))
    }

    pub fn opt_word<T: DeserializeOwned>(&self, column: &'static str) -> Result<Option<T>, Error> {
        let word = match self.column(column)? {
            ValueRef::Null => return Ok(None),
            other => other.as_str().map_err(|_| self.corrupt(column))?,
        };
        let parsed = T::deserialize(word.into_deserializer());
        parsed.map(Some).map_err(|_: serde::de::value::Error| self.corrupt(column))
    }

    pub fn corrupt(&self, column: &'static str) -> Error {
        let key = match self.row.get_ref(self.key) {
            Ok(ValueRef::Integer(number)) => number.to_string(),
            Ok(ValueRef::Text(text)) => String::from_utf8_lossy(text).into_owned(),
            Ok(ValueRef::Blob(bytes)) => match uuid::Uuid::from_slice(bytes) {
                Ok(id) => id.to_string(),
                Err(_) => format!("{} bytes", bytes.len()),
            },
            Ok(ValueRef::Null | ValueRef::Real(_)) | Err(_) => "an unknown key".to_owned(),
        };
        Error::Corrupt { table: self.table, column, key }
    }
}

/// An enum's unit variant as serde names it.
pub(super) fn word<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(_) | Err(_) => unreachable!("words are serialised as strings"),
    }
}

pub(super) fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("values of the domain have string keys and serialise")
}
