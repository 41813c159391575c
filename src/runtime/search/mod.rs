//! Search: the index follows what is stored, and whoever asks sees in it what they see in the conversations.
//!
//! The index is never the truth: what is found is asked of the store again before it is shown, and an index that is
//! missing, damaged or of another version is made anew while the server runs.

mod answer;
mod indexer;
mod lists;
mod looking;
mod page;
mod rank;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::{Notify, Semaphore, watch};

pub use self::answer::{Answer, Ask, Hit, Sort};
pub use self::indexer::Checked;
pub use self::page::{InvalidPage, Page};

use self::lists::Lists;
use super::files::Files;
use super::quiet::Quiet;
use crate::clock::Clock;
use crate::search::{self, Index};
use crate::store::{self, Store};

/// Searches that run at the same time. Each keeps one of the store's readers busy.
const AT_ONCE: usize = 2;

/// Searches that wait for their turn; more are turned away.
const WAITING: usize = 64;

/// For how long a search waits for the index to know of what was said before.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the search index is not there yet")]
    NotYet,
    #[error("too many searches wait already")]
    Busy,
    #[error(transparent)]
    Index(#[from] search::Error),
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// The search of one server. Cheap to clone.
#[derive(Clone)]
pub struct Search(Arc<Inner>);

struct Inner {
    store: Store,
    files: Option<Files>,
    clock: Clock,
    dir: PathBuf,
    /// Whatever touches the index for long runs here, and in threads that are begun here.
    quiet: Quiet,
    /// What is searched in.
    index: ArcSwapOption<Index>,
    state: watch::Sender<State>,
    /// Somebody waits for what was said just now.
    hurry: Notify,
    orders: Notify,
    /// What the operator wants done with the index.
    wanted: parking_lot::Mutex<Vec<indexer::Order>>,
    /// For those that run, and for those that run or wait.
    permits: Semaphore,
    places: Semaphore,
    lists: Lists,
}

/// How far the index has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct State {
    /// The position of the last change that is found.
    pub through: u64,
    /// Everything there is has yet to be taken in.
    pub incomplete: bool,
}

impl Search {
    /// The index is opened, or made, once [`Search::run`] is polled.
    pub fn new(store: Store, files: Option<Files>, clock: Clock, dir: &Path) -> Self {
        Self(Arc::new(Inner {
            store,
            files,
            clock,
            dir: dir.to_owned(),
            quiet: Quiet::start(),
            index: ArcSwapOption::empty(),
            state: watch::Sender::new(State { through: 0, incomplete: true }),
            hurry: Notify::new(),
            orders: Notify::new(),
            wanted: parking_lot::Mutex::default(),
            permits: Semaphore::new(AT_ONCE),
            places: Semaphore::new(AT_ONCE + WAITING),
            lists: Lists::default(),
        }))
    }

    pub fn state(&self) -> State {
        let state = *self.0.state.borrow();
        State { incomplete: state.incomplete || self.is_wanted_anew(), ..state }
    }

    /// Waits, for a while, until all that was committed before is found.
    pub async fn catch_up(&self) -> Result<(), Error> {
        let position = self.0.store.search_position().await?;
        let mut state = self.0.state.subscribe();
        let arrived = state.wait_for(|state| !state.incomplete && state.through >= position);
        self.0.hurry.notify_one();
        // Whatever came of it, the answer says how far it reaches.
        let _ = tokio::time::timeout(PATIENCE, arrived).await;
        Ok(())
    }
}
