//! What was ever said, by the words in it: an index on the disk, made of what the store says, and never the truth of
//! anything. It knows nothing of who may see what; whoever asks brings eyes of their own.

mod analyzer;
mod bits;
mod columns;
mod compile;
mod conversations;
mod directory;
mod find;
mod index;
mod prefix;
mod query;
mod rarity;
mod shown;
mod snippet;
mod titled;
mod union;
mod view;
mod write;

pub use self::analyzer::Language;
pub use self::find::{Candidate, Cut, Eyes, Narrow, Order, Place, Wanted};
pub use self::index::{Census, Error, Index, Progress, unbroken};
pub use self::query::Query;
pub use self::snippet::{Highlighter, Snippet};
pub use self::view::View;
pub use self::write::{Writer, count};
