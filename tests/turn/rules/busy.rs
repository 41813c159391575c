//! A send to a leaf where a turn runs already, and elsewhere in the tree.

use weir::chat::conversation::{MAX_QUEUED_TURNS, OnBusy, Parent, Refusal};
use weir::chat::event::Event;
use weir::chat::turn::TurnRequest;
use weir::id::UserId;
use weir::scope::WorkspaceRole;

use crate::chat::Chat;
use crate::fixture::request;

#[test]
fn a_second_send_waits_behind_the_first() {
    let mut chat = Chat::new();
    let first = chat.send("one");
    chat.says(first, "uno");
    let second = chat.send("two");
    assert_eq!(chat.queue(), [second]);
    assert_eq!(chat.shown(), ["> one", "uno (streaming)"]);
    chat.finishes(first);
    assert_eq!(chat.shown(), ["> one", "uno", "> two"]);
    assert_eq!(chat.story(second), ["turn.queued", "turn.started"]);
}

#[test]
fn rejecting_says_which_turn_is_in_progress() {
    let mut chat = Chat::new();
    let turn_id = chat.send("one");
    let refused = chat.try_send("two", |send| send.on_busy = Some(OnBusy::Reject));
    assert_eq!(refused, Err(Refusal::TurnInProgress { turn_id }));
}

#[test]
fn behind_a_turn_that_waits_for_a_person_one_says_on_busy() {
    let mut chat = Chat::new();
    let turn_id = chat.send("one");
    chat.waits(turn_id);
    assert_eq!(chat.try_send("two", |_| {}), Err(Refusal::TurnWaiting { turn_id }));
    let queued = chat.send_with("two", |send| send.on_busy = Some(OnBusy::Queue));
    assert_eq!(chat.queue(), [queued]);
}

#[test]
fn interrupting_keeps_the_partial_answer_and_runs_before_the_queue() {
    let mut chat = Chat::new();
    let first = chat.send("one");
    let second = chat.send("two");
    chat.says(first, "half");
    let urgent = chat.send_with("stop", |send| send.on_busy = Some(OnBusy::Interrupt));
    assert_eq!(chat.shown(), ["> one", "half (cancelled)", "> stop"]);
    assert_eq!(chat.queue(), [second]);
    chat.answers(urgent, "stopped");
    assert_eq!(chat.shown(), ["> one", "half (cancelled)", "> stop", "stopped", "> two"]);
}

#[test]
fn a_message_is_steered_in_before_the_next_step() {
    let mut chat = Chat::new();
    let turn = chat.send("one");
    chat.calls(turn, "clock");
    let steered = chat.send_with("and two", |send| send.on_busy = Some(OnBusy::Steer));
    assert_eq!(chat.queue(), [steered]);
    chat.finishes(turn);
    chat.answers(turn, "both");
    assert_eq!(chat.shown(), ["> one", "{}", "> and two", "both"]);
    assert_eq!(chat.story(steered), ["turn.queued", "turn.completed"]);
    let into = chat.events().find_map(|event| match event {
        Event::TurnCompleted { turn_id, steered_into, .. } if *turn_id == steered => *steered_into,
        _ => None,
    });
    assert_eq!(into, Some(turn));
}

#[test]
fn nobody_steers_a_turn_that_may_do_what_they_may_not() {
    let widest = request();
    let others = [
        TurnRequest { requested_by: UserId::new(), ..widest.clone() },
        TurnRequest { requested_role: WorkspaceRole::Viewer, ..widest.clone() },
        TurnRequest { only_here: true, ..widest },
    ];
    for request in others {
        let mut chat = Chat::new();
        let turn = chat.send("one");
        chat.calls(turn, "clock");
        let steered = chat.send_with("and two", |send| {
            (send.on_busy, send.request) = (Some(OnBusy::Steer), request);
        });
        chat.finishes(turn);
        assert_eq!(chat.queue(), [steered]);
        chat.answers(turn, "uno");
        assert_eq!(chat.shown(), ["> one", "{}", "uno", "> and two"]);
    }
}

#[test]
fn a_message_that_finds_no_next_step_becomes_a_turn() {
    let mut chat = Chat::new();
    let turn = chat.send("one");
    let steered = chat.send_with("and two", |send| send.on_busy = Some(OnBusy::Steer));
    chat.answers(turn, "uno");
    assert_eq!(chat.shown(), ["> one", "uno", "> and two"]);
    assert_eq!(chat.story(steered), ["turn.queued", "turn.started"]);
}

#[test]
fn a_cut_answer_is_finished_before_a_message_is_steered_in() {
    let mut chat = Chat::new();
    let turn = chat.send("one");
    chat.says(turn, "half");
    let steered = chat.send_with("and two", |send| send.on_busy = Some(OnBusy::Steer));
    chat.breaks(turn);
    assert_eq!(chat.queue(), [steered]);
    chat.calls(turn, "clock");
    chat.finishes(turn);
    assert_eq!(chat.shown(), ["> one", "half (interrupted)", "{}", "> and two"]);
}

#[test]
fn elsewhere_in_the_tree_a_send_starts_at_once_and_takes_the_view_along() {
    let mut chat = Chat::new();
    let first = chat.send("one");
    let question = chat.leaf(first);
    chat.says(first, "uno");
    let edited = chat.send_to("more", question);
    assert_eq!(chat.shown(), ["> one", "> more"]);
    assert_eq!(chat.state.turns.keys().copied().collect::<Vec<_>>(), [first, edited]);
    chat.finishes(first);
    assert_eq!(chat.shown(), ["> one", "> more"]);
}

#[test]
fn two_sends_to_the_same_old_message_are_siblings() {
    let mut chat = Chat::new();
    let turn = chat.send("one");
    chat.answers(turn, "uno");
    let answer = chat.state.head.expect("it was answered");
    let (left, right) = (chat.send_to("left", answer), chat.send_to("right", answer));
    assert_eq!(chat.path(Some(chat.leaf(left))), ["> one", "uno", "> left"]);
    assert_eq!(chat.path(Some(chat.leaf(right))), ["> one", "uno", "> right"]);
}

#[test]
fn a_named_parent_is_kept_behind_a_busy_leaf_and_takes_the_view_along() {
    let mut chat = Chat::new();
    let turn = chat.send("one");
    chat.calls(turn, "clock");
    let named = chat.send_to("about that", chat.leaf(turn));
    assert_eq!(chat.queue(), [named]);
    chat.finishes(turn);
    chat.answers(turn, "uno");
    assert_eq!(chat.shown(), ["> one", "{}", "> about that"]);
}

#[test]
fn a_steered_message_leaves_the_view_of_another_branch_alone() {
    let mut chat = Chat::new();
    let turn = chat.send("one");
    chat.send_with("and two", |send| send.on_busy = Some(OnBusy::Steer));
    chat.send_with("other", |send| send.parent = Parent::Root);
    chat.calls(turn, "clock");
    chat.finishes(turn);
    assert_eq!(chat.path(Some(chat.leaf(turn))), ["> one", "{}", "> and two"]);
    assert_eq!(chat.shown(), ["> other"]);
}

#[test]
fn interrupting_needs_no_room_in_the_queue() {
    let mut chat = Chat::new();
    chat.send("one");
    for _ in 0..MAX_QUEUED_TURNS {
        chat.send("more");
    }
    chat.send_with("stop", |send| send.on_busy = Some(OnBusy::Interrupt));
    assert_eq!(chat.shown(), ["> one", "> stop"]);
}
