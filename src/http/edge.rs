//! Where a request comes from and what it calls us: its peer, the proxies before it, `Host` and `Origin`.
//!
//! A proxy is believed only where the operator trusts it. What another website makes a browser ask is refused here.

use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::http::header::{HOST, HeaderMap, ORIGIN};
use axum::http::request::Parts;
use tower::Service;

use super::Options;
use super::problem::{Error, Kind, Result};

/// The other end of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// Tells every request of a connection who its peer is.
#[derive(Debug, Clone)]
pub struct Addressed<S> {
    pub inner: S,
    pub peer: Peer,
}

impl<S, B> Service<Request<B>> for Addressed<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        request.extensions_mut().insert(self.peer);
        self.inner.call(request)
    }
}

/// Where a request comes from, as far as it can be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Of the client, not of a proxy that is trusted. `None` where nobody knows, as in a test of the router alone.
    pub address: Option<IpAddr>,
    /// The browser's connection is encrypted.
    pub is_tls: bool,
    /// What the client called us: host and port.
    host: Option<String>,
}

impl Place {
    pub fn of(parts: &Parts, options: &Options) -> Self {
        let headers = &parts.headers;
        let peer = parts.extensions.get::<Peer>().map(|peer| peer.0.ip().to_canonical());
        let trusted = |address: IpAddr| options.trusted_proxies.iter().any(|proxy| proxy.contains(&address));
        let behind_proxy = peer.is_some_and(trusted);
        let forwarded = |name: &str| headers.get(name).filter(|_| behind_proxy)?.to_str().ok();
        let address = match behind_proxy {
            // From the right, each was added by the one after it: the first that nobody vouches for is the client.
            true => forwarded_for(headers).rev().find(|address| !trusted(*address)).or(peer),
            false => peer,
        };
        let proto =
            forwarded("x-forwarded-proto").map(|list| list.split(',').next().unwrap_or_default().trim());
        let ours_is_tls = || options.public_url.as_deref().is_some_and(|url| url.starts_with("https://"));
        let host = forwarded("x-forwarded-host").or_else(|| headers.get(HOST)?.to_str().ok());
        let host = host.or_else(|| parts.uri.authority().map(axum::http::uri::Authority::as_str));
        Self {
            address,
            is_tls: proto.map_or_else(ours_is_tls, |proto| proto.eq_ignore_ascii_case("https")),
            host: host.map(str::to_ascii_lowercase),
        }
    }

    /// Refuses a request that came here under a name which is not ours: a website may point its own name at this
    /// address, and its pages would then be of our origin (DNS rebinding). An address is no such name.
    pub fn check_host(&self, options: &Options) -> Result<()> {
        let guarded = options.listens_on_loopback || options.public_url.is_some();
        let Some(host) = self.host.as_deref().filter(|_| guarded) else { return Ok(()) };
        let name = name_of(host);
        let is_address = name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        let public =
            options.public_url.as_deref().and_then(|url| url.split_once("://")).map(|(_, host)| host);
        match is_address || name == "localhost" || public.is_some_and(|public| name_of(public) == name) {
            true => Ok(()),
            false => {
                Err(Error::new(Kind::Misdirected, "this server has another name; see server.public_url"))
            }
        }
    }

    /// A page of ours: what is in `Origin` is what is in `Host`, or what people type.
    fn is_ours(&self, origin: &str, options: &Options) -> bool {
        let Some((scheme, authority)) = origin.split_once("://") else { return false };
        // Whoever sits between may serve an unencrypted page under our name.
        let is_safe = scheme == "https" || !self.is_tls;
        let is_host = self.host.as_deref() == Some(authority.to_ascii_lowercase().as_str());
        is_host && is_safe || options.public_url.as_deref() == Some(origin)
    }

    /// Proof that a page of ours asks, as only a browser can give it (`Sec-Fetch-Site`, or else `Origin`).
    pub fn is_same_origin(&self, headers: &HeaderMap, options: &Options) -> bool {
        let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
        match (text("sec-fetch-site"), text(ORIGIN.as_str())) {
            (Some(site), _) => site == "same-origin",
            (None, Some(origin)) => self.is_ours(origin, options),
            (None, None) => false,
        }
    }

    /// Some other website asks, by way of a person's browser. What is no browser says nothing of the kind.
    pub fn is_cross_site(&self, headers: &HeaderMap, options: &Options) -> bool {
        let says = headers.contains_key("sec-fetch-site") || headers.contains_key(ORIGIN);
        says && !self.is_same_origin(headers, options)
    }

    /// Whether a page of that origin may open a socket, with or without a cookie.
    pub fn may_connect(&self, headers: &HeaderMap, options: &Options) -> bool {
        let Some(origin) = headers.get(ORIGIN) else { return true };
        let origin = origin.to_str().unwrap_or_default();
        self.is_ours(origin, options) || options.allowed_origins.iter().any(|allowed| allowed == origin)
    }
}

fn forwarded_for(headers: &HeaderMap) -> impl DoubleEndedIterator<Item = IpAddr> {
    let lists = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).filter_map(|text| {
        let text = text.trim();
        let address = text.parse::<IpAddr>().or_else(|_| text.parse::<SocketAddr>().map(|place| place.ip()));
        address.ok().map(|address| address.to_canonical())
    })
}

/// A host without its port.
fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.is_empty() => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(options: &Options, peer: &str, headers: &[(&str, &str)]) -> Place {
        let mut request = Request::builder().uri("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        parts.extensions.insert(Peer(SocketAddr::new(peer.parse().unwrap(), 4000)));
        Place::of(&parts, options)
    }

    fn behind_a_proxy() -> Options {
        Options { trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()], ..Options::default() }
    }

    #[test]
    fn what_a_stranger_forwards_is_not_believed() {
        let headers = [("x-forwarded-for", "1.2.3.4"), ("x-forwarded-proto", "https"), ("host", "a:1")];
        let seen = place(&behind_a_proxy(), "192.0.2.1", &headers);
        assert_eq!(seen.address, Some("192.0.2.1".parse().unwrap()));
        assert!(!seen.is_tls);
    }

    #[test]
    fn the_client_is_the_last_address_that_no_trusted_proxy_added() {
        let headers =
            [("x-forwarded-for", "6.6.6.6, 192.0.2.7"), ("x-forwarded-for", "10.0.0.9"), ("host", "a")];
        let seen = place(&behind_a_proxy(), "10.1.2.3", &headers);
        assert_eq!(seen.address, Some("192.0.2.7".parse().unwrap()));
        let all_trusted = place(&behind_a_proxy(), "10.1.2.3", &[("x-forwarded-for", "10.0.0.9")]);
        assert_eq!(all_trusted.address, Some("10.1.2.3".parse().unwrap()));
    }

    #[test]
    fn a_name_that_is_not_ours_is_refused_on_loopback() {
        let options = Options { listens_on_loopback: true, ..Options::default() };
        for (host, allowed) in [
            ("127.0.0.1:8080", true),
            ("[::1]:8080", true),
            ("localhost:8080", true),
            ("LOCALHOST", true),
            ("evil.example", false),
            ("localhost.evil.example:8080", false),
            ("127.0.0.1.evil.example", false),
        ] {
            let seen = place(&options, "127.0.0.1", &[("host", host)]);
            assert_eq!(seen.check_host(&options).is_ok(), allowed, "{host}");
        }
        let options = Options { public_url: Some("https://chat.example.com".into()), ..options };
        for (host, allowed) in
            [("chat.example.com", true), ("chat.example.com:443", true), ("example.com", false)]
        {
            let seen = place(&options, "127.0.0.1", &[("host", host)]);
            assert_eq!(seen.check_host(&options).is_ok(), allowed, "{host}");
        }
    }

    #[test]
    fn an_unencrypted_page_of_our_name_is_not_ours_behind_tls() {
        let options = Options { public_url: Some("https://chat.example.com".into()), ..behind_a_proxy() };
        let headers = [("x-forwarded-proto", "https"), ("host", "chat.example.com")];
        let seen = place(&options, "10.1.2.3", &headers);
        for (origin, ours) in [("https://chat.example.com", true), ("http://chat.example.com", false)] {
            let map = HeaderMap::from_iter([(ORIGIN, origin.parse().unwrap())]);
            assert_eq!(seen.is_same_origin(&map, &options), ours, "{origin}");
            assert_eq!(seen.may_connect(&map, &options), ours, "{origin}");
        }
    }

    #[test]
    fn only_our_own_pages_are_of_our_origin() {
        let options = Options { allowed_origins: vec!["https://app.example".into()], ..Options::default() };
        for (headers, same_origin, cross_site) in [
            (vec![], false, false),
            (vec![("sec-fetch-site", "same-origin")], true, false),
            (vec![("sec-fetch-site", "same-site")], false, true),
            (vec![("sec-fetch-site", "cross-site"), ("origin", "http://weir.local:8080")], false, true),
            (vec![("origin", "http://weir.local:8080")], true, false),
            (vec![("origin", "http://weir.local:8081")], false, true),
            (vec![("origin", "https://app.example")], false, true),
            (vec![("origin", "null")], false, true),
        ] {
            let all: Vec<_> = [("host", "weir.local:8080")].into_iter().chain(headers.clone()).collect();
            let seen = place(&options, "192.0.2.1", &all);
            let map = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            let map: HeaderMap = map.collect();
            let found = (seen.is_same_origin(&map, &options), seen.is_cross_site(&map, &options));
            assert_eq!(found, (same_origin, cross_site), "{headers:?}");
        }
    }
}
