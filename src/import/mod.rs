//! Conversations that come from elsewhere: what others export, read into one neutral tree and made into events.
//!
//! Pure but for the file that is read. It stores nothing and knows no conversation of ours: ids are derived from
//! whose import it is and what the conversation is called where it comes from, so that importing twice adds nothing.
//! Nothing here recurses along a conversation: a chain of any length is read with a bounded stack.

mod archive;
mod chatgpt;
mod claude;
mod conversation;
mod documents;
mod format;
mod identity;
mod librechat;
mod nested;
mod oasst;
mod open_webui;
mod plan;
mod report;
mod tree;
mod values;
mod weir;

pub use self::archive::{Bounds, Refused};
pub use self::conversation::Conversation;
pub use self::documents::{Found, read};
pub use self::format::Format;
pub use self::identity::Identity;
pub use self::plan::{Known, Plan};
pub use self::report::{Reason, Skipped};
