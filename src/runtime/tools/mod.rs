//! Tools that reach into what this server keeps.

mod files;
mod memory;
mod search;

pub(super) use memory::{MEMORY, told};

use std::sync::Arc;

use super::files::Files;
use super::search::Search;
use crate::clock::Clock;
use crate::store::Store;
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
