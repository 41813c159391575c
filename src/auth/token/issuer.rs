//! A product that embeds us and signs tokens for its own users.

use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey};
use parking_lot::RwLock;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{AuthError, Claims, Label, jwks::JwkSet, verify};
use crate::clock::Timestamp;

/// Keys that were fetched are fetched again after so long, so that one that was withdrawn counts no more.
const FRESH: Duration = Duration::from_secs(15 * 60);

/// And for a key that is not among them, at most so often.
const AGAIN: Duration = Duration::from_secs(30);

/// Whether users and workspaces that nobody has seen before are made when a token names them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Creation {
    #[default]
    Refuse,
    Create,
}

/// The one algorithm of an issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
pub enum TokenAlgorithm {
    HS256,
    RS256,
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl TokenAlgorithm {
    pub(super) const fn algorithm(self) -> Algorithm {
        match self {
            Self::HS256 => Algorithm::HS256,
            Self::RS256 => Algorithm::RS256,
            Self::EdDsa => Algorithm::EdDSA,
        }
    }
}

/// What an issuer's tokens are checked with.
#[derive(Debug, Clone)]
pub enum KeyMaterial {
    Secret(SecretString),
    /// PEM.
    PublicKey(String),
    /// Where the keys are (RFC 7517), by their `kid`.
    JwksUrl(String),
}

#[derive(Debug, Clone)]
pub struct IssuerOptions {
    /// What its users and workspaces are remembered under.
    pub name: String,
    pub issuer: String,
    pub audience: String,
    pub algorithm: TokenAlgorithm,
    pub keys: KeyMaterial,
    pub users: Creation,
    pub workspaces: Creation,
}

/// A key does not belong to the algorithm that it is given for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the key of issuer `{issuer}` is no {algorithm:?} key")]
pub struct UnusableKey {
    pub issuer: String,
    pub algorithm: TokenAlgorithm,
}

pub struct Issuer {
    pub options: IssuerOptions,
    keys: Keys,
}

enum Keys {
    One(DecodingKey),
    Fetched(Fetched),
}

struct Fetched {
    url: String,
    client: reqwest::Client,
    set: RwLock<(JwkSet, Option<Instant>)>,
    /// One fetches, the others wait for it; with the time of the last try.
    fetching: Mutex<Option<Instant>>,
}

impl Issuer {
    pub fn new(options: IssuerOptions, client: &reqwest::Client) -> Result<Self, UnusableKey> {
        let unusable = || UnusableKey { issuer: options.name.clone(), algorithm: options.algorithm };
        let keys = match (&options.keys, options.algorithm) {
            (KeyMaterial::Secret(secret), TokenAlgorithm::HS256) => {
                Keys::One(DecodingKey::from_secret(secret.expose_secret().as_bytes()))
            }
            (KeyMaterial::PublicKey(pem), TokenAlgorithm::RS256) => {
                Keys::One(DecodingKey::from_rsa_pem(pem.as_bytes()).map_err(|_| unusable())?)
            }
            (KeyMaterial::PublicKey(pem), TokenAlgorithm::EdDsa) => {
                Keys::One(DecodingKey::from_ed_pem(pem.as_bytes()).map_err(|_| unusable())?)
            }
            (KeyMaterial::JwksUrl(url), TokenAlgorithm::RS256 | TokenAlgorithm::EdDsa) => {
                Keys::Fetched(Fetched {
                    url: url.clone(),
                    client: client.clone(),
                    set: RwLock::default(),
                    fetching: Mutex::default(),
                })
            }
            // A public key as an HMAC secret is the oldest forgery there is.
            (KeyMaterial::Secret(_), TokenAlgorithm::RS256 | TokenAlgorithm::EdDsa)
            | (KeyMaterial::PublicKey(_) | KeyMaterial::JwksUrl(_), TokenAlgorithm::HS256) => {
                return Err(unusable());
            }
        };
        Ok(Self { options, keys })
    }

    pub async fn check(&self, token: &str, label: &Label, now: Timestamp) -> Result<Claims, AuthError> {
        let with = |key: &DecodingKey| {
            let IssuerOptions { issuer, audience, algorithm, .. } = &self.options;
            verify(token, key, algorithm.algorithm(), issuer, audience, now)
        };
        match &self.keys {
            Keys::One(key) => with(key),
            Keys::Fetched(fetched) => {
                let kid = label.kid.as_deref().ok_or(AuthError::Unknown)?;
                let key = fetched.key(kid, self.options.algorithm).await.ok_or(AuthError::Unknown)?;
                with(&key)
            }
        }
    }
}

impl Fetched {
    async fn key(&self, kid: &str, algorithm: TokenAlgorithm) -> Option<DecodingKey> {
        if let Some(key) = self.known(kid, algorithm, FRESH) {
            return Some(key);
        }
        let mut last = self.fetching.lock().await;
        // Whoever waited finds what the one before fetched.
        if let Some(key) = self.known(kid, algorithm, FRESH) {
            return Some(key);
        }
        if last.is_none_or(|last| last.elapsed() >= AGAIN) {
            *last = Some(Instant::now());
            match JwkSet::fetch(&self.client, &self.url).await {
                Ok(set) => *self.set.write() = (set, Some(Instant::now())),
                Err(error) => tracing::warn!(%error, "an issuer's keys could not be fetched"),
            }
        }
        // Where the issuer cannot be reached, what is known goes on to count for a day.
        self.known(kid, algorithm, Duration::from_secs(86_400))
    }

    fn known(&self, kid: &str, algorithm: TokenAlgorithm, at_most: Duration) -> Option<DecodingKey> {
        let set = self.set.read();
        let (set, fetched_at) = &*set;
        fetched_at.filter(|at| at.elapsed() <= at_most)?;
        set.key(kid, algorithm)
    }
}
