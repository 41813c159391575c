//! The edges: parse, authorise, call, encode. No turn logic, no tasks.
//!
//! Every route stands in one table with the rule of who may use it (`routes.rs`), every error in another
//! (`problem.rs`). The wire types live here, beside the endpoint that speaks them.

mod auth;
mod cookie;
pub mod edge;
mod feed;
mod idempotency;
mod json;
mod layers;
mod limits;
mod native;
pub mod openapi;
mod prefer;
mod problem;
mod query;
mod range;
mod rate;
mod routes;
mod slots;
mod sse;
pub mod stall;
mod stream;
mod ui;
mod ws;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use ipnet::IpNet;
use metrics_exporter_prometheus::PrometheusHandle;
use secrecy::SecretString;

use crate::auth::Directory;
use crate::provider::Provider;
use crate::runtime::Runtime;
use crate::runtime::files::Files;
use crate::runtime::import::Imports;
use crate::runtime::notify::{Mails, Webhooks};
use crate::tool::mcp::Servers;
use rate::Rates;
use slots::Slots;

pub use limits::Limits;
pub use openapi::openapi;
pub use routes::{Rule, every_route};

/// Where the configuration says nothing else.
const REQUESTS_PER_MINUTE: u32 = 1200;
const STREAMS_PER_USER: u32 = 256;

/// What the edges are told by the configuration.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub limits: Limits,
    /// Pages elsewhere that may call the API, without cookies: `https://app.example.com`.
    pub allowed_origins: Vec<String>,
    /// What people type; a page from there is ours.
    pub public_url: Option<String>,
    /// Whose `X-Forwarded-*` headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Only this machine reaches the server, so only its own names are ours.
    pub listens_on_loopback: bool,
    /// Of one user or key.
    pub requests_per_minute: Option<u32>,
    /// Streams and sockets that one user has open.
    pub streams_per_user: Option<u32>,
    /// Opens `/metrics` on the server's own address. Without one it is not there.
    pub metrics_token: Option<SecretString>,
}

pub use native::mcp::CALLBACK as MCP_CALLBACK;

/// What every handler works with. Cheap to clone.
#[derive(Clone)]
pub struct State(Arc<Shared>);

struct Shared {
    runtime: Runtime,
    directory: Arc<Directory>,
    providers: BTreeMap<String, Arc<dyn Provider>>,
    numbers: PrometheusHandle,
    options: Options,
    rates: Rates,
    slots: Slots,
    stopping: AtomicBool,
    imports: OnceLock<Imports>,
    webhooks: OnceLock<Webhooks>,
    mails: OnceLock<Mails>,
    mcp: OnceLock<Servers>,
}

impl State {
    pub fn new(
        runtime: Runtime,
        directory: Arc<Directory>,
        providers: BTreeMap<String, Arc<dyn Provider>>,
        numbers: PrometheusHandle,
        options: Options,
    ) -> Self {
        let rates = Rates::new(options.requests_per_minute.unwrap_or(REQUESTS_PER_MINUTE));
        let slots = Slots::new(options.streams_per_user.unwrap_or(STREAMS_PER_USER));
        let stopping = AtomicBool::new(false);
        let (imports, webhooks, mails, mcp) =
            (OnceLock::new(), OnceLock::new(), OnceLock::new(), OnceLock::new());
        Self(Arc::new(Shared {
            runtime,
            directory,
            providers,
            numbers,
            options,
            rates,
            slots,
            stopping,
            imports,
            webhooks,
            mails,
            mcp,
        }))
    }

    /// Takes files of conversations from now on.
    pub fn with_imports(self, imports: Imports) -> Self {
        // Given twice, the first ones stay.
        let _ = self.0.imports.set(imports);
        self
    }

    fn files(&self) -> problem::Result<&Files> {
        let closed = || problem::Error::new(problem::Kind::Unavailable, "this server keeps no files");
        self.runtime().files().ok_or_else(closed)
    }

    /// Tells others from now on.
    pub fn with_webhooks(self, webhooks: Webhooks) -> Self {
        // Given twice, the first ones stay.
        let _ = self.0.webhooks.set(webhooks);
        self
    }

    fn webhooks(&self) -> problem::Result<&Webhooks> {
        let closed = || problem::Error::new(problem::Kind::Unavailable, "this server has no webhooks");
        self.0.webhooks.get().ok_or_else(closed)
    }

    /// Writes mails from now on.
    pub fn with_mails(self, mails: Mails) -> Self {
        // Given twice, the first ones stay.
        let _ = self.0.mails.set(mails);
        self
    }

    /// `None` where this server writes none.
    fn mails(&self) -> Option<&Mails> {
        self.0.mails.get()
    }

    /// The MCP servers that operators look after here.
    pub fn with_mcp(self, servers: Servers) -> Self {
        // Given twice, the first ones stay.
        let _ = self.0.mcp.set(servers);
        self
    }

    fn mcp(&self) -> &Servers {
        self.0.mcp.get_or_init(Servers::default)
    }

    fn imports(&self) -> problem::Result<&Imports> {
        let closed = || problem::Error::new(problem::Kind::Unavailable, "this server takes no imports");
        self.0.imports.get().ok_or_else(closed)
    }

    /// From now on `/readyz` says no, and open streams end, so that their clients look for another place.
    pub fn stop(&self) {
        self.0.stopping.store(true, Ordering::Release);
    }

    /// Lets go of what is known of those who were quiet for a while. Call it about once a minute.
    pub fn tidy(&self) {
        self.0.rates.forget_the_quiet();
    }

    fn slots(&self) -> &Slots {
        &self.0.slots
    }

    fn rates(&self) -> &Rates {
        &self.0.rates
    }

    fn is_stopping(&self) -> bool {
        self.0.stopping.load(Ordering::Acquire)
    }

    fn runtime(&self) -> &Runtime {
        &self.0.runtime
    }

    fn directory(&self) -> &Directory {
        &self.0.directory
    }

    fn shared_directory(&self) -> Arc<Directory> {
        self.0.directory.clone()
    }

    /// Changes something in the directory, which waits for the disk.
    async fn with_directory<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Directory) -> Result<T, crate::auth::Error> + Send + 'static,
    ) -> problem::Result<T> {
        let directory = self.shared_directory();
        let done = self.runtime().aside(move || f(&directory)).await;
        done.map_err(|error| problem::Error::internal(&error))
    }

    fn limits(&self) -> &Limits {
        &self.0.options.limits
    }

    fn providers(&self) -> &BTreeMap<String, Arc<dyn Provider>> {
        &self.0.providers
    }

    fn numbers(&self) -> &PrometheusHandle {
        &self.0.numbers
    }

    fn options(&self) -> &Options {
        &self.0.options
    }
}

impl FromRequestParts<Self> for State {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, state: &Self) -> Result<Self, Infallible> {
        Ok(state.clone())
    }
}

/// Everything on the server's own address.
pub fn router(state: State) -> Router {
    layers::around(routes::router(&state).merge(ui::router()), &state).with_state(state)
}

/// `/metrics` alone, for an address of its own that needs no token.
pub fn metrics_router(state: State) -> Router {
    let render = move || std::future::ready(native::operations::exposition(&state));
    Router::new().route("/metrics", axum::routing::get(render))
}
