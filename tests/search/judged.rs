//! The judged queries of `oasst.json`, and how good a ranking is for one of them.

use std::collections::HashMap;

use serde::Deserialize;

/// How far down a ranking counts.
const DEPTH: usize = 10;

#[derive(Deserialize)]
pub struct Judged {
    pub queries: Vec<Query>,
}

#[derive(Deserialize)]
pub struct Query {
    pub kind: String,
    pub query: String,
    /// The grade of each message that is worth finding.
    relevant: HashMap<String, u8>,
}

impl Judged {
    pub fn load() -> Self {
        serde_json::from_str(include_str!("oasst.json")).expect("the judged set is JSON")
    }
}

impl Query {
    /// The normalised discounted cumulative gain of the first ten (Burges et al. 2005: a gain of 2^grade - 1): 1 where
    /// nothing could stand higher up, 0 where nothing of worth was found.
    pub fn ndcg(&self, ranking: &[String]) -> f64 {
        let grades = ranking.iter().map(|message| self.relevant.get(message).copied().unwrap_or(0));
        let mut best: Vec<u8> = self.relevant.values().copied().collect();
        best.sort_by_key(|grade| std::cmp::Reverse(*grade));
        gain(grades) / gain(best.into_iter())
    }

    pub fn messages(&self) -> impl Iterator<Item = &String> {
        self.relevant.keys()
    }
}

fn gain(grades: impl Iterator<Item = u8>) -> f64 {
    let discounted =
        |(place, grade): (usize, u8)| (f64::from(grade).exp2() - 1.0) / (place as f64 + 2.0).log2();
    grades.take(DEPTH).enumerate().map(discounted).sum()
}

#[test]
fn a_ranking_is_as_good_as_what_stands_above() {
    let query = Query {
        kind: String::new(),
        query: String::new(),
        relevant: [("a".to_owned(), 2), ("b".to_owned(), 1)].into(),
    };
    let ndcg = |ranking: &[&str]| {
        let ranking: Vec<String> = ranking.iter().map(|message| (*message).to_owned()).collect();
        (query.ndcg(&ranking) * 1000.0).round()
    };
    assert_eq!(ndcg(&["a", "b", "c"]), 1000.0);
    assert_eq!(ndcg(&["b", "a"]), 797.0);
    assert_eq!(ndcg(&["c", "a"]), 521.0);
    assert_eq!(ndcg(&["c"]), 0.0);
    assert_eq!(ndcg(&["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "a"]), 0.0);
}
