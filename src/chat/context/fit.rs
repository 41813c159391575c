//! What of a path the model is given, so that it fits: system prompt, summary, pinned messages, then messages.
//!
//! Nothing is deleted. What is too much is shortened first, by a marker that says where the rest is, then left out,
//! the oldest first; every message of the path that is not sent as it is carries one [`Reason`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Item, PathMessage, Prompt, SEARCH, ToolSpec, push_message, tokens};
use crate::chat::compaction::Compaction;
use crate::chat::message::{Part, Role};
use crate::id::MessageId;

/// A tool's output is shortened to about so many bytes, if it has more than twice as many.
const SHORTENED: usize = 400;

/// Everything that a request could be made of.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Given {
    pub system: Option<String>,
    pub tools: Vec<ToolSpec>,
    /// The deepest on the path.
    pub compaction: Option<Compaction>,
    /// What has to be said of what stands above `path`: pinned messages, and the last message of a person where it is
    /// not in `path`. Oldest first.
    pub above: Vec<PathMessage>,
    /// The end of the path, oldest first, below the compaction.
    pub path: Vec<PathMessage>,
    /// Which messages of `path` are pinned.
    pub pinned: BTreeSet<MessageId>,
    /// What all of it together may take, in tokens.
    pub budget: u64,
}

/// A request that fits, and what became of each message.
#[derive(Debug, Clone, PartialEq)]
pub struct Context {
    pub prompt: Prompt,
    /// Of the messages that were given. Whatever else is on the path is [`Reason::Summarised`] at or above the
    /// compaction, else [`Reason::OverBudget`].
    pub fates: BTreeMap<MessageId, Fate>,
    /// Estimated, for the whole request.
    pub tokens: u64,
    /// The same, had nothing been shortened or left out.
    pub wanted: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fate {
    pub state: FateState,
    /// Of what is sent of it, estimated.
    pub tokens: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FateState {
    Sent,
    Shortened(Reason),
    LeftOut(Reason),
}

/// Why a message is not sent as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The summary stands for it.
    Summarised,
    /// There was no room for it.
    OverBudget,
    /// Outputs of its tools are long, and older than the last step.
    OldToolOutput,
    /// Nothing of it can be sent: it was cut before it said anything.
    Empty,
}

/// What must be sent does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the last message and what is pinned take about {tokens} tokens, and there is room for {budget}")]
pub struct TooLong {
    pub tokens: u64,
    pub budget: u64,
}

pub fn fit(given: Given) -> Result<Context, TooLong> {
    let Given { system, tools, compaction, above, path, pinned, budget } = given;
    let rest = system.as_deref().map_or(0, tokens::of_text) + tokens::of_tools(&tools);
    let findable = tools.iter().any(|tool| tool.name == SEARCH);
    let mut fitting = Fitting::new(compaction, above, findable, path, rest);
    let wanted = fitting.total();
    fitting.shorten_old_outputs(budget);
    fitting.leave_out_exchanges(budget, &pinned);
    fitting.leave_out_steps(budget, &pinned);
    let tokens = fitting.total();
    match tokens <= budget {
        true => Ok(fitting.into_context(system, tokens, wanted)),
        false => Err(TooLong { tokens, budget }),
    }
}

struct Fitting {
    compaction: Option<Compaction>,
    /// Said in words before the rest.
    above: Vec<PathMessage>,
    findable: bool,
    preface: Option<Item>,
    path: Vec<Candidate>,
    /// Of the messages of `path`, as they are sent.
    messages: u64,
    /// System prompt and tools.
    rest: u64,
}

struct Candidate {
    message: PathMessage,
    state: FateState,
    tokens: u64,
}

impl Fitting {
    fn new(
        compaction: Option<Compaction>,
        above: Vec<PathMessage>,
        findable: bool,
        path: Vec<PathMessage>,
        rest: u64,
    ) -> Self {
        let preface = preface(compaction.as_ref(), &above, findable);
        let path: Vec<Candidate> = path.into_iter().map(Candidate::new).collect();
        let messages = path.iter().map(|candidate| candidate.tokens).sum();
        Self { compaction, above, findable, preface, path, messages, rest }
    }

    fn total(&self) -> u64 {
        self.rest + tokens::of_items(self.preface.as_slice()) + self.messages
    }

    /// The oldest first; what the last step's tools said is what the model is about to read.
    fn shorten_old_outputs(&mut self, budget: u64) {
        let answer = |candidate: &Candidate| candidate.message.role == Role::Assistant;
        let last = self.path.iter().rposition(answer).unwrap_or_default();
        for at in 0..last {
            if self.total() <= budget {
                return;
            }
            self.messages -= self.path[at].shorten();
        }
    }

    /// Whole exchanges, a person's message with all that answers it. The last one stays.
    fn leave_out_exchanges(&mut self, budget: u64, pinned: &BTreeSet<MessageId>) {
        let begins = |candidate: &Candidate| candidate.message.role != Role::Assistant;
        let last = self.path.iter().rposition(begins).unwrap_or_default();
        let mut from = 0;
        while from < last && self.total() > budget {
            let next = self.path[from + 1..].iter().position(begins).map_or(last, |at| from + 1 + at);
            (from..next).for_each(|at| self.leave_out(at, pinned));
            from = next;
        }
    }

    /// Of the last exchange, the oldest step first.
    fn leave_out_steps(&mut self, budget: u64, pinned: &BTreeSet<MessageId>) {
        for at in 0..self.path.len() {
            if self.total() <= budget {
                return;
            }
            if self.path[at].message.role == Role::Assistant {
                self.leave_out(at, pinned);
            }
        }
    }

    fn leave_out(&mut self, at: usize, pinned: &BTreeSet<MessageId>) {
        let candidate = &mut self.path[at];
        if matches!(candidate.state, FateState::LeftOut(_)) {
            return;
        }
        self.messages -= std::mem::take(&mut candidate.tokens);
        candidate.state = FateState::LeftOut(Reason::OverBudget);
        if pinned.contains(&candidate.message.id) {
            // Out of its place, but said.
            self.above.push(candidate.message.clone());
            self.preface = preface(self.compaction.as_ref(), &self.above, self.findable);
        }
    }

    fn into_context(self, system: Option<String>, tokens: u64, wanted: u64) -> Context {
        let mut items: Vec<Item> = self.preface.into_iter().collect();
        let mut fates = BTreeMap::new();
        for Candidate { message, state, tokens } in &self.path {
            if !matches!(state, FateState::LeftOut(_)) {
                push_message(&mut items, message);
            }
            fates.insert(message.id, Fate { state: *state, tokens: *tokens });
        }
        for message in &self.above {
            fates.insert(
                message.id,
                Fate { state: FateState::Sent, tokens: tokens::of_text(&quoted(message)) },
            );
        }
        Context { prompt: Prompt { system, items }, fates, tokens, wanted }
    }
}

impl Candidate {
    fn new(message: PathMessage) -> Self {
        let tokens = tokens::of_sent(&message);
        let state = if tokens == 0 { FateState::LeftOut(Reason::Empty) } else { FateState::Sent };
        Self { message, state, tokens }
    }

    /// How many tokens that saves.
    fn shorten(&mut self) -> u64 {
        let mut shortened = false;
        for call in &mut self.message.calls {
            let Some(output) = call.output.as_mut().filter(|output| output.len() > 2 * SHORTENED) else {
                continue;
            };
            let head = &output[..output.floor_char_boundary(SHORTENED)];
            *output = format!(
                "{head}\n[Shortened: the first {} of {} bytes. The whole output of this call, {}, is kept in the conversation.]",
                head.len(),
                output.len(),
                call.id
            );
            shortened = true;
        }
        if !shortened {
            return 0;
        }
        let before = std::mem::replace(&mut self.tokens, tokens::of_sent(&self.message));
        self.state = FateState::Shortened(Reason::OldToolOutput);
        before - self.tokens
    }
}

/// What stands for the beginning of the path, and whether the model can find the rest of it.
fn preface(compaction: Option<&Compaction>, above: &[PathMessage], findable: bool) -> Option<Item> {
    let mut text = String::new();
    if let Some(compaction) = compaction {
        let summary = compaction.summary.trim();
        write!(text, "The conversation so far was summarised as follows.\n\n{summary}\n")
            .expect("memory takes it");
        if findable {
            writeln!(text, "\nWhat it leaves out can be found with `{SEARCH}`, with `here` set to true.")
                .expect("memory takes it");
        }
    }
    if !above.is_empty() {
        text.push_str("\nFrom earlier in the conversation, word for word:\n");
        above.iter().for_each(|message| text.push_str(&quoted(message)));
    }
    let text = text.trim().to_owned();
    (!text.is_empty()).then(|| Item::User { parts: vec![Part::Text { text }] })
}

fn quoted(message: &PathMessage) -> String {
    let who = match message.role {
        Role::User => "person",
        Role::Assistant => "assistant",
        Role::System => "system",
    };
    format!("\n<message from=\"{who}\">\n{}\n</message>\n", spoken(message))
}

/// A message in words: its text, and what its tools were asked and said.
pub fn spoken(message: &PathMessage) -> String {
    let mut text = String::new();
    for stored in &message.parts {
        match &stored.part {
            Part::Text { text: said } => text.push_str(said),
            Part::ToolCall { call_id, name, args_text, discarded: false } => {
                let call = message.calls.iter().find(|call| call.id == *call_id);
                let result = call.and_then(|call| call.output.as_deref().or(call.error.as_deref()));
                let result = result.unwrap_or("the call was not run");
                write!(text, "\n[called {name} with {args_text}; it said: {result}]\n")
                    .expect("memory takes it");
            }
            Part::File { name, .. } => write!(text, "\n[file {name}]\n").expect("memory takes it"),
            Part::Source { url, .. } => write!(text, "\n[source {url}]\n").expect("memory takes it"),
            Part::ToolCall { discarded: true, .. } | Part::Reasoning { .. } | Part::Notice { .. } => {}
        }
    }
    text
}
