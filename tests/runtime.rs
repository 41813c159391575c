//! The runtime through its public face: real SQLite, the demo model or a scripted one, no HTTP.

#[allow(dead_code, reason = "each suite uses its part of what they share")]
mod support {
    pub mod runtime;
}

use std::time::Duration;

use serde_json::json;
use support::runtime::{Bench, Script};

use weir::chat::conversation::OnBusy;
use weir::chat::message::MessageStatus;
use weir::chat::turn::{ModelOutput, TurnState};
use weir::runtime::From;

#[tokio::test]
async fn a_follower_sees_what_is_stored_and_positions_tile() {
    let bench = Bench::new(Script::saying("Hello, wörld! 🙂 How are you?")).await;
    let conversation = bench.create().await;
    let sent = bench.send(conversation, "hi").await;
    let log = bench.follow_until_turn_ends(conversation, From::Beginning, sent).await;
    log.assert_tiles();
    let messages = bench.messages(conversation).await;
    assert_eq!(messages[0].status, MessageStatus::Complete);
    assert_eq!(messages[0].parts[0].streamed(), "Hello, wörld! 🙂 How are you?");
    assert_eq!(log.text_of(messages[0].id), "Hello, wörld! 🙂 How are you?");
}

#[tokio::test]
async fn every_cursor_resumes_exactly_once() {
    let bench = Bench::new(Script::saying("Ein Überfluß an Wörtern 🙂 und noch mehr")).await;
    let conversation = bench.create().await;
    let sent = bench.send(conversation, "hi").await;
    let whole = bench.follow_until_turn_ends(conversation, From::Beginning, sent).await;
    for cursor in whole.honest_cursors() {
        let rest = bench.follow_until_turn_ends(conversation, From::Cursor(bench.cursor(cursor)), sent).await;
        rest.assert_tiles();
        assert_eq!(rest.start(), Some(cursor));
        assert_eq!(rest.end(), whole.end());
    }
}

#[tokio::test]
async fn a_second_message_waits_for_the_first_answer() {
    let bench = Bench::new(Script::saying("one two three").gated()).await;
    let conversation = bench.create().await;
    let first = bench.send(conversation, "first").await;
    let second = bench.send(conversation, "second").await;
    assert_eq!(bench.turn_state(second).await, TurnState::Queued);
    bench.script.open_gate();
    bench.wait_for(first).await;
    bench.wait_for(second).await;
    let texts: Vec<String> =
        bench.messages(conversation).await.iter().rev().map(|m| m.parts[0].streamed().to_owned()).collect();
    assert_eq!(texts, ["first", "one two three", "second", "one two three"]);
}

#[tokio::test]
async fn an_interrupting_message_keeps_the_partial_answer() {
    let bench = Bench::new(Script::saying("one two three").gated()).await;
    let conversation = bench.create().await;
    let first = bench.send(conversation, "first").await;
    bench.wait_for_text(conversation, "one").await;
    let second = bench.send_with(conversation, "second", Some(OnBusy::Interrupt)).await;
    assert_eq!(bench.turn_state(first).await, TurnState::Cancelled);
    bench.script.open_gate();
    bench.wait_for(second).await;
    let messages = bench.messages(conversation).await;
    let statuses: Vec<MessageStatus> = messages.iter().rev().map(|m| m.status).collect();
    use MessageStatus::{Cancelled, Complete};
    assert_eq!(statuses, [Complete, Cancelled, Complete, Complete]);
    assert!(messages[2].parts[0].streamed().starts_with("one"));
}

#[tokio::test]
async fn a_broken_answer_is_continued_below_itself() {
    let script = Script::saying("The answer to your question is long").breaking_after(3);
    let bench = Bench::new(script).await;
    let conversation = bench.create().await;
    bench.script.then_say(" and here it goes on.");
    let sent = bench.send(conversation, "hi").await;
    bench.wait_for(sent).await;
    let messages = bench.messages(conversation).await;
    assert_eq!(messages[1].status, MessageStatus::Interrupted);
    assert_eq!(messages[0].status, MessageStatus::Complete);
    assert_eq!(messages[0].parent_id, Some(messages[1].id));
    assert_eq!(messages[0].parts[0].streamed(), " and here it goes on.");
}

#[tokio::test]
async fn a_model_that_begins_again_makes_a_sibling() {
    let script = Script::saying("The answer to your question is long").breaking_after(5);
    let bench = Bench::new(script).await;
    let conversation = bench.create().await;
    bench.script.then_say("The answer to your question is long");
    let sent = bench.send(conversation, "hi").await;
    bench.wait_for(sent).await;
    let messages = bench.messages(conversation).await;
    assert_eq!(messages.len(), 2, "the cut answer is a branch of its own");
    assert_eq!(messages[0].parts[0].streamed(), "The answer to your question is long");
}

#[tokio::test]
async fn an_answer_that_the_provider_kept_is_followed_to_its_end() {
    let script = Script::saying("The answer to your question is long").kept_as("resp_1").breaking_after(3);
    let bench = Bench::new(script).await;
    let conversation = bench.create().await;
    let sent = bench.send(conversation, "hi").await;
    bench.wait_for(sent).await;
    let messages = bench.messages(conversation).await;
    assert_eq!(bench.script.last_request().reattach.unwrap().response_id, "resp_1");
    assert_eq!(messages[0].parent_id, Some(messages[1].id));
    let texts: String = messages[..2].iter().rev().map(|message| message.parts[0].streamed()).collect();
    assert_eq!(texts, "The answer to your question is long", "nothing is missing and nothing twice");
}

#[tokio::test]
async fn a_call_is_answered_as_not_available_and_the_model_goes_on() {
    let bench = Bench::new(Script::calling(&["alpha", "beta"])).await;
    let conversation = bench.create().await;
    bench.script.then_say("done");
    let sent = bench.send(conversation, "use both").await;
    bench.wait_for(sent).await;
    let request = bench.script.last_request();
    let results = request
        .prompt
        .items
        .iter()
        .filter(|item| matches!(item, weir::chat::context::Item::ToolResult { is_error: true, .. }));
    assert_eq!(results.count(), 2);
    assert_eq!(bench.messages(conversation).await[0].parts[0].streamed(), "done");
}

#[tokio::test]
async fn a_restart_in_mid_answer_loses_nothing_that_was_shown() {
    let mut bench = Bench::new(Script::saying("The quick brown fox jumps over the lazy dog").gated()).await;
    let conversation = bench.create().await;
    let sent = bench.send(conversation, "go").await;
    bench.wait_for_text(conversation, "The").await;
    let shown = bench.follow_what_is_there(conversation).await;
    bench.restart(Script::saying(", as I said.")).await;
    bench.wait_for(sent).await;
    let rest = bench
        .follow_until_turn_ends(conversation, From::Cursor(bench.cursor(shown.end().unwrap())), sent)
        .await;
    rest.assert_tiles();
    assert_eq!(rest.start(), shown.end());
    let messages = bench.messages(conversation).await;
    assert_eq!(messages[1].status, MessageStatus::Interrupted);
    assert_eq!(messages[1].parts[0].streamed(), shown.text_of(messages[1].id));
    assert_eq!(messages[0].parts[0].streamed(), ", as I said.");
}

#[tokio::test]
async fn a_repeat_under_the_same_key_is_answered_the_same() {
    let bench = Bench::new(Script::saying("ok")).await;
    let conversation = bench.create().await;
    let first = bench.send_keyed(conversation, "hi", "key-1").await.unwrap();
    let again = bench.send_keyed(conversation, "hi", "key-1").await.unwrap();
    assert_eq!(first, again);
    assert!(matches!(
        bench.send_keyed(conversation, "something else", "key-1").await,
        Err(weir::runtime::Error::KeyReused)
    ));
    bench.wait_for(first.turn_id.unwrap()).await;
    assert_eq!(bench.messages(conversation).await.len(), 2);
}

#[tokio::test]
async fn people_who_have_two_years_are_not_cut_off_after_one() {
    const YEAR: Duration = Duration::from_hours(365 * 24);
    let policy = serde_json::from_value(json!({"clock": {"effect": "ask", "expires": "730d"}})).unwrap();
    let bench = Bench::with_policy(Script::calling(&["clock"]), policy).await;
    let conversation = bench.create().await;
    let sent = bench.send(conversation, "what time is it").await;
    bench.is_waiting(sent).await;
    bench.passes(conversation, YEAR + Duration::from_hours(1)).await;
    assert_eq!(bench.turn_state(sent).await, TurnState::Waiting);
    bench.passes(conversation, YEAR).await;
    bench.wait_for(sent).await;
    let told = bench.script.last_request().prompt.items;
    assert!(format!("{told:?}").contains("nobody decided about this call in time"), "{told:?}");
}

#[test]
fn a_script_speaks_in_words() {
    let outputs = Script::words("ab cd");
    assert!(matches!(&outputs[1], ModelOutput::Delta { text, .. } if text == "ab"));
}
