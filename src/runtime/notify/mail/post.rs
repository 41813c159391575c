//! The way out: one SMTP server, its connections kept for a while.

use std::time::Duration;

use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use reqwest::Url;

use super::Letter;

const TIMEOUT: Duration = Duration::from_secs(30);
const MOST_ADDRESS_BYTES: usize = 254;

#[derive(Clone)]
pub struct Post {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

/// Why a letter is not on its way.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct Unsendable {
    pub what: String,
    /// Whether a later try may go well.
    pub may_pass: bool,
}

impl Unsendable {
    fn for_good(what: impl Into<String>) -> Self {
        Self { what: what.into(), may_pass: false }
    }
}

impl Post {
    /// `smtp` is `smtps://user:password@host:465`, or `smtp://host:587?tls=required`.
    pub fn new(smtp: &str, password: Option<&str>, from: &str) -> Result<Self, Unsendable> {
        let expected = "expected a URL such as smtps://user@host:465";
        let mut url = Url::parse(smtp).map_err(|_| Unsendable::for_good(expected))?;
        if let Some(password) = password {
            // A URL without a host takes none, and is refused below.
            let _ = url.set_password(Some(password));
        }
        // The error may say the URL, and with it the password.
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.as_str())
            .map_err(|_| Unsendable::for_good(expected))?;
        let from = from
            .parse()
            .map_err(|_| Unsendable::for_good("expected a sender such as \"Weir <weir@example.com>\""))?;
        Ok(Self { transport: builder.timeout(Some(TIMEOUT)).build(), from })
    }

    pub(super) async fn send(&self, to: &str, letter: &Letter) -> Result<(), Unsendable> {
        let address = address(to).ok_or_else(|| Unsendable::for_good("that is no address"))?;
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, address))
            .subject(&letter.subject)
            .header(ContentType::TEXT_PLAIN)
            .body(letter.text.clone())
            .map_err(|error| Unsendable::for_good(error.to_string()))?;
        match self.transport.send(message).await {
            Ok(_) => Ok(()),
            Err(error) => {
                let what = error.status().map_or_else(
                    || "the mail server could not be reached".to_owned(),
                    |status| format!("the mail server answered {status}"),
                );
                Err(Unsendable { what, may_pass: !error.is_permanent() })
            }
        }
    }
}

/// Whether mail may be sent there.
pub fn is_address(text: &str) -> bool {
    address(text).is_some()
}

/// One address and nothing else: no name, no list, no line's end.
fn address(text: &str) -> Option<Address> {
    let plain =
        text.len() <= MOST_ADDRESS_BYTES && !text.chars().any(|c| c.is_control() || c.is_whitespace());
    text.parse().ok().filter(|_| plain)
}
