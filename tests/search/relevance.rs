//! How well search ranks, beside SQLite's FTS5, by the judged queries on 100 real trees.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use reqwest::Method;
use serde_json::Value;

use crate::fts5::Fts5;
use crate::judged::{Judged, Query};
use crate::support::client::Client;
use crate::support::server::Server;
use crate::upload::upload;

/// The real trees of `WEIR_IMPORTS`, which are no part of the project.
#[tokio::test]
async fn search_ranks_at_least_as_well_as_fts5_on_real_trees() {
    let folder = std::env::var("WEIR_IMPORTS").unwrap_or_else(|_| "../shared/imports".to_owned());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join("oasst_en_100_trees.jsonl");
    let Ok(file) = std::fs::read(&path) else {
        println!("SKIPPED: the 100 real trees are not at {}", path.display());
        return;
    };
    let texts = texts(&file);
    let judged = Judged::load();
    for message in judged.queries.iter().flat_map(Query::messages) {
        assert!(texts.contains_key(message), "{message} is not in the trees");
    }

    let server = Server::start("").await;
    let weir = Weir::import(server.client(), file, &texts).await;
    let fts5 =
        ["unicode61", "porter unicode61"].map(|tokenizer| (tokenizer, Fts5::of(tokenizer, texts.iter())));
    let mut ours = Scores::new("weir");
    let mut theirs = fts5.each_ref().map(|(tokenizer, _)| Scores::new(tokenizer));
    println!("{:>6} {:>9} {:>6}  query", "weir", "unicode61", "porter");
    for query in &judged.queries {
        let score = query.ndcg(&weir.search(&query.query).await);
        ours.add(query, score);
        let others = [0, 1].map(|at| query.ndcg(&fts5[at].1.search(&query.query)));
        for (scores, other) in theirs.iter_mut().zip(others) {
            scores.add(query, other);
        }
        println!("{score:>6.3} {:>9.3} {:>6.3}  {}: {}", others[0], others[1], query.kind, query.query);
    }
    println!("nDCG@10 of {} queries over {} messages:", judged.queries.len(), texts.len());
    for scores in [&ours].into_iter().chain(&theirs) {
        println!("{scores}");
    }
    let best = theirs.iter().map(Scores::mean).fold(0.0, f64::max);
    assert!(ours.mean() >= best, "{:.4} is less than FTS5's {best:.4}", ours.mean());
}

/// The text of each message, by the id that it has in the trees.
fn texts(file: &[u8]) -> BTreeMap<String, String> {
    let trees = serde_json::Deserializer::from_slice(file).into_iter::<Value>();
    let mut open: Vec<Value> = trees.map(|tree| tree.expect("a tree is JSON")["prompt"].take()).collect();
    let mut texts = BTreeMap::new();
    while let Some(mut message) = open.pop() {
        let string = |key: &str| message[key].as_str().expect("a message has an id and a text").to_owned();
        texts.insert(string("message_id"), string("text"));
        open.extend(message["replies"].as_array_mut().into_iter().flatten().map(Value::take));
    }
    texts
}

/// A server that has the trees.
struct Weir {
    client: Client,
    /// What a message of ours is called in the trees.
    messages: HashMap<String, String>,
    /// The first message of each conversation. A title is its first line, so who finds one has found the other.
    roots: HashMap<String, String>,
}

impl Weir {
    async fn import(client: Client, file: Vec<u8>, texts: &BTreeMap<String, String>) -> Self {
        upload(&client, file).await;
        let ids: HashMap<&String, &String> = texts.iter().map(|(id, text)| (text, id)).collect();
        assert_eq!(ids.len(), texts.len(), "two messages say the same");
        let listed = client.get("/v1/conversations?limit=200").await.expect(200);
        let (mut messages, mut roots) = (HashMap::new(), HashMap::new());
        for conversation in listed["items"].as_array().expect("a list has items") {
            let id = conversation["id"].as_str().expect("a conversation has an id");
            let document =
                client.get(&format!("/v1/conversations/{id}/export?format=json")).await.expect(200);
            for message in document["messages"].as_array().expect("a document has messages") {
                let text = message["parts"][0]["text"].as_str().expect("a message has a text");
                let name = ids[&text.to_owned()].clone();
                if message["parent_id"].is_null() {
                    roots.insert(id.to_owned(), name.clone());
                }
                messages.insert(message["id"].as_str().expect("a message has an id").to_owned(), name);
            }
        }
        assert_eq!((messages.len(), roots.len()), (texts.len(), 100));
        let before = client.get("/v1/search?q=anything").await.expect(200);
        let after = before["indexed_through"].as_str().expect("a search says how far it reaches");
        client.get(&format!("/v1/search?q=anything&after={after}")).await.expect(200);
        Self { client, messages, roots }
    }

    /// What is found for what somebody typed, each message once.
    async fn search(&self, typed: &str) -> Vec<String> {
        let query = [("q", typed), ("limit", "50")];
        let request = self.client.request(Method::GET, "/v1/search").query(&query);
        let found = self.client.ask(request).await.expect("a search is answered").expect(200);
        let mut seen = HashSet::new();
        let name = |item: &Value| match item["message_id"].as_str() {
            Some(message) => self.messages[message].clone(),
            None => {
                self.roots[item["conversation"]["id"].as_str().expect("an item is in a conversation")].clone()
            }
        };
        let items = found["items"].as_array().expect("a search has items");
        items.iter().map(name).filter(|message| seen.insert(message.clone())).collect()
    }
}

/// Of one engine: the scores of all queries, and of each kind.
struct Scores {
    name: String,
    by_kind: BTreeMap<String, Vec<f64>>,
}

impl Scores {
    fn new(name: &str) -> Self {
        Self { name: name.to_owned(), by_kind: BTreeMap::new() }
    }

    fn add(&mut self, query: &Query, score: f64) {
        self.by_kind.entry(query.kind.clone()).or_default().push(score);
    }

    fn mean(&self) -> f64 {
        mean(self.by_kind.values().flatten())
    }
}

impl std::fmt::Display for Scores {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:>16} {:.4} ", self.name, self.mean())?;
        self.by_kind.iter().try_for_each(|(kind, scores)| write!(f, " {kind} {:.3}", mean(scores.iter())))
    }
}

fn mean<'a>(scores: impl Iterator<Item = &'a f64> + Clone) -> f64 {
    scores.clone().sum::<f64>() / scores.count() as f64
}
