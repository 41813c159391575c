//! The life of one server: connected, listed, listened to, and connected again when it is gone.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use futures_util::FutureExt;
use parking_lot::Mutex;
use rmcp::model::{CancelledNotificationParam, ProtocolVersion, ServerNotification, SubscriptionFilter};
use rmcp::service::{Peer, RoleClient, Subscription};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::McpConfig;
use super::endpoint::{Broken, Endpoint, Manners, Started};
use super::handler::Handler;
use super::link::{Calls, Link, MOST_ABANDONED};
use super::listing::{self, Listing};
use super::oauth::OAuth;
use super::process;
use super::status::{Connection, Status};
use crate::clock::Clock;

/// For the first words, and for the list.
const PATIENCE: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A connection that lasted so long was a good one.
const STEADY: Duration = Duration::from_secs(30);
const FAREWELL: Duration = Duration::from_secs(2);
const MOST_ERROR_CHARS: usize = 500;

pub(super) struct Server {
    pub shared: Arc<Shared>,
    pub oauth: Option<Arc<OAuth>>,
    endpoint: Endpoint,
    clock: Clock,
}

/// What its tools know of it.
pub(super) struct Shared {
    pub name: String,
    pub config: McpConfig,
    link: ArcSwapOption<Link>,
    pub listing: ArcSwap<Listing>,
    status: Mutex<Status>,
    hurry: Notify,
    refresh: Notify,
    /// Whether it ever said what it has.
    listed: watch::Sender<bool>,
}

impl Shared {
    pub(super) fn link(&self) -> Option<Arc<Link>> {
        self.link.load_full()
    }

    /// Somebody waits for it: the next try is now.
    pub(super) fn hurry(&self) {
        self.hurry.notify_one();
    }

    /// Lists its tools again, or tries to connect.
    pub(super) fn refresh(&self) {
        self.refresh.notify_one();
        self.hurry();
    }

    pub(super) async fn listed(&self) {
        // The sender lives as long as this.
        let _ = self.listed.subscribe().wait_for(|listed| *listed).await;
    }

    pub(super) fn status(&self) -> Status {
        let mut status = self.status.lock().clone();
        let listing = self.listing.load();
        status.tools = listing.tools.keys().cloned().collect();
        status.left_out.clone_from(&listing.left_out);
        status
    }
}

impl Server {
    pub(super) fn new(
        name: String,
        config: McpConfig,
        endpoint: Endpoint,
        oauth: Option<Arc<OAuth>>,
        clock: Clock,
    ) -> Self {
        let status = Status {
            name: name.clone(),
            connection: Connection::Connecting,
            since: clock.now(),
            protocol: None,
            title: None,
            tools: Vec::new(),
            left_out: Vec::new(),
            last_error: None,
            signs_in: oauth.as_ref().is_some_and(|oauth| oauth.needs_a_person()),
        };
        let shared = Shared {
            name,
            config,
            link: ArcSwapOption::empty(),
            listing: ArcSwap::default(),
            status: Mutex::new(status),
            hurry: Notify::new(),
            refresh: Notify::new(),
            listed: watch::Sender::new(false),
        };
        Self { shared: Arc::new(shared), oauth, endpoint, clock }
    }

    /// Until it is told to stop.
    pub(super) async fn run(&self, stop: &CancellationToken) {
        let (mut pause, mut manners) = (FIRST_PAUSE, Manners::New);
        loop {
            let began = Instant::now();
            let ended = self.connect(manners, stop).await;
            self.shared.link.store(None);
            if stop.is_cancelled() {
                return;
            }
            if began.elapsed() > STEADY {
                pause = FIRST_PAUSE;
            }
            match &ended {
                Ok(()) => self.is(Connection::Connecting, Some("the connection ended".to_owned())),
                Err(Broken::NeedsAuthorization) => {
                    self.is(Connection::NeedsAuthorization, Some(Broken::NeedsAuthorization.to_string()));
                    pause = LONGEST_PAUSE;
                }
                Err(Broken::Misunderstood(why)) => {
                    self.is(Connection::Failed, Some(why.clone()));
                    manners = Manners::Old;
                }
                Err(Broken::Because(why)) => {
                    self.is(Connection::Failed, Some(why.clone()));
                    manners = Manners::New;
                }
            }
            tokio::select! {
                () = sleep(pause) => {}
                () = self.shared.hurry.notified() => {}
                () = stop.cancelled() => return,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// One connection, from its start to its end.
    async fn connect(&self, manners: Manners, stop: &CancellationToken) -> Result<(), Broken> {
        let (mut started, errors) = self.endpoint.start(&self.shared.config)?;
        let log = async {
            if let Some(errors) = errors {
                process::log(&self.shared.name, errors).await;
            }
            std::future::pending::<()>().await;
        };
        let ended = tokio::select! {
            ended = self.talk(&mut started, manners, stop) => ended,
            () = log => Ok(()),
        };
        started.end().await;
        ended
    }

    async fn talk(
        &self,
        started: &mut Started<'_>,
        manners: Manners,
        stop: &CancellationToken,
    ) -> Result<(), Broken> {
        let calls = Arc::new(Calls::default());
        let greeting = timeout(PATIENCE, started.greet(Handler(calls.clone()), manners));
        let service = tokio::select! {
            greeted = greeting => greeted.map_err(|_| too_slow())??,
            () = stop.cancelled() => return Ok(()),
        };
        let (peer, cancel) = (service.peer().clone(), service.cancellation_token());
        let (abandoned, mut given_up) = mpsc::channel(MOST_ABANDONED);
        self.list(&peer).await?;
        let link = Arc::new(Link {
            peer: peer.clone(),
            calls: calls.clone(),
            abandoned,
            lost: Notify::new(),
            challenge: started.challenge(),
        });
        self.shared.link.store(Some(link.clone()));
        self.ready(&peer);
        let mut news = subscribe(&peer).await;
        let mut closed = pin!(service.waiting().fuse());
        loop {
            tokio::select! {
                _ = &mut closed => return Ok(()),
                () = link.lost.notified() => break,
                () = stop.cancelled() => break,
                () = calls.changed.notified() => self.list(&peer).await?,
                () = self.shared.refresh.notified() => self.list(&peer).await?,
                () = news_of_tools(&mut news) => self.list(&peer).await?,
                Some(id) = given_up.recv() => {
                    let reason = "nobody waits for it any more".to_owned();
                    let told = CancelledNotificationParam::new(Some(id), Some(reason));
                    // A connection that is gone has forgotten it as well.
                    let _ = timeout(FAREWELL, peer.notify_cancelled(told)).await;
                }
            }
        }
        self.shared.link.store(None);
        cancel.cancel();
        // Who says no farewell is left behind.
        let _ = timeout(FAREWELL, closed).await;
        Ok(())
    }

    /// What it had stays until it says otherwise.
    async fn list(&self, peer: &Peer<RoleClient>) -> Result<(), Broken> {
        let told = timeout(PATIENCE, listing::read(peer)).await.map_err(|_| too_slow())?;
        let told = told.map_err(|error| Broken::Because(format!("its tools cannot be listed: {error}")))?;
        let listing = listing::of(&self.shared, told);
        info!(server = self.shared.name, tools = listing.tools.len(), "an MCP server says what it has");
        for why in &listing.left_out {
            warn!(server = self.shared.name, why, "a tool of an MCP server is left out");
        }
        self.shared.listing.store(Arc::new(listing));
        self.shared.listed.send_replace(true);
        Ok(())
    }

    fn ready(&self, peer: &Peer<RoleClient>) {
        self.is(Connection::Ready, None);
        if let Some(info) = peer.peer_info() {
            let mut status = self.shared.status.lock();
            status.protocol = Some(info.protocol_version.to_string());
            status.title = info.server_info.as_ref().map(|server| server.name.chars().take(100).collect());
        }
    }

    fn is(&self, connection: Connection, error: Option<String>) {
        let error = error.map(|error| error.chars().take(MOST_ERROR_CHARS).collect::<String>());
        if let Some(error) = &error {
            warn!(server = self.shared.name, error, "an MCP server is not connected");
        }
        let mut status = self.shared.status.lock();
        if status.connection != connection {
            status.since = self.clock.now();
        }
        status.connection = connection;
        status.last_error = error;
    }
}

fn too_slow() -> Broken {
    Broken::Because(format!("it did not answer within {PATIENCE:?}"))
}

/// Since the revision without a handshake, who wants to hear of other tools has to say so.
async fn subscribe(peer: &Peer<RoleClient>) -> Option<Subscription> {
    let info = peer.peer_info()?;
    if info.protocol_version < ProtocolVersion::V_2026_07_28 {
        return None;
    }
    let filter = SubscriptionFilter::builder().tools_list_changed().build();
    timeout(PATIENCE, peer.listen(filter)).await.ok()?.ok()
}

async fn news_of_tools(news: &mut Option<Subscription>) {
    while let Some(subscription) = news {
        match subscription.next().await {
            Ok(Some(ServerNotification::ToolListChangedNotification(_))) => return,
            Ok(Some(_)) => {}
            // It is not listened to any more; the next connection asks again.
            Ok(None) | Err(_) => *news = None,
        }
    }
    std::future::pending().await
}
