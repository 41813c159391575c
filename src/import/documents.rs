//! The way through a file: entry after entry, value after value. One that is broken spoils no other.

use std::fs::File;
use std::io::Read;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::archive::{Archive, Bounds, Counted, Refused, broken, is_bomb};
use super::conversation::Conversation;
use super::format::{self, Format, Lines};
use super::report::{Reason, Skipped};
use super::values::{Value, Values};

/// What is found in the file, in its order.
#[derive(Debug)]
pub enum Found {
    Conversation(Box<Conversation>),
    Skipped(Skipped),
}

/// Whoever takes what is found; it may have had enough.
type Taker<'a> = dyn FnMut(Found) -> ControlFlow<()> + 'a;

/// Reads everything, and says of everything that it leaves out why. `progress` is how many bytes of the file are
/// behind.
pub fn read(
    file: File,
    bounds: &Bounds,
    progress: Arc<AtomicU64>,
    take: &mut Taker<'_>,
) -> Result<ControlFlow<()>, Refused> {
    let mut any = false;
    let mut take = |found: Found| {
        any |= matches!(found, Found::Conversation(_))
            || matches!(&found, Found::Skipped(skipped) if skipped.conversation.is_some());
        take(found)
    };
    let flow = match Archive::open(Counted::new(file, progress), bounds)? {
        Archive::Plain(file) => {
            let read = values(file, "", bounds, &mut take);
            match read {
                Ok((flow, _)) => flow,
                Err(error) => return Err(error.into()),
            }
        }
        Archive::Zip { mut archive, entries } => {
            // Exports name their files; what else is JSON in them are settings and lists of users.
            let named = |name: &str| {
                let base = name.rsplit('/').next().unwrap_or(name);
                base.starts_with("conversation") || base.starts_with("chat")
            };
            let any_named = entries.iter().any(|entry| entry.is_json() && named(&entry.name));
            let (mut left, mut flow) = (bounds.unpacked_bytes, ControlFlow::Continue(()));
            for entry in &entries {
                if flow.is_break() {
                    break;
                }
                let skip = |reason| Skipped::new(reason).in_file(&entry.name);
                if !entry.is_json() || (any_named && !named(&entry.name)) {
                    flow = take(Found::Skipped(skip(Reason::NotConversations)));
                    continue;
                }
                if entry.encrypted {
                    flow = take(Found::Skipped(skip(Reason::Malformed).detail("it is encrypted")));
                    continue;
                }
                let file = match archive.by_index(entry.index).map_err(broken) {
                    Ok(file) => file,
                    Err(error) => {
                        flow = take(Found::Skipped(skip(Reason::Malformed).detail(error)));
                        continue;
                    }
                };
                let mut unpacked = entry.unpacked(file, left);
                flow = match values(&mut unpacked, &entry.name, bounds, &mut take) {
                    Ok((flow, found)) if !found && flow.is_continue() => {
                        take(Found::Skipped(skip(Reason::NotConversations)))
                    }
                    Ok((flow, _)) => flow,
                    Err(error) if is_bomb(&error) => {
                        return Err(Refused::Bomb(format!("`{}`: {error}", entry.name)));
                    }
                    Err(error) => take(Found::Skipped(skip(Reason::Malformed).detail(error))),
                };
                left = left.saturating_sub(unpacked.read);
            }
            flow
        }
    };
    match any || flow.is_break() {
        true => Ok(flow),
        false => Err(Refused::NoConversations),
    }
}

/// The values of one file, and whether there were any of a known format.
fn values(
    from: impl Read,
    name: &str,
    bounds: &Bounds,
    take: &mut Taker<'_>,
) -> std::io::Result<(ControlFlow<()>, bool)> {
    let mut values = Values::new(from, bounds.conversation_bytes);
    let (mut lines, mut known, mut strange) = (Lines::new(bounds.conversation_bytes), false, 0u64);
    let mut file = |found: Found| match found {
        Found::Skipped(skipped) => take(Found::Skipped(skipped.in_file(name))),
        Found::Conversation(conversation) => take(Found::Conversation(conversation)),
    };
    while let Some(value) = values.next()? {
        let flow = match value {
            Value::Whole(json) => match format::detect(&json) {
                Some(Format::Weir) => {
                    known = true;
                    lines.take(&json, &mut file)
                }
                Some(format) => {
                    known = true;
                    match format.read(&json) {
                        Ok(conversation) => file(Found::Conversation(Box::new(conversation))),
                        Err(skipped) => file(Found::Skipped(*skipped)),
                    }
                }
                None => {
                    strange += 1;
                    ControlFlow::Continue(())
                }
            },
            Value::TooLarge(bytes) => {
                let limit = bounds.conversation_bytes;
                let detail = format!("{bytes} bytes, and {limit} are read at most");
                file(Found::Skipped(Skipped::new(Reason::TooLarge).of("").detail(detail)))
            }
            Value::Truncated => file(Found::Skipped(Skipped::new(Reason::Truncated))),
            Value::Scalar => {
                strange += 1;
                ControlFlow::Continue(())
            }
        };
        if flow.is_break() {
            return Ok((flow, known));
        }
    }
    let mut flow = lines.finish(&mut file);
    if known && strange > 0 && flow.is_continue() {
        let detail = format!("{strange} values that are no conversations");
        flow = file(Found::Skipped(Skipped::new(Reason::UnknownFormat).detail(detail)));
    }
    Ok((flow, known))
}
