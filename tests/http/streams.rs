//! Server-sent events: replay, live, resume, resync, and the end of a right.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use weir::id::ConversationId;

use crate::app::{Answer, Event, PATIENCE, TestApp, assert_tiles, read_events, text_of};
use crate::runtime::Script;

fn data(events: &[Event]) -> Vec<&Value> {
    events.iter().map(|event| &event.data).collect()
}

fn caught_up(events: &[Event]) -> bool {
    events.last().is_some_and(|event| event.kind == "caught_up")
}

fn ended(events: &[Event]) -> bool {
    let terminal = ["turn.completed", "turn.failed", "turn.cancelled", "turn.interrupted"];
    events.iter().any(|event| terminal.contains(&event.kind.as_str()))
}

#[tokio::test]
async fn what_a_follower_saw_is_what_is_stored() {
    let app = TestApp::demo().await;
    let at = app.conversation().await;
    let path = format!("{at}/events");
    let (live, _) = tokio::join!(app.stream(&path, ended), app.talk(&at, "count to 20"));
    assert_tiles(data(&live));
    let answer = app.get(&format!("{at}/messages")).await.is(200)["items"][0].clone();
    let text = text_of(data(&live), answer["id"].as_str().unwrap());
    assert_eq!(text, answer["parts"][0]["text"]);

    let replayed = app.stream(&format!("{at}/events?after=0"), caught_up).await;
    assert_tiles(data(&replayed));
    assert_eq!(text_of(data(&replayed), answer["id"].as_str().unwrap()), text);
    let last = replayed[replayed.len() - 2].id.clone();
    assert_eq!(replayed.last().unwrap().data["cursor"].as_str().map(str::to_owned), last);
    assert_eq!(replayed.last().unwrap().id, None);
}

#[tokio::test]
async fn every_cursor_resumes_exactly_there() {
    let app = TestApp::demo().await;
    let at = app.conversation().await;
    app.talk(&at, "count to 5").await;
    let all = app.stream(&format!("{at}/events"), caught_up).await;
    let end = all.last().unwrap().data["cursor"].as_str().unwrap().to_owned();
    let (epoch, end) =
        end.split_once('.').map(|(epoch, end)| (epoch.to_owned(), end.parse::<u64>().unwrap())).unwrap();
    let whole: String = data(&all).iter().filter_map(|event| event["text"].as_str()).collect();
    for seq in 0..=end {
        let request = app.request(Method::GET, &format!("{at}/events?after=now"), &app.people.owner);
        // The header wins over the query.
        let response = request.header("Last-Event-ID", format!("{epoch}.{seq}")).send().await.unwrap();
        let rest = read_events(response, caught_up).await;
        assert_tiles(data(&rest));
        if let Some(first) = data(&rest).first().filter(|first| first["prev"].is_u64()) {
            assert_eq!(first["prev"], seq);
        }
        let text: String = data(&rest).iter().filter_map(|event| event["text"].as_str()).collect();
        assert!(whole.ends_with(&text), "{seq}: {text}");
    }
}

#[tokio::test]
async fn a_client_resumes_over_a_restart_with_its_old_cursor() {
    let mut app = TestApp::demo().await;
    let at = app.conversation().await;
    app.post(&format!("{at}/messages"), &json!({"text": "count to 40"})).await.is(202);
    let deltas = |events: &[Event]| events.iter().filter(|event| event.kind == "part.delta").count();
    let before = app.stream(&format!("{at}/events"), |events| deltas(events) >= 10).await;
    let cursor = before.iter().rev().find_map(|event| event.id.clone()).unwrap();
    app.restart().await;
    let after = app.stream(&format!("{at}/events?after={cursor}"), ended).await;
    let both: Vec<&Value> = data(&before).into_iter().chain(data(&after)).collect();
    assert_tiles(both.iter().copied());
    let page = app.get(&format!("{at}/messages")).await.is(200);
    for message in page["items"].as_array().unwrap().iter().filter(|message| message["role"] == "assistant") {
        let text = text_of(both.iter().copied(), message["id"].as_str().unwrap());
        assert_eq!(text, message["parts"][0]["text"], "{message}");
    }
}

#[tokio::test]
async fn a_snapshot_and_its_cursor_fit_together_in_the_middle_of_an_answer() {
    let app = TestApp::demo().await;
    let at = app.conversation().await;
    app.post(&format!("{at}/messages"), &json!({"text": "count to 60"})).await.is(202);
    app.stream(&format!("{at}/events"), |events| events.iter().any(|event| event.kind == "part.delta")).await;
    let page = app.get(&format!("{at}/messages")).await.is(200);
    let streaming = &page["items"][0];
    assert_eq!(streaming["status"], "streaming");
    assert!(page["cursor"].as_str().unwrap().ends_with(&format!(".{}", streaming["seq"])), "{page}");
    let so_far = streaming["parts"][0]["text"].as_str().unwrap();
    let rest = app.stream(&format!("{at}/events?after={}", page["cursor"].as_str().unwrap()), ended).await;
    let text = so_far.to_owned() + &text_of(data(&rest), streaming["id"].as_str().unwrap());
    let whole: Vec<String> = (1..=60).map(|number: u32| number.to_string()).collect();
    assert_eq!(text, whole.join(", "));
}

#[tokio::test]
async fn a_stream_begins_as_the_protocol_says() {
    let app = TestApp::demo().await;
    let at = app.conversation().await;
    let request = app.request(Method::GET, &format!("{at}/events?after=now"), &app.people.owner);
    let mut response = request.send().await.unwrap();
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-cache, no-transform"),
        ("x-accel-buffering", "no"),
    ] {
        assert_eq!(response.headers()[name], value);
    }
    assert!(response.headers().get("content-encoding").is_none());
    let first = response.chunk().await.unwrap().unwrap();
    assert!(first.starts_with(b"retry: 1500\n\n"), "{first:?}");
}

#[tokio::test]
async fn a_cursor_that_is_no_cursor_is_refused_and_one_of_elsewhere_resyncs() {
    let app = TestApp::demo().await;
    let at = app.conversation().await;
    for cursor in ["x", "1", "1.x", "-1.2", "1.2.3", "f1.2", "99999999999999999999.1"] {
        let answer = app.get(&format!("{at}/events?after={cursor}")).await;
        assert_eq!(answer.problem(400), "invalid-cursor", "{cursor}");
    }
    assert_eq!(app.get("/v1/feed?after=1.2").await.problem(400), "invalid-cursor");
    assert_eq!(app.get(&format!("{at}/events?since=1")).await.invalid(), "/since");
    let cursor = app.get(&at).await.is(200)["cursor"].as_str().unwrap().to_owned();
    let epoch = cursor.split('.').next().unwrap();
    for lost in ["7.1".to_owned(), format!("{epoch}.999")] {
        let events = app.stream(&format!("{at}/events?after={lost}"), |_| false).await;
        assert_eq!(events.len(), 1, "{events:?}");
        assert_eq!((events[0].kind.as_str(), &events[0].id), ("resync", &None));
        assert_eq!(events[0].data["cursor"], cursor, "{lost}");
        app.get(events[0].data["snapshot_url"].as_str().unwrap()).await.is(200);
    }
    let feed = app.stream("/v1/feed?after=f7.1", |_| false).await;
    assert_eq!(feed[0].kind, "resync");
}

#[tokio::test]
async fn a_turns_stream_ends_and_there_is_nothing_after_it() {
    let app = TestApp::demo().await;
    let at = app.conversation().await;
    let turn = app.talk(&at, "count to 3").await["turn"]["id"].as_str().unwrap().to_owned();
    app.talk(&at, "count to 4").await;
    let path = format!("/v1/turns/{turn}/events");
    let events = app.stream(&path, |_| false).await;
    assert!(events.iter().all(|event| event.kind == "caught_up" || event.data["turn_id"] == turn.as_str()));
    let terminal = events.last().unwrap();
    assert_eq!(terminal.kind, "turn.completed");
    for after in [terminal.id.as_deref().unwrap(), "now"] {
        let request = app.request(Method::GET, &format!("{path}?after={after}"), &app.people.owner);
        assert_eq!(Answer::of(request).await.status, 204, "{after}");
    }
    let second = app.stream(&format!("{path}?after={}", events[1].id.as_deref().unwrap()), |_| false).await;
    assert_eq!(second.last(), Some(terminal));
}

#[tokio::test]
async fn a_revoked_key_ends_its_streams_and_no_others() {
    let app = TestApp::demo().await;
    let at = app.conversation().await;
    app.patch(&at, &json!({"visibility": "workspace"})).await.is(200);
    let request = app.request(Method::GET, &format!("{at}/events?after=now"), &app.people.owner);
    let response = request.send().await.unwrap();
    let request = app.request(Method::GET, &format!("{at}/events?after=now"), &app.people.member);
    let mut other = request.send().await.unwrap();
    let revoked = Instant::now();
    app.directory.revoke_key(app.people.owner_key).unwrap();
    let events = read_events(response, |_| false).await;
    assert!(revoked.elapsed() < Duration::from_secs(5), "{:?}", revoked.elapsed());
    let last = events.last().unwrap();
    assert_eq!((last.kind.as_str(), &last.data["type"]), ("problem", &json!("unauthorized")));
    assert_eq!(last.id, None);
    let alive = async { while let Ok(Some(_)) = other.chunk().await {} };
    assert!(tokio::time::timeout(Duration::from_secs(1), alive).await.is_err());
}

#[tokio::test]
async fn who_no_longer_sees_a_conversation_hears_no_more_of_it() {
    let app = TestApp::demo().await;
    let at = app.conversation().await;
    app.patch(&at, &json!({"visibility": "workspace"})).await.is(200);
    let request = app.request(Method::GET, &format!("{at}/events?after=now"), &app.people.member);
    let response = request.send().await.unwrap();
    let reader = tokio::spawn(read_events(response, |_| false));
    app.patch(&at, &json!({"title": "still shared"})).await.is(200);
    app.patch(&at, &json!({"visibility": "private"})).await.is(200);
    app.patch(&at, &json!({"title": "a secret"})).await.is(200);
    let events = tokio::time::timeout(PATIENCE, reader).await.unwrap().unwrap();
    let text = format!("{events:?}");
    assert!(text.contains("still shared") || events.len() == 2, "{text}");
    assert!(!text.contains("a secret"), "{text}");
    assert_eq!(events.last().unwrap().data["type"], "not-found");
}

#[tokio::test]
async fn a_deleted_conversation_says_so_and_ends() {
    let app = TestApp::demo().await;
    let at = app.conversation().await;
    let request = app.request(Method::GET, &format!("{at}/events?after=now"), &app.people.owner);
    let reader = tokio::spawn(read_events(request.send().await.unwrap(), |_| false));
    app.delete(&at).await.is(204);
    let events = tokio::time::timeout(PATIENCE, reader).await.unwrap().unwrap();
    assert_eq!(events.last().unwrap().kind, "conversation.deleted");
    assert_eq!(app.get(&format!("{at}/events")).await.problem(404), "not-found");
}

#[tokio::test]
async fn a_stopping_server_ends_its_streams() {
    let app = TestApp::demo().await;
    let at = app.conversation().await;
    let request = app.request(Method::GET, &format!("{at}/events"), &app.people.owner);
    let response = request.send().await.unwrap();
    app.state.stop();
    let events = read_events(response, |_| false).await;
    assert_eq!(events.last().unwrap().data["type"], "shutting-down");
}

#[tokio::test]
async fn the_feed_tells_each_what_each_may_see() {
    let app = TestApp::demo().await;
    let start = app.get("/v1/conversations").await.is(200)["feed_cursor"].as_str().unwrap().to_owned();
    let at = app.conversation().await;
    let id = at.rsplit('/').next().unwrap();
    app.talk(&at, "count to 1").await;
    let finished = |events: &[Event]| events.iter().any(|event| event.kind == "turn.finished");
    let mine = app.stream(&format!("/v1/feed?after={start}"), finished).await;
    assert_eq!(mine[0].kind, "conversation.listed");
    assert_eq!((&mine[0].data["change"], &mine[0].data["conversation_id"]), (&json!("created"), &json!(id)));

    let request = app.request(Method::GET, &format!("/v1/feed?after={start}"), &app.people.member);
    let theirs = read_events(request.send().await.unwrap(), caught_up).await;
    assert_eq!(theirs.len(), 1, "{theirs:?}");

    // Live, from a cursor in the middle.
    let from = mine[0].id.clone().unwrap();
    let request = app.request(Method::GET, "/v1/feed", &app.people.owner).header("Last-Event-ID", from);
    let reader = tokio::spawn(read_events(request.send().await.unwrap(), |events| {
        events.iter().any(|event| event.data["change"] == "renamed")
    }));
    app.patch(&at, &json!({"title": "Renamed"})).await.is(200);
    let live = tokio::time::timeout(PATIENCE, reader).await.unwrap().unwrap();
    assert!(live.iter().all(|event| event.id != mine[0].id), "{live:?}");
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_cut_off_and_the_turn_goes_on() {
    let long = "weir ".repeat(400_000);
    let app = TestApp::new(std::sync::Arc::new(Script::saying("short"))).await;
    let at = app.conversation().await;
    // Enough text that no socket buffer holds it.
    for _ in 0..8 {
        let text = &long[..1_000_000];
        app.talk(&at, text).await;
    }
    let mut stuck = TcpStream::connect(app.address).await.unwrap();
    let head =
        format!("GET {at}/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n", app.people.owner);
    stuck.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let mut taken = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stuck.read_to_end(&mut taken)).await.expect("it was cut off");
    assert!(read.is_err() || taken.len() < 8_000_000, "{} bytes", taken.len());
    app.stream(&format!("{at}/events"), caught_up).await;
}

#[tokio::test]
async fn a_missing_conversation_has_no_stream() {
    let app = TestApp::demo().await;
    let answer = app.get(&format!("/v1/conversations/{}/events", ConversationId::new())).await;
    assert_eq!(answer.problem(404), "not-found");
}
