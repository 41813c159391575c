//! An answer as it is put together: numbers the parts, keeps their order, and hands out what is ready.

use std::collections::VecDeque;

use crate::chat::message::{FinishReason, Opaque, Part, Usage};
use crate::chat::turn::ModelOutput;
use crate::id::CallId;
use crate::provider::tool_names::ToolNames;

/// The number of a part that was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PartIndex(u32);

#[derive(Default)]
pub(crate) struct Answer {
    ready: VecDeque<ModelOutput>,
    next_index: u32,
    open: Vec<PartIndex>,
    sources: Vec<String>,
    opened: bool,
    tool_names: ToolNames,
}

impl Answer {
    pub(crate) fn new(tool_names: ToolNames) -> Self {
        Self { tool_names, ..Self::default() }
    }

    /// What is ready, oldest first.
    pub(crate) fn pop(&mut self) -> Option<ModelOutput> {
        self.ready.pop_front()
    }

    /// Whether a part was started.
    pub(crate) fn has_output(&self) -> bool {
        self.next_index > 0
    }

    /// The first call counts, the others repeat it.
    pub(crate) fn opened(&mut self, model: Option<&str>, response_id: Option<&str>) {
        if std::mem::replace(&mut self.opened, true) {
            return;
        }
        let given = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        self.ready.push_back(ModelOutput::Opened { model: given(model), response_id: given(response_id) });
    }

    pub(crate) fn start(&mut self, part: Part) -> PartIndex {
        let index = PartIndex(self.next_index);
        self.next_index += 1;
        self.open.push(index);
        self.ready.push_back(ModelOutput::PartStarted { index: index.0, part });
        index
    }

    pub(crate) fn start_text(&mut self) -> PartIndex {
        self.start(Part::Text { text: String::new() })
    }

    pub(crate) fn start_reasoning(&mut self) -> PartIndex {
        self.start(Part::Reasoning { text: String::new() })
    }

    /// `wire_name` is the tool's name as the provider knows it.
    pub(crate) fn start_call(&mut self, wire_name: &str) -> PartIndex {
        self.start(Part::ToolCall {
            call_id: CallId::new(),
            name: self.tool_names.ours(wire_name).to_owned(),
            args_text: String::new(),
            discarded: false,
        })
    }

    /// More text of an open part. Nothing is no delta.
    pub(crate) fn delta(&mut self, index: PartIndex, text: impl Into<String> + AsRef<str>) {
        if !text.as_ref().is_empty() {
            self.ready.push_back(ModelOutput::Delta { index: index.0, text: text.into() });
        }
    }

    pub(crate) fn complete(&mut self, index: PartIndex, opaque: Option<Opaque>) {
        self.open.retain(|open| *open != index);
        self.ready.push_back(ModelOutput::PartCompleted { index: index.0, opaque });
    }

    /// A source that the answer cites, once however often it is cited.
    pub(crate) fn cite(&mut self, url: &str, title: Option<&str>) {
        if url.is_empty() || self.sources.iter().any(|cited| cited == url) {
            return;
        }
        self.sources.push(url.to_owned());
        let index = self.start(Part::Source { url: url.to_owned(), title: title.map(str::to_owned) });
        self.complete(index, None);
    }

    /// The provider said that the answer is whole. What is still open is whole with it.
    pub(crate) fn finish(&mut self, finish_reason: FinishReason, usage: Option<Usage>) {
        for index in std::mem::take(&mut self.open) {
            self.ready.push_back(ModelOutput::PartCompleted { index: index.0, opaque: None });
        }
        self.ready.push_back(ModelOutput::Finished { finish_reason, usage });
    }
}
