//! Calls of tools: nothing runs before the policy and people said so, and nothing twice.

use weir::chat::approval::{Vote, VoteDecision};
use weir::chat::conversation::Command;
use weir::chat::event::Resolution;
use weir::chat::message::CallState;
use weir::chat::turn::{Effect, Ending, Input, Judgement, TurnState};
use weir::clock::Timestamp;
use weir::id::{ApprovalId, CallId, TurnId, UserId};

use crate::chat::Chat;
use crate::fixture::approval;

const QUESTION: ApprovalId = ApprovalId::from_bytes([8; 16]);

/// A turn whose model has called `tools`.
fn asked_for(tools: &[&str]) -> (Chat, TurnId) {
    let mut chat = Chat::new();
    let turn = chat.send("do it");
    tools.iter().for_each(|tool| chat.calls(turn, tool));
    chat.asks_for_tools(turn);
    (chat, turn)
}

fn asks_people(chat: &mut Chat, turn: TurnId, call: CallId, approvals: u32) {
    let question = Box::new(approval(QUESTION, turn, call, approvals));
    chat.judges(turn, call, Judgement::Ask(question));
}

fn votes(chat: &mut Chat, turn: TurnId, call: CallId, user: u8, decision: VoteDecision) {
    let at = Timestamp::from_millis(1);
    let vote = Vote {
        user_id: UserId::from_bytes([user; 16]),
        decision,
        reason: None,
        changed: None,
        remember: None,
        at,
    };
    let (vote, args_hash) = (Box::new(vote), "as shown".to_owned());
    let command = Command::Vote { turn_id: turn, call_id: call, approval_id: QUESTION, vote, args_hash };
    chat.run(command).expect("it counts");
}

fn allowed() -> Judgement {
    Judgement::Allowed { rule: None, idempotent: false, child_id: None }
}

fn state(chat: &Chat, turn: TurnId, n: usize) -> CallState {
    chat.state.turns[&turn].calls[n].call.state
}

#[test]
fn a_call_that_people_are_asked_about_starts_after_their_yes_and_another_look_at_the_policy() {
    let (mut chat, turn) = asked_for(&["refund"]);
    let call = chat.call(turn, 0);
    assert_eq!(chat.effects, [Effect::Judge { turn_id: turn, call_id: call }]);
    asks_people(&mut chat, turn, call, 1);
    assert_eq!(chat.state.turns[&turn].state, TurnState::Waiting);
    votes(&mut chat, turn, call, 1, VoteDecision::Approve);
    assert_eq!(state(&chat, turn, 0), CallState::Approved);
    assert!(chat.effects.contains(&Effect::Judge { turn_id: turn, call_id: call }), "{:?}", chat.effects);
    chat.judges(turn, call, allowed());
    assert_eq!(chat.effects, [Effect::RunTool { turn_id: turn, call_id: call, again: false }]);
    chat.turn(
        turn,
        Input::ToolEnded {
            call_id: call,
            ending: Ending::Succeeded { output: "ok".to_owned(), files: Vec::new() },
            spent: None,
        },
    );
    let asks_again = |effect: &Effect| matches!(effect, Effect::CallModel { .. });
    assert!(chat.effects.iter().any(asks_again), "{:?}", chat.effects);
}

#[test]
fn a_policy_that_became_stricter_after_the_yes_is_obeyed() {
    let (mut chat, turn) = asked_for(&["refund"]);
    let call = chat.call(turn, 0);
    asks_people(&mut chat, turn, call, 1);
    votes(&mut chat, turn, call, 1, VoteDecision::Approve);
    chat.judges(turn, call, Judgement::Denied { rule: None });
    assert_eq!(state(&chat, turn, 0), CallState::Denied);
}

#[test]
fn two_people_have_to_agree_where_two_are_asked() {
    let (mut chat, turn) = asked_for(&["refund"]);
    let call = chat.call(turn, 0);
    asks_people(&mut chat, turn, call, 2);
    votes(&mut chat, turn, call, 1, VoteDecision::Approve);
    assert_eq!(state(&chat, turn, 0), CallState::Pending);
    votes(&mut chat, turn, call, 2, VoteDecision::Approve);
    assert_eq!(state(&chat, turn, 0), CallState::Approved);
}

#[test]
fn the_turn_goes_on_when_the_last_call_has_its_end() {
    let (mut chat, turn) = asked_for(&["look", "refund"]);
    let (look, refund) = (chat.call(turn, 0), chat.call(turn, 1));
    chat.judges(turn, look, allowed());
    asks_people(&mut chat, turn, refund, 1);
    assert_eq!(chat.state.turns[&turn].state, TurnState::Running, "one of them runs");
    chat.turn(
        turn,
        Input::ToolEnded { call_id: look, ending: Ending::Failed { error: "no".to_owned() }, spent: None },
    );
    assert_eq!(chat.state.turns[&turn].state, TurnState::Waiting);
    votes(&mut chat, turn, refund, 1, VoteDecision::Deny);
    assert_eq!(chat.state.turns[&turn].state, TurnState::Running);
    assert!(!chat.state.turns[&turn].has_open_calls());
}

#[test]
fn what_was_started_before_a_restart_is_unknown_until_a_person_says_what_became_of_it() {
    let (mut chat, turn) = asked_for(&["refund"]);
    let call = chat.call(turn, 0);
    chat.judges(turn, call, allowed());
    chat.restarts();
    assert_eq!(state(&chat, turn, 0), CallState::Unknown);
    assert_eq!(chat.state.turns[&turn].state, TurnState::Waiting);
    let (resolved_by, again) = (UserId::from_bytes([1; 16]), CallId::from_bytes([7; 16]));
    let (resolution, output) = (Resolution::Retry, None);
    let retry = Command::Resolve { turn_id: turn, call_id: call, resolution, output, resolved_by, again };
    chat.run(retry.clone()).expect("it waits for that");
    assert_eq!(chat.effects[0], Effect::Judge { turn_id: turn, call_id: again });
    assert!(chat.run(retry).is_err(), "it is said once");
}

#[test]
fn what_does_nothing_twice_is_run_again_after_a_restart() {
    let (mut chat, turn) = asked_for(&["look"]);
    let call = chat.call(turn, 0);
    chat.judges(turn, call, Judgement::Allowed { rule: None, idempotent: true, child_id: None });
    chat.restarts();
    assert_eq!(state(&chat, turn, 0), CallState::Started);
    assert!(chat.effects.contains(&Effect::RunTool { turn_id: turn, call_id: call, again: true }));
}

#[test]
fn a_cancelled_turn_starts_nothing_more_and_does_not_know_what_became_of_what_runs() {
    let (mut chat, turn) = asked_for(&["look", "refund", "late"]);
    let calls = [0, 1, 2].map(|n| chat.call(turn, n));
    chat.judges(turn, calls[0], allowed());
    asks_people(&mut chat, turn, calls[1], 1);
    chat.cancel(turn);
    let story: Vec<_> = chat.story(turn).into_iter().rev().take(4).collect();
    assert_eq!(story, ["turn.cancelled", "tool.cancelled", "tool.cancelled", "tool.unknown"]);
}
