//! Asks the model for the next message of a turn, and tells the conversation what it says.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::{info, warn};

use super::Shared;
use super::agent::Agent;
use super::conversation::Mail;
use crate::chat::context::{self, Item, PathMessage};
use crate::chat::event::Problem;
use crate::chat::message::{MessageStatus, Part};
use crate::chat::turn::placement;
use crate::chat::turn::{CallFailure, Fence, Input, ModelOutput, Placement, Recovery, Turn};
use crate::id::{ConversationId, TurnId};
use crate::provider::{self, Ending};

/// A context is filled up to so many bytes per token that the model takes: on the safe side for English, and for
/// scripts of three bytes a character with a token each.
const BYTES_PER_TOKEN: u64 = 3;

/// An answer that cannot be told apart from the cut one is held back no longer than this.
const HELD_BYTES: usize = 4 * 1024;

/// Between the second and the third attempt at one step.
const BREATH: Duration = Duration::from_secs(1);

pub(super) struct ModelCall {
    pub conversation_id: ConversationId,
    pub turn: Turn,
    pub mouth: Mouth,
}

/// What the model's caller tells the conversation.
#[derive(Debug)]
pub(super) enum Said {
    Opened { model: Option<String>, placement: Placement },
    Output(ModelOutput),
    Failed(CallFailure),
}

impl Said {
    pub fn into_input(self, fence: Fence) -> Input {
        match self {
            Self::Opened { model, placement } => Input::MessageOpened { fence, model, placement },
            Self::Output(output) => Input::Model { fence, output },
            Self::Failed(failure) => Input::ModelFailed { fence, failure },
        }
    }
}

/// Where one attempt at one step reports to.
pub(super) struct Mouth {
    mailbox: mpsc::Sender<Mail>,
    turn_id: TurnId,
    fence: Fence,
}

impl Mouth {
    pub fn new(mailbox: mpsc::Sender<Mail>, turn_id: TurnId, fence: Fence) -> Self {
        Self { mailbox, turn_id, fence }
    }

    async fn say(&self, said: Said) {
        let mail = Mail::Model { turn_id: self.turn_id, fence: self.fence, said };
        // A conversation that stopped listening has dropped its turns.
        drop(self.mailbox.send(mail).await);
    }
}

pub(super) async fn call_model(shared: Arc<Shared>, call: ModelCall) {
    if call.turn.attempts_this_step > 2 {
        tokio::time::sleep(BREATH).await;
    }
    if let Err(failure) = answer(&shared, &call).await {
        call.mouth.say(Said::Failed(failure)).await;
    }
}

async fn answer(shared: &Shared, call: &ModelCall) -> Result<(), CallFailure> {
    let request = &call.turn.plan.request;
    let agent = shared.agents.get(&request.agent).ok_or_else(|| refused(unknown_agent(&request.agent)))?;
    let model = agent.model(request.model.as_deref()).await.map_err(|failure| refused(failure.problem()))?;
    let context_tokens = agent.context_tokens(&model);
    let budget = usize::try_from(context_tokens.saturating_mul(BYTES_PER_TOKEN)).unwrap_or(usize::MAX);
    let path = shared.store.prompt_path(call.conversation_id, call.turn.leaf, budget).await;
    let path = path.map_err(|error| refused(super::Error::Store(error).problem()))?;
    let path = path.ok_or_else(|| refused(super::Error::Unavailable.problem()))?;

    let resumed = Resumed::of(&call.turn, &path);
    let asked = Asked { agent, model, context_tokens, call, resumed: &resumed };
    let ending = resumed.ending(agent);
    match asked.stream(&path, ending).await {
        // Declared to accept a trailing assistant message, the model does not.
        Err(failure) if failure.status == Some(400) && ending == Ending::Prefill => {
            warn!(%failure, "the model refused to go on from its own words; asked in words instead");
            Ok(asked.stream(&path, Ending::Normal).await?)
        }
        ended => Ok(ended?),
    }
}

/// What an earlier attempt at the same step left behind.
struct Resumed {
    /// The text that was shown, over all cut messages of the step.
    cut: String,
    recovery: Recovery,
}

impl Resumed {
    fn of(turn: &Turn, path: &[PathMessage]) -> Self {
        let cut = path.iter().rev().take_while(|message| message.id != turn.base);
        let cut: Vec<&PathMessage> =
            cut.take_while(|message| message.status == MessageStatus::Interrupted).collect();
        let text_of = |message: &&PathMessage| -> String {
            let texts = message.parts.iter().filter_map(|stored| match &stored.part {
                Part::Text { text } => Some(text.as_str()),
                Part::Reasoning { .. }
                | Part::ToolCall { .. }
                | Part::File { .. }
                | Part::Source { .. }
                | Part::Notice { .. } => None,
            });
            texts.collect()
        };
        Self { cut: cut.iter().rev().map(text_of).collect(), recovery: turn.plan.recovery }
    }

    fn goes_on(&self) -> bool {
        !self.cut.is_empty() && self.recovery == Recovery::Continue
    }

    fn ending(&self, agent: &Agent) -> Ending {
        if self.goes_on() && agent.prefill { Ending::Prefill } else { Ending::Normal }
    }
}

/// One request to a provider.
struct Asked<'a> {
    agent: &'a Agent,
    model: provider::Model,
    context_tokens: u64,
    call: &'a ModelCall,
    resumed: &'a Resumed,
}

impl Asked<'_> {
    async fn stream(&self, path: &[PathMessage], ending: Ending) -> Result<(), provider::Failure> {
        let mut stream = self.agent.provider.stream(self.request(path, ending));
        let mut opening = Opening::new(self.resumed);
        let mut model = Some(self.model.id.clone());
        let asked_at = Instant::now();
        while let Some(output) = stream.next().await {
            match output {
                Ok(ModelOutput::Opened { model: named, .. }) => {
                    metrics::histogram!("weir_upstream_first_byte_seconds")
                        .record(asked_at.elapsed().as_secs_f64());
                    model = named.or(model);
                }
                Ok(output) => {
                    let finished = matches!(output, ModelOutput::Finished { .. });
                    for said in opening.take(output, &model) {
                        self.call.mouth.say(said).await;
                    }
                    if finished {
                        return Ok(());
                    }
                }
                Err(failure) => {
                    info!(%failure, "the model call failed");
                    for said in opening.give_up(&model) {
                        self.call.mouth.say(said).await;
                    }
                    return Err(failure);
                }
            }
        }
        Err(provider::Failure::ended_early())
    }

    fn request(&self, path: &[PathMessage], ending: Ending) -> provider::Request {
        let request = &self.call.turn.plan.request;
        // Starting over, the cut answer is not part of what the model is given.
        let kept = match self.resumed.recovery {
            Recovery::Restart => path.iter().rposition(|message| message.id == self.call.turn.base),
            Recovery::Continue | Recovery::Fail => None,
        };
        let path = kept.map_or(path, |base| &path[..=base]);
        let mut prompt = context::build(self.agent.system_prompt(self.call.turn.plan.started_at), path);
        if self.resumed.goes_on() && ending == Ending::Normal {
            let text = include_str!("../../prompts/continue.md").trim().to_owned();
            prompt.items.push(Item::User { parts: vec![Part::Text { text }] });
        }
        provider::Request {
            model: self.model.id.clone(),
            prompt,
            tools: request.tools.clone(),
            tool_choice: request.tool_choice.clone(),
            settings: request.settings.clone(),
            context_tokens: Some(self.context_tokens),
            ending,
            reattach: None,
        }
    }
}

/// The beginning of an answer, held back until it is known where its message belongs.
struct Opening<'a> {
    resumed: &'a Resumed,
    held: Vec<ModelOutput>,
    text: String,
    bytes: usize,
    open: bool,
}

impl<'a> Opening<'a> {
    fn new(resumed: &'a Resumed) -> Self {
        Self { resumed, held: Vec::new(), text: String::new(), bytes: 0, open: false }
    }

    fn take(&mut self, output: ModelOutput, model: &Option<String>) -> Vec<Said> {
        if self.open {
            return vec![Said::Output(output)];
        }
        if let ModelOutput::Delta { index, text } = &output {
            self.bytes += text.len();
            if self.is_text(*index) {
                self.text.push_str(text);
            }
        }
        let finished = matches!(output, ModelOutput::Finished { .. });
        self.held.push(output);
        let placement = match self.place() {
            None if finished => placement::judge_whole(&self.resumed.cut, &self.text),
            None => return Vec::new(),
            Some(placement) => placement,
        };
        self.release(placement, model)
    }

    /// The answer broke off before it could be judged; what was said of it is shown all the same.
    fn give_up(&mut self, model: &Option<String>) -> Vec<Said> {
        let shown = self.held.iter().any(|output| matches!(output, ModelOutput::Delta { .. }));
        if self.open || !shown {
            return Vec::new();
        }
        self.release(placement::judge_whole(&self.resumed.cut, &self.text), model)
    }

    fn release(&mut self, placement: Placement, model: &Option<String>) -> Vec<Said> {
        self.open = true;
        let opened = Said::Opened { model: model.clone(), placement };
        std::iter::once(opened).chain(self.held.drain(..).map(Said::Output)).collect()
    }

    fn place(&self) -> Option<Placement> {
        match self.resumed.recovery {
            _ if self.resumed.cut.is_empty() => Some(Placement::Child),
            Recovery::Restart => Some(Placement::Sibling),
            Recovery::Continue | Recovery::Fail if self.bytes > HELD_BYTES => Some(Placement::Child),
            Recovery::Continue | Recovery::Fail if self.text.trim_start().is_empty() => None,
            Recovery::Continue | Recovery::Fail => placement::judge(&self.resumed.cut, &self.text),
        }
    }

    fn is_text(&self, index: u32) -> bool {
        let text = |output: &ModelOutput| matches!(output, ModelOutput::PartStarted { index: i, part: Part::Text { .. } } if *i == index);
        self.held.iter().any(text)
    }
}

fn refused(problem: Problem) -> CallFailure {
    CallFailure::Refused { problem }
}

fn unknown_agent(agent: &str) -> Problem {
    Problem {
        kind: "agent-unknown".to_owned(),
        title: "The agent is not configured".to_owned(),
        status: 422,
        detail: format!("there is no agent `{agent}` any more"),
        errors: Vec::new(),
    }
}
