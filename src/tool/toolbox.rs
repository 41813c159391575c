//! Every tool of this server by its name.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::clock::Clock;

use super::ask_user::AskUser;
use super::calculator::Calculator;
use super::clock::ClockTool;
use super::mcp::Servers;
use super::{FETCH_URL, FetchTool, HttpTool, HttpToolConfig, Tool, public_net};

/// Names that no configured tool may have.
pub const BUILT_IN: &[&str] = &[
    "ask_user",
    "calculator",
    "clock",
    "files.delete",
    "files.list",
    "files.read",
    "files.write",
    FETCH_URL,
    "memory",
    "search_conversations",
];

/// What the names of agents begin with, as tools of other agents.
pub const AGENTS: &str = "agent.";

/// What was configured, and what MCP servers say that they have by now.
#[derive(Clone)]
pub struct Toolbox {
    own: BTreeMap<String, Arc<dyn Tool>>,
    servers: Servers,
}

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
        Self::in_section("tools", name, key, &detail.into())
    }

    pub(super) fn in_section(section: &str, name: &str, key: &str, detail: &str) -> Self {
        let key = match key {
            "" => format!("{section}.{name}"),
            key => format!("{section}.{name}.{key}"),
        };
        Self { key, detail: detail.to_owned() }
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
        let mut toolbox = Self { own: BTreeMap::new(), servers: Servers::default() };
        let built_in: [Arc<dyn Tool>; 4] = [
            Arc::new(ClockTool::new(clock)),
            Arc::new(Calculator::default()),
            Arc::new(AskUser::default()),
            Arc::new(FetchTool::new(public_net::system_resolver())),
        ];
        for tool in built_in {
            toolbox.own.insert(tool.spec().name.clone(), tool);
        }
        for (name, config) in configured {
            let tool = HttpTool::new(name, config, env, public_net::system_resolver())?;
            toolbox.own.insert(name.clone(), Arc::new(tool));
        }
        Ok(toolbox)
    }

    /// Adds a tool that is made elsewhere.
    pub fn add(&mut self, tool: Arc<dyn Tool>) -> Result<(), NameTaken> {
        let name = tool.spec().name.clone();
        if self.own.contains_key(&name) {
            return Err(NameTaken(name));
        }
        self.own.insert(name, tool);
        Ok(())
    }

    /// Adds the tools of these servers, as they come and go.
    pub fn with_servers(self, servers: Servers) -> Self {
        Self { servers, ..self }
    }

    pub fn get(&self, name: &str) -> Option<Arc<dyn Tool>> {
        self.own.get(name).cloned().or_else(|| self.servers.get(name))
    }

    /// Waits a while for the server of that tool, where it has not said yet what it has.
    pub async fn await_server_of(&self, name: &str, approved: bool) {
        if !self.own.contains_key(name) {
            self.servers.await_server_of(name, approved).await;
        }
    }

    /// The tools that any of the patterns names, sorted and each once. `*` stands for any text: `files.*`.
    pub fn matching(&self, patterns: &[String]) -> Vec<Arc<dyn Tool>> {
        let mut all = self.servers.tools();
        all.extend(self.own.iter().map(|(name, tool)| (name.clone(), tool.clone())));
        all.into_iter().filter(|(name, _)| is_named(patterns, name)).map(|(_, tool)| tool).collect()
    }
}

/// Whether any of the patterns names the tool.
pub fn is_named(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| matches(pattern, name))
}

/// The pieces between the stars are found one after the other, each where it comes first.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
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
    fn nobody_else_may_have_the_name_of_a_built_in_tool() {
        let toolbox = Toolbox::new(&BTreeMap::new(), &|_| None, Clock::System).unwrap();
        assert!(toolbox.own.keys().all(|name| BUILT_IN.contains(&name.as_str())), "{:?}", toolbox.own.keys());
    }
}
