//! One attempt of a delivery: a signed POST, its answer read a little, nothing followed.

use std::sync::Arc;
use std::time::Duration;

use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, Response};
use tokio::time::{Instant, timeout, timeout_at};

use super::target::Targets;
use crate::clock::Timestamp;
use crate::notify::{Attempt, Due, sign};
use crate::tool::public_net::{NotPublic, PublicResolver, system_resolver};

/// From the look-up of the name to the end of what is read of the answer.
const WHOLE: Duration = Duration::from_secs(15);
const CONNECT: Duration = Duration::from_secs(10);
/// Of an answer, once its status is known.
const BODY: Duration = Duration::from_secs(2);
const MOST_ANSWER_BYTES: usize = 1024;
/// Nobody is made to wait longer than the longest pause.
const MOST_RETRY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Clone)]
pub struct Sender {
    targets: Targets,
    /// Reaches public addresses alone.
    guarded: Client,
    /// For the hosts that the operator vouches for.
    open: Client,
}

impl Sender {
    pub fn new(targets: Targets) -> Self {
        let client = || {
            Client::builder()
                .user_agent(concat!("weir/", env!("CARGO_PKG_VERSION")))
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .pool_max_idle_per_host(0)
                .connect_timeout(CONNECT)
                .no_proxy()
        };
        let guard = Arc::new(PublicResolver::new(system_resolver()));
        let built = "a client without settings of the system's can be built";
        Self {
            targets,
            guarded: client().dns_resolver(guard).build().expect(built),
            open: client().build().expect(built),
        }
    }

    pub async fn send(&self, due: &Due, now: Timestamp) -> Attempt {
        // The configuration may be another one than when the webhook was made.
        let url = match self.targets.check(&due.url) {
            Ok(url) => url,
            Err(refused) => return failed(format!("the URL is not allowed: {refused}")),
        };
        let client = if self.targets.vouches_for(&url) { &self.open } else { &self.guarded };
        let id = due.id.to_string();
        let request = client
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", &id)
            .header("webhook-timestamp", now.millis().div_euclid(1000).to_string())
            .header("webhook-signature", sign(&due.secrets, &id, now, &due.payload))
            .body(due.payload.clone());
        let until = Instant::now() + WHOLE;
        match timeout_at(until, request.send()).await {
            Ok(Ok(response)) => answered(response, now).await,
            Ok(Err(error)) => failed(reason(&error)),
            Err(_) => failed(format!("there was no answer within {WHOLE:?}")),
        }
    }
}

fn failed(error: String) -> Attempt {
    Attempt { error: Some(error), ..Attempt::default() }
}

async fn answered(response: Response, now: Timestamp) -> Attempt {
    let status = response.status().as_u16();
    let retry_after = retry_after(response.headers(), now);
    Attempt { status: Some(status), answer: Some(beginning(response).await), error: None, retry_after }
}

/// Whoever streams forever is read no further than this.
async fn beginning(mut response: Response) -> String {
    let mut bytes = Vec::new();
    let read = async {
        while bytes.len() < MOST_ANSWER_BYTES {
            let Ok(Some(chunk)) = response.chunk().await else { break };
            bytes.extend_from_slice(&chunk[..chunk.len().min(MOST_ANSWER_BYTES - bytes.len())]);
        }
    };
    // What there is by then is enough.
    let _ = timeout(BODY, read).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

/// In seconds, or as a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = DateTimeParser::new().parse_timestamp(text).ok()?;
            Timestamp::from_millis(date.as_millisecond()).since(now)
        }
    };
    Some(wait.min(MOST_RETRY_AFTER))
}

fn reason(error: &reqwest::Error) -> String {
    let causes = || std::iter::successors(std::error::Error::source(error), |error| error.source());
    if let Some(refused) = causes().find_map(|cause| cause.downcast_ref::<NotPublic>()) {
        return format!("{refused}, and webhooks lead only to such");
    }
    match error.is_connect() {
        true => "no connection could be made".to_owned(),
        false => "the connection broke before there was an answer".to_owned(),
    }
}
