//! The tools that a server says it has: read page by page, bounded, checked, and named as agents know them.

use std::collections::BTreeMap;
use std::sync::Arc;

use rmcp::model::{ClientRequest, ListToolsRequest, PaginatedRequestParams, ServerResult, Tool as Told};
use rmcp::service::{Peer, RoleClient, ServiceError};
use serde_json::Value;

use super::content::cut;
use super::remote::RemoteTool;
use super::server::Shared;
use crate::chat::context::ToolSpec;
use crate::chat::policy::Hints;
use crate::tool::toolbox::matches;
use crate::tool::{Tool, check_declared_schema};

const MOST_TOOLS: usize = 512;
const MOST_PAGES: usize = 64;
const MOST_NAME_BYTES: usize = 128;
const MOST_DESCRIPTION_BYTES: usize = 16 << 10;
const MOST_SCHEMA_BYTES: usize = 128 << 10;
/// Reasons that are kept.
const MOST_LEFT_OUT: usize = 32;

#[derive(Default)]
pub(super) struct Listing {
    pub tools: BTreeMap<String, Arc<dyn Tool>>,
    pub left_out: Vec<String>,
}

pub(super) async fn read(peer: &Peer<RoleClient>) -> Result<Vec<Told>, ServiceError> {
    let (mut told, mut cursor) = (Vec::new(), None);
    for _ in 0..MOST_PAGES {
        // Not by the method of that name, which answers from what it read before.
        let params = PaginatedRequestParams::default().with_cursor(cursor);
        let request = ClientRequest::ListToolsRequest(ListToolsRequest::with_param(params));
        let ServerResult::ListToolsResult(page) = peer.send_request(request).await? else {
            return Err(ServiceError::UnexpectedResponse);
        };
        told.extend(page.tools);
        cursor = page.next_cursor;
        if cursor.is_none() || told.len() > MOST_TOOLS {
            break;
        }
    }
    Ok(told)
}

pub(super) fn of(server: &Arc<Shared>, told: Vec<Told>) -> Listing {
    let mut listing = Listing::default();
    for (at, told) in told.into_iter().enumerate() {
        if !server.config.tools.iter().any(|pattern| matches(pattern, &told.name)) {
            continue;
        }
        let name: String = told.name.chars().take(MOST_NAME_BYTES).collect();
        let added = match at {
            MOST_TOOLS.. => Err(format!("there are more than {MOST_TOOLS} tools")),
            _ => add(server, &mut listing, told),
        };
        if let Err(why) = added
            && listing.left_out.len() < MOST_LEFT_OUT
        {
            listing.left_out.push(format!("{name}: {why}"));
        }
    }
    listing
}

fn add(server: &Arc<Shared>, listing: &mut Listing, told: Told) -> Result<(), String> {
    let is_fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    if told.name.is_empty() || told.name.len() > MOST_NAME_BYTES || !told.name.chars().all(is_fit) {
        return Err("the name is too long, or has other characters than letters, digits, `_-./`".to_owned());
    }
    let name = format!("{}.{}", server.name, told.name);
    if listing.tools.contains_key(&name) {
        return Err("it is there twice".to_owned());
    }
    let hints = hints(&told);
    let schema = Value::Object((*told.input_schema).clone());
    if schema.to_string().len() > MOST_SCHEMA_BYTES {
        return Err(format!("its schema has more than {MOST_SCHEMA_BYTES} bytes"));
    }
    check_declared_schema(&schema).map_err(|unusable| format!("its schema is unusable: {unusable}"))?;
    let description = told.description.as_deref().or(told.title.as_deref()).unwrap_or_default();
    let description = cut(description.to_owned(), MOST_DESCRIPTION_BYTES);
    let is_idempotent = server.config.idempotent.iter().any(|pattern| matches(pattern, &told.name));
    let spec = ToolSpec { name: name.clone(), description, schema };
    let remote_name = told.name.into_owned();
    let tool = RemoteTool { spec, remote_name, hints, is_idempotent, server: server.clone() };
    listing.tools.insert(name, Arc::new(tool));
    Ok(())
}

/// As far as the server says anything of it.
fn hints(told: &Told) -> Hints {
    let Some(said) = &told.annotations else { return Hints::default() };
    let destructive = match said.read_only_hint {
        Some(true) => Some(false),
        Some(false) | None => said.destructive_hint,
    };
    Hints { destructive, open_world: said.open_world_hint }
}
