//! A conversation's log as somebody saw it, in a form that does not depend on where its deltas were cut.

use serde_json::Value;

/// A stretch of the log, without a gap.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Log {
    /// The positions before its first entry and after its last.
    pub start: u64,
    pub end: u64,
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Piece {
    Event(Value),
    /// As many deltas of one part as follow each other.
    Text {
        prev: u64,
        of: Source,
        text: String,
    },
}

/// What a stretch of text belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub turn_id: String,
    pub message_id: String,
    pub index: usize,
}

impl Log {
    pub fn starting_at(start: u64) -> Self {
        Self { start, end: start, pieces: Vec::new() }
    }

    /// Adds the next event, which must begin where the last one ended and be as wide as it says.
    pub fn push(&mut self, event: &Value) -> Result<(), String> {
        let position = |name: &str| event[name].as_u64().ok_or(format!("no `{name}` in {event}"));
        let (prev, seq) = (position("prev")?, position("seq")?);
        if prev != self.end {
            return Err(format!("after position {} comes {event}", self.end));
        }
        let piece = match event["type"].as_str() {
            Some("part.delta") => text_of(prev, event)?,
            Some("redacted") if event["through"] != seq || seq <= prev => {
                return Err(format!("not a stretch of the log: {event}"));
            }
            Some(_) => Piece::Event(event.clone()),
            None => return Err(format!("no type in {event}")),
        };
        if seq != prev + piece.width() {
            return Err(format!("the width of {event} is {}", piece.width()));
        }
        self.end = seq;
        self.append(piece);
        Ok(())
    }

    fn append(&mut self, piece: Piece) {
        if let (Some(Piece::Text { of, text, .. }), Piece::Text { of: more_of, text: more, .. }) =
            (self.pieces.last_mut(), &piece)
            && of == more_of
        {
            text.push_str(more);
            return;
        }
        self.pieces.push(piece);
    }

    /// The same log between two positions; neither may be inside a character.
    pub fn between(&self, from: u64, to: u64) -> Self {
        let mut part = Self { start: from, end: to, pieces: Vec::new() };
        for piece in &self.pieces {
            let (start, end) = (piece.prev(), piece.prev() + piece.width());
            if end <= from || start >= to {
                continue;
            }
            part.append(match piece {
                Piece::Event(_) => piece.clone(),
                Piece::Text { of, text, .. } => {
                    let at =
                        |position: u64| usize::try_from(position - start).expect("a text fits into memory");
                    let text = &text[at(from.max(start))..at(to.min(end))];
                    Piece::Text { prev: from.max(start), of: of.clone(), text: text.to_owned() }
                }
            });
        }
        part
    }

    /// Fails unless this is exactly what `whole` holds between the same positions.
    pub fn is_part_of(&self, whole: &Self) -> Result<(), String> {
        if self.start < whole.start || self.end > whole.end {
            let (log, own) = (whole.start..whole.end, self.start..self.end);
            return Err(format!("positions {own:?} were shown, but the log is {log:?}"));
        }
        let stored = whole.between(self.start, self.end);
        if *self == stored {
            return Ok(());
        }
        let differs = self.pieces.iter().zip(&stored.pieces).find(|(shown, stored)| shown != stored);
        Err(match differs {
            Some((shown, stored)) => format!("shown was {shown:?}\nstored is {stored:?}"),
            None => format!("{} pieces were shown, {} are stored", self.pieces.len(), stored.pieces.len()),
        })
    }

    /// Fails unless `whole` holds the same, but for what it has redacted since. What was redacted stays so.
    pub fn is_part_of_what_is_left(&self, whole: &Self) -> Result<(), String> {
        let is_left = |from: u64, to: u64| match from < to {
            true => self.between(from, to).is_part_of(whole),
            false => Ok(()),
        };
        let mut from = self.start;
        for (prev, seq) in whole.redactions() {
            is_left(from, prev.min(self.end))?;
            from = from.max(seq);
        }
        is_left(from, self.end)
    }

    /// The positions before and after each redaction.
    pub fn redactions(&self) -> impl Iterator<Item = (u64, u64)> {
        let redacted = |piece: &&Piece| matches!(piece, Piece::Event(event) if event["type"] == "redacted");
        self.pieces.iter().filter(redacted).map(|piece| (piece.prev(), piece.prev() + piece.width()))
    }

    /// Whether anything is said of a message, or by it.
    pub fn speaks_of(&self, message_id: &str) -> bool {
        self.pieces.iter().any(|piece| match piece {
            Piece::Text { of, .. } => of.message_id == message_id,
            Piece::Event(event) => {
                let kind = event["type"].as_str().unwrap_or_default();
                let of_it = kind.starts_with("part.") || kind == "message.completed";
                event["message"]["id"] == message_id
                    || event["call"]["message_id"] == message_id
                    || (of_it && event["message_id"] == message_id)
            }
        })
    }

    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Where each event, and each character of streamed text, begins.
    pub fn characters(&self) -> impl Iterator<Item = u64> {
        self.pieces.iter().flat_map(|piece| {
            let text = match piece {
                Piece::Event(_) => "-",
                Piece::Text { text, .. } => text,
            };
            text.char_indices().map(|(at, _)| piece.prev() + at as u64)
        })
    }

    pub fn events(&self) -> impl Iterator<Item = &Value> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Event(event) => Some(event),
            Piece::Text { .. } => None,
        })
    }

    pub fn events_of_type(&self, name: &str) -> impl Iterator<Item = &Value> {
        self.events().filter(move |event| event["type"] == name)
    }

    /// Whether the streamed text of some part begins like this.
    pub fn has_text(&self, start: &str) -> bool {
        let mut parts: Vec<(&Source, String)> = Vec::new();
        for piece in &self.pieces {
            let Piece::Text { of, text, .. } = piece else { continue };
            match parts.iter_mut().rev().find(|(part, _)| *part == of) {
                Some((_, whole)) => whole.push_str(text),
                None => parts.push((of, text.clone())),
            }
        }
        parts.iter().any(|(_, whole)| whole.starts_with(start))
    }

    pub fn turn_has_ended(&self, turn_id: &str) -> bool {
        self.events().any(|event| event["turn_id"] == turn_id && ends_turn(event))
    }

    /// The turns that were queued or started, and have not ended.
    pub fn unfinished_turns(&self) -> Vec<String> {
        let begins = |event: &&Value| event["type"] == "turn.queued" || event["type"] == "turn.started";
        let mut turns: Vec<String> = self
            .events()
            .filter(begins)
            .filter_map(|event| event["turn_id"].as_str().map(str::to_owned))
            .collect();
        turns.sort_unstable();
        turns.dedup();
        turns.retain(|turn_id| !self.turn_has_ended(turn_id));
        turns
    }
}

impl Piece {
    pub fn prev(&self) -> u64 {
        match self {
            Self::Event(event) => event["prev"].as_u64().expect("it was checked when it was added"),
            Self::Text { prev, .. } => *prev,
        }
    }

    pub fn width(&self) -> u64 {
        match self {
            Self::Event(event) if event["type"] == "redacted" => {
                event["through"].as_u64().map_or(1, |through| through - self.prev())
            }
            Self::Event(_) => 1,
            Self::Text { text, .. } => text.len() as u64,
        }
    }
}

fn text_of(prev: u64, event: &Value) -> Result<Piece, String> {
    let string =
        |name: &str| event[name].as_str().map(str::to_owned).ok_or(format!("no `{name}` in {event}"));
    let index = event["index"].as_u64().and_then(|index| usize::try_from(index).ok());
    let of = Source {
        turn_id: string("turn_id")?,
        message_id: string("message_id")?,
        index: index.ok_or(format!("no `index` in {event}"))?,
    };
    match string("text")? {
        text if text.is_empty() => Err(format!("an empty delta: {event}")),
        text => Ok(Piece::Text { prev, of, text }),
    }
}

pub fn ends_turn(event: &Value) -> bool {
    let kind = event["type"].as_str().unwrap_or_default();
    ["turn.completed", "turn.failed", "turn.cancelled", "turn.interrupted"].contains(&kind)
}

/// The position in a cursor.
pub fn position(cursor: &str) -> u64 {
    let position = cursor.split_once('.').and_then(|(_, seq)| seq.parse().ok());
    position.unwrap_or_else(|| panic!("not a cursor: {cursor:?}"))
}
