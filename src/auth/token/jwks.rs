//! A set of public keys as their owner publishes it (RFC 7517).

use std::time::Duration;

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, PublicKeyUse};
use serde_json::Value;

use super::issuer::TokenAlgorithm;

const WITHIN: Duration = Duration::from_secs(5);
const MOST_BYTES: usize = 256 * 1024;

#[derive(Debug, Default)]
pub struct JwkSet(Vec<Jwk>);

#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("{0}")]
    Http(#[from] reqwest::Error),
    #[error("answered {0}")]
    Status(u16),
    #[error("is longer than {MOST_BYTES} bytes")]
    TooLong,
    #[error("is not a set of keys")]
    Malformed,
}

impl JwkSet {
    /// Follows no redirect: the operator named the place.
    pub async fn fetch(client: &reqwest::Client, url: &str) -> Result<Self, FetchError> {
        let mut answer = client.get(url).timeout(WITHIN).send().await?;
        if answer.status() != reqwest::StatusCode::OK {
            return Err(FetchError::Status(answer.status().as_u16()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            body.extend_from_slice(&chunk);
            if body.len() > MOST_BYTES {
                return Err(FetchError::TooLong);
            }
        }
        Self::read(&body).ok_or(FetchError::Malformed)
    }

    /// Keys of kinds that are not known here are left out.
    fn read(body: &[u8]) -> Option<Self> {
        let document: Value = serde_json::from_slice(body).ok()?;
        let keys = document.get("keys")?.as_array()?;
        Some(Self(keys.iter().filter_map(|key| serde_json::from_value(key.clone()).ok()).collect()))
    }

    /// The key of that id, if it is one for that algorithm and for signatures.
    pub fn key(&self, kid: &str, algorithm: TokenAlgorithm) -> Option<DecodingKey> {
        let jwk = self.0.iter().find(|jwk| jwk.common.key_id.as_deref() == Some(kid))?;
        let fits = match algorithm {
            TokenAlgorithm::RS256 => matches!(jwk.algorithm, AlgorithmParameters::RSA(_)),
            TokenAlgorithm::EdDsa => matches!(jwk.algorithm, AlgorithmParameters::OctetKeyPair(_)),
            TokenAlgorithm::HS256 => false,
        };
        let named = jwk.common.key_algorithm.map(|named| named.to_string());
        let is_named = named.is_none_or(|named| named == format!("{:?}", algorithm.algorithm()));
        let signs = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
        if fits && is_named && signs { DecodingKey::from_jwk(jwk).ok() } else { None }
    }
}
