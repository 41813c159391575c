//! Cancelling a turn, deleting a conversation.

use weir::chat::conversation::{Command, Refusal};
use weir::chat::turn::Effect;

use crate::chat::Chat;

#[test]
fn a_cancelled_answer_keeps_its_text() {
    let mut chat = Chat::new();
    let turn = chat.send("hi");
    chat.says(turn, "half");
    chat.cancel(turn);
    assert_eq!(chat.shown(), ["> hi", "half (cancelled)"]);
    assert_eq!(chat.effects, [Effect::CancelAttempt { turn_id: turn }]);
}

#[test]
fn a_turn_is_cancelled_once() {
    let mut chat = Chat::new();
    let turn = chat.send("hi");
    chat.cancel(turn);
    let log = chat.log.clone();
    chat.cancel(turn);
    assert_eq!(chat.log, log);
    assert_eq!(chat.effects, []);
}

#[test]
fn deleting_cancels_everything_and_nothing_follows() {
    let mut chat = Chat::new();
    let (running, queued) = (chat.send("one"), chat.send("two"));
    chat.says(running, "half");
    chat.run(Command::Delete).unwrap();
    assert_eq!(chat.story(running), ["turn.started", "turn.cancelled"]);
    assert_eq!(chat.story(queued), ["turn.queued", "turn.cancelled"]);
    assert_eq!(chat.shown(), ["> one", "half (cancelled)"]);
    assert_eq!(chat.effects, [Effect::CancelAttempt { turn_id: running }]);
    assert_eq!(chat.run(Command::Delete), Err(Refusal::Deleted));
    assert_eq!(chat.try_send("three", |_| {}), Err(Refusal::Deleted));
}
