//! People who write all the time: turns at a given rate, each a message and an instant answer. Standard input says
//! what to do, a line of standard output answers, as JSON:
//!
//! - `begin <turns a second>`;
//! - `end`: how many turns were begun, and within how many seconds.

use std::io::BufRead;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::corpus::Corpus;
use crate::http::Client;
use crate::world::id_of;

/// Connections, and conversations of each at a time: a turn is over before its conversation has the next one.
const HANDS: usize = 4;
const CONVERSATIONS: usize = 64;

/// Turns of a conversation, as many as real ones have. Then another one takes its place.
const LENGTH: usize = 8;

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Talked {
    pub turns: u32,
    pub seconds: f64,
}

impl Talked {
    /// A turn is two messages.
    pub fn messages_per_second(self) -> f64 {
        f64::from(2 * self.turns) / self.seconds
    }
}

pub fn run(address: &str) -> anyhow::Result<()> {
    let texts: Arc<Vec<String>> = Arc::new(questions());
    let mut hands: Vec<_> = (0..HANDS).map(|_| Hand::new(address)).collect();
    let mut orders = std::io::stdin().lock().lines();
    while let Some(line) = orders.next() {
        let line = line?;
        let per_second: u32 = line.strip_prefix("begin ").context("an unknown order")?.parse()?;
        let (began, next, over) = (Instant::now(), AtomicU32::new(0), AtomicBool::new(false));
        println!("null");
        let due = |turn: u32| began + Duration::from_secs(1) * turn / per_second;
        let talked = std::thread::scope(|scope| {
            let threads: Vec<_> = hands
                .iter_mut()
                .map(|hand| {
                    scope.spawn(|| hand.talk(&texts, &over, || next.fetch_add(1, Ordering::Relaxed), due))
                })
                .collect();
            let order = orders.next();
            over.store(true, Ordering::Relaxed);
            let mut turns = 0;
            for thread in threads {
                turns += thread.join().expect("a hand does not panic")?;
            }
            match order {
                Some(Ok(order)) if order == "end" => {}
                _ => bail!("an unknown order"),
            }
            Ok(Talked { turns, seconds: began.elapsed().as_secs_f64() })
        })?;
        println!("{}", serde_json::to_string(&talked)?);
    }
    Ok(())
}

fn questions() -> Vec<String> {
    let corpus = Corpus::new(20_000);
    let conversations = (0..corpus.conversations).map(|number| corpus.conversation(number));
    conversations.flat_map(|conversation| conversation.messages).step_by(2).map(|said| said.text).collect()
}

struct Hand {
    address: String,
    /// Each turn is one further on in this circle.
    conversations: Vec<String>,
    turns: usize,
}

impl Hand {
    fn new(address: &str) -> Self {
        Self { address: address.to_owned(), conversations: Vec::new(), turns: 0 }
    }

    /// Each turn when it is due, or as soon as there is time.
    fn talk(
        &mut self,
        texts: &[String],
        over: &AtomicBool,
        next: impl Fn() -> u32,
        due: impl Fn(u32) -> Instant,
    ) -> anyhow::Result<u32> {
        // The server closes what is idle for ten seconds.
        let mut client = Client::connect(&self.address)?;
        let mut turns = 0;
        loop {
            let turn = next();
            std::thread::sleep(due(turn).saturating_duration_since(Instant::now()));
            if over.load(Ordering::Relaxed) {
                return Ok(turns);
            }
            let turn = usize::try_from(turn)?;
            self.say(&mut client, &texts[turn % texts.len()])?;
            turns += 1;
        }
    }

    fn say(&mut self, client: &mut Client, text: &str) -> anyhow::Result<()> {
        let message = json!({"text": text});
        let place = self.turns % CONVERSATIONS;
        let is_over = (self.turns / CONVERSATIONS + place).is_multiple_of(LENGTH);
        self.turns += 1;
        if let Some(conversation) = self.conversations.get(place).filter(|_| !is_over) {
            client.post(&format!("/v1/conversations/{conversation}/messages"), &message)?.json()?;
            return Ok(());
        }
        let made =
            client.post("/v1/conversations", &json!({"agent": "instant", "message": message}))?.json()?;
        let made = id_of(&made)?;
        match self.conversations.get_mut(place) {
            Some(conversation) => *conversation = made,
            None => self.conversations.push(made),
        }
        Ok(())
    }
}
