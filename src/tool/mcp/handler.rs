//! What a server says by itself: progress, questions, and that its tools are others now.

use rmcp::ClientHandler;
use rmcp::ErrorData;
use rmcp::model::{
    ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult, ElicitationAction,
    ElicitationCapability, FormElicitationCapability, Implementation, ProgressNotificationParam,
    ProtocolVersion, UrlElicitationCapability,
};
use rmcp::service::{InboundStreamOrigin, NotificationContext, RequestContext, RoleClient};
use serde_json::Value;
use std::sync::Arc;

use super::content::cut;
use super::link::Calls;
use crate::chat::question::{Answer, AnswerAction};
use crate::tool::{Asker, check_declared_schema};

const MOST_MESSAGE_BYTES: usize = 4 << 10;
const MOST_URL_BYTES: usize = 2 << 10;
const MOST_SCHEMA_BYTES: usize = 32 << 10;

pub(super) struct Handler(pub Arc<Calls>);

impl ClientHandler for Handler {
    fn get_info(&self) -> ClientConfig {
        let questions = ElicitationCapability::new()
            .with_form(FormElicitationCapability::new())
            .with_url(UrlElicitationCapability::new());
        let mut capabilities = ClientCapabilities::default();
        capabilities.elicitation = Some(questions);
        let us = Implementation::new("weir", env!("CARGO_PKG_VERSION"));
        // The newest one that has a handshake, for servers that are greeted with one.
        ClientConfig::new(capabilities, us).with_protocol_version(ProtocolVersion::V_2025_11_25)
    }

    async fn on_progress(&self, said: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        let Some(running) = self.0.with_token(&said.progress_token) else { return };
        let fraction = said.total.filter(|total| *total > 0.0).map(|total| said.progress / total);
        running.progress.say(said.message.as_deref(), fraction);
        running.heard.notify_one();
    }

    /// A question without a call that it certainly belongs to is nobody's to answer.
    async fn create_elicitation(
        &self,
        wanted: ElicitRequestParams,
        context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let running = match context.extensions.get::<InboundStreamOrigin>() {
            Some(InboundStreamOrigin::OutboundRequest(id)) => self.0.with_id(id).await,
            Some(_) | None => self.0.only_one(),
        };
        let Some(running) = running else { return Ok(ElicitResult::new(ElicitationAction::Cancel)) };
        let _thinking = running.ask();
        tokio::select! {
            answered = ask(&running.asker, wanted) => Ok(answered),
            () = context.ct.cancelled() => Ok(ElicitResult::new(ElicitationAction::Cancel)),
        }
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.0.changed.notify_one();
    }
}

/// What is no flat form of a reasonable size, or no page of the Web, is declined without asking anyone.
pub(super) async fn ask(asker: &Asker, wanted: ElicitRequestParams) -> ElicitResult {
    let (message, schema, url) = match wanted {
        ElicitRequestParams::FormElicitationParams { message, requested_schema, .. } => {
            let schema = serde_json::to_value(requested_schema).unwrap_or_default();
            if schema.to_string().len() > MOST_SCHEMA_BYTES || check_declared_schema(&schema).is_err() {
                return ElicitResult::new(ElicitationAction::Decline);
            }
            (message, Some(schema), None)
        }
        ElicitRequestParams::UrlElicitationParams { message, url, .. } => {
            let is_page = reqwest::Url::parse(&url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
            if !is_page || url.len() > MOST_URL_BYTES {
                return ElicitResult::new(ElicitationAction::Decline);
            }
            (message, None, Some(url))
        }
        _ => return ElicitResult::new(ElicitationAction::Decline),
    };
    let answer = asker.ask(cut(message, MOST_MESSAGE_BYTES), schema.clone(), url).await;
    result(answer, schema.as_ref())
}

fn result(answer: Answer, schema: Option<&Value>) -> ElicitResult {
    match (answer.action, answer.content) {
        (AnswerAction::Accept, Some(content)) => {
            ElicitResult::new(ElicitationAction::Accept).with_content(with_defaults(content, schema))
        }
        (AnswerAction::Accept, None) => ElicitResult::new(ElicitationAction::Accept),
        (AnswerAction::Decline, _) => ElicitResult::new(ElicitationAction::Decline),
        (AnswerAction::Cancel, _) => ElicitResult::new(ElicitationAction::Cancel),
    }
}

/// A field that nobody filled in has the value that the form gives it.
fn with_defaults(mut content: Value, schema: Option<&Value>) -> Value {
    let properties = schema.and_then(|schema| schema["properties"].as_object());
    if let (Some(properties), Some(filled_in)) = (properties, content.as_object_mut()) {
        for (name, property) in properties {
            if let Some(default) = property.get("default") {
                filled_in.entry(name.clone()).or_insert_with(|| default.clone());
            }
        }
    }
    content
}

/// As it stands in the next round of a call that needs input.
pub(super) fn in_words(result: &ElicitResult) -> Value {
    serde_json::to_value(result).unwrap_or_default()
}
