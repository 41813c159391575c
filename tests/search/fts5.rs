//! SQLite's full-text index on the same messages, as somebody would use it who puts search into a chat by SQL: all of
//! the words, or where nothing has them all, any of them; ranked by `bm25`.

use rusqlite::Connection;

pub struct Fts5(Connection);

impl Fts5 {
    pub fn of<'a>(tokenizer: &str, messages: impl Iterator<Item = (&'a String, &'a String)>) -> Self {
        let conn = Connection::open_in_memory().expect("memory can be opened");
        let create = format!(
            "CREATE VIRTUAL TABLE said USING fts5(message UNINDEXED, text, tokenize = '{tokenizer}')"
        );
        conn.execute_batch(&create).expect("SQLite was built with FTS5");
        {
            let mut insert = conn
                .prepare("INSERT INTO said (message, text) VALUES (?1, ?2)")
                .expect("the table takes messages");
            for (message, text) in messages {
                insert.execute([message, text]).expect("a text is indexed");
            }
        }
        Self(conn)
    }

    /// The best ten messages for what somebody typed.
    pub fn search(&self, typed: &str) -> Vec<String> {
        let words = words(typed);
        let all = self.matching(&words.join(" "));
        if !all.is_empty() {
            return all;
        }
        let words: Vec<String> = words.into_iter().filter(|word| word != "OR").collect();
        self.matching(&words.join(" OR "))
    }

    fn matching(&self, expression: &str) -> Vec<String> {
        const BEST: &str = "SELECT message FROM said WHERE said MATCH ?1 ORDER BY rank LIMIT 10";
        let mut select = self.0.prepare_cached(BEST).expect("the table is there");
        let rows = select.query_map([expression], |row| row.get(0)).expect("the expression is one of FTS5's");
        rows.collect::<Result<_, _>>().expect("rows can be read")
    }
}

/// In quotes, so that nothing typed is taken for the language of FTS5 but phrases, `OR` and `prefix*`.
fn words(typed: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, stretch) in typed.split('"').enumerate() {
        if at % 2 == 1 {
            words.push(format!("\"{stretch}\""));
            continue;
        }
        words.extend(stretch.split_whitespace().map(|word| match word.strip_suffix('*') {
            _ if word == "OR" => word.to_owned(),
            Some(prefix) => format!("\"{prefix}\"*"),
            None => format!("\"{word}\""),
        }));
    }
    words
}

#[test]
fn what_is_typed_becomes_an_expression_of_fts5() {
    assert_eq!(
        words(r#"photovolt* OR "first contact" json.loads"#).join(" "),
        r#""photovolt"* OR "first contact" "json.loads""#
    );
    let said = [("1", "A hidden café"), ("2", "Hiding a cafe"), ("3", "Nothing")]
        .map(|(id, text)| (id.to_owned(), text.to_owned()));
    let index = |tokenizer| Fts5::of(tokenizer, said.iter().map(|(id, text)| (id, text)));
    assert_eq!(index("unicode61").search("cafe hiding"), ["2"]);
    assert_eq!(index("porter unicode61").search("\"a cafe\" nowhere"), ["2"]);
    assert_eq!(index("porter unicode61").search("nowhere nothing"), ["3"]);
}
