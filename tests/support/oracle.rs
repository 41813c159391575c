//! What must hold of a conversation once everything has come to rest, whatever happened before.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::client::Client;
use super::log::{Log, Piece, Source, ends_turn};
use super::script::Script;
use super::upstream::FROM_THE_TOP;

/// The tables as the log makes them.
#[derive(Debug, Default)]
pub struct Tables {
    pub messages: BTreeMap<String, Message>,
    pub head: Option<String>,
    pub turns: BTreeMap<String, Turn>,
    /// The summaries that hold, by id.
    pub compactions: BTreeMap<String, Value>,
    calls: BTreeMap<String, Vec<String>>,
    proposed: BTreeMap<String, Value>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// As `message.created` gave it, with what came later filled in.
    pub body: Value,
    /// The last position that is folded in.
    seq: u64,
    open: BTreeSet<usize>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Turn {
    pub state: String,
    ended: bool,
}

impl Message {
    fn string(&self, name: &str) -> &str {
        self.body[name].as_str().unwrap_or_default()
    }

    /// The text that people see, without reasoning and calls.
    pub fn text(&self) -> String {
        let parts = self.body["parts"].as_array().into_iter().flatten();
        parts.filter(|part| part["type"] == "text").filter_map(|part| part["text"].as_str()).collect()
    }

    pub fn status(&self) -> &str {
        self.string("status")
    }
}

impl Tables {
    /// Applies the log to nothing. Fails where the log contradicts itself.
    pub fn of(log: &Log) -> Result<Self, String> {
        Self::of_fork(log, &[])
    }

    /// Of a conversation that began below these messages of another one.
    pub fn of_fork(log: &Log, above: &[Value]) -> Result<Self, String> {
        let mut tables = Self::default();
        for body in above {
            let seq = body["seq"].as_u64().ok_or(format!("no `seq` in {body}"))?;
            let message = Message { body: body.clone(), seq, open: BTreeSet::new() };
            tables.messages.insert(message.string("id").to_owned(), message);
        }
        if log.start != 0 {
            return Err(format!("the log begins at {}", log.start));
        }
        for piece in log.pieces() {
            match piece {
                Piece::Event(event) => tables.event(event).map_err(|wrong| format!("{wrong}: {event}"))?,
                Piece::Text { prev, of, text } => tables.text(prev + piece.width(), of, text)?,
            }
        }
        Ok(tables)
    }

    fn event(&mut self, event: &Value) -> Result<(), String> {
        let string = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let kind = string("type");
        self.turn(&kind, event)?;
        let changes_it = kind.starts_with("part.") || kind == "message.completed";
        if let Some(message) = self.messages.get_mut(&string("message_id"))
            && changes_it
        {
            message.seq = seq_of(event);
        }
        match kind.as_str() {
            "message.created" => {
                let id = event["message"]["id"].as_str().ok_or("a message without an id")?.to_owned();
                if event["message"]["parent_id"].as_str() == self.head.as_deref() {
                    self.head = Some(id.clone());
                }
                let mut body = event["message"].clone();
                if body["parts"].is_null() {
                    body["parts"] = Value::Array(Vec::new());
                }
                let message = Message { body, seq: seq_of(event), open: BTreeSet::new() };
                if self.messages.insert(id, message).is_some() {
                    return Err("a message that was there already".to_owned());
                }
            }
            "conversation.head_changed" => self.head = event["head"].as_str().map(str::to_owned),
            "conversation.forked" => self.head = event["origin"]["message_id"].as_str().map(str::to_owned),
            "branch.deleted" => self.delete(&string("message_id")),
            "conversation.compacted" => {
                let compaction = event["compaction"].clone();
                let id = compaction["id"].as_str().ok_or("a summary without an id")?.to_owned();
                self.compactions.insert(id, compaction);
            }
            "conversation.uncompacted" => {
                self.compactions.remove(&string("compaction_id"));
            }
            "part.started" => {
                let message = self.streaming(&string("message_id"))?;
                let parts = message.body["parts"].as_array_mut().ok_or("no parts")?;
                if event["index"] != parts.len() {
                    return Err("a part out of order".to_owned());
                }
                message.open.insert(parts.len());
                parts.push(event["part"].clone());
            }
            "part.completed" => {
                let message = self.streaming(&string("message_id"))?;
                let index = index_of(event)?;
                if !message.open.remove(&index) {
                    return Err("a part that is not open ends".to_owned());
                }
                let part = &mut message.body["parts"][index];
                let text = streamed(part).to_owned();
                if event["bytes"] != text.len() {
                    return Err(format!("{} bytes were streamed", text.len()));
                }
                if !event["part"].is_null() {
                    *part = event["part"].clone();
                    let field = field_of(part);
                    part[field] = text.into();
                }
            }
            "message.completed" => {
                let message = self.streaming(&string("message_id"))?;
                if !message.open.is_empty() {
                    return Err("it ends with an open part".to_owned());
                }
                for name in ["status", "finish_reason", "usage"] {
                    message.body[name] = event[name].clone();
                }
            }
            "tool.proposed" => {
                let id = event["call"]["id"].as_str().ok_or("a call without an id")?.to_owned();
                if self.proposed.insert(id, event["call"].clone()).is_some() {
                    return Err("it was proposed already".to_owned());
                }
            }
            "tool.succeeded" | "tool.failed" | "tool.denied" | "tool.expired" | "tool.cancelled"
            | "tool.unknown" => {
                self.calls.entry(string("call_id")).or_default().push(kind);
            }
            _ => {}
        }
        Ok(())
    }

    /// A message and all below it; what is redacted already was below it as well.
    fn delete(&mut self, root: &str) {
        let below = |id: &String| self.path(id).iter().any(|message| message.string("id") == root);
        let gone: Vec<String> = self.messages.keys().filter(|id| below(id)).cloned().collect();
        self.messages.retain(|id, _| !gone.contains(id));
        let messages = &self.messages;
        self.compactions.retain(|_, compaction| {
            compaction["message_id"].as_str().is_some_and(|id| messages.contains_key(id))
        });
    }

    fn turn(&mut self, kind: &str, event: &Value) -> Result<(), String> {
        let Some(id) = event["turn_id"].as_str() else { return Ok(()) };
        if !self.turns.contains_key(id) && !["turn.queued", "turn.started", "message.created"].contains(&kind)
        {
            return Err("of a turn that never began".to_owned());
        }
        let turn = self.turns.entry(id.to_owned()).or_default();
        if turn.ended {
            return Err("of a turn that has ended".to_owned());
        }
        turn.ended = ends_turn(event);
        if let Some(state) = kind.strip_prefix("turn.") {
            turn.state = match state {
                "started" | "resumed" => "running".to_owned(),
                other => other.to_owned(),
            };
        }
        Ok(())
    }

    fn text(&mut self, seq: u64, of: &Source, text: &str) -> Result<(), String> {
        let Source { message_id, index, .. } = of;
        let (message, index) = (self.streaming(message_id)?, *index);
        message.seq = seq;
        if !message.open.contains(&index) {
            return Err(format!("text of part {index} of {message_id}, which is not open"));
        }
        let part = &mut message.body["parts"][index];
        let field = field_of(part);
        let whole = streamed(part).to_owned() + text;
        part[field] = whole.into();
        Ok(())
    }

    fn streaming(&mut self, id: &str) -> Result<&mut Message, String> {
        let message = self.messages.get_mut(id).ok_or(format!("there is no message {id}"))?;
        match message.string("status") {
            "streaming" => Ok(message),
            status => Err(format!("{id} is {status}")),
        }
    }

    /// From the root to this message.
    pub fn path(&self, leaf: &str) -> Vec<&Message> {
        let mut path = Vec::new();
        let mut next = Some(leaf);
        while let Some(message) = next.and_then(|id| self.messages.get(id)) {
            path.push(message);
            next = message.body["parent_id"].as_str();
        }
        path.reverse();
        path
    }

    fn leaves(&self) -> Vec<String> {
        let parents: BTreeSet<&str> =
            self.messages.values().map(|message| message.string("parent_id")).collect();
        self.messages.keys().filter(|id| !parents.contains(id.as_str())).cloned().collect()
    }

    /// Every turn, message and call has ended, and none was called complete that was cut.
    pub fn are_at_rest(&self) -> Result<(), String> {
        for (id, turn) in &self.turns {
            if !turn.ended {
                return Err(format!("{id} is {}", turn.state));
            }
        }
        for id in self.messages.keys() {
            self.is_whole(id)?;
        }
        for (id, ends) in &self.calls {
            if !self.proposed.contains_key(id) || ends.len() != 1 {
                return Err(format!("the call {id} ended as {ends:?}"));
            }
        }
        match self.proposed.keys().find(|id| !self.calls.contains_key(*id)) {
            Some(id) => Err(format!("the call {id} has not ended")),
            None => Ok(()),
        }
    }

    /// What a person sees as one answer is what the model said, or the beginning of it where it was cut.
    fn is_whole(&self, id: &str) -> Result<(), String> {
        let path = self.path(id);
        let Some((message, before)) = path.split_last() else { return Ok(()) };
        if message.string("role") != "assistant" {
            return Ok(());
        }
        let question = before.iter().rposition(|earlier| earlier.string("role") == "user");
        let question = question.ok_or(format!("{id} answers nobody"))?;
        let script = Script::parse(&before[question].text()).ok_or(format!("{id} answers no script"))?;
        let answered = &before[question + 1..];
        let whole_steps = answered.iter().filter(|earlier| earlier.status() == "complete").count();
        let calls_tools = script.calls > 0 && whole_steps == 0;
        let whole = if calls_tools { script.preface() } else { script.answer() };

        let cut = answered.iter().rev().take_while(|earlier| earlier.status() != "complete");
        let mut texts: Vec<String> = cut.map(|earlier| earlier.text()).collect();
        texts.reverse();
        texts.push(message.text());
        let shown = texts.concat();
        let again = message.string("model") == FROM_THE_TOP;
        match message.status() {
            "complete" => {
                if shown != whole && !(again && message.text() == whole) {
                    let turn = self.of_the_turn_of(message);
                    return Err(format!(
                        "{id} is complete with {shown:?}, but the model said {whole:?}; {turn}"
                    ));
                }
                self.calls_are_whole(id, message, if calls_tools { script.calls } else { 0 }, &script)
            }
            "interrupted" | "cancelled" | "failed" => {
                if whole.starts_with(&shown) || (again && whole.starts_with(&message.text())) {
                    Ok(())
                } else {
                    Err(format!("{id} shows {shown:?}, but the model said {whole:?}"))
                }
            }
            status => Err(format!("{id} is {status}")),
        }
    }

    /// All that the turn of this message said, for people who look for what went wrong.
    fn of_the_turn_of(&self, message: &Message) -> String {
        let own = self.messages.values().filter(|other| other.body["turn_id"] == message.body["turn_id"]);
        let mut own: Vec<&Message> = own.collect();
        own.sort_by_key(|message| message.seq);
        let lines = own.iter().map(|message| format!("\n{} up to {}", message.body, message.seq));
        lines.collect()
    }

    fn calls_are_whole(
        &self,
        id: &str,
        message: &Message,
        calls: usize,
        script: &Script,
    ) -> Result<(), String> {
        let parts = message.body["parts"].as_array().into_iter().flatten();
        let made: Vec<&Value> = parts.filter(|part| part["type"] == "tool_call").collect();
        let expected: Vec<String> = (0..calls).map(|call| script.arguments(call)).collect();
        let arguments: Vec<&str> = made.iter().filter_map(|part| part["args_text"].as_str()).collect();
        if arguments != expected {
            return Err(format!("{id} calls with {arguments:?}, but the model said {expected:?}"));
        }
        for part in made {
            let call_id = part["call_id"].as_str().unwrap_or_default();
            let Some(call) = self.proposed.get(call_id) else {
                return Err(format!("the call {call_id} of {id} was never proposed"));
            };
            if call["args_text"] != part["args_text"] || call["message_id"] != *id {
                return Err(format!("{id} has {part}, but {call} was proposed"));
            }
        }
        Ok(())
    }

    /// The server answers from its tables what the log makes of them.
    pub async fn are_what_the_server_says(&self, client: &Client, conversation: &str) -> Result<(), String> {
        let base = format!("/v1/conversations/{conversation}");
        let info = client.get(&base).await.expect(200);
        if info["head"].as_str() != self.head.as_deref() {
            return Err(format!("the head is {}, the log says {:?}", info["head"], self.head));
        }
        for leaf in self.leaves() {
            let stored = whole_path(client, &base, &leaf).await;
            let path = self.path(&leaf);
            if stored.len() != path.len() {
                return Err(format!("{} messages up to {leaf}, the log has {}", stored.len(), path.len()));
            }
            for (stored, message) in stored.iter().zip(path) {
                message.is_what_is_stored(stored)?;
            }
        }
        for (id, turn) in &self.turns {
            let stored = client.get(&format!("/v1/turns/{id}")).await.expect(200);
            if stored["state"] != turn.state {
                return Err(format!("{id} is {}, the log says {}", stored["state"], turn.state));
            }
        }
        Ok(())
    }
}

/// All messages up to this one, oldest first.
pub async fn whole_path(client: &Client, base: &str, leaf: &str) -> Vec<Value> {
    let mut before = String::new();
    let mut path = Vec::new();
    loop {
        let page = client.get(&format!("{base}/messages?head={leaf}&limit=200{before}")).await.expect(200);
        let items = page["items"].as_array().expect("a list has items");
        path.extend(items.iter().cloned());
        match page["next"].as_str() {
            Some(next) => before = format!("&before={next}"),
            None => break,
        }
    }
    path.sort_by_key(|message| message["seq"].as_u64());
    path
}

impl Message {
    pub fn is_what_is_stored(&self, stored: &Value) -> Result<(), String> {
        let fields = [
            "id",
            "parent_id",
            "role",
            "status",
            "turn_id",
            "step",
            "attempt",
            "model",
            "finish_reason",
            "usage",
        ];
        let differs = fields.into_iter().find(|name| stored[*name] != self.body[*name]);
        if let Some(name) = differs {
            return Err(format!("`{name}` of {stored}, but the log says {}", self.body));
        }
        if stored["seq"] != self.seq {
            return Err(format!("the seq of {stored}, but the log says {}", self.seq));
        }
        let parts = |message: &Value| message["parts"].as_array().cloned().unwrap_or_default();
        let (theirs, ours) = (parts(stored), parts(&self.body));
        let same = |(theirs, ours): (&Value, &Value)| {
            let fields = ["type", "text", "args_text", "name", "call_id", "discarded"];
            fields.iter().all(|name| theirs[*name] == ours[*name])
        };
        if theirs.len() != ours.len() || !theirs.iter().zip(&ours).all(same) {
            return Err(format!("{theirs:?} is stored, but the log says {ours:?}"));
        }
        Ok(())
    }
}

fn seq_of(event: &Value) -> u64 {
    event["seq"].as_u64().expect("it was checked when it was added")
}

fn index_of(event: &Value) -> Result<usize, String> {
    let index = event["index"].as_u64().and_then(|index| usize::try_from(index).ok());
    index.ok_or("no index".to_owned())
}

/// Where a part keeps its streamed text.
fn field_of(part: &Value) -> &'static str {
    if part["type"] == "tool_call" { "args_text" } else { "text" }
}

fn streamed(part: &Value) -> &str {
    part[field_of(part)].as_str().unwrap_or_default()
}

/// SQLite finds nothing wrong with what a process left behind, looked at in a copy.
pub fn database_is_sound(data: &std::path::Path) -> Result<(), String> {
    let copy = tempfile::tempdir().map_err(|error| error.to_string())?;
    for name in ["weir.db", "control.db"] {
        for suffix in ["", "-wal"] {
            let file = format!("{name}{suffix}");
            match std::fs::copy(data.join(&file), copy.path().join(&file)) {
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound && suffix == "-wal" => {}
                Err(error) => return Err(format!("{file}: {error}")),
            }
        }
        let checked = || -> rusqlite::Result<(String, usize)> {
            let conn = rusqlite::Connection::open(copy.path().join(name))?;
            let verdict = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
            let mut dangling = conn.prepare("PRAGMA foreign_key_check")?;
            Ok((verdict, dangling.query_map([], |_| Ok(()))?.count()))
        };
        match checked() {
            Ok((verdict, 0)) if verdict == "ok" => {}
            other => return Err(format!("{name}: {other:?}")),
        }
    }
    Ok(())
}
