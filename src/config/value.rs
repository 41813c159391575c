//! Values that serde does not know how to read, each with words for what it expects.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer};

/// Scheme, host and port, as a browser writes them in `Origin`: `https://chat.example.com`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin(String);

impl Origin {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Origin {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let uri: http::Uri = text.parse().map_err(|_| ())?;
        let scheme = uri.scheme_str().filter(|scheme| matches!(*scheme, "http" | "https")).ok_or(())?;
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@')).ok_or(())?;
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(());
        }
        let default_port = if scheme == "http" { ":80" } else { ":443" };
        let authority = authority.as_str().to_ascii_lowercase();
        Ok(Self(format!("{scheme}://{}", authority.strip_suffix(default_port).unwrap_or(&authority))))
    }
}

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        parsed(d, r#"an origin such as "https://chat.example.com""#)
    }
}

/// An address or a block of addresses: `10.0.0.0/8`, `::1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network(IpNet);

impl Network {
    pub const fn net(self) -> IpNet {
        self.0
    }
}

impl FromStr for Network {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let net = text.parse::<IpNet>().ok();
        net.or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from)).map(Self).ok_or(())
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        parsed(d, r#"an address or network such as "10.0.0.0/8""#)
    }
}

const SOCKET_ADDR: &str = r#"an address and port such as "127.0.0.1:8080""#;

pub fn socket_addr<'de, D: Deserializer<'de>>(d: D) -> Result<SocketAddr, D::Error> {
    parsed(d, SOCKET_ADDR)
}

pub fn optional_socket_addr<'de, D: Deserializer<'de>>(d: D) -> Result<Option<SocketAddr>, D::Error> {
    parsed(d, SOCKET_ADDR).map(Some)
}

pub fn durations<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<Duration>, D::Error> {
    let spans = Vec::<Span>::deserialize(d)?;
    Ok(spans.into_iter().map(|span| span.0).collect())
}

struct Span(Duration);

impl FromStr for Span {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        humantime_serde::re::humantime::parse_duration(text).map(Self).map_err(|_| ())
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        parsed(d, r#"a time such as "5m""#)
    }
}

pub fn log_filter<'de, D: Deserializer<'de>>(d: D) -> Result<String, D::Error> {
    parsed::<_, LogFilter>(d, r#"a level such as "info" or a filter such as "warn,weir=debug""#)
        .map(|filter| filter.0)
}

struct LogFilter(String);

impl FromStr for LogFilter {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        // To the filter a word alone may also be a target; here it is a level, so that a misspelt one is found.
        let words = text.split(',').filter(|directive| !directive.contains(['=', '[']));
        for word in words {
            word.trim().parse::<tracing::level_filters::LevelFilter>().map_err(|_| ())?;
        }
        tracing_subscriber::EnvFilter::try_new(text).map_err(|_| ())?;
        Ok(Self(text.to_owned()))
    }
}

fn parsed<'de, D: Deserializer<'de>, T: FromStr>(d: D, expected: &'static str) -> Result<T, D::Error> {
    struct Text<T>(&'static str, std::marker::PhantomData<T>);

    impl<T: FromStr> serde::de::Visitor<'_> for Text<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
        }
    }

    d.deserialize_str(Text(expected, std::marker::PhantomData))
}
