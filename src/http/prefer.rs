//! How a send wants to be answered: at once, as the turn's stream, or after the turn.

use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::header::ACCEPT;
use axum::http::request::Parts;

use super::State;
use super::problem::{Error, Result};

/// A longer `Prefer: wait` is cut to this (RFC 7240 allows it).
const WAIT_AT_MOST: Duration = Duration::from_secs(300);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// 202 once it is durable.
    AtOnce,
    /// `Accept: text/event-stream`
    Stream,
    /// `Prefer: wait=60`
    After(Duration),
}

impl FromRequestParts<State> for Answer {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &State) -> Result<Self> {
        let accept = parts.headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let mut media_types = accept.flat_map(|value| value.split(','));
        if media_types.any(is_event_stream) {
            return Ok(Self::Stream);
        }
        let prefer = parts.headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
        let wait = prefer.flat_map(|value| value.split([',', ';'])).find_map(wait_of);
        Ok(wait.map_or(Self::AtOnce, Self::After))
    }
}

fn is_event_stream(range: &str) -> bool {
    range
        .split(';')
        .next()
        .is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("text/event-stream"))
}

/// A preference that is not understood is ignored, as RFC 7240 wants it.
fn wait_of(preference: &str) -> Option<Duration> {
    let (name, seconds) = preference.split_once('=')?;
    let seconds =
        seconds.trim().trim_matches('"').parse().ok().filter(|_| name.trim().eq_ignore_ascii_case("wait"));
    seconds.map(|seconds| Duration::from_secs(seconds).min(WAIT_AT_MOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_wait_that_is_a_number_counts() {
        assert_eq!(wait_of(" wait=60"), Some(Duration::from_secs(60)));
        assert_eq!(wait_of("Wait=\"5\""), Some(Duration::from_secs(5)));
        assert_eq!(wait_of("wait=999999"), Some(WAIT_AT_MOST));
        assert_eq!(wait_of("wait=-1"), None);
        assert_eq!(wait_of("respond-async"), None);
        assert_eq!(wait_of("depth=3"), None);
    }
}
