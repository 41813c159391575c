//! Tool calls that somebody outside has to end: the client that declared the tool, or a person who knows what became
//! of one that nobody else knows about.

use axum::Json as Answered;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{given, order};
use crate::chat::conversation::Command;
use crate::chat::event::Resolution;
use crate::chat::turn::Ending;
use crate::http::State;
use crate::http::auth::OwnedCall;
use crate::http::json::Json;
use crate::http::problem::{Error, Result};
use crate::id::CallId;
use crate::scope::Scope;

/// What a tool may say, in bytes.
const OUTPUT_BYTES: usize = 1 << 20;

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
    call: OwnedCall,
    Json { body, .. }: Json<ResultRequest>,
) -> Result<Answered<Acknowledged>> {
    let ending = match (body.output, body.error) {
        (Some(output), None) => Ending::Succeeded { output: bounded("/output", output)? },
        (None, Some(error)) => Ending::Failed { error: bounded("/error", error)? },
        (Some(_), Some(_)) | (None, None) => {
            return Err(Error::invalid("", "say either `output` or `error`"));
        }
    };
    let command = Command::EndCall { turn_id: call.turn_id, call_id: call.id, ending };
    order(&state, call.conversation_id, command).await?;
    Ok(Answered(Acknowledged { id: call.id }))
}

fn bounded(pointer: &str, text: String) -> Result<String> {
    match text.len() <= OUTPUT_BYTES {
        true => Ok(text),
        false => Err(Error::invalid(pointer, format!("at most {OUTPUT_BYTES} bytes"))),
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

/// Say what became of a call that was started and of which nobody knows how it ended.
///
/// `retry` makes a new call, and people are asked about that one. Once; a later one is 409.
#[utoipa::path(post, path = "/v1/tool-calls/{call_id}/resolve", tag = "approvals",
    operation_id = "resolve_tool_call", request_body = ResolveRequest,
    params(("call_id" = CallId, Path)), responses((status = 200, body = Acknowledged)))]
pub async fn resolve(
    state: State,
    scope: Scope,
    call: OwnedCall,
    Json { body, .. }: Json<ResolveRequest>,
) -> Result<Answered<Acknowledged>> {
    let ResolveRequest { resolution, output } = body;
    let output = output.map(|output| bounded("/output", output)).transpose()?;
    let (resolved_by, again) = (scope.user_id, CallId::new());
    let (turn_id, call_id) = (call.turn_id, call.id);
    let command = Command::Resolve { turn_id, call_id, resolution, output, resolved_by, again };
    order(&state, call.conversation_id, command).await?;
    Ok(Answered(Acknowledged { id: call_id }))
}
