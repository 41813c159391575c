//! Looks a call up in the policy, and runs it once it may.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest, Sha256};
use tracing::{info, warn};

use super::Shared;
use super::agent::Agent;
use crate::chat::approval::{
    Approval, ApprovalContext, ApprovalState, ChangedArgs, RECENT_CHARS, RecentMessage, ShownTool,
    SiblingCall,
};
use crate::chat::context::{ToolSpec, spoken};
use crate::chat::conversation::ConversationInfo;
use crate::chat::event::FieldError;
use crate::chat::message::{Call, CallState};
use crate::chat::policy::{Asking, Effect, Hints, Question, Verdict, evaluate, stricter};
use crate::chat::turn::{Ending, Judgement, OpenCall, Turn, TurnRequest};
use crate::clock::Timestamp;
use crate::id::{ApprovalId, CallId, ConversationId};
use crate::tool::{Invocation, Outcome, Source, Tool, check_args, schema_hash};

/// A call starts within so long of the decision about it, or people are asked anew.
const DECISION_LASTS: Duration = Duration::from_secs(24 * 3600);

/// Messages that are shown with an approval.
const RECENT: usize = 5;

/// Of the end of the path, for those messages, in bytes.
const RECENT_BYTES: usize = 64 * 1024;

/// Between two tries to reach a tool; together about two minutes.
const REACHES_AGAIN: [u64; 6] = [1, 2, 5, 15, 30, 60];

/// What the model of this request may call: the agent's tools, and those that its sender declared.
pub(super) fn offered(shared: &Shared, agent: &Agent, request: &TurnRequest) -> Vec<ToolSpec> {
    of_agent(shared, agent).into_iter().chain(request.tools.iter().cloned()).collect()
}

pub(super) fn of_agent(shared: &Shared, agent: &Agent) -> Vec<ToolSpec> {
    shared.toolbox.matching(&agent.options.tools).into_iter().map(|tool| tool.spec().clone()).collect()
}

/// A tool of this server, or one that whoever sent the message runs.
enum Found<'a> {
    Here(&'a dyn Tool),
    AtTheClient(&'a ToolSpec),
}

impl Found<'_> {
    fn spec(&self) -> &ToolSpec {
        match self {
            Self::Here(tool) => tool.spec(),
            Self::AtTheClient(spec) => spec,
        }
    }
}

fn find<'a>(shared: &'a Shared, agent: &Agent, request: &'a TurnRequest, name: &str) -> Option<Found<'a>> {
    let own = shared.toolbox.matching(&agent.options.tools);
    match own.into_iter().find(|tool| tool.spec().name == name) {
        Some(tool) => Some(Found::Here(tool.as_ref())),
        None => request.tools.iter().find(|spec| spec.name == name).map(Found::AtTheClient),
    }
}

/// A hash over a tool as it is shown and the exact text of its arguments.
pub(super) fn args_hash(spec: &ToolSpec, args_text: &str) -> String {
    let digest = Sha256::new().chain_update(schema_hash(spec)).chain_update(args_text).finalize();
    digest.iter().fold(String::with_capacity(64), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("memory takes it");
        hex
    })
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
    let Some(found) = find(shared, agent, request, &call.tool) else {
        return impossible(format!("the tool `{}` is not available", call.tool));
    };
    let spec = found.spec();
    let args = match check_args(&spec.schema, &call.args_text) {
        Ok(args) => args,
        Err(errors) => return impossible(told(&errors)),
    };
    let Found::Here(tool) = &found else { return Some(Judgement::Client) };
    let now = shared.clock.now();
    let question = Question {
        tool: &call.tool,
        args: &args,
        agent: &request.agent,
        role: request.requested_role,
        hints: Hints::default(),
        now,
    };
    let verdict = evaluate(&agent.options.policy, &[], &schema_hash(spec), &question);
    // Nobody knows whether it happened before: that it is done again, people decide.
    let verdict = match call.retry_of {
        Some(_) => stricter(verdict, Verdict { effect: Effect::Ask(Asking::default()), rule: None }),
        None => verdict,
    };
    let rule = verdict.rule.clone();
    let idempotent = tool.is_idempotent();
    Some(match verdict.effect {
        Effect::Deny => Judgement::Denied { rule },
        Effect::Allow if call.state == CallState::Proposed => Judgement::Allowed { rule, idempotent },
        Effect::Allow if is_covered(open, spec, None, now) => Judgement::Allowed { rule: None, idempotent },
        Effect::Ask(asking) if is_covered(open, spec, Some(&asking), now) => {
            Judgement::Allowed { rule: None, idempotent }
        }
        Effect::Allow => {
            Judgement::Ask(Box::new(ask(shared, judged, call, *tool, Asking::default(), rule).await))
        }
        Effect::Ask(asking) => Judgement::Ask(Box::new(ask(shared, judged, call, *tool, asking, rule).await)),
    })
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

async fn ask(
    shared: &Shared,
    judged: &Judged,
    call: &Call,
    tool: &dyn Tool,
    asking: Asking,
    rule: Option<String>,
) -> Approval {
    let Judged { conversation_id, info, turn, call_id } = judged;
    let (spec, now) = (tool.spec(), shared.clock.now());
    let siblings = turn.calls.iter().filter(|open| open.call.id != *call_id);
    let sibling = |open: &OpenCall| SiblingCall {
        call_id: open.call.id,
        tool: open.call.tool.clone(),
        args_text: open.call.args_text.clone(),
    };
    let source = match tool.source() {
        Source::BuiltIn => "built_in",
        Source::Http => "http",
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
    let shown = messages.iter().rev().take(RECENT).rev();
    let message = |message: &crate::chat::context::PathMessage| RecentMessage {
        message_id: message.id,
        role: message.role,
        text: spoken(message).trim().chars().take(RECENT_CHARS).collect(),
    };
    shown.map(message).collect()
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

/// What a person wrote in place of the model's arguments.
pub(super) fn change_args(
    shared: &Shared,
    approval: &Approval,
    args: &Value,
) -> Result<ChangedArgs, Vec<FieldError>> {
    let gone =
        || vec![FieldError { pointer: String::new(), detail: "the tool is no longer available".to_owned() }];
    let tool = shared.toolbox.get(&approval.tool).ok_or_else(gone)?;
    let args_text = args.to_string();
    let args = check_args(&tool.spec().schema, &args_text)?;
    let args_hash = args_hash(tool.spec(), &args_text);
    Ok(ChangedArgs { args, args_text, args_hash })
}

/// Runs a call whose start is durable.
pub(super) async fn run(shared: &Shared, judged: &Judged) -> Ending {
    let (request, call_id) = (&judged.turn.plan.request, judged.call_id);
    let failed = |error: String| Ending::Failed { error };
    let Some(open) = judged.turn.call(call_id) else {
        return failed("the call is not there any more".to_owned());
    };
    let tool =
        shared.agents.get(&request.agent).and_then(|agent| find(shared, agent, request, &open.call.tool));
    let Some(Found::Here(tool)) = tool else {
        return failed(format!("the tool `{}` is no longer available", open.call.tool));
    };
    let args = match check_args(&tool.spec().schema, &open.call.args_text) {
        Ok(args) => args,
        Err(errors) => return failed(told(&errors)),
    };
    let mut waits = REACHES_AGAIN.into_iter();
    loop {
        let invocation = Invocation {
            call_id,
            conversation_id: judged.conversation_id,
            user_id: request.requested_by,
            agent: request.agent.clone(),
            args: args.clone(),
        };
        fail::fail_point!("runtime::tool_before");
        let outcome = tool.run(invocation).await;
        fail::fail_point!("runtime::tool_after");
        return match (outcome, waits.next()) {
            (Outcome::Succeeded(output), _) => Ending::Succeeded { output },
            (Outcome::Failed(error), _) | (Outcome::Unreachable(error), None) => Ending::Failed { error },
            (Outcome::Unknown(error), _) => Ending::Unknown { error },
            (Outcome::Unreachable(error), Some(seconds)) => {
                info!(error, seconds, "the tool cannot be reached; tried again");
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                continue;
            }
        };
    }
}
