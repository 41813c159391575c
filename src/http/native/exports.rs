//! Exports: a conversation as a file, written as it is read.

use axum::body::Body;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::export::Format;
use crate::http::State;
use crate::http::auth::Owned;
use crate::http::problem::Result;
use crate::http::query::Query;
use crate::id::ConversationId;
use crate::scope::Scope;

const NAME_CHARS: usize = 60;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ExportQuery {
    /// Absent: `weir`.
    #[serde(default)]
    #[param(inline)]
    format: Format,
}

/// A conversation as a file.
///
/// `weir` (lines of JSON) and `json` (one document) hold the whole tree and can be imported again; `markdown` is the
/// current branch, to be read. An answer that is still being written is left out.
#[utoipa::path(get, path = "/v1/conversations/{conversation_id}/export", tag = "imports",
    operation_id = "export_conversation", params(("conversation_id" = ConversationId, Path), ExportQuery),
    responses((status = 200, body = String, content_type = "application/x-ndjson",
        headers(("Content-Disposition" = String)))))]
pub async fn export(
    state: State,
    scope: Scope,
    id: Owned<ConversationId>,
    Query(ExportQuery { format }): Query<ExportQuery>,
) -> Result<Response> {
    let title = id.conversation().info.title.as_deref();
    let name = format!("{}.{}", file_name(title, id.id()), format.extension());
    let export = state.runtime().export(scope, id.id(), format);
    // The answer has begun: what fails now breaks it off.
    let pieces = stream::try_unfold(export, |mut export| async move {
        Ok::<_, crate::store::Error>(export.next().await?.map(|piece| (piece, export)))
    });
    let mut response = Body::from_stream(pieces).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    if let Ok(disposition) = HeaderValue::try_from(format!("attachment; filename=\"{name}\"")) {
        headers.insert(CONTENT_DISPOSITION, disposition);
    }
    Ok(response)
}

/// What every file system takes: letters, digits and hyphens of the title, or else the id.
fn file_name(title: Option<&str>, id: ConversationId) -> String {
    let words = title.unwrap_or_default().split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    let name: String = words.join("-").to_lowercase().chars().take(NAME_CHARS).collect();
    if name.is_empty() { id.to_string() } else { name }
}
