//! The OpenAPI document (3.1), made of the route table, and the schemas of what goes over streams.

use axum::http::{Method, StatusCode};
use serde::Serialize;
use utoipa::openapi::path::{Operation, PathItem, Paths};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Content, Ref, RefOr, ResponseBuilder};
use utoipa::{OpenApi, ToSchema};

use super::problem::PROBLEM_JSON;
use super::routes::{self, Rule};
use super::ws::{ClientFrame, ServerFrame};
use crate::chat::event::{Event, Problem, Seq};
use crate::clock::Timestamp;
use crate::id::{ConversationId, MessageId, TurnId};

/// The whole document. The same code makes the same document.
pub fn openapi() -> utoipa::openapi::OpenApi {
    routes::described()
}

/// As it is committed: sorted, indented, with a line's end.
pub fn document() -> String {
    let mut value = serde_json::to_value(openapi()).expect("the document is made of JSON types");
    value.sort_all_objects();
    let text = serde_json::to_string_pretty(&value).expect("a value is JSON");
    text + "\n"
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Weir",
        description = "Chat agents: each conversation is a durable log, each client a cursor on it. \
            Clients ignore unknown event types and unknown fields in answers; v1 changes only by addition."
    ),
    tags(
        (name = "conversations", description = "A name for a place in a message tree, with its own log"),
        (name = "messages", description = "The nodes of the tree, and how one is sent"),
        (name = "turns", description = "One run of the agent, from an input to a terminal state"),
        (name = "queue", description = "Sends that wait until their branch is free"),
        (name = "files", description = "What messages carry, and what tools write"),
        (name = "approvals", description = "What waits for people, and what they decided"),
        (name = "imports", description = "Conversations that come from elsewhere, and go there"),
        (name = "streams", description = "Follow a log: replay, then live, from any cursor"),
        (name = "webhooks", description = "Where others are told of what happens"),
        (name = "search", description = "What was ever said, by its words"),
        (name = "people", description = "Who comes in, and with what"),
        (name = "catalogue", description = "Who answers, and with which models"),
        (name = "operations", description = "For those who run the server"),
    ),
    components(schemas(StreamEvent, ClientFrame, ServerFrame, Problem))
)]
struct Outline;

/// The document without its paths.
pub fn outline() -> utoipa::openapi::OpenApi {
    let mut document = Outline::openapi();
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("An API key (`weir_...`). A token never stands in a URL."))
        .build();
    document
        .components
        .get_or_insert_default()
        .security_schemes
        .insert(BEARER.to_owned(), SecurityScheme::Http(scheme).into());
    document
}

const BEARER: &str = "bearer";

/// Writes down what the rule means for those who call, and that every error is a problem.
pub fn describe(rule: Rule, paths: &mut Paths) {
    for item in paths.paths.values_mut() {
        for operation in operations_mut(item) {
            let security = match rule {
                Rule::SignedIn(permission) => {
                    let needs = format!("Needs the scope `{}`.", permission.as_str());
                    let said =
                        operation.description.take().map(|said| format!("{said}\n\n")).unwrap_or_default();
                    operation.description = Some(said + &needs);
                    vec![SecurityRequirement::new::<_, _, &str>(BEARER, [])]
                }
                Rule::AnyScope | Rule::Account | Rule::Admin | Rule::Operator | Rule::Metrics => {
                    vec![SecurityRequirement::new::<_, _, &str>(BEARER, [])]
                }
                Rule::Socket => {
                    vec![SecurityRequirement::new::<_, _, &str>(BEARER, []), SecurityRequirement::default()]
                }
                Rule::Public => Vec::new(),
            };
            operation.security = Some(security);
            for (status, response) in &mut operation.responses.responses {
                if let RefOr::T(response) = response
                    && response.description.is_empty()
                {
                    response.description = reason(status).to_owned();
                }
            }
            let problem = Content::new(Some(Ref::from_schema_name("Problem")));
            let response = ResponseBuilder::new()
                .description("What went wrong (RFC 9457). A 409 also says how things stand.")
                .content(PROBLEM_JSON, problem);
            operation.responses.responses.insert("default".to_owned(), response.build().into());
        }
    }
}

/// OpenAPI wants a word for each response.
fn reason(status: &str) -> &'static str {
    let status = status.parse().ok().and_then(|status| StatusCode::from_u16(status).ok());
    status.and_then(|status| status.canonical_reason()).unwrap_or("The answer")
}

fn operations_mut(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.patch, &mut item.delete].into_iter().flatten()
}

/// The operations of a path.
pub fn operations(item: PathItem) -> impl Iterator<Item = (Method, Operation)> {
    let named = [
        (Method::GET, item.get),
        (Method::PUT, item.put),
        (Method::POST, item.post),
        (Method::PATCH, item.patch),
        (Method::DELETE, item.delete),
    ];
    named.into_iter().filter_map(|(method, operation)| Some((method, operation?)))
}

/// The data of one event of a stream. SSE adds `id: <cursor>` and `event: <type>`.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(clippy::large_enum_variant, reason = "only described; the runtime writes it")]
pub enum StreamEvent {
    Event(LoggedEvent),
    Delta(PartDelta),
    Redacted(Redacted),
    CaughtUp(CaughtUp),
    Resync(Resync),
    Problem(Problem),
}

/// A fact of the log: it takes one position, from `prev` to `seq`.
#[derive(Serialize, ToSchema)]
pub struct LoggedEvent {
    prev: Seq,
    seq: Seq,
    conversation_id: ConversationId,
    at: Timestamp,
    #[serde(flatten)]
    event: Event,
}

/// Streamed text: it takes as many positions as `text` has UTF-8 bytes. Replayed, it may be merged or cut otherwise.
#[derive(Serialize, ToSchema)]
pub struct PartDelta {
    /// `part.delta`
    #[schema(pattern = "^part\\.delta$")]
    r#type: String,
    prev: Seq,
    seq: Seq,
    conversation_id: ConversationId,
    turn_id: Option<TurnId>,
    message_id: MessageId,
    index: u32,
    text: String,
}

/// Content that was deleted stood between `prev` and `seq`.
#[derive(Serialize, ToSchema)]
pub struct Redacted {
    /// `redacted`
    #[schema(pattern = "^redacted$")]
    r#type: String,
    prev: Seq,
    seq: Seq,
    conversation_id: ConversationId,
    /// The same as `seq`.
    through: Seq,
}

/// Everything that was there when the follower came has been sent. It has no id of its own.
#[derive(Serialize, ToSchema)]
pub struct CaughtUp {
    cursor: String,
}

/// The cursor points to no place in this log: load the snapshot, and follow from `cursor`.
#[derive(Serialize, ToSchema)]
pub struct Resync {
    reason: String,
    snapshot_url: String,
    cursor: String,
}
