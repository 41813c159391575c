//! The composition root: builds, starts and stops everything, in order.

mod announce;
pub mod finding;
mod house;
pub(crate) mod issuers;
mod listen;
mod options;
mod post;
pub(crate) mod providers;
mod ready;
mod telemetry;
pub mod transfer;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::admin;
use crate::auth::Directory;
use crate::clock::Clock;
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::http;
use crate::notify::Notices;
use crate::runtime::files::Files;
use crate::runtime::import::Imports;
use crate::runtime::notify::{MailOptions, Mails, Webhooks};
use crate::runtime::search::Search;
use crate::runtime::{Members, Runtime, tools};
use crate::store::{self, Store};
use crate::tool::{Misconfigured, Toolbox, mcp};
use providers::Roster;
use ready::Stage;

const TIDIES_EVERY: Duration = Duration::from_secs(60);

/// Serves until SIGTERM or SIGINT.
pub async fn run(config: Config) -> anyhow::Result<()> {
    telemetry::log(&config.logging)?;
    // From the first moment on: a signal during the start ends the server in order as well.
    let mut signals = Signals::listen()?;
    let numbers = telemetry::count()?;
    let clock = Clock::System;

    let dir = DataDir::lock(&config.server.data)?;
    let mut directory = Directory::open(&dir.control_db(), clock.clone())?;
    if let Some(key) = &config.root_key {
        directory = directory.with_root_key(key);
    }
    let directory = Arc::new(directory.with_issuers(issuers::of(&config)?));
    let commands = admin::Listener::bind(&dir).context("cannot open admin.sock")?;
    let (store, startup) = Store::open(store::Options::new(dir.weir_db()), clock.now())
        .with_context(|| format!("cannot open {}", dir.weir_db().display()))?;
    let roster = Roster::of(&config, &clock).await?;
    let post = post::of(&config)?;
    let listener = TcpListener::bind(config.server.listen)
        .await
        .with_context(|| format!("cannot listen on {}", config.server.listen))?;

    let address = listener.local_addr()?;
    let mut toolbox = Toolbox::new(&config.tools, &|name| std::env::var(name).ok(), clock.clone())
        .context("a tool is not configured as it should be")?;
    tools::add_to(&mut toolbox, &store, &clock)?;
    let files = Files::open(store.clone(), &dir.files(), clock.clone(), options::files(&config))
        .with_context(|| format!("cannot open {}", dir.files().display()))?;
    tools::add_files(&mut toolbox, &store, &files)?;
    let search = Search::new(store.clone(), Some(files.clone()), clock.clone(), &dir.search());
    tools::add_search(&mut toolbox, &store, &search)?;
    let place = mcp::Place {
        directory: dir.mcp(),
        callback: format!("{}{}", config.server.url(address), http::MCP_CALLBACK),
    };
    let servers = mcp::Servers::new(&config.mcp, &|name| std::env::var(name).ok(), &place, &clock)
        .map_err(|Misconfigured { key, detail }| config.error(&key, detail))?;
    let toolbox = toolbox.with_servers(servers.clone());
    let known = directory.clone();
    let members = Members::new(move |workspace_id, user_id| known.role(workspace_id, user_id));
    let bounds = options::bounds(&config);
    let runtime = Runtime::with_members(store.clone(), roster.agents, clock, bounds, toolbox, members)
        .with_files(files)
        .with_search(search.clone());
    runtime.recover(startup.unfinished).await;
    let imports = Imports::open(runtime.clone(), transfer::options(&config, &dir, runtime.agents()))
        .context("cannot open the imports")?;
    let notices = Notices::open(&dir.notify_db())
        .with_context(|| format!("cannot open {}", dir.notify_db().display()))?;
    let webhooks = Webhooks::new(runtime.clone(), notices.clone(), options::webhooks(&config));
    let edge = options::edges(&config);
    let state = http::State::new(runtime.clone(), directory.clone(), roster.providers, numbers, edge)
        .with_imports(imports.clone())
        .with_webhooks(webhooks.clone())
        .with_mcp(servers.clone());
    let mut chores = JoinSet::new();
    let state = match post {
        Some(post) => {
            let mail = MailOptions {
                url: config.server.url(address),
                gather: config.email.gather,
                approvals: config.email.approvals,
            };
            let mails = Mails::new(runtime.clone(), notices, directory.clone(), post, mail);
            let written = mails.clone();
            chores.spawn(async move { written.run().await });
            state.with_mails(mails)
        }
        None => state,
    };
    let stop = CancellationToken::new();
    let mut edges = JoinSet::new();
    edges.spawn(listen::serve(listener, http::router(state.clone()), stop.clone()));
    if let Some(address) = config.metrics.listen {
        let listener =
            TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
        edges.spawn(listen::serve(listener, http::metrics_router(state.clone()), stop.clone()));
    }
    edges.spawn({
        let stop = stop.clone();
        async move { servers.run(stop).await }
    });
    chores.spawn(tidy(directory.clone(), state.clone()));
    let tidied = runtime.clone();
    chores.spawn(async move { tidied.keep_tidy().await });
    let worked = imports.clone();
    chores.spawn(async move { worked.run().await });
    chores.spawn(async move { webhooks.run().await });
    chores.spawn(async move { search.run().await });
    announce::setup(&config, address, &directory)?;
    Stage::Ready.tell();
    let introduced = runtime.clone();
    chores.spawn(async move { announce::agents(&introduced).await });

    let desk = admin::Desk { runtime: runtime.clone(), imports };
    admin::serve(commands, &directory, Some(&desk), signals.next()).await;

    Stage::Stopping.tell();
    info!("stopping: no new turns, running ones get {:?}", config.server.grace);
    state.stop();
    tokio::select! {
        () = runtime.drain(config.server.grace) => {}
        () = signals.next() => info!("stopping at once"),
    }
    stop.cancel();
    edges.join_all().await;
    chores.shutdown().await;
    store.close().await;
    directory.save_usage()?;
    Ok(())
}

/// Writes down now and then when keys were last used, and forgets who was quiet.
async fn tidy(directory: Arc<Directory>, state: http::State) {
    loop {
        tokio::time::sleep(TIDIES_EVERY).await;
        state.tidy();
        if let Err(error) = directory.save_usage() {
            warn!(%error, "when the keys were last used could not be written down");
        }
    }
}

/// SIGTERM and SIGINT, each time that one of them comes.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! { _ = self.terminate.recv() => {} _ = self.interrupt.recv() => {} }
    }
}
