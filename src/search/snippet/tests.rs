use proptest::prelude::*;
use tantivy::collector::DocSetCollector;
use tantivy::query::{BooleanQuery, Occur, PhraseQuery, Query as Asked, RegexQuery, TermQuery};
use tantivy::schema::{Field, IndexRecordOption, STORED, Schema, TextFieldIndexing, TextOptions};
use tantivy::{Index, Term as Indexed, doc};

use super::*;
use crate::search::analyzer::tests::{any_text, hostile};
use crate::search::analyzer::{Analyzer, ExactWords, Language};
use crate::search::query::{AnyOf, Term};

const LANGUAGES: [Language; 3] = [Language::English, Language::German, Language::Russian];

fn asked(query: &str) -> Query {
    Query::parse(query, &LANGUAGES)
}

fn snippet(text: &str, query: &Query, room: usize) -> Option<Snippet> {
    Highlighter::new(query).snippet(text, room)
}

/// The snippet with brackets around what is highlighted.
fn shown(text: &str, query: &str, room: usize) -> Option<String> {
    snippet(text, &asked(query), room).map(|snippet| bracketed(&snippet))
}

fn bracketed(snippet: &Snippet) -> String {
    let units: Vec<u16> = snippet.text.encode_utf16().collect();
    let piece = |from: u32, to: u32| {
        String::from_utf16(&units[from as usize..to as usize]).expect("whole characters")
    };
    let mut shown = String::new();
    let mut last = 0;
    for (from, to) in &snippet.highlights {
        shown.push_str(&format!("{}[{}]", piece(last, *from), piece(*from, *to)));
        last = *to;
    }
    shown + &piece(last, units.len() as u32)
}

#[test]
fn what_was_asked_for_is_highlighted_as_it_is_written() {
    for (text, query, expected) in [
        ("A walnut cake.", "walnut", "A [walnut] cake."),
        ("Crème brûlée is what you like", "creme brulee", "[Crème] [brûlée] is what you like"),
        ("the cats were running", "cat run", "the [cats] were [running]"),
        ("Die Häuser in der Stadt", "haus", "Die [Häuser] in der Stadt"),
        ("fn parse_query() { parseTree() }", "query parsetree", "fn parse_[query]() { [parseTree]() }"),
        ("fn parse_query()", "parseQuery", "fn [parse_query]()"),
        ("a walnut and a walnut cake", "\"walnut cake\"", "a walnut and a [walnut cake]"),
        ("use GitHub actions", "\"use github actions\"", "[use GitHub actions]"),
        ("ask GPT-4 or GPT4", "gpt4", "ask [GPT-4] or [GPT4]"),
        ("walnuts, walnutty", "walnu*", "[walnuts], [walnutty]"),
        ("東京都庁へ行く", "京都", "東[京都]庁へ行く"),
        ("東京都庁へ行く", "東京都庁", "[東京都庁]へ行く"),
        ("東京都庁へ行く", "都 行", "東京[都]庁へ[行]く"),
        ("👩\u{200d}💻👩\u{200d}💻 ship 🚀 it", "ship it", "👩\u{200d}💻👩\u{200d}💻 [ship] 🚀 [it]"),
        ("cake and walnut", "cake -walnut", "[cake] and walnut"),
        ("a cake OR a pie", "cake OR tart", "a [cake] OR a pie"),
        ("aaa bbb ccc", "\"aaa bbb\" \"bbb ccc\"", "[aaa bbb ccc]"),
        ("<b>walnut</b> & \"x\"", "walnut", "<b>[walnut]</b> & \"x\""),
    ] {
        assert_eq!(shown(text, query, 100).as_deref(), Some(expected), "{text}: {query}");
    }
}

#[test]
fn without_a_match_there_is_no_snippet() {
    for (text, query) in [
        ("", "walnut"),
        ("a cake", "walnut"),
        ("a cake", ""),
        ("cake walnut", "\"walnut cake\""),
        ("a walnut", "wal"),
    ] {
        assert_eq!(shown(text, query, 100), None, "{text}: {query}");
    }
}

#[test]
fn the_window_has_most_of_the_terms_then_most_matches_then_is_the_first() {
    let far = "lorem ipsum dolor sit amet ".repeat(4);
    let text = format!("one {far} two one {far} one one one {far} two one");
    assert_eq!(shown(&text, "one two", 30).as_deref(), Some("…sit amet [two] [one] lorem…"));
    assert_eq!(shown(&text, "one", 30).as_deref(), Some("…amet [one] [one] [one] lorem…"));
    let text = format!("{far} one {far} one");
    assert_eq!(shown(&text, "one", 30).as_deref(), Some("…sit amet [one] lorem ipsum…"));
    assert_eq!(snippet(&text, &asked("one"), 30).map(|snippet| snippet.matches), Some(2));
}

#[test]
fn it_is_cut_between_words_and_says_so() {
    let text = "The quick brown fox jumps over the lazy dog and runs away";
    for (query, expected) in [
        ("quick", "The [quick] brown fox jumps…"),
        ("jumps", "…brown fox [jumps] over the…"),
        ("away", "…the lazy dog and runs [away]"),
    ] {
        assert_eq!(shown(text, query, 30).as_deref(), Some(expected));
    }
    let long = "x".repeat(300);
    let text = format!("{long} walnut {long}");
    let part = "x".repeat(45);
    let expected = format!("…{part} [walnut] {part}…");
    assert_eq!(shown(&text, "walnut", 100).as_deref(), Some(expected.as_str()));
    let text = "東京都庁へ行く".repeat(20);
    assert_eq!(shown(&text, "都庁", 10).as_deref(), Some("東京[都庁]へ行く東…"));
}

#[test]
fn a_phrase_that_is_longer_than_the_room_is_cut() {
    let text = format!("say walnut{}cake now", ".".repeat(500));
    let shown = shown(&text, "\"walnut cake\"", 20).expect("it is found");
    assert!(shown.starts_with("…[walnut....") && shown.ends_with("]…"), "{shown}");
    assert!(shown.chars().count() <= 22, "{shown}");
}

#[test]
fn line_ends_control_characters_and_marks_of_direction_do_nothing() {
    for (text, expected) in [
        ("  a\r\n\r\n\twalnut\u{a0}\u{3000}cake \n", "a [walnut] cake"),
        ("a\u{0}\u{1b}[31mwalnut\u{7}\u{85}b", "a [31mwalnut b"),
        ("\u{202e}evil \u{2066}walnut\u{2069}\u{200f} b\u{feff}c\u{e0041}", "evil [walnut] bc"),
        ("wal\u{ad}nut", "[walnut]"),
        ("\u{2028}walnut\u{2029}", "[walnut]"),
    ] {
        let query = if text.contains("31m") { "31mwalnut" } else { "walnut" };
        let expected = if text.contains("31m") { "a [[31mwalnut] b" } else { expected };
        assert_eq!(shown(text, query, 100).as_deref(), Some(expected));
    }
}

#[test]
fn there_are_no_more_than_64_highlights() {
    let found = snippet(&"a b ".repeat(200), &asked("a"), 1000).expect("it is found");
    assert_eq!((found.highlights.len(), found.matches), (64, 200));
}

#[test]
fn hostile_texts_have_snippets() {
    for text in hostile() {
        for query in [&text, "a 東 \"a a\" กี"] {
            if let Some(found) = snippet(&text, &asked(query), 240) {
                assert_eq!(wrong_with(&found, 240), None);
            }
        }
    }
}

/// What is promised of every snippet, and not true of this one.
fn wrong_with(snippet: &Snippet, room: usize) -> Option<String> {
    let length = snippet.text.encode_utf16().count() as u32;
    let borders: Vec<u32> = snippet
        .text
        .chars()
        .scan(0, |at, c| Some(std::mem::replace(at, *at + c.len_utf16() as u32)))
        .chain([length])
        .collect();
    let on_border = |at: u32| borders.binary_search(&at).is_ok();
    let apart = snippet.highlights.windows(2).all(|two| two[0].1 <= two[1].0);
    if snippet.text.chars().count() > room {
        Some("it is too long")
    } else if snippet.text.chars().any(|c| {
        c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c) || ('\u{2066}'..='\u{2069}').contains(&c)
    }) {
        Some("it has characters that act")
    } else if snippet.highlights.is_empty() || snippet.highlights.len() > 64 || !apart {
        Some("its highlights are none, too many or on each other")
    } else if !snippet.highlights.iter().all(|(from, to)| from < to && on_border(*from) && on_border(*to)) {
        Some("a highlight is empty or cuts a character")
    } else {
        None
    }
    .map(|wrong| format!("{wrong}: {snippet:?}"))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_word_of_a_text_is_highlighted_in_its_snippet(text in any_text(), which in any::<prop::sample::Index>(), room in 40..300usize) {
        let words: Vec<_> = ExactWords::new(&text).collect();
        if words.is_empty() {
            return Ok(());
        }
        let word = which.get(&words);
        let query = Query::plain(&text[word.from..word.to], &Language::ALL);
        let found = snippet(&text, &query, room);
        prop_assert!(found.is_some(), "{:?}", query);
        prop_assert_eq!(wrong_with(&found.expect("it was just asked"), room), None);
    }

    #[test]
    fn any_query_makes_a_proper_snippet_or_none(text in any_text(), query in any_text(), room in 8..300usize) {
        if let Some(found) = snippet(&text, &Query::parse(&query, &Language::ALL), room) {
            prop_assert_eq!(wrong_with(&found, room), None);
        }
    }
}

/// Words that meet each other in many ways.
fn sentence() -> impl Strategy<Value = String> {
    let words = [
        "the",
        "and",
        "is",
        "cat",
        "cats",
        "running",
        "run",
        "parse_query",
        "parseQuery",
        "parsequery",
        "parse",
        "query",
        "GPT-4",
        "gpt4",
        "gpt",
        "4",
        "e-mail",
        "email",
        "Häuser",
        "Haus",
        "der",
        "und",
        "nicht",
        "東京都",
        "東京",
        "京都",
        "都",
        "собаками",
        "собака",
        "и",
        "не",
        "что",
        "___",
        "café",
        "cafe",
        "x86_64",
        "x86",
        "a",
        "b",
    ];
    prop::collection::vec(prop::sample::select(words.to_vec()), 1..12).prop_map(|words| words.join(" "))
}

fn typed() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => sentence().prop_map(|words| words.split(' ').next().unwrap_or_default().to_owned()),
        2 => sentence().prop_map(|words| format!("\"{}\"", words.split(' ').take(3).collect::<Vec<_>>().join(" "))),
        1 => prop::sample::select(vec!["par*", "cat*", "соб*", "hau*"]).prop_map(str::to_owned),
        1 => Just("OR".to_owned()),
    ];
    prop::collection::vec(piece, 1..5).prop_map(|pieces| pieces.join(" "))
}

fn index(texts: &[String]) -> (Index, Field, Field) {
    let indexing = TextFieldIndexing::default()
        .set_tokenizer("words")
        .set_index_option(IndexRecordOption::WithFreqsAndPositions);
    let mut schema = Schema::builder();
    let field = schema.add_text_field("text", TextOptions::default().set_indexing_options(indexing));
    let number = schema.add_u64_field("number", STORED);
    let index = Index::create_in_ram(schema.build());
    index.tokenizers().register("words", Analyzer::default());
    let mut writer = index.writer_with_num_threads(1, 15_000_000).expect("there is memory");
    for (at, text) in texts.iter().enumerate() {
        writer.add_document(doc!(field => text.as_str(), number => at as u64)).expect("it is indexed");
    }
    writer.commit().expect("it is committed");
    (index, field, number)
}

fn one(term: &Term, field: Field) -> Box<dyn Asked> {
    let word = |text: &str| -> Box<dyn Asked> {
        Box::new(TermQuery::new(Indexed::from_field_text(field, text), IndexRecordOption::Basic))
    };
    match term {
        Term::Word { forms, .. } => {
            Box::new(BooleanQuery::union(forms.iter().map(|form| word(form)).collect()))
        }
        Term::Prefix { start, .. } => {
            Box::new(RegexQuery::from_pattern(&format!("{start}.*"), field).expect("letters only"))
        }
        Term::Phrase { words, .. } => Box::new(PhraseQuery::new_with_offset(
            words.iter().map(|(place, text)| (*place, Indexed::from_field_text(field, text))).collect(),
        )),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_the_index_finds_is_what_the_snippets_find(
        texts in prop::collection::vec(sentence(), 1..24),
        queries in prop::collection::vec(typed(), 1..12),
    ) {
        let (index, field, number) = index(&texts);
        let searcher = index.reader().expect("it is there").searcher();
        for query in &queries {
            let query = asked(query);
            for AnyOf(terms) in &query.must {
                let any = BooleanQuery::new(terms.iter().map(|term| (Occur::Should, one(term, field))).collect());
                let found = searcher.search(&any, &DocSetCollector).expect("it is searched");
                let mut by_index: Vec<usize> = found
                    .into_iter()
                    .map(|address| {
                        let document: tantivy::TantivyDocument = searcher.doc(address).expect("it is stored");
                        let stored = document.get_first(number).expect("it has a number");
                        tantivy::schema::Value::as_u64(&stored).expect("it is a number") as usize
                    })
                    .collect();
                by_index.sort_unstable();
                let mut alone = Query::default();
                alone.must.push(AnyOf(terms.clone()));
                let by_snippet: Vec<usize> = (0..texts.len()).filter(|at| snippet(&texts[*at], &alone, 240).is_some()).collect();
                prop_assert_eq!(&by_index, &by_snippet, "{:?} in {:?}", terms, texts);
            }
        }
    }
}
