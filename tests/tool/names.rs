//! A world where names mean what a test says.

use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Answers every name with the same addresses.
pub struct Names(pub Vec<SocketAddr>);

impl Resolve for Names {
    fn resolve(&self, _: Name) -> Resolving {
        let addresses = self.0.clone();
        Box::pin(async move {
            match addresses.is_empty() {
                true => Err("no such name".into()),
                false => Ok(Box::new(addresses.into_iter()) as Addrs),
            }
        })
    }
}
