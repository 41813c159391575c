use proptest::prelude::*;

use super::fold::{Marks, fold};
use super::*;

fn tokens(text: &str) -> Vec<Token> {
    let mut analyzer = Analyzer::default();
    let mut tokens = Vec::new();
    analyzer.token_stream(text).process(&mut |token| tokens.push(token.clone()));
    tokens
}

/// The terms of a text; a bar between places.
fn terms(text: &str) -> String {
    said(Words::new(text))
}

/// The terms without the stems.
fn unstemmed(text: &str) -> String {
    said(Words::exact(text))
}

fn said(mut words: Words) -> String {
    let mut forms = Forms::default();
    let mut places = Vec::new();
    while words.next(&mut forms) {
        places.push(forms.iter().map(|(term, _, _)| term).collect::<Vec<_>>().join(" "));
    }
    places.join(" | ")
}

#[test]
fn case_accents_and_widths_make_no_difference() {
    for (text, expected) in [
        ("Crème BRÛLÉE", "creme | brulee"),
        ("cre\u{300}me", "creme"),
        ("Straße STRASSE Œuvre Æther", "strasse | strasse | oeuvre | aether"),
        ("Łódź Århus Đakovo Þór smørrebrød", "lodz | arhus | dakovo | thor | smorrebrod"),
        ("İstanbul ISPARTA ılık", "istanbul | isparta | ilik"),
        ("ＡＢＣ１２３", "abc123 abc 123"),
        ("ﬁne", "fine"),
        ("Ёлка Край", "елка | краи"),
        ("Άνθρωπος", "ανθρωποσ"),
        ("ⅷ ½", "viii | 12"),
        ("שָׁלוֹם", "שלום"),
        ("كِتَابٌ أحمد", "كتاب | احمد"),
        ("مـــرحبا", "مرحبا"),
        ("co\u{ad}operate zero\u{200d}width\u{2060}joined", "cooperate | zerowidthjoined"),
        ("हिन्दी", "हिन्दी"),
        ("ภาษาไทย", "ภา ภ | าษ า | ษา ษ | าไ า | ไท ไ | ทย ท | ย"),
    ] {
        assert_eq!(unstemmed(text), expected, "{text}");
    }
}

#[test]
fn words_end_at_punctuation_and_apostrophes() {
    for (text, expected) in [
        ("don't d’une", "don | t | d | une"),
        ("src/main.rs", "src | main | rs"),
        ("e-mail: a@b.example", "e | mail | a | b | example"),
        ("👩\u{200d}💻 ship it 🚀", "ship | it"),
        ("\u{301}\u{301} \"\" \u{200d}", ""),
        ("$1,000.50", "1 | 000 | 50"),
        ("", ""),
    ] {
        assert_eq!(unstemmed(text), expected, "{text}");
    }
}

#[test]
fn names_are_found_whole_and_in_parts() {
    for (text, expected) in [
        ("parse_query", "parsequery parse query"),
        ("parseQuery", "parsequery parse query"),
        ("ParseQuery", "parsequery parse query"),
        ("parsequery", "parsequery"),
        ("PARSE_QUERY", "parsequery parse query"),
        ("__init__", "init init"),
        ("HTTPServer2", "httpserver2 http server 2"),
        ("gpt4", "gpt4 gpt 4"),
        ("x86_64", "x8664 x86 x 86 64"),
        ("test_parseQuery", "testparsequery test parsequery parse query"),
        ("APIs, URLsOf", "apis api | urlsof urls of"),
        ("GitHub", "github git hub"),
        ("naïveParser", "naiveparser naive parser"),
        ("ПарсерЗапросов", "парсерзапросов парсер запросов"),
        ("e3a82186438a9a2ef80c2a3fdba0182f", "e3a82186438a9a2ef80c2a3fdba0182f"),
        ("H2O", "h2o"),
    ] {
        assert_eq!(unstemmed(text), expected, "{text}");
    }
}

#[test]
fn a_name_is_one_place_in_every_spelling() {
    for name in ["GitHub", "github", "git_hub"] {
        let text = format!("use {name} actions");
        let at = |term| tokens(&text).iter().find(|token| token.text == term).map(|token| token.position);
        assert_eq!((at("use"), at("github"), at("actions")), (Some(0), Some(1), Some(2)), "{text}");
    }
}

#[test]
fn words_are_stemmed_in_the_language_of_the_text() {
    for (text, expected) in [
        ("the cats were running", "the | cats cat | were | running run"),
        ("die Häuser und die Gärten", "die | hauser haus | und | die | garten gart"),
        (
            "les chevaux dans la forêt répétée",
            "les le | chevaux cheval | dans dan | la | foret | repetee repete repet",
        ),
        ("я люблю играть с собаками", "я | люблю любл | играть игра | с | собаками собак"),
        ("los perros no son de la vecina", "los | perros perr | no | son | de | la | vecina vecin"),
    ] {
        assert_eq!(terms(text), expected, "{text}");
    }
}

#[test]
fn a_stem_is_found_with_and_without_the_accents() {
    let french = "Les employés ont été très gênés par les répétitions de leurs collègues.";
    for (typed, of) in
        [("répétition", "répétitions"), ("repetition", "répétitions"), ("collegue", "collègues")]
    {
        let mut stems = Stems::new(Language::French);
        let mut folded = String::new();
        fold(typed, Marks::Dropped, &mut folded);
        let mut forms: Vec<String> = stems.of(typed, &folded).map(str::to_owned).collect();
        forms.push(folded);
        let hit = tokens(french)
            .into_iter()
            .any(|token| forms.contains(&token.text) && &french[token.offset_from..token.offset_to] == of);
        assert!(hit, "{typed}: {forms:?}");
    }
}

#[test]
fn scripts_without_spaces_are_found_by_letters_and_pairs() {
    for (text, expected) in [
        ("東京都", "東京 東 | 京都 京 | 都"),
        ("水", "水"),
        ("タワーへ2024年に", "タワ タ | ワー ワ | ーへ ー | へ | 2024 | 年に 年 | に"),
        ("ｶﾞｷﾞ", "ガギ ガ | ギ"),
        ("か\u{3099}", "が"),
        ("한국어", "한국 한 | 국어 국 | 어"),
        ("\u{1112}\u{1161}\u{11ab}\u{1100}\u{116e}\u{11a8}", "한국 한 | 국"),
        ("AI研究", "ai | 研究 研 | 究"),
        ("東\u{301}\u{301}京", "東京 東 | 京"),
        ("ລາວ", "ລາ ລ | າວ າ | ວ"),
    ] {
        assert_eq!(unstemmed(text), expected, "{text}");
    }
}

#[test]
fn folding_leaves_a_letter_in_a_script_of_its_kind() {
    let moved: String = ('\0'..=char::MAX)
        .filter(|c| c.is_alphanumeric())
        .filter(|c| {
            let mut folded = String::new();
            fold(c.encode_utf8(&mut [0; 4]), Marks::Dropped, &mut folded);
            folded.chars().any(|f| is_spaceless(f) != is_spaceless(*c))
        })
        .collect();
    assert_eq!(moved, "");
}

#[test]
fn tokens_say_which_bytes_they_stand_for() {
    let text = "Größe: parseQuery 東京";
    let pieces: Vec<_> = tokens(text)
        .into_iter()
        .map(|token| (token.text, token.position, &text[token.offset_from..token.offset_to]))
        .collect();
    let expected = [
        ("grosse", 0, "Größe"),
        ("gross", 0, "Größe"),
        ("parsequery", 1, "parseQuery"),
        ("parsequeri", 1, "parseQuery"),
        ("parse", 1, "parse"),
        ("pars", 1, "parse"),
        ("query", 1, "Query"),
        ("queri", 1, "Query"),
        ("東京", 2, "東京"),
        ("東", 2, "東"),
        ("京", 3, "京"),
    ];
    assert_eq!(pieces, expected.map(|(term, place, piece)| (term.to_owned(), place, piece)));
}

#[test]
fn what_is_too_long_is_not_indexed_and_keeps_its_place() {
    let longest = "x".repeat(128);
    assert_eq!(unstemmed(&format!("a {longest} b")), format!("a | {longest} | b"));
    assert_eq!(unstemmed(&format!("a {longest}x b")), "a |  | b");
    let snake = vec!["part"; 40].join("_");
    assert_eq!(unstemmed(&snake), vec!["part"; 40].join(" | "));
    assert_eq!(unstemmed(&"ß".repeat(64)), "ss".repeat(64));
    assert_eq!(unstemmed(&"\u{fb03}".repeat(43)), "", "129 letters are folded from as many bytes");
}

/// Texts that cost most where reading is not linear.
pub fn hostile() -> Vec<String> {
    let size = 1 << 16;
    [
        "\"",
        "OR ",
        "-",
        "- ",
        "*",
        "a",
        "_",
        "a_",
        "aB",
        "aBC",
        "a1",
        "a-",
        "a* ",
        "A",
        " ",
        "\n",
        "\u{301}",
        "a\u{301}",
        "\u{200d}",
        "a\u{200d}",
        "👩\u{200d}",
        "東",
        "ｶﾞ",
        "ﾞ",
        "\u{1100}",
        "\u{1161}",
        "\u{1100}\u{1161}\u{11a8}",
        "กี",
        "ำ",
        "ש\u{5b8}",
        "\u{202e}א",
        "क\u{93c}",
        "\u{fdfa}",
        "\0",
        "\u{e0041}",
        "“a”",
        "\"a ",
        "-\"",
        "a OR ",
        "'",
        "ß",
    ]
    .into_iter()
    .map(|piece| piece.repeat(size / piece.len()))
    .collect()
}

#[test]
fn hostile_texts_have_no_more_tokens_than_letters_account_for() {
    for text in hostile() {
        let mut most = 0;
        let mut count = 0;
        for token in tokens(&text) {
            most = most.max(token.text.len());
            count += 1;
        }
        let start: String = text.chars().take(6).collect();
        assert!(most <= 128 && count <= 2 * text.len(), "{start:?}: {count} tokens, up to {most} bytes");
    }
}

/// Letters of all kinds, and what stands between them.
pub fn any_text() -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        4 => "[a-zA-Z]{1,8}",
        2 => "[a-zA-Z0-9_]{1,12}",
        1 => "[À-ɏ]{1,5}",
        1 => "[Α-ώ]{1,5}",
        1 => "[А-я]{1,6}",
        1 => "[ء-ي\u{64b}-\u{655}]{1,6}",
        1 => "[א-ת\u{5b0}-\u{5c7}]{1,6}",
        1 => "[ऀ-ॿ]{1,6}",
        1 => "[一-龥ぁ-ヿ]{1,5}",
        1 => "[가-힣\u{1100}-\u{11ff}]{1,4}",
        1 => "[ｦ-ﾟ]{1,4}",
        1 => "[ก-๛]{1,6}",
        1 => "[\u{300}-\u{36f}\u{200b}-\u{200f}\u{202a}-\u{202e}]{1,3}",
        2 => "[ \t\n]{1,2}",
        2 => "[ .,;:!?/'\"*()-]{1,2}",
        1 => "\\PC{1,4}",
        1 => any::<String>(),
    ];
    prop::collection::vec(pieces, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn tokens_are_in_order_within_the_text_and_fit_the_index(text in any_text()) {
        let mut last = 0;
        for token in tokens(&text) {
            prop_assert!(token.position >= last);
            last = token.position;
            prop_assert!(token.offset_from < token.offset_to);
            prop_assert!(text.get(token.offset_from..token.offset_to).is_some());
            prop_assert!((1..=128).contains(&token.text.len()));
        }
    }

    #[test]
    fn a_term_that_is_typed_is_itself(text in any_text()) {
        // Vowel signs of several scripts on one letter may change places.
        let orderly = |word: &ExactWord| !word.text.chars().any(|c| is_spaceless(c) && is_mark(c));
        for word in ExactWords::new(&text).filter(orderly) {
            let again: Vec<_> = ExactWords::new(&word.text).map(|word| word.text).collect();
            prop_assert_eq!(again, [word.text]);
        }
    }

    #[test]
    fn case_makes_no_difference_to_what_is_found(text in any_text()) {
        let exact = |text: &str| ExactWords::new(text).map(|word| word.text).collect::<Vec<_>>();
        prop_assert_eq!(exact(&text.to_lowercase()), exact(&text));
    }

    #[test]
    fn initials_leave_out_nothing_that_is_asked_for(text in any_text(), initials in "\\PC{1,3}") {
        let mut set = Initials::default();
        initials.chars().for_each(|c| set.insert(c));
        let (mut all, mut some) = (Words::new(&text), Words::beginning_with(&text, Language::of(&text), set));
        let (mut all_forms, mut some_forms) = (Forms::default(), Forms::default());
        while all.next(&mut all_forms) {
            prop_assert!(some.next(&mut some_forms));
            let asked = |forms: &Forms| -> Vec<(String, usize, usize)> {
                let asked = forms.iter().filter(|(term, _, _)| term.starts_with(|c| initials.contains(c)));
                asked.map(|(term, from, to)| (term.to_owned(), from, to)).collect()
            };
            prop_assert_eq!(asked(&all_forms), asked(&some_forms));
        }
        prop_assert!(!some.next(&mut some_forms));
    }

    #[test]
    fn stems_keep_the_first_letter_where_that_is_relied_on(word in any_text(), language in prop::sample::select(&Language::ALL[..])) {
        let mut stems = Stems::new(language);
        for word in ExactWords::new(&word) {
            let relied_on = !stems.change_initials();
            for stem in stems.of(&word.text, &word.text) {
                prop_assert!(!relied_on || stem.chars().next() == word.text.chars().next(), "{} {stem}", word.text);
            }
        }
    }
}
