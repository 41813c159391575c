//! Those who search, each on a connection of their own.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Instant;

use super::Archive;
use crate::http::{Answer, Client};
use crate::parts::micros;
use crate::question::{Kind, Question};

pub struct Askers<'a> {
    archive: &'a Archive,
    clients: HashMap<usize, Client>,
}

impl<'a> Askers<'a> {
    pub fn new(archive: &'a Archive) -> Self {
        Self { archive, clients: HashMap::new() }
    }

    /// Those who will ask these have their page open.
    pub fn of(archive: &'a Archive, questions: &[Question]) -> anyhow::Result<Self> {
        let mut askers = Self::new(archive);
        for question in questions {
            askers.send_nothing(question)?;
        }
        Ok(askers)
    }

    /// So many searches of that kind; microseconds of each.
    pub fn ask(&mut self, kind: Kind, from: u64, count: u64) -> anyhow::Result<Vec<u64>> {
        // The server closes what is idle for ten seconds.
        self.clients.clear();
        let mut times = Vec::new();
        for number in from..from + count {
            let question = Question::draw(&self.archive.corpus, kind, number);
            let (took, found) = self.search(&question)?;
            // Whoever asks has read it, but perhaps not lately.
            anyhow::ensure!(found || kind == Kind::Since, "nothing was found: {}", question.typed);
            times.push(took);
        }
        Ok(times)
    }

    /// Microseconds, and whether anything was found.
    fn search(&mut self, question: &Question) -> anyhow::Result<(u64, bool)> {
        let began = Instant::now();
        let answer = self.send(question)?;
        let took = micros(began.elapsed());
        let found = answer.json()?;
        Ok((took, found["items"].as_array().is_some_and(|items| !items.is_empty())))
    }

    /// Looks into nothing that is answered.
    pub fn send(&mut self, question: &Question) -> anyhow::Result<Answer> {
        let path = self.archive.path(question);
        self.client(question)?.get(&path)
    }

    /// A request of whoever would ask that, that searches nothing.
    pub fn send_nothing(&mut self, question: &Question) -> anyhow::Result<Answer> {
        self.client(question)?.get("/v1/me")
    }

    fn client(&mut self, question: &Question) -> anyhow::Result<&mut Client> {
        Ok(match self.clients.entry(question.user) {
            Entry::Occupied(client) => client.into_mut(),
            Entry::Vacant(place) => place.insert(self.archive.client_of(question.user)?),
        })
    }
}
