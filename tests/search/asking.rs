//! What one asks over HTTP, and what comes back.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::errand::Errand;
use crate::upload::upload;

async fn search(errand: &Errand, query: &str) -> Value {
    errand.client.get(&format!("/v1/search?after=0.0&{query}")).await.expect(200)
}

fn items(page: &Value) -> &Vec<Value> {
    page["items"].as_array().expect("a list")
}

async fn turn(errand: &Errand, arguments: &Value) -> String {
    let turn = errand.calls("look", arguments).await;
    errand.turn_is(&turn, "completed").await;
    turn
}

#[tokio::test]
async fn what_was_said_is_found_at_once_with_its_place_and_its_words() {
    let errand = Errand::new("").await;
    turn(&errand, &json!({"order": "the Grüße of Zürich"})).await;
    let path = format!("/v1/conversations/{}", errand.conversation);
    let title = json!({"title": "About Zurich"});
    errand.client.send(reqwest::Method::PATCH, &path, &title).await.expect(200);

    let page = search(&errand, "q=zurich").await;
    let kinds: BTreeSet<_> = items(&page).iter().map(|item| item["kind"].as_str().expect("a kind")).collect();
    assert_eq!(kinds, BTreeSet::from(["call", "message", "title"]));
    let said = items(&page).iter().find(|item| item["kind"] == "message").expect("it was said");
    assert_eq!(said["conversation"], json!({"id": errand.conversation, "title": "About Zurich"}));
    assert_eq!((&said["role"], &said["on_current_path"]), (&json!("user"), &json!(true)));
    let snippet = said["snippet"]["text"].as_str().expect("a text");
    let units: Vec<u16> = snippet.encode_utf16().collect();
    let [from, to] =
        [0, 1].map(|end| said["snippet"]["highlights"][0][end].as_u64().expect("a number") as usize);
    assert_eq!(String::from_utf16(&units[from..to]).expect("whole characters"), "Zürich");

    let only = |page: &Value| items(page).iter().map(|item| item["kind"].clone()).collect::<Vec<_>>();
    assert_eq!(only(&search(&errand, "q=zurich&kind=title").await), ["title"]);
    assert_eq!(only(&search(&errand, "q=zurich&role=user").await), ["message"]);
    assert_eq!(only(&search(&errand, "q=zurich&tool=look").await), ["call"]);
    assert_eq!(only(&search(&errand, "q=zurich&tool=refund").await), Vec::<Value>::new());
    assert_eq!(only(&search(&errand, "q=zurich&agent=nobody").await), Vec::<Value>::new());
    assert_eq!(only(&search(&errand, "q=zurich+-grusse&kind=message").await), Vec::<Value>::new());
    assert_eq!(only(&search(&errand, "q=%22of+zurich%22&kind=message").await), ["message"]);
    assert_eq!(only(&search(&errand, "q=zur*&kind=message").await), ["message"]);
    let grouped = search(&errand, "q=zurich&group=conversation").await;
    assert_eq!((items(&grouped).len(), &items(&grouped)[0]["others"]), (1, &json!(2)));
    // Nothing has both words.
    let relaxed = search(&errand, "q=zurich+nowhere").await;
    assert_eq!((items(&relaxed).is_empty(), &relaxed["relaxed"]), (false, &json!(true)));
}

#[tokio::test]
async fn pages_are_one_order_whatever_is_said_meanwhile() {
    let errand = Errand::new("").await;
    for number in 0..6 {
        turn(&errand, &json!({"order": format!("pebble {number}")})).await;
    }
    for sort in ["relevance", "recent"] {
        let whole = search(&errand, &format!("q=pebble&sort={sort}&limit=100")).await;
        let id = |item: &Value| item["message_id"].as_str().expect("a message").to_owned();
        let whole: Vec<_> = items(&whole).iter().map(id).collect();
        let mut page = search(&errand, &format!("q=pebble&sort={sort}&limit=5")).await;
        let mut seen: Vec<_> = items(&page).iter().map(id).collect();
        while let Some(next) = page["next"].as_str() {
            turn(&errand, &json!({"order": "another pebble, and a pebble"})).await;
            page = search(&errand, &format!("q=pebble&sort={sort}&limit=5&page={next}")).await;
            seen.extend(items(&page).iter().map(id));
        }
        assert_eq!(seen, whole, "{sort}");
    }
}

/// Conversations of one message each, by the minute when it was said.
fn said_at(minutes: impl Iterator<Item = i64>) -> Vec<u8> {
    let conversation = |minute: i64| {
        let at = 1_700_000_000 + 60 * minute;
        let message = json!({"author": {"role": "user"}, "create_time": at,
            "content": {"content_type": "text", "parts": [format!("pebble {minute}")]}});
        let node = json!({"id": "only", "parent": null, "children": [], "message": message});
        json!({"conversation_id": format!("of-{minute}"), "title": "A walk", "create_time": at, "current_node": "only",
            "mapping": {"only": node}})
    };
    serde_json::to_vec(&minutes.map(conversation).collect::<Vec<_>>()).expect("JSON serialises")
}

#[tokio::test]
async fn the_newest_come_first_whenever_they_were_taken_in() {
    let errand = Errand::new("").await;
    // Each becomes a piece of the index of its own.
    let parts: [Vec<i64>; 3] =
        [(10..20).collect(), (0..10).chain(25..27).collect(), (20..25).chain(27..30).collect()];
    for minutes in parts {
        upload(&errand.client, said_at(minutes.into_iter())).await;
        search(&errand, "q=pebble").await;
    }
    let minute = |item: &Value| {
        let text = item["snippet"]["text"].as_str().expect("a text");
        text.strip_prefix("pebble ").and_then(|number| number.parse::<i64>().ok()).expect("a number")
    };
    let at = |minute: i64| weir::clock::Timestamp::from_millis(1000 * (1_700_000_000 + 60 * minute));
    for (narrow, expected) in [
        (String::new(), 0..30),
        (format!("&since={}", at(8)), 8..30),
        (format!("&until={}", at(22)), 0..22),
        (format!("&since={}&until={}", at(12), at(14)), 12..14),
    ] {
        let expected: Vec<_> = expected.rev().collect();
        for query in ["q=pebble&sort=recent&limit=4", "q=peb*&limit=4", "q=peb*&limit=100"] {
            let query = format!("{query}{narrow}");
            let mut page = search(&errand, &query).await;
            let mut seen: Vec<_> = items(&page).iter().map(minute).collect();
            while let Some(next) = page["next"].as_str() {
                page = search(&errand, &format!("{query}&page={next}")).await;
                seen.extend(items(&page).iter().map(minute));
            }
            assert_eq!(seen, expected, "{query}");
        }
    }
}

#[tokio::test]
async fn a_hit_says_whether_it_is_on_the_way_to_where_its_conversation_stands() {
    let errand = Errand::new("").await;
    turn(&errand, &json!({"order": "pebble before"})).await;
    turn(&errand, &json!({"order": "pebble before"})).await;
    // Said anew from the beginning on.
    let path = format!("/v1/conversations/{}/messages", errand.conversation);
    let text = json!([{"tool": "look", "args": {"order": "pebble after"}}]).to_string();
    let sent = errand.client.post(&path, &json!({"text": text, "parent_id": null})).await.expect(202);
    errand.turn_is(sent["turn"]["id"].as_str().expect("a turn"), "completed").await;
    for (word, on_path) in [("before", false), ("after", true)] {
        let page = search(&errand, &format!("q=pebble+{word}&limit=50")).await;
        assert!(items(&page).len() > 1, "{page}");
        assert!(items(&page).iter().all(|item| item["on_current_path"] == on_path), "{word}: {page}");
    }
}

/// Where something stands counts as well; the store is asked only for what that may bring to the front.
#[tokio::test]
async fn the_first_are_the_first_however_many_are_asked_for() {
    let mut errand = Errand::new("").await;
    for number in 0..8 {
        errand.conversation = errand.client.converse("default").await;
        if number % 3 == 0 {
            let title = json!({"title": format!("Pebble {number}")});
            let path = format!("/v1/conversations/{}", errand.conversation);
            errand.client.send(reqwest::Method::PATCH, &path, &title).await.expect(200);
        }
        let said = "pebble ".repeat(1 + number % 4) + &"sand ".repeat(number);
        turn(&errand, &json!({"order": said})).await;
    }
    let shown = |page: &Value| -> Vec<Value> {
        items(page)
            .iter()
            .map(|item| json!([item["conversation"]["id"], item["message_id"], item["kind"]]))
            .collect()
    };
    // All matches of a beginning are alike, and in the order of their age.
    for query in ["pebble", "pebb*"] {
        let whole = shown(&search(&errand, &format!("q={query}&limit=100")).await);
        assert!(whole.len() > 16, "{whole:?}");
        for limit in 1..whole.len() {
            let mut page = search(&errand, &format!("q={query}&limit={limit}")).await;
            assert_eq!(shown(&page), whole[..limit], "{query}, {limit}");
            let mut all = shown(&page);
            while let Some(next) = page["next"].as_str() {
                page = search(&errand, &format!("q={query}&limit={limit}&page={next}")).await;
                all.extend(shown(&page));
            }
            assert_eq!(all, whole, "{query}, {limit}");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_parsed_is_searched_as_words_and_what_is_no_search_is_named() {
    let errand = Errand::new("").await;
    turn(&errand, &json!({"order": "pebble"})).await;
    for query in ["%22pebble", "pebble+OR", "OR+pebble", "pebble+-", "%28pebble", "pebble%22%22", "-+pebble"]
    {
        let page = search(&errand, &format!("q={query}")).await;
        assert!(!items(&page).is_empty(), "{query}");
    }
    for query in ["", "+", "%22%22", "%00", "*", "-", "%3F%3F%3F", "-pebble+-other", "%F0%9F%98%80"] {
        search(&errand, &format!("q={query}")).await;
    }
    let long = "a".repeat(1001);
    for (query, status, pointer) in [
        ("", 422, ""),
        ("q=a&q=b", 422, "/q"),
        ("q=a&color=red", 422, "/color"),
        (&format!("q={long}"), 422, "/q"),
        ("q=a&limit=0", 422, "/limit"),
        ("q=a&limit=x", 422, "/limit"),
        ("q=a&role=king", 422, "/role"),
        ("q=a&sort=up", 422, "/sort"),
        ("q=a&since=yesterday", 422, "/since"),
        ("q=a&conversation_id=msg_1", 422, "/conversation_id"),
        ("q=a&page=nonsense", 422, "/page"),
        ("q=a&after=nonsense", 400, ""),
    ] {
        let reply = errand.client.get(&format!("/v1/search?{query}")).await;
        assert_eq!(reply.status, status, "{query}: {:?}", reply.body);
        if !pointer.is_empty() {
            assert_eq!(reply.body["errors"][0]["pointer"], pointer, "{query}: {:?}", reply.body);
        }
    }
    // A page of another search is begun anew, and of nobody else's.
    let first = search(&errand, "q=pebble&limit=1").await;
    let next = first["next"].as_str().expect("more");
    let other = search(&errand, &format!("q=order&limit=1&page={next}")).await;
    assert!(items(&other).len() <= 1);
}
