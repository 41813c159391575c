//! What is read, one file per noun. Each public read is one transaction on one reader thread.

mod annotation;
mod conversation;
mod feed;
mod key;
mod list;
mod load;
mod message;
mod path;
mod prompt;
mod replay;
mod tree;
mod turn;

pub use self::conversation::{ConversationRow, Named, Snapshot};
pub use self::feed::{FeedItem, FeedPage};
pub use self::key::Remembered;
pub use self::list::{Filter, InvalidListCursor, ListCursor, ListPage, PageRequest};
pub use self::load::Loaded;
pub use self::path::{Path, PathMessage, Siblings};
pub use self::prompt::{PathNode, PromptPath};
pub use self::replay::{EntryKind, LogEntry, Page, Replay};
pub use self::tree::{Branch, InvalidTreeCursor, Tree, TreeCursor, TreeNode};
pub use self::turn::TurnRow;

pub(super) use self::load::unfinished;
