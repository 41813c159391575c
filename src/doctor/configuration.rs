//! The configuration: whether it is accepted, and who else may read the secrets in it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::Check;
use crate::config::{self, Config};
use crate::server::issuers;

const NAME: &str = "configuration";

pub fn refused(error: &config::Error) -> Check {
    Check::fail(NAME, error.to_string(), "correct it; weir.example.toml shows every setting")
}

pub fn check(config: &Config) -> Vec<Check> {
    let mut checks = vec![match issuers::of(config) {
        Ok(_) if config.file.exists() => Check::ok(NAME, config.file.display().to_string()),
        Ok(_) => Check::ok(NAME, "no file: the defaults, and what the environment and the flags say"),
        Err(error) => refused(&error),
    }];
    checks.extend(secrets(config).iter().filter_map(|path| readable(path)));
    checks
}

/// The files that hold secrets.
fn secrets(config: &Config) -> Vec<PathBuf> {
    let providers = config.providers.values();
    let issuers = &config.auth.issuers;
    let inline = providers.clone().any(|one| one.api_key.is_some() || !one.headers.is_empty())
        || providers.clone().any(|one| !one.query.is_empty())
        || issuers.iter().any(|one| one.secret.is_some())
        || config.metrics.token.is_some();
    let own = inline.then(|| config.file.clone());
    let keys = providers.filter_map(|one| one.api_key_file.clone());
    own.into_iter().chain(keys).chain(issuers.iter().filter_map(|one| one.secret_file.clone())).collect()
}

fn readable(path: &Path) -> Option<Check> {
    let mode = std::fs::metadata(path).ok()?.permissions().mode();
    (mode & 0o007 != 0).then(|| {
        let path = path.display();
        let found = format!("{path} holds secrets, and everyone on this machine may read it");
        Check::warn("secrets", found, format!("chmod 600 {path}"))
    })
}
