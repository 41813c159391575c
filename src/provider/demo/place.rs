//! Where in the conversation the demo is: what it answers, and what of the answer was said already.

use crate::chat::context::Item;
use crate::chat::message::Part;
use crate::provider::prompt::user_text;

pub(crate) struct Place<'a> {
    pub(crate) question: Question<'a>,
    /// The text of this answer that was shown before it was cut.
    pub(crate) said: String,
}

pub(crate) enum Question<'a> {
    Asked(String),
    /// The tools that it called answered; oldest first.
    Told(Vec<Outcome<'a>>),
}

pub(crate) struct Outcome<'a> {
    pub(crate) tool: &'a str,
    pub(crate) output: &'a str,
    pub(crate) is_error: bool,
}

impl<'a> Place<'a> {
    /// Walks back over an unfinished answer, and over people's wishes that it go on, to what it answers.
    pub(crate) fn of(items: &'a [Item]) -> Self {
        let mut said = String::new();
        let mut rest = items;
        while let Some((last, before)) = rest.split_last() {
            match last {
                Item::Assistant { parts } => {
                    let text: String = parts
                        .iter()
                        .filter_map(|part| match &part.part {
                            Part::Text { text } => Some(text.as_str()),
                            Part::Reasoning { .. }
                            | Part::ToolCall { .. }
                            | Part::File { .. }
                            | Part::Source { .. }
                            | Part::Notice { .. } => None,
                        })
                        .collect();
                    said.insert_str(0, &text);
                }
                Item::User { parts } if asks_to_go_on(parts) && is_answer(before.last()) => {}
                Item::User { parts } => {
                    return Self { question: Question::Asked(user_text(parts)), said };
                }
                Item::ToolResult { .. } => {
                    return Self { question: Question::Told(outcomes(rest)), said };
                }
            }
            rest = before;
        }
        Self { question: Question::Asked(String::new()), said }
    }
}

fn is_answer(item: Option<&Item>) -> bool {
    matches!(item, Some(Item::Assistant { .. }))
}

fn asks_to_go_on(parts: &[Part]) -> bool {
    let text = user_text(parts).to_lowercase();
    ["go on", "continue", "carry on"].iter().any(|wish| text.contains(wish))
}

/// The results at the end.
fn outcomes(items: &[Item]) -> Vec<Outcome<'_>> {
    let mut outcomes: Vec<_> = items
        .iter()
        .rev()
        .map_while(|item| match item {
            Item::ToolResult { name, output, is_error, .. } => {
                Some(Outcome { tool: name, output, is_error: *is_error })
            }
            Item::User { .. } | Item::Assistant { .. } => None,
        })
        .collect();
    outcomes.reverse();
    outcomes
}

/// In bytes.
pub(crate) fn length(item: &Item) -> usize {
    match item {
        Item::User { parts } => user_text(parts).len(),
        Item::Assistant { parts } => parts.iter().map(|part| part.part.streamed().len()).sum(),
        Item::ToolResult { output, .. } => output.len(),
    }
}
