//! Imports through the API: every format, what is there already, and what is wrong with files.

mod round_trips;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{Answer, Event, TestApp};

/// An import of a hundred thousand messages takes its time in a debug build.
const IMPORTED_WITHIN: Duration = Duration::from_secs(120);

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/import/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(path).unwrap()
}

fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

async fn upload(app: &TestApp, token: &str, body: impl Into<reqwest::Body>) -> String {
    let request = app.request(Method::POST, "/v1/imports", token);
    let request = request.header("Content-Type", "application/octet-stream").body(body);
    let answer = Answer::of(request.timeout(IMPORTED_WITHIN)).await;
    let import = answer.is(202);
    assert_eq!(answer.header("location"), format!("/v1/imports/{}", import["id"].as_str().unwrap()));
    answer.header("location").to_owned()
}

async fn ended(app: &TestApp, token: &str, import: &str) -> Value {
    let began = Instant::now();
    loop {
        let now = Answer::of(app.request(Method::GET, import, token)).await.is(200);
        if !now["ended_at"].is_null() {
            return now;
        }
        assert!(began.elapsed() < IMPORTED_WITHIN, "{now}");
        // Soon at first, then seldom enough for what one may ask in a minute.
        let pause = if began.elapsed() < Duration::from_secs(2) { 20 } else { 500 };
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
}

/// Imports as that person, and waits for the end.
async fn import_as(app: &TestApp, token: &str, body: impl Into<reqwest::Body>) -> Value {
    let import = upload(app, token, body).await;
    ended(app, token, &import).await
}

/// Imports as the owner; it has to succeed.
async fn import(app: &TestApp, body: impl Into<reqwest::Body>) -> Value {
    let import = import_as(app, &app.people.owner, body).await;
    assert_eq!(import["state"], "completed", "{import}");
    import
}

fn counts(import: &Value) -> [u64; 5] {
    ["created", "grown", "unchanged", "skipped", "messages"]
        .map(|key| import["counts"][key].as_u64().unwrap())
}

fn reasons(import: &Value) -> String {
    import["reasons"].to_string()
}

async fn conversations(app: &TestApp, token: &str) -> Vec<Value> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1/conversations?limit=200{cursor}");
        let page = Answer::of(app.request(Method::GET, &path, token)).await.is(200);
        found.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

async fn export(app: &TestApp, token: &str, id: &str, format: &str) -> Answer {
    let path = format!("/v1/conversations/{id}/export?format={format}");
    Answer::of(app.request(Method::GET, &path, token).timeout(IMPORTED_WITHIN)).await
}

async fn document(app: &TestApp, token: &str, conversation: &Value) -> Value {
    export(app, token, conversation["id"].as_str().unwrap(), "json").await.is(200)
}

/// The tree of a document: its messages in preorder, each with its depth, and whether it is on the current branch.
fn walk(document: &Value) -> Vec<(usize, bool, &Value)> {
    let messages = document["messages"].as_array().unwrap();
    let mut children: HashMap<&Value, Vec<&Value>> = HashMap::new();
    let parents: HashMap<&Value, &Value> =
        messages.iter().map(|message| (&message["id"], &message["parent_id"])).collect();
    for message in messages {
        children.entry(&message["parent_id"]).or_default().push(message);
    }
    for siblings in children.values_mut() {
        siblings.sort_by_key(|message| message["id"].as_str().unwrap());
    }
    let mut current = std::collections::HashSet::new();
    let mut at = &document["conversation"]["head"];
    while !at.is_null() {
        current.insert(at);
        at = parents[at];
    }
    let mut open: Vec<(usize, &Value)> =
        children.get(&Value::Null).into_iter().flatten().rev().map(|root| (0, *root)).collect();
    let mut found = Vec::new();
    while let Some((depth, message)) = open.pop() {
        found.push((depth, current.contains(&message["id"]), message));
        let below = children.get(&message["id"]).into_iter().flatten();
        open.extend(below.rev().map(|child| (depth + 1, *child)));
    }
    assert_eq!(found.len(), messages.len());
    found
}

/// For people: `*` is the current branch.
fn outline(document: &Value) -> String {
    let mut lines = String::new();
    for (depth, current, message) in walk(document) {
        let parts =
            message["parts"].as_array().unwrap().iter().map(|part| match part["type"].as_str().unwrap() {
                "text" => part["text"].as_str().unwrap().to_owned(),
                "reasoning" => format!("({})", part["text"].as_str().unwrap()),
                "notice" => {
                    format!("[{} {}]", part["code"].as_str().unwrap(), part["text"].as_str().unwrap())
                }
                "source" => format!("<{}>", part["url"].as_str().unwrap()),
                "tool_call" => {
                    let call = message["calls"].as_array().unwrap();
                    let call = call.iter().find(|call| call["id"] == part["call_id"]).unwrap();
                    assert_eq!(call["args_text"], part["args_text"]);
                    let said = call["output"].as_str().unwrap_or("-");
                    format!(
                        "{}{} {} {said}",
                        part["name"].as_str().unwrap(),
                        part["args_text"].as_str().unwrap(),
                        call["state"].as_str().unwrap()
                    )
                }
                other => panic!("{other}"),
            });
        let text = parts.collect::<Vec<_>>().join(" | ").replace('\n', "~");
        let mark = if current { "*" } else { " " };
        let mut who = message["role"].as_str().unwrap().to_owned();
        for (key, open, ignored) in
            [("model", "/", ""), ("status", "!", "complete"), ("finish_reason", ".", "")]
        {
            match message[key].as_str() {
                Some(value) if value != ignored => write!(who, "{open}{value}").unwrap(),
                _ => {}
            }
        }
        writeln!(lines, "{mark}{}{who}: {text}", "  ".repeat(depth)).unwrap();
    }
    lines
}

/// Everything that a document says, but for the ids.
fn without_ids(document: &Value) -> Value {
    let mut conversation = document["conversation"].clone();
    for key in ["id", "workspace_id", "created_by", "head"] {
        conversation.as_object_mut().unwrap().remove(key);
    }
    let places: HashMap<Value, usize> =
        walk(document).iter().enumerate().map(|(at, (_, _, message))| (message["id"].clone(), at)).collect();
    for compaction in conversation.get_mut("compactions").and_then(Value::as_array_mut).into_iter().flatten()
    {
        compaction["message_id"] = json!(places[&compaction["message_id"]]);
        compaction.as_object_mut().unwrap().remove("id");
    }
    let mut turns = HashMap::new();
    let messages = walk(document).into_iter().map(|(depth, current, message)| {
        let mut message = message.clone();
        let calls: HashMap<String, usize> = message["calls"]
            .as_array()
            .into_iter()
            .flatten()
            .enumerate()
            .map(|(index, call)| (call["id"].as_str().unwrap().to_owned(), index))
            .collect();
        let number = |id: &Value| id.as_str().and_then(|id| calls.get(id)).copied();
        for part in message["parts"].as_array_mut().unwrap() {
            if let Some(index) = number(&part["call_id"]) {
                part["call_id"] = json!(index);
            } else if part["discarded"] == true {
                part["call_id"] = Value::Null;
            }
        }
        for call in message.get_mut("calls").and_then(Value::as_array_mut).into_iter().flatten() {
            for key in ["id", "turn_id", "message_id"] {
                call.as_object_mut().unwrap().remove(key);
            }
        }
        if let Some(turn) = message["turn_id"].as_str() {
            let next = turns.len();
            message["turn_id"] = json!(*turns.entry(turn.to_owned()).or_insert(next));
        }
        for key in ["id", "parent_id"] {
            message.as_object_mut().unwrap().remove(key);
        }
        json!([depth, current, message])
    });
    let messages: Vec<Value> = messages.collect();
    json!({"conversation": conversation, "messages": messages})
}

#[tokio::test]
async fn chatgpt_brings_branches_hidden_nodes_left_out_and_calls_with_their_outputs() {
    let app = TestApp::demo().await;
    let archive = zip(&[
        ("user.json", b"{}"),
        ("conversations.json", &fixture("chatgpt.json")),
        ("a/loaf.jpg", b"\xff"),
    ]);
    let done = import(&app, archive).await;
    assert_eq!(counts(&done), [1, 0, 0, 0, 9]);
    assert_eq!(reasons(&done), r#"{"hidden":2,"not_conversations":2}"#);
    let listed = conversations(&app, &app.people.owner).await;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["title"], "Sourdough basics");
    assert_eq!(listed[0]["created_at"], "2023-11-14T22:13:20.250Z");
    assert_eq!(listed[0]["active_at"], "2023-11-14T22:14:10.500Z");
    assert_eq!(listed[0]["metadata"]["imported_from"], "chatgpt");
    let document = document(&app, &app.people.owner, &listed[0]).await;
    assert_eq!(
        outline(&document),
        "\
*user: [attachment loaf.jpg] | What went wrong with this loaf? | [attachment notes.txt]
*  assistant/model-a: (Looking~~The crumb is dense.)
*    assistant/model-a: It was underproofed.
*      user: How do I strengthen the dough?
         assistant/model-a!interrupted: Kne
*        assistant/model-b.stop: Fold it every half hour.
       user: Compute the hydration.
         assistant/model-a: python{\"code\":\"print(350/500)\"} succeeded 0.7
           assistant/model-a.length: 70 %.
"
    );
}

#[tokio::test]
async fn claude_brings_branches_thinking_tools_and_attachments() {
    let app = TestApp::demo().await;
    let done = import(&app, fixture("claude.json")).await;
    assert_eq!(counts(&done), [2, 0, 0, 0, 7]);
    let listed = conversations(&app, &app.people.owner).await;
    let tree = document(&app, &app.people.owner, &listed[0]).await;
    assert_eq!(
        outline(&tree),
        "\
*user: Plan a bed. | [attachment soil.txt] | pH 6.5 | [attachment bed.png]
*  assistant: (Neutral soil.) | search{\"q\":\"beds\"} succeeded found 3 | Beans, then kale.
*    user: Thanks
   assistant!interrupted: Only ka
"
    );
    let line = document(&app, &app.people.owner, &listed[1]).await;
    assert_eq!(outline(&line), "*user: one\n*  assistant: two\n*    user: three\n");
    assert_eq!(listed[1]["title"], Value::Null);
}

#[tokio::test]
async fn open_webui_librechat_and_open_assistant_bring_their_trees() {
    let app = TestApp::demo().await;
    for (file, expected) in [
        (
            "open_webui.json",
            "\
*user: Why do kites fly? | [attachment kite.pdf]
*  assistant/llama-x: (lift~drag) | Lift beats weight. | <https://example.com/wind>
*    user: And tails?
   assistant/llama-y!interrupted: Wi
",
        ),
        (
            "librechat.json",
            "\
*user: Best opening? | [attachment board.png]
*  assistant/model-c: (Classical.) | book{\"eco\":\"C50\"} succeeded Italian | The Italian.
*    user: Why?
   assistant/model-c!interrupted: The Si
",
        ),
        (
            "librechat_nested.json",
            "\
*user: root
*  assistant: one, \"children\": [
*    user: deeper
   assistant: two
",
        ),
    ] {
        let done = import(&app, fixture(file)).await;
        assert_eq!(counts(&done)[..4], [1, 0, 0, 0], "{file}: {done}");
        let listed = conversations(&app, &app.people.owner).await;
        let newest = listed.iter().max_by_key(|one| one["active_at"].as_str().unwrap()).unwrap();
        assert_eq!(outline(&document(&app, &app.people.owner, newest).await), expected, "{file}");
    }
    let done = import(&app, fixture("oasst.jsonl")).await;
    assert_eq!(counts(&done), [2, 0, 0, 0, 5]);
    let listed = conversations(&app, &app.people.owner).await;
    let tree = listed.iter().find(|one| one["title"] == "Name a tree.").unwrap();
    let tree = document(&app, &app.people.owner, tree).await;
    assert_eq!(
        outline(&tree),
        "*user: Name a tree.\n   assistant: Oak.\n     user: Another?\n*  assistant/m: Elm.\n"
    );
}

#[tokio::test]
async fn importing_twice_adds_nothing_and_what_grew_gets_its_new_messages() {
    let app = TestApp::demo().await;
    import(&app, fixture("chatgpt.json")).await;
    let listed = conversations(&app, &app.people.owner).await;
    let before = document(&app, &app.people.owner, &listed[0]).await;
    let again = import(&app, fixture("chatgpt.json")).await;
    assert_eq!(counts(&again), [0, 0, 1, 0, 0]);
    // Two files at once, in another shape.
    let shards = zip(&[
        ("export/conversations-000.json", &fixture("chatgpt.json")),
        ("export/conversations-001.json", &fixture("chatgpt.json")),
    ]);
    assert_eq!(counts(&import(&app, shards).await), [0, 0, 2, 0, 0]);
    assert_eq!(document(&app, &app.people.owner, &listed[0]).await, before);

    // Another person's is another conversation.
    let others = import_as(&app, &app.people.member, fixture("chatgpt.json")).await;
    assert_eq!(counts(&others), [1, 0, 0, 0, 9]);
    let others = conversations(&app, &app.people.member).await;
    assert_ne!(others[0]["id"], listed[0]["id"]);

    let mut grown: Value = serde_json::from_slice(&fixture("chatgpt.json")).unwrap();
    grown[0]["mapping"]["a2b"]["children"] = json!(["u4"]);
    grown[0]["mapping"]["u4"] = json!({"id": "u4", "parent": "a2b", "children": [], "message": {
        "author": {"role": "user"}, "create_time": 1700000090.0, "content": {"content_type": "text", "parts": ["Thanks"]}}});
    grown[0]["current_node"] = json!("u4");
    let done = import(&app, grown.to_string()).await;
    assert_eq!(counts(&done), [0, 1, 0, 0, 1]);
    let after = document(&app, &app.people.owner, &listed[0]).await;
    assert!(outline(&after).contains("*          user: Thanks\n"), "{}", outline(&after));
    assert_eq!(counts(&import(&app, fixture("chatgpt.json")).await), [0, 0, 1, 0, 0]);
}

#[tokio::test]
async fn a_branch_that_was_chosen_or_continued_here_stays_current() {
    let app = TestApp::demo().await;
    let mut file: Value = serde_json::from_slice(&fixture("open_webui.json")).unwrap();
    import(&app, file.to_string()).await;
    let id = conversations(&app, &app.people.owner).await[0]["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/conversations/{id}");
    // From now on its actor is awake; it has to let go before the import can write.
    let sent = app.talk(&path, "count to 2").await;
    let head = app.get(&path).await.is(200)["head"].clone();
    let messages = &mut file[0]["chat"]["history"]["messages"];
    messages["w4"]["childrenIds"] = json!(["w5"]);
    messages["w5"] =
        json!({"id": "w5", "parentId": "w4", "childrenIds": [], "role": "assistant", "content": "Drag."});
    file[0]["chat"]["history"]["currentId"] = json!("w5");
    let cursor = sent["cursor"].as_str().map(str::to_owned);
    let done = import(&app, file.to_string()).await;
    assert_eq!(counts(&done), [0, 1, 0, 0, 1]);
    assert_eq!(app.get(&path).await.is(200)["head"], head);

    // Who follows sees what came, in its place.
    let after = cursor.map_or(String::new(), |cursor| format!("?after={cursor}"));
    let events = format!("{path}/events{after}");
    let seen = app.stream(&events, |events| events.iter().any(|event| event.kind == "caught_up")).await;
    crate::app::assert_tiles(seen.iter().map(|event| &event.data));
    assert!(seen.iter().any(|event| event.data["message"]["parts"][0]["text"] == "Drag."));
    app.talk(&path, "count to 1").await;
}

#[tokio::test]
async fn what_the_person_deleted_is_reported_and_not_brought_back() {
    let app = TestApp::demo().await;
    import(&app, fixture("librechat.json")).await;
    let id = conversations(&app, &app.people.owner).await[0]["id"].as_str().unwrap().to_owned();
    app.delete(&format!("/v1/conversations/{id}")).await.is(204);
    let done = import(&app, fixture("librechat.json")).await;
    assert_eq!((counts(&done), reasons(&done).as_str()), ([0, 0, 0, 1, 0], r#"{"deleted":1}"#));
    assert_eq!(done["items"][0]["conversation"], "44444444-aaaa-4000-8000-000000000001");
    assert_eq!(conversations(&app, &app.people.owner).await.len(), 0);
}

/// What stands in the branch alone. No time of day has it.
const GONE: [&str; 4] = ["hydration", "350/500", "70 %", "\"0.7\""];

/// The whole log, as its events come.
async fn said_in(app: &TestApp, path: &str) -> String {
    let log = format!("{path}/events");
    let seen = app.stream(&log, |events| events.iter().any(|event| event.kind == "caught_up")).await;
    seen.iter().map(|event| event.data.to_string()).collect()
}

#[tokio::test]
async fn a_branch_that_was_deleted_here_stays_deleted_and_leaves_no_word_in_the_log() {
    let app = TestApp::demo().await;
    let mut file: Value = serde_json::from_slice(&fixture("chatgpt.json")).unwrap();
    import(&app, file.to_string()).await;
    let listed = conversations(&app, &app.people.owner).await;
    let path = format!("/v1/conversations/{}", listed[0]["id"].as_str().unwrap());
    let before = document(&app, &app.people.owner, &listed[0]).await;
    let root = walk(&before)
        .into_iter()
        .find(|(_, _, message)| message["parts"][0]["text"] == "Compute the hydration.");
    let root = root.unwrap().2["id"].as_str().unwrap().to_owned();
    let said_before = said_in(&app, &path).await;
    assert!(GONE.iter().all(|word| said_before.contains(word)), "{said_before}");
    app.delete(&format!("{path}/messages/{root}")).await.is(204);

    // It has grown below what was deleted, and elsewhere.
    file[0]["mapping"]["a4"] = said("a4", "a3");
    file[0]["mapping"]["a5"] = said("a5", "a1");
    let done = import(&app, file.to_string()).await;
    assert_eq!(counts(&done), [0, 1, 0, 0, 1], "{done}");
    assert_eq!(reasons(&done), r#"{"deleted":1,"hidden":2}"#);
    let after = outline(&document(&app, &app.people.owner, &listed[0]).await);
    assert!(after.contains("a5") && !after.contains("a4") && !after.contains("hydration"), "{after}");
    let began = Instant::now();
    loop {
        let said = said_in(&app, &path).await;
        if !GONE.iter().any(|word| said.contains(word)) {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{said}");
        // Who asks all the time is asked to wait.
        tokio::time::sleep(Duration::from_millis(100)).await;
        app.tidy().await;
    }
}

fn line(mapping: Value, id: &str) -> Value {
    json!({"conversation_id": id, "title": id, "create_time": 1700000000, "mapping": mapping, "current_node": null})
}

fn said(id: &str, parent: &str) -> Value {
    json!({"id": id, "parent": parent, "children": [], "message": {"author": {"role": "user"}, "create_time": 1700000001,
        "content": {"content_type": "text", "parts": [id]}}})
}

#[tokio::test]
async fn what_is_wrong_with_one_conversation_spoils_no_other() {
    let app = TestApp::demo().await;
    let good = |id: &str| line(json!({"m": said("m", "")}), id).to_string();
    let cycle = json!({"a": said("a", "c"), "b": said("b", "a"), "c": said("c", "b"), "d": said("d", "c")});
    let duplicates = r#"{"x": NODE, "y": {"id": "y", "parent": "x", "children": []}, "x": NODE}"#
        .replace("NODE", &said("x", "").to_string());
    let duplicates =
        format!(r#"{{"conversation_id": "dup", "title": "dup", "create_time": 1, "mapping": {duplicates}}}"#);
    let strange = json!({"s": {"id": "s", "parent": null, "message": {"author": {"role": "critic"}, "content": null}},
        "t": {"id": "t", "parent": "s", "message": {"author": 7}}, "u": said("u", "t")});
    let values = [
        good("first"),
        line(cycle, "cycle").to_string(),
        line(json!({"o": said("o", "nowhere")}), "orphan").to_string(),
        json!({"conversation_id": "none", "title": "none", "current_node": "x"}).to_string(),
        duplicates,
        r#"{"conversation_id": "broken", "mapping": {"a": }}"#.to_owned(),
        line(strange, "strange").to_string(),
        "7".to_owned(),
        json!({"something": "else"}).to_string(),
        json!({"conversation_id": "future", "create_time": 4e9, "mapping": {"m": said("m", "")}}).to_string(),
        good("last"),
    ];
    let done = import(&app, format!("[{}]", values.join(","))).await;
    assert_eq!(counts(&done), [7, 0, 0, 2, 10], "{done}");
    assert_eq!(
        reasons(&done),
        r#"{"cycle":1,"duplicate_id":1,"malformed":2,"missing_messages":1,"missing_parent":1,"time_out_of_range":1,"unknown_format":1,"unknown_role":1}"#,
    );
    let listed = conversations(&app, &app.people.owner).await;
    let titled = |title: &str| listed.iter().find(|one| one["title"] == title).unwrap();
    let mended = document(&app, &app.people.owner, titled("cycle")).await;
    assert_eq!(outline(&mended), "*user: a\n*  user: b\n*    user: c\n*      user: d\n");
    assert_eq!(outline(&document(&app, &app.people.owner, titled("strange")).await), "*user: u\n");

    // All of the report, and only for its owner.
    let report = format!("/v1/imports/{}/report", done["id"].as_str().unwrap());
    let lines = app.get(&report).await;
    assert_eq!(lines.text.lines().count(), 9, "{}", lines.text);
    let theirs = Answer::of(app.request(Method::GET, &report, &app.people.admin)).await;
    assert_eq!(theirs.problem(404), "not-found");
}

#[tokio::test]
async fn a_chain_of_a_hundred_thousand_is_imported_and_a_million_messages_are_not() {
    let app = TestApp::demo().await;
    let deep = 100_000;
    let mut nested = String::from(r#"{"message_tree_id": "deep", "prompt": "#);
    for at in 0..deep {
        let role = if at % 2 == 0 { "prompter" } else { "assistant" };
        write!(nested, r#"{{"message_id": "{at}", "role": "{role}", "text": "{at}", "replies": ["#).unwrap();
    }
    nested.push_str(&"]}".repeat(deep));
    nested.push('}');
    let mut many = String::from(r#"{"conversation_id": "many", "mapping": {"0": {"id": "0"}"#);
    for at in 1..1_000_000 {
        write!(many, r#", "{at}": {{"id": "{at}"}}"#).unwrap();
    }
    many.push_str("}}");
    let done =
        import(&app, format!("{nested}\n{many}\n{}", line(json!({"m": said("m", "")}), "after"))).await;
    assert_eq!(
        (counts(&done), reasons(&done).as_str()),
        ([2, 0, 0, 1, 100_001], r#"{"too_many_messages":1}"#)
    );
    let listed = conversations(&app, &app.people.owner).await;
    let id = listed.iter().find(|one| one["title"] == "0").unwrap()["id"].as_str().unwrap();
    let newest = app.get(&format!("/v1/conversations/{id}/messages?limit=1")).await.is(200);
    assert_eq!(newest["items"][0]["parts"][0]["text"], "99999");
}

#[tokio::test]
async fn bombs_broken_archives_and_strange_files_are_refused_with_their_reason() {
    let app = TestApp::demo().await;
    let spaces = vec![b' '; 64 << 20];
    let whole = zip(&[("conversations.json", &fixture("claude.json"))]);
    let mut lying = zip(&[("conversations.json", &spaces)]);
    // The directory says that it is small.
    let size = (64u32 << 20).to_le_bytes();
    while let Some(at) = lying.windows(4).position(|bytes| bytes == size) {
        lying[at..at + 4].copy_from_slice(&1000u32.to_le_bytes());
    }
    for (file, expected) in [
        (zip(&[("conversations.json", &spaces)]), "refused"),
        (lying, ""),
        (whole[..whole.len() / 2].to_vec(), "broken"),
        (b"PK\x03\x04 and nothing else".to_vec(), "broken"),
        (zip(&[("users.json", b"[{\"uuid\": 1}]"), ("../../etc/passwd", b"x")]), "no conversations"),
        (b"<html></html>".to_vec(), "no conversations"),
        (b"[]".to_vec(), "no conversations"),
        (b"\xff\xfe\x00".to_vec(), "no conversations"),
        (b"{".to_vec(), "no conversations"),
    ] {
        let done = import_as(&app, &app.people.owner, file).await;
        assert_eq!(done["state"], "failed", "{done}");
        let failure = done["failure"].as_str().unwrap();
        assert!(failure.contains(expected), "{failure}");
    }
    assert_eq!(conversations(&app, &app.people.owner).await.len(), 0);

    let request = app.request(Method::POST, "/v1/imports", &app.people.owner);
    let answer = Answer::of(request.header("Content-Type", "text/html").body("x")).await;
    assert_eq!(answer.problem(415), "unsupported-media-type");
    let request = app.request(Method::POST, "/v1/imports", &app.people.owner);
    let answer = Answer::of(request.header("Content-Type", "application/zip").body("")).await;
    assert_eq!(answer.problem(422), "invalid-request");
    let large = app.request(Method::POST, "/v1/imports", &app.people.owner);
    let large = large.header("Content-Type", "application/zip").body(vec![0; (64 << 20) + 1]);
    assert_eq!(Answer::of(large).await.problem(413), "payload-too-large");
}

#[tokio::test]
async fn an_import_can_be_cancelled_and_forgotten_and_a_user_has_few_at_a_time() {
    let app = TestApp::demo().await;
    let values: Vec<_> =
        (0..20_000).map(|at| line(json!({"m": said("m", "")}), &format!("c{at}")).to_string()).collect();
    let large = format!("[{}]", values.join(","));
    let first = upload(&app, &app.people.owner, large.clone()).await;
    for _ in 0..3 {
        upload(&app, &app.people.owner, large.clone()).await;
    }
    let fifth = app.request(Method::POST, "/v1/imports", &app.people.owner);
    let fifth = fifth.header("Content-Type", "application/json").body(large);
    assert_eq!(Answer::of(fifth).await.problem(429), "rate-limited");
    let listed = app.get("/v1/imports").await.is(200);
    let listed: Vec<String> = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| format!("/v1/imports/{}", one["id"].as_str().unwrap()))
        .collect();
    assert_eq!((listed.len(), listed.last()), (4, Some(&first)));
    for import in &listed {
        app.delete(import).await.is(204);
        assert_eq!(ended(&app, &app.people.owner, import).await["state"], "cancelled");
    }
    for import in &listed {
        app.delete(import).await.is(204);
        assert_eq!(app.get(import).await.problem(404), "not-found");
    }
    // The conversations that came are whole, and there will be no more.
    let count = conversations(&app, &app.people.owner).await.len();
    assert!(count < 20_000, "{count}");
}

#[tokio::test]
async fn an_import_tells_the_list_once_for_each_conversation() {
    let app = TestApp::demo().await;
    let cursor = app.get("/v1/conversations").await.is(200)["feed_cursor"].as_str().unwrap().to_owned();
    import(&app, fixture("claude.json")).await;
    import(&app, fixture("claude.json")).await;
    app.post("/v1/conversations", &json!({"title": "after"})).await.is(201);
    let feed = format!("/v1/feed?after={cursor}");
    let told = |events: &[Event]| events.iter().filter(|event| event.kind == "conversation.listed").count();
    let seen = app.stream(&feed, |events| told(events) == 3).await;
    let listed: Vec<_> =
        seen.iter().filter(|event| event.kind != "caught_up").map(|event| event.kind.as_str()).collect();
    assert_eq!(listed, ["conversation.listed"; 3]);
}
