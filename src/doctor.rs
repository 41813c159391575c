//! `weir doctor`: looks at what a server needs, and says in words what is wrong and what to do about it.
//!
//! It reads, and asks the running server; nothing is made, mended or migrated. No secret is ever printed.

mod clock;
mod configuration;
mod data;
mod database;
mod disk;
mod network;
mod providers;
mod report;

pub use report::{Check, Report, State};

use crate::clock::Clock;
use crate::config::{Config, Flags};

/// Checks everything. Takes as long as it takes to read the databases once, and some seconds for the providers.
pub async fn examine(flags: &Flags) -> Report {
    let config = match Config::load(flags, |name| std::env::var(name).ok()) {
        Ok(config) => config,
        Err(error) => return Report::of(vec![configuration::refused(&error)]),
    };
    let now = Clock::System.now();
    let mut checks = configuration::check(&config);
    let (data, worker) = data::check(&config.server.data);
    checks.extend(data);
    let databases = database::check(&config.server.data);
    checks.push(clock::check(now, &config.server.data, databases.latest));
    checks.extend(databases.checks);
    checks.extend(disk::check(&config.server.data));
    checks.push(network::listen(&config, worker));
    checks.extend(network::addresses(&config).await);
    checks.extend(providers::check(&config).await);
    Report::of(checks)
}
