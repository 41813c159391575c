//! The tree of a conversation, and which of its branches is the current one.

use axum::Json as Answered;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::order;
use crate::chat::conversation::Command;
use crate::chat::event::Cursor;
use crate::chat::message::{Marks, MessageStatus, Role};
use crate::clock::Timestamp;
use crate::http::State;
use crate::http::auth::Owned;
use crate::http::json::Json;
use crate::http::problem::{Error, Kind, Result};
use crate::http::query::Query;
use crate::id::{ConversationId, MessageId, TurnId};
use crate::scope::Scope;
use crate::store::{InvalidTreeCursor, TreeCursor, TreeNode};

const NODES: u32 = 1000;
const NODES_AT_MOST: u32 = 5000;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct TreeQuery {
    /// 1000, at most 5000.
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Tree {
    /// Parents before their children.
    items: Vec<Node>,
    /// The `cursor` of the next page.
    next: Option<String>,
    head: Option<MessageId>,
    /// The log's position that this was read at.
    #[schema(value_type = String)]
    cursor: Cursor,
}

/// A message without its content.
#[derive(Debug, Serialize, ToSchema)]
struct Node {
    id: MessageId,
    /// `null`: a root.
    parent_id: Option<MessageId>,
    role: Role,
    status: MessageStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    turn_id: Option<TurnId>,
    created_at: Timestamp,
    /// The beginning of its text.
    preview: String,
    /// Whether it is on the path to the head.
    on_path: bool,
    #[serde(flatten)]
    marks: Marks,
}

impl From<TreeNode> for Node {
    fn from(node: TreeNode) -> Self {
        let TreeNode { id, parent_id, role, status, turn_id, created_at, preview, on_path, marks } = node;
        Self { id, parent_id, role, status, turn_id, created_at, preview, on_path, marks }
    }
}

/// Every message that the conversation sees, on whatever branch.
#[utoipa::path(get, path = "/v1/conversations/{conversation_id}/tree", tag = "branches", operation_id = "get_tree",
    params(("conversation_id" = ConversationId, Path), TreeQuery), responses((status = 200, body = Tree)))]
pub async fn get(
    state: State,
    scope: Scope,
    id: Owned<ConversationId>,
    Query(query): Query<TreeQuery>,
) -> Result<Answered<Tree>> {
    let limit = match query.limit.unwrap_or(NODES) {
        0 => return Err(Error::invalid("/limit", "at least 1")),
        limit => limit.min(NODES_AT_MOST) as usize,
    };
    let after = query.cursor.map(|text| text.parse::<TreeCursor>()).transpose();
    let after =
        after.map_err(|wrong: InvalidTreeCursor| Error::new(Kind::InvalidCursor, wrong.to_string()))?;
    let tree = state.runtime().store().tree(&scope, id.id(), after, limit).await?;
    let tree = tree.ok_or_else(Error::not_found)?;
    Ok(Answered(Tree {
        items: tree.nodes.into_iter().map(Node::from).collect(),
        next: tree.next.map(|next| next.to_string()),
        head: tree.head,
        cursor: state.runtime().cursor(tree.position),
    }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HeadRequest {
    message_id: MessageId,
    /// Go on down from there, to the end of the newest branch.
    #[serde(default)]
    descend: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Head {
    head: MessageId,
    /// The log's position after the switch.
    #[schema(value_type = String)]
    cursor: Cursor,
}

/// Switch to another branch.
///
/// Always allowed, also while turns run; those go on where they are. Everyone who looks at the conversation sees it.
#[utoipa::path(put, path = "/v1/conversations/{conversation_id}/head", tag = "branches", operation_id = "set_head",
    request_body = HeadRequest, params(("conversation_id" = ConversationId, Path)),
    responses((status = 200, body = Head)))]
pub async fn set_head(
    state: State,
    scope: Scope,
    id: Owned<ConversationId>,
    Json { body, .. }: Json<HeadRequest>,
) -> Result<Answered<Head>> {
    let mut message_id = id.message(&state, &scope, body.message_id).await?.id();
    if body.descend {
        message_id = state.runtime().store().newest_leaf(id.id(), message_id).await?;
    }
    let receipt = order(&state, id.id(), Command::MoveHead { message_id }).await?;
    Ok(Answered(Head { head: message_id, cursor: state.runtime().cursor(receipt.seq) }))
}
