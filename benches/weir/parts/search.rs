//! Search over what two hundred people have said in 50,000 conversations, beside SQLite's FTS5 over the same documents
//! and with the same rule of who may read what: how fast it is indexed, found and seen, and what streams notice.
//!
//! `MESSAGES=20000` tries it with fewer messages than a million. `ARCHIVE=<directory>` keeps what is said there, to be
//! found again by the next invocation; filling it takes a minute or two.

mod archive;
mod askers;
mod asking;
mod indexing;
mod seeing;
mod streams;

use std::path::PathBuf;

use anyhow::Context;
use serde::de::DeserializeOwned;

use crate::process::Role;
use crate::world::World;
use archive::Archive;
use askers::Askers;

pub use asking::{run as ask, while_indexing as ask_live};
pub use indexing::run as index;
pub use seeing::run as see;
pub use streams::run as stream;

fn messages() -> anyhow::Result<usize> {
    match std::env::var("MESSAGES") {
        Ok(messages) => messages.parse().context("MESSAGES is a number"),
        Err(_) => Ok(1_000_000),
    }
}

/// Where the archive is, or will be.
fn place(world: &World) -> PathBuf {
    match std::env::var_os("ARCHIVE") {
        Some(directory) => directory.into(),
        None => world.path().join("archive"),
    }
}

/// SQLite's index, in a process of its own.
struct Fts5(Role);

impl Fts5 {
    fn start(world: &World) -> anyhow::Result<Self> {
        let path = place(world).with_extension("db");
        let path = path.to_str().context("a path of Unicode")?;
        Ok(Self(Role::start(&["fts5", path, &messages()?.to_string()])?))
    }

    fn ready(&mut self) -> anyhow::Result<()> {
        self.order("ready")
    }

    fn order<T: DeserializeOwned>(&mut self, order: &str) -> anyhow::Result<T> {
        Ok(serde_json::from_str(&self.0.ask(order)?)?)
    }
}
