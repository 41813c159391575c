//! `weir import` and `weir export`.

use std::process::{Command, Output, Stdio};

use crate::many;
use crate::support::server::Server;

fn weir(server: &Server, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args(arguments).current_dir(server.path()).env_clear().env("WEIR_DATA", server.data());
    command.stdin(Stdio::null()).output().unwrap()
}

fn printed(server: &Server, arguments: &[&str]) -> String {
    let output = weir(server, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// An export without what differs between any two of them: when it was made.
fn lines(export: &str) -> Vec<String> {
    let mut lines: Vec<_> = export.lines().skip(1).map(str::to_owned).collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn files_are_imported_and_exported_with_and_without_a_server() {
    let mut server = Server::new("");
    std::fs::write(server.path().join("chat.json"), many(5, 10)).unwrap();
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/import/fixtures/chatgpt.json");

    // Nobody serves yet.
    let said = printed(&server, &["import", "chat.json"]);
    assert_eq!(said, "5 conversations imported, 0 grown, 0 unchanged, 0 skipped; 50 new messages\n");
    let said = printed(&server, &["import", fixture]);
    let (sum, items) = said.split_once('\n').unwrap();
    assert_eq!(sum, "1 conversations imported, 0 grown, 0 unchanged, 0 skipped; 9 new messages");
    let items: Vec<_> = items.lines().collect();
    assert_eq!(items.len(), 2, "{said}");
    assert!(
        items.iter().all(|item| item.starts_with("hidden\t\t11111111-aaaa-4000-8000-000000000001\t")),
        "{said}"
    );
    let alone = printed(&server, &["export", "--all"]);

    // The same, over the socket of a server.
    server.restart().await;
    let said = printed(&server, &["import", "chat.json"]);
    assert_eq!(said, "0 conversations imported, 0 grown, 5 unchanged, 0 skipped; 0 new messages\n");
    let served = printed(&server, &["export", "--all", "--format", "weir"]);
    assert_eq!(lines(&served), lines(&alone));
    assert_eq!(served.lines().count(), 1 + 6 + 59 + 1);

    let one = served.lines().find(|line| line.contains("\"title\":\"conversation 3\"")).unwrap();
    let one: serde_json::Value = serde_json::from_str(one).unwrap();
    let id = one["conversation"]["id"].as_str().unwrap();
    let markdown = printed(&server, &["export", "--conversation", id, "--format", "markdown"]);
    assert!(markdown.starts_with("# conversation 3\n") && markdown.contains("message 9 of 3"), "{markdown}");
    let document = printed(&server, &["export", "--conversation", id, "--format", "json"]);
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    assert_eq!(document["messages"].as_array().unwrap().len(), 10);
    let all = printed(&server, &["export", "--all", "--format", "json"]);
    assert_eq!(serde_json::from_str::<Vec<serde_json::Value>>(&all).unwrap().len(), 6);

    // For somebody else: what was exported of one becomes the other's.
    printed(&server, &["users", "create", "--name", "ada", "--role", "member"]);
    std::fs::write(server.path().join("all.ndjson"), &served).unwrap();
    let said = printed(&server, &["import", "all.ndjson", "--user", "ada"]);
    assert_eq!(said, "6 conversations imported, 0 grown, 0 unchanged, 0 skipped; 59 new messages\n");
    let theirs = printed(&server, &["export", "--user", "ada"]);
    assert_eq!(theirs.lines().count(), served.lines().count());

    for (arguments, expected) in [
        (&["import", "nowhere.json"][..], "cannot open nowhere.json"),
        (&["import", "weir.toml"], "no conversations of a known format"),
        (&["import", "chat.json", "--user", "nobody"], "there is no user `nobody`"),
        (&["export", "--conversation", "conv_01h2xcejqtf2nbrexx3vqjhp41"], "there is no conv_"),
        (&["export", "--user", "nobody"], "there is no user `nobody`"),
        (&["export"], "required arguments"),
    ] {
        let output = weir(&server, arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(expected), "{arguments:?}: {said}");
    }
}
