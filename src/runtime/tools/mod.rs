//! Tools that reach into what this server keeps.

mod files;
mod memory;
mod search;

pub(super) use memory::{MEMORY, told};

use std::sync::Arc;

use super::files::Files;
use super::search::Search;
use crate::chat::conversation::Visibility;
use crate::clock::Clock;
use crate::id::{ConversationId, UserId};
use crate::store::{self, Store};
use crate::tool::{NameTaken, Toolbox};

/// Adds them to those that need nothing of ours.
pub fn add_to(toolbox: &mut Toolbox, store: &Store, clock: &Clock) -> Result<(), NameTaken> {
    toolbox.add(Arc::new(memory::MemoryTool::new(store.clone(), clock.clone())))
}

/// The same, where there is a search.
pub fn add_search(toolbox: &mut Toolbox, store: &Store, search: &Search) -> Result<(), NameTaken> {
    toolbox.add(Arc::new(search::SearchTool::new(store.clone(), search.clone())))
}

/// The same, where files are kept.
pub fn add_files(toolbox: &mut Toolbox, store: &Store, files: &Files) -> Result<(), NameTaken> {
    files::tools(store, files).into_iter().try_for_each(|tool| toolbox.add(Arc::new(tool)))
}

/// Whether that person alone reads what a conversation says, all the way up to the one in which they asked.
pub(super) async fn is_private(
    store: &Store,
    id: ConversationId,
    user_id: UserId,
) -> Result<bool, store::Error> {
    let mut next = Some(id);
    while let Some(id) = next {
        let Some(info) = store.info(id).await? else { return Ok(false) };
        if info.created_by != user_id || info.visibility != Visibility::Private {
            return Ok(false);
        }
        next = info.parent.map(|parent| parent.conversation_id);
    }
    Ok(true)
}
