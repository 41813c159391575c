//! What people do to a conversation while the server is killed.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::client::{Client, Reply, message};
use crate::support::follower::Follower;
use crate::support::log::Log;
use crate::support::script::Script;
use crate::support::within;

/// A conversation with two who watch it, one who writes, and one who summarises.
pub struct Talk {
    pub id: String,
    pub name: String,
    pub by_sse: Follower,
    pub by_socket: Follower,
    pub done: Vec<Done>,
    /// What was wished so far, for the names of more.
    pub wished: u32,
    pub judged: usize,
    /// Messages that are gone for good, as the tree was when their branch was deleted.
    pub deleted: BTreeSet<String>,
    pub forks: Vec<Fork>,
    pub log: Log,
}

pub struct Fork {
    pub id: String,
    pub above: Vec<Value>,
}

#[derive(Debug, Clone)]
pub enum What {
    Say(Script),
    Regenerate,
    Switch { to: String },
    Fork { title: String, above: Vec<Value> },
    Delete { root: String, below: BTreeSet<String> },
    Compact,
    Undo { compaction_id: String },
}

/// What somebody wanted, and the answer: none where it was tried once and the server was killed meanwhile.
#[derive(Debug, Clone)]
pub struct Done {
    pub method: Method,
    pub path: String,
    pub body: Value,
    pub key: String,
    pub what: What,
    pub reply: Option<Reply>,
}

/// How a person goes about it.
#[derive(Clone, Copy)]
enum Will {
    Insists,
    TriesOnce,
}

#[derive(Clone, Copy)]
enum Wish {
    Say,
    Edit,
    Regenerate,
    Switch,
    Fork,
    Delete,
}

impl Wish {
    fn drawn(rng: &mut StdRng) -> Self {
        match rng.random_range(0..100) {
            0..22 => Self::Say,
            22..36 => Self::Edit,
            36..48 => Self::Regenerate,
            48..62 => Self::Switch,
            62..78 => Self::Fork,
            _ => Self::Delete,
        }
    }
}

/// Wants one thing of one message.
pub struct Person {
    client: Client,
    pub base: String,
    name: String,
}

impl Person {
    pub async fn read(&self, path: &str) -> Value {
        self.client.insist(Method::GET, &format!("{}{path}", self.base), &json!({}), "read").await.expect(200)
    }

    pub async fn tree(&self) -> Vec<Value> {
        self.read("/tree").await["items"].as_array().expect("a tree has items").clone()
    }

    async fn path(&self, head: &str) -> Vec<Value> {
        let page = self.read(&format!("/messages?head={head}&limit=200")).await;
        page["items"].as_array().expect("a page has items").clone()
    }

    async fn wants(&self, wish: Wish, script: Script, nth: usize, n: u32) -> Option<Done> {
        let tree = self.tree().await;
        let pick = |fits: &dyn Fn(&Value) -> bool| {
            let fitting: Vec<&Value> = tree.iter().filter(|node| fits(node)).collect();
            (!fitting.is_empty()).then(|| fitting[nth % fitting.len()].clone())
        };
        let base = &self.base;
        let (method, path, body, what) = match wish {
            Wish::Say => {
                let body = message(&script, &json!({}));
                (Method::POST, format!("{base}/messages"), body, What::Say(script))
            }
            Wish::Edit => {
                let question = pick(&|node| node["role"] == "user")?;
                let body = message(&script, &json!({"parent_id": question["parent_id"]}));
                (Method::POST, format!("{base}/messages"), body, What::Say(script))
            }
            Wish::Regenerate => {
                let body = json!({"message_id": pick(&|node| node["role"] == "assistant")?["id"]});
                (Method::POST, format!("{base}/regenerate"), body, What::Regenerate)
            }
            Wish::Switch => {
                let to = id_of(&pick(&|_| true)?);
                (Method::PUT, format!("{base}/head"), json!({"message_id": to}), What::Switch { to })
            }
            Wish::Fork => {
                let at = id_of(&pick(&|node| node["status"] != "streaming")?);
                let (title, above) = (format!("{}-{n}", self.name), self.path(&at).await);
                let body = json!({"message_id": at, "title": title});
                (Method::POST, format!("{base}/fork"), body, What::Fork { title, above })
            }
            Wish::Delete => {
                let root = id_of(&pick(&|_| true)?);
                let below = below(&tree, &root);
                let what = What::Delete { root: root.clone(), below };
                (Method::DELETE, format!("{base}/messages/{root}"), json!({}), what)
            }
        };
        Some(Done { method, path, body, key: format!("{}-{n}", self.name), what, reply: None })
    }

    async fn does(&self, mut deed: Done, will: Will) -> Done {
        let Done { method, path, body, key, .. } = &deed;
        deed.reply = match will {
            Will::Insists => Some(self.client.insist(method.clone(), path, body, key).await),
            Will::TriesOnce => {
                let request = self.client.request(method.clone(), path);
                let request = request.header("Idempotency-Key", key).json(body);
                let reply = within(path, self.client.ask(request)).await.ok();
                reply.filter(|reply| reply.status != 503)
            }
        };
        deed
    }
}

pub fn id_of(node: &Value) -> String {
    node["id"].as_str().expect("a node has an id").to_owned()
}

/// A message and all that hangs on it; parents come before their children.
fn below(tree: &[Value], root: &str) -> BTreeSet<String> {
    let mut below = BTreeSet::from([root.to_owned()]);
    for node in tree {
        if node["parent_id"].as_str().is_some_and(|parent| below.contains(parent)) {
            below.insert(id_of(node));
        }
    }
    below
}

impl Talk {
    /// With a few exchanges, so that there is something to do things to.
    pub async fn begin(client: &Client, name: String, rng: &mut StdRng) -> Self {
        let agent = ["default", "prefill", "refusing", "fail"][rng.random_range(0..4)];
        let made =
            client.post("/v1/conversations", &json!({"agent": agent, "title": name})).await.expect(201);
        let id = id_of(&made["conversation"]);
        let by_sse = Follower::by_sse(client, &id);
        for n in 0..3 {
            let ack = client.say(&id, &Script::new(format!("{name}/first-{n}"), 60)).await;
            by_sse.sees_the_end_of(&ack.turn_id).await;
        }
        let by_socket = Follower::by_socket(client, std::slice::from_ref(&id)).remove(0);
        Self {
            by_sse,
            by_socket,
            id,
            name,
            done: Vec::new(),
            wished: 0,
            judged: 0,
            deleted: BTreeSet::new(),
            forks: Vec::new(),
            log: Log::starting_at(0),
        }
    }

    pub fn person(&self, client: &Client, name: &str) -> Person {
        let base = format!("/v1/conversations/{}", self.id);
        Person { client: client.clone(), base, name: format!("{}-{name}", self.name) }
    }

    /// Does a few things, one after the other.
    pub fn act(
        &mut self,
        client: &Client,
        rng: &mut StdRng,
    ) -> impl Future<Output = Vec<Done>> + Send + 'static {
        let person = self.person(client, "person");
        let first = self.wished;
        let wishes: Vec<_> = (0..rng.random_range(3..8))
            .map(|n| {
                let script = Script {
                    text: rng.random_range(30..1500),
                    reasoning: if rng.random_bool(0.2) { 100 } else { 0 },
                    calls: usize::from(rng.random_bool(0.2)),
                    piece: rng.random_range(4..64),
                    id: format!("{}/{}", self.name, first + n),
                    ..Script::default()
                };
                let will = if rng.random_bool(0.3) { Will::TriesOnce } else { Will::Insists };
                let pause = Duration::from_micros(rng.random_range(0..60_000));
                (first + n, pause, Wish::drawn(rng), script, rng.random_range(0..1000), will)
            })
            .collect();
        self.wished += u32::try_from(wishes.len()).expect("a few");
        async move {
            let mut done = Vec::new();
            for (n, pause, wish, script, nth, will) in wishes {
                tokio::time::sleep(pause).await;
                if let Some(deed) = person.wants(wish, script, nth, n).await {
                    done.push(person.does(deed, will).await);
                }
            }
            done
        }
    }

    /// Summarises what is above one of the last questions, beside all else, and sometimes takes it back.
    pub fn summarise(
        &mut self,
        client: &Client,
        rng: &mut StdRng,
    ) -> impl Future<Output = Vec<Done>> + Send + 'static {
        let person = self.person(client, "keeper");
        let (from_the_end, undo) = (rng.random_range(0..2), rng.random_bool(0.3));
        let will = if rng.random_bool(0.4) { Will::TriesOnce } else { Will::Insists };
        async move {
            let mut done = Vec::new();
            let tree = person.tree().await;
            // What is above a question has been said to its end.
            let above = |node: &Value| {
                let follows = node["role"] == "user" && node["on_path"] == true;
                follows.then(|| node["parent_id"].as_str().map(str::to_owned)).flatten()
            };
            let above: Vec<String> = tree.iter().filter_map(above).collect();
            let Some(through) = above.iter().rev().nth(from_the_end).or(above.last()) else { return done };
            let deed = Done {
                method: Method::POST,
                path: format!("{}/compact", person.base),
                body: json!({"message_id": through}),
                key: String::from("unused"),
                what: What::Compact,
                reply: None,
            };
            let made = person.does(deed, will).await;
            let id = made.reply.as_ref().filter(|reply| reply.status == 201).map(|reply| id_of(&reply.body));
            done.push(made);
            if let (Some(id), true) = (id, undo) {
                let deed = Done {
                    method: Method::DELETE,
                    path: format!("{}/compactions/{id}", person.base),
                    body: json!({}),
                    key: String::from("unused"),
                    what: What::Undo { compaction_id: id },
                    reply: None,
                };
                done.push(person.does(deed, will).await);
            }
            done
        }
    }
}

impl What {
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Say(_) => "say or edit",
            Self::Regenerate => "regenerate",
            Self::Switch { .. } => "switch",
            Self::Fork { .. } => "fork",
            Self::Delete { .. } => "delete",
            Self::Compact => "compact",
            Self::Undo { .. } => "undo",
        }
    }
}
