//! SQLite's full-text index of the same documents, with the same rule of who may read what as a join: what somebody
//! would have who puts search into a chat by SQL. It is asked within its process, without a request around it.
//!
//! Standard input says what to do, a line of standard output answers, as JSON:
//!
//! - `build`: stores all messages, then indexes them; how many there were, how long it took, how large it is;
//! - `ready`: the same, where it was not done before; says nothing about it;
//! - `ask <number> <kind>`: searches from that number on, for a while; microseconds of each;
//! - `write <count>`: from now on so many messages more a second; `rest`: no more of them.

use std::collections::HashSet;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rusqlite::types::Value;
use rusqlite::{Connection, named_params};
use serde::{Deserialize, Serialize};

use crate::corpus::Corpus;
use crate::parts::micros;
use crate::question::{Kind, Only, Question};

pub const PAGE: usize = 20;

/// A figure is of so many searches, or fewer where they take long.
pub const TIMES: u64 = 300;
const FEWEST: usize = 20;
const LONGEST: Duration = Duration::from_secs(4);

/// Messages that are written in one commit.
const AT_ONCE: usize = 50;

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Built {
    pub documents: usize,
    pub seconds: f64,
    pub bytes: u64,
}

const TABLES: &str = "
    CREATE TABLE conversations (id INTEGER PRIMARY KEY, owner INTEGER, shared INTEGER);
    CREATE TABLE messages (id INTEGER PRIMARY KEY, conversation INTEGER, role TEXT, agent TEXT, at INTEGER, text TEXT);
    CREATE INDEX messages_of ON messages (conversation);
    CREATE VIRTUAL TABLE said USING fts5(text, content = 'messages', content_rowid = 'id', tokenize = 'porter unicode61');";

const CHECKPOINT: &str = "PRAGMA wal_checkpoint(TRUNCATE)";

const STORE: &str = "INSERT INTO messages (conversation, role, agent, at, text) VALUES (:conversation, :role, :agent, :at, :text)";

pub fn run(path: &str, messages: &str) -> anyhow::Result<()> {
    let mut index = Index { path: path.into(), corpus: Corpus::new(messages.parse()?), writer: None };
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.splitn(3, ' ').collect();
        let answer = match words[..] {
            ["build"] => serde_json::to_string(&index.build()?)?,
            ["ready"] => {
                if !index.path.exists() {
                    index.build()?;
                }
                "null".to_owned()
            }
            ["ask", number, kind] => {
                let kind = Kind::of(kind).context("an unknown kind of question")?;
                serde_json::to_string(&index.ask(kind, number.parse()?)?)?
            }
            ["write", count] => {
                index.write(count.parse()?)?;
                "null".to_owned()
            }
            ["rest"] => {
                index.rest()?;
                "null".to_owned()
            }
            _ => bail!("an unknown order: {line}"),
        };
        println!("{answer}");
    }
    Ok(())
}

struct Index {
    path: PathBuf,
    corpus: Corpus,
    writer: Option<Writer>,
}

struct Writer {
    thread: std::thread::JoinHandle<anyhow::Result<()>>,
    over: std::sync::Arc<AtomicBool>,
}

impl Index {
    fn build(&self) -> anyhow::Result<Built> {
        if self.path.exists() {
            std::fs::remove_file(&self.path)?;
        }
        let mut conn = connect(&self.path)?;
        conn.execute_batch(TABLES)?;
        let tx = conn.transaction()?;
        let mut documents = 0;
        for number in 0..self.corpus.conversations {
            let conversation = self.corpus.conversation(number);
            let number = i64::try_from(number)?;
            tx.prepare_cached("INSERT INTO conversations VALUES (?1, ?2, ?3)")?.execute((
                number,
                i64::try_from(conversation.owner)?,
                conversation.shared,
            ))?;
            for said in &conversation.messages {
                tx.prepare_cached(STORE)?
                    .execute(named_params! {":conversation": number, ":role": said.role,
                    ":agent": conversation.agent, ":at": said.at, ":text": said.text})?;
            }
            documents += conversation.messages.len();
        }
        tx.commit()?;
        conn.execute_batch(CHECKPOINT)?;
        let stored = size(&self.path)?;
        let began = Instant::now();
        conn.execute_batch("INSERT INTO said (said) VALUES ('rebuild')")?;
        let seconds = began.elapsed().as_secs_f64();
        conn.execute_batch(CHECKPOINT)?;
        conn.execute_batch("ANALYZE")?;
        Ok(Built { documents, seconds, bytes: size(&self.path)?.saturating_sub(stored) })
    }

    fn ask(&self, kind: Kind, from: u64) -> anyhow::Result<Vec<u64>> {
        let conn = connect(&self.path)?;
        let (mut times, began) = (Vec::new(), Instant::now());
        for number in from..from + TIMES {
            if times.len() >= FEWEST && began.elapsed() > LONGEST {
                break;
            }
            let question = Question::draw(&self.corpus, kind, number);
            let began = Instant::now();
            search(&conn, &question)?;
            times.push(micros(began.elapsed()));
        }
        Ok(times)
    }

    fn write(&mut self, per_second: u32) -> anyhow::Result<()> {
        let over = std::sync::Arc::new(AtomicBool::new(false));
        let texts: HashSet<String> = (0..20)
            .flat_map(|number| self.corpus.conversation(number).messages)
            .map(|said| said.text)
            .collect();
        let (conn, done) = (connect(&self.path)?, over.clone());
        let thread = std::thread::spawn(move || keep_writing(conn, &texts, per_second, &done));
        self.writer = Some(Writer { thread, over });
        Ok(())
    }

    fn rest(&mut self) -> anyhow::Result<()> {
        let writer = self.writer.take().context("nobody writes")?;
        writer.over.store(true, Ordering::Relaxed);
        writer.thread.join().expect("a writer does not panic")
    }
}

fn connect(path: &Path) -> anyhow::Result<Connection> {
    let conn = Connection::open(path)?;
    conn.busy_timeout(Duration::from_secs(60))?;
    conn.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536; PRAGMA mmap_size = 4294967296",
    )?;
    Ok(conn)
}

fn size(path: &Path) -> anyhow::Result<u64> {
    let wal = path.with_extension("db-wal");
    Ok(std::fs::metadata(path)?.len() + std::fs::metadata(wal).map_or(0, |file| file.len()))
}

fn search(conn: &Connection, question: &Question) -> anyhow::Result<usize> {
    let (narrowed, only) = match question.only {
        None => ("AND :only IS NULL", Value::Null),
        Some(Only::Conversation(number)) => ("AND m.conversation = :only", i64::try_from(number)?.into()),
        Some(Only::Role(role)) => ("AND m.role = :only", role.to_owned().into()),
        Some(Only::Agent(agent)) => ("AND m.agent = :only", agent.to_owned().into()),
        Some(Only::Since(at)) => ("AND m.at >= :only", at.into()),
    };
    let mut select = conn.prepare_cached(&format!(
        "SELECT m.id, m.at, snippet(said, 0, '[', ']', '', 30) FROM said
         JOIN messages m ON m.id = said.rowid JOIN conversations c ON c.id = m.conversation
         WHERE said MATCH :typed AND (c.owner = :user OR c.shared) {narrowed} ORDER BY said.rank LIMIT {PAGE}"
    ))?;
    let user = i64::try_from(question.user)?;
    let parameters = named_params! {":typed": expression(&question.typed), ":user": user, ":only": only};
    let rows = select.query_map(parameters, |row| row.get::<_, String>(2))?;
    let mut found = 0;
    for snippet in rows {
        snippet?;
        found += 1;
    }
    Ok(found)
}

/// A phrase is written as it is typed; of words each is put in quotes.
fn expression(typed: &str) -> String {
    if typed.starts_with('"') {
        return typed.to_owned();
    }
    let words = typed.split(' ').map(|word| match word.strip_suffix('*') {
        Some(prefix) => format!("\"{prefix}\"*"),
        None => format!("\"{word}\""),
    });
    words.collect::<Vec<_>>().join(" ")
}

fn keep_writing(
    mut conn: Connection,
    texts: &HashSet<String>,
    per_second: u32,
    over: &AtomicBool,
) -> anyhow::Result<()> {
    let mut texts = texts.iter().cycle();
    let (began, mut commits) = (Instant::now(), 0);
    while !over.load(Ordering::Relaxed) {
        let tx = conn.transaction()?;
        for text in texts.by_ref().take(AT_ONCE) {
            tx.prepare_cached(STORE)?.execute(
                named_params! {":conversation": 0, ":role": "user", ":agent": "default", ":at": 0, ":text": text},
            )?;
            let row = tx.last_insert_rowid();
            tx.prepare_cached("INSERT INTO said (rowid, text) VALUES (?1, ?2)")?.execute((row, text))?;
        }
        tx.commit()?;
        commits += 1;
        let due = began + Duration::from_secs(1) * u32::try_from(AT_ONCE)? * commits / per_second;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    Ok(())
}
