//! Following an answer that the provider went on with: what was shown of it is left out.

use crate::chat::message::Part;
use crate::chat::turn::ModelOutput;

/// Passes an answer on from where the shown text ends. The answer is the same run of the model, so it begins with
/// exactly that text; one that does not is passed on whole.
pub(super) struct Unshown {
    /// What was shown and has not come by again.
    shown: String,
    /// The numbers of the parts that are passed on; `None` for one that was shown whole.
    parts: Vec<Option<u32>>,
    passed_on: u32,
    /// The text part that is being left out, by its number in the answer.
    skipping: Option<u32>,
}

impl Unshown {
    pub fn new(shown: String) -> Self {
        Self { shown, parts: Vec::new(), passed_on: 0, skipping: None }
    }

    /// What of this output is new.
    pub fn take(&mut self, output: ModelOutput) -> Vec<ModelOutput> {
        match output {
            ModelOutput::PartStarted { index, part } => {
                let shown = !self.shown.is_empty()
                    && match &part {
                        Part::Text { .. } | Part::Reasoning { .. } => true,
                        Part::ToolCall { .. }
                        | Part::File { .. }
                        | Part::Source { .. }
                        | Part::Notice { .. } => false,
                    };
                if !shown {
                    return vec![self.start(part)];
                }
                if let Part::Text { .. } = part {
                    self.skipping = Some(index);
                }
                self.parts.push(None);
                Vec::new()
            }
            ModelOutput::Delta { index, text } => match self.number(index) {
                Some(index) => vec![ModelOutput::Delta { index, text }],
                None if self.skipping == Some(index) => self.skip(index, &text),
                None => Vec::new(),
            },
            ModelOutput::PartCompleted { index, opaque } => {
                let number = self.number(index);
                number.map(|index| ModelOutput::PartCompleted { index, opaque }).into_iter().collect()
            }
            ModelOutput::Opened { .. } | ModelOutput::Finished { .. } => vec![output],
        }
    }

    /// Leaves out what was shown; where the text goes on beyond it, the rest becomes a part of its own.
    fn skip(&mut self, index: u32, text: &str) -> Vec<ModelOutput> {
        if let Some(rest) = self.shown.strip_prefix(text) {
            self.shown = rest.to_owned();
            return Vec::new();
        }
        let new = text.strip_prefix(self.shown.as_str()).unwrap_or(text).to_owned();
        self.shown.clear();
        self.skipping = None;
        let number = self.passed_on;
        self.passed_on += 1;
        if let Some(part) = self.parts.get_mut(index as usize) {
            *part = Some(number);
        }
        let part = Part::Text { text: String::new() };
        vec![
            ModelOutput::PartStarted { index: number, part },
            ModelOutput::Delta { index: number, text: new },
        ]
    }

    fn start(&mut self, part: Part) -> ModelOutput {
        let index = self.passed_on;
        self.passed_on += 1;
        self.parts.push(Some(index));
        ModelOutput::PartStarted { index, part }
    }

    fn number(&self, index: u32) -> Option<u32> {
        self.parts.get(index as usize).copied().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::message::FinishReason;

    fn text_part(index: u32, deltas: &[&str]) -> Vec<ModelOutput> {
        let started = ModelOutput::PartStarted { index, part: Part::Text { text: String::new() } };
        let deltas = deltas.iter().map(|text| ModelOutput::Delta { index, text: (*text).to_owned() });
        let completed = ModelOutput::PartCompleted { index, opaque: None };
        std::iter::once(started).chain(deltas).chain([completed]).collect()
    }

    fn reasoning(index: u32) -> Vec<ModelOutput> {
        let started = ModelOutput::PartStarted { index, part: Part::Reasoning { text: String::new() } };
        vec![started, ModelOutput::Delta { index, text: "hm".to_owned() }]
    }

    fn passed_on(shown: &str, answer: Vec<ModelOutput>) -> Vec<ModelOutput> {
        let mut unshown = Unshown::new(shown.to_owned());
        answer.into_iter().flat_map(|output| unshown.take(output)).collect()
    }

    #[test]
    fn an_answer_goes_on_in_the_middle_of_a_delta() {
        let answer = [reasoning(0), text_part(1, &["The qu", "ick fox"])].concat();
        assert_eq!(passed_on("The quick", answer), text_part(0, &[" fox"]));
    }

    #[test]
    fn an_answer_that_was_shown_whole_only_finishes() {
        let finished = ModelOutput::Finished { finish_reason: FinishReason::Stop, usage: None };
        let answer = [text_part(0, &["all ", "of it"]), vec![finished.clone()]].concat();
        assert_eq!(passed_on("all of it", answer), vec![finished]);
    }

    #[test]
    fn a_later_part_keeps_its_order() {
        let answer = [text_part(0, &["one"]), text_part(1, &["two"])].concat();
        assert_eq!(passed_on("one", answer), text_part(0, &["two"]));
    }
}
