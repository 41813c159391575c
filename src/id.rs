//! Identifiers: one newtype per noun, written as TypeIDs (`conv_01h2xcejqtf2nbrexx3vqjhp41`).
//!
//! The suffix is a UUIDv7, so ids of one kind sort by the time they were made. Making one needs the
//! clock and randomness, so only the floors above `chat` do it; `chat` takes ids as arguments.

use std::fmt;
use std::str::FromStr;

use type_safe_id::{DynamicType, TypeSafeId};
use uuid::Uuid;

/// A string that is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a `{expected}_` id")]
pub struct InvalidId {
    pub expected: &'static str,
    pub given: String,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            pub const PREFIX: &'static str = $prefix;

            /// A new id, later than every id that this process made before it.
            #[expect(clippy::new_without_default, reason = "every call gives another value")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }

            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// The half of the id that says when it was made.
            pub fn high(&self) -> u64 {
                self.0.as_u64_pair().0
            }

            /// The half of the id that is random.
            pub fn low(&self) -> u64 {
                self.0.as_u64_pair().1
            }

            pub fn from_halves(high: u64, low: u64) -> Self {
                Self(Uuid::from_u64_pair(high, low))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let kind = DynamicType::new($prefix).expect("the prefix is lowercase ascii");
                fmt::Display::fmt(&TypeSafeId::from_type_and_uuid(kind, self.0), f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let invalid = || InvalidId {
                    expected: $prefix,
                    given: text.chars().take(80).collect(),
                };
                let id: TypeSafeId<DynamicType> = text.parse().map_err(|_| invalid())?;
                if id.type_prefix() != $prefix {
                    return Err(invalid());
                }
                Ok(Self(id.uuid()))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .pattern(Some(concat!("^", $prefix, "_[0-7][0-9a-hjkmnp-tv-z]{25}$")))
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {}
    )*};
}

ids! {
    /// A tenant.
    WorkspaceId = "ws";
    UserId = "user";
    /// An API key.
    KeyId = "key";
    /// A signed-in browser.
    SessionId = "sess";
    ConversationId = "conv";
    MessageId = "msg";
    TurnId = "turn";
    /// One tool call.
    CallId = "call";
    ApprovalId = "appr";
    /// What a running tool asks a person.
    QuestionId = "ques";
    /// A yes that somebody gave for the next times too.
    RuleId = "rule";
    FileId = "file";
    /// What an agent noted about a person.
    MemoryId = "mem";
    /// A summary of the beginning of a path.
    CompactionId = "comp";
    /// One file of conversations that is read in.
    ImportId = "imp";
    WebhookId = "hook";
    /// One notification on its way to one webhook.
    DeliveryId = "dlv";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_its_text() {
        let id = ConversationId::new();
        let text = id.to_string();
        assert!(text.starts_with("conv_") && text.len() == 31, "{text}");
        assert_eq!(text.parse::<ConversationId>(), Ok(id));
        assert_eq!(serde_json::to_value(id).unwrap(), text);
    }

    #[test]
    fn an_id_of_another_kind_is_refused() {
        let text = MessageId::new().to_string();
        let error = text.parse::<ConversationId>().unwrap_err();
        assert_eq!(error.to_string(), format!("`{text}` is not a `conv_` id"));
        for bad in ["", "conv_", "conv_x", "conv_81h2xcejqtf2nbrexx3vqjhp41"] {
            assert!(bad.parse::<ConversationId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn ids_sort_by_the_time_they_were_made() {
        let ids: Vec<_> = (0..1000).map(|_| TurnId::new()).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
