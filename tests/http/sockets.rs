//! The WebSocket: many logs on one connection, and frames that are no frames.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::app::{PATIENCE, TestApp, assert_tiles, text_of};

struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    async fn open(app: &TestApp, token: &str) -> Self {
        Self(Self::try_open(app, token, None).await.unwrap())
    }

    async fn try_open(
        app: &TestApp,
        token: &str,
        origin: Option<&str>,
    ) -> Result<WebSocketStream<MaybeTlsStream<TcpStream>>, tungstenite::Error> {
        let mut request = app.url("/v1/socket").replace("http:", "ws:").into_client_request().unwrap();
        if !token.is_empty() {
            request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", origin.parse().unwrap());
        }
        connect_async(request).await.map(|(socket, _)| socket)
    }

    async fn say(&mut self, frame: Value) {
        self.0.send(Message::text(frame.to_string())).await.unwrap();
    }

    /// The next text frame, or how the socket was closed.
    async fn hear(&mut self) -> Result<Value, Option<u16>> {
        loop {
            match tokio::time::timeout(PATIENCE, self.0.next()).await.expect("something comes in time") {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(frame))) => return Err(frame.map(|frame| u16::from(frame.code))),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(None),
            }
        }
    }

    async fn hear_until(&mut self, enough: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut heard = Vec::new();
        loop {
            heard.push(self.hear().await.expect("the socket stays open"));
            if enough(heard.last().unwrap()) {
                return heard;
            }
        }
    }

    async fn problem(&mut self) -> (Value, String) {
        let frame = self.hear().await.unwrap();
        assert_eq!(frame["op"], "problem", "{frame}");
        (frame["id"].clone(), frame["problem"]["type"].as_str().unwrap().to_owned())
    }
}

fn id_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap()
}

#[tokio::test]
async fn many_conversations_and_the_feed_come_over_one_socket() {
    let app = TestApp::demo().await;
    let (one, two) = (app.conversation().await, app.conversation().await);
    let mut socket = Socket::open(&app, &app.people.owner).await;
    socket.say(json!({"op": "subscribe", "id": 1, "conversation_id": id_of(&one), "after": "0"})).await;
    socket.say(json!({"op": "subscribe", "id": 2, "conversation_id": id_of(&two)})).await;
    socket.say(json!({"op": "subscribe", "id": 3, "feed": true})).await;
    let (first, second) = tokio::join!(app.talk(&one, "count to 9"), app.talk(&two, "count to 7"));
    let mut heard = Vec::new();
    for _ in 0..2 {
        heard.extend(socket.hear_until(|frame| frame["event"]["type"] == "turn.finished").await);
    }
    for (id, done, text) in [(1, first, "1, 2, 3, 4, 5, 6, 7, 8, 9"), (2, second, "1, 2, 3, 4, 5, 6, 7")] {
        let events: Vec<&Value> = heard
            .iter()
            .filter(|frame| frame["op"] == "event" && frame["id"] == id)
            .map(|frame| &frame["event"])
            .collect();
        assert_tiles(events.iter().copied());
        assert_eq!(text_of(events.iter().copied(), done["messages"][1]["id"].as_str().unwrap()), text);
        let caught_up = heard.iter().filter(|frame| frame["op"] == "caught_up" && frame["id"] == id).count();
        assert_eq!(caught_up, 1);
    }
    for frame in heard.iter().filter(|frame| frame["op"] == "event" && frame["id"] != 3) {
        let seq = frame["event"]["seq"].as_u64().unwrap();
        assert!(frame["cursor"].as_str().unwrap().ends_with(&format!(".{seq}")), "{frame}");
    }

    socket.say(json!({"op": "unsubscribe", "id": 1})).await;
    socket.say(json!({"op": "ping"})).await;
    socket.hear_until(|frame| frame["op"] == "pong").await;
    app.patch(&one, &json!({"title": "unheard"})).await.is(200);
    app.patch(&two, &json!({"title": "heard"})).await.is(200);
    let rest = socket.hear_until(|frame| frame["id"] == 2).await;
    assert!(rest.iter().all(|frame| frame["id"] != 1), "{rest:?}");
}

#[tokio::test]
async fn a_socket_resumes_from_its_cursor_and_resyncs_from_a_foreign_one() {
    let app = TestApp::demo().await;
    let at = app.conversation().await;
    app.talk(&at, "count to 3").await;
    let cursor = app.get(&at).await.is(200)["cursor"].as_str().unwrap().to_owned();
    let mut socket = Socket::open(&app, &app.people.owner).await;
    socket.say(json!({"op": "subscribe", "id": 1, "conversation_id": id_of(&at), "after": cursor})).await;
    assert_eq!(socket.hear().await.unwrap(), json!({"op": "caught_up", "id": 1, "cursor": cursor}));
    socket.say(json!({"op": "subscribe", "id": 2, "conversation_id": id_of(&at), "after": "3.1"})).await;
    let resync = socket.hear().await.unwrap();
    assert_eq!(
        (&resync["op"], &resync["id"], &resync["cursor"]),
        (&json!("resync"), &json!(2), &json!(cursor))
    );
    // The id is free again.
    socket.say(json!({"op": "subscribe", "id": 2, "conversation_id": id_of(&at), "after": "now"})).await;
    assert_eq!(socket.hear().await.unwrap()["op"], "caught_up");
}

#[tokio::test]
async fn what_cannot_be_subscribed_to_is_a_problem_under_its_id() {
    let app = TestApp::demo().await;
    let (mine, theirs) = (app.conversation().await, app.conversation().await);
    let mut socket = Socket::open(&app, &app.people.member).await;
    for hidden in [id_of(&theirs), "conv_01h2xcejqtf2nbrexx3vqjhp41", "nonsense"] {
        socket.say(json!({"op": "subscribe", "id": 5, "conversation_id": hidden})).await;
        assert_eq!(socket.problem().await, (json!(5), "not-found".to_owned()), "{hidden}");
    }

    let mut socket = Socket::open(&app, &app.people.owner).await;
    let subscribe =
        |id: u64| json!({"op": "subscribe", "id": id, "conversation_id": id_of(&mine), "after": "now"});
    for (frame, expected) in [
        (
            json!({"op": "subscribe", "id": 5, "conversation_id": id_of(&mine), "after": "x"}),
            "invalid-cursor",
        ),
        (
            json!({"op": "subscribe", "id": 5, "feed": true, "conversation_id": id_of(&mine)}),
            "invalid-request",
        ),
        (json!({"op": "subscribe", "id": 5}), "invalid-request"),
        (json!({"op": "subscribe", "id": 5, "feed": true, "colour": 1}), "invalid-request"),
        (json!({"op": "unsubscribe", "id": 5}), "not-found"),
        (json!({"op": "explode", "id": 5}), "invalid-request"),
    ] {
        socket.say(frame.clone()).await;
        assert_eq!(socket.problem().await, (json!(5), expected.to_owned()), "{frame}");
    }
    for id in 0..4 {
        socket.say(subscribe(id)).await;
        assert_eq!(socket.hear().await.unwrap()["op"], "caught_up");
    }
    socket.say(subscribe(3)).await;
    assert_eq!(socket.problem().await, (json!(3), "conflict".to_owned()));
    socket.say(subscribe(4)).await;
    assert_eq!(socket.problem().await, (json!(4), "rate-limited".to_owned()));
}

#[tokio::test]
async fn hostile_frames_are_problems_and_large_ones_close() {
    let app = TestApp::demo().await;
    let mut socket = Socket::open(&app, &app.people.owner).await;
    for text in
        ["", "{", "null", "[]", "\"subscribe\"", "{\"op\":7}", "{\"op\":\"ping\"}{}", &"[".repeat(60_000)]
    {
        socket.0.send(Message::text(text)).await.unwrap();
        let (id, _) = socket.problem().await;
        assert_eq!(id, Value::Null, "{}", &text[..text.len().min(20)]);
    }
    socket.0.send(Message::binary(vec![0, 159, 146, 150])).await.unwrap();
    assert_eq!(socket.problem().await.1, "malformed-request");
    socket.say(json!({"op": "ping"})).await;
    assert_eq!(socket.hear().await.unwrap(), json!({"op": "pong"}));

    // What was too large may still be on its way when the socket closes.
    let _ = socket.0.send(Message::text("x".repeat(65 * 1024))).await;
    assert_eq!(socket.hear().await, Err(Some(u16::from(CloseCode::Size))));
}

#[tokio::test]
async fn the_first_frame_signs_in_or_the_socket_closes() {
    let app = TestApp::demo().await;
    let at = app.conversation().await;
    let mut socket = Socket::open(&app, "").await;
    socket.say(json!({"op": "auth", "token": app.people.owner})).await;
    socket.say(json!({"op": "subscribe", "id": 1, "conversation_id": id_of(&at), "after": "now"})).await;
    assert_eq!(socket.hear().await.unwrap()["op"], "caught_up");
    // Renewed by the same person only.
    socket.say(json!({"op": "auth", "token": app.people.member})).await;
    assert_eq!(socket.problem().await.1, "forbidden");
    socket.say(json!({"op": "auth", "token": "nonsense"})).await;
    assert_eq!(socket.problem().await.1, "unauthorized");

    for first in [json!({"op": "auth", "token": app.people.revoked}), json!({"op": "ping"})] {
        let mut socket = Socket::open(&app, "").await;
        socket.say(first).await;
        assert_eq!(socket.problem().await.1, "unauthorized");
        assert_eq!(socket.hear().await, Err(Some(4401)));
    }
    let mut silent = Socket::open(&app, "").await;
    let opened = Instant::now();
    assert_eq!(silent.problem().await.1, "unauthorized");
    assert_eq!(silent.hear().await, Err(Some(4401)));
    assert!((Duration::from_secs(4)..Duration::from_secs(7)).contains(&opened.elapsed()));
}

#[tokio::test]
async fn a_foreign_page_and_a_bad_token_do_not_get_in() {
    let app = TestApp::demo().await;
    let refused = |token: String, origin: Option<&'static str>| {
        let app = &app;
        async move {
            match Socket::try_open(app, &token, origin).await {
                Err(tungstenite::Error::Http(response)) => response.status().as_u16(),
                Err(other) => panic!("{other}"),
                Ok(_) => 101,
            }
        }
    };
    assert_eq!(refused(app.people.owner.clone(), Some("https://evil.example.com")).await, 403);
    assert_eq!(refused(app.people.owner.clone(), Some("null")).await, 403);
    assert_eq!(refused(app.people.revoked.clone(), None).await, 401);
    assert_eq!(refused(app.people.narrow.clone(), None).await, 403);
    let ours: &'static str = app.url("").leak();
    assert_eq!(refused(app.people.owner.clone(), Some(ours)).await, 101);
}

#[tokio::test]
async fn a_revoked_key_closes_its_socket() {
    let app = TestApp::demo().await;
    let mut socket = Socket::open(&app, &app.people.owner).await;
    let revoked = Instant::now();
    app.directory.revoke_key(app.people.owner_key).unwrap();
    assert_eq!(socket.problem().await.1, "unauthorized");
    assert_eq!(socket.hear().await, Err(Some(4401)));
    assert!(revoked.elapsed() < Duration::from_secs(5), "{:?}", revoked.elapsed());
}

#[tokio::test]
async fn a_cookie_opens_a_socket_for_our_own_pages_only_and_its_end_closes_it() {
    let app = TestApp::demo().await;
    let browser = app.sign_up(app.directory.owner(), "Ada").await;
    let open = async |headers: &[(&'static str, &str)]| {
        let mut request = app.url("/v1/socket").replace("http:", "ws:").into_client_request().unwrap();
        request.headers_mut().insert("cookie", browser.cookie.parse().unwrap());
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        connect_async(request).await.map(|(socket, _)| Socket(socket))
    };
    for forged in [&[][..], &[("origin", "https://evil.example")], &[("sec-fetch-site", "cross-site")]] {
        let Err(tungstenite::Error::Http(answer)) = open(forged).await else { panic!("{forged:?} got in") };
        assert_eq!(answer.status(), 403, "{forged:?}");
    }
    let ours = format!("http://{}", app.address);
    let mut socket = open(&[("origin", &ours)]).await.unwrap();
    socket.say(json!({"op": "subscribe", "id": 1, "feed": true})).await;
    assert_eq!(socket.hear().await.unwrap()["op"], "caught_up");

    let out = app.browse(&browser, reqwest::Method::POST, "/v1/auth/logout");
    assert_eq!(out.send().await.unwrap().status(), 204);
    let since = Instant::now();
    let closed = loop {
        match socket.hear().await {
            Ok(frame) => assert_eq!(frame["op"], "problem"),
            Err(closed) => break closed,
        }
    };
    assert_eq!(closed, Some(4401));
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
}

#[tokio::test]
async fn what_is_asked_on_a_socket_counts_as_requests() {
    let options = weir::http::Options { requests_per_minute: Some(6), ..TestApp::options() };
    let app = TestApp::with_options(options).await;
    let path = app.conversation().await;
    // With these two, four are left.
    let mut socket = Socket::open(&app, &app.people.owner).await;
    for id in 1..=5 {
        socket.say(json!({"op": "subscribe", "id": id, "conversation_id": id_of(&path)})).await;
        if id < 5 {
            let said = socket.hear_until(|frame| frame["op"] == "caught_up").await;
            assert_eq!(said.last().unwrap()["id"], id);
            socket.say(json!({"op": "unsubscribe", "id": id})).await;
        }
    }
    assert_eq!(socket.problem().await, (json!(5), "rate-limited".to_owned()));
    socket.say(json!({"op": "auth", "token": app.people.owner})).await;
    assert_eq!(socket.problem().await, (Value::Null, "rate-limited".to_owned()));
    // It stays open all the same.
    socket.say(json!({"op": "ping"})).await;
    assert_eq!(socket.hear().await.unwrap()["op"], "pong");
}
