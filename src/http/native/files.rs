//! Files: sent as they are, kept once, and served to whoever sees where they are used.

use axum::Json as Answered;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH, IF_RANGE, LOCATION,
    RANGE,
};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt};
use multer::Multipart;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::chat::file::{FileInfo, StoredFile};
use crate::clock::Timestamp;
use crate::http::State;
use crate::http::auth::{FileInPath, Owned};
use crate::http::idempotency::IdempotencyKey;
use crate::http::limits::page;
use crate::http::problem::{Error, Kind, Result};
use crate::http::query::Query;
use crate::http::range::{self, Stretch};
use crate::id::{ConversationId, FileId};
use crate::runtime::files::{Said, Upload};
use crate::scope::{Scope, WorkspaceRole};
use crate::store::{ConversationFile, KeyScope};

pub const PATH: &str = "/v1/files";

/// What is in it is looked at, never run, whatever it is.
const SANDBOX: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; sandbox");

#[derive(Debug, Serialize, ToSchema)]
pub struct File {
    #[serde(flatten)]
    info: FileInfo,
    /// Of the content, in hex.
    sha256: String,
    created_at: Timestamp,
}

impl From<StoredFile> for File {
    fn from(file: StoredFile) -> Self {
        Self { info: file.info, sha256: file.sha256.to_string(), created_at: file.created_at }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct UploadQuery {
    /// What the file is called, where the body is the file itself.
    #[serde(default)]
    name: Option<String>,
}

/// Send a file.
///
/// The body is the file itself, with its `Content-Type` and `?name=`, or a form (`multipart/form-data`) with one file in
/// it. What it is is found out from its content.
#[utoipa::path(post, path = "/v1/files", tag = "files", operation_id = "create_file", params(UploadQuery),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, body = File, headers(("Location" = String)))))]
pub async fn create(
    state: State,
    scope: Scope,
    key: IdempotencyKey,
    Query(UploadQuery { name }): Query<UploadQuery>,
    request: Request,
) -> Result<Response> {
    if scope.role < WorkspaceRole::Member {
        return Err(Error::forbidden("a viewer sends no files"));
    }
    let most = state.files()?.limits().file_bytes;
    let announced =
        request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    // What was announced as too large is not waited for; a form has a little around the file.
    if announced.is_some_and(|length: u64| length > most.saturating_add(64 * 1024)) {
        return Err(Error::new(Kind::TooLarge, format!("a file has at most {most} bytes here")));
    }
    let media_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = media_type.map(str::to_owned);
    let mut upload = state.files()?.upload(&scope).await?;
    let body = request.into_body().into_data_stream();
    let said = match media_type.as_deref().map(multer::parse_boundary) {
        Some(Ok(boundary)) => from_form(&state, Multipart::new(body, boundary), &mut upload).await?,
        Some(Err(_)) | None => {
            let broke_off = |_| Error::new(Kind::MalformedRequest, "the body broke off");
            receive(&state, body.map(|chunk| chunk.map_err(broke_off)), &mut upload).await?;
            Said { name, media_type }
        }
    };
    let (workspace, user) = (KeyScope::Workspace(scope.workspace_id), scope.user_id);
    let bound = |file: &StoredFile| {
        let asked = format!("{}\0{}\0{}", file.sha256, file.info.name, file.info.media_type);
        key.of(workspace, user, "POST /v1/files", asked.as_bytes())
    };
    let file = upload.finish(&scope, said, bound).await?;
    let location = [(LOCATION, format!("{PATH}/{}", file.info.id))];
    Ok((StatusCode::CREATED, location, Answered(File::from(file))).into_response())
}

/// The one file of a form.
async fn from_form(state: &State, mut form: Multipart<'_>, upload: &mut Upload) -> Result<Said> {
    let mut said = None;
    while let Some(field) = in_time(state, form.next_field()).await?.map_err(malformed)? {
        if field.file_name().is_none() {
            return Err(Error::invalid("", "a form has one file, and nothing else"));
        }
        if said.is_some() {
            return Err(Error::invalid("", "a form has one file; send another one by itself"));
        }
        let name = field.file_name().map(str::to_owned);
        let media_type = field.content_type().map(ToString::to_string);
        receive(state, field.map(|chunk| chunk.map_err(malformed)), upload).await?;
        said = Some(Said { name, media_type });
    }
    said.ok_or_else(|| Error::invalid("", "there is no file in the form"))
}

fn malformed(_: multer::Error) -> Error {
    Error::new(Kind::MalformedRequest, "the form cannot be read")
}

async fn receive(
    state: &State,
    chunks: impl Stream<Item = Result<bytes::Bytes>>,
    upload: &mut Upload,
) -> Result<()> {
    let mut chunks = std::pin::pin!(chunks);
    while let Some(chunk) = in_time(state, chunks.next()).await? {
        upload.write(&chunk?).await?;
    }
    Ok(())
}

/// A pause that is too long is the end of it.
async fn in_time<T>(state: &State, next: impl Future<Output = T>) -> Result<T> {
    let next = tokio::time::timeout(state.limits().body_time, next).await;
    next.map_err(|_| Error::new(Kind::RequestTimeout, "the body did not arrive in time"))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct FilesQuery {
    /// 50, at most 200.
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<FileId>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Files {
    /// Newest first.
    items: Vec<File>,
    next: Option<FileId>,
}

/// The files that you sent.
#[utoipa::path(get, path = "/v1/files", tag = "files", operation_id = "list_files", params(FilesQuery),
    responses((status = 200, body = Files)))]
pub async fn list(
    state: State,
    scope: Scope,
    Query(FilesQuery { limit, cursor }): Query<FilesQuery>,
) -> Result<Answered<Files>> {
    if scope.only.is_some() {
        return Err(Error::forbidden("this token is for other conversations only"));
    }
    let limit = page(limit)? as usize;
    let mut items: Vec<File> =
        state.runtime().store().files(&scope, cursor, limit + 1).await?.into_iter().map(File::from).collect();
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|file| file.info.id);
    Ok(Answered(Files { items, next }))
}

/// What is known of a file.
#[utoipa::path(get, path = "/v1/files/{file_id}", tag = "files", operation_id = "get_file",
    params(("file_id" = FileId, Path)), responses((status = 200, body = File)))]
pub async fn get(state: State, scope: Scope, FileInPath(id): FileInPath) -> Result<Answered<File>> {
    Ok(Answered(read(&state, &scope, id).await?.into()))
}

async fn read(state: &State, scope: &Scope, id: FileId) -> Result<StoredFile> {
    state.runtime().store().file(scope, id).await?.ok_or_else(Error::not_found)
}

/// The content of a file.
///
/// Always as an attachment. One `Range` is served; the `ETag` is the content's hash.
#[utoipa::path(get, path = "/v1/files/{file_id}/content", tag = "files", operation_id = "get_file_content",
    params(("file_id" = FileId, Path)),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream",
        headers(("Content-Disposition" = String), ("ETag" = String))),
        (status = 206, description = "The stretch that was asked for"),
        (status = 304, description = "It is the one that you have"),
        (status = 416, description = "There is no such stretch")))]
pub async fn content(
    state: State,
    scope: Scope,
    FileInPath(id): FileInPath,
    headers: HeaderMap,
) -> Result<Response> {
    let file = read(&state, &scope, id).await?;
    let (size, etag) = (file.info.size, format!("\"{}\"", file.sha256));
    let given = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let mut response = Response::new(Body::empty());
    let answered = response.headers_mut();
    answered.insert(ETAG, value(&etag));
    answered.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    answered.insert(CONTENT_SECURITY_POLICY, SANDBOX);
    answered.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if given(IF_NONE_MATCH).is_some_and(|tags| range::names(tags, &etag)) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(response);
    }
    let range = given(RANGE).filter(|_| given(IF_RANGE).is_none_or(|tag| tag == etag));
    let (status, stretch) = match range.map_or(Stretch::Whole, |range| range::of(range, size)) {
        Stretch::Whole => (StatusCode::OK, 0..size),
        Stretch::Part(stretch) => {
            let said = format!("bytes {}-{}/{size}", stretch.start, stretch.end - 1);
            answered.insert(CONTENT_RANGE, value(&said));
            (StatusCode::PARTIAL_CONTENT, stretch)
        }
        Stretch::Nowhere => {
            let mut refused =
                Error::new(Kind::RangeNotSatisfiable, format!("the file has {size} bytes")).into_response();
            refused.headers_mut().insert(CONTENT_RANGE, value(&format!("bytes */{size}")));
            return Ok(refused);
        }
    };
    answered.insert(CONTENT_TYPE, value(&served_as(&file.info.media_type)));
    answered.insert(CONTENT_DISPOSITION, value(&range::attachment(&file.info.name)));
    answered.insert(CONTENT_LENGTH, HeaderValue::from(stretch.end - stretch.start));
    *response.status_mut() = status;
    *response.body_mut() = Body::from_stream(state.files()?.read(&file, stretch).await?);
    Ok(response)
}

/// Browsers guess the encoding of a text that names none.
fn served_as(media_type: &str) -> String {
    match media_type.starts_with("text/") {
        true => format!("{media_type}; charset=utf-8"),
        false => media_type.to_owned(),
    }
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::try_from(text).expect("it is made of visible characters")
}

/// Let go of a file that you sent.
///
/// Messages that use it keep it for as long as they are there.
#[utoipa::path(delete, path = "/v1/files/{file_id}", tag = "files", operation_id = "delete_file",
    params(("file_id" = FileId, Path)), responses((status = 204, description = "It is no longer among yours")))]
pub async fn delete(state: State, scope: Scope, FileInPath(id): FileInPath) -> Result<StatusCode> {
    let file = read(&state, &scope, id).await?;
    if file.uploaded_by != Some(scope.user_id) {
        return Err(Error::forbidden("only whoever sent a file can let go of it"));
    }
    state.files()?.release(&file).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Serialize, ToSchema)]
pub struct FileAtPath {
    /// `attachments/...`, for one of a message; `outputs/...`, for what a tool said at length.
    path: String,
    #[serde(flatten)]
    file: File,
}

impl From<ConversationFile> for FileAtPath {
    fn from(found: ConversationFile) -> Self {
        Self { path: found.path, file: found.file.into() }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ConversationFiles {
    /// By path.
    items: Vec<FileAtPath>,
    next: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ConversationFilesQuery {
    /// 50, at most 200.
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// The files of a conversation.
///
/// Those that tools wrote, long outputs of tools, and those of its messages.
#[utoipa::path(get, path = "/v1/conversations/{conversation_id}/files", tag = "files",
    operation_id = "list_conversation_files",
    params(("conversation_id" = ConversationId, Path), ConversationFilesQuery),
    responses((status = 200, body = ConversationFiles)))]
pub async fn of_conversation(
    state: State,
    scope: Scope,
    id: Owned<ConversationId>,
    Query(ConversationFilesQuery { limit, cursor }): Query<ConversationFilesQuery>,
) -> Result<Answered<ConversationFiles>> {
    let limit = page(limit)? as usize;
    let all = state.runtime().store().conversation_files(&scope, id.id()).await?;
    let all = all.ok_or_else(Error::not_found)?.into_iter();
    let after = all.filter(|found| cursor.as_ref().is_none_or(|cursor| found.path > *cursor));
    let mut items: Vec<FileAtPath> = after.take(limit + 1).map(FileAtPath::from).collect();
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|found| found.path.clone());
    Ok(Answered(ConversationFiles { items, next }))
}
