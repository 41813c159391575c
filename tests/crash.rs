//! The server is killed with SIGKILL, at named failpoints and at any moment, while several conversations stream;
//! then the oracle looks for what was lost, told twice, or told wrongly.
//!
//! `WEIR_TORTURE=1` is 5,000 kills; `support/lives.rs` says how a run is repeated, and goes on.

#![cfg(feature = "failpoints")]

#[allow(dead_code, reason = "each suite uses its part of what they share")]
mod support;

use std::collections::BTreeSet;
use std::ops::AddAssign;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use support::client::{Ack, Client, Reply, message};
use support::follower::Follower;
use support::lives::{Life, Run};
use support::log::{Log, position};
use support::oracle::{Tables, database_is_sound};
use support::script::Script;
use support::server::{Server, Started};
use support::upstream::Upstream;
use support::within;
use weir::failpoint;

/// What `make test` spends on this.
const FEW: u32 = 40;
const MANY: u32 = 5_000;

/// Cycles after which the conversations are replaced, so that their logs stay short.
const CYCLES_OF_A_TALK: u32 = 4;
const TALKS: usize = 4;

/// How often a failpoint may be passed before the kill: those that are passed with each delta more often.
const HITS: u32 = 30;
/// A failpoint that is not come to by then is given up.
const REACHED_WITHIN: Duration = Duration::from_millis(400);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_acknowledged_or_shown_is_lost_by_a_kill() {
    let _: Count = Run::of("crash", FEW, MANY).lives(live).await;
}

/// What a run went through.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Count {
    kills: u32,
    at_failpoints: u32,
    during_recovery: u32,
    acknowledged: usize,
    turns: usize,
    resumed: usize,
    positions: u64,
}

impl AddAssign for Count {
    fn add_assign(&mut self, more: Self) {
        self.kills += more.kills;
        self.at_failpoints += more.at_failpoints;
        self.during_recovery += more.during_recovery;
        self.acknowledged += more.acknowledged;
        self.turns += more.turns;
        self.resumed += more.resumed;
        self.positions += more.positions;
    }
}

/// One data directory, from its first start to its end.
async fn live(life: Life) -> Count {
    let mut rng = StdRng::seed_from_u64(u64::from(life.seed) ^ (u64::from(life.number) << 32));
    let mut count = Count::default();
    let upstream = Upstream::start().await;
    let mut server = Server::start(&upstream.config()).await;
    let client = server.client();
    let mut talks = Vec::new();
    let mut cycle = 0;
    while count.kills < life.kills {
        if cycle % CYCLES_OF_A_TALK == 0 {
            talks.iter().for_each(|talk| count.add(talk));
            talks = begin_talks(&client, &upstream, life.number, cycle, &mut rng).await;
        }
        let plan = Plan::drawn(&mut rng, life.number, cycle, life.kills - count.kills);
        plan.carry_out(&mut server, &upstream, &mut talks, &mut rng, &mut count).await;
        for talk in &mut talks {
            let judged = talk.is_as_it_should_be(&client).await;
            judged.unwrap_or_else(|wrong| panic!("{} ({}) in cycle {cycle}: {wrong}", talk.id, talk.name));
        }
        assert_eq!(upstream.complaints(), Vec::<String>::new());
        cycle += 1;
    }
    talks.iter().for_each(|talk| count.add(talk));
    count
}

/// How one server process comes to its end.
struct Plan {
    moment: Moment,
    /// Kills that follow before anything could come to rest.
    again: u32,
    pace: Duration,
}

enum Moment {
    After(Duration),
    At { failpoint: &'static str, hit: u32 },
}

impl Moment {
    fn drawn(rng: &mut StdRng) -> Self {
        if rng.random_bool(0.5) {
            return Self::After(Duration::from_micros(rng.random_range(0..200_000)));
        }
        let failpoint = failpoint::NAMES[rng.random_range(0..failpoint::NAMES.len())];
        // Most of them soon, some of them late.
        let most = if rng.random_bool(0.3) { HITS * 5 } else { HITS };
        Self::At { failpoint, hit: rng.random_range(1..=most) }
    }

    /// While unfinished turns are recovered, or soon after.
    fn drawn_for_a_start(rng: &mut StdRng) -> Self {
        if rng.random_bool(0.3) {
            return Self::After(Duration::from_micros(rng.random_range(0..50_000)));
        }
        let failpoint = failpoint::NAMES[rng.random_range(0..failpoint::NAMES.len())];
        Self::At { failpoint, hit: rng.random_range(1..=4) }
    }

    fn is_armed(&self, server: &Server) {
        match self {
            Self::After(_) => server.disarm(),
            Self::At { failpoint, hit } => server.arm(failpoint, *hit),
        }
    }

    async fn comes(&self, server: &Server, count: &mut Count) {
        match self {
            Self::After(pause) => tokio::time::sleep(*pause).await,
            Self::At { .. } => count.at_failpoints += u32::from(comes_to_a_stop(server).await),
        }
    }
}

impl Plan {
    /// The first kills of a life come to every failpoint, the others where chance will have them.
    fn drawn(rng: &mut StdRng, life: u32, cycle: u32, left: u32) -> Self {
        let moment = match failpoint::NAMES.get(cycle as usize) {
            Some(failpoint) => Moment::At { failpoint, hit: 1 + (life * 3) % HITS + rng.random_range(0..3) },
            None => Moment::drawn(rng),
        };
        let again = if rng.random_bool(0.25) { rng.random_range(1..=3) } else { 0 };
        Self { moment, again: again.min(left - 1), pace: Duration::from_micros(rng.random_range(200..2500)) }
    }

    /// Kills the server while all talk, and brings it back until everything was acknowledged.
    async fn carry_out(
        self,
        server: &mut Server,
        upstream: &Upstream,
        talks: &mut [Talk],
        rng: &mut StdRng,
        count: &mut Count,
    ) {
        upstream.pace(self.pace);
        self.moment.is_armed(server);
        let client = server.client();
        let deeds: Vec<_> = talks.iter_mut().map(|talk| tokio::spawn(talk.act(&client, rng))).collect();
        self.moment.comes(server, count).await;
        kill(server, count);
        for _ in 0..self.again {
            let moment = Moment::drawn_for_a_start(rng);
            moment.is_armed(server);
            match server.restart_or_stop().await {
                Started::Ready => moment.comes(server, count).await,
                Started::Stopped => count.during_recovery += 1,
            }
            kill(server, count);
        }
        server.disarm();
        upstream.pace(Duration::ZERO);
        server.restart().await;
        for (talk, deeds) in talks.iter_mut().zip(deeds) {
            let done = within("everything to be acknowledged", deeds).await.expect("nobody panicked");
            count.acknowledged += done.len();
            talk.done.extend(done);
        }
    }
}

/// Whether the armed failpoint was reached.
async fn comes_to_a_stop(server: &Server) -> bool {
    let deadline = Instant::now() + REACHED_WITHIN;
    while !server.is_stopped() {
        if Instant::now() > deadline {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    true
}

fn kill(server: &mut Server, count: &mut Count) {
    server.kill9();
    count.kills += 1;
    database_is_sound(&server.data()).unwrap_or_else(|wrong| panic!("after a kill: {wrong}"));
}

/// A conversation with two who watch it and one who writes.
struct Talk {
    id: String,
    name: String,
    by_sse: Follower,
    by_socket: Follower,
    done: Vec<Done>,
    /// What was written so far, for the names of more.
    written: u32,
    /// Turns that were compared with the tables already.
    judged: usize,
    log: Log,
}

/// What somebody wants, under one key, until it is acknowledged.
#[derive(Debug, Clone)]
struct Deed {
    method: Method,
    path: String,
    body: Value,
    key: String,
    what: What,
}

#[derive(Debug, Clone, PartialEq)]
enum What {
    Say(Script),
    Cancel,
    Withdraw,
    Edit,
    Reorder,
    Rename(String),
}

#[derive(Debug, Clone)]
struct Done {
    deed: Deed,
    reply: Reply,
}

impl Done {
    fn ack(&self) -> Option<Ack> {
        (self.reply.status == 202 || self.reply.status == 201).then(|| Ack::of(&self.reply.body))
    }
}

async fn begin_talks(
    client: &Client,
    upstream: &Upstream,
    life: u32,
    cycle: u32,
    rng: &mut StdRng,
) -> Vec<Talk> {
    upstream.pace(Duration::ZERO);
    let agents = ["default", "default", "prefill", "refusing", "top", "restart", "fail"];
    let mut ids = Vec::new();
    for _ in 0..TALKS {
        ids.push(client.converse(agents[rng.random_range(0..agents.len())]).await);
    }
    let by_socket = Follower::by_socket(client, &ids);
    let talks = ids.into_iter().zip(by_socket).enumerate().map(|(n, (id, by_socket))| Talk {
        by_sse: Follower::by_sse(client, &id),
        by_socket,
        name: format!("{life}.{cycle}.{n}"),
        id,
        done: Vec::new(),
        written: 0,
        judged: 0,
        log: Log::starting_at(0),
    });
    talks.collect()
}

/// What a person does next, before it is known what it can be done to.
enum Wish {
    Say(Script, Option<&'static str>),
    Cancel { nth: usize },
    Withdraw { nth: usize },
    Edit { nth: usize, to: Script },
    Reorder,
    Rename(String),
}

impl Talk {
    fn wish(&mut self, rng: &mut StdRng) -> Wish {
        self.written += 1;
        let id = format!("{}/{}", self.name, self.written);
        let long = if rng.random_bool(0.2) { 6000 } else { 1200 };
        let script = Script {
            text: rng.random_range(30..long),
            reasoning: if rng.random_bool(0.3) { rng.random_range(10..300) } else { 0 },
            calls: if rng.random_bool(0.3) { rng.random_range(1..=3) } else { 0 },
            piece: rng.random_range(1..64),
            id,
            ..Script::default()
        };
        match rng.random_range(0..100) {
            0..50 => Wish::Say(script, None),
            50..60 => Wish::Say(script, Some("steer")),
            60..70 => Wish::Say(script, Some("interrupt")),
            70..78 => Wish::Cancel { nth: rng.random_range(0..8) },
            78..84 => Wish::Withdraw { nth: rng.random_range(0..8) },
            84..90 => Wish::Edit { nth: rng.random_range(0..8), to: script },
            90..95 => Wish::Reorder,
            _ => Wish::Rename(script.id),
        }
    }

    /// Does a few things, one after the other, and insists on an answer to each.
    fn act(&mut self, client: &Client, rng: &mut StdRng) -> impl Future<Output = Vec<Done>> + Send + 'static {
        let first = self.written as usize;
        let wishes: Vec<(Duration, Wish)> = (0..rng.random_range(2..7))
            .map(|_| (Duration::from_micros(rng.random_range(0..40_000)), self.wish(rng)))
            .collect();
        let (client, id, name) = (client.clone(), self.id.clone(), self.name.clone());
        async move {
            let base = format!("/v1/conversations/{id}");
            let mut done: Vec<Done> = Vec::new();
            for (n, (pause, wish)) in wishes.into_iter().enumerate() {
                tokio::time::sleep(pause).await;
                let turns: Vec<String> = done.iter().filter_map(|done| Some(done.ack()?.turn_id)).collect();
                let turn = |nth: usize| turns.get(nth % turns.len().max(1)).cloned();
                let deed = |method: Method, path: String, body: Value, what: What| {
                    Some(Deed { method, path, body, key: format!("{name}-{}", first + n), what })
                };
                let none = json!({});
                let deed = match wish {
                    Wish::Say(script, on_busy) => {
                        let options = on_busy.map_or(json!({}), |on_busy| json!({"on_busy": on_busy}));
                        let body = message(&script, &options);
                        deed(Method::POST, format!("{base}/messages"), body, What::Say(script))
                    }
                    Wish::Cancel { nth } => turn(nth).and_then(|turn_id| {
                        deed(Method::POST, format!("/v1/turns/{turn_id}/cancel"), none, What::Cancel)
                    }),
                    Wish::Withdraw { nth } => turn(nth).and_then(|turn_id| {
                        deed(Method::DELETE, format!("{base}/queue/{turn_id}"), none, What::Withdraw)
                    }),
                    Wish::Edit { nth, to } => turn(nth).and_then(|turn_id| {
                        let body = message(&to, &json!({}));
                        deed(Method::PATCH, format!("{base}/queue/{turn_id}"), body, What::Edit)
                    }),
                    Wish::Reorder => {
                        let mut backwards = turns.clone();
                        backwards.reverse();
                        deed(
                            Method::PUT,
                            format!("{base}/queue"),
                            json!({"turn_ids": backwards}),
                            What::Reorder,
                        )
                    }
                    Wish::Rename(title) => {
                        deed(Method::PATCH, base.clone(), json!({"title": title}), What::Rename(title))
                    }
                };
                let Some(deed) = deed else { continue };
                let reply = client.insist(deed.method.clone(), &deed.path, &deed.body, &deed.key).await;
                done.push(Done { deed, reply });
            }
            done
        }
    }

    /// The oracle. Everything has been acknowledged, and nothing else happens.
    async fn is_as_it_should_be(&mut self, client: &Client) -> Result<(), String> {
        let acknowledged = self.done.iter().filter_map(Done::ack).map(|ack| position(&ack.cursor)).max();
        let at_rest =
            |log: &Log| acknowledged.is_none_or(|end| log.end >= end) && log.unfinished_turns().is_empty();
        self.by_sse.sees("every turn to end", at_rest).await;
        let log = client.log(&self.id).await;
        let everything = |shown: &Log| shown.end >= log.end;
        self.by_sse.sees("the whole log by SSE", everything).await;
        self.by_socket.sees("the whole log by WebSocket", everything).await;
        for (follower, how) in [(&self.by_sse, "SSE"), (&self.by_socket, "WebSocket")] {
            let shown = follower.log();
            if shown.end != log.end {
                return Err(format!("{how} was shown {} positions, {} are stored", shown.end, log.end));
            }
            shown.is_part_of(&log).map_err(|wrong| format!("by {how}: {wrong}"))?;
        }
        self.log.is_part_of(&log).map_err(|wrong| format!("what was stored at the last rest: {wrong}"))?;

        let tables = Tables::of(&log)?;
        tables.are_at_rest()?;
        tables.are_what_the_server_says(client, &self.id).await?;
        for done in &self.done[self.judged..] {
            done.is_in(&log, &tables)?;
        }
        self.the_title_is_the_last_one(client).await?;
        self.a_repeat_is_answered_as_the_first(client).await?;
        self.judged = self.done.len();
        self.log = log;
        Ok(())
    }

    async fn the_title_is_the_last_one(&self, client: &Client) -> Result<(), String> {
        let titles = self.done.iter().rev().filter(|done| done.reply.status == 200);
        let title = titles.clone().find_map(|done| match &done.deed.what {
            What::Rename(title) => Some(title.as_str()),
            _ => None,
        });
        let stored = client.get(&format!("/v1/conversations/{}", self.id)).await.expect(200);
        match stored["title"].as_str() == title {
            true => Ok(()),
            false => Err(format!("the title is {}, it was set to {title:?}", stored["title"])),
        }
    }

    /// Says again what was said since the last rest, under the same keys.
    async fn a_repeat_is_answered_as_the_first(&self, client: &Client) -> Result<(), String> {
        for done in &self.done[self.judged..] {
            let (Some(ack), Deed { method, path, body, key, .. }) = (done.ack(), &done.deed) else {
                continue;
            };
            let again = client.insist(method.clone(), path, body, key).await;
            if again.status != done.reply.status || Ack::of(&again.body) != ack {
                return Err(format!("{:?} was answered, and then {again:?}", done.reply));
            }
            let other = json!({"text": "something else"});
            let other = client.insist(method.clone(), path, &other, key).await;
            if other.status != 409 {
                return Err(format!("the same key for something else: {other:?}"));
            }
        }
        Ok(())
    }
}

impl Done {
    /// What was acknowledged is there, once, and not after the position that the receipt names.
    fn is_in(&self, log: &Log, tables: &Tables) -> Result<(), String> {
        let missing = || format!("{:?} was answered {:?}, but it is not in the log", self.deed, self.reply);
        match (&self.deed.what, self.reply.status) {
            (What::Say(script), 202) => {
                let ack = self.ack().ok_or_else(missing)?;
                let named = |event: &&Value| {
                    event["message"]["id"] == ack.message_id || event["turn"]["message_id"] == ack.message_id
                };
                let first = log.events().find(named).ok_or_else(missing)?;
                if first["seq"].as_u64() > Some(position(&ack.cursor))
                    || !tables.turns.contains_key(&ack.turn_id)
                {
                    return Err(missing());
                }
                let made = messages_saying(log, &script.to_text());
                match made.iter().collect::<Vec<_>>().as_slice() {
                    [one] if **one == ack.message_id => Ok(()),
                    other => Err(format!("{:?} made {other:?}", self.deed)),
                }
            }
            (What::Cancel, 200) => {
                let turn_id = self.reply.body["id"].as_str().ok_or_else(missing)?;
                let state = self.reply.body["state"].as_str().ok_or_else(missing)?;
                match tables.turns.get(turn_id) {
                    Some(turn) if turn.state == state => Ok(()),
                    turn => Err(format!("{turn_id} was said to be {state}, it is {turn:?}")),
                }
            }
            // A turn that started or ended meanwhile is no longer queued.
            (What::Withdraw, 200 | 204 | 404 | 409) | (What::Edit | What::Reorder, 200 | 404 | 409) => Ok(()),
            (What::Rename(_), 200) => Ok(()),
            _ => Err(format!("{:?} was answered {:?}", self.deed, self.reply)),
        }
    }
}

/// The ids of the messages that ever had this text.
fn messages_saying(log: &Log, text: &str) -> BTreeSet<String> {
    let says =
        |parts: &Value| parts.as_array().is_some_and(|parts| parts.iter().any(|part| part["text"] == text));
    let ids = log.events().flat_map(|event| {
        let created = says(&event["message"]["parts"]).then(|| &event["message"]["id"]);
        let queued = says(&event["turn"]["parts"]).then(|| &event["turn"]["message_id"]);
        [created, queued]
    });
    ids.flatten().filter_map(|id| id.as_str().map(str::to_owned)).collect()
}

impl Count {
    fn add(&mut self, talk: &Talk) {
        self.turns += talk.log.events_of_type("turn.started").count();
        self.resumed += talk.log.events_of_type("turn.resumed").count();
        self.positions += talk.log.end;
    }
}

/// Sends under one key at a failpoint, kills the server there, starts it again, and sends once more.
async fn killed_at(failpoint: &str) -> (Ack, Log, Log, Tables) {
    let upstream = Upstream::start().await;
    let mut server = Server::start(&upstream.config()).await;
    let client = server.client();
    let conversation = client.converse("default").await;
    let path = format!("/v1/conversations/{conversation}/messages");
    let body = message(&Script::new("once", 300), &json!({}));
    server.arm(failpoint, 1);
    let sending = {
        let (client, path, body) = (client.clone(), path.clone(), body.clone());
        let request = async move {
            client.ask(client.request(Method::POST, &path).header("Idempotency-Key", "k").json(&body)).await
        };
        tokio::spawn(request)
    };
    within(failpoint, async {
        while !server.is_stopped() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    kill(&mut server, &mut Count::default());
    let answer = within("the connection to break", sending).await.expect("nobody panicked");
    assert!(answer.is_err(), "it was answered at {failpoint}: {answer:?}");
    server.disarm();
    server.restart().await;
    let before = client.log(&conversation).await;
    let ack = Ack::of(&client.insist(Method::POST, &path, &body, "k").await.expect(202));
    let follower = Follower::by_sse(&client, &conversation);
    follower.sees_the_end_of(&ack.turn_id).await;
    let log = client.log(&conversation).await;
    let tables = Tables::of(&log).unwrap_or_else(|wrong| panic!("{wrong}"));
    tables.are_at_rest().unwrap_or_else(|wrong| panic!("{wrong}"));
    assert_eq!(messages_saying(&log, body["text"].as_str().expect("it has text")).len(), 1);
    (ack, before, log, tables)
}

#[tokio::test]
async fn a_kill_before_the_commit_leaves_nothing_and_a_retry_makes_one_message() {
    for failpoint in ["runtime::before_commit", "store::before_apply", "store::before_commit"] {
        let (_, before, _, tables) = killed_at(failpoint).await;
        assert_eq!(before.end, 1, "{failpoint}: only the conversation is there");
        assert_eq!(tables.turns.len(), 1, "{failpoint}");
    }
}

#[tokio::test]
async fn a_kill_after_the_commit_keeps_the_message_and_a_retry_is_answered_with_its_ids() {
    let failpoints =
        ["store::after_commit", "runtime::after_commit", "runtime::after_publish", "runtime::before_answer"];
    for failpoint in failpoints {
        let (ack, before, _, tables) = killed_at(failpoint).await;
        let created = before.events_of_type("message.created").next().expect("the message is there");
        assert_eq!(created["message"]["id"], ack.message_id, "{failpoint}");
        assert_eq!(created["turn_id"], ack.turn_id, "{failpoint}");
        assert_eq!(tables.turns.len(), 1, "{failpoint}");
    }
}
