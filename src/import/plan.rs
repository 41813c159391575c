//! What an import writes: a conversation and its messages as the events of a log, less what is there already.

use std::collections::{HashMap, HashSet};

use serde_json::json;

use super::conversation::{Call, Conversation, Piece, Said};
use super::format::Format;
use super::identity::{Identity, Mark, mark, message_id};
use super::report::{Reason, Skipped};
use super::tree::{self, Placed};
use crate::chat::compaction::Compaction;
use crate::chat::conversation::{ConversationInfo, Visibility};
use crate::chat::event::{Event, Settings};
use crate::chat::message::{self, Message, Part};
use crate::clock::Timestamp;
use crate::id::{ConversationId, MessageId};

const TITLE_CHARS: usize = 500;
const NAME_CHARS: usize = 200;

/// Siblings of one millisecond that are told apart by their order.
const ORDERS: u16 = 0xfff;

/// A conversation that is ready to be written.
pub struct Plan {
    pub info: ConversationInfo,
    pub format: Format,
    pub external_id: String,
    messages: Vec<Planned>,
    head: Option<usize>,
    compactions: Vec<Compaction>,
    pub skipped: Vec<Skipped>,
}

struct Planned {
    external_id: String,
    parent: Option<usize>,
    /// Its time and its place among siblings, as its id says them.
    at: Timestamp,
    order: u16,
    mark: Mark,
    created_at: Timestamp,
    said: Said,
    turn: Option<crate::id::TurnId>,
}

/// What is there of a conversation that was imported before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    pub exists: bool,
    pub head: Option<MessageId>,
    pub messages: Vec<MessageId>,
    /// Branches that the person deleted here, by their first message.
    pub deleted: Vec<MessageId>,
}

/// What is written of a plan.
#[derive(Debug, Default)]
pub struct Steps {
    /// With the time at which each happened.
    pub events: Vec<(Timestamp, Event)>,
    pub messages: u64,
    pub skipped: Vec<Skipped>,
}

impl Plan {
    /// Puts the conversation in order. `agents` are those of this server, the default one first.
    pub fn new(
        mut conversation: Conversation,
        identity: &Identity,
        agents: &[String],
        now: Timestamp,
    ) -> Self {
        let tree = tree::arrange(&mut conversation);
        let Conversation { format, external_id, title, created_at, own, mut skipped, .. } = conversation;
        let created_at = in_range(created_at, now, || Skipped::new(Reason::TimeOutOfRange), &mut skipped);
        let id = identity.conversation(format, &external_id, created_at);
        let head = tree.head;
        let messages =
            messages(tree.messages, &external_id, format, identity, (created_at, now), &mut skipped);
        let earliest = messages.iter().map(|message| message.created_at).min();
        let created_at = created_at.or(earliest).unwrap_or(now);
        let default = || agents.first().cloned().unwrap_or_default();
        let mut info = ConversationInfo {
            id,
            workspace_id: identity.workspace_id,
            created_by: identity.user_id,
            agent: default(),
            name: None,
            title: title.map(|title| line(&title, TITLE_CHARS)).filter(|title| !title.is_empty()),
            visibility: Visibility::Private,
            settings: Settings::default(),
            metadata: Some(json!({
                "imported_from": format.as_str(),
                "imported_id": line(&external_id, NAME_CHARS),
            })),
            archived: false,
            created_at,
            parent: None,
        };
        let mut compactions = Vec::new();
        if let Some(own) = own {
            compactions = own.compactions;
            if agents.contains(&own.agent) {
                info.agent = own.agent;
            } else {
                skipped.push(Skipped::new(Reason::UnknownAgent).detail(own.agent));
            }
            info.name = own.name.map(|name| line(&name, NAME_CHARS)).filter(|name| !name.is_empty());
            (info.visibility, info.settings) = (own.visibility, own.settings);
            (info.metadata, info.archived) = (own.metadata, own.archived);
        }
        let skipped = skipped.into_iter().map(|skipped| skipped.of(&external_id)).collect();
        Self { info, format, external_id, messages, head, compactions, skipped }
    }

    pub fn id(&self) -> ConversationId {
        self.info.id
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// About how many bytes it holds in memory.
    pub fn weight(&self) -> usize {
        self.messages.iter().map(Planned::weight).sum()
    }

    /// The name is another conversation's here.
    pub fn without_name(&mut self) {
        if let Some(name) = self.info.name.take() {
            self.skipped.push(Skipped::new(Reason::NameTaken).of(&self.external_id).detail(name));
        }
    }

    /// The events that make what is known into what was planned. A message that the import did not bring stays as
    /// it is, and so does a branch that the person chose here.
    pub fn steps(&self, identity: &Identity, known: &Known, now: Timestamp) -> Steps {
        let mut steps = Steps::default();
        if !known.exists {
            // Listed now; what it says of itself is older.
            steps.events.push((now, Event::ConversationCreated { conversation: self.info.clone() }));
        }
        let there: HashMap<Mark, MessageId> =
            known.messages.iter().map(|id| (mark(id.as_bytes()), *id)).collect();
        let deleted: HashSet<Mark> = known.deleted.iter().map(|id| mark(id.as_bytes())).collect();
        // Where each message is; of what was deleted, nowhere.
        let mut ids: Vec<Option<MessageId>> = Vec::with_capacity(self.messages.len());
        let mut head = known.head;
        for planned in &self.messages {
            if deleted.contains(&planned.mark) {
                steps
                    .skipped
                    .push(Skipped::message(Reason::Deleted, &planned.external_id).of(&self.external_id));
            }
            let parent_id = planned.parent.map(|parent| ids[parent]);
            if deleted.contains(&planned.mark) || parent_id == Some(None) {
                ids.push(None);
                continue;
            }
            if let Some(id) = there.get(&planned.mark) {
                ids.push(Some(*id));
                continue;
            }
            let id = message_id(planned.at, planned.order, planned.mark);
            let parent_id = parent_id.flatten();
            ids.push(Some(id));
            // As a message does that is made under the head.
            if head == parent_id {
                head = Some(id);
            }
            planned.write(id, parent_id, identity, &mut steps.events);
            steps.messages += 1;
        }
        if !known.exists {
            self.compact(identity, &ids, &mut steps.events);
        }
        let came_along = known.head.is_none_or(|head| ids.contains(&Some(head)));
        let wanted = self.head.and_then(|head| ids[head]);
        if steps.messages > 0 && came_along && wanted.is_some() && wanted != head {
            steps.events.push((now, Event::HeadChanged { head: wanted }));
        }
        steps
    }
}

impl Plan {
    /// Summaries come along with what they summarise; whoever asked for one is no one here.
    fn compact(&self, identity: &Identity, ids: &[Option<MessageId>], events: &mut Vec<(Timestamp, Event)>) {
        for compaction in &self.compactions {
            let wanted = compaction.message_id.to_string();
            let at = self.messages.iter().position(|planned| planned.external_id == wanted);
            let Some(message_id) = at.and_then(|at| ids[at]) else { continue };
            let id =
                identity.compaction(&self.external_id, &compaction.id.to_string(), compaction.created_at);
            let requested_by = compaction.requested_by.map(|_| identity.user_id);
            let compaction = Compaction { id, message_id, requested_by, ..compaction.clone() };
            events.push((compaction.created_at, Event::ConversationCompacted { compaction }));
        }
    }
}

fn messages(
    placed: Vec<Placed>,
    conversation: &str,
    format: Format,
    identity: &Identity,
    (begun, now): (Option<Timestamp>, Timestamp),
    skipped: &mut Vec<Skipped>,
) -> Vec<Planned> {
    let mut messages: Vec<Planned> = Vec::with_capacity(placed.len());
    // Of each parent, the place of its last child.
    let mut last: HashMap<Option<usize>, (Timestamp, u16)> = HashMap::new();
    for Placed { external_id, parent, said } in placed {
        let wrong = || Skipped::message(Reason::TimeOutOfRange, &external_id);
        let own = in_range(said.created_at, now, wrong, skipped);
        let above = parent.map(|parent| messages[parent].created_at);
        let created_at = own.or(above).or(begun).unwrap_or(now);
        let (at, order) = match last.get(&parent) {
            Some((before, order)) if created_at <= *before => match *order < ORDERS {
                true => (*before, order + 1),
                false => (before.plus(std::time::Duration::from_millis(1)), 0),
            },
            Some(_) | None => (created_at, 0),
        };
        last.insert(parent, (at, order));
        let mark = identity.message(format, conversation, &external_id);
        let turn = said.turn.as_ref().map(|turn| {
            let at = begun.unwrap_or(Timestamp::from_millis(0));
            identity.turn(format, conversation, &turn.external_id, at)
        });
        messages.push(Planned { external_id, parent, at, order, mark, created_at, said, turn });
    }
    messages
}

impl Planned {
    fn weight(&self) -> usize {
        let pieces = self.said.pieces.iter().map(|piece| match piece {
            Piece::Part(part) => part.streamed().len(),
            Piece::Call(call) => call.args_text.len() + call.output.as_ref().map_or(0, String::len),
        });
        size_of::<Self>() + pieces.map(|bytes| size_of::<Piece>() + bytes).sum::<usize>()
    }

    fn write(
        &self,
        id: MessageId,
        parent_id: Option<MessageId>,
        identity: &Identity,
        events: &mut Vec<(Timestamp, Event)>,
    ) {
        let said = &self.said;
        let mut calls = Vec::new();
        let turn_id = self.turn.unwrap_or_else(|| identity.turn_of(id));
        let parts = said.pieces.iter().enumerate().map(|(index, piece)| match piece {
            Piece::Part(part) => part.clone(),
            Piece::Call(call) => {
                let call_id = identity.call(id, index);
                if !call.discarded {
                    calls.push(proposed(call, call_id, id, turn_id));
                }
                let (name, args_text) = (call.name.clone(), call.args_text.clone());
                Part::ToolCall { call_id, name, args_text, discarded: call.discarded }
            }
        });
        let message = Message {
            id,
            parent_id,
            role: said.role,
            status: said.status,
            parts: parts.collect(),
            turn_id: self.turn,
            step: said.turn.as_ref().and_then(|turn| turn.step),
            attempt: said.turn.as_ref().and_then(|turn| turn.attempt),
            model: said.model.as_ref().map(|model| line(model, NAME_CHARS)),
            finish_reason: said.finish_reason.clone(),
            usage: said.usage,
            metadata: said.metadata.clone(),
            created_at: self.created_at,
        };
        // It belongs to no turn that ran here, so nobody is told of it.
        events.push((self.created_at, Event::MessageCreated { turn_id: None, message, response_id: None }));
        let proposed = |call| Event::ToolProposed { turn_id, call };
        events.extend(calls.into_iter().map(|call| (self.created_at, proposed(call))));
        if let Some(marks) = said.marks.clone() {
            events.push((self.created_at, Event::MessageMarked { message_id: id, marks }));
        }
    }
}

fn proposed(
    call: &Call,
    id: crate::id::CallId,
    message_id: MessageId,
    turn_id: crate::id::TurnId,
) -> message::Call {
    message::Call {
        id,
        turn_id,
        message_id,
        tool: call.name.clone(),
        args: serde_json::from_str(&call.args_text).ok(),
        args_text: call.args_text.clone(),
        state: call.state(),
        output: call.output.clone(),
        error: call.error.clone(),
        rule: None,
        resolved: None,
        retry_of: None,
        child_id: None,
        progress: None,
        question: None,
    }
}

/// A time that can be: after 1970, and not after now.
fn in_range(
    at: Option<Timestamp>,
    now: Timestamp,
    wrong: impl FnOnce() -> Skipped,
    skipped: &mut Vec<Skipped>,
) -> Option<Timestamp> {
    let at = at.filter(|at| at.millis() != 0)?;
    if at.millis() > 0 && at <= now {
        return Some(at);
    }
    skipped.push(wrong().detail(at));
    None
}

/// One line that people read.
fn line(text: &str, max_chars: usize) -> String {
    let words = text.split(|c: char| c.is_control() || c.is_whitespace()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ").chars().take(max_chars).collect()
}
