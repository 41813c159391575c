//! What this server is and can do.

use axum::Json as Answered;
use serde::Serialize;
use utoipa::ToSchema;

use crate::chat::conversation::MAX_RUNNING_TURNS;
use crate::http::State;
use crate::http::limits::{self, Limits};

#[derive(Debug, Serialize, ToSchema)]
pub struct Meta {
    version: &'static str,
    /// Changes only by addition.
    protocol: &'static str,
    /// Nobody has a name and a password yet: the server has printed a link for the first one.
    setup_needed: bool,
    /// What may be relied on, by name.
    features: &'static [&'static str],
    limits: MetaLimits,
}

#[derive(Debug, Serialize, ToSchema)]
struct MetaLimits {
    #[serde(flatten)]
    configured: Limits,
    /// Of one file; absent: this server keeps none.
    #[serde(skip_serializing_if = "Option::is_none")]
    file_bytes: Option<u64>,
    parts_per_message: usize,
    title_chars: usize,
    name_chars: usize,
    metadata_bytes: usize,
    page: u32,
    running_turns_per_conversation: usize,
    queued_turns_per_conversation: usize,
}

/// Version, features and limits.
#[utoipa::path(get, path = "/v1/meta", tag = "operations", operation_id = "get_meta",
    responses((status = 200, body = Meta)))]
pub async fn get(state: State) -> Answered<Meta> {
    Answered(Meta {
        version: env!("CARGO_PKG_VERSION"),
        protocol: "v1",
        setup_needed: state.directory().needs_setup(),
        features: &["branches", "feed", "files", "queue", "sse", "websocket"],
        limits: MetaLimits {
            configured: *state.limits(),
            file_bytes: state.runtime().files().map(|files| files.limits().file_bytes),
            parts_per_message: limits::PARTS,
            title_chars: limits::TITLE_CHARS,
            name_chars: limits::NAME_CHARS,
            metadata_bytes: limits::METADATA_BYTES,
            page: limits::PAGE_AT_MOST,
            running_turns_per_conversation: MAX_RUNNING_TURNS,
            queued_turns_per_conversation: state.runtime().bounds().queue_per_conversation,
        },
    })
}
