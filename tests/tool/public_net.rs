//! Which addresses are public, however they are written.

use std::sync::Arc;

use reqwest::Url;
use reqwest::dns::Resolve;
use weir::tool::public_net::{NotPublic, PublicResolver, check, is_public};

use crate::names::Names;

#[test]
fn addresses_of_the_internet_are_public() {
    for address in [
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.167.255.255",
        "198.17.255.255",
        "223.255.255.255",
        "2606:4700:4700::1111",
        "2a00:1450:4001::200e",
        "::ffff:1.1.1.1",
        "64:ff9b::1.1.1.1",
    ] {
        assert!(is_public(address.parse().unwrap()), "{address}");
    }
}

#[test]
fn every_other_address_is_not() {
    for address in [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.170",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:0:127.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::1.1.1.1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ] {
        assert!(!is_public(address.parse().unwrap()), "{address}");
    }
}

#[test]
fn an_address_in_a_url_is_seen_through_every_spelling() {
    for url in [
        "http://127.0.0.1/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f.0.0.1/",
        "http://0177.0.0.1/",
        "http://127.0.0.1./",
        "http://１２７.0.0.1/",
        "http://user@10.0.0.1:8080/",
        "http://[::1]/",
        "http://[::ffff:7f00:1]/",
        "http://[fd00::1]:8080/",
        "http://169.254.169.254/latest/meta-data/",
    ] {
        assert!(check(&Url::parse(url).unwrap()).is_err(), "{url}");
    }
    for url in ["https://1.1.1.1/", "https://[2606:4700:4700::1111]/", "https://shop.example/"] {
        assert_eq!(check(&Url::parse(url).unwrap()), Ok(()), "{url}");
    }
}

#[tokio::test]
async fn a_resolver_answers_only_what_is_public() {
    let answered = async |addresses: &[&str]| {
        let addresses =
            addresses.iter().map(|address| (address.parse::<std::net::IpAddr>().unwrap(), 0).into());
        let resolver = PublicResolver::new(Arc::new(Names(addresses.collect())));
        let answer = resolver.resolve("rebind.test".parse().unwrap()).await;
        answer.map(|addresses| addresses.map(|address| address.ip().to_string()).collect::<Vec<_>>())
    };
    let mixed = answered(&["127.0.0.1", "1.1.1.1", "::1", "fe80::1", "::ffff:10.0.0.1"]).await;
    assert_eq!(mixed.unwrap(), ["1.1.1.1"]);

    let refused = answered(&["10.0.0.1", "169.254.169.254"]).await.unwrap_err();
    assert_eq!(refused.downcast_ref(), Some(&NotPublic { host: "rebind.test".to_owned() }));
    assert_eq!(answered(&[]).await.unwrap_err().to_string(), "no such name");
}
