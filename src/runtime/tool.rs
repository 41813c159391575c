//! Looks a call up in the policy, and runs it once it may.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use super::agent::Agent;
use super::mail::Mail;
use super::output::{self, CallPlace};
use super::question::{self, Answers};
use super::{Shared, subagent};
use crate::chat::approval::{
    Approval, ApprovalContext, ApprovalRule, ApprovalState, ChangedArgs, RECENT_CHARS, RecentMessage,
    ShownTool, SiblingCall,
};
use crate::chat::context::{ToolSpec, spoken};
use crate::chat::conversation::{ConversationInfo, Visibility};
use crate::chat::event::{FieldError, WaitingFor};
use crate::chat::message::{Call, CallState, Part, Progress, Usage};
use crate::chat::policy::{Asking, Effect, Hints, Question, Remembered, Verdict, evaluate, stricter};
use crate::chat::turn::{Ending, Input, Judgement, OpenCall, Turn, TurnRequest};
use crate::clock::Timestamp;
use crate::id::{ApprovalId, CallId, ConversationId, TurnId};
use crate::provider::{Capability, Model};
use crate::scope::WorkspaceRole;
use crate::tool::{self, AGENTS, Invocation, Outcome, Source, Tool, check_args, is_named, schema_hash};

/// A call starts within so long of the decision about it, or people are asked anew.
const DECISION_LASTS: Duration = Duration::from_secs(24 * 3600);

/// Messages that are shown with an approval.
const RECENT: usize = 5;

/// Of the end of the path, for those messages, in bytes.
const RECENT_BYTES: usize = 64 * 1024;

/// Between two tries to reach a tool; together about two minutes.
const REACHES_AGAIN: [u64; 6] = [1, 2, 5, 15, 30, 60];

/// Between two things that a call says of its progress.
const PROGRESS_PAUSE: Duration = Duration::from_millis(250);

/// What the model of this request may call: the agent's tools, and those that its sender declared. A model that takes
/// no tools is not bothered with them.
pub(super) fn offered(shared: &Shared, agent: &Agent, model: &Model, request: &TurnRequest) -> Vec<ToolSpec> {
    if model.tools == Capability::No {
        return Vec::new();
    }
    of_agent(shared, agent).into_iter().chain(request.tools.iter().cloned()).collect()
}

pub(super) fn of_agent(shared: &Shared, agent: &Agent) -> Vec<ToolSpec> {
    let patterns = &agent.options.tools;
    let tools = shared.toolbox.matching(patterns).into_iter().map(|tool| tool.spec().clone());
    let agents = shared.agents.iter().map(|agent| &agent.as_tool);
    tools.chain(agents.filter(|tool| is_named(patterns, &tool.name)).cloned()).collect()
}

/// A tool of this server, another agent, or a tool that whoever sent the message runs.
enum Found<'a> {
    Here(Arc<dyn Tool>),
    Agent(&'a Agent),
    AtTheClient(&'a ToolSpec),
}

impl Found<'_> {
    fn spec(&self) -> &ToolSpec {
        match self {
            Self::Here(tool) => tool.spec(),
            Self::Agent(agent) => &agent.as_tool,
            Self::AtTheClient(spec) => spec,
        }
    }

    fn source(&self) -> Source {
        match self {
            Self::Here(tool) => tool.source(),
            Self::Agent(_) => Source::Agent,
            Self::AtTheClient(_) => Source::Client,
        }
    }

    fn is_idempotent(&self) -> bool {
        match self {
            Self::Here(tool) => tool.is_idempotent(),
            // Its conversation is that of the call: what was begun is gone on with.
            Self::Agent(_) => true,
            Self::AtTheClient(_) => false,
        }
    }
}

fn find<'a>(shared: &'a Shared, agent: &Agent, request: &'a TurnRequest, name: &str) -> Option<Found<'a>> {
    let patterns = &agent.options.tools;
    if let Some(tool) = shared.toolbox.get(name).filter(|_| is_named(patterns, name)) {
        return Some(Found::Here(tool));
    }
    if let Some(other) = as_agent(shared, name).filter(|_| is_named(patterns, name)) {
        return Some(Found::Agent(other));
    }
    request.tools.iter().find(|spec| spec.name == name).map(Found::AtTheClient)
}

fn as_agent<'a>(shared: &'a Shared, tool: &str) -> Option<&'a Agent> {
    shared.agents.get(tool.strip_prefix(AGENTS)?)
}

/// The tool of that name, whoever may use it.
fn spec_of(shared: &Shared, name: &str) -> Option<ToolSpec> {
    let own = shared.toolbox.get(name).map(|tool| tool.spec().clone());
    own.or_else(|| as_agent(shared, name).map(|agent| agent.as_tool.clone()))
}

/// A hash over the tool of that name as it is now.
pub(super) fn hash_of(shared: &Shared, name: &str) -> Option<String> {
    spec_of(shared, name).map(|spec| tool_hash(&spec))
}

/// A hash over a tool as it is shown and the exact text of its arguments.
pub(super) fn args_hash(spec: &ToolSpec, args_text: &str) -> String {
    HEXLOWER.encode(&Sha256::new().chain_update(schema_hash(spec)).chain_update(args_text).finalize())
}

/// A hash over a tool as it is shown.
pub(super) fn tool_hash(spec: &ToolSpec) -> String {
    HEXLOWER.encode(&schema_hash(spec))
}

/// A call that was proposed, or approved and is about to start.
pub(super) struct Judged {
    pub conversation_id: ConversationId,
    pub info: ConversationInfo,
    pub turn: Turn,
    pub call_id: CallId,
}

pub(super) async fn judge(shared: &Shared, judged: &Judged) -> Option<Judgement> {
    let request = &judged.turn.plan.request;
    let open = judged.turn.call(judged.call_id)?;
    let call = &open.call;
    let impossible = |error: String| Some(Judgement::Impossible { error });
    let Some(agent) = shared.agents.get(&request.agent) else {
        return impossible(format!("the agent `{}` is no longer configured", request.agent));
    };
    shared.toolbox.await_server_of(&call.tool, call.state == CallState::Approved).await;
    let Some(found) = find(shared, agent, request, &call.tool) else {
        return impossible(format!("the tool `{}` is not available", call.tool));
    };
    let spec = found.spec();
    let args = match check_args(&spec.schema, &call.args_text) {
        Ok(args) => args,
        Err(errors) => return impossible(told(&errors)),
    };
    let child_id = match &found {
        Found::AtTheClient(_) => return Some(Judgement::Outside { waiting_for: WaitingFor::ClientTool }),
        Found::Agent(_) if subagent::is_too_deep(&judged.info) => {
            return impossible("agents that work for agents may not ask others".to_owned());
        }
        Found::Agent(_) => Some(subagent::child_of(judged.call_id)),
        Found::Here(_) => None,
    };
    let is_asked = matches!(&found, Found::Here(tool) if tool.is_answered_by_people());
    let now = shared.clock.now();
    let question = Question {
        tool: &call.tool,
        args: &args,
        conversation_id: judged.conversation_id,
        agent: &request.agent,
        // Today's, or that of then where it is less.
        role: shared
            .members
            .role(judged.info.workspace_id, request.requested_by)
            .map_or(WorkspaceRole::Viewer, |now| now.min(request.requested_role)),
        hints: match &found {
            Found::Here(tool) => tool.hints(),
            Found::Agent(_) | Found::AtTheClient(_) => Hints::default(),
        },
        now,
    };
    let remembered = remembered(shared, judged, &call.tool).await;
    let verdict = evaluate(&agent.options.policy, &remembered, &tool_hash(spec), &question);
    // Nobody knows whether it happened before: that it is done again, people decide.
    let verdict = match call.retry_of {
        Some(_) => stricter(verdict, Verdict { effect: Effect::Ask(Asking::default()), rule: None }),
        None => verdict,
    };
    let rule = verdict.rule.clone();
    let allowed = |rule| Judgement::Allowed { rule, idempotent: found.is_idempotent(), child_id };
    let covered = |asking| is_covered(open, spec, asking, now) && voters_are_still_here(shared, judged, open);
    let asking = match verdict.effect {
        Effect::Deny => return Some(Judgement::Denied { rule }),
        // It is asked of people anyway.
        Effect::Allow | Effect::Ask(_) if is_asked => {
            return Some(Judgement::Outside { waiting_for: WaitingFor::Answer });
        }
        Effect::Allow if call.state == CallState::Proposed => return Some(allowed(rule)),
        Effect::Allow if covered(None) => return Some(allowed(None)),
        Effect::Allow => Asking::default(),
        Effect::Ask(asking) if covered(Some(&asking)) => return Some(allowed(None)),
        Effect::Ask(asking) => asking,
    };
    Some(Judgement::Ask(Box::new(ask(shared, judged, call, &found, asking, rule).await)))
}

/// The rules that people made about this tool, with what each of them may do today. Where they cannot be read, people
/// are asked.
async fn remembered(shared: &Shared, judged: &Judged, tool: &str) -> Vec<Remembered> {
    let info = &judged.info;
    let rules = shared.store.rules_about(info.workspace_id, judged.conversation_id, tool).await;
    let rules = rules.unwrap_or_else(|error| {
        warn!(%error, "the remembered rules could not be read");
        Vec::new()
    });
    let standing = |rule: ApprovalRule| {
        let role = shared.members.role(info.workspace_id, rule.made_by)?.min(rule.made_as);
        let shared_with = info.visibility == Visibility::Workspace && role >= WorkspaceRole::Member;
        let may_write = info.created_by == rule.made_by || shared_with;
        Some(Remembered { rule, role, may_write })
    };
    rules.into_iter().filter_map(standing).collect()
}

/// Whether what people approved is what would run now, under a policy that does not ask for more by now.
fn is_covered(open: &OpenCall, spec: &ToolSpec, asking: Option<&Asking>, now: Timestamp) -> bool {
    let Some(approval) = open.approval.as_ref().filter(|approval| approval.state == ApprovalState::Approved)
    else {
        return false;
    };
    let decided_at = approval.votes.last().map_or(approval.requested_at, |vote| vote.at);
    let asks_no_more = asking
        .is_none_or(|asking| asking.role <= approval.required_role && asking.approvals <= approval.approvals);
    asks_no_more
        && now < decided_at.plus(DECISION_LASTS)
        && args_hash(spec, &open.call.args_text) == approval.current_hash()
        && open.call.args_text == approval.runs()
}

/// Whether enough of those who approved it may still come in, with the role that was asked for.
fn voters_are_still_here(shared: &Shared, judged: &Judged, open: &OpenCall) -> bool {
    let Some(approval) = &open.approval else { return false };
    let may_decide = |user_id| {
        let role = shared.members.role(judged.info.workspace_id, user_id);
        role.is_some_and(|role| role >= approval.required_role.unwrap_or(WorkspaceRole::Member))
    };
    approval.counting_votes().filter(|vote| may_decide(vote.user_id)).count() >= approval.approvals as usize
}

async fn ask(
    shared: &Shared,
    judged: &Judged,
    call: &Call,
    found: &Found<'_>,
    asking: Asking,
    rule: Option<String>,
) -> Approval {
    let Judged { conversation_id, info, turn, call_id } = judged;
    let (spec, now) = (found.spec(), shared.clock.now());
    let siblings = turn.calls.iter().filter(|open| open.call.id != *call_id);
    let sibling = |open: &OpenCall| SiblingCall {
        call_id: open.call.id,
        tool: open.call.tool.clone(),
        args_text: open.call.args_text.clone(),
    };
    let source = match found.source() {
        Source::BuiltIn => "built_in",
        Source::Http => "http",
        Source::Agent => "agent",
        Source::Mcp => "mcp",
        Source::Client => "client",
    };
    Approval {
        id: ApprovalId::new(),
        conversation_id: *conversation_id,
        turn_id: turn.id,
        call_id: *call_id,
        tool: call.tool.clone(),
        args: call.args.clone().unwrap_or_default(),
        args_text: call.args_text.clone(),
        args_hash: args_hash(spec, &call.args_text),
        state: ApprovalState::Pending,
        requested_at: now,
        expires_at: now.plus(asking.expires_after),
        required_role: asking.role,
        approvals: asking.approvals,
        votes: Vec::new(),
        decided_args: None,
        context: ApprovalContext {
            agent: turn.plan.request.agent.clone(),
            requested_by: turn.plan.request.requested_by,
            conversation_title: info.title.clone(),
            recent: recent(shared, judged).await,
            sibling_calls: siblings.map(sibling).collect(),
            rule,
            tool: ShownTool {
                source: source.to_owned(),
                description: spec.description.clone(),
                schema: spec.schema.clone(),
            },
            parents: subagent::parents(shared, info).await,
        },
    }
}

/// The end of the path, as far as an approver needs it. Where it cannot be read, the call alone has to do.
async fn recent(shared: &Shared, judged: &Judged) -> Vec<RecentMessage> {
    let path = shared.store.prompt_path(judged.conversation_id, judged.turn.leaf, RECENT_BYTES).await;
    let messages = match path {
        Ok(path) => path.unwrap_or_default().messages,
        Err(error) => {
            warn!(%error, "an approval is shown without what was said before");
            Vec::new()
        }
    };
    let asking = judged.turn.call(judged.call_id).map(|open| open.call.message_id);
    let recent = messages.into_iter().rev().take(RECENT).map(|mut message| {
        // What it calls is the question itself, and has come to nothing yet.
        if Some(message.id) == asking {
            message.calls.clear();
            message.parts.retain(|stored| !matches!(stored.part, Part::ToolCall { .. }));
        }
        let text = spoken(&message).trim().chars().take(RECENT_CHARS).collect();
        RecentMessage { message_id: message.id, role: message.role, text }
    });
    let mut recent: Vec<RecentMessage> = recent.filter(|message| !message.text.is_empty()).collect();
    recent.reverse();
    recent
}

/// What a model is told of arguments that do not fit.
fn told(errors: &[FieldError]) -> String {
    let mut text = "the arguments are not what the tool takes:".to_owned();
    for FieldError { pointer, detail } in errors {
        let at = if pointer.is_empty() { "" } else { pointer.as_str() };
        write!(text, "\n- {at} {detail}").expect("memory takes it");
    }
    text
}

/// The hash of an approval's tool, if that is what was shown with it: a yes for the next times is for the tool that its
/// voter saw.
pub(super) fn tool_as_shown(shared: &Shared, approval: &Approval) -> Option<String> {
    let spec = spec_of(shared, &approval.tool)?;
    let as_shown = args_hash(&spec, approval.runs()) == approval.current_hash();
    as_shown.then(|| tool_hash(&spec))
}

/// What a person wrote in place of the model's arguments.
pub(super) fn change_args(
    shared: &Shared,
    approval: &Approval,
    args_text: &str,
) -> Result<ChangedArgs, Vec<FieldError>> {
    let gone =
        || vec![FieldError { pointer: String::new(), detail: "the tool is no longer available".to_owned() }];
    let spec = spec_of(shared, &approval.tool).ok_or_else(gone)?;
    let args = check_args(&spec.schema, args_text)?;
    let args_hash = args_hash(&spec, args_text);
    Ok(ChangedArgs { args, args_text: args_text.to_owned(), args_hash })
}

/// Runs a call whose start is durable, and passes on what it says of its progress.
///
/// `again`: it was started before, and may have happened already.
pub(super) async fn run(shared: &Arc<Shared>, judged: &Judged, again: bool, line: Line, answers: Answers) {
    let (progress, said) = tool::Progress::channel();
    let (asker, asked) = tool::Asker::channel();
    let call_id = judged.call_id;
    let (ending, spent) = tokio::select! {
        ended = reach(shared, judged, again, progress, asker) => ended,
        never = pass_on(said, call_id, &line) => never,
        never = question::ask(asked, answers, call_id, &line) => never,
    };
    line.tell(Input::ToolEnded { call_id, ending, spent }).await;
}

/// How what becomes of a call reaches its turn.
pub(super) struct Line {
    pub mailbox: mpsc::Sender<Mail>,
    pub turn_id: TurnId,
}

impl Line {
    pub(super) async fn tell(&self, input: Input) {
        // A conversation that stopped listening has dropped its turns.
        drop(self.mailbox.send(Mail::Input { turn_id: self.turn_id, input }).await);
    }
}

/// The newest of what is said, at most once in a while.
async fn pass_on(mut said: watch::Receiver<Progress>, call_id: CallId, line: &Line) -> Ended {
    while said.changed().await.is_ok() {
        let progress = said.borrow_and_update().clone();
        line.tell(Input::ToolProgressed { call_id, progress }).await;
        tokio::time::sleep(PROGRESS_PAUSE).await;
    }
    // Nobody is left to say anything; the end of the call comes by itself.
    std::future::pending().await
}

/// How a call ended, and what another agent used up for it.
pub(super) type Ended = (Ending, Option<Usage>);

async fn reach(
    shared: &Arc<Shared>,
    judged: &Judged,
    again: bool,
    progress: tool::Progress,
    asker: tool::Asker,
) -> Ended {
    let (request, call_id) = (&judged.turn.plan.request, judged.call_id);
    // What keeps it from being done again says nothing about the first time.
    let failed = |error: String| match again {
        true => (Ending::Unknown { error }, None),
        false => (Ending::Failed { error }, None),
    };
    let Some(open) = judged.turn.call(call_id) else {
        return failed("the call is not there any more".to_owned());
    };
    let gone = || failed(format!("the tool `{}` is no longer available", open.call.tool));
    let agent = shared.agents.get(&request.agent);
    let Some(found) = agent.and_then(|agent| find(shared, agent, request, &open.call.tool)) else {
        return gone();
    };
    // It may be another one since it was looked at, a moment ago.
    let is_as_shown =
        |approval: &Arc<Approval>| approval.current_hash() == args_hash(found.spec(), &open.call.args_text);
    if !open.approval.as_ref().is_none_or(is_as_shown) {
        return failed(format!("the tool `{}` is no longer the one that was approved", open.call.tool));
    }
    let args = match check_args(&found.spec().schema, &open.call.args_text) {
        Ok(args) => args,
        Err(errors) => return failed(told(&errors)),
    };
    let place = CallPlace {
        workspace_id: judged.info.workspace_id,
        conversation_id: judged.conversation_id,
        call_id,
        agent: &request.agent,
    };
    if again && !found.is_idempotent() {
        return failed("the server stopped while the tool ran".to_owned());
    }
    let tool = match found {
        Found::Here(tool) => tool,
        Found::Agent(agent) => {
            let (ending, spent) = subagent::work(shared, judged, agent, &args, &progress).await;
            let ending = match ending {
                Ending::Succeeded { output, .. } => output::succeed(shared, place, output, Vec::new()).await,
                Ending::Failed { .. } | Ending::Unknown { .. } => ending,
            };
            return (ending, spent);
        }
        Found::AtTheClient(_) => return gone(),
    };
    let mut waits = REACHES_AGAIN.into_iter();
    loop {
        let invocation = Invocation {
            call_id,
            workspace_id: judged.info.workspace_id,
            conversation_id: judged.conversation_id,
            user_id: request.requested_by,
            agent: request.agent.clone(),
            args: args.clone(),
            only_here: request.only_here,
            progress: progress.clone(),
            asker: asker.clone(),
        };
        fail::fail_point!("runtime::tool_before");
        let outcome = tool.run(invocation).await;
        fail::fail_point!("runtime::tool_after");
        let ending = match (outcome, waits.next()) {
            (Outcome::Succeeded(output), _) => output::succeed(shared, place, output, Vec::new()).await,
            (Outcome::Changed { output, files }, _) => output::succeed(shared, place, output, files).await,
            (Outcome::Failed(error), _) => Ending::Failed { error },
            (Outcome::Unreachable(error), None) => return failed(error),
            (Outcome::Unknown(error), _) => Ending::Unknown { error },
            (Outcome::Unreachable(error), Some(seconds)) => {
                info!(error, seconds, "the tool cannot be reached; tried again");
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                continue;
            }
        };
        return (ending, None);
    }
}
