//! What is wrong with a configuration, in words for the person who wrote it.

use std::fmt;

/// One wrong setting: where it stands, its key, and what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The file (with a line where only that is known), the variable or the flag.
    source: String,
    /// Dotted, as in the file. Empty where the source says it all.
    key: String,
    problem: String,
}

impl Error {
    pub(super) fn new(source: impl Into<String>, key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { source: source.into(), key: key.into(), problem: problem.into() }
    }

    /// From serde's words for a value that does not fit.
    pub(super) fn from_serde(source: String, key: String, message: &str) -> Self {
        let quoted = |text: &str| {
            let mut rest = text;
            let mut names = Vec::new();
            while let Some((_, after)) = rest.split_once('`')
                && let Some((name, after)) = after.split_once('`')
            {
                names.push(name.to_owned());
                rest = after;
            }
            names
        };
        let below = |name: &str| if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") };

        if let Some(rest) = message.strip_prefix("unknown field ") {
            let names = quoted(rest);
            // The path may or may not end in the unknown key already.
            let key = match key == names[0] || key.ends_with(&format!(".{}", names[0])) {
                true => key,
                false => below(&names[0]),
            };
            let known = names[1..].iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            return Self::new(source, key, format!("unknown key; expected one of {known}"));
        }
        if let Some(rest) = message.strip_prefix("missing field ") {
            let key = below(&quoted(rest)[0]);
            return Self::new(source, key, "is missing");
        }
        if let Some(rest) = message.strip_prefix("unknown variant ") {
            let names = quoted(rest);
            let known = names[1..].iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
            return Self::new(source, key, format!("expected one of {known}, found {:?}", names[0]));
        }
        let unfit =
            ["invalid type: ", "invalid value: "].iter().find_map(|prefix| message.strip_prefix(prefix));
        if let Some((found, expected)) = unfit.and_then(|rest| rest.rsplit_once(", expected ")) {
            let found = found.strip_prefix("string ").unwrap_or(found).replace('`', "");
            return Self::new(source, key, format!("expected {}, found {found}", plain(expected)));
        }
        Self::new(source, key, message)
    }
}

/// Serde's names of types, in the words of a configuration file.
fn plain(expected: &str) -> &str {
    match expected {
        "a duration" => r#"a duration such as "60s""#,
        "u32" | "u64" | "usize" => "a whole number",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "a table",
        "path string" => "a path",
        _ if expected.starts_with("struct ") => "a table",
        _ => expected,
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key.is_empty() {
            true => write!(f, "{}: {}", self.source, self.problem),
            false => write!(f, "{}: {}: {}", self.source, self.key, self.problem),
        }
    }
}

impl std::error::Error for Error {}
