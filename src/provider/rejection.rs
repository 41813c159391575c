//! What a provider says when it says no: an HTTP error's body, or an error object inside a stream.

use std::time::Duration;

use serde_json::Value;

use crate::clock::{Clock, Timestamp};
use crate::provider::failure::Failure;
use crate::provider::redact::Redactor;

/// Of a message, in characters.
const LONGEST_MESSAGE: usize = 600;

/// What the various providers write when the conversation does not fit (lowercase).
const TOO_LONG: &[&str] = &[
    "context_length_exceeded",
    "context length",
    "context window",
    "context size",
    "context limit",
    "maximum context",
    "prompt is too long",
    "prompt too long",
    "input is too long",
    "input too long",
    "exceed_context_size",
    "maximum prompt length",
    "model_context_window_exceeded",
    "string_above_max_length",
    "reduce the length of the messages",
    "reduce your prompt",
    "exceeds the maximum number of tokens",
    "tokens exceeds the maximum",
    "too many input tokens",
    "too many tokens in",
    "max_new_tokens` must be",
    "max_seq_len",
    "max_model_len",
    "input length exceed",
    "total tokens exceed",
    "request_too_large",
];

/// An error object, from wherever it came.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct ErrorObject {
    pub(crate) message: String,
    /// `type` and `code`, where they are words.
    slugs: Vec<String>,
    status: Option<u16>,
}

impl ErrorObject {
    /// Reads `{"error": {..}}`, `{"error": ".."}`, `{"message": ..}`, `{"detail": ..}`, `{"errors": [..]}`, a list of
    /// any of them, or the error object itself.
    pub(crate) fn from_json(json: &Value) -> Self {
        match json {
            Value::String(message) => Self { message: message.clone(), ..Self::default() },
            Value::Array(errors) => errors.first().map(Self::from_json).unwrap_or_default(),
            Value::Object(object) => {
                let inner = ["error", "errors", "detail"]
                    .iter()
                    .find_map(|key| object.get(*key).filter(|v| !v.is_null()));
                let mut error = inner.map(Self::from_json).unwrap_or_default();
                if error.message.is_empty() {
                    let message = ["message", "msg", "error_msg", "error_message"]
                        .iter()
                        .find_map(|key| object.get(*key));
                    error.message = match message {
                        Some(Value::String(message)) => message.clone(),
                        Some(other) if !other.is_null() => other.to_string(),
                        _ => String::new(),
                    };
                }
                // OpenRouter hides what its upstream said in here.
                if let Some(raw) =
                    object.get("metadata").and_then(|metadata| metadata.get("raw")).and_then(Value::as_str)
                {
                    error.message = format!("{}: {raw}", error.message);
                }
                for key in ["type", "code", "status", "status_code"] {
                    match object.get(key) {
                        Some(Value::String(slug)) if slug.parse::<u16>().is_err() => {
                            error.slugs.push(slug.clone())
                        }
                        Some(value) => error.status = error.status.or_else(|| http_error(value)),
                        None => {}
                    }
                }
                error
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => Self::default(),
        }
    }

    /// Reads an error's body: JSON, or some text.
    fn from_body(body: &[u8]) -> Self {
        if let Ok(json) = serde_json::from_slice::<Value>(body) {
            return Self::from_json(&json);
        }
        let text = String::from_utf8_lossy(body);
        let text = text.trim();
        match text.starts_with('<') {
            // A proxy's page says nothing that the status does not say.
            true => Self::default(),
            false => Self { message: text.to_owned(), ..Self::default() },
        }
    }

    fn says(&self, word: &str) -> bool {
        self.slugs.iter().any(|slug| slug.to_lowercase().contains(word))
    }

    fn is_too_long(&self) -> bool {
        let message = self.message.to_lowercase();
        TOO_LONG.iter().any(|phrase| message.contains(phrase) || self.says(phrase))
            || (message.contains("input token count") && message.contains("exceed"))
            || (message.contains("tokens") && message.contains("reduce the length"))
    }

    /// What to do about it. Where the object names no status and no known type, it is an upstream's mishap.
    pub(crate) fn into_failure(self, redactor: &Redactor) -> Failure {
        let status = self.status.or_else(|| self.status_of_slug());
        self.classified(status, redactor)
    }

    fn status_of_slug(&self) -> Option<u16> {
        let known = [
            ("overloaded", 529),
            ("rate_limit", 429),
            ("too_many_requests", 429),
            ("resource_exhausted", 429),
            ("insufficient_quota", 402),
            ("billing", 402),
            ("authentication", 401),
            ("invalid_api_key", 401),
            ("permission", 403),
            ("not_found", 404),
            ("timeout", 504),
            ("unavailable", 503),
            ("invalid", 400),
            ("content_filter", 400),
            ("server_error", 500),
            ("api_error", 500),
            ("internal", 500),
        ];
        known.iter().find(|(word, _)| self.says(word)).map(|(_, status)| *status)
    }

    fn classified(&self, status: Option<u16>, redactor: &Redactor) -> Failure {
        let detail = match (shortened(&redactor.clean(&self.message)), status) {
            (message, _) if !message.is_empty() => message,
            (_, Some(status)) => format!("the provider answered with status {status}"),
            (_, None) => "the provider reported an error without a message".to_owned(),
        };
        let failure = match status {
            Some(401 | 403) => Failure::unauthorized(detail),
            Some(413) => Failure::context_too_long(detail),
            // More money, not more patience.
            Some(429) if self.says("insufficient_quota") || self.says("billing") => Failure::refused(detail),
            Some(429) => Failure::rate_limited(detail),
            _ if self.is_too_long() => Failure::context_too_long(detail),
            Some(503 | 529) => Failure::overloaded(detail),
            Some(408 | 504 | 524) => Failure::timeout(detail),
            Some(status) if status >= 500 => Failure::overloaded(detail),
            Some(_) => Failure::refused(detail),
            None => Failure::cut(detail),
        };
        match status {
            Some(status) => failure.with_status(status),
            None => failure,
        }
    }
}

/// The failure that an HTTP answer other than 2xx means. `body` is its beginning.
pub(crate) fn of_response(
    status: u16,
    retry_after: Option<Duration>,
    body: &[u8],
    redactor: &Redactor,
) -> Failure {
    let error = match status {
        // We follow no redirect: the key would go along.
        300..400 => ErrorObject {
            message: "the provider redirects; set base_url to where it is".into(),
            ..Default::default()
        },
        _ => ErrorObject::from_body(body),
    };
    error.classified(Some(status), redactor).with_retry_after(retry_after)
}

/// `Retry-After` in seconds (RFC 9110 says whole ones, some send fractions) or as a date, told by the provider's own
/// clock where it sent a `Date`.
pub(crate) fn retry_after(headers: &http::HeaderMap, clock: &Clock) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    if let Some(millis) = text("retry-after-ms").and_then(|millis| millis.parse::<u64>().ok()) {
        return Some(Duration::from_millis(millis));
    }
    let asked = text("retry-after")?;
    if let Ok(seconds) = asked.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let at = http_date(asked)?;
    let now = text("date").and_then(http_date).unwrap_or_else(|| clock.now());
    Some(at.since(now))
}

fn http_date(text: &str) -> Option<Timestamp> {
    let zoned = jiff::fmt::rfc2822::parse(text).ok()?;
    Some(Timestamp::from_millis(zoned.timestamp().as_millisecond()))
}

fn http_error(value: &Value) -> Option<u16> {
    let status = match value {
        Value::Number(number) => u16::try_from(number.as_u64()?).ok()?,
        Value::String(digits) => digits.parse().ok()?,
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    (400..600).contains(&status).then_some(status)
}

fn shortened(message: &str) -> String {
    let message = message.trim();
    match message.char_indices().nth(LONGEST_MESSAGE) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::failure::FailureKind;

    fn failure(status: u16, body: &str) -> Failure {
        of_response(status, None, body.as_bytes(), &Redactor::default())
    }

    #[test]
    fn every_provider_says_too_long_in_its_own_words() {
        for (status, body) in [
            (
                400,
                r#"{"error":{"message":"This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#,
            ),
            (
                400,
                r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 212345 tokens > 200000 maximum"}}"#,
            ),
            (
                400,
                r#"{"type":"error","error":{"type":"invalid_request_error","message":"input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000"}}"#,
            ),
            (
                413,
                r#"{"type":"error","error":{"type":"request_too_large","message":"Request exceeds the maximum size"}}"#,
            ),
            (
                400,
                r#"{"error":{"code":400,"message":"request (9000 tokens) exceeds the available context size (4096 tokens)","type":"exceed_context_size_error"}}"#,
            ),
            (
                400,
                r#"[{"error":{"code":400,"message":"The input token count (2000000) exceeds the maximum number of tokens allowed (1048576).","status":"INVALID_ARGUMENT"}}]"#,
            ),
            (
                400,
                r#"{"code":"Client specified an invalid argument","error":"This model's maximum prompt length is 131072 but the request contains 200000 tokens."}"#,
            ),
            (
                422,
                r#"{"error":{"message":"Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8193.","type":"invalid_request_error"}}"#,
            ),
            (
                400,
                r#"{"object":"error","message":"Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length","type":"invalid_request_prompt"}"#,
            ),
            (
                400,
                r#"{"error":{"message":"Please reduce the length of the messages or completion.","type":"invalid_request_error","code":"context_length_exceeded"}}"#,
            ),
            (500, r#"{"error":"input length exceeds the context length"}"#),
        ] {
            assert_eq!(failure(status, body).kind, FailureKind::ContextTooLong, "{body}");
        }
    }

    #[test]
    fn a_token_rate_limit_is_no_long_context() {
        let body = r#"{"error":{"message":"Rate limit reached: too many tokens in a minute, context window irrelevant","type":"tokens","code":"rate_limit_exceeded"}}"#;
        let failure = failure(429, body);
        assert_eq!((failure.kind, failure.is_retryable()), (FailureKind::RateLimited, true));
    }

    #[test]
    fn the_provider_s_own_words_are_kept_whatever_their_shape() {
        for (body, words) in [
            (r#"{"error":{"message":"no such model","type":"invalid_request_error"}}"#, "no such model"),
            (r#"{"error":"model 'x' not found"}"#, "model 'x' not found"),
            (r#"{"detail":"Unprocessable"}"#, "Unprocessable"),
            (r#"{"detail":[{"loc":["body"],"msg":"field required","type":"missing"}]}"#, "field required"),
            (r#"{"message":"nope","request_id":"1"}"#, "nope"),
            (r#"[{"error":{"message":"gemini says no","code":400}}]"#, "gemini says no"),
            ("plain words", "plain words"),
            ("<html><h1>Bad</h1></html>", "the provider answered with status 400"),
            ("", "the provider answered with status 400"),
        ] {
            let failure = failure(400, body);
            assert_eq!((failure.kind, failure.detail.as_str()), (FailureKind::Refused, words), "{body}");
            assert!(!failure.is_retryable());
        }
    }

    #[test]
    fn used_up_money_is_not_waited_for() {
        let body = r#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}"#;
        assert!(!failure(429, body).is_retryable());
        assert!(!failure(402, r#"{"error":{"message":"Insufficient credits","code":402}}"#).is_retryable());
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        let clock = Clock::manual("2026-11-21T09:30:00Z".parse().unwrap());
        let headers = |pairs: &[(&'static str, &str)]| {
            pairs
                .iter()
                .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
                .collect()
        };
        let read = |pairs: &[_]| retry_after(&headers(pairs), &clock);
        assert_eq!(read(&[("retry-after", "7")]), Some(Duration::from_secs(7)));
        assert_eq!(read(&[("retry-after", "0.5")]), Some(Duration::from_millis(500)));
        assert_eq!(read(&[("retry-after", "Sat, 21 Nov 2026 09:30:20 GMT")]), Some(Duration::from_secs(20)));
        assert_eq!(read(&[("retry-after", "Sat, 21 Nov 2026 09:00:00 GMT")]), Some(Duration::ZERO));
        let own =
            [("retry-after", "Thu, 01 Jan 2026 00:00:05 GMT"), ("date", "Thu, 01 Jan 2026 00:00:00 GMT")];
        assert_eq!(read(&own), Some(Duration::from_secs(5)));
        for nonsense in ["soon", "-3", "", "NaN"] {
            assert_eq!(read(&[("retry-after", nonsense)]), None, "{nonsense}");
        }
    }
}
