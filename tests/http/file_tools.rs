//! The tools `files.*`, and outputs that are too long: what they do to the files of a conversation.

use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{Answer, TestApp};
use crate::caller::Caller;

struct Desk {
    app: TestApp,
    caller: Arc<Caller>,
    conversation: String,
}

impl Desk {
    async fn new() -> Self {
        let caller = Caller::new();
        let app = TestApp::new(caller.clone()).await;
        let created = app.post("/v1/conversations", &json!({"agent": "filing"})).await.is(201);
        let conversation = format!("/v1/conversations/{}", created["conversation"]["id"].as_str().unwrap());
        Self { app, caller, conversation }
    }

    /// Has the model call one tool; the call as it ended.
    async fn call(&self, tool: &str, args: Value) -> Value {
        self.call_in(&self.conversation, tool, args).await
    }

    async fn call_in(&self, conversation: &str, tool: &str, args: Value) -> Value {
        let text = json!([{"tool": tool, "args": args}]).to_string();
        let turn = self.app.talk(conversation, &text).await;
        assert_eq!(turn["turn"]["state"], "completed", "{turn}");
        let messages = turn["messages"].as_array().unwrap();
        let calls =
            messages.iter().find_map(|message| message["calls"].as_array().filter(|calls| !calls.is_empty()));
        calls.unwrap_or_else(|| panic!("{turn}"))[0].clone()
    }

    async fn succeeds(&self, tool: &str, args: Value) -> String {
        let call = self.call(tool, args).await;
        assert_eq!(call["state"], "succeeded", "{call}");
        call["output"].as_str().unwrap().to_owned()
    }

    async fn fails(&self, tool: &str, args: Value) -> String {
        let call = self.call(tool, args).await;
        assert_eq!(call["state"], "failed", "{call}");
        call["error"].as_str().unwrap().to_owned()
    }

    /// The last call, once it has come to that.
    async fn call_that_is(&self, state: &str) -> Value {
        loop {
            let page = self.app.get(&format!("{}/messages", self.conversation)).await.is(200);
            let calls = page["items"].as_array().unwrap().iter().map(|message| message["calls"][0].clone());
            if let Some(call) = calls.into_iter().find(|call| call["state"] == state) {
                return call;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    /// Has a tool of the client say that; the message that asked for it, and the call as it ended.
    async fn dump(&self, output: &str) -> (String, Value) {
        let tools = json!([{"name": "dump", "description": "", "schema": {"type": "object"}}]);
        let text = json!([{"tool": "dump", "args": {}}]).to_string();
        let path = format!("{}/messages", self.conversation);
        let sent = self.app.post(&path, &json!({"text": text, "tools": tools})).await.is(202);
        let call = self.call_that_is("pending").await["id"].as_str().unwrap().to_owned();
        self.app.post(&format!("/v1/tool-calls/{call}/result"), &json!({"output": output})).await.is(200);
        loop {
            let ended = self.call_that_is("succeeded").await;
            if ended["id"] == call {
                return (sent["message_id"].as_str().unwrap().to_owned(), ended);
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    async fn files(&self, conversation: &str) -> Vec<(String, String)> {
        let listed = self.app.get(&format!("{conversation}/files")).await.is(200);
        let mut files = Vec::new();
        for file in listed["items"].as_array().unwrap() {
            let content = self.app.get(&format!("/v1/files/{}/content", file["id"].as_str().unwrap())).await;
            files.push((file["path"].as_str().unwrap().to_owned(), content.text));
        }
        files
    }
}

fn file(path: &str, content: &str) -> (String, String) {
    (path.to_owned(), content.to_owned())
}

#[tokio::test]
async fn an_agent_writes_reads_lists_and_deletes_files() {
    let desk = Desk::new().await;
    assert_eq!(desk.succeeds("files.list", json!({})).await, "There are none.");
    let written =
        desk.succeeds("files.write", json!({"path": "notes/a.md", "content": "one\ntwö\nthree\n"})).await;
    assert_eq!(written, "notes/a.md is written: 15 bytes");
    assert_eq!(desk.succeeds("files.list", json!({})).await, "notes/a.md (text/markdown, 15 bytes)");
    let read = |args: Value| desk.succeeds("files.read", args);
    assert_eq!(read(json!({"path": "notes/a.md"})).await, "one\ntwö\nthree\n");
    let stretch = read(json!({"path": "notes/a.md", "offset": 4, "length": 3})).await;
    assert_eq!(stretch, "tw\n[bytes 4 to 6 of 15; go on with offset 6]");
    assert_eq!(read(json!({"path": "notes/a.md", "offset": 9})).await, "three\n\n[bytes 9 to 15, the end]");
    assert_eq!(read(json!({"path": "notes/a.md", "line": 2, "lines": 1})).await, "twö\n[lines 2 to 2 of 3]");
    desk.succeeds("files.write", json!({"path": "notes/a.md", "content": "new"})).await;
    assert_eq!(desk.files(&desk.conversation).await, [file("notes/a.md", "new")]);
    assert_eq!(desk.succeeds("files.delete", json!({"path": "notes/a.md"})).await, "notes/a.md is deleted");
    assert_eq!(desk.files(&desk.conversation).await, []);
    assert_eq!(desk.fails("files.read", json!({"path": "notes/a.md"})).await, "there is no file notes/a.md");
    assert_eq!(
        desk.fails("files.delete", json!({"path": "notes/a.md"})).await,
        "there is no file notes/a.md"
    );
}

#[tokio::test]
async fn no_path_leads_out_of_the_conversation() {
    let desk = Desk::new().await;
    for path in ["../x", "/etc/passwd", "a/../../x", "a\\..\\b", "a//b", ".", "", "a\u{0}b", "a/\u{202e}b"] {
        for (tool, args) in [
            ("files.write", json!({"path": path, "content": "x"})),
            ("files.read", json!({"path": path})),
            ("files.delete", json!({"path": path})),
        ] {
            let error = desk.fails(tool, args).await;
            assert!(error.starts_with("not a path of a file: "), "{tool} {path:?}: {error}");
        }
    }
    for path in ["attachments/x", "outputs/x", "attachments"] {
        let error = desk.fails("files.write", json!({"path": path, "content": "x"})).await;
        assert!(error.contains("not yours to change"), "{error}");
    }
    assert_eq!(desk.files(&desk.conversation).await, []);

    // Another conversation's files are not there.
    desk.succeeds("files.write", json!({"path": "a", "content": "mine"})).await;
    let other = desk.app.post("/v1/conversations", &json!({"agent": "filing"})).await.is(201);
    let other = format!("/v1/conversations/{}", other["conversation"]["id"].as_str().unwrap());
    assert_eq!(desk.call_in(&other, "files.read", json!({"path": "a"})).await["error"], "there is no file a");
    let stranger =
        desk.app.request(Method::GET, &format!("{}/files", desk.conversation), &desk.app.people.member);
    assert_eq!(Answer::of(stranger).await.problem(404), "not-found");
}

#[tokio::test]
async fn a_fork_begins_with_the_files_of_its_fork_point() {
    let desk = Desk::new().await;
    desk.succeeds("files.write", json!({"path": "a", "content": "first"})).await;
    let page = desk.app.get(&desk.conversation).await.is(200);
    let point = page["head"].clone();
    desk.succeeds("files.write", json!({"path": "a", "content": "second"})).await;
    desk.succeeds("files.write", json!({"path": "b", "content": "later"})).await;

    let fork =
        desk.app.post(&format!("{}/fork", desk.conversation), &json!({"message_id": point})).await.is(201);
    let fork = format!("/v1/conversations/{}", fork["conversation"]["id"].as_str().unwrap());
    assert_eq!(desk.files(&fork).await, [file("a", "first")]);
    assert_eq!(desk.call_in(&fork, "files.read", json!({"path": "a"})).await["output"], "first");
    desk.call_in(&fork, "files.write", json!({"path": "c", "content": "of the fork"})).await;
    desk.call_in(&fork, "files.delete", json!({"path": "a"})).await;
    assert_eq!(desk.files(&fork).await, [file("c", "of the fork")]);
    desk.succeeds("files.delete", json!({"path": "a"})).await;
    assert_eq!(desk.files(&desk.conversation).await, [file("b", "later")]);

    // What the fork needs stays when its origin goes.
    let again =
        desk.app.post(&format!("{}/fork", desk.conversation), &json!({"message_id": point})).await.is(201);
    let again = format!("/v1/conversations/{}", again["conversation"]["id"].as_str().unwrap());
    desk.app.delete(&desk.conversation).await.is(204);
    desk.app.tidy().await;
    desk.app.tidy_files(std::time::Duration::from_secs(25 * 3600)).await;
    assert_eq!(desk.files(&again).await, [file("a", "first")]);
    for conversation in [&fork, &again] {
        desk.app.delete(conversation).await.is(204);
    }
    desk.app.tidy().await;
    desk.app.tidy_files(std::time::Duration::from_secs(25 * 3600)).await;
    assert_eq!(desk.app.contents(), Vec::<String>::new());
}

#[tokio::test]
async fn a_fork_of_a_path_that_began_anew_has_none_of_the_files_of_the_other_one() {
    let desk = Desk::new().await;
    desk.succeeds("files.write", json!({"path": "a", "content": "private"})).await;
    let attached = desk.app.upload("b.txt", b"private".to_vec()).await;
    let parts =
        json!({"parts": [{"type": "text", "text": "look"}, {"type": "file", "file_id": attached["id"]}]});
    desk.app.say(&desk.conversation, &parts).await;
    let fork = async |at: &str, more: Value| {
        let forked = desk.app.post(&format!("{at}/fork"), &more).await.is(201);
        format!("/v1/conversations/{}", forked["conversation"]["id"].as_str().unwrap())
    };
    let middle = fork(&desk.conversation, json!({})).await;
    desk.app.talk_anew(&middle, "[]").await;
    for _ in 0..4 {
        desk.app.talk(&middle, "[]").await;
    }
    let anew = fork(&middle, json!({})).await;
    assert_eq!(desk.files(&middle).await, [file("a", "private"), file("attachments/b.txt", "private")]);
    assert_eq!(desk.files(&anew).await, []);
}

#[tokio::test]
async fn what_comes_of_a_call_that_was_open_is_nothing_that_a_fork_learns() {
    let desk = Desk::new().await;
    let (app, at) = (&desk.app, &desk.conversation);
    let member = app.people.member.clone();
    app.patch(at, &json!({"visibility": "workspace"})).await.is(200);
    let tool = |name: &str| json!({"name": name, "description": "", "schema": {"type": "object"}});
    let text = json!([{"tool": "early", "args": {}}, {"tool": "late", "args": {"of": "before"}}]).to_string();
    let send = json!({"text": text, "tools": [tool("early"), tool("late")]});
    app.post(&format!("{at}/messages"), &send).await.is(202);
    let calls = loop {
        let page = app.get(&format!("{at}/messages?limit=1")).await.is(200);
        match page["items"][0]["calls"].as_array() {
            Some(calls) if calls.iter().all(|call| call["state"] == "pending") && calls.len() == 2 => {
                break calls.clone();
            }
            _ => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
        }
    };
    let end = async |call: &Value, output: &str| {
        let path = format!("/v1/tool-calls/{}/result", call["id"].as_str().unwrap());
        app.post(&path, &json!({"output": output})).await.is(200);
    };
    let fork = async |from: &str, message: &Value| {
        let body = json!({"message_id": message});
        let request = app.request(Method::POST, &format!("{from}/fork"), &member).json(&body);
        let forked = Answer::of(request).await.is(201);
        format!("/v1/conversations/{}", forked["conversation"]["id"].as_str().unwrap())
    };
    let get = async |path: &str| Answer::of(app.request(Method::GET, path, &member)).await;
    end(&calls[0], "in time").await;
    let asked = calls[0]["message_id"].clone();
    let forked = fork(at, &asked).await;
    let again = fork(&forked, &asked).await;
    app.patch(at, &json!({"visibility": "private"})).await.is(200);
    let cursor = app.get(at).await.is(200)["cursor"].as_str().unwrap().to_owned();
    let before = format!("/v1/search?q=before&tool=late&after={cursor}");
    assert_eq!(app.get(&before).await.is(200)["items"][0]["message_id"], asked);
    assert_eq!(get(&before).await.is(200)["items"], json!([]), "nor when it has come");
    end(&calls[1], &"afterwards ".repeat(4_000)).await;
    let kept = app.get(&format!("{at}/files")).await.is(200)["items"][0].clone();
    let content = format!("/v1/files/{}/content", kept["id"].as_str().unwrap());
    let cursor = app.get(at).await.is(200)["cursor"].as_str().unwrap().to_owned();
    let search = format!("/v1/search?q=afterwards&after={cursor}");
    let found = app.get(&search).await.is(200);
    assert!(found["items"].as_array().unwrap().iter().any(|item| item["message_id"] == asked), "{found}");

    assert_eq!(get(&search).await.is(200)["items"], json!([]));
    assert_eq!(get(&content).await.problem(404), "not-found");
    for forked in [&forked, &again] {
        let page = get(&format!("{forked}/messages")).await.is(200);
        let seen = &page["items"][0]["calls"];
        assert_eq!((&seen[0]["state"], &seen[0]["output"]), (&json!("succeeded"), &json!("in time")));
        assert_eq!((&seen[1]["state"], &seen[1]["args"]), (&json!("cancelled"), &json!({"of": "before"})));
        assert_eq!(get(&format!("{forked}/files")).await.is(200)["items"], json!([]));
        for path in [forked.clone(), format!("{forked}/messages"), format!("{forked}/export")] {
            let all = get(&path).await.text;
            assert!(!all.contains("afterwards"), "{all}");
        }
    }

    // Nor does the model that goes on there.
    let body = json!({"text": "[]"});
    let request = app.request(Method::POST, &format!("{forked}/messages"), &member);
    let ended = Answer::of(request.header("Prefer", "wait=15").json(&body)).await.is(200);
    assert_eq!(ended["turn"]["state"], "completed", "{ended}");
    let told = format!("{:?}", desk.caller.asked.lock().last().unwrap().prompt);
    assert!(told.contains("in time") && !told.contains("afterwards"), "{told}");

    // Whoever forks now has it all.
    app.patch(at, &json!({"visibility": "workspace"})).await.is(200);
    let whole = fork(at, &asked).await;
    app.patch(at, &json!({"visibility": "private"})).await.is(200);
    assert!(get(&format!("{whole}/messages")).await.text.contains("afterwards"));
    assert_eq!(get(&search).await.is(200)["items"][0]["message_id"], asked);
    assert_eq!(get(&content).await.text, "afterwards ".repeat(4_000));
}

#[tokio::test]
async fn files_of_messages_are_read_and_told_apart() {
    let desk = Desk::new().await;
    let first = desk.app.upload("a.txt", b"first".to_vec()).await;
    let second = desk.app.upload("a.txt", b"second".to_vec()).await;
    let image = desk.app.upload("b.png", b"\x89PNG\r\n\x1a\nnothing".to_vec()).await;
    for file in [&first, &second, &image] {
        let parts =
            json!({"parts": [{"type": "text", "text": "look"}, {"type": "file", "file_id": file["id"]}]});
        desk.app.say(&desk.conversation, &parts).await;
    }
    let listed = desk.succeeds("files.list", json!({"prefix": "attachments/a"})).await;
    let expected = "attachments/a (2).txt (text/plain, 6 bytes)\nattachments/a.txt (text/plain, 5 bytes)";
    assert_eq!(listed, expected);
    assert_eq!(desk.succeeds("files.read", json!({"path": "attachments/a.txt"})).await, "first");
    assert_eq!(desk.succeeds("files.read", json!({"path": "attachments/a (2).txt"})).await, "second");
    let error = desk.fails("files.read", json!({"path": "attachments/b.png"})).await;
    assert_eq!(error, "attachments/b.png is application/octet-stream, 15 bytes: not a text");
}

#[tokio::test]
async fn the_files_of_a_conversation_have_a_limit_with_all_that_they_ever_were() {
    let limits = weir::runtime::files::Limits {
        conversation_bytes: 10,
        conversation_changes: 4,
        ..Default::default()
    };
    let caller = Caller::new();
    let app = TestApp::with_model_and_file_limits(caller.clone(), limits).await;
    let created = app.post("/v1/conversations", &json!({"agent": "filing"})).await.is(201);
    let conversation = format!("/v1/conversations/{}", created["conversation"]["id"].as_str().unwrap());
    let desk = Desk { app, caller, conversation };
    desk.succeeds("files.write", json!({"path": "a", "content": "123456"})).await;
    let error = desk.fails("files.write", json!({"path": "a", "content": "12345"})).await;
    assert!(error.starts_with("there is no room"), "{error}");
    desk.succeeds("files.write", json!({"path": "a", "content": "1234"})).await;
    for content in ["", ""] {
        desk.succeeds("files.write", json!({"path": "b", "content": content})).await;
    }
    desk.fails("files.write", json!({"path": "b", "content": ""})).await;
    let (_, told) = desk.dump(&"x".repeat(40_000)).await;
    assert!(told["output"].as_str().unwrap().contains("They were not kept."), "{told}");
    assert_eq!(desk.files(&desk.conversation).await, [file("a", "1234"), file("b", "")]);
}

/// What a client's tool says is as long as it likes.
#[tokio::test]
async fn a_long_output_is_kept_and_the_model_reads_the_rest() {
    let desk = Desk::new().await;
    let long: String = (0..20_000).map(|n| format!("line {n}\n")).collect();
    let (first, told) = desk.dump(&long).await;
    let call = told["id"].as_str().unwrap();
    let kept = format!("outputs/{call}.txt");
    let output = told["output"].as_str().unwrap();
    assert!(output.len() < 21_000 && output.starts_with("line 0\n") && output.ends_with("line 19999\n"));
    let said = format!("The whole is in the file {kept}: read it with files.read, from offset 16384.]");
    assert!(output.contains(&said), "{output}");
    assert_eq!(desk.files(&desk.conversation).await, [file(&kept, &long)]);

    let (mut whole, mut offset) = (output[..16_384].to_owned(), 16_384);
    while offset < long.len() {
        let read = desk.succeeds("files.read", json!({"path": kept, "offset": offset})).await;
        let (stretch, _) = read.rsplit_once("\n[bytes").unwrap();
        whole.push_str(stretch);
        offset += stretch.len();
    }
    assert_eq!(whole, long);

    // With the message that it belongs to, it goes.
    desk.app.delete(&format!("{}/messages/{first}", desk.conversation)).await.is(204);
    assert_eq!(desk.files(&desk.conversation).await, []);
}
