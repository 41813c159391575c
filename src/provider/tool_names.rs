//! Tool names between us and the providers: theirs are letters, digits, `_` and `-`, at most 64; ours have dots.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::chat::context::ToolSpec;

const LONGEST: usize = 64;

/// The tools of one request under the names that the provider is told.
#[derive(Debug, Clone, Default)]
pub(crate) struct ToolNames {
    ours: BTreeMap<String, String>,
    theirs: BTreeMap<String, String>,
}

impl ToolNames {
    pub(crate) fn new(tools: &[ToolSpec]) -> Self {
        let mut names = Self::default();
        // Names that need no change come first, so that a changed one never takes theirs.
        let (plain, changed): (Vec<_>, Vec<_>) =
            tools.iter().partition(|tool| *allowed(&tool.name) == tool.name);
        for tool in plain.into_iter().chain(changed) {
            names.add(&tool.name);
        }
        names
    }

    fn add(&mut self, ours: &str) {
        let wanted = allowed(ours).into_owned();
        let mut theirs = wanted.clone();
        let mut tries = 1;
        while self.ours.contains_key(&theirs) {
            tries += 1;
            let suffix = format!("_{tries}");
            theirs = format!("{}{suffix}", &wanted[..wanted.len().min(LONGEST - suffix.len())]);
        }
        self.ours.insert(theirs.clone(), ours.to_owned());
        self.theirs.insert(ours.to_owned(), theirs);
    }

    /// A name as the provider takes it; also one that is not on offer any more.
    pub(crate) fn theirs<'a>(&'a self, ours: &'a str) -> Cow<'a, str> {
        match self.theirs.get(ours) {
            Some(theirs) => Cow::Borrowed(theirs),
            None => allowed(ours),
        }
    }

    /// What the model called, in our words; a name that was never offered stays as it is.
    pub(crate) fn ours<'a>(&'a self, theirs: &'a str) -> &'a str {
        self.ours.get(theirs).map_or(theirs, String::as_str)
    }
}

fn allowed(name: &str) -> Cow<'_, str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.len() <= LONGEST && name.chars().all(fits) {
        return Cow::Borrowed(name);
    }
    let mut clean: String = name.chars().map(|c| if fits(c) { c } else { '_' }).take(LONGEST).collect();
    if clean.is_empty() {
        clean.push('_');
    }
    Cow::Owned(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(of: &[&str]) -> ToolNames {
        let tools: Vec<_> = of
            .iter()
            .map(|name| ToolSpec {
                name: (*name).to_owned(),
                description: String::new(),
                schema: true.into(),
            })
            .collect();
        ToolNames::new(&tools)
    }

    #[test]
    fn a_dotted_name_comes_back_as_it_was() {
        let names = names(&["files.delete", "clock"]);
        assert_eq!(names.theirs("files.delete"), "files_delete");
        assert_eq!(names.ours("files_delete"), "files.delete");
        assert_eq!(names.ours("clock"), "clock");
        assert_eq!(names.ours("never_offered"), "never_offered");
    }

    #[test]
    fn names_that_become_the_same_stay_apart() {
        let long = "x".repeat(80);
        let longer = "x".repeat(81);
        let names = names(&["a.b", "a/b", "a_b", &long, &longer]);
        let theirs: std::collections::BTreeSet<_> = ["a.b", "a/b", "a_b", &long, &longer]
            .iter()
            .map(|ours| names.theirs(ours).into_owned())
            .collect();
        assert_eq!(theirs.len(), 5);
        assert!(theirs.iter().all(|name| name.len() <= LONGEST), "{theirs:?}");
        assert_eq!(names.theirs("a_b"), "a_b");
        for ours in ["a.b", "a/b", "a_b", &long, &longer] {
            assert_eq!(names.ours(&names.theirs(ours)), ours);
        }
    }
}
