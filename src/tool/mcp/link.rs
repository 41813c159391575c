//! One connection to a server, and the calls that run on it.

use std::error::Error as StdError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use rmcp::model::{
    CallToolRequest, CallToolRequestParams, ClientRequest, NumberOrString, ProgressToken, RequestId,
    ServerResult,
};
use rmcp::service::{Peer, PeerRequestOptions, RoleClient, ServiceError};
use rmcp::transport::streamable_http_client::StreamableHttpError;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep, sleep_until};

use super::oauth::Challenge;
use crate::tool::{Asker, Invocation, Outcome, Progress};

/// Calls that were dropped and of which the server is still to be told.
pub(super) const MOST_ABANDONED: usize = 256;

/// A question may arrive before it is known under which id its call was sent.
const MOMENTS: [Duration; 3] = [Duration::ZERO, Duration::from_millis(20), Duration::from_millis(200)];

pub(super) struct Link {
    pub peer: Peer<RoleClient>,
    pub calls: Arc<Calls>,
    pub abandoned: mpsc::Sender<RequestId>,
    /// Somebody found out that it leads nowhere.
    pub lost: Notify,
    pub challenge: Option<Arc<Challenge>>,
}

#[derive(Default)]
pub(super) struct Calls {
    table: Mutex<Table>,
    /// The server has other tools now.
    pub changed: Notify,
}

#[derive(Default)]
struct Table {
    running: Vec<Arc<Running>>,
    /// Until then the server may go on with a call that nobody here waits for any more.
    haunted_until: Option<Instant>,
}

pub(super) struct Running {
    /// Known once it was sent.
    sent: OnceLock<(RequestId, ProgressToken)>,
    /// Whether another call ran at any time since it began.
    company: AtomicBool,
    pub progress: Progress,
    pub asker: Asker,
    /// The server said something about it.
    pub heard: Notify,
    asking: AtomicUsize,
}

/// As long as this lives, a person thinks.
pub(super) struct Thinking<'a>(&'a Running);

impl Link {
    /// One request. An error is the call's outcome already.
    pub(super) async fn call(
        &self,
        params: CallToolRequestParams,
        call: &Invocation,
        timeout: Duration,
    ) -> Result<ServerResult, Outcome> {
        let request = ClientRequest::CallToolRequest(CallToolRequest::new(params));
        // Written down before it is sent: from then on the server may ask something.
        let running = self.calls.begin(call);
        let mut open = Open { link: self, running: &running, timeout, is_over: false };
        let sent = self.peer.send_request_with_option(request, PeerRequestOptions::no_options()).await;
        let Ok(mut handle) = sent else {
            open.is_over = true;
            self.lost.notify_one();
            return Err(Outcome::Unreachable("the server is not connected".to_owned()));
        };
        let known = running.sent.set((handle.id.clone(), handle.progress_token.clone()));
        known.expect("it is sent once");
        let mut until = Instant::now() + timeout;
        let answer = loop {
            tokio::select! {
                biased;
                answer = &mut handle.rx => break answer,
                () = running.heard.notified() => until = Instant::now() + timeout,
                () = sleep_until(until) => match running.asking.load(Ordering::Acquire) {
                    0 => return Err(Outcome::Unknown(format!("the server did not answer within {timeout:?}"))),
                    _ => until = Instant::now() + timeout,
                },
            }
        };
        open.is_over = true;
        match answer {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(error)) => Err(self.failed(&error)),
            Err(_) => {
                self.lost.notify_one();
                Err(Outcome::Unknown("the connection broke before the server answered".to_owned()))
            }
        }
    }

    /// "Unreachable" only where it is certain that the server was not asked.
    fn failed(&self, error: &ServiceError) -> Outcome {
        let broke = || Outcome::Unknown("the connection broke before the server answered".to_owned());
        match error {
            ServiceError::McpError(error) => {
                let said: String = error.message.chars().take(2000).collect();
                Outcome::Failed(format!("the server refused: {said}"))
            }
            ServiceError::TransportSend(error) => {
                self.lost.notify_one();
                if let (Some(challenge), Some(said)) = (&self.challenge, challenge_of(error.error.as_ref())) {
                    challenge.heard(said);
                }
                match of_send(error.error.as_ref()) {
                    Sent::No(why) => Outcome::Unreachable(why.to_owned()),
                    Sent::Refused(why) => Outcome::Failed(why.to_owned()),
                    Sent::Perhaps => broke(),
                }
            }
            ServiceError::TransportClosed => {
                self.lost.notify_one();
                broke()
            }
            ServiceError::Cancelled { .. } => Outcome::Unknown("the server gave the call up".to_owned()),
            _ => broke(),
        }
    }
}

enum Sent {
    No(&'static str),
    Refused(&'static str),
    Perhaps,
}

fn challenge_of<'a>(error: &'a (dyn StdError + Send + Sync + 'static)) -> Option<&'a str> {
    error.downcast_ref::<StreamableHttpError<reqwest::Error>>()?.auth_challenge()
}

fn of_send(error: &(dyn StdError + Send + Sync + 'static)) -> Sent {
    // A process that reads no more: the end of the line never left, and without it nothing is a message.
    if error.is::<std::io::Error>() {
        return Sent::No("the server's process has ended");
    }
    let Some(error) = error.downcast_ref::<StreamableHttpError<reqwest::Error>>() else {
        return Sent::Perhaps;
    };
    match error {
        StreamableHttpError::Client(error) if error.is_connect() => {
            Sent::No("the server could not be reached")
        }
        StreamableHttpError::SessionExpired => Sent::No("the server has forgotten the session"),
        StreamableHttpError::AuthRequired(_) | StreamableHttpError::Auth(_) => {
            Sent::No("somebody has to sign in for the server first")
        }
        StreamableHttpError::InsufficientScope(_) => Sent::Refused("the server wants more rights for this"),
        StreamableHttpError::HttpStatus(status) if status.status == 429 => Sent::No("the server is too busy"),
        _ => Sent::Perhaps,
    }
}

/// Dropped without an answer, the server is told that nobody waits any more.
struct Open<'a> {
    link: &'a Link,
    running: &'a Arc<Running>,
    timeout: Duration,
    is_over: bool,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        let mut table = self.link.calls.table.lock();
        table.running.retain(|one| !Arc::ptr_eq(one, self.running));
        if self.is_over {
            return;
        }
        // It may not listen, and go on for as long as any call may take.
        let until = Instant::now() + self.timeout;
        table.haunted_until = Some(table.haunted_until.map_or(until, |earlier| earlier.max(until)));
        if let Some((id, _)) = self.running.sent.get() {
            // Where so many are waiting to be told, the connection is as good as dead.
            let _ = self.link.abandoned.try_send(id.clone());
        }
    }
}

impl Calls {
    fn begin(&self, call: &Invocation) -> Arc<Running> {
        let mut table = self.table.lock();
        let running = Arc::new(Running {
            sent: OnceLock::new(),
            company: AtomicBool::new(!table.running.is_empty()),
            progress: call.progress.clone(),
            asker: call.asker.clone(),
            heard: Notify::new(),
            asking: AtomicUsize::new(0),
        });
        table.running.iter().for_each(|other| other.company.store(true, Ordering::Release));
        table.running.push(running.clone());
        running
    }

    pub(super) fn with_token(&self, token: &ProgressToken) -> Option<Arc<Running>> {
        self.find(|(_, its)| its == token)
    }

    pub(super) async fn with_id(&self, id: &NumberOrString) -> Option<Arc<Running>> {
        for moment in MOMENTS {
            sleep(moment).await;
            if let Some(found) = self.find(|(its, _)| its == id) {
                return Some(found);
            }
        }
        None
    }

    fn find(&self, is_it: impl Fn(&(RequestId, ProgressToken)) -> bool) -> Option<Arc<Running>> {
        self.table.lock().running.iter().find(|one| one.sent.get().is_some_and(&is_it)).cloned()
    }

    /// The call that runs, if it was alone from its beginning. Of two, nobody can say whose a question is: it may have
    /// been asked before one of them ended, and one that was given up may ask as well.
    pub(super) fn only_one(&self) -> Option<Arc<Running>> {
        let table = self.table.lock();
        let is_haunted = table.haunted_until.is_some_and(|until| Instant::now() < until);
        match table.running.as_slice() {
            [one] if !is_haunted && !one.company.load(Ordering::Acquire) => Some(one.clone()),
            _ => None,
        }
    }
}

impl Running {
    pub(super) fn ask(&self) -> Thinking<'_> {
        self.asking.fetch_add(1, Ordering::AcqRel);
        Thinking(self)
    }
}

impl Drop for Thinking<'_> {
    fn drop(&mut self) {
        self.0.asking.fetch_sub(1, Ordering::AcqRel);
        self.0.heard.notify_one();
    }
}
