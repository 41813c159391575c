//! What becomes of an answer that was cut.

use weir::chat::conversation::Parent;
use weir::chat::event::{Event, ResumeReason};
use weir::chat::message::Part;
use weir::chat::turn::{Effect, Fence, Placement, Recovery, Wake};
use weir::clock::Timestamp;

use crate::chat::Chat;

#[test]
fn a_cut_answer_is_continued_below_itself() {
    let mut chat = Chat::new();
    let turn = chat.send("hi");
    chat.says(turn, "half");
    chat.restarts();
    assert_eq!(chat.shown(), ["> hi", "half (interrupted)"]);
    assert_eq!(chat.fence(turn), Fence { attempt: 2, step: 1 });
    chat.answers(turn, "and the rest");
    assert_eq!(chat.shown(), ["> hi", "half (interrupted)", "and the rest"]);
    assert_eq!(chat.story(turn), ["turn.started", "turn.resumed", "turn.completed"]);
}

#[test]
fn a_restart_asks_again_and_winds_the_clock_again() {
    let mut chat = Chat::new();
    let turn = chat.send("hi");
    chat.restarts();
    let fence = Fence { attempt: 2, step: 1 };
    let at = Timestamp::from_millis(60_000);
    let expected = [
        Effect::CallModel { turn_id: turn, fence },
        Effect::WakeAt { turn_id: turn, wake: Wake::Deadline, at },
    ];
    assert_eq!(chat.effects, expected);
}

#[test]
fn a_restarting_model_makes_a_sibling_and_moves_the_head() {
    let mut chat = Chat::new();
    let turn = chat.send("hi");
    chat.says(turn, "half");
    chat.breaks(turn);
    chat.opens(turn, Placement::Sibling);
    chat.answers(turn, "half and the rest");
    assert_eq!(chat.shown(), ["> hi", "half and the rest"]);
}

#[test]
fn a_sibling_leaves_the_view_of_another_branch_alone() {
    let mut chat = Chat::new();
    let turn = chat.send("hi");
    chat.says(turn, "half");
    let elsewhere = chat.send_with("other", |send| send.parent = Parent::Root);
    chat.breaks(turn);
    chat.opens(turn, Placement::Sibling);
    chat.answers(turn, "whole");
    assert_eq!(chat.shown(), ["> other"]);
    chat.answers(elsewhere, "yes");
    assert_eq!(chat.shown(), ["> other", "yes"]);
}

#[test]
fn the_policy_fail_ends_the_turn_as_interrupted() {
    let mut chat = Chat::new();
    let turn = chat.send_with("hi", |send| send.recovery = Recovery::Fail);
    chat.says(turn, "half");
    chat.restarts();
    assert_eq!(chat.shown(), ["> hi", "half (interrupted)"]);
    assert_eq!(chat.story(turn), ["turn.started", "turn.interrupted"]);
}

#[test]
fn three_attempts_in_vain_are_enough() {
    let mut chat = Chat::new();
    let turn = chat.send("hi");
    for _ in 0..3 {
        chat.says(turn, "x");
        chat.breaks(turn);
    }
    assert_eq!(chat.story(turn), ["turn.started", "turn.resumed", "turn.resumed", "turn.interrupted"]);
    let cut = "x (interrupted)";
    assert_eq!(chat.shown(), ["> hi", cut, cut, cut]);
}

#[test]
fn a_completed_step_earns_three_attempts_more() {
    let mut chat = Chat::new();
    let turn = chat.send("hi");
    chat.breaks(turn);
    chat.restarts();
    chat.calls(turn, "clock");
    chat.finishes(turn);
    chat.breaks(turn);
    chat.breaks(turn);
    assert_eq!(chat.fence(turn), Fence { attempt: 5, step: 2 });
    chat.breaks(turn);
    assert_eq!(chat.story(turn).last(), Some(&"turn.interrupted"));
}

#[test]
fn a_call_that_was_not_whole_is_discarded_and_one_that_was_never_runs() {
    let mut chat = Chat::new();
    let turn = chat.send("hi");
    chat.calls(turn, "whole");
    chat.begins_call(turn, "half", "{\"a");
    chat.breaks(turn);
    let discarded: Vec<&Part> = chat
        .events()
        .filter_map(|event| match event {
            Event::PartCompleted { part, .. } => part.as_ref(),
            _ => None,
        })
        .collect();
    assert!(
        matches!(discarded[..], [Part::ToolCall { name, discarded: true, .. }] if name == "half"),
        "{discarded:?}"
    );
    assert_eq!(chat.story(turn), ["turn.started", "turn.resumed"]);
}

#[test]
fn a_turn_that_waits_for_a_person_goes_on_waiting() {
    let mut chat = Chat::new();
    let turn = chat.send("hi");
    chat.waits(turn);
    let log = chat.log.clone();
    chat.restarts();
    assert_eq!(chat.log, log);
}

#[test]
fn the_reason_for_another_attempt_is_told() {
    let mut chat = Chat::new();
    let turn = chat.send("hi");
    chat.restarts();
    chat.breaks(turn);
    let reasons: Vec<ResumeReason> = chat
        .events()
        .filter_map(|event| match event {
            Event::TurnResumed { reason, .. } => Some(*reason),
            _ => None,
        })
        .collect();
    assert_eq!(reasons, [ResumeReason::Restart, ResumeReason::ProviderInterrupted]);
}

#[test]
fn the_policy_restart_makes_a_sibling_however_the_model_begins() {
    let mut chat = Chat::new();
    let turn = chat.send_with("hi", |send| send.recovery = Recovery::Restart);
    chat.says(turn, "half");
    chat.breaks(turn);
    chat.opens(turn, Placement::Child);
    chat.answers(turn, "whole");
    assert_eq!(chat.shown(), ["> hi", "whole"]);
}
