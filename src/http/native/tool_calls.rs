//! Tool calls that somebody outside has to end: the client that declared the tool, or a person who knows what became
//! of one that nobody else knows about.

use axum::Json as Answered;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{given, order_for};
use crate::chat::conversation::Command;
use crate::chat::event::Resolution;
use crate::chat::question::{Answer, AnswerAction, Question};
use crate::chat::turn::Ending;
use crate::http::State;
use crate::http::auth::OwnedCall;
use crate::http::json::Json;
use crate::http::problem::{Error, Kind, Result};
use crate::id::{CallId, QuestionId};
use crate::runtime::output::CallPlace;
use crate::scope::{Caller, Scope};
use crate::tool::check_args;

/// What a tool may say, in bytes.
const OUTPUT_BYTES: usize = 8 << 20;

/// What a model is told as it is, in bytes.
const TOLD_BYTES: usize = 32 * 1024;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResultRequest {
    /// What the model is told. Either this or `error`.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    output: Option<String>,
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    error: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Acknowledged {
    id: CallId,
}

/// The result of a tool that the client declared. The first one wins; a later one is 409.
#[utoipa::path(post, path = "/v1/tool-calls/{call_id}/result", tag = "approvals",
    operation_id = "post_tool_result", request_body = ResultRequest,
    params(("call_id" = CallId, Path)), responses((status = 200, body = Acknowledged)))]
pub async fn result(
    state: State,
    caller: Caller,
    call: OwnedCall,
    Json { body, .. }: Json<ResultRequest>,
) -> Result<Answered<Acknowledged>> {
    let ending = match (body.output, body.error) {
        (Some(output), None) => {
            let output = bounded("/output", output, OUTPUT_BYTES)?;
            // Nothing is kept of what nobody waits for.
            if !state.runtime().store().awaits_result(call.id).await? {
                return Err(Error::new(
                    Kind::Conflict,
                    format!("nobody waits for the result of {}", call.id),
                ));
            }
            let place = CallPlace {
                workspace_id: call.workspace_id,
                conversation_id: call.conversation_id,
                call_id: call.id,
                agent: &call.agent,
            };
            state.runtime().succeed(place, output).await
        }
        (None, Some(error)) => Ending::Failed { error: bounded("/error", error, TOLD_BYTES)? },
        (Some(_), Some(_)) | (None, None) => {
            return Err(Error::invalid("", "say either `output` or `error`"));
        }
    };
    let command = Command::EndCall { turn_id: call.turn_id, call_id: call.id, ending };
    order_for(&state, caller, call.conversation_id, command).await?;
    Ok(Answered(Acknowledged { id: call.id }))
}

fn bounded(pointer: &str, text: String, most: usize) -> Result<String> {
    match text.len() <= most {
        true => Ok(text),
        false => Err(Error::invalid(pointer, format!("at most {most} bytes"))),
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResolveRequest {
    #[serde(rename = "as")]
    resolution: Resolution,
    /// What the model is told of it.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    output: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswerRequest {
    question_id: QuestionId,
    action: AnswerAction,
    /// What was filled in, as the question's schema wants it. With `accept`, where there is a schema.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false, value_type = Object)]
    content: Option<Value>,
}

/// Answer what a running tool asks. The first answer wins; a later one is 409.
///
/// What is filled in is told to the tool, and kept nowhere.
#[utoipa::path(post, path = "/v1/tool-calls/{call_id}/answer", tag = "approvals",
    operation_id = "answer_tool_question", request_body = AnswerRequest,
    params(("call_id" = CallId, Path)), responses((status = 200, body = Acknowledged)))]
pub async fn answer(
    state: State,
    scope: Scope,
    caller: Caller,
    call: OwnedCall,
    Json { body, .. }: Json<AnswerRequest>,
) -> Result<Answered<Acknowledged>> {
    let AnswerRequest { question_id, action, content } = body;
    let (turn_id, call_id) = (call.turn_id, call.id);
    let asked = state.runtime().store().question_of_call(&scope, call_id).await?;
    let question = asked
        .filter(|question| question.id == question_id)
        .ok_or_else(|| Error::new(Kind::Conflict, format!("{question_id} is not asked any more")))?;
    let content = filled_in(&question, action, content)?;
    let command = Command::Answer { turn_id, call_id, question_id, answer: Answer { action, content } };
    order_for(&state, caller, call.conversation_id, command).await?;
    Ok(Answered(Acknowledged { id: call_id }))
}

/// What may go to the tool: exactly what its form asks for.
fn filled_in(question: &Question, action: AnswerAction, content: Option<Value>) -> Result<Option<Value>> {
    match (action, &question.schema, content) {
        (AnswerAction::Accept, Some(schema), Some(content)) => {
            let checked = check_args(schema, &content.to_string());
            checked.map(Some).map_err(|errors| Error::invalid_below("/content", errors))
        }
        (AnswerAction::Accept, Some(_), None) => Err(Error::invalid("/content", "is missing")),
        (_, _, None) => Ok(None),
        (_, _, Some(_)) => Err(Error::invalid("/content", "nothing is to be filled in")),
    }
}

/// Say what became of a call that was started and of which nobody knows how it ended.
///
/// `retry` makes a new call, and people are asked about that one. Once; a later one is 409. After the end of its turn,
/// whether it happened is put on record, and `retry` is 409.
#[utoipa::path(post, path = "/v1/tool-calls/{call_id}/resolve", tag = "approvals",
    operation_id = "resolve_tool_call", request_body = ResolveRequest,
    params(("call_id" = CallId, Path)), responses((status = 200, body = Acknowledged)))]
pub async fn resolve(
    state: State,
    scope: Scope,
    caller: Caller,
    call: OwnedCall,
    Json { body, .. }: Json<ResolveRequest>,
) -> Result<Answered<Acknowledged>> {
    let ResolveRequest { resolution, output } = body;
    let output = output.map(|output| bounded("/output", output, TOLD_BYTES)).transpose()?;
    let (resolved_by, again) = (scope.user_id, CallId::new());
    let (turn_id, call_id) = (call.turn_id, call.id);
    let command = Command::Resolve { turn_id, call_id, resolution, output, resolved_by, again };
    order_for(&state, caller, call.conversation_id, command).await?;
    Ok(Answered(Acknowledged { id: call_id }))
}
