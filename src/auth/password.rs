//! Passwords: argon2id, in the same time for whoever is asked about.

use std::sync::LazyLock;

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use rand::TryRng;
use rand::rngs::SysRng;
use secrecy::{ExposeSecret, SecretString};

/// Shorter ones are refused (NIST SP 800-63B asks for 8 at least).
pub const LEAST_CHARS: usize = 10;

/// Longer ones would let anyone choose how much there is to hash.
pub const MOST_BYTES: usize = 1024;

/// 19 MiB, 2 passes, 1 lane: the first choice of OWASP's password storage cheat sheet.
fn argon2id() -> Argon2<'static> {
    let params = Params::new(19 * 1024, 2, 1, None).expect("the parameters are within argon2's bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// What is kept of a password, as a PHC string. Takes some 20 ms of a core and 19 MiB.
pub(super) fn hash(password: &SecretString) -> String {
    let mut salt = [0; 16];
    SysRng.try_fill_bytes(&mut salt).expect("the system has randomness");
    let salt = SaltString::encode_b64(&salt).expect("16 bytes are a salt");
    let hash = argon2id().hash_password(password.expose_secret().as_bytes(), &salt);
    hash.expect("a bounded password can be hashed").to_string()
}

/// Whether the password is the one that was hashed. Without one, the same work is done for nothing, so that the time
/// does not tell whether there is such a user.
pub(super) fn matches(password: &SecretString, kept: Option<&str>) -> bool {
    metrics::counter!("weir_password_checks_total").increment(1);
    let parsed = PasswordHash::new(kept.unwrap_or(&NOBODYS)).or_else(|_| PasswordHash::new(&NOBODYS));
    let parsed = parsed.expect("a hash of our own is a PHC string");
    let verified = argon2id().verify_password(password.expose_secret().as_bytes(), &parsed);
    verified.is_ok() && kept.is_some()
}

/// Made with other parameters than new ones are.
pub(super) fn is_outdated(kept: &str) -> bool {
    let parsed = PasswordHash::new(kept).ok();
    let params = parsed.and_then(|hash| Params::try_from(&hash).ok());
    let now = argon2id();
    params.is_none_or(|kept| {
        let now = now.params();
        (kept.m_cost(), kept.t_cost(), kept.p_cost()) != (now.m_cost(), now.t_cost(), now.p_cost())
    })
}

static NOBODYS: LazyLock<String> = LazyLock::new(|| hash(&SecretString::from("nobody has this password")));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_matches_its_own_hash_and_no_other() {
        let (right, wrong) = (SecretString::from("correct horse"), SecretString::from("correct house"));
        let kept = hash(&right);
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        assert_ne!(kept, hash(&right), "each has a salt of its own");
        assert!(matches(&right, Some(&kept)));
        assert!(!matches(&wrong, Some(&kept)));
        assert!(!matches(&SecretString::from("nobody has this password"), None));
        assert!(!matches(&right, Some("damaged")));
    }

    #[test]
    fn a_hash_with_other_parameters_is_outdated() {
        assert!(!is_outdated(&hash(&SecretString::from("anything at all"))));
        assert!(is_outdated("$argon2id$v=19$m=4096,t=3,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA"));
        assert!(is_outdated("damaged"));
    }
}
