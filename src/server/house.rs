//! What a server has open, where none runs: for the commands of the operator that need the conversations.

use tokio::task::JoinSet;

use super::transfer::options;
use crate::admin::Desk;
use crate::auth::Directory;
use crate::clock::Clock;
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::runtime::Runtime;
use crate::runtime::agent::Agents;
use crate::runtime::files::{self, Files};
use crate::runtime::import::Imports;
use crate::runtime::search::Search;
use crate::store::{self, Store};

/// Nobody is answered, and no turn goes on.
pub struct House {
    pub directory: Directory,
    pub desk: Desk,
    /// What follows the conversations, for as long as the house is open.
    chores: JoinSet<()>,
}

impl House {
    pub fn open(config: &Config, dir: &DataDir) -> anyhow::Result<Self> {
        let clock = Clock::System;
        let directory = Directory::open(&dir.control_db(), clock.clone())?;
        let (store, _) = Store::open(store::Options::new(dir.weir_db()), clock.now())?;
        let files = Files::open(store.clone(), &dir.files(), clock.clone(), files::Limits::default())?;
        let search = Search::new(store.clone(), Some(files.clone()), clock.clone(), &dir.search());
        let runtime =
            Runtime::new(store, Agents::new([]), clock).with_files(files).with_search(search.clone());
        let imports = Imports::open(runtime.clone(), options(config, dir, runtime.agents()))?;
        let mut chores = JoinSet::new();
        chores.spawn(async move { search.run().await });
        Ok(Self { directory, desk: Desk { runtime, imports }, chores })
    }

    pub async fn close(mut self) {
        self.chores.shutdown().await;
        self.desk.runtime.store().close().await;
    }
}

/// Does something while the house is open.
pub fn alone<T>(act: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(act)
}
