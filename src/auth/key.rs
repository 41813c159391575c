//! The text of an API key, a session's token or a setup code, and the hash that is kept of it.

use std::fmt;

use data_encoding::BASE32_NOPAD;
use rand::TryRng;
use rand::rngs::SysRng;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// What a text begins with, so that people and scanners know it when they see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextKind {
    ApiKey,
    Session,
    SetupCode,
}

impl TextKind {
    const fn prefix(self) -> &'static str {
        match self {
            Self::ApiKey => "weir_",
            Self::Session => "wsess_",
            Self::SetupCode => "wsetup_",
        }
    }
}

/// A prefix and 256 random bits in base32. Shown once, to the person who asked for it.
#[derive(Clone)]
pub struct KeyText(SecretString);

impl KeyText {
    pub(super) fn random(kind: TextKind) -> Self {
        let mut secret = [0; 32];
        SysRng.try_fill_bytes(&mut secret).expect("the system has randomness");
        Self(format!("{}{}", kind.prefix(), BASE32_NOPAD.encode(&secret).to_ascii_lowercase()).into())
    }

    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// 20 of the 256 bits: enough to recognise a key, no help in guessing it.
    pub(super) fn prefix(&self) -> String {
        self.expose()[..TextKind::ApiKey.prefix().len() + 4].to_owned()
    }

    pub(super) fn hash(&self) -> KeyHash {
        KeyHash::of(self.expose())
    }
}

impl From<String> for KeyText {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyText(..)")
    }
}

/// SHA-256 of a credential. A fast hash will do, since what it hides has 256 random bits (or 32 characters at least).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct KeyHash(pub [u8; 32]);

impl KeyHash {
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    /// In a time that says nothing about where the two differ.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}
