//! What the parts are told of the configuration.

use crate::config::Config;
use crate::http;
use crate::notify::Patience;
use crate::runtime::notify::{self, Targets};
use crate::runtime::{Bounds, files};

pub fn bounds(config: &Config) -> Bounds {
    Bounds {
        turns_per_user: config.limits.turns_per_user,
        queue_per_conversation: config.limits.queue_per_conversation,
    }
}

pub fn files(config: &Config) -> files::Limits {
    files::Limits {
        file_bytes: config.files.max_bytes,
        user_files: config.files.per_user_count,
        user_bytes: config.files.per_user_bytes,
        workspace_bytes: config.files.per_workspace_bytes,
        conversation_bytes: config.files.per_conversation_bytes,
        ..files::Limits::default()
    }
}

pub fn edges(config: &Config) -> http::Options {
    let limits = http::Limits {
        body_bytes: config.limits.body_bytes,
        message_bytes: config.limits.message_bytes,
        ..http::Limits::default()
    };
    http::Options {
        limits,
        allowed_origins: config
            .server
            .allowed_origins
            .iter()
            .map(|origin| origin.as_str().to_owned())
            .collect(),
        public_url: config.server.public_url.as_ref().map(|url| url.as_str().to_owned()),
        trusted_proxies: config.server.trusted_proxies.iter().map(|network| network.net()).collect(),
        listens_on_loopback: config.server.listen.ip().is_loopback(),
        requests_per_minute: Some(config.limits.requests_per_minute),
        streams_per_user: Some(config.limits.streams_per_user),
        metrics_token: config.metrics.token.clone(),
    }
}

pub fn webhooks(config: &Config) -> notify::Options {
    notify::Options {
        targets: Targets { vouched_for: config.webhooks.allow_private_addresses.clone() },
        patience: Patience {
            retry: config.webhooks.retry.clone(),
            disable_after: config.webhooks.disable_after,
        },
        public_url: config.server.public_url.as_ref().map(|url| url.as_str().to_owned()),
    }
}
