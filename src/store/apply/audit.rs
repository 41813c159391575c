//! The audit's rows, derived from the events themselves, in the transaction of the event.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Transaction, named_params};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::rule::Revoked;
use crate::chat::approval::{Approval, ApprovalRule, VoteDecision};
use crate::chat::event::{Event, Resolution};
use crate::chat::message::Call;
use crate::clock::Timestamp;
use crate::id::{ApprovalId, CallId, ConversationId, TurnId, UserId, WorkspaceId};
use crate::scope::Caller;
use crate::store::audit::{AuditRow, BEGINNING, Content, hex};
use crate::store::error::{Conflict, Error};
use crate::store::read;
use crate::store::record::Audit;
use crate::store::row::{Row, word};

/// Of what a tool said when it failed so much is kept.
const ERROR_CHARS: usize = 1000;

/// A conversation's rows, a slice at a time. Who deleted it, and when, stays.
pub(super) const ERASE_OF_CONVERSATION: &str = "
    UPDATE audit SET salt = NULL, body = NULL WHERE (workspace_id, n) IN (
        SELECT workspace_id, n FROM audit
        WHERE conversation_id = :id AND body IS NOT NULL
          AND action NOT IN ('conversation.deleted', 'branch.deleted')
        LIMIT :slice)";

pub(super) const ERASE_OF_MESSAGE: &str = "
    UPDATE audit SET salt = NULL, body = NULL
    WHERE body IS NOT NULL AND call_id IN (SELECT id FROM calls WHERE message_id = :id)";

const EVENT: &str = "
    SELECT e.seq, e.at, e.body, c.workspace_id FROM events e JOIN conversations c ON c.id = e.conversation_id
    WHERE e.conversation_id = :conversation_id AND e.seq = :seq";

/// What a row says, before it has its place in the chain.
struct Fact {
    workspace_id: WorkspaceId,
    at: Timestamp,
    action: &'static str,
    actor: Option<UserId>,
    tool: Option<String>,
    conversation_id: Option<ConversationId>,
    turn_id: Option<TurnId>,
    call_id: Option<CallId>,
    approval_id: Option<ApprovalId>,
    body: Body,
}

pub(super) fn write(tx: &Transaction<'_>, note: &Audit) -> Result<(), Error> {
    let mut statement = tx.prepare_cached(EVENT)?;
    let mut rows = statement.query(named_params! {
        ":conversation_id": note.conversation_id.as_bytes(), ":seq": note.seq.0.cast_signed(),
    })?;
    let row = rows.next()?.ok_or(Conflict::UnknownConversation(note.conversation_id))?;
    let row = Row::new(row, "events", "seq");
    let (at, event, workspace_id) = (row.at("at")?, row.json::<Event>("body")?, row.id("workspace_id")?);
    append(tx, fact(tx, note, workspace_id, at, &event)?, note.salt)?;
    match &event {
        Event::ApprovalDecided { call_id, outcome: VoteDecision::Approve, .. } => {
            rules_made(tx, note, workspace_id, at, *call_id)
        }
        _ => Ok(()),
    }
}

/// The rules that came of a yes, each in a row of its own behind it.
fn rules_made(
    tx: &Transaction<'_>,
    note: &Audit,
    workspace_id: WorkspaceId,
    at: Timestamp,
    call_id: CallId,
) -> Result<(), Error> {
    let Some(approval) = approval_of(tx, call_id)? else { return Ok(()) };
    for (number, rule) in approval.rules().enumerate() {
        let salt = Sha256::new().chain_update(note.salt).chain_update([number as u8]).finalize().into();
        let fact = Fact {
            workspace_id,
            at,
            action: "rule.made",
            actor: Some(rule.made_by),
            tool: Some(rule.tool.clone()),
            conversation_id: Some(note.conversation_id),
            turn_id: Some(approval.turn_id),
            call_id: Some(call_id),
            approval_id: Some(approval.id),
            body: Body::of_rule(&rule),
        };
        append(tx, fact, salt)?;
    }
    Ok(())
}

pub(super) fn rule_revoked(
    tx: &Transaction<'_>,
    revoked: &Revoked,
    caller: Option<&Caller>,
    salt: [u8; 32],
) -> Result<(), Error> {
    let Revoked { workspace_id, rule, by, at } = revoked;
    // What it says is from there, and goes with it.
    let approval = approval(tx, rule.approval_id)?;
    let mut body = Body::of_rule(rule);
    body.set_caller(caller);
    let fact = Fact {
        workspace_id: *workspace_id,
        at: *at,
        action: "rule.revoked",
        actor: Some(*by),
        tool: Some(rule.tool.clone()),
        conversation_id: approval.as_ref().map(|approval| approval.conversation_id),
        turn_id: approval.as_ref().map(|approval| approval.turn_id),
        call_id: approval.as_ref().map(|approval| approval.call_id),
        approval_id: Some(rule.approval_id),
        body,
    };
    append(tx, fact, salt)
}

fn fact(
    tx: &Transaction<'_>,
    note: &Audit,
    workspace_id: WorkspaceId,
    at: Timestamp,
    event: &Event,
) -> Result<Fact, Error> {
    let call_id = event.call_id();
    let call = call_id.map(|id| read::call(tx, id)).transpose()?.flatten();
    let approval = call_id.map(|id| approval_of(tx, id)).transpose()?.flatten();
    let mut body = Body::default();
    body.set_caller(note.caller.as_ref());
    let decides = matches!(
        event,
        Event::ApprovalRequested { .. }
            | Event::ApprovalVoted { .. }
            | Event::ApprovalDecided { .. }
            | Event::ApprovalClosed { .. }
    );
    describe(&mut body, event, call.as_ref(), approval.as_ref());
    let actor = match event {
        Event::ApprovalVoted { vote, .. } => Some(vote.user_id),
        Event::ToolResolved { resolved_by, .. } => Some(*resolved_by),
        _ => note.caller.as_ref().map(|caller| caller.user_id),
    };
    Ok(Fact {
        workspace_id,
        at,
        action: event.kind(),
        actor,
        tool: call.map(|call| call.tool),
        conversation_id: Some(note.conversation_id),
        turn_id: event.turn_id(),
        call_id,
        approval_id: approval
            .filter(|_| decides || matches!(event, Event::ToolStarted { .. }))
            .map(|it| it.id),
        body,
    })
}

/// What was shown, what was said, and what ran. Of what came out only a hash: the audit is read by those who may not
/// read the conversation.
fn describe(body: &mut Body, event: &Event, call: Option<&Call>, approval: Option<&Approval>) {
    match (event, approval) {
        (Event::ApprovalRequested { .. }, Some(approval)) => {
            body.set("agent", &approval.context.agent);
            body.set("requested_by", &approval.context.requested_by.to_string());
            body.set("args_text", &approval.args_text);
            body.set("args_hash", &approval.args_hash);
            body.set("tool_description", &approval.context.tool.description);
            body.set("tool_schema", &approval.context.tool.schema.to_string());
            body.set("tool_source", &approval.context.tool.source);
            body.set("expires_at", &approval.expires_at.to_string());
            body.set("approvals", &approval.approvals.to_string());
            body.set_some("required_role", approval.required_role.as_ref().map(word));
            body.set_some("rule", approval.context.rule.clone());
        }
        (Event::ApprovalVoted { vote, .. }, Some(approval)) => {
            let mut shown = approval.clone();
            shown.votes.pop();
            body.set("decision", &word(&vote.decision));
            body.set("shown_args_hash", shown.current_hash());
            body.set("shown_args_text", shown.runs());
            body.set_some("reason", vote.reason.clone());
            body.set_some(
                "remembered_as",
                vote.remember.as_ref().map(|remember| remember.rule_id.to_string()),
            );
            if let Some(changed) = &vote.changed {
                body.set("changed_args_hash", &changed.args_hash);
                body.set("changed_args_text", &changed.args_text);
            }
        }
        (Event::ApprovalDecided { outcome, .. }, Some(approval)) => {
            body.set("outcome", &word(outcome));
            body.set("args_hash", approval.current_hash());
            body.set("args_text", approval.runs());
            let voters: Vec<_> = approval.votes.iter().map(|vote| vote.user_id.to_string()).collect();
            body.set("voters", &voters.join(" "));
        }
        (Event::ApprovalClosed { outcome, .. }, _) => body.set("outcome", &word(outcome)),
        (Event::ToolStarted { rule, idempotent, .. }, approval) => {
            if let Some(call) = call {
                body.set("args_text", &call.args_text);
                body.set("args_sha256", &sha256(&call.args_text));
            }
            body.set_some("approved_args_hash", approval.map(|approval| approval.current_hash().to_owned()));
            body.set_some("rule", rule.clone().or_else(|| call?.rule.clone()));
            body.set("idempotent", if *idempotent { "true" } else { "false" });
        }
        (Event::ToolSucceeded { output, .. }, _) => body.set_output(output),
        (Event::ToolDenied { rule, error, .. }, _) => {
            body.set_some("rule", rule.clone());
            body.set_error(error);
        }
        (
            Event::ToolFailed { error, .. }
            | Event::ToolExpired { error, .. }
            | Event::ToolUnknown { error, .. },
            _,
        ) => body.set_error(error),
        (Event::ToolResolved { resolution, output, .. }, _) => {
            body.set("as", &word::<Resolution>(resolution));
            if let Some(output) = output {
                body.set_output(output);
            }
        }
        (Event::BranchDeleted { message_id, .. }, _) => body.set("message_id", &message_id.to_string()),
        _ => {}
    }
}

const APPROVAL: &str = "SELECT id, body FROM approvals WHERE id = :id";

fn approval(tx: &Transaction<'_>, id: ApprovalId) -> Result<Option<Approval>, Error> {
    let mut statement = tx.prepare_cached(APPROVAL)?;
    let mut rows = statement.query(named_params! {":id": id.as_bytes()})?;
    rows.next()?.map(|row| Row::new(row, "approvals", "id").json("body")).transpose()
}

const NEWEST_APPROVAL: &str =
    "SELECT id, body FROM approvals WHERE call_id = :call_id ORDER BY id DESC LIMIT 1";

fn approval_of(tx: &Transaction<'_>, id: CallId) -> Result<Option<Approval>, Error> {
    let mut statement = tx.prepare_cached(NEWEST_APPROVAL)?;
    let mut rows = statement.query(named_params! {":call_id": id.as_bytes()})?;
    rows.next()?.map(|row| Row::new(row, "approvals", "id").json("body")).transpose()
}

const HEAD: &str = "SELECT n, hash FROM audit WHERE workspace_id = :workspace_id ORDER BY n DESC LIMIT 1";
const APPEND: &str = "
    INSERT INTO audit
        (workspace_id, n, at, action, actor, tool, conversation_id, turn_id, call_id, approval_id, salt, body,
         content_hash, hash)
    VALUES
        (:workspace_id, :n, :at, :action, :actor, :tool, :conversation_id, :turn_id, :call_id, :approval_id, :salt,
         :body, :content_hash, :hash)";

/// The one way into the audit, also for what is no event of a conversation.
fn append(tx: &Transaction<'_>, fact: Fact, salt: [u8; 32]) -> Result<(), Error> {
    let Fact { workspace_id, at, action, actor, tool, conversation_id, turn_id, call_id, approval_id, body } =
        fact;
    let head: Option<(i64, [u8; 32])> = tx
        .prepare_cached(HEAD)?
        .query_row(named_params! {":workspace_id": workspace_id.as_bytes()}, |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let (last, before) = head.unwrap_or((0, BEGINNING));
    let content = Content { salt, body: body.into_json() };
    let mut row = AuditRow {
        workspace_id,
        n: last.unsigned_abs() + 1,
        at,
        action: action.to_owned(),
        actor,
        tool,
        conversation_id,
        turn_id,
        call_id,
        approval_id,
        content_hash: content.hash(),
        content: None,
        hash: BEGINNING,
    };
    row.hash = row.hash_after(&before);
    tx.prepare_cached(APPEND)?.execute(named_params! {
        ":workspace_id": workspace_id.as_bytes(),
        ":n": row.n.cast_signed(),
        ":at": at.millis(),
        ":action": row.action,
        ":actor": row.actor.as_ref().map(|id| id.as_bytes()),
        ":tool": row.tool,
        ":conversation_id": row.conversation_id.as_ref().map(|id| id.as_bytes()),
        ":turn_id": row.turn_id.as_ref().map(|id| id.as_bytes()),
        ":call_id": row.call_id.as_ref().map(|id| id.as_bytes()),
        ":approval_id": row.approval_id.as_ref().map(|id| id.as_bytes()),
        ":salt": content.salt,
        ":body": content.body,
        ":content_hash": row.content_hash,
        ":hash": row.hash,
    })?;
    Ok(())
}

/// Strings under sorted ASCII names, so that there is one way to write it down (RFC 8785).
#[derive(Default)]
struct Body(BTreeMap<&'static str, String>);

impl Body {
    fn set(&mut self, name: &'static str, value: &str) {
        self.0.insert(name, value.to_owned());
    }

    fn set_some(&mut self, name: &'static str, value: Option<String>) {
        if let Some(value) = value {
            self.0.insert(name, value);
        }
    }

    fn set_caller(&mut self, caller: Option<&Caller>) {
        if let Some(caller) = caller {
            self.set("credential", &caller.credential);
            self.set_some("address", caller.address.map(|address| address.to_string()));
        }
    }

    fn of_rule(rule: &ApprovalRule) -> Self {
        let mut body = Self::default();
        body.set("rule_id", &rule.id.to_string());
        body.set("scope", &word(&rule.scope));
        body.set("match", &word(&rule.matches));
        body.set("tool_hash", &rule.tool_hash);
        body.set("made_by", &rule.made_by.to_string());
        body.set("made_as", &word(&rule.made_as));
        body.set_some("agent", rule.agent.clone());
        body.set_some("args", rule.args.as_ref().map(Value::to_string));
        body.set_some("expires_at", rule.expires_at.map(|at| at.to_string()));
        body
    }

    fn set_output(&mut self, output: &str) {
        self.set("output_bytes", &output.len().to_string());
        self.set("output_sha256", &sha256(output));
    }

    fn set_error(&mut self, error: &str) {
        self.0.insert("error", error.chars().take(ERROR_CHARS).collect());
    }

    fn into_json(self) -> String {
        Value::from_iter(self.0.into_iter().map(|(name, value)| (name.to_owned(), Value::String(value))))
            .to_string()
    }
}

fn sha256(text: &str) -> String {
    hex(&Sha256::digest(text))
}
