//! A server with everything that the corpus holds, said by two hundred people.

use std::collections::HashMap;
use std::fmt::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use rusqlite::{Connection, OpenFlags};
use serde_json::json;

use crate::corpus::{Conversation, Corpus, USERS};
use crate::http::Client;
use crate::process::{Server, command};
use crate::question::Question;
use crate::upload::{begin, end};
use crate::world::World;

/// The corpus is of two years.
const MONTHS: usize = 24;

/// Between two looks whether everything is indexed: looking is a search, too.
const LOOKING: Duration = Duration::from_millis(20);

pub struct Archive {
    pub house: PathBuf,
    pub server: Server,
    pub corpus: Corpus,
    pub messages: usize,
    /// Of each user.
    tokens: Vec<String>,
    /// Of each conversation of the corpus.
    ids: HashMap<usize, String>,
}

impl Archive {
    /// The server that has it all, filled if nobody did yet, as its users would: each imports what is theirs.
    pub fn open(world: &World) -> anyhow::Result<Self> {
        let house = super::place(world);
        let counted = house.join("messages");
        let is_new = !counted.exists();
        std::fs::create_dir_all(&house)?;
        world.furnish(&house)?;
        let corpus = Corpus::new(super::messages()?);
        let server = Server::start(&house)?;
        let tokens = tokens(&server)?;
        if is_new {
            let began = Instant::now();
            let messages = import(&server, &corpus, &tokens)?;
            eprintln!("  {messages} messages were imported within {:.0} s", began.elapsed().as_secs_f64());
            std::fs::write(&counted, messages.to_string())?;
        }
        wait_for_index(&server)?;
        let messages = std::fs::read_to_string(&counted)?.parse()?;
        let ids = ids(&house)?;
        anyhow::ensure!(ids.len() == corpus.conversations, "{} conversations were imported", ids.len());
        Ok(Self { house, server, corpus, messages, tokens, ids })
    }

    pub fn client_of(&self, user: usize) -> anyhow::Result<Client> {
        Ok(self.server.client()?.named(&self.tokens[user]))
    }

    pub fn path(&self, question: &Question) -> String {
        format!(
            "/v1/search?limit={}&{}",
            crate::fts5::PAGE,
            question.query(|number| self.ids[&number].clone())
        )
    }

    /// Makes the index anew; how many seconds that took.
    pub fn rebuild(&self) -> anyhow::Result<f64> {
        let began = Instant::now();
        let ended = command(&self.house, &["index", "rebuild"]).status()?;
        anyhow::ensure!(ended.success(), "the index cannot be made anew: {ended}");
        wait_for_index(&self.server)?;
        Ok(began.elapsed().as_secs_f64())
    }

    /// Makes it anew, again and again.
    pub fn rebuild_until(&self, over: &AtomicBool) -> anyhow::Result<()> {
        while !over.load(Ordering::Relaxed) {
            self.rebuild()?;
        }
        Ok(())
    }

    pub fn index_bytes(&self) -> anyhow::Result<u64> {
        let mut bytes = 0;
        for file in std::fs::read_dir(self.house.join("data/search"))? {
            bytes += file?.metadata()?.len();
        }
        Ok(bytes)
    }
}

/// Until everything is found that was said before.
fn wait_for_index(server: &Server) -> anyhow::Result<()> {
    let mut client = server.client()?;
    let mut indexing = true;
    while indexing {
        let through = client.get("/v1/search?q=through")?.json()?["indexed_through"].clone();
        let through = through.as_str().context("no position")?;
        let found = client.get(&format!("/v1/search?q=through&after={through}"))?.json()?;
        indexing = found["indexing"] == true || found["indexed_through"] != through;
        std::thread::sleep(LOOKING);
    }
    Ok(())
}

fn tokens(server: &Server) -> anyhow::Result<Vec<String>> {
    let mut owner = server.client()?;
    (0..USERS)
        .map(|user| {
            let minted =
                owner.post("/v1/auth/tokens", &json!({"subject": format!("user-{user}"), "ttl": 86_400}))?;
            Ok(minted.json()?["token"].as_str().context("no token")?.to_owned())
        })
        .collect()
}

/// Returns how many messages there are now. They come in the order in which they were said, a month of each user's after
/// the other: what an archive that grew over the years is like.
fn import(server: &Server, corpus: &Corpus, tokens: &[String]) -> anyhow::Result<usize> {
    let (mut messages, mut running) = (0, Vec::new());
    for month in 0..MONTHS {
        let began = |month| month * corpus.conversations / MONTHS;
        for (user, token) in tokens.iter().enumerate() {
            let mut client = server.client()?.named(token);
            let (file, count) = file(corpus, user, began(month)..began(month + 1));
            messages += count;
            running.push((begin(&mut client, &file)?, client));
            // The server works on two at a time; a third one waits to be next.
            if running.len() > 2 {
                finish(running.remove(0))?;
            }
        }
    }
    running.into_iter().try_for_each(finish)?;
    Ok(messages)
}

fn finish((import, mut client): (String, Client)) -> anyhow::Result<()> {
    let counts = end(&mut client, &import)?;
    anyhow::ensure!(counts["skipped"] == 0, "not everything was imported: {counts}");
    Ok(())
}

/// What a user has of these, as our own export, and how many messages that are.
fn file(corpus: &Corpus, user: usize, numbers: Range<usize>) -> (Vec<u8>, usize) {
    let (mut file, mut messages) = (String::from("{\"weir\":\"export\",\"version\":1}\n"), 0);
    for number in numbers.filter(|number| number % USERS == user) {
        let conversation = corpus.conversation(number);
        write_out(&mut file, number, &conversation);
        messages += conversation.messages.len();
    }
    file.push_str("{\"weir\":\"end\"}\n");
    (file.into_bytes(), messages)
}

/// The number stands at the end of the title.
fn write_out(file: &mut String, number: usize, conversation: &Conversation) {
    // Identifiers of the export's own, which the server replaces.
    let id = |kind: &str, at: usize| format!("{kind}_0{number:013}{at:012}");
    let time = |millis| {
        let at = jiff::Timestamp::from_millisecond(millis).expect("a time of our days");
        format!("{at:.3}")
    };
    let last = conversation.messages.len() - 1;
    let head = json!({"weir": "conversation", "conversation": {
        "id": id("conv", 0), "agent": conversation.agent, "title": format!("{} {number}", conversation.title),
        "visibility": if conversation.shared { "workspace" } else { "private" },
        "created_at": time(conversation.messages[0].at), "head": id("msg", last)}});
    writeln!(file, "{head}").expect("memory takes it");
    for (at, said) in conversation.messages.iter().enumerate() {
        let parent = (at > 0).then(|| id("msg", at - 1));
        let mut message = json!({"id": id("msg", at), "parent_id": parent, "role": said.role, "status": "complete",
            "parts": [{"type": "text", "text": said.text}], "created_at": time(said.at)});
        if said.role == "assistant" {
            message["turn_id"] = json!(id("turn", at));
            message["step"] = json!(1);
        }
        writeln!(file, "{}", json!({"weir": "message", "message": message})).expect("memory takes it");
    }
}

/// The id of each imported conversation, as the server's database has them.
fn ids(house: &Path) -> anyhow::Result<HashMap<usize, String>> {
    const TITLES: &str = "SELECT id, title FROM conversations WHERE title IS NOT NULL";
    let conn = Connection::open_with_flags(house.join("data/weir.db"), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut select = conn.prepare(TITLES)?;
    let rows = select.query_map([], |row| Ok((row.get::<_, [u8; 16]>(0)?, row.get::<_, String>(1)?)))?;
    rows.map(|row| {
        let (id, title) = row?;
        let number =
            title.rsplit(' ').next().unwrap_or_default().parse().context("a title without a number")?;
        Ok((number, weir::id::ConversationId::from_bytes(id).to_string()))
    })
    .collect()
}
