//! What waits: for a turn of its branch, or for one of the few slots.

use weir::chat::conversation::{
    Command, ConversationChanges, ConversationInfo, MAX_QUEUED_TURNS, Parent, Refusal,
};
use weir::chat::message::Part;
use weir::id::TurnId;

use crate::chat::Chat;
use crate::fixture::info;

/// One that runs, and three that wait behind it.
fn queued() -> (Chat, TurnId, [TurnId; 3]) {
    let mut chat = Chat::new();
    let running = chat.send("run");
    let queued = ["a", "b", "c"].map(|text| chat.send(text));
    (chat, running, queued)
}

#[test]
fn a_withdrawn_message_is_never_a_node() {
    let (mut chat, running, [a, b, c]) = queued();
    chat.run(Command::Withdraw { turn_id: b }).unwrap();
    assert_eq!(chat.queue(), [a, c]);
    assert_eq!(chat.story(b), ["turn.queued", "turn.cancelled"]);
    chat.answers(running, "1");
    chat.answers(a, "2");
    assert_eq!(chat.shown(), ["> run", "1", "> a", "2", "> c"]);
}

#[test]
fn only_what_is_queued_is_withdrawn_or_edited() {
    let (mut chat, turn_id, _) = queued();
    assert_eq!(chat.run(Command::Withdraw { turn_id }), Err(Refusal::NotQueued { turn_id }));
    let edit = Command::EditQueued { turn_id, parts: Vec::new() };
    assert_eq!(chat.run(edit), Err(Refusal::NotQueued { turn_id }));
}

#[test]
fn an_edited_message_is_sent_as_it_was_edited() {
    let (mut chat, running, [a, ..]) = queued();
    let parts = vec![Part::Text { text: "A".to_owned() }];
    chat.run(Command::EditQueued { turn_id: a, parts }).unwrap();
    chat.answers(running, "1");
    assert_eq!(chat.shown(), ["> run", "1", "> A"]);
}

#[test]
fn the_queue_runs_in_the_order_that_it_was_given() {
    let (mut chat, running, [a, b, c]) = queued();
    chat.run(Command::Reorder { turn_ids: vec![c, a, b] }).unwrap();
    chat.answers(running, "1");
    chat.answers(c, "2");
    assert_eq!(chat.shown(), ["> run", "1", "> c", "2", "> a"]);
}

#[test]
fn another_queue_than_the_present_one_is_not_reordered() {
    let (mut chat, _, [a, b, c]) = queued();
    for turn_ids in [vec![], vec![a, b], vec![a, b, c, c], vec![a, a, b]] {
        let refused = chat.run(Command::Reorder { turn_ids });
        assert_eq!(refused, Err(Refusal::QueueDiffers { turn_ids: vec![a, b, c] }));
    }
}

#[test]
fn a_full_queue_takes_no_more() {
    let mut chat = Chat::new();
    let running = chat.send("run");
    for _ in 0..MAX_QUEUED_TURNS {
        chat.send("more");
    }
    assert_eq!(chat.try_send("too much", |_| {}), Err(Refusal::QueueFull));
    chat.answers(running, "1");
    assert!(chat.try_send("now", |_| {}).is_ok());
}

#[test]
fn a_fifth_branch_waits_for_a_slot_and_keeps_its_place() {
    let (mut chat, turns) = Chat::full();
    let old = chat.leaf(turns[0]);
    chat.says(turns[0], "1");
    let fifth = chat.send_to("e", old);
    assert_eq!(chat.queue(), [fifth]);
    chat.answers(turns[2], "3");
    assert_eq!(chat.path(Some(chat.leaf(fifth))), ["> a", "> e"]);
}

#[test]
fn a_fifth_root_is_refused() {
    let (mut chat, _) = Chat::full();
    let refused = chat.try_send("e", |send| send.parent = Parent::Root);
    assert_eq!(refused, Err(Refusal::TooManyTurns));
}

#[test]
fn the_queue_follows_its_branch_and_leaves_the_view_alone() {
    let mut chat = Chat::new();
    let first = chat.send("one");
    chat.send("two");
    chat.send_with("other", |send| send.parent = Parent::Root);
    chat.answers(first, "uno");
    assert_eq!(chat.shown(), ["> other"]);
}

#[test]
fn an_update_changes_what_it_names() {
    let mut chat = Chat::new();
    let changes = ConversationChanges { title: Some(Some("t".to_owned())), ..ConversationChanges::default() };
    chat.run(Command::Update { changes }).unwrap();
    let title = Some("t".to_owned());
    assert_eq!(*chat.state.info, ConversationInfo { title, ..info() });
}

/// Four turns run, two messages wait for a slot below an old answer that the view was switched to.
fn waiting_for_a_slot() -> (Chat, TurnId, [TurnId; 2]) {
    let mut chat = Chat::new();
    let old = chat.send("old");
    chat.answers(old, "answer");
    let answer = chat.state.head.expect("it was answered");
    let [running, ..] = chat.fill();
    chat.switches_to(answer);
    let waiting = ["x", "y"].map(|text| chat.send(text));
    (chat, running, waiting)
}

#[test]
fn what_waits_for_a_slot_is_followed_by_what_is_sent_after_it() {
    let (mut chat, running, [x, y]) = waiting_for_a_slot();
    chat.answers(running, "1");
    assert_eq!(chat.queue(), [y]);
    chat.answers(x, "2");
    assert_eq!(chat.shown(), ["> old", "answer", "> x", "2", "> y"]);
}

#[test]
fn what_follows_a_withdrawn_message_takes_its_place() {
    let (mut chat, running, [x, y]) = waiting_for_a_slot();
    chat.run(Command::Withdraw { turn_id: x }).unwrap();
    chat.switches_to(chat.leaf(running));
    chat.answers(running, "1");
    assert_eq!(chat.path(Some(chat.leaf(y))), ["> old", "answer", "> y"]);
    assert_eq!(chat.shown(), ["> a", "1"]);
}

#[test]
fn what_is_moved_ahead_takes_the_place_of_what_it_overtakes() {
    let (mut chat, running, [x, y]) = waiting_for_a_slot();
    chat.run(Command::Reorder { turn_ids: vec![y, x] }).unwrap();
    chat.switches_to(chat.leaf(running));
    chat.answers(running, "1");
    chat.answers(y, "2");
    assert_eq!(chat.path(Some(chat.leaf(x))), ["> old", "answer", "> y", "2", "> x"]);
}

#[test]
fn two_sends_to_the_same_old_message_are_siblings_when_they_wait_too() {
    let (mut chat, turns) = Chat::full();
    let question = chat.leaf(turns[0]);
    chat.says(turns[0], "1");
    let siblings = ["left", "right"].map(|text| chat.send_to(text, question));
    chat.answers(turns[2], "3");
    chat.answers(turns[3], "4");
    let paths = siblings.map(|turn| chat.path(Some(chat.leaf(turn))));
    assert_eq!(paths, [["> a", "> left"], ["> a", "> right"]]);
}

#[test]
fn a_branch_goes_on_in_the_slot_that_its_own_turn_left() {
    let (mut chat, [a, .., d]) = Chat::full();
    let question = chat.leaf(a);
    chat.says(a, "1");
    let elsewhere = chat.send_to("e", question);
    let next = chat.send("and then");
    assert_eq!(chat.queue(), [elsewhere, next]);
    chat.answers(d, "4");
    assert_eq!(chat.shown(), ["> d", "4", "> and then"]);
    chat.finishes(a);
    assert_eq!(chat.path(Some(chat.leaf(elsewhere))), ["> a", "> e"]);
}
