//! The composition root: builds, starts and stops everything, in order.

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use crate::admin;
use crate::auth::Directory;
use crate::clock::Clock;
use crate::config::Config;
use crate::data_dir::DataDir;

/// Serves until SIGTERM or SIGINT.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let dir = DataDir::lock(&config.server.data)?;
    let mut directory = Directory::open(&dir.control_db(), Clock::System)?;
    if let Some(key) = &config.root_key {
        directory = directory.with_root_key(key);
    }
    let commands = admin::Listener::bind(&dir).context("cannot open admin.sock")?;

    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = async move {
        tokio::select! { _ = terminate.recv() => {} _ = interrupt.recv() => {} }
    };
    admin::serve(commands, &directory, stop).await;
    directory.save_usage()?;
    Ok(())
}
