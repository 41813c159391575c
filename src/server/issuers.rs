//! The issuers of the configuration, with their keys.

use reqwest::redirect::Policy;
use secrecy::{ExposeSecret, SecretString};

use crate::auth::token::{Issuer, IssuerOptions, KeyMaterial, OUR_ISSUER};
use crate::config::{Config, Error, TokenIssuer};

/// RFC 7518, section 3.2: a key of at least the hash's size.
const LEAST_SECRET_BYTES: usize = 32;

pub fn of(config: &Config) -> Result<Vec<Issuer>, Error> {
    let client = reqwest::Client::builder().redirect(Policy::none()).build();
    let client = client.map_err(|error| config.error("auth.issuers", error))?;
    let mut issuers: Vec<Issuer> = Vec::new();
    for (at, issuer) in config.auth.issuers.iter().enumerate() {
        let wrong = |key: &str, problem: String| config.error(&format!("auth.issuers[{at}].{key}"), problem);
        if issuers
            .iter()
            .any(|other| other.options.issuer == issuer.issuer || other.options.name == issuer.name)
        {
            return Err(wrong("issuer", format!("is given twice: {}", issuer.issuer)));
        }
        if issuer.issuer == OUR_ISSUER || issuer.name.split(':').next() == Some(OUR_ISSUER) {
            return Err(wrong("issuer", format!("`{OUR_ISSUER}` is this server itself")));
        }
        let options = IssuerOptions {
            name: issuer.name.clone(),
            issuer: issuer.issuer.clone(),
            audience: issuer.audience.clone(),
            algorithm: issuer.algorithm,
            keys: keys(issuer).map_err(|(key, problem)| wrong(key, problem))?,
            users: issuer.users,
            workspaces: issuer.workspaces,
        };
        let made = Issuer::new(options, &client);
        issuers.push(made.map_err(|unusable| wrong("algorithm", unusable.to_string()))?);
    }
    Ok(issuers)
}

fn keys(issuer: &TokenIssuer) -> Result<KeyMaterial, (&'static str, String)> {
    let read = |key: &'static str, path: &std::path::Path| {
        std::fs::read_to_string(path).map_err(|error| (key, format!("{}: {error}", path.display())))
    };
    let mut given = Vec::new();
    if let Some(secret) = &issuer.secret {
        given.push(KeyMaterial::Secret(secret.clone()));
    }
    if let Some(name) = &issuer.secret_env {
        let secret = std::env::var(name).map_err(|_| ("secret_env", format!("{name} is not set")))?;
        given.push(KeyMaterial::Secret(secret.into()));
    }
    if let Some(path) = &issuer.secret_file {
        given.push(KeyMaterial::Secret(read("secret_file", path)?.trim_end().to_owned().into()));
    }
    if let Some(path) = &issuer.public_key_file {
        given.push(KeyMaterial::PublicKey(read("public_key_file", path)?));
    }
    if let Some(url) = &issuer.jwks_url {
        given.push(KeyMaterial::JwksUrl(url.clone()));
    }
    let expected = "expected exactly one of secret, secret_env, secret_file, public_key_file and jwks_url";
    let count = given.len();
    let (Some(keys), 1) = (given.pop(), count) else {
        return Err(("name", format!("{expected}, found {count}")));
    };
    match &keys {
        KeyMaterial::Secret(secret) if is_short(secret) => {
            Err(("secret", format!("expected at least {LEAST_SECRET_BYTES} bytes")))
        }
        KeyMaterial::Secret(_) | KeyMaterial::PublicKey(_) | KeyMaterial::JwksUrl(_) => Ok(keys),
    }
}

fn is_short(secret: &SecretString) -> bool {
    secret.expose_secret().len() < LEAST_SECRET_BYTES
}
