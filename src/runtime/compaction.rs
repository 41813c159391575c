//! Summarises the beginning of a path, beside whatever else the conversation does. Nothing changes until the summary is
//! whole; a provider's error leaves everything as it was.

use futures_util::StreamExt;
use minijinja::{Environment, context};
use tracing::info;

use super::agent::Agent;
use super::context::Call;
use super::{Error, Shared};
use crate::chat::compaction::{Compaction, Told, cut, is_futile};
use crate::chat::context::{Item, PathMessage, Prompt, spoken, tokens};
use crate::chat::event::{Problem, Settings};
use crate::chat::message::{Part, Role};
use crate::chat::turn::ModelOutput;
use crate::id::{CompactionId, ConversationId, MessageId, UserId};
use crate::provider::{self, Purpose};

/// A path is read for its summary up to so many bytes.
const READ_AT_MOST: usize = 64 << 20;

/// What each message may take of the summary's input, in bytes, tried one after the other until all of it fits.
const LADDER: [usize; 5] = [usize::MAX, 16 * 1024, 4 * 1024, 1024, 256];

/// Tokens of a summary.
const SUMMARY_TOKENS: u32 = 4096;

/// What is to be summarised, and for whom.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The path that is summarised ends here.
    pub leaf: MessageId,
    /// Down to this message; absent: so far that a recent tail is kept.
    pub through: Option<MessageId>,
    pub instructions: Option<String>,
    pub requested_by: Option<UserId>,
    pub agent: String,
}

/// Why there is no summary.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NotCompacted {
    #[error("there is nothing to summarise: {0}")]
    Nothing(&'static str),
    #[error("the model did not summarise it: {}", .0.detail)]
    Model(Problem),
}

/// A summary, and what people are told of it.
pub(super) struct Summary {
    pub compaction: Compaction,
    pub told: Told,
}

pub(super) async fn summarise(
    shared: &Shared,
    id: ConversationId,
    wanted: &Wanted,
) -> Result<Summary, Error> {
    let agent = shared.agents.get(&wanted.agent).ok_or(Error::UnknownAgent)?;
    let failed = |failure: provider::Failure| Error::NotCompacted(NotCompacted::Model(failure.problem()));
    let model = agent.model(agent.options.compaction_model.as_deref()).await.map_err(failed)?;
    let path = shared.store.prompt_path(id, wanted.leaf, READ_AT_MOST).await?.ok_or(Error::NotFound)?;
    let answering = agent.model(None).await.map_err(failed)?;
    let keep = agent.budget(&answering, &Settings::default()) / 4;
    let nothing = |why| Error::NotCompacted(NotCompacted::Nothing(why));
    let count = match wanted.through {
        Some(through) => {
            let at = path.messages.iter().position(|message| message.id == through);
            at.ok_or_else(|| nothing("that message is summarised already, or not on the current path"))? + 1
        }
        None => cut(&path.messages, keep).ok_or_else(|| nothing("the conversation is short"))?,
    };
    let (old, _) = path.messages.split_at(count);
    let last = old.last().ok_or_else(|| nothing("the conversation is empty"))?;
    if !last.status.is_settled() {
        return Err(nothing("that message is still streaming"));
    }
    let before = path.compactions.last();

    let settings = Settings { max_output_tokens: Some(SUMMARY_TOKENS), ..Settings::default() };
    let call =
        Call { agent, model: &model, settings: &settings, tools: &[], memories: &[], at: shared.clock.now() };
    let system = instructions(wanted.instructions.as_deref());
    let room = call.budget().saturating_sub(tokens::of_text(&system));
    let text = material(before, old, room);
    let prompt =
        Prompt { system: Some(system), items: vec![Item::User { parts: vec![Part::Text { text }] }] };
    let summary = ask(agent, &model, Purpose::Summary, prompt, settings).await.map_err(failed)?;
    let tokens_before =
        before.map_or(0, |before| before.tokens_after) + old.iter().map(tokens::of_message).sum::<u64>();
    let compaction = Compaction {
        id: CompactionId::new(),
        message_id: last.id,
        tokens_after: tokens::of_text(&summary),
        summary,
        model: Some(model.id.clone()),
        requested_by: wanted.requested_by,
        tokens_before,
        created_at: shared.clock.now(),
    };
    info!(messages = count, tokens_before, tokens_after = compaction.tokens_after, "summarised");
    let mut all = path.compactions;
    all.push(compaction.clone());
    let told = if is_futile(&all) { Told::Futile } else { Told::Made };
    Ok(Summary { compaction, told })
}

/// A text of the model's, whole or not at all.
pub(super) async fn ask(
    agent: &Agent,
    model: &provider::Model,
    purpose: Purpose,
    prompt: Prompt,
    settings: Settings,
) -> Result<String, provider::Failure> {
    let context_tokens = Some(agent.context_tokens(model));
    let request =
        provider::Request { purpose, settings, context_tokens, ..provider::Request::new(&model.id, prompt) };
    let mut stream = agent.provider.stream(request);
    let (mut text, mut part) = (String::new(), None);
    while let Some(output) = stream.next().await {
        match output? {
            ModelOutput::PartStarted { index, part: Part::Text { text: begun } } => {
                part = Some(index);
                text.push_str(&begun);
            }
            ModelOutput::Delta { index, text: more } if part == Some(index) => text.push_str(&more),
            ModelOutput::Finished { .. } if text.trim().is_empty() => {
                return Err(provider::Failure::said_nothing());
            }
            ModelOutput::Finished { .. } => return Ok(text.trim().to_owned()),
            ModelOutput::Opened { .. }
            | ModelOutput::PartStarted { .. }
            | ModelOutput::Delta { .. }
            | ModelOutput::PartCompleted { .. } => {}
        }
    }
    Err(provider::Failure::ended_early())
}

fn instructions(added: Option<&str>) -> String {
    let template = include_str!("../../prompts/compact.md");
    Environment::new()
        .render_str(template, context! { instructions => added })
        .expect("the embedded prompt is a template")
}

/// The last summary and what followed it, in words; each message shortened so far that all of it fits. If even that is
/// not enough, the oldest messages are passed over.
fn material(before: Option<&Compaction>, messages: &[PathMessage], room: u64) -> String {
    let summary = before.map_or_else(String::new, |before| {
        format!("<summary-so-far>\n{}\n</summary-so-far>\n\n", before.summary.trim())
    });
    let room = room.saturating_sub(tokens::of_text(&summary));
    let mut said = Vec::new();
    for most in LADDER {
        said = messages.iter().map(|message| said_by(message, most)).collect();
        if said.iter().map(|text: &String| tokens::of_text(text)).sum::<u64>() <= room {
            return summary + &said.concat();
        }
    }
    let mut left = room;
    let fits = |text: &&String| {
        let tokens = tokens::of_text(text);
        let fits = tokens <= left;
        left = left.saturating_sub(tokens);
        fits
    };
    let kept = said.iter().rev().take_while(fits).count();
    let passed_over = said.len() - kept;
    format!(
        "{summary}[{passed_over} messages before these do not fit here]\n\n{}",
        said[passed_over..].concat()
    )
}

fn said_by(message: &PathMessage, most: usize) -> String {
    let who = match message.role {
        Role::User => "person",
        Role::Assistant => "assistant",
        Role::System => "system",
    };
    let text = spoken(message);
    let text = text.trim();
    let text = match text.len() > most {
        false => text.to_owned(),
        true => {
            let head = &text[..text.floor_char_boundary(most * 3 / 4)];
            let tail = &text[text.ceil_char_boundary(text.len() - most / 4)..];
            format!("{head}\n[…{} bytes left out…]\n{tail}", text.len() - head.len() - tail.len())
        }
    };
    format!("<message from=\"{who}\">\n{text}\n</message>\n\n")
}
