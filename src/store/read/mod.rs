//! What is read, one file per noun. Each public read is one transaction on one reader thread.

mod annotation;
mod approval;
mod audit;
mod conversation;
mod export;
mod feed;
mod file;
mod import;
mod key;
mod lineage;
mod list;
mod load;
mod memory;
mod message;
mod notification;
mod path;
mod prompt;
mod reach;
mod replay;
mod rule;
mod searchable;
mod sight;
mod tree;
mod turn;

pub use self::approval::{ApprovalFilter, ApprovalPage};
pub use self::audit::{AuditFilter, AuditPage};
pub use self::conversation::{ConversationRow, Named, Snapshot};
pub use self::export::{ExportIndex, Owned};
pub use self::feed::{FeedItem, FeedPage};
pub use self::file::{ConversationFile, FileTotals, Scanned};
pub use self::import::Imported;
pub use self::key::Remembered;
pub use self::list::{Filter, InvalidListCursor, ListCursor, ListPage, PageRequest};
pub use self::load::Loaded;
pub(super) use self::message::call;
pub use self::notification::{Notification, Notifications};
pub use self::path::{Path, PathMessage, Siblings};
pub use self::prompt::{PathNode, PromptPath};
pub(super) use self::reach::Reaches;
pub use self::replay::{EntryKind, LogEntry, Page, Replay};
pub use self::searchable::{SearchChanges, Texts};
pub use self::sight::{Found as Seen, Sight};
pub use self::tree::{Branch, InvalidTreeCursor, Tree, TreeCursor, TreeNode};
pub use self::turn::TurnRow;

pub(super) use self::load::unfinished;
