//! Conversations on their way out, a piece at a time: whoever writes them somewhere sets the pace.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;

use super::Runtime;
use crate::chat::message::Marks;
use crate::export::{Format, Writer};
use crate::id::{ConversationId, MessageId};
use crate::scope::Scope;
use crate::store;

/// Messages that are read in one transaction.
const MESSAGES: usize = 64;

/// One conversation, or many.
pub struct Export {
    runtime: Runtime,
    writer: Writer,
    /// What is still to come, each with those who see it.
    ahead: VecDeque<(Scope, ConversationId)>,
    open: Option<Open>,
    stage: Stage,
}

struct Open {
    scope: Scope,
    id: ConversationId,
    messages: VecDeque<MessageId>,
    marks: HashMap<MessageId, Marks>,
}

#[derive(PartialEq, Eq)]
enum Stage {
    Begins,
    Goes,
    Ended,
}

impl Runtime {
    pub fn export(&self, scope: Scope, id: ConversationId, format: Format) -> Export {
        self.export_many(vec![(scope, id)], Writer::new(format, false))
    }

    pub fn export_many(&self, ids: Vec<(Scope, ConversationId)>, writer: Writer) -> Export {
        Export { runtime: self.clone(), writer, ahead: ids.into(), open: None, stage: Stage::Begins }
    }
}

impl Export {
    /// The next piece; `None` at the end. What is deleted meanwhile is left out.
    pub async fn next(&mut self) -> Result<Option<Bytes>, store::Error> {
        let mut out = Vec::new();
        if self.stage == Stage::Begins {
            self.writer.begin(self.runtime.clock().now(), &mut out);
            self.stage = Stage::Goes;
        }
        while out.is_empty() {
            if let Some(open) = &mut self.open {
                let ids: Vec<_> = open.messages.drain(..MESSAGES.min(open.messages.len())).collect();
                let found = self.runtime.store().export_messages(&open.scope, open.id, ids).await?;
                for (message, calls) in found.iter().flatten() {
                    self.writer.message(message, calls, open.marks.get(&message.id), &mut out);
                }
                if found.is_none() || open.messages.is_empty() {
                    self.open = None;
                    self.writer.close(&mut out);
                }
            } else if let Some((scope, id)) = self.ahead.pop_front() {
                self.begin(scope, id, &mut out).await?;
            } else if self.stage == Stage::Goes {
                self.writer.end(&mut out);
                self.stage = Stage::Ended;
                if out.is_empty() {
                    return Ok(None);
                }
            } else {
                return Ok(None);
            }
        }
        Ok(Some(out.into()))
    }

    async fn begin(
        &mut self,
        scope: Scope,
        id: ConversationId,
        out: &mut Vec<u8>,
    ) -> Result<(), store::Error> {
        let Some(index) = self.runtime.store().export_index(&scope, id).await? else { return Ok(()) };
        let head = index.conversation.head;
        let messages = match self.writer.format().is_path() {
            true => path(&index.nodes, head),
            false => index.nodes.into_iter().map(|(id, _)| id).collect(),
        };
        self.writer.conversation(&index.conversation.info, head, &index.compactions, out);
        self.open = Some(Open { scope, id, messages, marks: index.marks });
        Ok(())
    }
}

/// From the root to the head.
fn path(nodes: &[(MessageId, Option<MessageId>)], head: Option<MessageId>) -> VecDeque<MessageId> {
    let parents: HashMap<_, _> = nodes.iter().copied().collect();
    let (mut path, mut at) = (VecDeque::new(), head);
    while let Some(id) = at
        && let Some(parent) = parents.get(&id)
    {
        path.push_front(id);
        at = *parent;
    }
    path
}
