//! What an answer says about the call.

use reqwest::Response;

use crate::tool::Outcome;

use super::redact::Redactor;

const MOST_OUTPUT_BYTES: usize = 1 << 20;
const MOST_ERROR_BYTES: usize = 4 << 10;

/// What one request came to.
pub enum Try {
    Over(Outcome),
    /// It was sent, and may or may not have been carried out.
    Open(String),
}

pub async fn of(response: Response, redactor: &Redactor) -> Try {
    let status = response.status();
    if status.is_success() {
        return match read(response, MOST_OUTPUT_BYTES).await {
            Body::Broken(_) => Try::Open(format!("the answer {} broke off", status.as_u16())),
            body => Try::Over(Outcome::Succeeded(redactor.clean(&body.shown(MOST_OUTPUT_BYTES)))),
        };
    }
    let answered = format!("the tool answered {status}");
    match status.as_u16() {
        // They ask for the same request elsewhere, so it was not carried out here.
        307 | 308 => Try::Over(Outcome::Failed(format!("{answered}, and redirects are not followed"))),
        // The others may send to the result of what was done.
        300..400 => Try::Open(format!("{answered}, and redirects are not followed")),
        400..500 => {
            let body = read(response, MOST_ERROR_BYTES).await.shown(MOST_ERROR_BYTES);
            let said = redactor.clean(body.trim());
            Try::Over(Outcome::Failed(match said.is_empty() {
                true => answered,
                false => format!("{answered}: {said}"),
            }))
        }
        _ => Try::Open(answered),
    }
}

enum Body {
    Whole(Vec<u8>),
    /// There was more.
    Cut(Vec<u8>),
    /// There should have been more.
    Broken(Vec<u8>),
}

impl Body {
    fn shown(self, limit: usize) -> String {
        match self {
            Self::Whole(bytes) => match String::from_utf8(bytes) {
                Ok(text) => text,
                Err(error) => format!("{} bytes that are no text", error.as_bytes().len()),
            },
            Self::Cut(bytes) => format!("{}\n[cut: more than {limit} bytes]", beginning(&bytes)),
            Self::Broken(bytes) => format!("{}\n[broken off]", beginning(&bytes)),
        }
    }
}

/// The text as far as it is one; a character that the cut went through is left out.
fn beginning(bytes: &[u8]) -> &str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).expect("it is valid up to there"),
    }
}

async fn read(mut response: Response, limit: usize) -> Body {
    let mut bytes = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk[..chunk.len().min(limit + 1 - bytes.len())]),
            Ok(None) => return Body::Whole(bytes),
            Err(_) => return Body::Broken(bytes),
        }
        if bytes.len() > limit {
            bytes.truncate(limit);
            return Body::Cut(bytes);
        }
    }
}
