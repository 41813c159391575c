//! The server is killed with SIGKILL while people edit, regenerate, fork, switch, delete and summarise branches of
//! conversations that stream; then the oracle looks for what was lost, half done, or has come back.
//!
//! `WEIR_SEED` repeats a run; `WEIR_KILLS` says how many kills; `WEIR_TORTURE=1` is 1,000 of them.

#![cfg(feature = "failpoints")]

#[allow(dead_code, reason = "each suite uses its part of what they share")]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::Method;
use serde_json::{Value, json};

use support::client::{Ack, Client, Reply, message};
use support::follower::Follower;
use support::log::{Log, position};
use support::oracle::{Tables, database_is_sound, whole_path};
use support::script::Script;
use support::server::{Server, Started};
use support::upstream::{Upstream, summary};
use support::within;
use weir::failpoint;

/// What `make test` spends on this.
const FEW: u32 = 24;
const MANY: u32 = 1_000;

const TALKS: usize = 2;
/// Cycles after which the conversations are replaced, so that their logs stay short.
const CYCLES_OF_A_TALK: u32 = 5;
/// A failpoint that is not come to by then is given up.
const REACHED_WITHIN: Duration = Duration::from_millis(600);
/// What a deleted branch leaves behind is gone by then, whoever was killed meanwhile.
const ERASED_WITHIN: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trees_that_were_acknowledged_survive_a_kill_and_deleted_branches_do_not_come_back() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u32>().expect("a number"));
    let torture = std::env::var("WEIR_TORTURE").is_ok_and(|value| value == "1");
    let kills = number("WEIR_KILLS").unwrap_or(if torture { MANY } else { FEW });
    let seed = number("WEIR_SEED").unwrap_or_else(rand::random);
    println!("WEIR_SEED={seed} WEIR_KILLS={kills}");

    let mut rng = StdRng::seed_from_u64(seed.into());
    let mut count = Count::default();
    let upstream = Upstream::start().await;
    let mut server = Server::start(&upstream.config()).await;
    let client = server.client();
    let mut talks = Vec::new();
    let mut cycle = 0;
    while count.kills < kills {
        if cycle % CYCLES_OF_A_TALK == 0 {
            upstream.pace(Duration::ZERO);
            talks.clear();
            for n in 0..TALKS {
                talks.push(Talk::begin(&client, format!("{cycle}.{n}"), &mut rng).await);
            }
        }
        upstream.pace(Duration::from_micros(rng.random_range(200..2000)));
        run_and_kill(&mut server, &upstream, &mut talks, cycle, &mut rng, &mut count).await;
        for talk in &mut talks {
            let judged = talk.is_as_it_should_be(&client, &mut count).await;
            judged.unwrap_or_else(|wrong| panic!("{} ({}) in cycle {cycle}: {wrong}", talk.id, talk.name));
        }
        assert_eq!(upstream.complaints(), Vec::<String>::new());
        cycle += 1;
    }
    println!("WEIR_SEED={seed}: {count:?}");
}

/// What a run went through.
#[derive(Debug, Default)]
struct Count {
    kills: u32,
    at_failpoints: BTreeMap<&'static str, u32>,
    done: BTreeMap<&'static str, u32>,
    refused: BTreeMap<&'static str, u32>,
    /// What was tried once, and cut off by a kill: found done, and found undone.
    cut_and_done: u32,
    cut_and_undone: u32,
    messages_deleted: usize,
    redacted: u64,
}

/// One process comes to its end while all talk; then the server is brought back until everything is answered.
async fn run_and_kill(
    server: &mut Server,
    upstream: &Upstream,
    talks: &mut [Talk],
    cycle: u32,
    rng: &mut StdRng,
    count: &mut Count,
) {
    let client = server.client();
    let mut moment = Moment::drawn(rng, cycle);
    moment.is_armed(server);
    let people: Vec<_> = talks.iter_mut().map(|talk| tokio::spawn(talk.act(&client, rng))).collect();
    let keepers: Vec<_> = talks.iter_mut().map(|talk| tokio::spawn(talk.summarise(&client, rng))).collect();
    moment.comes(server, count).await;
    kill(server, count);
    // Again while it recovers, or erases what was deleted.
    for _ in 0..rng.random_range(0..=2_u32).saturating_sub(1) {
        moment = Moment::drawn_for_a_start(rng);
        moment.is_armed(server);
        if server.restart_or_stop().await == Started::Ready {
            moment.comes(server, count).await;
        }
        kill(server, count);
    }
    server.disarm();
    upstream.pace(Duration::ZERO);
    server.restart().await;
    for ((talk, person), keeper) in talks.iter_mut().zip(people).zip(keepers) {
        let done = within("everything to be answered", person).await.expect("nobody panicked");
        talk.done.extend(done);
        talk.done.extend(within("the summaries", keeper).await.expect("nobody panicked"));
    }
}

enum Moment {
    After(Duration),
    At { failpoint: &'static str, hit: u32 },
}

impl Moment {
    /// The first kills come to what only trees come past, the others where chance will have them.
    fn drawn(rng: &mut StdRng, cycle: u32) -> Self {
        match failpoint::OF_TREES.get(cycle as usize % (2 * failpoint::OF_TREES.len())) {
            Some(failpoint) => Self::At { failpoint, hit: rng.random_range(1..=2) },
            None if rng.random_bool(0.4) => Self::After(Duration::from_micros(rng.random_range(0..300_000))),
            None => {
                let failpoint = failpoint::NAMES[rng.random_range(0..failpoint::NAMES.len())];
                Self::At { failpoint, hit: rng.random_range(1..=120) }
            }
        }
    }

    fn drawn_for_a_start(rng: &mut StdRng) -> Self {
        match rng.random_range(0..3) {
            0 => Self::After(Duration::from_micros(rng.random_range(0..50_000))),
            1 => Self::At { failpoint: "store::before_erased", hit: 1 },
            _ => Self::At { failpoint: "store::before_commit", hit: rng.random_range(1..=4) },
        }
    }

    fn is_armed(&self, server: &Server) {
        match self {
            Self::After(_) => server.disarm(),
            Self::At { failpoint, hit } => server.arm(failpoint, *hit),
        }
    }

    async fn comes(&self, server: &Server, count: &mut Count) {
        let failpoint = match self {
            Self::After(pause) => return tokio::time::sleep(*pause).await,
            Self::At { failpoint, .. } => failpoint,
        };
        let deadline = Instant::now() + REACHED_WITHIN;
        while !server.is_stopped() && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        if server.is_stopped() {
            *count.at_failpoints.entry(failpoint).or_default() += 1;
        }
    }
}

fn kill(server: &mut Server, count: &mut Count) {
    server.kill9();
    count.kills += 1;
    database_is_sound(&server.data()).unwrap_or_else(|wrong| panic!("after a kill: {wrong}"));
}

/// A conversation with two who watch it, one who writes, and one who summarises.
struct Talk {
    id: String,
    name: String,
    by_sse: Follower,
    by_socket: Follower,
    done: Vec<Done>,
    /// What was wished so far, for the names of more.
    wished: u32,
    judged: usize,
    /// Messages that are gone for good, as the tree was when their branch was deleted.
    deleted: BTreeSet<String>,
    forks: Vec<Fork>,
    log: Log,
}

struct Fork {
    id: String,
    above: Vec<Value>,
}

#[derive(Debug, Clone)]
enum What {
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
struct Done {
    method: Method,
    path: String,
    body: Value,
    key: String,
    what: What,
    reply: Option<Reply>,
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
struct Person {
    client: Client,
    base: String,
    name: String,
}

impl Person {
    async fn read(&self, path: &str) -> Value {
        self.client.insist(Method::GET, &format!("{}{path}", self.base), &json!({}), "read").await.expect(200)
    }

    async fn tree(&self) -> Vec<Value> {
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

fn id_of(node: &Value) -> String {
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
    async fn begin(client: &Client, name: String, rng: &mut StdRng) -> Self {
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

    fn person(&self, client: &Client, name: &str) -> Person {
        let base = format!("/v1/conversations/{}", self.id);
        Person { client: client.clone(), base, name: format!("{}-{name}", self.name) }
    }

    /// Does a few things, one after the other.
    fn act(&mut self, client: &Client, rng: &mut StdRng) -> impl Future<Output = Vec<Done>> + Send + 'static {
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
    fn summarise(
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

    /// The oracle. Everything has been answered, and nothing else happens once all turns have ended.
    async fn is_as_it_should_be(&mut self, client: &Client, count: &mut Count) -> Result<(), String> {
        let fresh = self.done[self.judged..].to_vec();
        let log = self.at_rest(client, &fresh).await?;
        let everything = |shown: &Log| shown.end >= log.end;
        self.by_sse.sees("the whole log by SSE", everything).await;
        self.by_socket.sees("the whole log by WebSocket", everything).await;
        for (follower, how) in [(&self.by_sse, "SSE"), (&self.by_socket, "WebSocket")] {
            let shown = follower.log();
            if shown.end != log.end {
                return Err(format!("{how} was shown {} positions, {} are stored", shown.end, log.end));
            }
            shown.is_part_of_what_is_left(&log).map_err(|wrong| format!("by {how}: {wrong}"))?;
        }
        let earlier = self.log.is_part_of_what_is_left(&log);
        earlier.map_err(|wrong| format!("what was stored at the last rest: {wrong}"))?;

        let tables = Tables::of(&log)?;
        tables.are_at_rest()?;
        tables.are_what_the_server_says(client, &self.id).await?;
        self.the_tree_is_the_same(client, &tables).await?;
        for (n, done) in fresh.iter().enumerate() {
            let later_deletion = fresh[n..].iter().any(|done| matches!(done.what, What::Delete { .. }));
            self.is_in(done, &log, &tables, later_deletion, count)?;
        }
        self.forks_are_there_once(client, &fresh, count).await?;
        self.repeats_are_answered_as_the_first(client, &fresh).await?;
        count.messages_deleted += self.deleted.iter().filter(|id| self.log.speaks_of(id)).count();
        let redacted = |log: &Log| log.redactions().map(|(prev, seq)| seq - prev).sum::<u64>();
        count.redacted += redacted(&log) - redacted(&self.log);
        self.judged = self.done.len();
        self.log = log;
        Ok(())
    }

    /// The log, once every turn has ended and what was deleted is erased: at once where the deletion was answered
    /// with success, soon where it was cut off after its commit.
    async fn at_rest(&mut self, client: &Client, fresh: &[Done]) -> Result<Log, String> {
        let mut log = client.log(&self.id).await;
        for done in fresh {
            let What::Delete { root, below } = &done.what else { continue };
            let committed = log.events_of_type("branch.deleted").any(|event| event["message_id"] == **root);
            let status = done.reply.as_ref().map(|reply| reply.status);
            if status == Some(204)
                && let Some(id) = below.iter().find(|id| log.speaks_of(id))
            {
                return Err(format!("{id} was said to be deleted, and the log speaks of it"));
            }
            match (status, committed) {
                (Some(204 | 404) | None, true) => self.deleted.extend(below.iter().cloned()),
                (None, false) => {}
                // It went with the branch that it was on.
                (Some(404), false) if self.deleted.contains(root) => {}
                _ => return Err(format!("{done:?}, but the log says {committed}")),
            }
        }
        let deadline = Instant::now() + ERASED_WITHIN;
        loop {
            let left = self.deleted.iter().find(|id| log.speaks_of(id));
            let running = log.unfinished_turns();
            if left.is_none() && running.is_empty() {
                return Ok(log);
            }
            if Instant::now() > deadline {
                return Err(format!("not erased: {left:?}; not ended: {running:?}"));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
            log = client.log(&self.id).await;
        }
    }

    async fn the_tree_is_the_same(&self, client: &Client, tables: &Tables) -> Result<(), String> {
        let person = self.person(client, "reader");
        let tree: BTreeSet<String> = person.tree().await.iter().map(id_of).collect();
        let logged: BTreeSet<String> = tables.messages.keys().cloned().collect();
        if tree != logged {
            return Err(format!("the tree is {tree:?}, the log says {logged:?}"));
        }
        for id in &self.deleted {
            let page = client.get(&format!("{}/messages?head={id}", person.base)).await;
            if page.status != 404 || tree.contains(id) {
                return Err(format!("{id} was deleted, and is answered {page:?}"));
            }
        }
        let stored = person.read("/compactions").await;
        let stored: BTreeMap<String, Value> = stored["items"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|compaction| (id_of(compaction), compaction.clone()))
            .collect();
        if stored != tables.compactions {
            return Err(format!("the summaries are {stored:?}, the log says {:?}", tables.compactions));
        }
        match stored.values().find(|compaction| compaction["summary"] != summary()) {
            Some(cut) => Err(format!("a summary that is not whole: {cut}")),
            None => Ok(()),
        }
    }

    /// What was acknowledged is there; what was cut off is there or not.
    fn is_in(
        &self,
        done: &Done,
        log: &Log,
        tables: &Tables,
        later_deletion: bool,
        count: &mut Count,
    ) -> Result<(), String> {
        let wrong = |why: &str| Err(format!("{why}: {done:?}"));
        let name = done.what.name();
        let Some(reply) = &done.reply else {
            let is_done = match &done.what {
                What::Say(script) => log.events().any(|event| event.to_string().contains(&script.id)),
                What::Delete { root, .. } => self.deleted.contains(root),
                What::Regenerate
                | What::Switch { .. }
                | What::Fork { .. }
                | What::Compact
                | What::Undo { .. } => {
                    return Ok(());
                }
            };
            let cut = if is_done { &mut count.cut_and_done } else { &mut count.cut_and_undone };
            *cut += 1;
            return Ok(());
        };
        let accepted = matches!(reply.status, 200..=204);
        let tally = if accepted { &mut count.done } else { &mut count.refused };
        *tally.entry(name).or_default() += 1;
        match (&done.what, reply.status) {
            (What::Say(_) | What::Regenerate, 202) => {
                let ack = Ack::of(&reply.body);
                let gone = self.deleted.contains(&ack.message_id)
                    || (later_deletion && !tables.turns.contains_key(&ack.turn_id));
                let there = tables.turns.contains_key(&ack.turn_id)
                    && log.events().any(|event| {
                        event["message"]["id"] == ack.message_id
                            || event["turn"]["message_id"] == ack.message_id
                    });
                if there || gone { Ok(()) } else { wrong("not in the log") }
            }
            (What::Switch { to }, 200) => {
                let cursor = reply.body["cursor"].as_str().map(position).unwrap_or_default();
                let then = Tables::of(&log.between(0, cursor))?;
                if then.head.as_ref() == Some(to) || self.deleted.contains(to) {
                    return Ok(());
                }
                wrong(&format!("at {cursor} the head is {:?}", then.head))
            }
            (What::Compact, 201) => {
                let id = id_of(&reply.body);
                let mut made = log.events_of_type("conversation.compacted");
                let there = made.any(|event| event["compaction"] == reply.body) && !id.is_empty();
                let gone = reply.body["message_id"].as_str().is_some_and(|id| self.deleted.contains(id));
                match (there, gone) {
                    (true, false) | (false, true) => Ok(()),
                    (false, false) => wrong("not in the log"),
                    (true, true) => wrong("left in the log"),
                }
            }
            (What::Undo { compaction_id }, 204) => {
                let mut undone = log.events_of_type("conversation.uncompacted");
                match undone.any(|event| event["compaction_id"] == **compaction_id)
                    && !tables.compactions.contains_key(compaction_id)
                {
                    true => Ok(()),
                    false => wrong("not in the log"),
                }
            }
            // Its turn may still run; it may be summarised already; its branch may be gone.
            (What::Regenerate, 409) | (What::Compact, 404 | 409) | (What::Undo { .. }, 404) => Ok(()),
            // Both were looked at.
            (What::Delete { .. }, 204 | 404) | (What::Fork { .. }, 201) => Ok(()),
            _ => wrong("nobody should answer like this"),
        }
    }

    /// A fork exists once for each key, and shows what its origin showed, whatever became of that.
    async fn forks_are_there_once(
        &mut self,
        client: &Client,
        fresh: &[Done],
        count: &mut Count,
    ) -> Result<(), String> {
        let all = conversations(client).await;
        for done in fresh {
            let What::Fork { title, above } = &done.what else { continue };
            let found: Vec<&Value> = all.iter().filter(|one| one["title"] == **title).collect();
            let id = match (&done.reply, found.as_slice()) {
                (Some(reply), [one]) if reply.body["conversation"]["id"] == one["id"] => id_of(one),
                (None, [one]) => {
                    count.cut_and_done += 1;
                    id_of(one)
                }
                (None, []) => {
                    count.cut_and_undone += 1;
                    continue;
                }
                (reply, found) => return Err(format!("{title} was answered {reply:?}, there are {found:?}")),
            };
            self.forks.push(Fork { id, above: above.clone() });
        }
        for Fork { id, above } in &self.forks {
            let log = client.log(id).await;
            let tables = Tables::of_fork(&log, above)?;
            tables
                .are_what_the_server_says(client, id)
                .await
                .map_err(|wrong| format!("fork {id}: {wrong}"))?;
            let base = format!("/v1/conversations/{id}");
            let head = tables.head.as_deref().ok_or(format!("the fork {id} has no head"))?;
            let at = above.iter().max_by_key(|message| message["seq"].as_u64()).map(id_of);
            if at.as_deref() != Some(head) || whole_path(client, &base, head).await.len() != above.len() {
                return Err(format!("the fork {id} is at {head}, it was made at {at:?}"));
            }
        }
        Ok(())
    }

    async fn repeats_are_answered_as_the_first(&self, client: &Client, fresh: &[Done]) -> Result<(), String> {
        for done in fresh {
            let Some(reply) = &done.reply else { continue };
            let told = |reply: &Reply| match &done.what {
                What::Say(_) | What::Regenerate if reply.status == 202 => {
                    Some(json!([reply.body["message_id"], reply.body["turn"]["id"]]))
                }
                What::Fork { .. } if reply.status == 201 => Some(reply.body["conversation"]["id"].clone()),
                _ => None,
            };
            let Some(first) = told(reply) else { continue };
            let names_what_is_gone = match &done.what {
                What::Fork { above, .. } => {
                    above.iter().any(|message| self.deleted.contains(&id_of(message)))
                }
                _ => client.get(&format!("/v1/turns/{}", Ack::of(&reply.body).turn_id)).await.status == 404,
            };
            if names_what_is_gone {
                continue;
            }
            let again = client.insist(done.method.clone(), &done.path, &done.body, &done.key).await;
            if told(&again) != Some(first) {
                return Err(format!("{done:?}, and then {again:?}"));
            }
        }
        Ok(())
    }
}

async fn conversations(client: &Client) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = client.get(&format!("/v1/conversations?limit=200{cursor}")).await.expect(200);
        all.extend(page["items"].as_array().expect("a list has items").iter().cloned());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

impl What {
    const fn name(&self) -> &'static str {
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
