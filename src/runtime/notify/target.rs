//! Where a webhook may lead: public addresses over TLS, and the hosts that the operator vouches for.

use reqwest::Url;

use crate::tool::public_net;

const MOST_BYTES: usize = 2000;

#[derive(Debug, Clone, Default)]
pub struct Targets {
    /// Hosts, as they stand in a URL, that may have any address and need no TLS.
    pub vouched_for: Vec<String>,
}

/// Why a URL is none for a webhook, in the words of what is expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub &'static str);

impl Targets {
    pub fn check(&self, url: &str) -> Result<Url, Refused> {
        if url.len() > MOST_BYTES {
            return Err(Refused("at most 2000 bytes"));
        }
        let url = Url::parse(url).map_err(|_| Refused("expected a URL"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refused("expected no user or password in it; deliveries are signed"));
        }
        let vouched_for = self.vouches_for(&url);
        match url.scheme() {
            "https" => {}
            "http" if vouched_for => {}
            _ => return Err(Refused("expected https")),
        }
        match public_net::check(&url) {
            Err(_) if !vouched_for => Err(Refused("expected a public address")),
            Ok(()) | Err(_) => Ok(url),
        }
    }

    pub fn vouches_for(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        self.vouched_for.iter().any(|vouched_for| vouched_for.eq_ignore_ascii_case(host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_over_tls_unless_the_operator_vouches() {
        let targets = Targets { vouched_for: vec!["hooks.internal".to_owned(), "127.0.0.1".to_owned()] };
        for (url, allowed) in [
            ("https://example.com/hook", true),
            ("http://example.com/hook", false),
            ("http://hooks.internal/hook", true),
            ("http://127.0.0.1:9/hook", true),
            ("https://169.254.169.254/latest", false),
            ("https://[::ffff:127.0.0.1]/", false),
            ("https://[::1]/", false),
            ("https://2130706433/", true),
            ("https://0x7f.1/", true),
            ("https://10.0.0.1/", false),
            ("https://user:password@example.com/", false),
            ("ftp://example.com/", false),
            ("file:///etc/passwd", false),
            ("nonsense", false),
        ] {
            assert_eq!(targets.check(url).is_ok(), allowed, "{url}");
        }
        // Every spelling of an address is that address.
        let none = Targets::default();
        for url in ["https://2130706433/", "https://0x7f.1/", "https://127.0.0.1/"] {
            assert!(none.check(url).is_err(), "{url}");
        }
    }
}
