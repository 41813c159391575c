//! Every cursor resumes: whatever was streamed, wherever it is cut, over every transport, before and after a restart.

#[allow(dead_code, reason = "each suite uses its part of what they share")]
mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use support::client::{Client, read_to_the_end, read_until_caught_up};
use support::follower::Follower;
use support::log::{Log, Piece};
use support::oracle::Tables;
use support::script::Script;
use support::server::Server;
use support::sse::{Heard, cursor_in};
use support::upstream::Upstream;
use support::within;

/// One conversation in which everything happened that can happen to a turn.
struct Story {
    server: Server,
    client: Client,
    conversation: String,
    turns: Vec<String>,
    epoch: String,
    /// As it was streamed.
    log: Log,
    /// Where its events ended when they were streamed.
    boundaries: Vec<u64>,
}

impl Story {
    async fn told() -> Self {
        let upstream = Upstream::start().await;
        let mut server = Server::start(&upstream.config()).await;
        let client = server.client();
        let conversation = client.converse("default").await;
        let follower = Follower::by_sse(&client, &conversation);
        let by_socket = Follower::by_socket(&client, std::slice::from_ref(&conversation)).remove(0);
        let mut turns = Vec::new();
        let say = async |script: &Script, on_busy: &str| {
            client.say_with(&conversation, script, &json!({"on_busy": on_busy})).await.turn_id
        };
        upstream.pace(Duration::from_micros(200));

        let thinking = Script { reasoning: 300, piece: 6, ..Script::new("thinking", 600) };
        turns.push(say(&thinking, "queue").await);
        follower.sees_the_end_of(&turns[0]).await;
        let calling = Script { calls: 2, piece: 5, ..Script::new("calling", 100) };
        turns.push(say(&calling, "queue").await);
        follower.sees_the_end_of(&turns[1]).await;

        let cancelled = Script { piece: 7, ..Script::new("cancelled", 900) }.held_at(400);
        turns.push(say(&cancelled, "queue").await);
        follower.sees_text(&cancelled.answer(), 400).await;
        client.cancel(&turns[2]).await;
        follower.sees_the_end_of(&turns[2]).await;

        let cut = Script { piece: 13, reasoning: 100, ..Script::new("cut", 700) }.held_at(400);
        turns.push(say(&cut, "queue").await);
        follower.sees_text(&cut.answer(), 400).await;
        server.kill9();
        server.restart().await;
        follower.sees_the_end_of(&turns[3]).await;

        let busy = Script::new("busy", 300).held_at(100);
        turns.push(say(&busy, "queue").await);
        follower.sees_text(&busy.answer(), 100).await;
        for n in 0..25 {
            turns.push(say(&Script::new(format!("queued-{n}"), 60), "queue").await);
        }
        upstream.release("busy");
        follower.sees_the_end_of(&turns[turns.len() - 1]).await;

        let steered = Script { calls: 2, ..Script::new("steered", 100) }.held_at(20);
        turns.push(say(&steered, "queue").await);
        follower.sees_text(&steered.preface(), 20).await;
        turns.push(say(&Script::new("steering", 200), "steer").await);
        upstream.release("steered");
        follower.sees_the_end_of(&turns[turns.len() - 2]).await;

        let interrupted = Script::new("interrupted", 700).held_at(350);
        turns.push(say(&interrupted, "queue").await);
        follower.sees_text(&interrupted.answer(), 350).await;
        turns.push(say(&Script::new("interrupting", 200), "interrupt").await);
        follower.sees_the_end_of(&turns[turns.len() - 1]).await;

        assert_eq!(upstream.complaints(), Vec::<String>::new());
        let log = follower.log();
        by_socket.sees("the socket to be told as much", |shown| shown.end == log.end).await;
        assert_eq!(by_socket.log(), log, "both transports tell the same");
        let boundaries = follower.boundaries();
        let cursor = follower.cursor().expect("something was shown");
        let (epoch, _) = cursor.split_once('.').expect("a cursor has an epoch");
        Self { server, client, conversation, turns, epoch: epoch.to_owned(), log, boundaries }
    }

    fn cursor(&self, at: u64) -> String {
        format!("{}.{at}", self.epoch)
    }

    fn events(&self, query: &str) -> String {
        format!("/v1/conversations/{}/events{query}", self.conversation)
    }

    /// Every position where an event ended when it was streamed, and every `nth` where one or a character begins.
    fn cuts(&self, nth: usize) -> BTreeSet<u64> {
        self.boundaries.iter().copied().chain(self.log.characters().step_by(nth)).collect()
    }

    /// Follows from each of these positions over both transports. What follows is the rest of the log.
    async fn resumes(&self, cuts: &BTreeSet<u64>) {
        let half = |odd: usize| cuts.iter().copied().skip(odd).step_by(2);
        tokio::join!(
            self.resumes_by_sse(half(0)),
            self.resumes_by_sse(half(1)),
            self.resumes_by_socket(half(0)),
            self.resumes_by_socket(half(1)),
        );
    }

    async fn resumes_by_sse(&self, cuts: impl IntoIterator<Item = u64>) {
        for at in cuts {
            let log = self.client.log_after(&self.conversation, Some(&self.cursor(at))).await;
            assert_eq!(log.end, self.log.end);
            log.is_part_of(&self.log).unwrap_or_else(|wrong| panic!("after {at}: {wrong}"));
        }
    }

    /// All over one connection, one after the other.
    async fn resumes_by_socket(&self, cuts: impl IntoIterator<Item = u64>) {
        let mut socket = self.client.socket().await;
        for (id, at) in cuts.into_iter().enumerate() {
            socket
                .subscribe(id, &self.conversation, Some(&self.cursor(at)))
                .await
                .expect("the socket is open");
            let mut log = Log::starting_at(at);
            within("the subscription to catch up", async {
                loop {
                    match socket.next().await {
                        Ok((of, Heard::Event { event, .. })) => {
                            assert_eq!(of, id);
                            log.push(&event).unwrap_or_else(|wrong| panic!("after {at}: {wrong}"));
                        }
                        Ok((_, Heard::CaughtUp { cursor })) => {
                            break assert_eq!(cursor, self.cursor(self.log.end));
                        }
                        other => panic!("after {at}: {other:?}"),
                    }
                }
            })
            .await;
            log.is_part_of(&self.log).unwrap_or_else(|wrong| panic!("after {at}: {wrong}"));
            assert_eq!(log.end, self.log.end);
            socket.send(&json!({"op": "unsubscribe", "id": id})).await.expect("the socket is open");
        }
    }

    /// The events of one turn, from its stream.
    async fn turn_stream(&self, turn_id: &str, after: &str) -> Vec<Value> {
        let path = format!("/v1/turns/{turn_id}/events{after}");
        let mut sse =
            self.client.follow(&path, &[]).await.unwrap_or_else(|reply| panic!("GET {path}: {reply:?}"));
        let heard = read_to_the_end(&mut sse).await;
        let events = heard.into_iter().filter_map(|one| match one {
            Heard::Event { event, .. } => Some(event),
            Heard::CaughtUp { .. } => None,
            other => panic!("{path}: {other:?}"),
        });
        events.collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_cursor_resumes_exactly_once() {
    let mut story = Story::told().await;
    let kinds: BTreeSet<&str> = story.log.events().filter_map(|event| event["type"].as_str()).collect();
    for kind in ["turn.queued", "turn.resumed", "turn.cancelled", "tool.proposed", "tool.failed", "notice"] {
        assert!(kinds.contains(kind), "nothing of the kind {kind} happened: {kinds:?}");
    }
    assert!(story.log.events().count() >= 200, "only {} events", story.log.events().count());
    let tables = Tables::of(&story.log).expect("the log is in order");
    tables.are_at_rest().expect("every turn has ended as it should");
    tables
        .are_what_the_server_says(&story.client, &story.conversation)
        .await
        .expect("the tables follow the log");

    let torture = std::env::var("WEIR_TORTURE").is_ok_and(|value| value == "1");
    let cuts = story.cuts(if torture { 1 } else { 11 });
    println!("{} events, {} positions, {} cuts", story.boundaries.len(), story.log.end, cuts.len());
    story.resumes(&cuts).await;

    story.server.kill9();
    story.server.restart().await;
    story.resumes(&cuts.iter().copied().step_by(11).collect()).await;
    tables.are_what_the_server_says(&story.client, &story.conversation).await.expect("nothing was lost");

    a_turns_stream_is_the_events_of_the_turn_and_ends(&story).await;
    a_cursor_may_come_in_every_way(&story).await;
    a_cursor_that_is_no_place_in_the_log_is_told_so(&story).await;
}

async fn a_turns_stream_is_the_events_of_the_turn_and_ends(story: &Story) {
    for turn_id in &story.turns {
        let whole = story.turn_stream(turn_id, "").await;
        assert_eq!(texts_and_events(&whole), texts_and_events(&of_turn(&story.log, turn_id)));

        let cursor = |event: &Value| format!("?after={}.{}", story.epoch, event["seq"]);
        let (last, before) = whole.split_last().expect("a turn has events");
        for (index, event) in before.iter().enumerate() {
            let rest = story.turn_stream(turn_id, &cursor(event)).await;
            assert_eq!(texts_and_events(&rest), texts_and_events(&whole[index + 1..]), "after {event}");
        }
        let path = format!("/v1/turns/{turn_id}/events{}", cursor(last));
        let Err(nothing) = story.client.follow(&path, &[]).await else { panic!("{path} goes on") };
        assert_eq!((nothing.status, nothing.body), (204, Value::Null));
    }
}

/// The events of one turn as a stream of it would tell them, the text uncut.
fn of_turn(log: &Log, turn_id: &str) -> Vec<Value> {
    let own = log.pieces().iter().filter_map(|piece| match piece {
        Piece::Event(event) => (event["turn_id"] == turn_id).then(|| event.clone()),
        Piece::Text { of, text, .. } => (of.turn_id == turn_id).then(
            || json!({"type": "part.delta", "message_id": of.message_id, "index": of.index, "text": text}),
        ),
    });
    own.collect()
}

/// Structural events whole, and the text between them, wherever it was cut.
fn texts_and_events(events: &[Value]) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    let mut of = Value::Null;
    for event in events {
        if event["type"] != "part.delta" {
            of = Value::Null;
            told.push(event.to_string());
            continue;
        }
        let source = json!([event["message_id"], event["index"]]);
        let text = event["text"].as_str().expect("a delta has text");
        match told.last_mut() {
            Some(last) if of == source => last.push_str(text),
            _ => told.push(text.to_owned()),
        }
        of = source;
    }
    told
}

async fn a_cursor_may_come_in_every_way(story: &Story) {
    let (client, end) = (&story.client, story.cursor(story.log.end));
    for query in ["", "?after=0"] {
        let mut log = Log::starting_at(0);
        let mut sse = client.follow(&story.events(query), &[]).await.expect("it streams");
        assert_eq!(read_until_caught_up(&mut sse, &mut log).await, end);
        assert_eq!(log, story.log, "{query}");
    }
    let mut sse = client.follow(&story.events("?after=now"), &[]).await.expect("it streams");
    assert_eq!(sse.next().await, Ok(Heard::CaughtUp { cursor: end.clone() }));

    let middle = story.boundaries[story.boundaries.len() / 2];
    let header = story.cursor(middle);
    for query in ["?after=0", "", "?after=now"] {
        let mut log = Log::starting_at(middle);
        let path = story.events(query);
        let mut sse = client.follow(&path, &[("Last-Event-ID", &header)]).await.expect("it streams");
        assert_eq!(read_until_caught_up(&mut sse, &mut log).await, end);
        log.is_part_of(&story.log).expect("the header wins");
    }
}

async fn a_cursor_that_is_no_place_in_the_log_is_told_so(story: &Story) {
    let client = &story.client;
    for malformed in ["x", "1.x", "-1.5", "1", "1.2.3", "1.%20", "99999999999999999999.1"] {
        let path = story.events(&format!("?after={malformed}"));
        let Err(refused) = client.follow(&path, &[]).await else { panic!("{path} was taken") };
        assert_eq!(refused.status, 400, "{malformed}: {}", refused.body);
        assert_eq!(refused.body["status"], 400, "{malformed}: {}", refused.body);
    }
    let foreign = format!("{}.5", story.epoch.parse::<u64>().expect("an epoch is a number") - 1);
    for lost in [foreign, story.cursor(story.log.end + 1), story.cursor(story.log.end + 1_000_000)] {
        let mut sse = client.events(&story.conversation, Some(&lost)).await;
        let Ok(Heard::Resync(resync)) = sse.next().await else { panic!("{lost} was taken") };
        assert_eq!(cursor_in(&resync), story.cursor(story.log.end));
        assert!(resync["reason"].is_string(), "{resync}");
        let snapshot = resync["snapshot_url"].as_str().expect("it says where the snapshot is");
        client.get(snapshot).await.expect(200);
        let after = story.client.log_after(&story.conversation, Some(&cursor_in(&resync))).await;
        assert_eq!((after.start, after.end), (story.log.end, story.log.end));

        let mut socket = client.socket().await;
        socket.subscribe(7, &story.conversation, Some(&lost)).await.expect("the socket is open");
        let Ok((7, Heard::Resync(resync))) = socket.next().await else { panic!("{lost} was taken") };
        assert_eq!(cursor_in(&resync), story.cursor(story.log.end));
    }
}

/// A snapshot and what follows its cursor are the whole, whenever it is taken.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_holds_exactly_what_its_cursor_says() {
    let upstream = Upstream::start().await;
    let mut server = Server::start(&upstream.config()).await;
    let client = server.client();
    let conversation = client.converse("default").await;
    let messages = format!("/v1/conversations/{conversation}/messages");
    let follower = Follower::by_sse(&client, &conversation);
    upstream.pace(Duration::from_millis(1));

    let mut snapshots = Vec::new();
    let mut last = String::new();
    for n in 0..3 {
        let script = Script {
            reasoning: 100,
            calls: 2 * (n % 2),
            piece: 11,
            ..Script::new(format!("snap-{n}"), 1200)
        };
        last = client.say(&conversation, &script).await.turn_id;
        if n == 1 {
            follower.sees("some of the answer", |log| log.end > 1600).await;
            server.kill9();
            server.restart().await;
        }
        loop {
            let seen = follower.log();
            if seen.turn_has_ended(&last) {
                break;
            }
            snapshots.push(client.get(&messages).await.expect(200));
            follower.sees("more than that", |log| log.end > seen.end).await;
        }
    }
    follower.sees_the_end_of(&last).await;
    snapshots.push(client.get(&messages).await.expect(200));

    let whole = client.log(&conversation).await;
    let mut while_streaming = 0;
    for snapshot in &snapshots {
        let cursor = cursor_in(snapshot);
        let rest = client.log_after(&conversation, Some(&cursor)).await;
        rest.is_part_of(&whole).expect("what follows the snapshot is the rest of the log");
        let before = Tables::of(&whole.between(0, rest.start)).expect("the log is in order");
        let path = before.path(before.head.as_deref().expect("something was sent"));
        let items = snapshot["items"].as_array().expect("a list has items");
        assert_eq!(items.len(), path.len(), "at {cursor}");
        for message in path {
            let stored =
                items.iter().find(|item| item["id"] == message.body["id"]).expect("the message is there");
            message.is_what_is_stored(stored).unwrap_or_else(|wrong| panic!("at {cursor}: {wrong}"));
            while_streaming += usize::from(stored["status"] == "streaming");
        }
    }
    println!("{} snapshots, {while_streaming} of them of a streaming message", snapshots.len());
    assert!(
        while_streaming > 10,
        "only {while_streaming} snapshots were taken while an answer was streaming"
    );
}

/// The log is longer than a page of the store, and goes on while it is replayed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_log_is_followed_from_anywhere_while_more_is_written() {
    let upstream = Upstream::start().await;
    let server = Server::start(&upstream.config()).await;
    let client = server.client();
    let conversation = client.converse("default").await;
    let first = Follower::by_sse(&client, &conversation);
    for n in 0..4 {
        let long = Script { piece: 3000, ..Script::new(format!("long-{n}"), 150_000) };
        let turn_id = client.say(&conversation, &long).await.turn_id;
        first.sees_the_end_of(&turn_id).await;
    }
    let last = Script { piece: 500, reasoning: 20_000, ..Script::new("last", 80_000) };
    upstream.pace(Duration::from_millis(2));
    let turn_id = client.say(&conversation, &last).await.turn_id;

    let epoch = first.cursor().and_then(|cursor| Some(cursor.split_once('.')?.0.to_owned()));
    let epoch = epoch.expect("something was shown");
    let replayed = first.log();
    let starts: Vec<u64> = replayed.characters().step_by(9_973).collect();
    let mut followers = Vec::new();
    for (n, at) in starts.iter().enumerate() {
        let cursor = format!("{epoch}.{at}");
        followers.push(match n % 2 {
            0 => Follower::by_sse_after(&client, &conversation, &cursor),
            _ => Follower::by_socket_after(&client, &conversation, &cursor),
        });
        let seen = first.end();
        first.sees("a little more", |log| log.end > seen || log.turn_has_ended(&turn_id)).await;
    }
    println!("{} positions, {} followers", replayed.end, followers.len());
    assert!(!first.log().turn_has_ended(&turn_id), "the last answer was over too soon");
    upstream.pace(Duration::ZERO);
    first.sees_the_end_of(&turn_id).await;
    let whole = client.log(&conversation).await;
    first.log().is_part_of(&whole).expect("the first follower saw it all");
    for follower in followers {
        follower.sees("the end", |log| log.end >= whole.end).await;
        follower.log().is_part_of(&whole).expect("what follows a cursor is the rest of the log");
    }
}
