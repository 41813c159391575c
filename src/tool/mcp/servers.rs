//! Every server of the configuration.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::config::{McpConfig, Target};
use super::endpoint::{Endpoint, Remote};
use super::guarded::Guarded;
use super::oauth::{AuthorizationRefused, Callback, OAuth};
use super::server::Server;
use super::status::Status;
use crate::clock::Clock;
use crate::id::UserId;
use crate::tool::{Misconfigured, Tool, public_net};

/// A call whose server has not said yet what it has waits for it so long.
const PATIENCE: Duration = Duration::from_secs(120);

/// What this server is to others.
#[derive(Debug, Clone)]
pub struct Place {
    /// Where tokens are kept. Made when the first one comes.
    pub directory: PathBuf,
    /// Where a browser comes back to.
    pub callback: String,
}

/// Cheap to clone. Nothing is connected before [`Self::run`] is polled.
#[derive(Clone, Default)]
pub struct Servers(Arc<BTreeMap<String, Server>>);

impl Servers {
    pub fn new(
        configured: &BTreeMap<String, McpConfig>,
        env: &dyn Fn(&str) -> Option<String>,
        place: &Place,
        clock: &Clock,
    ) -> Result<Self, Misconfigured> {
        let mut servers = BTreeMap::new();
        for (name, config) in configured {
            let (endpoint, oauth) = endpoint(name, config, env, place)?;
            let server = Server::new(name.clone(), config.clone(), endpoint, oauth, clock.clone());
            servers.insert(name.clone(), server);
        }
        Ok(Self(Arc::new(servers)))
    }

    /// Connects to all of them, each for itself, and stays connected until it is told to stop.
    pub async fn run(&self, stop: CancellationToken) {
        join_all(self.0.values().map(|server| server.run(&stop))).await;
    }

    /// What they said last that they have, by the names that agents use.
    pub fn tools(&self) -> BTreeMap<String, Arc<dyn Tool>> {
        let listings = self.0.values().map(|server| server.shared.listing.load());
        let mut all = BTreeMap::new();
        for listing in listings {
            all.extend(listing.tools.iter().map(|(name, tool)| (name.clone(), tool.clone())));
        }
        all
    }

    pub fn get(&self, name: &str) -> Option<Arc<dyn Tool>> {
        self.of_tool(name)?.shared.listing.load().tools.get(name).cloned()
    }

    /// Waits a while for the server of that tool, where it has not said yet what it has.
    /// What people approved waits for as long as its turn does.
    pub async fn await_server_of(&self, name: &str, approved: bool) {
        let Some(server) = self.of_tool(name) else { return };
        match approved {
            true => server.shared.listed().await,
            // Whether it came or not: what follows looks at what there is.
            false => drop(timeout(PATIENCE, server.shared.listed()).await),
        }
    }

    pub fn statuses(&self) -> Vec<Status> {
        self.0.values().map(|server| server.shared.status()).collect()
    }

    pub fn status(&self, name: &str) -> Option<Status> {
        Some(self.0.get(name)?.shared.status())
    }

    /// Has a server list its tools again, or connects to it at once. `None`: there is no such server.
    pub fn refresh(&self, name: &str) -> Option<()> {
        self.0.get(name)?.shared.refresh();
        Some(())
    }

    /// Where a user's browser has to go to sign in for a server. `None`: there is no such server.
    pub async fn begin(&self, name: &str, by: UserId) -> Option<Result<String, AuthorizationRefused>> {
        let server = self.0.get(name)?;
        Some(match &server.oauth {
            Some(oauth) => oauth.begin(by).await,
            None => Err(AuthorizationRefused::NotOffered),
        })
    }

    /// The browser came back. Gives the name of the server that is connected to now.
    pub async fn finish(&self, callback: &Callback, by: UserId) -> Result<String, AuthorizationRefused> {
        let begun = self.0.values().find_map(|server| {
            let oauth = server.oauth.as_ref().filter(|oauth| oauth.knows(&callback.state))?;
            Some((server, oauth))
        });
        let (server, oauth) = begun.ok_or(AuthorizationRefused::UnknownState)?;
        oauth.finish(callback, by).await?;
        server.shared.hurry();
        Ok(server.shared.name.clone())
    }

    fn of_tool(&self, name: &str) -> Option<&Server> {
        self.0.get(name.split_once('.')?.0)
    }
}

fn endpoint(
    name: &str,
    config: &McpConfig,
    env: &dyn Fn(&str) -> Option<String>,
    place: &Place,
) -> Result<(Endpoint, Option<Arc<OAuth>>), Misconfigured> {
    let url = match config.target(name)? {
        Target::Command { program, arguments } => {
            return Ok((Endpoint::Command { program, arguments }, None));
        }
        Target::Http(url) => url,
    };
    let guarded = Guarded::new(config.allow_private_address, public_net::system_resolver())
        .map_err(|error| Misconfigured::in_section("mcp", name, "url", &error.without_url().to_string()))?;
    let oauth = config.auth.map(|auth| {
        let file = place.directory.join(format!("{name}.json"));
        Arc::new(OAuth::new(&url, auth, config, guarded.clone(), file, place.callback.clone()))
    });
    let headers = config.headers(name, env)?;
    let remote = Remote { url: url.as_str().into(), guarded, headers, oauth: oauth.clone() };
    Ok((Endpoint::Http(remote), oauth))
}
