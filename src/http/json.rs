//! A JSON body: bounded in size, time and depth, and read strictly. What is wrong is named by its JSON pointer.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde_path_to_error::{Path, Segment};

use super::State;
use super::problem::{Error, Kind, Result};

/// The body as a `T`, which refuses unknown fields (`deny_unknown_fields`).
pub struct Json<T> {
    pub body: T,
    /// As it came, for the fingerprint of an idempotency key.
    pub bytes: Bytes,
}

impl<T: DeserializeOwned> FromRequest<State> for Json<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &State) -> Result<Self> {
        if !is_json(request.headers()) {
            return Err(Error::new(Kind::UnsupportedMediaType, "send `Content-Type: application/json`"));
        }
        let bytes = read(request, state).await?;
        Ok(Self { body: parse(&bytes)?, bytes })
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media_type == "application/json"
        || (media_type.starts_with("application/") && media_type.ends_with("+json"))
}

/// The whole body, which must come within the limits of size and time.
async fn read(request: Request, state: &State) -> Result<Bytes> {
    let limits = state.limits();
    let too_large =
        || Error::new(Kind::TooLarge, format!("a body has at most {} bytes here", limits.body_bytes));
    // What was announced as too large is not waited for.
    if request.body().size_hint().lower() > limits.body_bytes as u64 {
        return Err(too_large());
    }
    let body = Limited::new(request.into_body(), limits.body_bytes);
    let read = tokio::time::timeout(limits.body_time, body.collect()).await;
    let read = read.map_err(|_| Error::new(Kind::RequestTimeout, "the body did not arrive in time"))?;
    match read {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(_) => Err(Error::new(Kind::MalformedRequest, "the body broke off")),
    }
}

/// Reads the text of a JSON object. Nesting deeper than 128 levels is malformed, as is text that is not Unicode.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let Object(parsed) = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let pointer = pointer(error.path());
        of_json(&error.into_inner(), pointer)
    })?;
    json.end().map_err(|error| of_json(&error, String::new()))?;
    Ok(parsed)
}

/// A `T` that was written as an object: serde would take an array of its fields as well.
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(members)).map(Object)
            }
        }

        deserializer.deserialize_map(Members(std::marker::PhantomData))
    }
}

/// With `#[serde(deserialize_with = "object")]`: a field that is an object.
pub fn object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    Object::deserialize(deserializer).map(|Object(value)| value)
}

/// The same for one that may be absent.
pub fn maybe_object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    object(deserializer).map(Some)
}

/// The same for a list of objects.
pub fn objects<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let objects = Vec::<Object<T>>::deserialize(deserializer)?;
    Ok(objects.into_iter().map(|Object(value)| value).collect())
}

fn of_json(error: &serde_json::Error, pointer: String) -> Error {
    let place = format!("line {} column {}", error.line(), error.column());
    match error.classify() {
        serde_json::error::Category::Data => Error::invalid(pointer, without_place(&error.to_string())),
        serde_json::error::Category::Syntax
        | serde_json::error::Category::Eof
        | serde_json::error::Category::Io => {
            Error::new(Kind::MalformedRequest, format!("the body is not JSON at {place}"))
        }
    }
}

/// The message without serde_json's ` at line 1 column 2`: the pointer says it better.
fn without_place(message: &str) -> &str {
    message.rsplit_once(" at line ").map_or(message, |(message, _)| message)
}

/// RFC 6901.
pub fn pointer(path: &Path) -> String {
    path.iter().fold(String::new(), |mut pointer, segment| {
        let token = match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => key.replace('~', "~0").replace('/', "~1"),
            // The variant of a tagged enum is no place in the document.
            Segment::Enum { .. } | Segment::Unknown => return pointer,
        };
        pointer.push('/');
        pointer.push_str(&token);
        pointer
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read into")]
    struct Body {
        name: String,
        #[serde(default)]
        inner: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read into")]
    struct Inner {
        count: u32,
    }

    fn refused(text: &str) -> (u16, String) {
        let error = parse::<Body>(text.as_bytes()).unwrap_err();
        let pointer = error.body()["errors"][0]["pointer"].as_str().unwrap_or("-").to_owned();
        (error.status(), pointer)
    }

    #[test]
    fn what_is_wrong_is_named_by_its_pointer() {
        assert_eq!(refused(r#"{"name": 1}"#), (422, "/name".to_owned()));
        assert_eq!(
            refused(r#"{"name": "a", "inner": [{"count": 1}, {"count": -1}]}"#),
            (422, "/inner/1/count".to_owned())
        );
        assert_eq!(refused(r#"{"name": "a", "no~w/": 1}"#), (422, "/no~0w~1".to_owned()));
        assert_eq!(refused(r#"{"inner": []}"#), (422, String::new()));
        assert_eq!(refused(r#"["a", []]"#), (422, String::new()));
    }

    #[test]
    fn what_is_not_json_is_malformed() {
        for text in ["", "{", r#"{"name": "a"}x"#, r#"{"name": "\ud800"}"#, "\u{0}"] {
            assert_eq!(refused(text).0, 400, "{text}");
        }
        let bomb = "{\"a\":".repeat(100_000);
        assert_eq!(parse::<serde_json::Value>(bomb.as_bytes()).unwrap_err().status(), 400);
        assert_eq!(parse::<Body>(b"{\"name\": \"\xff\"}").unwrap_err().status(), 400);
    }
}
