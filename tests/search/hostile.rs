//! Queries that nobody would type: none breaks anything, and whatever is shown is a piece of what was said.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use weir::clock::Clock;
use weir::runtime::search::{Ask, Search, Sort};

use crate::store_support::{Talk, open, scope};

const PIECES: [&str; 30] = [
    "\"",
    "-",
    "OR",
    " ",
    "*",
    "(",
    ")",
    "AND",
    "NOT",
    "\u{0}",
    "\u{202e}",
    "\u{200d}",
    "é",
    "日本",
    "한국",
    "ไทย",
    "walnut",
    "wal*",
    "parse_query",
    "\"two words\"",
    "\\",
    "'",
    ":",
    "~",
    "^",
    "[1 TO 2]",
    "🤷🏽‍♀️",
    "\u{301}",
    "text:walnut",
    "a*",
];

const TEXTS: [&str; 8] = [
    "A walnut, two words and one more.",
    "fn parse_query(text: &str) -> Query { parseQuery(text) }",
    "日本語の文章を検索する 한국어 문장 ภาษาไทย",
    "\u{202e}reversed\u{202c} zero\u{200d}width",
    "Ein Grüße-Text über Äpfel, \u{0} und mehr",
    "🤷🏽‍♀️ walnut 🤷🏽‍♀️",
    "\"quoted\" -minus OR or AND",
    "",
];

fn query() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop::sample::select(&PIECES[..]).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
        1 => "\\PC{0,12}",
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

#[test]
fn no_query_breaks_anything() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let owner = scope();
    let search = runtime.block_on(async {
        let (store, _) = open(&dir);
        let search = Search::new(store.clone(), None, Clock::System, &dir.path().join("search"));
        let running = search.clone();
        tokio::spawn(async move { running.run().await });
        let mut talk = Talk::new(&owner);
        talk.create();
        for text in TEXTS.iter().cycle().take(200) {
            talk.say(text);
        }
        talk.say(&"walnut ".repeat(20_000));
        talk.committed(&store).await;
        search.catch_up().await.unwrap();
        search
    });
    let ask = |query: String, sort| {
        let ask = Ask { query, sort, ..Ask::default() };
        let answer = runtime.block_on(search.search(&owner, ask, 20, None)).unwrap();
        for hit in answer.hits {
            let units: Vec<u16> = hit.snippet.text.encode_utf16().collect();
            let mut last = 0;
            for (from, to) in hit.snippet.highlights {
                assert!(last <= from && from < to && to as usize <= units.len());
                String::from_utf16(&units[from as usize..to as usize]).expect("whole characters");
                last = to;
            }
        }
    };
    let cases = Config { cases: 400, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(cases);
    runner
        .run(&(query(), any::<bool>()), |(query, recent)| {
            ask(query, if recent { Sort::Recent } else { Sort::Relevance });
            Ok(())
        })
        .unwrap();
    for query in
        ["\"".repeat(1000), "OR ".repeat(333), "-a ".repeat(333), "a* ".repeat(333), "walnut ".repeat(142)]
    {
        ask(query, Sort::Relevance);
    }
}
