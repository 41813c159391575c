//! Passwords: argon2id, in the same time for whoever is asked about.

use std::sync::LazyLock;

use argon2::password_hash::{Output, ParamsString, PasswordHash, Salt, SaltString};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use parking_lot::Mutex;
use rand::TryRng;
use rand::rngs::SysRng;
use secrecy::{ExposeSecret, SecretString};

/// Shorter ones are refused (NIST SP 800-63B asks for 8 at least).
pub const LEAST_CHARS: usize = 10;

/// Longer ones would let anyone choose how much there is to hash.
pub const MOST_BYTES: usize = 1024;

const OUTPUT_BYTES: usize = 32;

/// 19 MiB, 2 passes, 1 lane: the first choice of OWASP's password storage cheat sheet.
fn usual() -> Params {
    Params::new(19 * 1024, 2, 1, None).expect("the parameters are within argon2's bounds")
}

/// What is kept of a password, as a PHC string. Takes some 20 ms of a core and 19 MiB.
pub(super) fn hash(password: &SecretString) -> String {
    let mut salt = [0; 16];
    SysRng.try_fill_bytes(&mut salt).expect("the system has randomness");
    let params = usual();
    let text = SaltString::encode_b64(&salt).expect("16 bytes are a salt");
    let kept = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(&params).expect("the parameters can be written down"),
        salt: Some(text.as_salt()),
        hash: argon2id(params, password, &salt),
    };
    kept.to_string()
}

/// Whether the password is the one that was hashed. Without one, the same work is done for nothing, so that the time
/// does not tell whether there is such a user.
pub(super) fn matches(password: &SecretString, kept: Option<&str>) -> bool {
    metrics::counter!("weir_password_checks_total").increment(1);
    let parsed = PasswordHash::new(kept.unwrap_or(&NOBODYS)).or_else(|_| PasswordHash::new(&NOBODYS));
    let parsed = parsed.expect("a hash of our own is a PHC string");
    let mut salt = [0; Salt::MAX_LENGTH];
    let salt = parsed.salt.and_then(|text| text.decode_b64(&mut salt).ok());
    let (Ok(params), Some(salt), Some(expected)) = (Params::try_from(&parsed), salt, parsed.hash) else {
        return false;
    };
    // `Output` compares in constant time.
    argon2id(params, password, salt) == Some(expected) && kept.is_some()
}

/// Used again for each hash. To fetch so much from the system and give it back would hold up every thread that needs
/// memory, and longest while a thread of low priority is at it.
static MEMORY: Mutex<Vec<Block>> = Mutex::new(Vec::new());

fn argon2id(params: Params, password: &SecretString, salt: &[u8]) -> Option<Output> {
    let blocks = params.block_count();
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut memory = MEMORY.lock();
    if memory.len() < blocks {
        memory.resize(blocks, Block::new());
    }
    Output::init_with(OUTPUT_BYTES, |output| {
        let password = password.expose_secret().as_bytes();
        Ok(argon2.hash_password_into_with_memory(password, salt, output, &mut memory[..blocks])?)
    })
    .ok()
}

/// Made with other parameters than new ones are.
pub(super) fn is_outdated(kept: &str) -> bool {
    let parsed = PasswordHash::new(kept).ok();
    let params = parsed.and_then(|hash| Params::try_from(&hash).ok());
    let now = usual();
    params.is_none_or(|kept| {
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
    fn what_is_kept_is_what_others_keep() {
        use argon2::password_hash::{PasswordHasher, PasswordVerifier};
        let (right, wrong) = (SecretString::from("correct horse"), SecretString::from("correct house"));
        let others = Argon2::new(Algorithm::Argon2id, Version::V0x13, usual());
        let kept = hash(&right);
        let parsed = PasswordHash::new(&kept).unwrap();
        assert!(others.verify_password(b"correct horse", &parsed).is_ok());
        let salt = SaltString::encode_b64(&[7; 16]).unwrap();
        let theirs = others.hash_password(b"correct horse", &salt).unwrap().to_string();
        assert!(matches(&right, Some(&theirs)) && !matches(&wrong, Some(&theirs)));
        // Also where more memory was asked for.
        let large = Params::new(32 * 1024, 1, 1, None).unwrap();
        let large = Argon2::new(Algorithm::Argon2id, Version::V0x13, large);
        let theirs = large.hash_password(b"correct horse", &salt).unwrap().to_string();
        assert!(matches(&right, Some(&theirs)) && is_outdated(&theirs));
    }

    #[test]
    fn a_hash_with_other_parameters_is_outdated() {
        assert!(!is_outdated(&hash(&SecretString::from("anything at all"))));
        assert!(is_outdated("$argon2id$v=19$m=4096,t=3,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA"));
        assert!(is_outdated("damaged"));
    }
}
