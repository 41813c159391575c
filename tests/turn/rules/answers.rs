//! What a model says, and what comes of it.

use weir::chat::event::{Entry, Event};
use weir::chat::message::{FinishReason, Part};
use weir::chat::turn::{CallFailure, Effect, Fence, Input, ModelOutput, Placement};

use crate::chat::Chat;
use crate::fixture::problem;

#[test]
fn an_answer_streams_below_its_question_and_the_view_follows() {
    let mut chat = Chat::new();
    let turn = chat.send("hi");
    chat.says(turn, "hel");
    assert_eq!(chat.shown(), ["> hi", "hel (streaming)"]);
    chat.outputs(turn, ModelOutput::Delta { index: 0, text: "lo".to_owned() });
    chat.finishes(turn);
    assert_eq!(chat.shown(), ["> hi", "hello"]);
    assert_eq!(chat.story(turn), ["turn.started", "turn.completed"]);
    assert!(chat.state.is_idle());
}

#[test]
fn an_answer_without_parts_is_an_answer() {
    let mut chat = Chat::new();
    let turn = chat.send("hi");
    chat.finishes(turn);
    assert_eq!(chat.shown(), ["> hi", ""]);
    assert_eq!(chat.story(turn), ["turn.started", "turn.completed"]);
}

#[test]
fn what_a_dead_attempt_says_is_not_heard() {
    let mut chat = Chat::new();
    let turn = chat.send("hi");
    let dead = chat.fence(turn);
    chat.says(turn, "half");
    chat.breaks(turn);
    let log = chat.log.clone();
    chat.turn(
        turn,
        Input::MessageOpened { fence: dead, model: None, placement: Placement::Child, response_id: None },
    );
    let finished = ModelOutput::Finished { finish_reason: FinishReason::Stop, usage: None };
    chat.turn(turn, Input::Model { fence: dead, output: finished });
    let failure = CallFailure::Refused { problem: problem() };
    chat.turn(turn, Input::ModelFailed { fence: dead, failure });
    assert_eq!(chat.log, log);
}

#[test]
fn parallel_calls_are_answered_one_by_one_in_their_order() {
    let mut chat = Chat::new();
    let turn = chat.send("what time is it, and where");
    for tool in ["clock", "map", "moon"] {
        chat.calls(turn, tool);
    }
    chat.finishes(turn);
    let told: Vec<String> = chat
        .events()
        .filter_map(|event| match event {
            Event::ToolProposed { call, .. } => Some(format!("{} {}", call.tool, call.args_text)),
            Event::ToolFailed { error, .. } => Some(error.clone()),
            _ => None,
        })
        .collect();
    let failed = |tool: &str| format!("the tool `{tool}` is not available");
    let proposed = ["clock {}", "map {}", "moon {}"].map(str::to_owned);
    assert_eq!(told, [proposed, ["clock", "map", "moon"].map(failed)].concat());
    let next = Fence { attempt: 1, step: 2 };
    assert_eq!(chat.effects, [Effect::CallModel { turn_id: turn, fence: next }]);
    chat.answers(turn, "I don't know");
    assert_eq!(chat.shown(), ["> what time is it, and where", "{}{}{}", "I don't know"]);
}

#[test]
fn truncated_arguments_are_answered_and_never_taken_for_json() {
    let mut chat = Chat::new();
    let turn = chat.send("delete it");
    chat.begins_call(turn, "rm", "{\"path\": \"/tm");
    chat.outputs(turn, ModelOutput::Finished { finish_reason: FinishReason::Length, usage: None });
    chat.has_no_tools(turn);
    let call = chat.events().find_map(|event| match event {
        Event::ToolProposed { call, .. } => Some(call),
        _ => None,
    });
    let call = call.expect("the model is told");
    assert_eq!((call.args.clone(), call.args_text.as_str()), (None, "{\"path\": \"/tm"));
    assert_eq!(chat.story(turn), ["turn.started", "tool.proposed", "tool.failed"]);
}

#[test]
fn a_refused_call_fails_the_turn() {
    let mut chat = Chat::new();
    let turn = chat.send("hi");
    chat.says(turn, "half");
    let failure = CallFailure::Refused { problem: problem() };
    chat.turn(turn, Input::ModelFailed { fence: chat.fence(turn), failure });
    assert_eq!(chat.shown(), ["> hi", "half (failed)"]);
    assert_eq!(chat.story(turn), ["turn.started", "turn.failed"]);
}

#[test]
fn a_part_that_comes_whole_takes_no_deltas() {
    let mut chat = Chat::new();
    let turn = chat.send("hi");
    let source = Part::Source { url: "https://example.com".to_owned(), title: None };
    chat.begins(turn, source, "text that would be lost");
    assert!(chat.log.iter().all(|entry| matches!(entry, Entry::Event(_))), "{:?}", chat.log);
}

#[test]
fn a_part_that_begins_with_text_says_it_as_a_delta() {
    let mut chat = Chat::new();
    let turn = chat.send("hi");
    chat.begins(turn, Part::Text { text: "hel".to_owned() }, "lo");
    chat.finishes(turn);
    let started = chat.events().find_map(|event| match event {
        Event::PartStarted { part, .. } => Some(part.streamed()),
        _ => None,
    });
    let bytes = chat.events().find_map(|event| match event {
        Event::PartCompleted { bytes, .. } => Some(*bytes),
        _ => None,
    });
    assert_eq!((started, bytes), (Some(""), Some(5)));
    assert_eq!(chat.shown(), ["> hi", "hello"]);
}

#[test]
fn a_turn_that_waits_for_a_person_hears_nothing_from_a_model() {
    let mut chat = Chat::new();
    let turn = chat.send("hi");
    chat.waits(turn);
    let log = chat.log.clone();
    chat.opens(turn, Placement::Child);
    chat.finishes(turn);
    chat.breaks(turn);
    assert_eq!(chat.log, log);
}
