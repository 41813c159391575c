//! Takes our secrets out of what a tool answers: some echo the headers of a request.

use std::sync::Arc;

const REDACTED: &str = "[redacted]";

/// Shorter values are no secrets, and taking them out would make every answer unreadable.
const SHORTEST: usize = 8;

#[derive(Clone, Default)]
pub struct Redactor(Arc<[String]>);

impl Redactor {
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut spellings: Vec<String> = secrets
            .into_iter()
            .flat_map(|secret| [secret.to_owned(), json_escaped(secret)])
            .filter(|spelling| spelling.len() >= SHORTEST)
            .collect();
        // Longest first, so that a secret inside another one leaves no rest.
        spellings.sort_by_key(|spelling| std::cmp::Reverse(spelling.len()));
        spellings.dedup();
        Self(spellings.into())
    }

    pub fn clean(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret, REDACTED))
    }
}

fn json_escaped(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}
