//! Builds the way out for mails from the configuration.

use secrecy::ExposeSecret;

use crate::config::{self, Config};
use crate::runtime::notify::Post;

/// `None` where nobody is to be written to.
pub fn of(config: &Config) -> Result<Option<Post>, config::Error> {
    let (Some(smtp), Some(from)) = (&config.email.smtp, &config.email.from) else { return Ok(None) };
    let password = match &config.email.password_env {
        Some(variable) => {
            let found = std::env::var(variable).ok().filter(|value| !value.is_empty());
            let missing = || {
                let detail = format!("the environment variable `{variable}` is not set");
                config.error("email.password_env", detail)
            };
            Some(found.ok_or_else(missing)?)
        }
        None => None,
    };
    let post = Post::new(smtp.expose_secret(), password.as_deref(), from);
    post.map(Some).map_err(|error| config.error("email", error))
}
