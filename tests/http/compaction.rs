//! Compaction, the context that the model is given, and titles.

use std::sync::Arc;

use serde_json::{Value, json};

use weir::chat::context::{Item, TooLong};
use weir::provider::{Failure, Purpose, Request};

use crate::app::{Event, TestApp};
use crate::runtime::Script;

fn items(page: &Value) -> &Vec<Value> {
    page["items"].as_array().unwrap()
}

async fn scripted(agent: &str) -> (TestApp, Script, String) {
    let script = Script::saying("an answer");
    let app = TestApp::new(Arc::new(script.clone())).await;
    let created = app.post("/v1/conversations", &json!({"agent": agent})).await.is(201);
    let at = format!("/v1/conversations/{}", created["conversation"]["id"].as_str().unwrap());
    (app, script, at)
}

/// Everything that a model was given, as one text.
fn given(request: &Request) -> String {
    let parts = request.prompt.items.iter().flat_map(|item| match item {
        Item::User { parts } => parts.iter().map(|part| part.streamed().to_owned()).collect::<Vec<_>>(),
        Item::Assistant { parts } => parts.iter().map(|part| part.part.streamed().to_owned()).collect(),
        Item::ToolResult { output, .. } => vec![output.clone()],
    });
    parts.collect::<Vec<_>>().join("\n")
}

/// The states and reasons of the whole path.
async fn fates(app: &TestApp, at: &str) -> Vec<String> {
    let context = app.get(&format!("{at}/context")).await.is(200);
    let fate = |item: &Value| {
        let reason = item["reason"].as_str().map(|reason| format!(": {reason}")).unwrap_or_default();
        format!("{}{reason}", item["state"].as_str().unwrap())
    };
    items(&context).iter().map(fate).collect()
}

#[tokio::test]
async fn a_summary_stands_for_the_beginning_and_everything_stays_readable() {
    let (app, script, at) = scripted("default").await;
    for text in ["the first secret", "the second", "the third"] {
        app.talk(&at, text).await;
    }
    script.then_say("## Goal\nwhat it was about");
    let through = items(&app.get(&format!("{at}/messages")).await.is(200))[2]["id"].clone();
    let body = json!({"message_id": through, "instructions": "keep the numbers"});
    let made = app.post(&format!("{at}/compact"), &body).await.is(201);
    assert_eq!(made["summary"], "## Goal\nwhat it was about");
    assert_eq!(made["message_id"], through);
    let asked = script.last_request();
    assert_eq!(asked.purpose, Purpose::Summary);
    assert!(asked.prompt.system.unwrap().contains("keep the numbers"));

    let summarised = "left_out: summarised".to_owned();
    let sent = "sent".to_owned();
    let expected = [&summarised, &summarised, &summarised, &summarised, &sent, &sent];
    assert_eq!(fates(&app, &at).await.iter().collect::<Vec<_>>(), expected);
    app.talk(&at, "the fourth").await;
    let told = given(&script.last_request());
    assert!(told.contains("what it was about") && told.contains("the third"), "{told}");
    assert!(!told.contains("the first secret"), "{told}");
    // Nothing is deleted: pages, the tree and the log have it all.
    assert_eq!(items(&app.get(&format!("{at}/messages")).await.is(200)).len(), 8);
    let log = log(&app, &at).await;
    assert!(log.iter().any(|event| event.data.to_string().contains("the first secret")));
    assert!(log.iter().any(|event| event.kind == "conversation.compacted"));
    assert!(log.iter().any(|event| event.kind == "notice" && event.data["code"] == "compacted"));
}

async fn log(app: &TestApp, at: &str) -> Vec<Event> {
    app.stream(&format!("{at}/events"), |events| events.last().is_some_and(|last| last.kind == "caught_up"))
        .await
}

#[tokio::test]
async fn a_summary_is_brought_up_to_date_rather_than_summarised() {
    let (app, script, at) = scripted("default").await;
    for text in ["one", "two", "three"] {
        app.talk(&at, text).await;
    }
    let through = |page: &Value, at: usize| items(page)[at]["id"].clone();
    let page = app.get(&format!("{at}/messages")).await.is(200);
    script.then_say("the first summary");
    app.post(&format!("{at}/compact"), &json!({"message_id": through(&page, 4)})).await.is(201);
    script.then_say("the second summary");
    app.post(&format!("{at}/compact"), &json!({"message_id": through(&page, 2)})).await.is(201);
    let asked = given(&script.last_request());
    assert!(asked.contains("<summary-so-far>\nthe first summary"), "{asked}");
    assert!(asked.contains("two") && !asked.contains("one") && !asked.contains("three"), "{asked}");
    let all = app.get(&format!("{at}/compactions")).await.is(200);
    assert_eq!(items(&all).len(), 2);
    // The deepest one counts; taken back, the one above it does.
    let last = items(&all)[1]["id"].as_str().unwrap();
    app.talk(&at, "four").await;
    assert!(given(&script.last_request()).contains("the second summary"));
    app.delete(&format!("{at}/compactions/{last}")).await.is(204);
    app.talk(&at, "five").await;
    let told = given(&script.last_request());
    assert!(told.contains("the first summary") && told.contains("two"), "{told}");
    assert!(!told.contains("the second summary"), "{told}");
    assert_eq!(app.delete(&format!("{at}/compactions/{last}")).await.problem(404), "not-found");
}

#[tokio::test]
async fn a_fork_keeps_the_summary_as_it_was_whatever_is_done_to_it_elsewhere() {
    let (app, script, at) = scripted("default").await;
    for text in ["one", "two", "three"] {
        app.talk(&at, text).await;
    }
    script.then_say("as it was");
    let page = app.get(&format!("{at}/messages")).await.is(200);
    let through = items(&page)[2]["id"].clone();
    let made = app.post(&format!("{at}/compact"), &json!({"message_id": through})).await.is(201);
    let compaction = made["id"].as_str().unwrap();
    let forked = app.post(&format!("{at}/fork"), &json!({})).await.is(201);
    let forked = format!("/v1/conversations/{}", forked["conversation"]["id"].as_str().unwrap());

    let edited =
        app.patch(&format!("{at}/compactions/{compaction}"), &json!({"summary": "edited"})).await.is(200);
    assert_eq!((&edited["summary"], &edited["model"]), (&json!("edited"), &Value::Null));
    app.talk(&forked, "four").await;
    assert!(given(&script.last_request()).contains("as it was"));
    app.talk(&at, "four").await;
    assert!(given(&script.last_request()).contains("edited"));

    app.patch(&format!("{forked}/compactions/{compaction}"), &json!({"summary": "the fork's"})).await.is(200);
    app.delete(&format!("{at}/compactions/{compaction}")).await.is(204);
    app.talk(&forked, "five").await;
    assert!(given(&script.last_request()).contains("the fork's"));
    app.talk(&at, "five").await;
    assert!(given(&script.last_request()).contains("one"));
    app.delete(&format!("{forked}/compactions/{compaction}")).await.is(204);
    app.talk(&forked, "six").await;
    assert!(given(&script.last_request()).contains("one"));
    // A fork above the summary has never heard of it.
    let above = app.post(&format!("{at}/fork"), &json!({"message_id": items(&page)[4]["id"]})).await.is(201);
    let above = format!("/v1/conversations/{}", above["conversation"]["id"].as_str().unwrap());
    assert_eq!(items(&app.get(&format!("{above}/compactions")).await.is(200)).len(), 0);
}

#[tokio::test]
async fn what_was_said_about_a_branch_goes_out_of_the_log_with_it() {
    let (mut app, script, at) = scripted("default").await;
    for text in ["one", "two"] {
        app.talk(&at, text).await;
    }
    let page = app.get(&format!("{at}/messages")).await.is(200);
    let (last, first) = (items(&page)[0]["id"].clone(), items(&page)[3]["id"].as_str().unwrap());
    script.then_say("a secret summary");
    let made = app.post(&format!("{at}/compact"), &json!({"message_id": last})).await.is(201);
    let summary = format!("{at}/compactions/{}", made["id"].as_str().unwrap());
    app.patch(&summary, &json!({"summary": "a secret of a person"})).await.is(200);
    app.delete(&summary).await.is(204);
    let marks = format!("{at}/messages/{}", last.as_str().unwrap());
    app.patch(&marks, &json!({"branch_name": "a secret name"})).await.is(200);
    let log = async |app: &TestApp| {
        let caught_up = |events: &[Event]| events.last().is_some_and(|last| last.kind == "caught_up");
        format!("{:?}", app.stream(&format!("{at}/events"), caught_up).await)
    };
    assert_eq!(log(&app).await.matches("a secret").count(), 3);
    app.delete(&format!("{at}/messages/{first}")).await.is(204);
    app.tidy().await;
    app.restart().await;
    let told = log(&app).await;
    assert!(told.contains("redacted") && !told.contains("a secret"), "{told}");
}

#[tokio::test]
async fn a_fork_of_a_path_that_began_anew_finds_no_summary_of_the_other_one() {
    let (app, _, at) = scripted("default").await;
    for text in ["one", "two"] {
        app.talk(&at, text).await;
    }
    let last = items(&app.get(&format!("{at}/messages")).await.is(200))[0]["id"].clone();
    app.post(&format!("{at}/compact"), &json!({"message_id": last})).await.is(201);
    let fork = async |at: &str| {
        let forked = app.post(&format!("{at}/fork"), &json!({})).await.is(201);
        format!("/v1/conversations/{}", forked["conversation"]["id"].as_str().unwrap())
    };
    let summaries = async |at: &str| items(&app.get(&format!("{at}/compactions")).await.is(200)).len();
    let middle = fork(&at).await;
    app.talk_anew(&middle, "anew").await;
    for text in ["two", "three"] {
        app.talk(&middle, text).await;
    }
    let anew = fork(&middle).await;
    assert_eq!((summaries(&middle).await, summaries(&anew).await), (1, 0));
}

#[tokio::test]
async fn a_summary_of_a_fork_that_said_nothing_itself_is_kept_for_its_own_forks() {
    let (app, script, at) = scripted("default").await;
    for text in ["one", "two", "three"] {
        app.talk(&at, text).await;
    }
    let fork = async |at: &str| {
        let forked = app.post(&format!("{at}/fork"), &json!({})).await.is(201);
        format!("/v1/conversations/{}", forked["conversation"]["id"].as_str().unwrap())
    };
    let middle = fork(&at).await;
    script.then_say("said in the middle");
    let page = app.get(&format!("{middle}/messages")).await.is(200);
    let through = json!({"message_id": items(&page)[2]["id"]});
    app.post(&format!("{middle}/compact"), &through).await.is(201);
    let last = fork(&middle).await;
    for gone in [&middle, &at] {
        app.delete(gone).await.is(204);
        app.tidy().await;
    }
    assert_eq!(items(&app.get(&format!("{last}/compactions")).await.is(200)).len(), 1);
    app.talk(&last, "four").await;
    assert!(given(&script.last_request()).contains("said in the middle"));
}

#[tokio::test]
async fn what_a_provider_refuses_to_summarise_stays_as_it_was() {
    let (app, script, at) = scripted("default").await;
    for text in ["one", "two"] {
        app.talk(&at, text).await;
    }
    let before = app.get(&at).await.is(200)["cursor"].clone();
    script.then_refuse(Failure::ended_early());
    let through = items(&app.get(&format!("{at}/messages")).await.is(200))[2]["id"].clone();
    let answer = app.post(&format!("{at}/compact"), &json!({"message_id": through})).await;
    assert_eq!(answer.problem(502), "provider-interrupted");
    assert_eq!(app.get(&at).await.is(200)["cursor"], before);
    script.then_say("  ");
    let answer = app.post(&format!("{at}/compact"), &json!({"message_id": through})).await;
    assert_eq!(answer.problem(502), "provider-refused");
    assert_eq!(items(&app.get(&format!("{at}/compactions")).await.is(200)).len(), 0);
}

#[tokio::test]
async fn what_is_short_or_summarised_is_not_summarised() {
    let (app, _, at) = scripted("default").await;
    assert_eq!(app.post(&format!("{at}/compact"), &json!({})).await.problem(409), "conflict");
    app.talk(&at, "one").await;
    assert_eq!(app.post(&format!("{at}/compact"), &json!({})).await.problem(409), "conflict");
    let other = app.conversation().await;
    let foreign = app.talk(&other, "one").await["message_id"].clone();
    assert_eq!(
        app.post(&format!("{at}/compact"), &json!({"message_id": foreign})).await.problem(404),
        "not-found"
    );
    assert_eq!(
        app.post(&format!("{at}/compact"), &json!({"instructions": ""})).await.invalid(),
        "/instructions"
    );
}

#[tokio::test]
async fn a_context_that_fills_up_is_summarised_before_it_is_full() {
    let (app, script, at) = scripted("small").await;
    let long = |n: usize| format!("number {n}: {}", "word ".repeat(80));
    for n in 0..12 {
        app.talk(&at, &long(n)).await;
    }
    let requests = script.requests();
    let answers: Vec<&Request> =
        requests.iter().filter(|request| request.purpose == Purpose::Answer).collect();
    assert_eq!(answers.len(), 12, "each message was answered");
    assert!(requests.iter().any(|request| request.purpose == Purpose::Summary));
    for (n, request) in answers.iter().enumerate() {
        let told = given(request);
        assert!(told.len() <= 1000 * 3, "{} bytes were sent", told.len());
        assert!(told.contains(&long(n)), "the last message is always there");
    }
    let all = app.get(&format!("{at}/compactions")).await.is(200);
    assert!(!items(&all).is_empty());
    assert_eq!(items(&app.get(&format!("{at}/messages")).await.is(200)).len(), 24);
    let fates = fates(&app, &at).await;
    assert_eq!(fates.len(), 24, "sent and left out are the whole path");
    assert_eq!(fates[0], "left_out: summarised");
}

#[tokio::test]
async fn a_pinned_message_is_always_sent() {
    let (app, script, at) = scripted("small").await;
    let first = app.talk(&at, "PIN: answer in verse").await;
    let message = format!("{at}/messages/{}", first["message_id"].as_str().unwrap());
    app.patch(&message, &json!({"pinned": true})).await.is(200);
    for n in 0..8 {
        app.talk(&at, &format!("number {n}: {}", "word ".repeat(80))).await;
        let requests = script.requests();
        let answer = requests.iter().rfind(|request| request.purpose == Purpose::Answer).unwrap();
        assert!(given(answer).contains("PIN: answer in verse"), "after {n}");
    }
    assert_eq!(fates(&app, &at).await[0], "sent");
}

#[tokio::test]
async fn a_message_that_does_not_fit_alone_fails_its_turn_in_words() {
    let (app, _, at) = scripted("small").await;
    let failed = app.talk(&at, &"word ".repeat(2000)).await;
    assert_eq!(failed["turn"]["state"], "failed");
    assert_eq!(failed["turn"]["problem"]["type"], "context-too-long");
    assert_eq!(app.get(&format!("{at}/context")).await.problem(422), "context-too-long");
}

#[tokio::test]
async fn a_provider_that_finds_it_too_long_is_asked_once_more_with_less() {
    let (app, script, at) = scripted("default").await;
    for text in ["one", "two"] {
        app.talk(&at, text).await;
    }
    let refusal = || Failure::does_not_fit(&TooLong { tokens: 9, budget: 1 });
    script.then_refuse(refusal());
    script.then_say("the summary");
    let done = app.talk(&at, "three").await;
    assert_eq!(done["turn"]["state"], "completed");
    assert_eq!(done["turn"]["attempt"], 2);
    assert!(given(&script.last_request()).contains("the summary"));
    let log = log(&app, &at).await;
    let resumed = log.iter().find(|event| event.kind == "turn.resumed").unwrap();
    assert_eq!(resumed.data["reason"], "context_too_long");

    // But once only.
    script.then_refuse(refusal());
    script.then_say("another summary");
    script.then_refuse(refusal());
    let failed = app.talk(&at, "four").await;
    assert_eq!(failed["turn"]["state"], "failed");
    assert_eq!(failed["turn"]["problem"]["type"], "context-too-long");
}

#[tokio::test]
async fn two_summaries_that_free_too_little_are_the_last_that_come_by_themselves() {
    let (app, script, at) = scripted("small").await;
    // Hardly shorter than what it stands for.
    script.summarising_as(&"word ".repeat(340));
    for n in 0..14 {
        app.talk(&at, &format!("number {n}: {}", "word ".repeat(60))).await;
    }
    let asked = script.requests().iter().filter(|request| request.purpose == Purpose::Summary).count();
    let made = items(&app.get(&format!("{at}/compactions")).await.is(200)).len();
    assert!((2..=4).contains(&made), "{made} summaries, {asked} asked for");
    let log = log(&app, &at).await;
    let told = log.iter().filter(|event| event.data["code"] == "compaction-futile").count();
    assert_eq!(told, 1, "it says so, once");
}

#[tokio::test]
async fn a_conversation_without_a_title_gets_one_after_its_first_exchange() {
    let app = TestApp::demo().await;
    let created = app.post("/v1/conversations", &json!({"agent": "titled"})).await.is(201);
    let at = format!("/v1/conversations/{}", created["conversation"]["id"].as_str().unwrap());
    app.talk(&at, "count to 3").await;
    let named = |events: &[Event]| events.iter().any(|event| event.kind == "conversation.updated");
    let events = app.stream(&format!("{at}/events"), named).await;
    assert_eq!(events.last().unwrap().data["changes"], json!({"title": "count to 3 1, 2, 3"}));
    assert_eq!(app.get(&at).await.is(200)["title"], "count to 3 1, 2, 3");

    let body = json!({"agent": "titled", "title": "By hand"});
    let created = app.post("/v1/conversations", &body).await.is(201);
    let at = format!("/v1/conversations/{}", created["conversation"]["id"].as_str().unwrap());
    app.talk(&at, "count to 3").await;
    app.talk(&at, "count to 4").await;
    assert_eq!(app.get(&at).await.is(200)["title"], "By hand");
}
