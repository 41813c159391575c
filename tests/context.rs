//! What a model is given of a path: it fits, it holds what it must, and it accounts for every message.

use std::collections::BTreeSet;

use proptest::prelude::*;
use weir::chat::compaction::{Compaction, cut};
use weir::chat::context::{Context, FateState, Given, Item, PathMessage, Reason, TooLong, fit, tokens};
use weir::chat::message::{Call, CallState, MessageStatus, Part, Role, StoredPart};
use weir::clock::Timestamp;
use weir::id::{CallId, CompactionId, MessageId, TurnId};

#[derive(Debug, Clone)]
struct Said {
    answer: bool,
    cut: bool,
    text: usize,
    /// The lengths of its tools' outputs.
    outputs: Vec<usize>,
    pinned: bool,
}

fn said() -> impl Strategy<Value = Said> {
    let outputs = proptest::collection::vec(0..4000usize, 0..3);
    (any::<bool>(), prop::bool::weighted(0.1), 0..2000usize, outputs, prop::bool::weighted(0.1)).prop_map(
        |(answer, cut, text, outputs, pinned)| Said { answer, cut: answer && cut, text, outputs, pinned },
    )
}

fn id(n: usize) -> MessageId {
    MessageId::from_bytes((n as u128 + 1).to_be_bytes())
}

/// Each text is its own, so that it is found again in a prompt.
fn text(n: usize, length: usize) -> String {
    format!("<{n}> {}", "x".repeat(length))
}

fn message(n: usize, said: &Said) -> PathMessage {
    let mut parts = vec![Part::Text { text: text(n, said.text) }];
    let mut calls = Vec::new();
    if said.answer && !said.cut {
        for (at, length) in said.outputs.iter().enumerate() {
            let call_id = CallId::from_bytes(((n * 10 + at) as u128 + 1).to_be_bytes());
            let (name, args_text) = ("clock".to_owned(), "{}".to_owned());
            parts.push(Part::ToolCall { call_id, name, args_text, discarded: false });
            calls.push(Call {
                id: call_id,
                turn_id: TurnId::from_bytes([1; 16]),
                message_id: id(n),
                tool: "clock".to_owned(),
                args: None,
                args_text: "{}".to_owned(),
                state: CallState::Succeeded,
                output: Some("o".repeat(*length)),
                error: None,
                rule: None,
                resolved: None,
                retry_of: None,
                child_id: None,
                progress: None,
                question: None,
            });
        }
    }
    PathMessage {
        id: id(n),
        parent_id: n.checked_sub(1).map(id),
        role: if said.answer { Role::Assistant } else { Role::User },
        status: if said.cut { MessageStatus::Interrupted } else { MessageStatus::Complete },
        turn_id: None,
        parts: parts.into_iter().map(|part| StoredPart { part, opaque: None }).collect(),
        calls,
    }
}

/// A path that begins with a person's message, as every path does.
fn path(said: &[Said]) -> Vec<PathMessage> {
    let first = Said { answer: false, cut: false, text: 5, outputs: Vec::new(), pinned: false };
    std::iter::once(&first).chain(said).enumerate().map(|(n, said)| message(n, said)).collect()
}

fn whole(context: &Context) -> String {
    let items = context.prompt.items.iter().map(|item| match item {
        Item::User { parts } => parts.iter().map(Part::streamed).collect::<String>(),
        Item::Assistant { parts } => parts.iter().map(|part| part.part.streamed()).collect(),
        Item::ToolResult { output, .. } => output.clone(),
    });
    items.collect()
}

/// Each result stands behind the answer that made its call, and each call has one.
fn pairs_are_whole(items: &[Item]) {
    let mut open: Vec<CallId> = Vec::new();
    for item in items {
        match item {
            Item::ToolResult { call_id, .. } => {
                assert_eq!(open.first(), Some(call_id), "a result without its call");
                open.remove(0);
            }
            Item::User { .. } | Item::Assistant { .. } => {
                assert!(open.is_empty(), "a call without its result");
                if let Item::Assistant { parts } = item {
                    open.extend(parts.iter().filter_map(|part| match &part.part {
                        Part::ToolCall { call_id, .. } => Some(*call_id),
                        _ => None,
                    }));
                }
            }
        }
    }
    assert!(open.is_empty(), "a call without its result");
}

fn summary(message_id: MessageId) -> Compaction {
    Compaction {
        id: CompactionId::from_bytes([9; 16]),
        message_id,
        summary: "SUMMARY".to_owned(),
        model: None,
        requested_by: None,
        tokens_before: 10,
        tokens_after: 1,
        created_at: Timestamp::from_millis(0),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_given_fits_and_holds_what_it_must(
        said in proptest::collection::vec(said(), 0..30),
        budget in 50..6000u64,
        compacted in any::<bool>(),
    ) {
        let path = path(&said);
        let pinned: BTreeSet<MessageId> =
            said.iter().enumerate().filter(|(_, said)| said.pinned).map(|(n, _)| id(n + 1)).collect();
        let compaction = compacted.then(|| summary(MessageId::from_bytes([7; 16])));
        let given = Given {
            system: Some("SYSTEM".to_owned()),
            tools: Vec::new(),
            compaction,
            above: Vec::new(),
            path: path.clone(),
            pinned: pinned.clone(),
            budget,
        };
        let asked = path.iter().rev().find(|message| message.role == Role::User).unwrap();
        let context = match fit(given) {
            Ok(context) => context,
            Err(TooLong { tokens, budget }) => {
                prop_assert!(tokens > budget);
                return Ok(());
            }
        };
        prop_assert!(context.tokens <= budget);
        let system = tokens::of_text("SYSTEM");
        prop_assert_eq!(context.tokens, system + tokens::of_items(&context.prompt.items));
        pairs_are_whole(&context.prompt.items);
        let told = whole(&context);
        prop_assert_eq!(told.contains("SUMMARY"), compacted);
        let text_of = |message: &PathMessage| message.parts[0].part.streamed().to_owned();
        prop_assert!(told.contains(&text_of(asked)), "the last message of a person is always there");
        for message in &path {
            let fate = context.fates[&message.id];
            match fate.state {
                FateState::Sent => prop_assert!(told.contains(&text_of(message))),
                FateState::Shortened(Reason::OldToolOutput) => prop_assert!(told.contains(&text_of(message))),
                FateState::LeftOut(Reason::OverBudget) => {
                    prop_assert!(!told.contains(&text_of(message)));
                    prop_assert!(!pinned.contains(&message.id), "a pinned message is never hidden");
                }
                FateState::LeftOut(reason) | FateState::Shortened(reason) => {
                    prop_assert!(false, "{:?} is not the reason of a message of the path", reason);
                }
            }
        }
        // Nothing is done where nothing has to be.
        if context.wanted <= budget {
            prop_assert!(context.fates.values().all(|fate| fate.state == FateState::Sent));
        }
    }

    #[test]
    fn what_is_summarised_ends_where_an_exchange_does_and_leaves_a_tail(
        said in proptest::collection::vec(said(), 0..30),
        keep in 0..4000u64,
    ) {
        let path = path(&said);
        let Some(count) = cut(&path, keep) else { return Ok(()) };
        prop_assert!((1..path.len()).contains(&count), "something is summarised, and something left");
        let (old, tail) = path.split_at(count);
        let begins_one = tail[0].role == Role::User;
        prop_assert!(begins_one || old.iter().filter(|message| message.role == Role::User).count() >= 1);
        // What was cut is gone on with: it stays whole.
        let last = &old[old.len() - 1];
        let settled = last.role == Role::User || last.status == MessageStatus::Complete || begins_one;
        prop_assert!(settled || tail.iter().any(|m| m.status == MessageStatus::Complete || m.role == Role::User));
        // A smaller tail was not to be had without losing whole exchanges.
        let tokens = |messages: &[PathMessage]| messages.iter().map(tokens::of_message).sum::<u64>();
        let fits = |at: usize| path[at].role == Role::User && tokens(&path[at..]) <= keep;
        let exchanges: Vec<usize> = (1..path.len()).filter(|at| fits(*at)).collect();
        if begins_one && let Some(first) = exchanges.first() {
            prop_assert!(count <= *first);
        }
    }
}

#[test]
fn a_pinned_message_that_stands_elsewhere_is_told_byte_for_byte() {
    let asked = Said { answer: false, cut: false, text: 5, outputs: Vec::new(), pinned: false };
    let answered = Said { answer: true, text: 600, ..asked.clone() };
    let mut path = path(&[asked.clone(), answered, asked]);
    let words = "  fn main() {\n    // indented\n}\n\n";
    path[1].parts[0].part = Part::Text { text: words.to_owned() };
    let pinned = BTreeSet::from([id(1)]);
    let context = fit(Given { path, pinned, budget: 200, ..Given::default() }).unwrap();
    let told = whole(&context);
    assert!(told.contains(&format!("<message from=\"person\">\n{words}\n</message>")), "{told}");
    assert_eq!(context.fates[&id(1)].state, FateState::Sent);
}

#[test]
fn an_old_output_is_shortened_by_a_marker_that_names_its_call() {
    let long = Said { answer: true, cut: false, text: 5, outputs: vec![9000], pinned: false };
    let short = Said { outputs: vec![10], ..long.clone() };
    let path = path(&[long, short]);
    let call_id = path[1].calls[0].id;
    let given = Given { path, budget: 1000, ..Given::default() };
    let context = fit(given).unwrap();
    assert_eq!(context.fates[&id(1)].state, FateState::Shortened(Reason::OldToolOutput));
    let told = whole(&context);
    assert!(
        told.contains(&format!("the first 400 of 9000 bytes. The whole output of this call, {call_id}")),
        "{told}"
    );
}
