//! What the index survives: kills while it is written, and files that are not what was written.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::support::errand::Errand;
use crate::support::within;
use crate::upload::upload;

const POLL: Duration = Duration::from_millis(10);

/// Lives in `make test`, and the most in `make torture`.
const LIVES: usize = 10;
const DAMAGES: usize = 12;

/// Lives in the same conversation.
const TURNED_OVER: usize = 10;

fn count(usual: usize) -> usize {
    match std::env::var("WEIR_TORTURE") {
        Ok(_) => usual * 100,
        Err(_) => usual,
    }
}

fn seeded() -> StdRng {
    let seed = std::env::var("WEIR_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| rand::rng().next_u64());
    eprintln!("WEIR_SEED={seed}");
    StdRng::seed_from_u64(seed)
}

/// The ids of the messages that are found, once all that was said before is.
async fn found(errand: &Errand, query: &str) -> Vec<String> {
    let path = format!("/v1/search?q={query}&sort=recent&limit=200&after=0.0");
    let page = within("everything to be indexed", async {
        loop {
            let reply = errand.client.get(&path).await;
            if reply.status == 200 && reply.body["indexing"] != true {
                return reply.body;
            }
            tokio::time::sleep(POLL).await;
        }
    })
    .await;
    let mut ids: Vec<_> = page["items"]
        .as_array()
        .expect("a list")
        .iter()
        // A title has none.
        .filter_map(|item| item["message_id"].as_str().map(str::to_owned))
        .collect();
    ids.sort();
    ids
}

async fn turn(errand: &Errand, word: &str) {
    let turn = errand.calls("look", &json!({"order": word})).await;
    errand.turn_is(&turn, "completed").await;
}

/// The index is what an index would be that was made anew.
fn check(errand: &Errand) {
    let (fine, out, error) = errand.command(&["index", "check"]);
    assert!(fine, "{out}{error}\n{}", errand.server.said());
}

#[tokio::test]
async fn an_index_that_is_killed_while_it_is_written_catches_up() {
    let mut rng = seeded();
    let mut errand = Errand::new("").await;
    let points = ["search::before_commit", "search::after_commit"];
    let lives = count(LIVES);
    for life in 0..lives {
        // The model of these tests knows calls only, not to sum up what a conversation has become too long for.
        if life % TURNED_OVER == TURNED_OVER - 1 {
            errand.conversation = errand.client.converse("default").await;
        }
        let armed = rng.random_bool(0.6);
        if armed {
            errand.server.arm(points.choose(&mut rng).expect("two"), rng.random_range(1..4));
        }
        for _ in 0..rng.random_range(1..4) {
            turn(&errand, &format!("walnut life{life}")).await;
        }
        if rng.random_bool(0.3) {
            let id = errand.conversation.clone();
            let title = json!({"title": format!("the walnut of life{life}")});
            errand
                .client
                .send(reqwest::Method::PATCH, &format!("/v1/conversations/{id}"), &title)
                .await
                .expect(200);
        }
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..300))).await;
        errand.server.kill9();
        errand.server.disarm();
        errand.server.restart().await;
        if life % 5 == 4 || life + 1 == lives {
            check(&errand);
        }
    }
    assert!(found(&errand, "walnut").await.len() >= lives.min(100));
    eprintln!("{lives} kills while something was indexed");
}

/// Chains of ten messages.
fn chains(count: usize) -> Vec<u8> {
    const LONG: usize = 10;
    let tree = |chain: usize| {
        let message = |depth: usize, replies: Value| {
            let role = if depth.is_multiple_of(2) { "prompter" } else { "assistant" };
            let id = format!("{chain}-{depth}");
            json!({"message_id": id, "text": format!("walnut {id}"), "role": role, "replies": replies})
        };
        let last = message(LONG - 1, json!([]));
        let first = (0..LONG - 1).rev().fold(last, |below, depth| message(depth, json!([below])));
        json!({"message_tree_id": chain.to_string(), "prompt": first}).to_string()
    };
    (0..count).map(tree).collect::<Vec<String>>().join("\n").into_bytes()
}

/// More than is taken in before everything else has the processor first.
#[tokio::test]
async fn an_index_of_many_messages_has_all_of_them_also_after_a_kill_on_the_way() {
    let mut errand = Errand::new("").await;
    upload(&errand.client, chains(460)).await;
    check(&errand);
    for (point, passed) in [("search::before_commit", 2), ("search::after_commit", 2)] {
        errand.server.kill9();
        std::fs::remove_dir_all(errand.server.data().join("search")).expect("it is there");
        errand.server.arm(point, passed);
        errand.server.restart().await;
        within("the server to stop", async {
            while !errand.server.is_stopped() {
                tokio::time::sleep(POLL).await;
            }
        })
        .await;
        errand.server.kill9();
        errand.server.disarm();
        errand.server.restart().await;
        check(&errand);
    }
    assert_eq!(found(&errand, "walnut").await.len(), 200, "the first page");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_is_checked_while_people_talk() {
    const TALKS: usize = 4;
    let errand = Errand::new("[limits]\nrequests_per_minute = 1000000\n").await;
    upload(&errand.client, chains(400)).await;
    let listed = errand.client.get("/v1/conversations?limit=200").await.expect(200);
    let old: Vec<String> =
        listed["items"].as_array().expect("a list").iter().map(crate::support::client::id_of).collect();
    let talks: Vec<_> = (0..TALKS)
        .map(|talk| {
            let (client, old) = (errand.client.clone(), old.clone());
            tokio::spawn(async move {
                let conversation = client.converse("default").await;
                for n in 0.. {
                    let turn = client.tell(&conversation, &json!([]).to_string()).await;
                    client.turn_is(&turn, "completed").await;
                    let renamed = format!("/v1/conversations/{}", old[(n * TALKS + talk) % old.len()]);
                    let title = json!({"title": format!("walnut {n}")});
                    client.send(reqwest::Method::PATCH, &renamed, &title).await.expect(200);
                    let head = client.get(&renamed).await.expect(200)["head"].clone();
                    let named = format!("{renamed}/messages/{}", head.as_str().expect("it has messages"));
                    let name = json!({"branch_name": format!("walnut {n}")});
                    client.send(reqwest::Method::PATCH, &named, &name).await.expect(200);
                }
            })
        })
        .collect();
    for _ in 0..8 {
        tokio::task::block_in_place(|| check(&errand));
    }
    assert!(talks.iter().all(|talk| !talk.is_finished()), "they talked all the while");
    talks.iter().for_each(tokio::task::JoinHandle::abort);
}

/// A restart may have come before they were.
#[tokio::test]
async fn what_was_left_in_small_pieces_becomes_one_at_the_next_start() {
    let mut errand = Errand::new("").await;
    let pieces = |errand: &Errand| {
        let files = std::fs::read_dir(errand.server.data().join("search")).expect("an index");
        let files = files.map(|file| file.expect("listed").path());
        files.filter(|file| file.extension().is_some_and(|end| end == "idx")).count()
    };
    let mut said = 0;
    // Four would be merged without a restart.
    while !(2..4).contains(&pieces(&errand)) {
        turn(&errand, "walnut").await;
        said += 2;
        assert_eq!(found(&errand, "walnut").await.len(), said);
    }
    // And what a kill left of the index before this one goes.
    let aside = errand.server.data().join("search.old");
    std::fs::create_dir(&aside).expect("there is none");
    std::fs::write(aside.join("words"), "deleted").expect("it can be written");
    errand.kill_and_restart().await;
    within("the pieces to become one", async {
        while pieces(&errand) > 1 || aside.exists() {
            tokio::time::sleep(POLL).await;
        }
    })
    .await;
    check(&errand);
    assert_eq!(found(&errand, "walnut").await.len(), said);
}

/// Bytes that are flipped, cut off or gone.
fn damage(dir: &Path, rng: &mut StdRng) -> String {
    let files: Vec<PathBuf> = std::fs::read_dir(dir)
        .expect("there is an index")
        .map(|entry| entry.expect("it is listed").path())
        .filter(|path| path.is_file() && !path.to_string_lossy().ends_with(".lock"))
        .collect();
    let file = files.choose(rng).expect("an index has files");
    let mut bytes = std::fs::read(file).expect("it can be read");
    let how = rng.random_range(0..4);
    match how {
        0 => std::fs::remove_file(file).expect("it can be removed"),
        1 => bytes.truncate(bytes.len() / 2),
        _ if bytes.is_empty() => bytes.push(7),
        _ => {
            let at = rng.random_range(0..bytes.len());
            bytes[at] ^= 1 << rng.random_range(0..8);
        }
    }
    if how > 0 {
        std::fs::write(file, bytes).expect("it can be written");
    }
    format!("{how} {}", file.display())
}

#[tokio::test]
async fn a_damaged_index_is_made_anew_while_the_server_answers() {
    let mut rng = seeded();
    let mut errand = Errand::new("").await;
    for number in 0..6 {
        turn(&errand, &format!("walnut number{number}")).await;
    }
    let whole = found(&errand, "walnut").await;
    assert_eq!(whole.len(), 12, "what was said, and what was called");
    let damages = count(DAMAGES);
    for _ in 0..damages {
        errand.server.kill9();
        let what = damage(&errand.server.data().join("search"), &mut rng);
        errand.server.restart().await;
        assert_eq!(found(&errand, "walnut").await, whole, "{what}");
        check(&errand);
    }
    errand.server.kill9();
    std::fs::remove_dir_all(errand.server.data().join("search")).expect("it is there");
    check(&errand);
    // Here too, without a server.
    let (fine, out, error) = errand.command(&["index", "rebuild"]);
    assert!(fine, "{out}{error}");
    let (fine, out, error) = errand.command(&["search", "walnut number3"]);
    assert!(fine && out.contains("number3"), "{out}{error}");
    errand.server.restart().await;
    assert_eq!(found(&errand, "walnut").await, whole);
    eprintln!("{damages} damaged files");
}

#[tokio::test]
async fn an_index_that_is_damaged_while_it_is_searched_is_made_anew() {
    let errand = Errand::new("").await;
    turn(&errand, "walnut").await;
    let whole = found(&errand, "walnut").await;
    assert_eq!(whole.len(), 2);
    let index = std::fs::read_dir(errand.server.data().join("search")).expect("an index");
    for file in index.map(|entry| entry.expect("it is listed").path()) {
        if file.extension().is_some_and(|end| end == "idx") {
            let length = file.metadata().expect("it is there").len();
            // As long as before: it is mapped into memory.
            let mut file = std::fs::OpenOptions::new().write(true).open(file).expect("it can be opened");
            file.write_all(&vec![0xff; length as usize]).expect("it can be written");
        }
    }
    within("the index to be whole", async {
        while found(&errand, "walnut").await != whole {
            tokio::time::sleep(POLL).await;
        }
    })
    .await;
    check(&errand);
}

#[tokio::test]
async fn what_is_deleted_is_gone_from_the_index_once_it_is_purged() {
    let errand = Errand::new("").await;
    turn(&errand, "zyzzyva").await;
    let kept = errand.client.converse("default").await;
    assert_eq!(found(&errand, "zyzzyva").await.len(), 2);
    let gone = format!("/v1/conversations/{}", errand.conversation);
    errand.client.send(reqwest::Method::DELETE, &gone, &Value::Null).await.expect(204);
    assert_eq!(found(&errand, "zyzzyva").await, [""; 0]);
    purge(&errand);
    assert_eq!(files_of_the_index_with(&errand, b"zyzzyva"), Vec::<PathBuf>::new());
    check(&errand);
    errand.client.get(&format!("/v1/conversations/{kept}")).await.expect(200);
}

fn purge(errand: &Errand) {
    let (fine, out, error) = errand.command(&["purge"]);
    assert!(fine, "{out}{error}");
}

fn files_of_the_index_with(errand: &Errand, word: &[u8]) -> Vec<PathBuf> {
    let holds = |path: &PathBuf| {
        let bytes = std::fs::read(path).unwrap_or_default();
        bytes.windows(word.len()).any(|window| window == word)
    };
    let index = std::fs::read_dir(errand.server.data().join("search")).expect("an index");
    index.map(|entry| entry.expect("listed").path()).filter(holds).collect()
}

/// While the index is made anew, more is deleted than it takes in at a time afterwards.
#[tokio::test]
async fn a_purge_waits_until_all_that_was_deleted_is_off_the_disk() {
    const MANY: usize = 700;
    let mut errand = Errand::new("").await;
    upload(&errand.client, chains(600)).await;
    let answer = |n: usize| json!({"message_id": n.to_string(), "text": "zyzzyva", "role": "assistant"});
    let answers: Vec<Value> = (0..MANY).map(answer).collect();
    let first = json!({"message_id": "first", "text": "zyzzyva", "role": "prompter", "replies": answers});
    let tree = json!({"message_tree_id": "wide", "prompt": first}).to_string();
    upload(&errand.client, tree.into_bytes()).await;
    let found = errand.client.get("/v1/search?q=zyzzyva&limit=1&after=0.0").await.expect(200);
    let wide =
        format!("/v1/conversations/{}", crate::support::client::id_of(&found["items"][0]["conversation"]));
    errand.server.kill9();
    std::fs::remove_dir_all(errand.server.data().join("search")).expect("it is there");
    errand.server.restart().await;
    errand.client.send(reqwest::Method::DELETE, &wide, &Value::Null).await.expect(204);
    purge(&errand);
    assert_eq!(files_of_the_index_with(&errand, b"zyzzyva"), Vec::<PathBuf>::new());
    check(&errand);
}
