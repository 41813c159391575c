//! Asks the model for the next message of a turn, and tells the conversation what it says.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tracing::{info, warn};

use super::agent::Agent;
use super::compaction::Wanted;
use super::context::{Call, memories};
use super::mail::{CompactionReply, Mail};
use super::reattach::Unshown;
use super::{Shared, attached, tool};
use crate::chat::compaction::is_futile;
use crate::chat::context::{self, Item, PathMessage, TooLong};
use crate::chat::event::Problem;
use crate::chat::message::{MessageStatus, Part};
use crate::chat::turn::placement;
use crate::chat::turn::{CallFailure, Fence, Input, ModelOutput, Placement, Recovery, Turn};
use crate::id::{ConversationId, TurnId, WorkspaceId};
use crate::provider::{self, Ending, FailureKind, Purpose, Reattach};
use crate::store::PromptPath;

/// Filled to more than this, in percent, a context is compacted while the model answers.
const COMPACTS_MEANWHILE: u64 = 70;

/// Filled to more than this, it is compacted before the model is asked.
const COMPACTS_FIRST: u64 = 90;

/// An answer that cannot be told apart from the cut one is held back no longer than this.
const HELD_BYTES: usize = 4 * 1024;

/// Between the second and the third attempt at one step.
const BREATH: Duration = Duration::from_secs(1);

pub(super) struct ModelCall {
    pub workspace_id: WorkspaceId,
    pub conversation_id: ConversationId,
    pub turn: Turn,
    pub mouth: Mouth,
}

/// What the model's caller tells the conversation.
#[derive(Debug)]
pub(super) enum Said {
    Opened { model: Option<String>, placement: Placement, response_id: Option<String> },
    Output(ModelOutput),
    Failed(CallFailure),
}

impl Said {
    pub fn into_input(self, fence: Fence) -> Input {
        match self {
            Self::Opened { model, placement, response_id } => {
                Input::MessageOpened { fence, model, placement, response_id }
            }
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

    /// Has the path summarised, beside whatever else goes on.
    async fn compact(&self, call: &ModelCall, reply: Option<CompactionReply>) {
        let wanted = Wanted {
            leaf: call.turn.leaf,
            through: None,
            instructions: None,
            requested_by: None,
            agent: call.turn.plan.request.agent.clone(),
        };
        // A conversation that stopped listening has dropped its turns.
        drop(self.mailbox.send(Mail::Compact { wanted: Box::new(wanted), reply }).await);
    }

    /// The same, and waits for it.
    async fn compacted(&self, call: &ModelCall) {
        let (reply, answer) = oneshot::channel();
        self.compact(call, Some(reply)).await;
        if let Ok(Err(error)) = answer.await {
            info!(%error, "the conversation was not compacted");
        }
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
    let tools = tool::offered(shared, agent, &model, request);
    let (settings, at) = (&request.settings, call.turn.plan.started_at);
    let memories = match request.only_here {
        true => Ok(Vec::new()),
        false => {
            memories(shared, (call.workspace_id, call.conversation_id), request.requested_by, agent, &tools)
                .await
        }
    };
    let memories = memories.unwrap_or_else(|error| {
        warn!(%error, "the model is asked without what it noted before");
        Vec::new()
    });
    let wanted = Call { agent, model: &model, settings, tools: &tools, memories: &memories, at };
    // Found too long once, it was estimated too short.
    let budget = if call.turn.overflowed { wanted.budget() / 5 * 3 } else { wanted.budget() };
    let path = fitting_path(shared, call, &wanted, budget).await?;

    let resumed = Resumed::of(&call.turn, &path.messages);
    let asked = Asked { wanted: &wanted, budget, call, resumed: &resumed };
    if let Some(response_id) = asked.kept_answer() {
        let reattach = Reattach { response_id, after: None };
        let way = Way::Follow(reattach);
        match asked.stream(asked.request(shared, &path, &way).await?, way).await {
            Err(failure) if failure.kind != FailureKind::Broken => {
                warn!(%failure, "the provider no longer has the answer; asked again");
            }
            ended => return Ok(ended?),
        }
    }
    let ending = resumed.ending(agent);
    let way = Way::Ask(ending);
    match asked.stream(asked.request(shared, &path, &way).await?, way).await {
        // Declared to accept a trailing assistant message, the model does not.
        Err(failure) if failure.status == Some(400) && ending == Ending::Prefill => {
            warn!(%failure, "the model refused to go on from its own words; asked in words instead");
            let way = Way::Ask(Ending::Normal);
            Ok(asked.stream(asked.request(shared, &path, &way).await?, way).await?)
        }
        ended => Ok(ended?),
    }
}

/// The path that the model is asked about, compacted first where it nearly fills the budget.
async fn fitting_path(
    shared: &Shared,
    call: &ModelCall,
    wanted: &Call<'_>,
    budget: u64,
) -> Result<PromptPath, CallFailure> {
    let read = || async {
        let path = wanted.path(shared, call.conversation_id, call.turn.leaf).await;
        let path = path.map_err(|error| refused(error.problem()))?;
        path.ok_or_else(|| refused(super::Error::Unavailable.problem()))
    };
    let path = read().await?;
    if !wanted.agent.options.compaction || is_futile(&path.compactions) {
        return Ok(path);
    }
    let filled = match context::fit(wanted.given(path.clone(), budget)) {
        Ok(fitted) => fitted.wanted,
        Err(too_long) => too_long.tokens,
    };
    if call.turn.overflowed || path.more || filled > percent(budget, COMPACTS_FIRST) {
        // Whether it was summarised or not: what does not fit is left out.
        call.mouth.compacted(call).await;
        return read().await;
    }
    if filled > percent(budget, COMPACTS_MEANWHILE) {
        call.mouth.compact(call, None).await;
    }
    Ok(path)
}

const fn percent(of: u64, percent: u64) -> u64 {
    of / 100 * percent
}

/// How an answer is come by.
enum Way {
    /// The model makes it.
    Ask(Ending),
    /// The provider went on with the one that was cut.
    Follow(Reattach),
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
    wanted: &'a Call<'a>,
    budget: u64,
    call: &'a ModelCall,
    resumed: &'a Resumed,
}

impl Asked<'_> {
    /// The provider's id of the cut answer, where that can be followed to its end.
    fn kept_answer(&self) -> Option<String> {
        let goes_on = self.call.turn.plan.recovery == Recovery::Continue;
        self.call.turn.response_id.clone().filter(|_| goes_on)
    }

    async fn stream(&self, request: provider::Request, way: Way) -> Result<(), provider::Failure> {
        let mut unshown = match &way {
            Way::Ask(_) => None,
            Way::Follow(_) => Some(Unshown::new(self.resumed.cut.clone())),
        };
        let mut opening = Opening::new(self.resumed, &way, self.wanted.model.id.clone());
        let mut stream = self.wanted.agent.provider.stream(request);
        let asked_at = Instant::now();
        while let Some(output) = stream.next().await {
            match output {
                Ok(ModelOutput::Opened { model, response_id }) => {
                    metrics::histogram!("weir_upstream_first_byte_seconds")
                        .record(asked_at.elapsed().as_secs_f64());
                    opening.name(model, response_id);
                }
                Ok(output) => {
                    let finished = matches!(output, ModelOutput::Finished { .. });
                    let outputs = match &mut unshown {
                        Some(unshown) => unshown.take(output),
                        None => vec![output],
                    };
                    for said in outputs.into_iter().flat_map(|output| opening.take(output)) {
                        self.call.mouth.say(said).await;
                    }
                    if finished {
                        return Ok(());
                    }
                }
                Err(failure) => {
                    info!(%failure, "the model call failed");
                    for said in opening.give_up() {
                        self.call.mouth.say(said).await;
                    }
                    return Err(failure);
                }
            }
        }
        Err(provider::Failure::ended_early())
    }

    async fn request(
        &self,
        shared: &Shared,
        path: &PromptPath,
        way: &Way,
    ) -> Result<provider::Request, CallFailure> {
        let (ending, reattach) = match way {
            Way::Ask(ending) => (*ending, None),
            Way::Follow(reattach) => (Ending::Normal, Some(reattach.clone())),
        };
        let request = &self.call.turn.plan.request;
        let mut path = path.clone();
        // Starting over, the cut answer is not part of what the model is given.
        if self.resumed.recovery == Recovery::Restart
            && let Some(base) = path.messages.iter().rposition(|message| message.id == self.call.turn.base)
        {
            path.messages.truncate(base + 1);
        }
        let fitted = context::fit(self.wanted.given(path, self.budget));
        let mut prompt = fitted.map_err(|wrong| refused(too_long(wrong)))?.prompt;
        if self.resumed.goes_on() && ending == Ending::Normal {
            let text = include_str!("../../prompts/continue.md").trim().to_owned();
            prompt.items.push(Item::User { parts: vec![Part::Text { text }] });
        }
        Ok(provider::Request {
            purpose: Purpose::Answer,
            model: self.wanted.model.id.clone(),
            files: attached::contents(shared, &prompt).await,
            prompt,
            tools: self.wanted.tools.to_vec(),
            tool_choice: request.tool_choice.clone(),
            settings: request.settings.clone(),
            context_tokens: Some(self.wanted.agent.context_tokens(self.wanted.model)),
            ending,
            reattach,
        })
    }
}

/// The beginning of an answer, held back until it is known where its message belongs.
struct Opening<'a> {
    resumed: &'a Resumed,
    /// Known before the first word.
    settled: Option<Placement>,
    model: String,
    response_id: Option<String>,
    held: Vec<ModelOutput>,
    text: String,
    bytes: usize,
    open: bool,
}

impl<'a> Opening<'a> {
    fn new(resumed: &'a Resumed, way: &Way, model: String) -> Self {
        let settled = match (way, resumed.recovery) {
            (Way::Follow(_), _) => Some(Placement::Child),
            (Way::Ask(_), _) if resumed.cut.is_empty() => Some(Placement::Child),
            (Way::Ask(_), Recovery::Restart) => Some(Placement::Sibling),
            (Way::Ask(_), Recovery::Continue | Recovery::Fail) => None,
        };
        Self {
            resumed,
            settled,
            model,
            response_id: None,
            held: Vec::new(),
            text: String::new(),
            bytes: 0,
            open: false,
        }
    }

    /// The provider accepted the request.
    fn name(&mut self, model: Option<String>, response_id: Option<String>) {
        self.model = model.unwrap_or_else(|| std::mem::take(&mut self.model));
        self.response_id = response_id;
    }

    fn take(&mut self, output: ModelOutput) -> Vec<Said> {
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
        match self.place() {
            Some(placement) => self.release(placement),
            None if finished => self.release(placement::judge_whole(&self.resumed.cut, &self.text)),
            None => Vec::new(),
        }
    }

    /// The answer broke off before it could be judged; what was said of it is shown all the same.
    fn give_up(&mut self) -> Vec<Said> {
        let shown = self.held.iter().any(|output| matches!(output, ModelOutput::Delta { .. }));
        if self.open || !shown {
            return Vec::new();
        }
        self.release(placement::judge_whole(&self.resumed.cut, &self.text))
    }

    fn release(&mut self, placement: Placement) -> Vec<Said> {
        self.open = true;
        let (model, response_id) = (Some(std::mem::take(&mut self.model)), self.response_id.take());
        let opened = Said::Opened { model, placement, response_id };
        std::iter::once(opened).chain(self.held.drain(..).map(Said::Output)).collect()
    }

    fn place(&self) -> Option<Placement> {
        if self.settled.is_some() {
            return self.settled;
        }
        if self.bytes > HELD_BYTES {
            return Some(Placement::Child);
        }
        let said = !self.text.trim_start().is_empty();
        said.then(|| placement::judge(&self.resumed.cut, &self.text)).flatten()
    }

    fn is_text(&self, index: u32) -> bool {
        let text = |output: &ModelOutput| matches!(output, ModelOutput::PartStarted { index: i, part: Part::Text { .. } } if *i == index);
        self.held.iter().any(text)
    }
}

fn refused(problem: Problem) -> CallFailure {
    CallFailure::Refused { problem }
}

fn too_long(wrong: TooLong) -> Problem {
    provider::Failure::does_not_fit(&wrong).problem()
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
