use proptest::prelude::*;

use super::*;
use crate::search::analyzer::tests::{any_text, hostile};

/// The query as one would say it: `,` and, `/` or, `+` beside each other, `~` a stem, `_` any word.
fn said(query: &Query) -> String {
    let any_of = |any: &AnyOf| any.0.iter().map(term).collect::<Vec<_>>().join(" / ");
    let unwanted = query.must_not.iter().map(|unwanted| format!("not {}", term(unwanted)));
    query.must.iter().map(any_of).chain(unwanted).collect::<Vec<_>>().join(", ")
}

fn term(term: &Term) -> String {
    match term {
        Term::Word { forms, .. } => forms.join("~"),
        Term::Prefix { start, .. } => format!("{start}*"),
        Term::Phrase { words, .. } => {
            let mut places = vec!["_"; words.last().map_or(0, |(place, _)| place + 1)];
            words.iter().for_each(|(place, word)| places[*place] = word);
            places.join("+")
        }
    }
}

fn read(text: &str) -> String {
    said(&Query::parse(text, &[]))
}

#[test]
fn words_phrases_and_operators_mean_what_they_do_elsewhere() {
    for (typed, meant) in [
        ("walnut cake", "walnut, cake"),
        ("a b OR c d", "a, b / c, d"),
        ("a OR b OR c", "a / b / c"),
        ("\"walnut cake\" recipe", "walnut+cake, recipe"),
        ("“walnut cake” «d’une»", "walnut+cake, d+une"),
        ("\"one\"", "one"),
        ("cake -walnut -\"dried fruit\"", "cake, not walnut, not dried+fruit"),
        ("cake OR \"dried fruit\"", "cake / dried+fruit"),
        ("walnu*", "walnu*"),
        ("-walnu* cake", "cake, not walnu*"),
        ("ÉCO*", "eco*"),
        ("wa* x*", "wa, x"),
        ("foo\"bar baz\"qux", "foo, bar+baz, qux"),
        ("(a OR b) c", "a / b, c"),
    ] {
        assert_eq!(read(typed), meant, "{typed}");
    }
}

#[test]
fn what_makes_no_sense_as_an_operator_is_a_word_or_nothing() {
    for (typed, meant) in [
        ("\"walnut cake", "walnut, cake"),
        ("a \"b c\" \"d", "a, b+c, d"),
        ("OR", "or"),
        ("OR a OR", "a"),
        ("a OR OR b", "a / b"),
        ("a OR -b c", "a, c, not b"),
        ("a -b OR c", "a, c, not b"),
        ("or and not", "or, and, not"),
        ("-", ""),
        ("a - b", "a, b"),
        ("-walnut", "walnut"),
        ("-walnut -\"dried fruit\"", "walnut, dried, fruit"),
        ("--verbose", "verbose"),
        ("well-known", "well+known / wellknown"),
        ("*", ""),
        ("\"\" \"", ""),
        ("...", ""),
        ("wal*nut", "wal+nut"),
        ("foo.*", "foo"),
        ("", ""),
    ] {
        assert_eq!(read(typed), meant, "{typed}");
    }
}

#[test]
fn names_are_looked_for_whole_and_in_parts() {
    for (typed, meant) in [
        ("parse_query", "parsequery / parse+query"),
        ("parseQuery", "parsequery / parse+query"),
        ("parsequery", "parsequery"),
        ("query", "query"),
        ("gpt4", "gpt4 / gpt+4"),
        ("GPT-4", "gpt+4 / gpt4"),
        ("e-mail", "e+mail / email"),
        ("don't", "don+t / dont"),
        ("src/main.rs", "src+main+rs"),
        ("a_b_c_d_e", "abcde"),
        ("\"the parse_query function\"", "the+parsequery+function"),
        ("parse_qu*", "parsequ*"),
        ("src/mai*", "src+mai"),
    ] {
        assert_eq!(read(typed), meant, "{typed}");
    }
}

#[test]
fn scripts_without_spaces_are_looked_for_by_pairs() {
    for (typed, meant) in [
        ("東京", "東京"),
        ("京", "京"),
        ("東京都庁", "東京+京都+都庁"),
        ("\"東京タワー tower\"", "東京+京タ+タワ+ワー+_+tower"),
        ("東京AI", "東京+_+ai"),
        ("東京*", "東京"),
    ] {
        assert_eq!(read(typed), meant, "{typed}");
    }
}

#[test]
fn words_are_looked_for_by_their_stems_in_every_language_but_phrases_are_not() {
    let languages = [Language::English, Language::German, Language::French];
    let read = |typed| said(&Query::parse(typed, &languages));
    assert_eq!(read("running"), "running~run");
    assert_eq!(read("Häuser"), "hauser~haus");
    assert_eq!(read("\"running\" \"running shoes\""), "running, running+shoes");
    assert_eq!(read("cats -dogs"), "cats~cat, not dogs~dog");
}

#[test]
fn terms_know_how_they_were_typed() {
    let query = Query::parse("(Größe) \"Über alles!\" -Foo_Bar, Präf*", &[]);
    let typed: Vec<_> = query.must.iter().map(|any| any.0[0].typed()).collect();
    assert_eq!(typed, ["Größe", "Über alles", "Präf"]);
    assert_eq!(query.must_not[0].typed(), "Foo_Bar");
}

#[test]
fn no_more_than_32_words_count_and_the_query_says_so() {
    let numbered = |count: usize| (0..count).map(|n| format!("w{n}x")).collect::<Vec<_>>().join(" ");
    let query = Query::parse(&numbered(32), &[]);
    assert_eq!((query.must.len(), query.ignored()), (32, false));
    assert!(!Query::parse(&format!("{} ...", numbered(32)), &[]).ignored());

    let query = Query::parse(&numbered(33), &[]);
    assert_eq!((query.must.len(), query.ignored()), (32, true));

    let query = Query::parse(&format!("a \"{}\" b", numbered(40)), &[]);
    assert_eq!((query.must.len(), query.ignored()), (2, true));
    assert_eq!(said(&query).matches('+').count(), 30);
}

#[test]
fn hostile_queries_are_read() {
    for text in hostile() {
        let query = Query::parse(&text, &Language::ALL);
        assert!(query.must.len() <= MOST_WORDS);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_a_query(text in any_text()) {
        let query = Query::parse(&text, &Language::ALL);
        let words = crate::search::analyzer::ExactWords::new(&text).count();
        prop_assert_eq!(query.is_empty(), words == 0);
        prop_assert!(query.must.len() <= MOST_WORDS);
        for term in query.must.iter().flat_map(|any| &any.0).chain(&query.must_not) {
            prop_assert!(text.contains(term.typed()));
            match term {
                Term::Word { forms, .. } => prop_assert!(!forms.is_empty() && forms.iter().all(|form| !form.is_empty())),
                Term::Prefix { start, .. } => prop_assert!(start.chars().count() >= SHORTEST_PREFIX),
                Term::Phrase { words, .. } => {
                    prop_assert!(words.len() > 1 && words[0].0 == 0 && words.last().expect("it has two").0 < MOST_WORDS);
                    prop_assert!(words.windows(2).all(|two| two[0].0 < two[1].0));
                }
            }
        }
        prop_assert!(query.must.iter().all(|any| !any.0.is_empty()));
    }
}
