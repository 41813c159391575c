//! Every tool of this server by its name.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::clock::Clock;

use super::calculator::Calculator;
use super::clock::ClockTool;
use super::{HttpTool, HttpToolConfig, Tool, public_net};

/// Names that no configured tool may have.
pub const BUILT_IN: &[&str] = &["clock", "calculator"];

#[derive(Clone)]
pub struct Toolbox(BTreeMap<String, Arc<dyn Tool>>);

/// What is wrong with a tool of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {detail}")]
pub struct Misconfigured {
    /// Dotted, as in the file: `tools.refund.url`.
    pub key: String,
    pub detail: String,
}

impl Misconfigured {
    /// `key` is the one below `[tools.<name>]`, or empty for the whole section.
    pub(super) fn of(name: &str, key: &str, detail: impl Into<String>) -> Self {
        let key = match key {
            "" => format!("tools.{name}"),
            key => format!("tools.{name}.{key}"),
        };
        Self { key, detail: detail.into() }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there are two tools with the name `{0}`")]
pub struct NameTaken(pub String);

impl Toolbox {
    /// The built-in tools and the configured ones. Nothing is asked of them yet.
    pub fn new(
        configured: &BTreeMap<String, HttpToolConfig>,
        env: &dyn Fn(&str) -> Option<String>,
        clock: Clock,
    ) -> Result<Self, Misconfigured> {
        let mut toolbox = Self(BTreeMap::new());
        let built_in: [Arc<dyn Tool>; 2] = [Arc::new(ClockTool::new(clock)), Arc::new(Calculator::default())];
        for tool in built_in {
            toolbox.0.insert(tool.spec().name.clone(), tool);
        }
        for (name, config) in configured {
            let tool = HttpTool::new(name, config, env, public_net::system_resolver())?;
            toolbox.0.insert(name.clone(), Arc::new(tool));
        }
        Ok(toolbox)
    }

    /// Adds a tool that is made elsewhere.
    pub fn add(&mut self, tool: Arc<dyn Tool>) -> Result<(), NameTaken> {
        let name = tool.spec().name.clone();
        if self.0.contains_key(&name) {
            return Err(NameTaken(name));
        }
        self.0.insert(name, tool);
        Ok(())
    }

    pub fn get(&self, name: &str) -> Option<&Arc<dyn Tool>> {
        self.0.get(name)
    }

    /// The tools that any of the patterns names, sorted and each once. `*` stands for any text: `files.*`.
    pub fn matching(&self, patterns: &[String]) -> Vec<&Arc<dyn Tool>> {
        let named = |name: &str| patterns.iter().any(|pattern| matches(pattern, name));
        self.0.iter().filter(|(name, _)| named(name)).map(|(_, tool)| tool).collect()
    }
}

/// The pieces between the stars are found one after the other, each where it comes first.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((start, pattern)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut rest) = name.strip_prefix(start) else { return false };
    let (middle, end) = pattern.rsplit_once('*').unwrap_or(("", pattern));
    for piece in middle.split('*') {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, name, is_match) in [
            ("clock", "clock", true),
            ("clock", "clocks", false),
            ("files.*", "files.read", true),
            ("files.*", "files.", true),
            ("files.*", "file.read", false),
            ("*", "anything", true),
            ("*.read_*", "files.read_text", true),
            ("*.read_*", "files.write_text", false),
            ("a*b*c", "a.b.b.c", true),
            ("a*b*c", "a.c.b", false),
            ("ab*ba", "aba", false),
            ("", "clock", false),
        ] {
            assert_eq!(matches(pattern, name), is_match, "{pattern} {name}");
        }
    }

    #[test]
    fn the_built_in_names_are_those_of_the_built_in_tools() {
        let toolbox = Toolbox::new(&BTreeMap::new(), &|_| None, Clock::System).unwrap();
        let mut names = BUILT_IN.to_vec();
        names.sort_unstable();
        assert_eq!(toolbox.0.keys().map(String::as_str).collect::<Vec<_>>(), names);
    }
}
