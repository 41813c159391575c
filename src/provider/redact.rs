//! Takes our secrets out of whatever a provider says: some echo the key, the headers or the address back.

/// Shorter values than this are no secrets, and replacing them would make every message unreadable.
const SHORTEST_SECRET: usize = 4;
const REDACTED: &str = "[redacted]";

#[derive(Clone, Default)]
pub(crate) struct Redactor {
    /// Longest first, so that a secret inside another one leaves no rest.
    spellings: Vec<String>,
}

impl Redactor {
    pub(crate) fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut spellings: Vec<String> = secrets
            .into_iter()
            .flat_map(|secret| {
                let bare = secret.strip_prefix("Bearer ").unwrap_or(secret).trim();
                [bare.to_owned(), percent_encoded(bare), form_encoded(bare), json_escaped(bare)]
            })
            .filter(|spelling| spelling.len() >= SHORTEST_SECRET)
            .collect();
        spellings.sort_by_key(|spelling| std::cmp::Reverse(spelling.len()));
        spellings.dedup();
        Self { spellings }
    }

    pub(crate) fn clean(&self, text: &str) -> String {
        let mut clean = text.to_owned();
        for secret in &self.spellings {
            clean = replaced_in_any_case(clean, secret);
        }
        clean
    }
}

/// Case is ignored, for proxies that fold headers and for `%2F` beside `%2f`.
fn replaced_in_any_case(text: String, secret: &str) -> String {
    let bytes = text.as_bytes();
    let wanted = secret.as_bytes();
    let mut clean = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at..].len() >= wanted.len() && bytes[at..at + wanted.len()].eq_ignore_ascii_case(wanted) {
            clean.extend_from_slice(REDACTED.as_bytes());
            at += wanted.len();
        } else {
            clean.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(clean).expect("whole characters were replaced by whole characters")
}

fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |encoded, byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
            encoded + &char::from(byte).to_string()
        }
        other => encoded + &format!("%{other:02X}"),
    })
}

fn form_encoded(text: &str) -> String {
    percent_encoded(text).replace("%20", "+")
}

fn json_escaped(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_taken_out_however_it_is_spelled() {
        let redactor = Redactor::new(["sk/live+ab\"c=="]);
        let echo = r#"bad key sk/live+ab"c== (SK%2flive%2Bab%22c%3D%3D, \"sk/live+ab\"c==\", {"key":"sk/live+ab\"c=="})"#;
        let clean = redactor.clean(echo);
        assert!(!clean.to_lowercase().contains("live"), "{clean}");
        assert!(clean.starts_with("bad key [redacted] ("), "{clean}");
    }

    #[test]
    fn a_key_inside_a_longer_header_leaves_no_rest() {
        let redactor = Redactor::new(["secret", "secretsauce"]);
        assert_eq!(redactor.clean("ü secretsauce secret ü"), "ü [redacted] [redacted] ü");
    }

    #[test]
    fn short_values_are_left_alone() {
        assert_eq!(Redactor::new(["1", ""]).clean("status 1"), "status 1");
    }
}
