//! Another agent that works on a call, in a conversation of its own.
//!
//! That conversation has the id of the call, and so has its first turn: begun again after a restart, it is the same one,
//! and is gone on with. It is the requester's, private, and stands in no list.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tracing::warn;

use super::agent::Agent;
use super::follow::Next;
use super::tool::{Ended, Judged};
use super::{Error, From, Order, Runtime, Shared};
use crate::chat::approval::ParentOfApproval;
use crate::chat::conversation::{Command, ConversationInfo, Parent, ParentCall, Send, Visibility};
use crate::chat::event::{Problem, Settings};
use crate::chat::message::{Part, Usage};
use crate::chat::turn::{Ending, Limits, TurnRequest};
use crate::id::{CallId, ConversationId, MessageId, TurnId};
use crate::tool::{AGENTS, Progress};

/// An agent may ask one that may ask one that may ask nobody.
pub(super) const DEEPEST: u32 = 3;

/// Of what the agent says, as progress of the call.
const TAIL_CHARS: usize = 200;

const TITLE_CHARS: usize = 80;

/// After the log could not be read.
const FOLLOWS_AGAIN: Duration = Duration::from_secs(1);

pub(super) fn child_of(call_id: CallId) -> ConversationId {
    ConversationId::from_bytes(*call_id.as_bytes())
}

fn turn_of(call_id: CallId) -> TurnId {
    TurnId::from_bytes(*call_id.as_bytes())
}

fn depth_below(info: &ConversationInfo) -> u32 {
    info.parent.map_or(1, |parent| parent.depth + 1)
}

pub(super) fn is_too_deep(info: &ConversationInfo) -> bool {
    depth_below(info) > DEEPEST
}

/// The calls above a conversation, the first one first.
pub(super) async fn parents(shared: &Shared, info: &ConversationInfo) -> Vec<ParentOfApproval> {
    let (mut parents, mut next) = (Vec::new(), info.parent);
    while let Some(ParentCall { conversation_id, call_id, .. }) = next {
        let above = match shared.store.info(conversation_id).await {
            Ok(Some(above)) => above,
            Ok(None) => break,
            Err(error) => {
                warn!(%error, "an approval is shown without what stands above it");
                break;
            }
        };
        next = above.parent;
        parents.push(ParentOfApproval {
            conversation_id,
            conversation_title: above.title,
            agent: above.agent,
            call_id,
        });
    }
    parents.reverse();
    parents
}

/// Has the agent work on it, or go on with it, and passes on how far it has come.
pub(super) async fn work(
    shared: &Arc<Shared>,
    judged: &Judged,
    agent: &Agent,
    args: &Value,
    progress: &Progress,
) -> Ended {
    let runtime = Runtime(shared.clone());
    let task = args["task"].as_str().unwrap_or_default();
    match begin(&runtime, judged, agent, task).await {
        Ok(()) => {}
        // The next start goes on with the call.
        Err(Error::Draining) => return std::future::pending().await,
        Err(error) => return (Ending::Failed { error: format!("the agent could not begin: {error}") }, None),
    }
    match follow(&runtime, judged.call_id, progress).await {
        Some(heard) => heard.ended(),
        // The store gives nothing more before a restart.
        None => std::future::pending().await,
    }
}

async fn begin(runtime: &Runtime, judged: &Judged, agent: &Agent, task: &str) -> Result<(), Error> {
    let shared = &runtime.0;
    let (id, request, limits) = (child_of(judged.call_id), &judged.turn.plan.request, agent.options.limits);
    if shared.store.info(id).await?.is_some() {
        return Ok(());
    }
    // What is left of the parent's budget is shared by those that work for this step.
    let used = judged.turn.usage.input_tokens + judged.turn.usage.output_tokens;
    let shares = judged.turn.calls.iter().filter(|open| open.call.tool.starts_with(AGENTS)).count().max(1);
    let share = |most: u64| (most.saturating_sub(used) / shares as u64).max(1);
    let left = judged.turn.plan.limits.max_tokens.map(share);
    let max_tokens = limits.max_tokens.into_iter().chain(left).min();
    let parent = ParentCall {
        conversation_id: judged.conversation_id,
        turn_id: judged.turn.id,
        call_id: judged.call_id,
        depth: depth_below(&judged.info),
    };
    let title: String = task.lines().next().unwrap_or_default().chars().take(TITLE_CHARS).collect();
    let info = ConversationInfo {
        id,
        workspace_id: judged.info.workspace_id,
        created_by: request.requested_by,
        agent: agent.options.id.clone(),
        name: None,
        title: Some(title),
        visibility: Visibility::Private,
        settings: Settings::default(),
        metadata: None,
        archived: false,
        created_at: shared.clock.now(),
        parent: Some(parent),
    };
    let send = Send {
        turn_id: turn_of(judged.call_id),
        message_id: MessageId::from_bytes(*judged.call_id.as_bytes()),
        parts: vec![Part::Text { text: task.to_owned() }],
        metadata: None,
        parent: Parent::Root,
        on_busy: None,
        request: TurnRequest {
            agent: agent.options.id.clone(),
            model: None,
            settings: Settings::default(),
            tools: Vec::new(),
            tool_choice: None,
            requested_by: request.requested_by,
            requested_role: request.requested_role,
            only_here: request.only_here,
        },
        limits: Limits { max_tokens, ..limits },
        recovery: agent.options.recovery,
    };
    runtime.create(info, None, Some(send), None).await.map(|_| ())
}

/// `None` where nothing more can be read before a restart.
async fn follow(runtime: &Runtime, call_id: CallId, progress: &Progress) -> Option<Heard> {
    loop {
        if let Some(ended) = follow_once(runtime, call_id, progress).await {
            return ended;
        }
        tokio::time::sleep(FOLLOWS_AGAIN).await;
    }
}

/// `None` where it has to be tried again.
async fn follow_once(runtime: &Runtime, call_id: CallId, progress: &Progress) -> Option<Option<Heard>> {
    let follow = runtime.follow(child_of(call_id), From::Beginning).await.ok()?;
    let mut follow = follow.only(turn_of(call_id));
    let mut heard = Heard::default();
    loop {
        match follow.next().await {
            Ok(Next::Frames(frames)) => {
                frames.iter().for_each(|frame| heard.take(&frame.json()));
                if let Some(shown) = heard.shown() {
                    progress.say(Some(&shown), None);
                }
            }
            // Its end may have been deleted with its messages.
            Ok(Next::CaughtUp(_)) if !runtime.0.store.is_unfinished(turn_of(call_id)).await.ok()? => {
                return Some(Some(heard));
            }
            Ok(Next::CaughtUp(_)) => {}
            Ok(Next::End) => return Some(Some(heard)),
            Ok(Next::Sealed(_)) => return Some(None),
            Ok(Next::Resync { .. }) | Err(_) => return None,
        }
    }
}

/// What was heard of the agent so far.
#[derive(Default)]
struct Heard {
    /// The text of its last message.
    text: String,
    /// The parts of that message that are text.
    spoken: Vec<u32>,
    tools: HashMap<CallId, String>,
    /// What it does besides talking.
    doing: Option<String>,
    usage: Usage,
    outcome: Option<Outcome>,
}

enum Outcome {
    Completed,
    Cut(String),
}

/// As much of an event as is needed here.
#[derive(Deserialize)]
struct Line {
    r#type: String,
    index: Option<u32>,
    text: Option<String>,
    part: Option<PartLine>,
    call: Option<CallLine>,
    call_id: Option<CallId>,
    usage: Option<Usage>,
    problem: Option<Problem>,
}

#[derive(Deserialize)]
struct PartLine {
    r#type: String,
}

#[derive(Deserialize)]
struct CallLine {
    id: CallId,
    tool: String,
}

impl Heard {
    fn take(&mut self, json: &[u8]) {
        let Ok(line) = serde_json::from_slice::<Line>(json) else { return };
        let tool = || line.call_id.and_then(|id| self.tools.get(&id)).map_or("a tool", String::as_str);
        match line.r#type.as_str() {
            "message.created" => {
                self.text.clear();
                self.spoken.clear();
                self.doing = None;
            }
            "part.started" if line.part.as_ref().is_some_and(|part| part.r#type == "text") => {
                self.spoken.extend(line.index);
            }
            "part.delta" if line.index.is_some_and(|index| self.spoken.contains(&index)) => {
                self.text.push_str(line.text.as_deref().unwrap_or_default());
            }
            "message.completed" => self.usage += line.usage.unwrap_or_default(),
            "tool.proposed" => self.tools.extend(line.call.map(|call| (call.id, call.tool))),
            "tool.pending" => self.doing = Some(format!("waits for a person: {}", tool())),
            "tool.started" => self.doing = Some(format!("uses {}", tool())),
            "tool.succeeded" | "tool.failed" => self.usage += line.usage.unwrap_or_default(),
            "turn.completed" => self.outcome = Some(Outcome::Completed),
            "turn.failed" | "turn.interrupted" | "turn.cancelled" => {
                let why = line.problem.map_or_else(|| "it was stopped".to_owned(), |problem| problem.detail);
                self.outcome = Some(Outcome::Cut(why));
            }
            _ => {}
        }
    }

    fn shown(&self) -> Option<String> {
        if let Some(doing) = &self.doing {
            return Some(doing.clone());
        }
        let count = self.text.chars().count();
        let tail: String = self.text.chars().skip(count.saturating_sub(TAIL_CHARS)).collect();
        Some(tail).filter(|tail| !tail.trim().is_empty())
    }

    fn ended(self) -> Ended {
        let succeeded = |output| Ending::Succeeded { output, files: Vec::new() };
        let ending = match self.outcome {
            Some(Outcome::Completed) if self.text.trim().is_empty() => {
                succeeded("The agent finished without an answer.".to_owned())
            }
            Some(Outcome::Completed) => succeeded(self.text),
            Some(Outcome::Cut(why)) => Ending::Failed { error: format!("the agent did not finish: {why}") },
            None => Ending::Failed { error: "the agent is no longer there".to_owned() },
        };
        (ending, Some(self.usage))
    }
}

/// Nobody waits for the agent any more.
pub(super) fn cancel(shared: Arc<Shared>, call_id: CallId) {
    tokio::spawn(async move {
        fail::fail_point!("runtime::before_cancelling_below");
        stop(&Runtime(shared), call_id).await;
    });
}

async fn stop(runtime: &Runtime, call_id: CallId) {
    let command = Command::Cancel { turn_id: turn_of(call_id) };
    if let Err(error) = runtime.order(child_of(call_id), Order::plain(command)).await {
        warn!(%error, %call_id, "an agent that works for nobody could not be stopped");
    }
}

impl Runtime {
    /// Stops agents whose call has ended, where the server ended before it could.
    pub(super) async fn cancel_abandoned(&self) {
        let abandoned = self.0.store.abandoned_work().await.unwrap_or_else(|error| {
            warn!(%error, "it is unknown which agents work for nobody");
            Vec::new()
        });
        for call_id in abandoned {
            stop(self, call_id).await;
        }
    }

    /// Deletes conversations whose call was deleted.
    pub(super) async fn delete_abandoned(&self) {
        let orphans = self.0.store.orphaned_conversations().await.unwrap_or_else(|error| {
            warn!(%error, "it is unknown which conversations belong to deleted calls");
            Vec::new()
        });
        for id in orphans {
            if let Err(error) = self.order(id, Order::plain(Command::Delete)).await {
                warn!(%error, %id, "a conversation of a deleted call could not be deleted");
            }
        }
    }
}
