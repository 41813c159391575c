//! What a turn may use at most.

use weir::chat::turn::{Effect, Input, Limits, Wake};
use weir::clock::Timestamp;
use weir::id::TurnId;

use crate::chat::{Chat, LIMITS};

fn limited(limits: Limits) -> (Chat, TurnId) {
    let mut chat = Chat::new();
    let turn = chat.send_with("go", |send| send.limits = limits);
    chat.calls(turn, "clock");
    chat.finishes(turn);
    (chat, turn)
}

#[test]
fn a_turn_makes_no_more_steps_than_it_may() {
    let (mut chat, turn) = limited(Limits { max_steps: 2, ..LIMITS });
    chat.calls(turn, "clock");
    chat.finishes(turn);
    assert_eq!(chat.failure(turn), Some("the turn made 2 model calls, its limit"));
    assert_eq!(chat.effects, []);
}

#[test]
fn a_last_step_that_answers_is_no_failure() {
    let (mut chat, turn) = limited(Limits { max_steps: 2, ..LIMITS });
    chat.answers(turn, "done");
    assert_eq!(chat.failure(turn), None);
}

#[test]
fn a_turn_uses_no_more_tokens_than_it_may() {
    let (mut chat, turn) = limited(Limits { max_tokens: Some(30), ..LIMITS });
    assert_eq!(chat.failure(turn), None);
    chat.calls(turn, "clock");
    chat.finishes(turn);
    assert_eq!(chat.failure(turn), Some("the turn used 30 tokens, its limit is 30"));
}

#[test]
fn a_turn_takes_no_longer_than_it_may() {
    let mut chat = Chat::new();
    let turn = chat.send("hi");
    let at = Timestamp::from_millis(60_000);
    assert!(chat.effects.contains(&Effect::WakeAt { turn_id: turn, wake: Wake::Deadline, at }));
    chat.says(turn, "half");
    chat.turn(turn, Input::DeadlinePassed);
    assert_eq!(chat.shown(), ["> hi", "half (interrupted)"]);
    assert_eq!(chat.failure(turn), Some("the turn took longer than 60 s"));
    assert_eq!(chat.effects, [Effect::CancelAttempt { turn_id: turn }]);
}
