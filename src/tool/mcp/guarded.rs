//! The HTTP clients of remote servers: public addresses only, unless the operator vouches for the host, and no
//! redirect is followed.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use reqwest::dns::Resolve;
use reqwest::redirect::Policy;
use rmcp::transport::auth::{OAuthHttpClient, OAuthHttpClientError, OAuthHttpClientFuture, OAuthHttpRequest};

use crate::tool::public_net::{self, PublicResolver};

const LONGEST_CONNECT: Duration = Duration::from_secs(10);
const LONGEST_EXCHANGE: Duration = Duration::from_secs(30);
const MOST_BYTES: usize = 1 << 20;

#[derive(Clone)]
pub(super) struct Guarded {
    /// For what streams: it has no end of its own.
    pub client: reqwest::Client,
    allow_private_address: bool,
}

impl Guarded {
    /// Every request has a connection of its own: one that was kept may be closed by the other side just as a call is
    /// sent, and then nobody could tell whether the call happened.
    pub(super) fn new(allow_private_address: bool, resolver: Arc<dyn Resolve>) -> reqwest::Result<Self> {
        let client = reqwest::Client::builder()
            .user_agent(concat!("weir/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .pool_max_idle_per_host(0)
            .connect_timeout(LONGEST_CONNECT);
        let client = match allow_private_address {
            true => client.dns_resolver(resolver),
            false => client.dns_resolver(Arc::new(PublicResolver::new(resolver))).no_proxy(),
        };
        Ok(Self { client: client.build()?, allow_private_address })
    }

    async fn exchange(
        &self,
        request: http::Request<Vec<u8>>,
    ) -> Result<http::Response<Vec<u8>>, OAuthHttpClientError> {
        let mut request = reqwest::Request::try_from(request)?;
        // Where to go comes from the other side's documents.
        if !self.allow_private_address {
            public_net::check(request.url())?;
        }
        *request.timeout_mut() = Some(LONGEST_EXCHANGE);
        let answer = self.client.execute(request).await.map_err(reqwest::Error::without_url)?;
        let mut response = http::Response::builder().status(answer.status());
        if let Some(headers) = response.headers_mut() {
            headers.clone_from(answer.headers());
        }
        let (mut body, mut chunks) = (Vec::new(), answer.bytes_stream());
        while let Some(chunk) = chunks.next().await {
            body.extend_from_slice(&chunk.map_err(reqwest::Error::without_url)?);
            if body.len() > MOST_BYTES {
                return Err("the answer is too long".into());
            }
        }
        Ok(response.body(body)?)
    }
}

impl OAuthHttpClient for Guarded {
    /// Redirects are answered as they are: discovery follows those of the same origin by itself, each through here.
    fn execute(&self, request: OAuthHttpRequest) -> OAuthHttpClientFuture<'_> {
        Box::pin(self.exchange(request.request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_document_leads_to_no_private_address() {
        let guarded = |allow| Guarded::new(allow, public_net::system_resolver()).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        for host in ["127.0.0.1", "[::ffff:127.0.0.1]", "localhost"] {
            let request = http::Request::get(format!("http://{host}:{port}/token")).body(Vec::new()).unwrap();
            assert!(guarded(false).exchange(request).await.is_err(), "{host}");
        }
        // Nobody came, and would have been heard.
        let come = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
        assert!(come.is_err());
        let request = http::Request::get(format!("http://127.0.0.1:{port}/token")).body(Vec::new()).unwrap();
        let vouched = guarded(true);
        tokio::select! {
            _ = vouched.exchange(request) => unreachable!("nobody answers"),
            come = listener.accept() => assert!(come.is_ok()),
        }
    }
}
