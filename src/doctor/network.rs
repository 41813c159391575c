//! Where the server listens, what people call it, and whom it believes about that.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use super::Check;
use crate::admin;
use crate::config::{Config, Origin};
use crate::data_dir::Worker;

const RESOLVES_WITHIN: Duration = Duration::from_secs(5);

/// Whether the address is free, or the server that runs answers there.
pub fn listen(config: &Config, worker: Option<Worker>) -> Check {
    const NAME: &str = "listen";
    let listen = config.server.listen;
    match worker {
        Some(_) => match admin::probe(listen, "/readyz") {
            Ok(200) => Check::ok(NAME, format!("the server answers on {listen}, and takes work")),
            Ok(status) => Check::warn(
                NAME,
                format!("the server answers {status} on {listen}: it takes no work"),
                "it is stopping, or its storage is sealed: look at its log, and restart it",
            ),
            Err(error) => Check::fail(
                NAME,
                format!("the running server does not answer on {listen}: {error}"),
                "it was started with another address: give doctor the same settings",
            ),
        },
        None => match TcpListener::bind(listen) {
            Ok(_) => Check::ok(NAME, format!("{listen} is free")),
            Err(error) => {
                let advice = match error.kind() {
                    io::ErrorKind::AddrInUse => "another program listens there: end it, or set server.listen",
                    io::ErrorKind::PermissionDenied => {
                        "ports below 1024 need a right: take a higher one behind a proxy"
                    }
                    _ => "set server.listen to an address of this machine",
                };
                Check::fail(NAME, format!("{listen}: {error}"), advice)
            }
        },
    }
}

/// What people type, the proxies before us, and pages elsewhere.
pub async fn addresses(config: &Config) -> Vec<Check> {
    let mut checks = vec![public_url(config).await];
    checks.extend(proxies(config));
    checks.extend(origins(config));
    if config.metrics.listen.is_some_and(|listen| !listen.ip().is_loopback()) {
        let advice = "let only the scraper reach it, or use metrics.token on the server's own address";
        checks.push(Check::warn("metrics", "whoever reaches metrics.listen reads all numbers", advice));
    }
    checks
}

async fn public_url(config: &Config) -> Check {
    const NAME: &str = "public_url";
    let on_loopback = config.server.listen.ip().is_loopback();
    let Some(url) = &config.server.public_url else {
        return match on_loopback {
            true => Check::ok(NAME, "not set: only this machine reaches the server"),
            false => Check::warn(
                NAME,
                "not set, and other machines reach the server: any Host is taken, nothing is encrypted",
                "put a TLS proxy before it, and set server.public_url to what people type",
            ),
        };
    };
    let host = host(url);
    let is_local = is_local(host);
    if url.as_str().starts_with("http://") && !is_local {
        let advice =
            "serve it by https: passwords and sessions pass in the clear, and browsers withhold features";
        return Check::warn(NAME, format!("{url} is not encrypted"), advice);
    }
    if is_local {
        return match on_loopback {
            true => Check::ok(NAME, url.to_string()),
            false => {
                Check::warn(NAME, format!("{url} means this machine alone"), "set it to what people type")
            }
        };
    }
    let resolved = tokio::time::timeout(RESOLVES_WITHIN, tokio::net::lookup_host((host, 443))).await;
    match resolved {
        Ok(Ok(_)) => Check::ok(NAME, url.to_string()),
        Ok(Err(_)) | Err(_) => {
            let advice = "fine if only its users can; else correct the name or its DNS records";
            Check::warn(NAME, format!("the name in {url} cannot be resolved from here"), advice)
        }
    }
}

fn proxies(config: &Config) -> Option<Check> {
    const NAME: &str = "trusted_proxies";
    let proxies = &config.server.trusted_proxies;
    let is_tls = config.server.public_url.as_ref().is_some_and(|url| url.as_str().starts_with("https://"));
    if proxies.iter().any(|network| network.net().prefix_len() == 0) {
        let found = "everyone is trusted to say which address they come from";
        return Some(Check::fail(NAME, found, "name the proxy's own address or network"));
    }
    match (proxies.is_empty(), is_tls) {
        (true, true) => Some(Check::warn(
            NAME,
            "none, so that everyone behind the TLS proxy has one address, and one allowance to sign in",
            "set server.trusted_proxies to the proxy's address, such as 127.0.0.1",
        )),
        (true, false) => None,
        (false, _) => Some(Check::ok(NAME, format!("{} believed", proxies.len()))),
    }
}

fn origins(config: &Config) -> Vec<Check> {
    const NAME: &str = "allowed_origins";
    let origins = &config.server.allowed_origins;
    let clear = |origin: &&Origin| origin.as_str().starts_with("http://") && !is_local(host(origin));
    let mut checks: Vec<Check> = origins
        .iter()
        .filter(clear)
        .map(|origin| {
            let found = format!("{origin} is not encrypted: whoever sits between may use its users' tokens");
            Check::warn(NAME, found, "use its https address")
        })
        .collect();
    if checks.is_empty() && !origins.is_empty() {
        checks.push(Check::ok(NAME, format!("{} may call the API with a token", origins.len())));
    }
    checks
}

/// The host of an origin, without its port.
fn host(origin: &Origin) -> &str {
    let authority = origin.as_str().split_once("://").map_or("", |(_, authority)| authority);
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

fn is_local(host: &str) -> bool {
    let address = format!("{host}:0").parse::<SocketAddr>();
    host == "localhost"
        || host.ends_with(".localhost")
        || address.is_ok_and(|address| address.ip().is_loopback())
}
