use super::Turn;
use crate::chat::event::Entry;
pub fn evolve(_turn: &mut Turn, _entry: &Entry) {}
