//! A tool behind HTTP: one POST per call, and an honest word on what came of it.
//!
//! Every call has a connection of its own. One that was kept may be closed by the other side at the moment of the
//! request, and then nobody could tell whether the call happened.

mod answer;
mod config;
mod redact;

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use reqwest::Url;
use reqwest::dns::Resolve;
use serde_json::json;
use tokio::time::{sleep, timeout};

use crate::chat::context::ToolSpec;

use self::answer::Try;
use self::redact::Redactor;
use super::public_net::{NotPublic, PublicResolver};
use super::{Invocation, Misconfigured, Outcome, Source, Tool};

pub use config::HttpToolConfig;

/// Before each further try of an idempotent tool.
const PAUSES: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(1)];
const LONGEST_CONNECT: Duration = Duration::from_secs(10);

pub struct HttpTool {
    spec: ToolSpec,
    url: Url,
    client: reqwest::Client,
    timeout: Duration,
    is_idempotent: bool,
    redactor: Redactor,
}

impl HttpTool {
    /// Makes the tool `[tools.<name>]`. The resolver's answers are kept to public addresses unless
    /// [`HttpToolConfig::allow_private_address`] says otherwise.
    pub fn new(
        name: &str,
        config: &HttpToolConfig,
        env: &dyn Fn(&str) -> Option<String>,
        resolver: Arc<dyn Resolve>,
    ) -> Result<Self, Misconfigured> {
        let url = config.check(name)?;
        let (headers, redactor) = config.headers(name, env)?;
        let client = reqwest::Client::builder()
            .default_headers(headers)
            .user_agent(concat!("weir/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .pool_max_idle_per_host(0)
            // Less than the whole time, so that it is known when nothing was sent.
            .connect_timeout(LONGEST_CONNECT.min(config.timeout / 2));
        let client = match config.allow_private_address {
            true => client.dns_resolver(resolver),
            false => client.dns_resolver(Arc::new(PublicResolver::new(resolver))).no_proxy(),
        };
        let client = client
            .build()
            .map_err(|error| Misconfigured::of(name, "url", error.without_url().to_string()))?;
        let spec = ToolSpec {
            name: name.to_owned(),
            description: config.description.clone(),
            schema: config.schema.clone(),
        };
        Ok(Self { spec, url, client, timeout: config.timeout, is_idempotent: config.idempotent, redactor })
    }

    async fn call(&self, call: &Invocation) -> Outcome {
        let first = match self.attempt(call).await {
            Try::Over(outcome) => return outcome,
            Try::Open(detail) => detail,
        };
        if !self.is_idempotent {
            return Outcome::Unknown(first);
        }
        let mut last = first;
        for pause in PAUSES {
            sleep(pause).await;
            last = match self.attempt(call).await {
                // An earlier try was sent, so "never started" is no longer true.
                Try::Over(Outcome::Unreachable(detail)) | Try::Open(detail) => detail,
                Try::Over(outcome) => return outcome,
            };
        }
        Outcome::Failed(format!("{last}, after {} tries", PAUSES.len() + 1))
    }

    async fn attempt(&self, call: &Invocation) -> Try {
        let request =
            self.client.post(self.url.clone()).header("idempotency-key", call.call_id.to_string()).json(
                &json!({
                    "call_id": call.call_id,
                    "args": call.args,
                    "conversation_id": call.conversation_id,
                }),
            );
        let exchange = async {
            match request.send().await {
                Ok(response) => answer::of(response, &self.redactor).await,
                Err(error) => self.not_answered(error),
            }
        };
        match timeout(self.timeout, exchange).await {
            Ok(result) => result,
            Err(_) => Try::Open(format!("the tool did not answer within {:?}", self.timeout)),
        }
    }

    /// Whatever breaks before there is a connection happens before anything of the call is sent.
    fn not_answered(&self, error: reqwest::Error) -> Try {
        let has_sent = !error.is_connect();
        let error = error.without_url();
        if let Some(refused) = cause::<NotPublic>(&error) {
            return Try::Over(Outcome::Failed(format!("{refused}, and the tool may only call such")));
        }
        match has_sent {
            true => Try::Open("the connection broke before the tool answered".to_owned()),
            false => Try::Over(Outcome::Unreachable("the tool could not be reached".to_owned())),
        }
    }
}

impl Tool for HttpTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn source(&self) -> Source {
        Source::Http
    }

    fn is_idempotent(&self) -> bool {
        self.is_idempotent
    }

    fn run(&self, call: Invocation) -> BoxFuture<'_, Outcome> {
        async move { self.call(&call).await }.boxed()
    }
}

fn cause<E: std::error::Error + 'static>(error: &reqwest::Error) -> Option<&E> {
    std::iter::successors(std::error::Error::source(error), |error| error.source())
        .find_map(|error| error.downcast_ref())
}
