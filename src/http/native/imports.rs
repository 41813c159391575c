//! Imports: files of conversations that come from elsewhere, read in the background.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use axum::Json as Answered;
use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use serde::Serialize;
use utoipa::ToSchema;

use crate::clock::Timestamp;
use crate::http::State;
use crate::http::auth::ImportInPath;
use crate::http::problem::{Error, Kind, Result};
use crate::id::ImportId;
use crate::import::{Identity, Reason, Skipped};
use crate::runtime::import::{self, Counts, ImportState};
use crate::scope::Scope;

pub const PATH: &str = "/v1/imports";

const MEDIA_TYPES: [&str; 5] = [
    "application/zip",
    "application/x-zip-compressed",
    "application/json",
    "application/x-ndjson",
    "application/octet-stream",
];

/// Items that stand in the answer itself.
const ITEMS: usize = 100;

#[derive(Debug, Serialize, ToSchema)]
pub struct Import {
    id: ImportId,
    state: ImportState,
    /// The size of the file.
    bytes: u64,
    /// How much of it was read.
    bytes_read: u64,
    counts: Counts,
    /// Why the import failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
    /// How many items were left out, or mended, for which reason.
    #[schema(value_type = BTreeMap<String, u64>)]
    reasons: BTreeMap<Reason, u64>,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
}

impl From<import::Import> for Import {
    fn from(import: import::Import) -> Self {
        Self {
            id: import.id,
            state: import.state,
            bytes: import.bytes,
            bytes_read: import.bytes_read,
            counts: import.counts,
            failure: import.failure,
            reasons: import.reasons,
            created_at: import.created_at,
            started_at: import.started_at,
            ended_at: import.ended_at,
        }
    }
}

/// An import with the beginning of its report.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportedImport {
    #[serde(flatten)]
    import: Import,
    /// The first hundred items that were left out or mended. All of them: `.../report`.
    items: Vec<Skipped>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Imports {
    /// Newest first.
    items: Vec<Import>,
    /// Always `null`: they are one page.
    next: Option<String>,
}

/// Import a file of conversations.
///
/// The body is the file itself: the export of ChatGPT, Claude (each a ZIP, or the JSON in it), Open WebUI or
/// LibreChat, OpenAssistant trees, or what Weir exports. It is read in the background. Importing twice adds nothing.
#[utoipa::path(post, path = "/v1/imports", tag = "imports", operation_id = "create_import",
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 202, body = Import, headers(("Location" = String)))))]
pub async fn create(state: State, scope: Scope, request: Request) -> Result<Response> {
    if scope.only.is_some() {
        return Err(Error::forbidden("this token is for other conversations only"));
    }
    let media_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = media_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if !MEDIA_TYPES.contains(&media_type.to_ascii_lowercase().as_str()) {
        let detail = format!("send the file as {}", MEDIA_TYPES.join(", "));
        return Err(Error::new(Kind::UnsupportedMediaType, detail));
    }
    let mut upload = state.imports()?.upload(owner(&scope)).await?;
    let (mut chunks, mut any) = (request.into_body().into_data_stream(), false);
    loop {
        let next = tokio::time::timeout(state.limits().body_time, chunks.next()).await;
        let next = next.map_err(|_| Error::new(Kind::RequestTimeout, "the body did not arrive in time"))?;
        let Some(chunk) = next else { break };
        let chunk = chunk.map_err(|_| Error::new(Kind::MalformedRequest, "the body broke off"))?;
        any |= !chunk.is_empty();
        upload.write(&chunk).await?;
    }
    if !any {
        return Err(Error::invalid("", "the file is empty"));
    }
    let import = Import::from(upload.finish().await?);
    let location = [(LOCATION, format!("{PATH}/{}", import.id))];
    Ok((StatusCode::ACCEPTED, location, Answered(import)).into_response())
}

/// Your imports.
#[utoipa::path(get, path = "/v1/imports", tag = "imports", operation_id = "list_imports",
    responses((status = 200, body = Imports)))]
pub async fn list(state: State, scope: Scope) -> Result<Answered<Imports>> {
    let items = state.imports()?.list(owner(&scope)).into_iter().map(Import::from).collect();
    Ok(Answered(Imports { items, next: None }))
}

/// How far an import is, and what it left out.
#[utoipa::path(get, path = "/v1/imports/{import_id}", tag = "imports", operation_id = "get_import",
    params(("import_id" = ImportId, Path)), responses((status = 200, body = ReportedImport)))]
pub async fn get(
    state: State,
    scope: Scope,
    ImportInPath(id): ImportInPath,
) -> Result<Answered<ReportedImport>> {
    let (imports, owner) = (state.imports()?, owner(&scope));
    let import = imports.get(owner, id).ok_or_else(Error::not_found)?;
    let report = imports.report(owner, id).ok_or_else(Error::not_found)?;
    let items = state.runtime().aside(move || first_items(report)).await;
    Ok(Answered(ReportedImport { import: import.into(), items }))
}

fn first_items(report: PathBuf) -> Vec<Skipped> {
    // Nothing was left out yet.
    let Ok(file) = std::fs::File::open(report) else { return Vec::new() };
    let lines = BufReader::new(file).lines().map_while(|line| line.ok());
    lines.take(ITEMS).filter_map(|line| serde_json::from_str(&line).ok()).collect()
}

/// Every item that an import left out or mended, and why.
///
/// One JSON object a line, in the order of the file.
#[utoipa::path(get, path = "/v1/imports/{import_id}/report", tag = "imports", operation_id = "get_import_report",
    params(("import_id" = ImportId, Path)),
    responses((status = 200, body = Skipped, content_type = "application/x-ndjson")))]
pub async fn report(state: State, scope: Scope, ImportInPath(id): ImportInPath) -> Result<Response> {
    let report = state.imports()?.report(owner(&scope), id).ok_or_else(Error::not_found)?;
    let body = match tokio::fs::File::open(report).await {
        Ok(file) => {
            let pieces = stream::try_unfold(file, |mut file| async move {
                use tokio::io::AsyncReadExt;
                let mut piece = bytes::BytesMut::with_capacity(64 * 1024);
                let read = file.read_buf(&mut piece).await?;
                Ok::<_, std::io::Error>((read > 0).then(|| (piece.freeze(), file)))
            });
            Body::from_stream(pieces)
        }
        Err(_) => Body::empty(),
    };
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

/// Cancel an import, or forget one that has ended.
///
/// What it brought stays.
#[utoipa::path(delete, path = "/v1/imports/{import_id}", tag = "imports", operation_id = "cancel_import",
    params(("import_id" = ImportId, Path)), responses((status = 204, description = "It goes no further")))]
pub async fn cancel(state: State, scope: Scope, ImportInPath(id): ImportInPath) -> Result<StatusCode> {
    match state.imports()?.cancel(owner(&scope), id).await {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Error::not_found()),
    }
}

fn owner(scope: &Scope) -> Identity {
    Identity { workspace_id: scope.workspace_id, user_id: scope.user_id }
}
