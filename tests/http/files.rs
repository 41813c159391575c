//! Files: sent, kept once, shown to those who see where they are used, given to models, and gone when nobody needs them.

use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use crate::app::{Answer, TestApp};
use crate::caller::Caller;

/// A PNG as far as its size.
fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    bytes.extend(width.to_be_bytes());
    bytes.extend(height.to_be_bytes());
    bytes.extend([8, 6, 0, 0, 0, 1, 2, 3, 4]);
    bytes
}

fn path_of(file: &Value) -> String {
    format!("/v1/files/{}", file["id"].as_str().unwrap())
}

fn content_of(file: &Value) -> String {
    format!("{}/content", path_of(file))
}

async fn as_member(app: &TestApp, path: &str) -> Answer {
    Answer::of(app.request(Method::GET, path, &app.people.member)).await
}

/// A form of fields, each with its disposition and its content.
fn form(app: &TestApp, fields: &[(&str, &str)]) -> RequestBuilder {
    let field = |(disposition, content): &(&str, &str)| {
        format!("--edge\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{content}\r\n")
    };
    let body: String = fields.iter().map(field).collect::<String>() + "--edge--\r\n";
    let request = app.request(Method::POST, "/v1/files", &app.people.owner);
    request.header("Content-Type", "multipart/form-data; boundary=edge").body(body)
}

/// Sends a message with these files as the owner; the message's id.
async fn attach(app: &TestApp, conversation: &str, files: &[&Value]) -> String {
    let mut parts = vec![json!({"type": "text", "text": "look at this"})];
    parts.extend(files.iter().map(|file| json!({"type": "file", "file_id": file["id"]})));
    let request = app
        .request(Method::POST, &format!("{conversation}/messages"), &app.people.owner)
        .header("Prefer", "wait=15");
    let sent = Answer::of(request.json(&json!({"parts": parts}))).await.is(200);
    sent["message_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_file_comes_back_as_it_was_sent() {
    let app = TestApp::demo().await;
    let content: Vec<u8> = (0..700_000u32).flat_map(|n| n.to_le_bytes()).collect();
    let file = app.upload("numbers.bin", content.clone()).await;
    let hash = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(file["name"], "numbers.bin");
    assert_eq!(file["media_type"], "application/octet-stream");
    assert_eq!((&file["size"], &file["sha256"]), (&json!(2_800_000), &json!(hash)));
    assert_eq!(app.get(&path_of(&file)).await.is(200), file);

    let got = app.request(Method::GET, &content_of(&file), &app.people.owner).send().await.unwrap();
    let header = |name: &str| got.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("etag"), format!("\"{hash}\""));
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(header("content-security-policy"), "default-src 'none'; frame-ancestors 'none'; sandbox");
    assert_eq!(
        header("content-disposition"),
        "attachment; filename=\"numbers.bin\"; filename*=UTF-8''numbers.bin"
    );
    assert_eq!(header("content-length"), "2800000");
    assert_eq!(got.bytes().await.unwrap(), content);

    let head = Answer::of(app.request(Method::HEAD, &content_of(&file), &app.people.owner)).await;
    assert_eq!((head.status.as_u16(), head.header("content-length"), head.text.len()), (200, "2800000", 0));
    let known = app.request(Method::GET, &content_of(&file), &app.people.owner);
    let known = Answer::of(known.header("If-None-Match", format!("\"{hash}\""))).await;
    assert_eq!((known.status.as_u16(), known.text.len()), (304, 0));

    let field = "name=\"upload\"; filename=\"Plän.md\"\r\nContent-Type: text/markdown";
    let sent = Answer::of(form(&app, &[(field, "# Plan")])).await;
    assert_eq!(sent.header("location"), path_of(&sent.is(201)));
    let sent = sent.is(201);
    assert_eq!((&sent["name"], &sent["media_type"]), (&json!("Plän.md"), &json!("text/markdown")));
    let got = app.get(&content_of(&sent)).await;
    assert_eq!((got.text.as_str(), got.header("content-type")), ("# Plan", "text/markdown; charset=utf-8"));
    assert!(got.header("content-disposition").ends_with("filename*=UTF-8''Pl%C3%A4n.md"));
}

#[tokio::test]
async fn one_stretch_of_a_file_is_served() {
    let app = TestApp::demo().await;
    let file = app.upload("letters.txt", b"abcdefghij".to_vec()).await;
    let ask = |range: &str, tag: Option<String>| {
        let request = app.request(Method::GET, &content_of(&file), &app.people.owner).header("Range", range);
        Answer::of(match tag {
            Some(tag) => request.header("If-Range", tag),
            None => request,
        })
    };
    let part = ask("bytes=2-4", None).await;
    assert_eq!((part.status.as_u16(), part.text.as_str()), (206, "cde"));
    assert_eq!(part.header("content-range"), "bytes 2-4/10");
    assert_eq!(ask("bytes=-2", None).await.text, "ij");
    let tag = format!("\"{}\"", file["sha256"].as_str().unwrap());
    assert_eq!(ask("bytes=8-", Some(tag)).await.text, "ij");
    let whole = ask("bytes=8-", Some("\"another\"".to_owned())).await;
    assert_eq!((whole.status.as_u16(), whole.text.as_str()), (200, "abcdefghij"));
    assert_eq!(ask("bytes=0-1,4-5", None).await.status.as_u16(), 200);
    let nowhere = ask("bytes=10-", None).await;
    assert_eq!(nowhere.problem(416), "range-not-satisfiable");
    assert_eq!(nowhere.header("content-range"), "bytes */10");
}

#[tokio::test]
async fn what_a_file_claims_to_be_is_not_believed() {
    let app = TestApp::demo().await;
    let send = |name: &str, kind: &str, content: Vec<u8>| {
        let name = form_urlencoded::byte_serialize(name.as_bytes()).collect::<String>();
        let request = app.request(Method::POST, &format!("/v1/files?name={name}"), &app.people.owner);
        Answer::of(request.header("Content-Type", kind).body(content))
    };
    let page = send("a.png", "image/png", b"<!DOCTYPE html><script>alert(1)</script>".to_vec()).await.is(201);
    assert_eq!(page["media_type"], "text/html");
    let served = app.get(&content_of(&page)).await;
    assert!(served.header("content-disposition").starts_with("attachment;"));
    assert!(served.header("content-security-policy").ends_with("sandbox"));
    let image = send("a.html", "text/html", png(4, 4)).await.is(201);
    assert_eq!(image["media_type"], "image/png");

    let bomb = send("bomb.png", "image/png", png(60_000, 60_000)).await;
    assert_eq!(bomb.problem(422), "invalid-request");
    assert!(bomb.text.contains("50 million pixels"), "{}", bomb.text);

    for (given, name) in [
        ("../../etc/passwd", "passwd"),
        ("C:\\x\\report.pdf", "report.pdf"),
        ("inv\u{202e}fdp.exe", "invfdp.exe"),
        ("a\r\nSet-Cookie: x=1", "aSet-Cookie: x=1"),
        ("", "file"),
    ] {
        let sent = send(given, "text/plain", b"text".to_vec()).await.is(201);
        assert_eq!(sent["name"], name, "{given:?}");
        assert_eq!(app.get(&content_of(&sent)).await.header("set-cookie"), "");
    }
}

#[tokio::test]
async fn files_of_one_content_share_it_and_the_last_one_takes_it_along() {
    let app = TestApp::demo().await;
    let (first, second) =
        (app.upload("a", b"the same".to_vec()).await, app.upload("b", b"the same".to_vec()).await);
    assert_ne!(first["id"], second["id"]);
    assert_eq!(app.contents().len(), 1);
    app.delete(&path_of(&first)).await.is(204);
    assert_eq!(app.get(&content_of(&first)).await.problem(404), "not-found");
    assert_eq!(app.get(&content_of(&second)).await.text, "the same");
    app.delete(&path_of(&second)).await.is(204);
    assert_eq!(app.contents(), Vec::<String>::new());
    app.close().await;
    assert_eq!(app.rows("SELECT count(*) + coalesce(sum(bytes), 0) FROM files LEFT JOIN file_totals"), 0);
}

#[tokio::test]
async fn a_file_is_seen_by_whoever_sees_where_it_is_used() {
    let app = TestApp::demo().await;
    let file = app.upload("secret.txt", b"a secret".to_vec()).await;
    let both = [path_of(&file), content_of(&file)];
    let (private, shared) = (app.conversation().await, app.conversation().await);
    app.patch(&shared, &json!({"visibility": "workspace"})).await.is(200);
    attach(&app, &private, &[&file]).await;
    for path in &both {
        assert_eq!(as_member(&app, path).await.problem(404), "not-found");
    }
    // Nor is it theirs to send, wherever.
    let parts = json!({"parts": [{"type": "text", "text": "x"}, {"type": "file", "file_id": file["id"]}]});
    let path = format!("{shared}/messages");
    for token in [&app.people.member, &app.people.stranger] {
        let own =
            Answer::of(app.request(Method::POST, "/v1/conversations", token).json(&json!({}))).await.is(201);
        let own = format!("/v1/conversations/{}/messages", own["conversation"]["id"].as_str().unwrap());
        let refused = Answer::of(app.request(Method::POST, &own, token).json(&parts)).await;
        assert_eq!(refused.invalid(), "/parts/1/file_id");
        let created = app.request(Method::POST, "/v1/conversations", token).json(&json!({"message": parts}));
        assert_eq!(Answer::of(created).await.invalid(), "/parts/1/file_id");
    }
    let refused = Answer::of(app.request(Method::POST, &path, &app.people.member).json(&parts)).await;
    assert_eq!(refused.invalid(), "/parts/1/file_id");

    let said = attach(&app, &shared, &[&file]).await;
    for path in &both {
        as_member(&app, path).await.status.is_success().then_some(()).expect("it is shared now");
        let stranger = Answer::of(app.request(Method::GET, path, &app.people.stranger)).await;
        assert_eq!(stranger.problem(404), "not-found");
    }
    let member = app.request(Method::DELETE, &both[0], &app.people.member);
    assert_eq!(Answer::of(member).await.problem(403), "forbidden");
    let stranger = app.request(Method::DELETE, &both[0], &app.people.stranger);
    assert_eq!(Answer::of(stranger).await.problem(404), "not-found");

    // A fork shows it to its readers, and goes on doing so when the branch is deleted where it came from.
    let fork = Answer::of(
        app.request(Method::POST, &format!("{shared}/fork"), &app.people.member)
            .json(&json!({"message_id": said})),
    );
    let fork = fork.await.is(201);
    let fork = format!("/v1/conversations/{}", fork["conversation"]["id"].as_str().unwrap());
    app.delete(&format!("{shared}/messages/{said}")).await.is(204);
    assert_eq!(as_member(&app, &both[1]).await.text, "a secret");
    app.delete(&path_of(&file)).await.is(204);
    assert_eq!(as_member(&app, &both[1]).await.text, "a secret");
    let gone = Answer::of(app.request(Method::DELETE, &fork, &app.people.member)).await;
    assert_eq!(gone.status.as_u16(), 204);
    assert_eq!(as_member(&app, &both[1]).await.problem(404), "not-found");
    // The private conversation has it still, and with that goes the last of it.
    assert_eq!(app.get(&both[1]).await.text, "a secret");
    app.delete(&private).await.is(204);
    assert_eq!(app.get(&both[1]).await.problem(404), "not-found");
    app.tidy().await;
    app.tidy_files(Duration::ZERO).await;
    assert_eq!(app.contents(), Vec::<String>::new());
}

#[tokio::test]
async fn a_deleted_branch_shows_its_files_to_nobody_else() {
    let app = TestApp::demo().await;
    let shared = app.conversation().await;
    app.patch(&shared, &json!({"visibility": "workspace"})).await.is(200);
    let file = app.upload("a.txt", b"text".to_vec()).await;
    let said = attach(&app, &shared, &[&file]).await;
    as_member(&app, &path_of(&file)).await.is(200);
    app.delete(&format!("{shared}/messages/{said}")).await.is(204);
    assert_eq!(as_member(&app, &path_of(&file)).await.problem(404), "not-found");
    app.get(&path_of(&file)).await.is(200);
}

#[tokio::test]
async fn one_lists_ones_own_files() {
    let app = TestApp::demo().await;
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(app.upload(&format!("{n}.txt"), vec![b'a' + n]).await["id"].clone());
    }
    ids.reverse();
    let (mut found, mut path) = (Vec::new(), "/v1/files?limit=2".to_owned());
    loop {
        let page = app.get(&path).await.is(200);
        found.extend(page["items"].as_array().unwrap().iter().map(|file| file["id"].clone()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/files?limit=2&cursor={next}");
    }
    assert_eq!(found, ids);
    let member = as_member(&app, "/v1/files").await.is(200);
    assert_eq!(member["items"], json!([]));
    let viewer = app.request(Method::POST, "/v1/files", &app.people.viewer).body("x");
    assert_eq!(Answer::of(viewer).await.problem(403), "forbidden");
}

#[tokio::test]
async fn what_is_too_much_is_refused_and_leaves_nothing() {
    let limits = weir::runtime::files::Limits {
        file_bytes: 100_000,
        user_files: 3,
        user_bytes: 150_000,
        workspace_bytes: 200_000,
        ..Default::default()
    };
    let app = TestApp::with_file_limits(limits).await;
    let send = |token: &str, body: reqwest::Body| {
        Answer::of(app.request(Method::POST, "/v1/files", token).body(body))
    };
    let (owner, member) = (app.people.owner.clone(), app.people.member.clone());
    assert_eq!(send(&owner, vec![1; 100_001 + 70_000].into()).await.problem(413), "payload-too-large");
    let endless = futures_util::stream::iter((0..20).map(|_| Ok::<_, std::io::Error>(vec![1u8; 10_000])));
    assert_eq!(send(&owner, reqwest::Body::wrap_stream(endless)).await.problem(413), "payload-too-large");
    assert_eq!(send(&owner, Vec::new().into()).await.problem(422), "invalid-request");
    assert_eq!(app.contents(), Vec::<String>::new());

    send(&owner, vec![1; 100_000].into()).await.is(201);
    assert_eq!(send(&owner, vec![2; 50_001].into()).await.problem(413), "quota-exceeded");
    send(&owner, vec![3; 50_000].into()).await.is(201);
    assert_eq!(send(&member, vec![4; 50_001].into()).await.problem(413), "quota-exceeded");
    let last = send(&member, vec![5; 50_000].into()).await.is(201);
    assert_eq!(app.contents().len(), 3);
    let gone = Answer::of(app.request(Method::DELETE, &path_of(&last), &member)).await;
    assert_eq!(gone.status.as_u16(), 204);
    for n in 0..3 {
        send(&member, vec![10 + n; 10].into()).await.is(201);
    }
    assert_eq!(send(&member, vec![20; 10].into()).await.problem(413), "quota-exceeded", "three files");

    let one = ("name=\"a\"; filename=\"a\"", "x");
    for fields in [[one, one].as_slice(), &[("name=\"a\"", "b")], &[]] {
        assert_eq!(Answer::of(form(&app, fields)).await.problem(422), "invalid-request");
    }
    let broken = app.request(Method::POST, "/v1/files", &owner);
    let broken = broken.header("Content-Type", "multipart/form-data; boundary=x").body("--x\r\nnonsense");
    assert_eq!(Answer::of(broken).await.problem(400), "malformed-request");
    assert_eq!(app.contents().len(), 5);
}

#[tokio::test]
async fn an_upload_that_breaks_off_or_stalls_leaves_nothing() {
    let app = TestApp::demo().await;
    let begin = || async {
        let mut socket = tokio::net::TcpStream::connect(app.address).await.unwrap();
        let head = format!(
            "POST /v1/files?name=a HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Length: 9000000\r\n\r\n",
            app.address, app.people.owner
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        socket.write_all(&vec![7; 3_000_000]).await.unwrap();
        socket
    };
    let broken_off = begin().await;
    app.until_arriving(1).await;
    drop(broken_off);
    app.until_arriving(0).await;

    let mut stalled = begin().await;
    let mut answer = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut stalled, &mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("request-timeout"), "{answer}");
    app.until_arriving(0).await;
    assert_eq!(app.contents(), Vec::<String>::new());
    assert_eq!(app.get("/v1/files").await.is(200)["items"], json!([]));
}

#[tokio::test]
async fn one_users_uploads_are_few_at_a_time() {
    let app = TestApp::demo().await;
    let mut open = Vec::new();
    for _ in 0..8 {
        let (sender, body) = tokio::sync::mpsc::channel::<Result<Vec<u8>, std::io::Error>>(1);
        let body = futures_util::stream::unfold(body, |mut body| async {
            body.recv().await.map(|chunk| (chunk, body))
        });
        let request = app.request(Method::POST, "/v1/files", &app.people.owner);
        let sent = tokio::spawn(Answer::of(request.body(reqwest::Body::wrap_stream(body))));
        sender.send(Ok(vec![7; 2_000_000])).await.unwrap();
        open.push((sender, sent));
    }
    app.until_arriving(8).await;
    let one_more = app.request(Method::POST, "/v1/files", &app.people.owner).body("x");
    assert_eq!(Answer::of(one_more).await.problem(429), "rate-limited");
    let member = app.request(Method::POST, "/v1/files", &app.people.member).body("x");
    Answer::of(member).await.is(201);
    for (sender, sent) in open {
        drop(sender);
        sent.await.unwrap().is(201);
    }
    app.upload("x", b"x".to_vec()).await;
}

#[tokio::test]
async fn a_retry_under_the_same_key_is_the_same_file() {
    let app = TestApp::demo().await;
    let send = |name: &str, content: &'static str| {
        let path = format!("/v1/files?name={name}");
        let request = app.request(Method::POST, &path, &app.people.owner).header("Idempotency-Key", "once");
        Answer::of(request.body(content))
    };
    let first = send("a", "text").await.is(201);
    assert_eq!(send("a", "text").await.is(201), first);
    assert_eq!(send("a", "another text").await.problem(409), "idempotency-key-reused");
    assert_eq!(app.get("/v1/files").await.is(200)["items"].as_array().unwrap().len(), 1);
    assert_eq!(app.contents().len(), 1);
}

#[tokio::test]
async fn what_nobody_uses_goes_after_a_day_and_what_a_message_uses_stays() {
    let mut app = TestApp::demo().await;
    let conversation = app.conversation().await;
    let (used, unused) = (app.upload("a", b"used".to_vec()).await, app.upload("b", b"unused".to_vec()).await);
    attach(&app, &conversation, &[&used]).await;
    app.tidy_files(Duration::from_secs(23 * 3600)).await;
    assert_eq!(app.contents().len(), 2);
    app.tidy_files(Duration::from_secs(25 * 3600)).await;
    assert_eq!(app.get(&path_of(&unused)).await.problem(404), "not-found");
    assert_eq!(app.get(&content_of(&used)).await.text, "used");
    assert_eq!(app.contents().len(), 1);

    // What a crash leaves between the content and its row.
    app.plant_content(&"ab".repeat(32));
    assert_eq!(app.contents().len(), 2);
    app.restart().await;
    app.tidy_files(Duration::ZERO).await;
    assert_eq!(app.contents().len(), 1);
    assert_eq!(app.get(&content_of(&used)).await.text, "used");
}

#[tokio::test]
async fn a_message_that_waits_keeps_its_file_until_it_is_withdrawn() {
    let app = TestApp::demo().await;
    let conversation = app.conversation().await;
    let (first, second) =
        (app.upload("a", b"first".to_vec()).await, app.upload("b", b"second".to_vec()).await);
    let path = format!("{conversation}/messages");
    app.post(&path, &json!({"text": "count to 500"})).await.is(202);
    let queued = app.post(&path, &json!({"parts": [{"type": "file", "file_id": first["id"]}]})).await.is(202);
    let day = Duration::from_secs(25 * 3600);
    app.tidy_files(day).await;
    assert_eq!(app.contents().len(), 1);
    app.get(&path_of(&first)).await.is(200);
    assert_eq!(app.get(&path_of(&second)).await.problem(404), "not-found");

    let second = app.upload("b", b"second".to_vec()).await;
    let turn = format!("{conversation}/queue/{}", queued["turn"]["id"].as_str().unwrap());
    app.patch(&turn, &json!({"parts": [{"type": "file", "file_id": second["id"]}]})).await.is(200);
    app.tidy_files(day).await;
    assert_eq!(app.get(&path_of(&first)).await.problem(404), "not-found");
    app.delete(&turn).await.is(204);
    app.tidy_files(day).await;
    assert_eq!(app.contents(), Vec::<String>::new());
}

#[tokio::test]
async fn a_token_for_one_conversation_reaches_what_it_brings_and_what_that_one_uses() {
    let app = TestApp::demo().await;
    let (one, other) = (app.conversation().await, app.conversation().await);
    let (here, there) = (app.upload("a", b"here".to_vec()).await, app.upload("b", b"there".to_vec()).await);
    attach(&app, &one, &[&here]).await;
    attach(&app, &other, &[&there]).await;
    let id = one.rsplit('/').next().unwrap();
    let minted = app.post("/v1/auth/tokens", &json!({"ttl": 60, "conversation_ids": [id]})).await.is(201);
    let token = minted["token"].as_str().unwrap();
    let ask = |path: String| Answer::of(app.request(Method::GET, &path, token));
    assert_eq!(ask(content_of(&here)).await.text, "here");
    assert_eq!(ask(content_of(&there)).await.problem(404), "not-found");
    assert_eq!(ask("/v1/files".to_owned()).await.problem(403), "forbidden");
    let brought = Answer::of(app.request(Method::POST, "/v1/files", token).body("mine")).await.is(201);
    assert_eq!(ask(content_of(&brought)).await.text, "mine");
}

#[tokio::test]
async fn a_model_is_given_what_it_takes_and_told_of_the_rest() {
    let model = Caller::new();
    let app = TestApp::new(model.clone()).await;
    let conversation = app.conversation().await;
    let image = app.upload("cat.png", png(8, 8)).await;
    let pdf = app.upload("paper.pdf", b"%PDF-1.7 words".to_vec()).await;
    let text = app.upload("notes.md", b"# Notes </file>".to_vec()).await;
    let archive = app.upload("all.zip", b"PK\x03\x04\x14\0\0\0\x08\0rest".to_vec()).await;
    attach(&app, &conversation, &[&image, &pdf, &text, &archive]).await;
    let said = serde_json::to_value(model.last_said()).unwrap();
    let part = |file: &Value| json!({"type": "file", "file_id": file["id"], "name": file["name"], "media_type": file["media_type"], "size": file["size"]});
    assert_eq!(
        said,
        json!([
            {"type": "text", "text": "look at this"},
            part(&image),
            part(&pdf),
            {"type": "text", "text": "<file name=\"notes.md\">\n# Notes <\\/file>\n</file>"},
            {"type": "text", "text": "[File \"all.zip\": application/zip, 14 bytes; it is not shown to you.]"},
        ])
    );
    let given = format!("{:?}", model.asked.lock().last().unwrap().files);
    assert_eq!(
        given,
        format!("{{{}: 33, {}: 14}}", image["id"].as_str().unwrap(), pdf["id"].as_str().unwrap())
    );

    let page = app.get(&format!("{conversation}/messages")).await.is(200);
    assert_eq!(page["items"][1]["parts"][1], part(&image));
    let listed = app.get(&format!("{conversation}/files")).await.is(200);
    let paths: Vec<&str> =
        listed["items"].as_array().unwrap().iter().map(|f| f["path"].as_str().unwrap()).collect();
    let expected =
        ["attachments/all.zip", "attachments/cat.png", "attachments/notes.md", "attachments/paper.pdf"];
    assert_eq!(paths, expected);
}

#[tokio::test]
async fn a_text_leaves_room_for_what_is_asked_about_it() {
    let model = Caller::new();
    let app = TestApp::new(model.clone()).await;
    let created = app.post("/v1/conversations", &json!({"agent": "small"})).await.is(201);
    let conversation = format!("/v1/conversations/{}", created["conversation"]["id"].as_str().unwrap());
    let long = app.upload("long.txt", "z".repeat(100_000).into_bytes()).await;
    attach(&app, &conversation, &[&long]).await;
    let said = serde_json::to_value(model.last_said()).unwrap();
    // A quarter of its thousand tokens is for the answer, half of the rest for files, three bytes each.
    assert_eq!(said[1]["text"].as_str().unwrap().matches('z').count(), 750 * 3 / 2, "{said}");
}

#[tokio::test]
async fn a_long_text_is_given_in_part() {
    let model = Caller::new();
    let app = TestApp::new(model.clone()).await;
    let conversation = app.conversation().await;
    let long = app.upload("long.txt", "x".repeat(100_000).into_bytes()).await;
    attach(&app, &conversation, &[&long]).await;
    let said = serde_json::to_value(model.last_said()).unwrap();
    let text = said[1]["text"].as_str().unwrap();
    assert!(
        text.ends_with("\n</file>\n[The other 34464 bytes are not shown to you.]"),
        "{}",
        &text[65_000..]
    );
    assert_eq!(text.matches('x').count(), "long.txt".matches('x').count() + 65_536);
}
