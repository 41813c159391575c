//! The way there and back: what is exported and imported again is equal.

use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use super::{conversations, counts, document, export, fixture, import, import_as, walk, without_ids};
use crate::app::TestApp;

/// Exports everything that one person has and imports it as another in an empty workspace; the trees must be equal.
async fn there_and_back(app: &TestApp, format: &str) -> usize {
    let (mine, theirs) = (&app.people.owner, &app.people.stranger);
    let mut before = Vec::new();
    for conversation in conversations(app, mine).await {
        let id = conversation["id"].as_str().unwrap();
        let file = export(app, mine, id, format).await;
        assert_eq!(file.status, 200);
        let done = import_as(app, theirs, file.text.clone()).await;
        assert_eq!((done["state"].as_str(), counts(&done)[0]), (Some("completed"), 1), "{done}");
        assert_eq!(done["reasons"], json!({}), "{done}");
        before.push(without_ids(&document(app, mine, &conversation).await));
    }
    let mut after = Vec::new();
    for conversation in conversations(app, theirs).await {
        after.push(without_ids(&document(app, theirs, &conversation).await));
    }
    let key = |document: &Value| document.to_string();
    before.sort_by_key(key);
    after.sort_by_key(key);
    assert_eq!(before.len(), after.len());
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before, after);
    }
    before.len()
}

#[tokio::test]
async fn what_is_exported_here_and_imported_elsewhere_is_equal() {
    for format in ["weir", "json"] {
        let app = TestApp::demo().await;
        for file in ["chatgpt.json", "claude.json", "open_webui.json", "librechat.json", "oasst.jsonl"] {
            import(&app, fixture(file)).await;
        }
        // One that was made here, with settings and a turn.
        let made = json!({"title": "made here", "name": "desk", "agent": "other", "visibility": "workspace",
            "settings": {"temperature": 0.5}, "metadata": {"ticket": 7}});
        let made = app.post("/v1/conversations", &made).await.is(201);
        let path = format!("/v1/conversations/{}", made["conversation"]["id"].as_str().unwrap());
        let said = app.talk(&path, "count to 3").await;
        let marked = format!("{path}/messages/{}", said["message_id"].as_str().unwrap());
        app.patch(&marked, &json!({"branch_name": "the one", "starred": true})).await.is(200);
        assert_eq!(there_and_back(&app, format).await, 8);

        // Brought back to where it is from, it is still there.
        let id = made["conversation"]["id"].as_str().unwrap();
        let file = export(&app, &app.people.owner, id, format).await;
        assert_eq!(counts(&import(&app, file.text).await), [0, 0, 1, 0, 0]);
    }
}

/// The real trees of `WEIR_IMPORTS`, which are no part of the project.
#[tokio::test]
async fn open_assistant_trees_are_imported_walked_and_exported_equal() {
    let folder = std::env::var("WEIR_IMPORTS").unwrap_or_else(|_| "../shared/imports".to_owned());
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join("oasst_en_100_trees.jsonl");
    let file = std::fs::read(&path).unwrap_or_else(|_| {
        println!(
            "SKIPPED the 100 real trees: they are not at {}; a small fixture took their place",
            path.display()
        );
        fixture("oasst.jsonl")
    });
    let app = TestApp::demo().await;
    let done = import(&app, file.clone()).await;
    let trees: Vec<Value> =
        serde_json::Deserializer::from_slice(&file).into_iter().map(Result::unwrap).collect();
    println!("{} trees, {} messages", trees.len(), counts(&done)[4]);
    assert_eq!((counts(&done)[0] as usize, counts(&done)[3]), (trees.len(), 0));
    let mut expected: Vec<_> = trees.iter().map(|tree| texts(&tree["prompt"])).collect();
    let mut found = Vec::new();
    for conversation in conversations(&app, &app.people.owner).await {
        let document = document(&app, &app.people.owner, &conversation).await;
        let walked = walk(&document);
        found.push(
            walked
                .iter()
                .map(|(depth, _, message)| (*depth, message["parts"][0]["text"].as_str().unwrap().to_owned()))
                .collect::<Vec<_>>(),
        );
    }
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
    assert_eq!(there_and_back(&app, "weir").await, trees.len());
}

fn texts(prompt: &Value) -> Vec<(usize, String)> {
    let (mut open, mut texts) = (vec![(0, prompt)], Vec::new());
    while let Some((depth, message)) = open.pop() {
        texts.push((depth, message["text"].as_str().unwrap().to_owned()));
        open.extend(
            message["replies"].as_array().into_iter().flatten().rev().map(|reply| (depth + 1, reply)),
        );
    }
    texts
}

/// A message of a made-up tree: how far back its parent is, and what it says.
#[derive(Debug, Clone)]
struct Made {
    back: usize,
    root: bool,
    role: usize,
    status: usize,
    parts: Vec<(usize, String)>,
    seconds: u32,
}

fn made() -> impl Strategy<Value = Made> {
    let parts = proptest::collection::vec((0..5usize, "[a-z äß\\n\"\\\\🙂]{0,12}"), 0..4);
    (0..6usize, prop::bool::weighted(0.1), 0..3usize, 0..4usize, parts, 0..50u32).prop_map(
        |(back, root, role, status, parts, seconds)| Made { back, root, role, status, parts, seconds },
    )
}

fn exported(number: usize, tree: &[Made], head: usize) -> String {
    let id = |kind: &str, at: usize| {
        let digits = format!("{number:05}{at:08}").replace(['i', 'l', 'o', 'u'], "0");
        format!("{kind}_0123456789abc{digits}")
    };
    let mut lines = format!(
        "{}\n",
        json!({"weir": "conversation", "conversation": {
        "id": id("conv", 0), "workspace_id": id("ws", 0), "created_by": id("user", 0), "agent": "default",
        "title": format!("tree {number}"), "visibility": "private", "settings": {}, "archived": number.is_multiple_of(2),
        "created_at": "2024-01-01T00:00:00.000Z",
        "compactions": (0..number % 2).map(|at| json!({"id": id("comp", at), "message_id": id("msg", at),
                "summary": "in short", "tokens_before": 9, "tokens_after": 1,
                "created_at": "2024-01-02T00:00:00.000Z"})).collect::<Vec<_>>(),
        "head": (!tree.is_empty()).then(|| id("msg", head % tree.len())), }})
    );
    for (at, one) in tree.iter().enumerate() {
        let parent = (!one.root && at > 0).then(|| id("msg", at - 1 - one.back % at));
        let mut calls = Vec::new();
        let parts: Vec<Value> = one.parts.iter().enumerate().map(|(index, (kind, text))| match kind {
            0 => json!({"type": "text", "text": text}),
            1 => json!({"type": "reasoning", "text": text}),
            2 => json!({"type": "notice", "code": "attachment", "text": text}),
            3 => json!({"type": "source", "url": "https://example.com", "title": text}),
            _ => {
                let call = id("call", at * 10 + index);
                calls.push(json!({"id": call, "turn_id": id("turn", at), "message_id": id("msg", at), "tool": "t",
                    "args_text": text, "state": (["succeeded", "failed"][index % 2]), "output": text}));
                json!({"type": "tool_call", "call_id": call, "name": "t", "args_text": text})
            }
        }).collect();
        let mut message = json!({"id": id("msg", at), "parent_id": parent, "role": (["user", "assistant", "system"][one.role]),
            "status": (["complete", "interrupted", "cancelled", "failed"][one.status]), "parts": parts,
            "created_at": format!("2024-01-01T00:00:{:02}.000Z", one.seconds), "calls": calls});
        if one.role == 1 {
            message["turn_id"] = json!(id("turn", at / 2));
            message["step"] = json!(at % 3 + 1);
            message["usage"] = json!({"input_tokens": at, "output_tokens": 2});
        }
        writeln!(lines, "{}", json!({"weir": "message", "message": message})).unwrap();
    }
    lines
}

#[test]
fn any_tree_comes_through_export_and_import_as_it_is() {
    let trees = proptest::collection::vec((proptest::collection::vec(made(), 1..40), 0..40usize), 1..12);
    let config = ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let run = TestRunner::new(config).run(&trees, |trees| {
        runtime.block_on(async {
            let app = TestApp::demo().await;
            let mut file = String::from("{\"weir\":\"export\",\"version\":1}\n");
            let lines: Vec<_> = trees
                .iter()
                .enumerate()
                .map(|(number, (tree, head))| exported(number, tree, *head))
                .collect();
            file.push_str(&lines.concat());
            file.push_str("{\"weir\":\"end\"}\n");
            let done = import(&app, file).await;
            assert_eq!(counts(&done)[0] as usize, trees.len(), "{done}");
            for conversation in conversations(&app, &app.people.owner).await {
                let number: usize = conversation["title"].as_str().unwrap()[5..].parse().unwrap();
                let mut messages: Vec<Value> =
                    lines[number].lines().map(|line| serde_json::from_str(line).unwrap()).collect();
                let head = messages.remove(0)["conversation"].clone();
                let messages: Vec<Value> =
                    messages.into_iter().map(|mut line| line["message"].take()).collect();
                let model = json!({"conversation": head, "messages": messages});
                let stored = document(&app, &app.people.owner, &conversation).await;
                assert_eq!(plain(&model), plain(&stored));
            }
            assert_eq!(there_and_back(&app, "weir").await, trees.len());
        });
        Ok(())
    });
    run.unwrap();
}

/// What both a made-up line and a stored message say.
fn plain(document: &Value) -> Value {
    let mut document = without_ids(document);
    if document["conversation"]["compactions"].as_array().is_some_and(Vec::is_empty) {
        document["conversation"].as_object_mut().unwrap().remove("compactions");
    }
    for one in document["messages"].as_array_mut().unwrap() {
        let message = one[2].as_object_mut().unwrap();
        if message.get("calls").is_some_and(|calls| calls.as_array().unwrap().is_empty()) {
            message.remove("calls");
        }
        for call in message.get_mut("calls").and_then(Value::as_array_mut).into_iter().flatten() {
            call.as_object_mut().unwrap().remove("args");
        }
    }
    document
}

#[tokio::test]
async fn markdown_is_the_current_branch_for_people() {
    let app = TestApp::demo().await;
    import(&app, fixture("chatgpt.json")).await;
    let listed = conversations(&app, &app.people.owner).await;
    let answer = export(&app, &app.people.owner, listed[0]["id"].as_str().unwrap(), "markdown").await;
    assert_eq!(answer.header("content-type"), "text/markdown; charset=utf-8");
    assert_eq!(answer.header("content-disposition"), "attachment; filename=\"sourdough-basics.md\"");
    assert_eq!(
        answer.text,
        "\
# Sourdough basics

_2023-11-14T22:13:20.250Z_

## You

_2023-11-14T22:13:30.000Z_

_attachment: loaf.jpg_

What went wrong with this loaf?

_attachment: notes.txt_

## Assistant · model-a

_2023-11-14T22:13:31.000Z_

> **Reasoning**
>
> Looking
> 
> The crumb is dense.

## Assistant · model-a

_2023-11-14T22:13:32.000Z_

It was underproofed.

## You

_2023-11-14T22:13:40.000Z_

How do I strengthen the dough?

## Assistant · model-b

_2023-11-14T22:14:10.500Z_

Fold it every half hour.
"
    );
    let strange =
        app.get(&format!("/v1/conversations/{}/export?format=pdf", listed[0]["id"].as_str().unwrap())).await;
    assert_eq!(strange.invalid(), "/format");
}
