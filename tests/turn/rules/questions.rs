//! Questions of running tools: one at a time, answered once, and over with their call.

use std::time::Duration;

use weir::chat::conversation::{Command, Refusal};
use weir::chat::question::{Answer, AnswerAction, Question};
use weir::chat::turn::{Effect, Ending, Input, Judgement, TurnState, Wake};
use weir::id::{CallId, QuestionId, TurnId};

use crate::chat::Chat;

const QUESTION: QuestionId = QuestionId::from_bytes([6; 16]);

/// A call that runs and asks.
fn asking(idempotent: bool) -> (Chat, TurnId, CallId) {
    let mut chat = Chat::new();
    let turn = chat.send("do it");
    chat.calls(turn, "book");
    chat.asks_for_tools(turn);
    let call = chat.call(turn, 0);
    chat.judges(turn, call, Judgement::Allowed { rule: None, idempotent, child_id: None });
    asks(&mut chat, turn, call, QUESTION);
    (chat, turn, call)
}

fn asks(chat: &mut Chat, turn: TurnId, call: CallId, id: QuestionId) {
    let question = Question { id, message: "Which seat?".to_owned(), schema: None, url: None };
    chat.turn(turn, Input::ToolAsked { call_id: call, question });
}

fn answer(turn_id: TurnId, call_id: CallId) -> Command {
    let answer = Answer { action: AnswerAction::Decline, content: None };
    Command::Answer { turn_id, call_id, question_id: QUESTION, answer }
}

fn open(chat: &Chat, turn: TurnId) -> Option<QuestionId> {
    chat.state.turns[&turn].calls[0].call.question.as_ref().map(|question| question.id)
}

#[test]
fn a_question_stands_on_its_call_until_the_first_answer() {
    let (mut chat, turn, call) = asking(false);
    assert_eq!(open(&chat, turn), Some(QUESTION));
    assert!(matches!(chat.effects[..], [Effect::WakeAt { wake: Wake::Question(QUESTION), .. }]));
    chat.run(answer(turn, call)).expect("it is asked");
    assert_eq!(open(&chat, turn), None);
    let answer = Answer { action: AnswerAction::Decline, content: None };
    assert_eq!(chat.effects, [Effect::PassAnswer { call_id: call, question_id: QUESTION, answer }]);
    assert_eq!(chat.run(self::answer(turn, call)), Err(Refusal::NotWaiting { call_id: call }));
}

#[test]
fn a_second_question_waits_for_nobody() {
    let (mut chat, turn, call) = asking(false);
    let second = QuestionId::from_bytes([5; 16]);
    asks(&mut chat, turn, call, second);
    let answer = Answer::cancel();
    assert_eq!(chat.effects, [Effect::PassAnswer { call_id: call, question_id: second, answer }]);
    assert_eq!(open(&chat, turn), Some(QUESTION));
}

#[test]
fn a_question_that_nobody_answers_is_cancelled() {
    let (mut chat, turn, call) = asking(false);
    chat.turn(turn, Input::QuestionExpired { question_id: QUESTION });
    let answer = Answer::cancel();
    assert_eq!(chat.effects, [Effect::PassAnswer { call_id: call, question_id: QUESTION, answer }]);
    assert_eq!(open(&chat, turn), None);
}

#[test]
fn a_turn_does_not_run_out_of_time_while_a_person_thinks() {
    let (mut chat, turn, call) = asking(false);
    chat.turn(turn, Input::DeadlinePassed);
    assert_eq!(chat.state.turns[&turn].state, TurnState::Running);
    let wall = Duration::from_millis(chat.state.turns[&turn].plan.limits.max_wall_ms);
    let [Effect::WakeAt { wake: Wake::Deadline, at, .. }] = chat.effects[..] else {
        panic!("{:?}", chat.effects)
    };
    assert!(at >= chat.state.turns[&turn].plan.started_at.plus(wall));
    chat.run(answer(turn, call)).expect("it is asked");
    chat.turn(turn, Input::DeadlinePassed);
    assert!(!chat.state.turns.contains_key(&turn), "its time is over");
}

#[test]
fn a_question_is_over_with_its_call() {
    let (mut chat, turn, call) = asking(false);
    chat.turn(
        turn,
        Input::ToolEnded { call_id: call, ending: Ending::Unknown { error: "gone".to_owned() }, spent: None },
    );
    assert_eq!(open(&chat, turn), None);
    assert_eq!(chat.run(answer(turn, call)), Err(Refusal::NotWaiting { call_id: call }));
}

#[test]
fn a_restart_ends_the_question_of_a_call_that_runs_again() {
    let (mut chat, turn, call) = asking(true);
    chat.restarts();
    assert_eq!(open(&chat, turn), None);
    assert!(
        chat.effects.contains(&Effect::RunTool { turn_id: turn, call_id: call, again: true }),
        "{:?}",
        chat.effects
    );
}
