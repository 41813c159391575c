//! A query string, read as strictly as a body: unknown and repeated parameters are refused by name.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::State;
use super::json::pointer;
use super::problem::{Error, Result};

/// The query string as a `T`, which refuses unknown fields (`deny_unknown_fields`).
pub struct Query<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<State> for Query<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &State) -> Result<Self> {
        parse(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

/// Reads what stands behind the question mark.
pub fn parse<T: DeserializeOwned>(text: &str) -> Result<T> {
    let mut names: Vec<_> = form_urlencoded::parse(text.as_bytes()).map(|(name, _)| name).collect();
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Error::invalid(format!("/{}", pair[0]), "was given more than once"));
    }
    let query = serde_urlencoded::Deserializer::new(form_urlencoded::parse(text.as_bytes()));
    serde_path_to_error::deserialize(query).map_err(|error| {
        let pointer = pointer(error.path());
        Error::invalid(pointer, error.into_inner().to_string())
    })
}

/// The parameters whose names begin with `prefix`, without it; and the rest of the query string.
pub fn split(text: &str, prefix: &str) -> (Vec<(String, String)>, String) {
    let (mut taken, mut rest) = (Vec::new(), form_urlencoded::Serializer::new(String::new()));
    for (name, value) in form_urlencoded::parse(text.as_bytes()) {
        match name.strip_prefix(prefix) {
            Some(key) => taken.push((key.to_owned(), value.into_owned())),
            None => drop(rest.append_pair(&name, &value)),
        }
    }
    (taken, rest.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Page {
        limit: Option<u32>,
        agent: Option<String>,
    }

    #[test]
    fn unknown_repeated_and_wrong_parameters_are_named() {
        let refused = |text: &str| {
            let body = parse::<Page>(text).unwrap_err().body();
            (body["status"].as_u64().unwrap(), body["errors"][0]["pointer"].as_str().unwrap().to_owned())
        };
        assert_eq!(refused("limit=x"), (422, "/limit".to_owned()));
        assert_eq!(refused("limit=1&limit=2"), (422, "/limit".to_owned()));
        assert_eq!(refused("nonsense=1"), (422, "/nonsense".to_owned()));
        assert_eq!(
            parse::<Page>("agent=a%20b").unwrap(),
            Page { limit: None, agent: Some("a b".to_owned()) }
        );
    }

    #[test]
    fn parameters_with_a_prefix_are_taken_out() {
        let (taken, rest) = split("metadata.a=1&limit=2&metadata.b%2Fc=%26", "metadata.");
        assert_eq!(taken, [("a".to_owned(), "1".to_owned()), ("b/c".to_owned(), "&".to_owned())]);
        assert_eq!(rest, "limit=2");
    }
}
