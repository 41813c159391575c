//! An entry of the log as it goes over the wire, serialised once for all who follow.

use std::io::Write;

use bytes::Bytes;
use serde::Serialize;

use crate::chat::event::{Cursor, Delta, Epoch, Event, Seq};
use crate::clock::Timestamp;
use crate::id::{ConversationId, MessageId, TurnId};

/// What surrounds the text of a delta takes about so many bytes.
const ENVELOPE: usize = 384;

/// One event, ready to be sent. Cloning it copies no text.
#[derive(Debug, Clone)]
pub struct Frame {
    pub prev: Seq,
    pub seq: Seq,
    pub turn_id: Option<TurnId>,
    pub effect: FrameEffect,
    /// `id:`, `event:` and `data:` lines with the empty line after them.
    sse: Bytes,
    /// Where in `sse` the JSON object starts; it ends two bytes before the end.
    json_at: usize,
}

/// What a follower must know of a frame without parsing it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameEffect {
    None,
    /// The turn is over.
    EndsTurn,
    /// Who may read the conversation may have changed.
    ChangesAccess,
}

impl Frame {
    pub fn sse(&self) -> Bytes {
        self.sse.clone()
    }

    /// The event as a JSON object.
    pub fn json(&self) -> Bytes {
        self.sse.slice(self.json_at..self.sse.len() - 2)
    }

    pub fn bytes(&self) -> usize {
        self.sse.len()
    }
}

/// Makes the frames of one conversation.
#[derive(Debug, Clone)]
pub struct Framer {
    epoch: Epoch,
    conversation_id: String,
}

#[derive(Serialize)]
struct DeltaBody<'a> {
    r#type: &'static str,
    prev: Seq,
    seq: Seq,
    conversation_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    turn_id: Option<TurnId>,
    message_id: MessageId,
    index: u32,
    text: &'a str,
}

impl Framer {
    pub fn new(epoch: Epoch, conversation_id: ConversationId) -> Self {
        Self { epoch, conversation_id: conversation_id.to_string() }
    }

    pub fn cursor(&self, seq: Seq) -> Cursor {
        Cursor { epoch: self.epoch, seq }
    }

    pub fn event(&self, prev: Seq, at: Timestamp, event: &Event) -> Frame {
        let body = serde_json::to_string(event).expect("an event is made of JSON types");
        self.framed(prev, at, event.kind(), event.turn_id(), &body)
    }

    /// A frame of an event whose JSON stands already, as it is stored: an object that begins with its `type`.
    pub fn stored_event(&self, prev: Seq, at: Timestamp, turn_id: Option<TurnId>, body: &str) -> Frame {
        let kind = body.strip_prefix("{\"type\":\"").and_then(|rest| rest.split('"').next());
        self.framed(prev, at, kind.unwrap_or("notice"), turn_id, body)
    }

    fn framed(&self, prev: Seq, at: Timestamp, kind: &str, turn_id: Option<TurnId>, body: &str) -> Frame {
        let seq = prev.plus(1);
        let fields = body.trim_start_matches('{');
        let head = format!("id: {}\nevent: {kind}\ndata: ", self.cursor(seq));
        let conversation_id = &self.conversation_id;
        let sse = format!(
            "{head}{{\"prev\":{prev},\"seq\":{seq},\"conversation_id\":\"{conversation_id}\",\"at\":\"{at}\",{fields}\n\n"
        );
        Frame { prev, seq, turn_id, effect: effect_of(kind), json_at: head.len(), sse: sse.into() }
    }

    /// Stands for what was deleted between two positions.
    pub fn redacted(&self, prev: Seq, seq: Seq) -> Frame {
        let head = format!("id: {}\nevent: redacted\ndata: ", self.cursor(seq));
        let conversation_id = &self.conversation_id;
        let sse = format!(
            "{head}{{\"type\":\"redacted\",\"prev\":{prev},\"seq\":{seq},\"conversation_id\":\"{conversation_id}\",\"through\":{seq}}}\n\n"
        );
        Frame { prev, seq, turn_id: None, effect: FrameEffect::None, json_at: head.len(), sse: sse.into() }
    }

    pub fn delta(&self, prev: Seq, delta: &Delta) -> Frame {
        self.text(prev, Some(delta.turn_id), delta.message_id, delta.index, &delta.text)
    }

    pub fn text(
        &self,
        prev: Seq,
        turn_id: Option<TurnId>,
        message_id: MessageId,
        index: u32,
        text: &str,
    ) -> Frame {
        let seq = prev.plus(text.len() as u64);
        let mut sse = Vec::with_capacity(ENVELOPE + text.len());
        write!(sse, "id: {}\nevent: part.delta\ndata: ", self.cursor(seq)).expect("memory takes it");
        let json_at = sse.len();
        let conversation_id = self.conversation_id.as_str();
        let body =
            DeltaBody { r#type: "part.delta", prev, seq, conversation_id, turn_id, message_id, index, text };
        serde_json::to_writer(&mut sse, &body).expect("a delta is made of JSON types");
        sse.extend_from_slice(b"\n\n");
        Frame { prev, seq, turn_id, effect: FrameEffect::None, json_at, sse: sse.into() }
    }
}

fn effect_of(kind: &str) -> FrameEffect {
    match kind {
        "turn.completed" | "turn.failed" | "turn.cancelled" | "turn.interrupted" => FrameEffect::EndsTurn,
        "conversation.updated" | "conversation.deleted" => FrameEffect::ChangesAccess,
        _ => FrameEffect::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_an_sse_event_around_one_json_object() {
        let id = ConversationId::from_bytes([7; 16]);
        let turn_id = TurnId::from_bytes([8; 16]);
        let framer = Framer::new(Epoch(3), id);
        let frame = framer.event(Seq(4), Timestamp::from_millis(0), &Event::TurnCancelled { turn_id });
        let sse = String::from_utf8(frame.sse().to_vec()).unwrap();
        assert!(sse.starts_with("id: 3.5\nevent: turn.cancelled\ndata: {"), "{sse}");
        assert!(sse.ends_with("}\n\n"), "{sse}");
        let json: serde_json::Value = serde_json::from_slice(&frame.json()).unwrap();
        let expected = serde_json::json!({
            "type": "turn.cancelled", "prev": 4, "seq": 5, "conversation_id": id, "turn_id": turn_id,
            "at": "1970-01-01T00:00:00.000Z",
        });
        assert_eq!(json, expected);
        assert_eq!(frame.effect, FrameEffect::EndsTurn);
    }

    #[test]
    fn a_delta_is_as_wide_as_its_bytes_and_stays_on_one_line() {
        let framer = Framer::new(Epoch(1), ConversationId::from_bytes([7; 16]));
        let (turn_id, message_id) = (TurnId::from_bytes([1; 16]), MessageId::from_bytes([2; 16]));
        let frame = framer.text(Seq(10), Some(turn_id), message_id, 0, "ü\n\r\u{2028}");
        assert_eq!(frame.seq, Seq(10 + 2 + 1 + 1 + 3));
        let sse = String::from_utf8(frame.sse().to_vec()).unwrap();
        assert_eq!(sse.lines().filter(|line| line.starts_with("data: ")).count(), 1, "{sse}");
        let json: serde_json::Value = serde_json::from_slice(&frame.json()).unwrap();
        assert_eq!(json["text"], "ü\n\r\u{2028}");
    }
}
