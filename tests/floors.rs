//! The floors of the house: imports point down, siblings don't know each other, and only two places spawn.
//!
//! Reads the sources as text, so that it also sees code behind `cfg` and inside macros.

use std::fs;
use std::path::{Path, PathBuf};

/// Top last. A module may import what stands on a line above its own, never a sibling on the same line.
const FLOORS: &[&[&str]] = &[
    &["id", "clock", "failpoint", "priority"],
    &["scope"],
    &["chat"],
    &["store", "search", "provider", "tool", "auth", "blob", "import", "export", "notify"],
    &["runtime"],
    &["http"],
    &["config", "data_dir"],
    &["admin"],
    &["server"],
    &["doctor"],
    &["main", "lib"],
];

const SPAWNS: &[&str] =
    &["tokio::spawn", "task::spawn", "thread::spawn", "thread::Builder", "spawn_blocking"];

/// What the pure floor never names.
const IMPURE: &[&str] = &["tokio", "rusqlite", "axum", "SystemTime", "rand"];

#[test]
fn imports_point_down_and_only_the_runtime_spawns() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = rust_files(&src);
    assert!(files.len() > 5, "only {} files below {}", files.len(), src.display());

    let mut wrong = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("a source file is readable UTF-8");
        wrong.extend(violations(file.strip_prefix(&src).expect("the file is below src"), &text));
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn every_kind_of_violation_is_found() {
    let found = |path: &str, text: &str| violations(Path::new(path), text);

    assert_eq!(
        found("chat/event.rs", "use crate::store::Store;"),
        ["chat/event.rs:1: `chat` imports `store`, which is not below it"]
    );
    assert_eq!(
        found(
            "store/mod.rs",
            "fn f() {}\nuse crate::{\n    id::UserId,\n    auth::{Directory, runtime},\n};"
        ),
        ["store/mod.rs:2: `store` imports `auth`, which is not below it"]
    );
    assert_eq!(
        found("provider/mod.rs", "fn f() { super::tool::run() }"),
        ["provider/mod.rs:1: `provider` imports `tool`, which is not below it"]
    );
    assert_eq!(
        found("http/native/send.rs", "use super::super::super::server::run;"),
        ["http/native/send.rs:1: `http` imports `server`, which is not below it"]
    );
    assert_eq!(
        found("auth/mod.rs", "let task = tokio::task::spawn_blocking(|| ());"),
        [
            "auth/mod.rs:1: only `runtime` and `server` may say `task::spawn`",
            "auth/mod.rs:1: only `runtime` and `server` may say `spawn_blocking`"
        ]
    );
    assert_eq!(
        found("chat/turn/decide.rs", "/* fine */\nuse std::time::SystemTime;"),
        ["chat/turn/decide.rs:2: `chat` is pure and never names `SystemTime`"]
    );
    assert_eq!(
        found("util.rs", "use crate::id::UserId;"),
        ["util.rs: `util` stands on no floor; add it to tests/floors.rs"]
    );
}

#[test]
fn what_is_allowed_is_not_reported() {
    for (path, text) in [
        ("chat/mod.rs", "use crate::{clock, id::{UserId, TurnId}};\nuse crate::chat::event::Seq;"),
        (
            "chat/mod.rs",
            "// crate::store is above\nconst A: &str = \"tokio::spawn crate::http \\\" rusqlite\";",
        ),
        ("chat/mod.rs", "const C: char = '\"'; fn operand<'a>(brand: &'a str) {} // r\"tokio\""),
        ("chat/turn/mod.rs", "use super::message::Part;\nuse super::super::chat::event::Seq;"),
        ("runtime/conversation.rs", "tokio::spawn(async {});"),
        ("store/writer.rs", "std::thread::Builder::new().spawn(run)"),
        ("auth/mod.rs", "fn f() {}\n#[cfg(test)]\nmod tests { fn g() { std::thread::spawn(|| ()); } }"),
        ("main.rs", "use weir::server;"),
    ] {
        assert_eq!(violations(Path::new(path), text), Vec::<String>::new(), "{path}: {text}");
    }
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).expect("the directory is readable") {
        let path = entry.expect("the entry is readable").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// What is wrong with one file; `path` is relative to `src`.
fn violations(path: &Path, text: &str) -> Vec<String> {
    let shown = path.display();
    let names: Vec<String> =
        path.with_extension("").iter().map(|name| name.to_string_lossy().into()).collect();
    let module = names[0].as_str();
    let Some(own_floor) = floor_of(module) else {
        return vec![format!("{shown}: `{module}` stands on no floor; add it to tests/floors.rs")];
    };
    let code = without_comments_and_strings(text);
    let line = |at: usize| code[..at].matches('\n').count() + 1;
    let mut wrong = Vec::new();

    for (at, imported) in imports(&code, depth(&names)) {
        let below = floor_of(&imported).is_none_or(|floor| floor < own_floor);
        if imported != module && !below {
            let line = line(at);
            wrong.push(format!("{shown}:{line}: `{module}` imports `{imported}`, which is not below it"));
        }
    }

    let product = &code[..code.find("#[cfg(test)]").unwrap_or(code.len())];
    let is_test = names.last().is_some_and(|name| name == "tests");
    if !is_test && !matches!(module, "runtime" | "server") {
        for spawn in SPAWNS {
            if module == "store" && spawn.starts_with("thread::") {
                continue; // the writer, the checkpointer and the readers are the store's own threads
            }
            for (at, _) in product.match_indices(spawn) {
                wrong.push(format!("{shown}:{}: only `runtime` and `server` may say `{spawn}`", line(at)));
            }
        }
    }
    if module == "chat" {
        for name in IMPURE {
            for (at, _) in words(&code, name) {
                wrong.push(format!("{shown}:{}: `chat` is pure and never names `{name}`", line(at)));
            }
        }
    }
    wrong
}

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

/// How many `super::` lead from the module of this file to the crate.
fn depth(names: &[String]) -> usize {
    match names.last().map(String::as_str) {
        Some("mod" | "main" | "lib") => names.len() - 1,
        _ => names.len(),
    }
}

/// The top modules that the code names by `crate::` or by climbing up to the crate with `super::`.
fn imports(code: &str, depth: usize) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, rest) in words(code, "crate") {
        found.extend(first_names(rest).into_iter().map(|name| (at, name)));
    }
    let to_the_crate = "super::".repeat(depth);
    if depth > 0 {
        for (at, rest) in words(code, to_the_crate.trim_end_matches("::")) {
            // A `mod tests` inside the file is one level deeper: its chain ends in the file's own module.
            let names = first_names(rest).into_iter().filter(|name| floor_of(name).is_some());
            found.extend(names.map(|name| (at, name)));
        }
    }
    found
}

/// The first segments after `crate`: one for `::a::b`, several for `::{a, b::{c, d}}`.
fn first_names(rest: &str) -> Vec<String> {
    let Some(rest) = rest.trim_start().strip_prefix("::") else { return Vec::new() };
    let rest = rest.trim_start();
    let name = |text: &str| text.chars().take_while(|c| is_word(*c)).collect::<String>();
    let Some(group) = rest.strip_prefix('{') else { return vec![name(rest)] };

    let (mut nesting, mut starts, mut names) = (0, true, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => nesting += 1,
            '}' if nesting == 0 => break,
            '}' => nesting -= 1,
            ',' if nesting == 0 => starts = true,
            c if c.is_whitespace() => {}
            _ if starts => {
                names.push(name(&group[at..]));
                starts = false;
            }
            _ => {}
        }
    }
    names
}

/// Where `word` stands on its own, with what follows it.
fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    code.match_indices(word).filter_map(move |(at, _)| {
        let rest = &code[at + word.len()..];
        let alone = !code[..at].ends_with(is_word) && !rest.starts_with(is_word);
        alone.then_some((at, rest))
    })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The same text with comments and the contents of strings blanked; positions and lines stay.
fn without_comments_and_strings(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if !out.ends_with(is_word) && (rest.starts_with("r\"") || rest.starts_with("r#")) {
            raw_string(rest)
        } else if c == '"' {
            string(rest)
        } else if rest.starts_with("'\\") || (c == '\'' && rest.chars().nth(2) == Some('\'')) {
            1 + rest[1..]
                .char_indices()
                .skip(1)
                .find(|(_, c)| *c == '\'')
                .map_or(rest.len() - 1, |(at, _)| at + 1)
        } else {
            0
        };
        if skipped == 0 {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            out.extend(rest[..skipped].bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
            rest = &rest[skipped..];
        }
    }
    out
}

/// The length of the string literal that `rest` starts with.
fn string(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    rest.len()
}

/// The length of the raw string that `rest` starts with; 0 for a raw identifier.
fn raw_string(rest: &str) -> usize {
    let hashes = rest[1..].chars().take_while(|c| *c == '#').count();
    if !rest[1 + hashes..].starts_with('"') {
        return 0;
    }
    let close = format!("\"{}", "#".repeat(hashes));
    let body = 2 + hashes;
    rest[body..].find(&close).map_or(rest.len(), |end| body + end + close.len())
}
