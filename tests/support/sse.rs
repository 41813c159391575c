//! A reader of server-sent events that takes only what the protocol promises.

use serde_json::Value;

/// What a follower is told, over whatever transport.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    Event { cursor: String, event: Value },
    CaughtUp { cursor: String },
    Resync(Value),
    Problem(Value),
}

/// How a stream ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Over {
    /// In good form, between two events.
    Ended,
    /// The connection broke, maybe inside an event.
    Broken,
}

pub struct Sse {
    response: reqwest::Response,
    buffer: Vec<u8>,
    /// What of the buffer was taken already.
    taken: usize,
}

impl Sse {
    pub fn new(response: reqwest::Response) -> Self {
        let header =
            |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
        assert_eq!(header("content-type"), "text/event-stream");
        assert_eq!(header("cache-control"), "no-cache, no-transform");
        assert_eq!(header("x-accel-buffering"), "no");
        assert_eq!(header("content-encoding"), "");
        Self { response, buffer: Vec::new(), taken: 0 }
    }

    pub async fn next(&mut self) -> Result<Heard, Over> {
        loop {
            while let Some(block) = self.take_block() {
                if let Some(heard) = parse(&block) {
                    return Ok(heard);
                }
            }
            self.buffer.drain(..self.taken);
            self.taken = 0;
            match self.response.chunk().await {
                Ok(Some(bytes)) => self.buffer.extend_from_slice(&bytes),
                Ok(None) if self.buffer.is_empty() => return Err(Over::Ended),
                Ok(None) | Err(_) => return Err(Over::Broken),
            }
        }
    }

    /// Everything up to the next empty line.
    fn take_block(&mut self) -> Option<String> {
        let left = &self.buffer[self.taken..];
        let end = left.windows(2).position(|two| two == b"\n\n")? + 2;
        let block = String::from_utf8(left[..end].to_vec()).expect("an event is UTF-8");
        self.taken += end;
        Some(block)
    }
}

/// `None` where a block holds no event: a comment, or the time to wait before a reconnect.
fn parse(block: &str) -> Option<Heard> {
    let (mut id, mut name, mut data) = (None, None, None);
    for line in block.trim_end_matches('\n').split('\n') {
        let (field, value) = line.split_once(": ").unwrap_or_else(|| panic!("not a field: {line:?}"));
        let place = match field {
            "id" => &mut id,
            "event" => &mut name,
            "data" => &mut data,
            "" | "retry" => {
                assert!(line == ": ping" || line == "retry: 1500", "{line:?}");
                continue;
            }
            _ => panic!("an unknown field: {line:?}"),
        };
        assert_eq!(place.replace(value), None, "twice in one event: {line:?}");
    }
    let (name, data) = match (name, data) {
        (None, None) => return None,
        (Some(name), Some(data)) => (name, data),
        half => panic!("half an event: {half:?}"),
    };
    let data: Value = serde_json::from_str(data).unwrap_or_else(|error| panic!("{error} in {data:?}"));
    Some(heard(name, id, data))
}

pub fn heard(name: &str, id: Option<&str>, data: Value) -> Heard {
    match (name, id) {
        ("caught_up", None) => Heard::CaughtUp { cursor: cursor_in(&data) },
        ("resync", None) => Heard::Resync(data),
        ("problem", None) => Heard::Problem(data),
        (_, Some(id)) => {
            assert_eq!(data["type"], name, "{data}");
            assert!(id.ends_with(&format!(".{}", data["seq"])), "the id of {data} is {id}");
            Heard::Event { cursor: id.to_owned(), event: data }
        }
        (_, None) => panic!("an event without an id: {name} {data}"),
    }
}

pub fn cursor_in(data: &Value) -> String {
    data["cursor"].as_str().unwrap_or_else(|| panic!("no cursor in {data}")).to_owned()
}
