//! What the demo says to what it was asked.

use serde_json::{Value, json};

use crate::chat::context::{Item, ToolSpec};
use crate::provider::demo::markdown::showcase;
use crate::provider::demo::place::{Outcome, Place, Question};
use crate::provider::prompt::user_text;
use crate::provider::{Purpose, Request};

const HIGHEST: u32 = 100_000;

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Script {
    pub(crate) reasoning: String,
    pub(crate) text: String,
    pub(crate) calls: Vec<Wanted>,
}

/// A call that the demo would like to make.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) tool: &'static str,
    pub(crate) args: Value,
}

impl Script {
    /// What it makes of the text that it is to put in fewer words: the first of them, where headings are asked for
    /// below each of those.
    pub(crate) fn digest(request: &Request) -> Self {
        let given = request.prompt.items.last().map(|item| match item {
            Item::User { parts } => user_text(parts),
            Item::Assistant { .. } | Item::ToolResult { .. } => String::new(),
        });
        let given = given.unwrap_or_default();
        let marked = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('<');
        let most = if request.purpose == Purpose::Title { 6 } else { 12 };
        let says = |word: &&str| word.contains(char::is_alphanumeric);
        let words = given.lines().filter(marked).flat_map(str::split_whitespace).filter(says);
        let words: Vec<&str> = words.take(most).collect();
        let words = words.join(" ");
        let headings = request.prompt.system.iter().flat_map(|system| system.lines());
        let headings: Vec<&str> = headings.filter(|line| line.starts_with("## ")).collect();
        let text = match (request.purpose, headings.as_slice()) {
            (Purpose::Title, _) | (_, []) => words.trim_end_matches(['.', ',', ':']).to_owned(),
            (Purpose::Summary | Purpose::Answer, headings) => {
                let filled: Vec<String> = headings
                    .iter()
                    .map(|heading| format!("{heading}\n\nThe demo model read: {words}"))
                    .collect();
                filled.join("\n\n")
            }
        };
        Self { text, ..Self::default() }
    }

    /// What is left of it once `said` was shown. What it never said it cannot continue: then it starts again.
    pub(crate) fn resumed_after(mut self, said: &str) -> Self {
        if let Some(left) = self.text.strip_prefix(said) {
            self.text = left.to_owned();
        }
        self
    }
}

pub(crate) fn script(place: &Place<'_>, tools: &[ToolSpec]) -> Script {
    match &place.question {
        Question::Told(outcomes) => Script {
            reasoning: "The tools have answered. I pass on what they said.".to_owned(),
            text: outcomes.iter().map(told).collect::<Vec<_>>().join("\n\n"),
            calls: Vec::new(),
        },
        Question::Asked(question) => answer(question, tools),
    }
}

fn told(outcome: &Outcome<'_>) -> String {
    let Outcome { tool, output, is_error } = outcome;
    match is_error {
        true => format!("The tool `{tool}` did not do it: {output}"),
        false => format!("The tool `{tool}` says: {output}"),
    }
}

fn answer(question: &str, tools: &[ToolSpec]) -> Script {
    let asked = question.to_lowercase();
    let reasoning = format!(
        "The person wrote {} characters. I look for something that I know.",
        question.chars().count()
    );
    if let Some(highest) = count_to(&asked) {
        let numbers: Vec<_> = (1..=highest).map(|number| number.to_string()).collect();
        return Script { reasoning, text: numbers.join(", "), calls: Vec::new() };
    }
    let wanted: Vec<_> =
        [time(&asked), product(&asked), deletion(question, &asked)].into_iter().flatten().collect();
    if wanted.is_empty() {
        return Script { reasoning, text: showcase(question), calls: Vec::new() };
    }
    let (calls, missing): (Vec<_>, Vec<_>) =
        wanted.into_iter().partition(|wanted| tools.iter().any(|tool| tool.name == wanted.tool));
    let said: Vec<_> = calls
        .iter()
        .map(|call| format!("I am the demo model. I call the tool `{}`.", call.tool))
        .chain(missing.iter().map(|call| {
            format!(
                "I am the demo model. I would call the tool `{}` with `{}`, but it was not given to me.",
                call.tool, call.args
            )
        }))
        .collect();
    Script { reasoning, text: said.join("\n\n"), calls }
}

fn count_to(asked: &str) -> Option<u32> {
    let (_, after) = asked.split_once("count to ")?;
    let digits: String = after
        .trim_start()
        .chars()
        .filter(|c| !matches!(c, ',' | '_'))
        .take_while(char::is_ascii_digit)
        .collect();
    Some(digits.parse::<u32>().ok()?.clamp(1, HIGHEST))
}

fn time(asked: &str) -> Option<Wanted> {
    let asks = ["what time is it", "what's the time", "what is the time"]
        .iter()
        .any(|phrase| asked.contains(phrase));
    asks.then(|| Wanted { tool: "clock", args: json!({}) })
}

fn product(asked: &str) -> Option<Wanted> {
    let (_, after) = asked.split_once("what is ").or_else(|| asked.split_once("what's "))?;
    let expression: String =
        after.chars().take_while(|c| c.is_ascii_digit() || " +-*/().^%×".contains(*c)).collect();
    let expression = expression.replace('×', "*");
    let expression = expression.trim_matches([' ', '.']);
    let calculates = expression.contains(['+', '-', '*', '/', '^', '%'])
        && expression.contains(|c: char| c.is_ascii_digit());
    calculates.then(|| Wanted { tool: "calculator", args: json!({"expression": expression}) })
}

/// The name is taken from the question as it was written.
fn deletion(question: &str, asked: &str) -> Option<Wanted> {
    const PHRASE: &str = "delete the file ";
    let at = asked.find(PHRASE)? + PHRASE.len();
    let path = question.get(at..).unwrap_or(&asked[at..]).split_whitespace().next()?;
    let path = path.trim_matches(['"', '`', '\'', ',', '?', '!', '.']);
    (!path.is_empty()).then(|| Wanted { tool: "files.delete", args: json!({"path": path}) })
}
