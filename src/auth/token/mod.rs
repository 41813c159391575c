//! JSON Web Tokens (RFC 7519): our own, and those that an embedding product signs.
//!
//! A token names its issuer, and the issuer decides the one algorithm and the keys that count; nothing in the token
//! does. `exp`, `nbf`, `iss`, `aud` and `sub` have to be there and of the right type.

mod issuer;
mod jwks;

use std::collections::HashSet;
use std::time::Duration;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, TokenData, Validation};
use serde::{Deserialize, Serialize};

use super::AuthError;
use crate::clock::Timestamp;
use crate::id::ConversationId;
use crate::scope::{Maker, Permission, WorkspaceRole};

pub use issuer::{Creation, Issuer, IssuerOptions, KeyMaterial, TokenAlgorithm};
pub use jwks::JwkSet;

/// Clocks differ by so much at most.
const LEEWAY: Duration = Duration::from_secs(5);

/// Of our own tokens, and what they are for.
pub const OUR_ISSUER: &str = "weir";

/// What a token says. Unknown claims are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    pub iss: String,
    /// Ours: a user's id. Another issuer's: whatever it calls its user.
    pub sub: String,
    /// Of ours, or what the issuer calls it. Absent: the default workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<WorkspaceRole>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<Permission>>,
    /// Nothing else is visible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation_ids: Option<Vec<ConversationId>>,
    /// Of ours: what it was made with. Says nothing in a token of somebody else's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weir_maker: Option<Maker>,
    /// Seconds since 1970.
    pub exp: u64,
    pub nbf: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iat: Option<u64>,
}

impl Claims {
    pub fn expires_at(&self) -> Timestamp {
        Timestamp::from_millis(i64::try_from(self.exp.saturating_mul(1000)).unwrap_or(i64::MAX))
    }
}

/// What a token says of itself, before anyone believes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    pub issuer: String,
    pub kid: Option<String>,
}

impl Label {
    /// `None` for what is no token. Three parts of base64url; an extension that has to be understood is not.
    pub fn of(token: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Named {
            iss: String,
        }
        let header = jsonwebtoken::decode_header(token).ok()?;
        let mut parts = token.split('.');
        let (head, body) = (decoded(parts.next()?)?, decoded(parts.next()?)?);
        let head: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&head).ok()?;
        if head.contains_key("crit") {
            return None;
        }
        let Named { iss } = serde_json::from_slice(&body).ok()?;
        Some(Self { issuer: iss, kid: header.kid })
    }
}

fn decoded(part: &str) -> Option<Vec<u8>> {
    data_encoding::BASE64URL_NOPAD.decode(part.as_bytes()).ok()
}

/// Checks the signature and every claim.
fn verify(
    token: &str,
    key: &DecodingKey,
    algorithm: Algorithm,
    issuer: &str,
    audience: &str,
    now: Timestamp,
) -> Result<Claims, AuthError> {
    let mut validation = Validation::new(algorithm);
    validation.leeway = LEEWAY.as_secs();
    validation.required_spec_claims = HashSet::from(["exp", "nbf", "iss", "aud", "sub"].map(str::to_owned));
    validation.set_issuer(&[issuer]);
    validation.set_audience(&[audience]);
    // The time is ours to say: see below.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    let decoded = jsonwebtoken::decode::<Claims>(token, key, &validation);
    let TokenData { claims, .. } = decoded.map_err(|error| match error.kind() {
        ErrorKind::ExpiredSignature => AuthError::Expired,
        _ => AuthError::Unknown,
    })?;
    let (seconds, leeway) = (u64::try_from(now.millis() / 1000).unwrap_or(0), LEEWAY.as_secs());
    if claims.exp.saturating_add(leeway) <= seconds {
        return Err(AuthError::Expired);
    }
    match claims.nbf <= seconds.saturating_add(leeway) && !claims.sub.is_empty() {
        true => Ok(claims),
        false => Err(AuthError::Unknown),
    }
}

/// The secret that our own tokens are signed with (HMAC-SHA-256). Made at the first start, and kept.
pub struct Mint {
    signing: EncodingKey,
    checking: DecodingKey,
}

#[derive(Serialize)]
struct Minted<'a> {
    #[serde(flatten)]
    claims: &'a Claims,
    aud: &'a str,
}

impl Mint {
    pub fn new(secret: &[u8]) -> Self {
        Self { signing: EncodingKey::from_secret(secret), checking: DecodingKey::from_secret(secret) }
    }

    pub fn sign(&self, claims: &Claims) -> String {
        let minted = Minted { claims, aud: OUR_ISSUER };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &minted, &self.signing)
            .expect("claims are made of JSON types")
    }

    pub fn check(&self, token: &str, now: Timestamp) -> Result<Claims, AuthError> {
        verify(token, &self.checking, Algorithm::HS256, OUR_ISSUER, OUR_ISSUER, now)
    }
}
