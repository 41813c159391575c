//! Tool calls out of their deltas: which delta goes on with which call, since not every server says.

use serde::de::IgnoredAny;
use serde_json::{Value, json};

use crate::chat::message::Opaque;
use crate::provider::Kind;
use crate::provider::answer::{Answer, PartIndex};
use crate::provider::openai_chat::chunk::{CallDelta, FunctionDelta};

/// A model that never names its call gets an answer that says so.
const NAMELESS: &str = "unnamed";

#[derive(Debug, Default)]
pub(crate) struct Calls(Vec<Slot>);

#[derive(Debug, Default)]
struct Slot {
    index: Option<u64>,
    id: String,
    name: String,
    /// Once the name is known.
    part: Option<PartIndex>,
    args: String,
    extra: Option<Value>,
}

impl Calls {
    pub(crate) fn delta(&mut self, delta: &CallDelta<'_>, answer: &mut Answer) {
        let (name, args) = match &delta.function {
            Some(function) => (function.name.as_str(), function.arguments()),
            None => ("", "".into()),
        };
        let at = match self.find(delta.index.0, delta.id.as_str(), name) {
            Some(at) => at,
            None if delta.id.is_empty() && name.is_empty() && args.is_empty() => return,
            None => {
                self.0.push(Slot { index: delta.index.0, ..Slot::default() });
                self.0.len() - 1
            }
        };
        let slot = &mut self.0[at];
        if slot.id.is_empty() {
            delta.id.as_str().clone_into(&mut slot.id);
        }
        if let Some(extra) = delta.extra_content {
            slot.extra = serde_json::from_str(extra.get()).ok();
        }
        slot.go_on(name, &args, answer);
    }

    /// The only call of a model from before there were tools.
    pub(crate) fn legacy_delta(&mut self, function: &FunctionDelta<'_>, answer: &mut Answer) {
        if self.0.is_empty() {
            self.0.push(Slot::default());
        }
        self.0[0].go_on(function.name.as_str(), &function.arguments(), answer);
    }

    /// The call that a delta goes on with. The index says so by the rules; but some servers leave it out, some give
    /// every call the same one, and some repeat a call's name or change its id in each delta.
    fn find(&self, index: Option<u64>, id: &str, name: &str) -> Option<usize> {
        let at = match index {
            Some(_) => self.0.iter().rposition(|slot| slot.index == index)?,
            None if !id.is_empty() && self.0.iter().any(|slot| slot.id == id) => {
                self.0.iter().rposition(|slot| slot.id == id)?
            }
            None => self.0.len().checked_sub(1)?,
        };
        let slot = &self.0[at];
        let is_another = match (name.is_empty(), id.is_empty()) {
            (true, _) => false,
            (false, false) => !slot.id.is_empty() && slot.id != id,
            (false, true) => !slot.name.is_empty() && (slot.name != name || slot.is_whole()),
        };
        (!is_another).then_some(at)
    }

    /// The answer is whole, and the calls with it.
    pub(crate) fn complete(&mut self, answer: &mut Answer) {
        for mut slot in std::mem::take(&mut self.0) {
            if slot.part.is_none() {
                slot.go_on(NAMELESS, "", answer);
            }
            let Some(part) = slot.part else { continue };
            answer.complete(part, slot.opaque());
        }
    }
}

impl Slot {
    fn go_on(&mut self, name: &str, args: &str, answer: &mut Answer) {
        self.args.push_str(args);
        let Some(part) = self.part else {
            if name.is_empty() {
                return;
            }
            name.clone_into(&mut self.name);
            let part = answer.start_call(name);
            self.part = Some(part);
            answer.delta(part, self.args.as_str());
            return;
        };
        answer.delta(part, args);
    }

    fn is_whole(&self) -> bool {
        serde_json::from_str::<IgnoredAny>(&self.args).is_ok()
    }

    fn opaque(self) -> Option<Opaque> {
        let mut data = json!({});
        if !self.id.is_empty() {
            data["id"] = self.id.into();
        }
        if let Some(extra) = self.extra {
            data["extra_content"] = extra;
        }
        let kept = data.as_object().is_some_and(|data| !data.is_empty());
        kept.then(|| Opaque { api: Kind::OpenaiChat.name().to_owned(), data })
    }
}
