//! Which conversations are awake: at most one actor each, and what is live of those that someone follows.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::conversation::Origin;
use super::frame::Framer;
use super::live::{Live, RingBudget};
use super::mail::{MAILBOX, Mail};
use crate::chat::event::Epoch;
use crate::id::ConversationId;

#[derive(Debug)]
pub(super) struct Registry {
    epoch: Epoch,
    budget: Arc<RingBudget>,
    places: Mutex<Places>,
}

#[derive(Debug, Default)]
struct Places {
    actors: HashMap<ConversationId, Place>,
    /// What followers hold on to while no actor is awake.
    live: HashMap<ConversationId, Weak<Live>>,
    /// How many entries `live` may have before the dead ones are swept out.
    sweep_at: usize,
    generations: u64,
}

#[derive(Debug)]
struct Place {
    mailbox: mpsc::Sender<Mail>,
    generation: u64,
}

/// An actor to be started by the caller.
pub(super) struct Vacancy {
    pub origin: Origin,
    pub mailbox: mpsc::Receiver<Mail>,
    pub address: mpsc::WeakSender<Mail>,
    pub live: Arc<Live>,
    pub generation: u64,
}

impl Registry {
    pub fn new(epoch: Epoch, budget: Arc<RingBudget>) -> Self {
        Self { epoch, budget, places: Mutex::default() }
    }

    /// The mailbox of the conversation's actor; where there is none, also the place of a new one, which the
    /// caller must fill.
    pub fn address(&self, id: ConversationId, origin: Origin) -> (mpsc::Sender<Mail>, Option<Vacancy>) {
        let mut places = self.places.lock();
        if let Some(place) = places.actors.get(&id) {
            return (place.mailbox.clone(), None);
        }
        let (sender, mailbox) = mpsc::channel(MAILBOX);
        places.generations += 1;
        let generation = places.generations;
        places.actors.insert(id, Place { mailbox: sender.clone(), generation });
        let live = self.live_in(&mut places, id);
        let vacancy = Vacancy { origin, mailbox, address: sender.downgrade(), live, generation };
        (sender, Some(vacancy))
    }

    /// The actor of that generation is gone. A later one is left alone.
    pub fn remove(&self, id: ConversationId, generation: u64) {
        let mut places = self.places.lock();
        if places.actors.get(&id).is_some_and(|place| place.generation == generation) {
            places.actors.remove(&id);
        }
    }

    /// The actor of that generation goes on behind another mailbox.
    pub fn replace(&self, id: ConversationId, generation: u64, mailbox: mpsc::Sender<Mail>) {
        let mut places = self.places.lock();
        if let Some(place) = places.actors.get_mut(&id)
            && place.generation == generation
        {
            place.mailbox = mailbox;
        }
    }

    pub fn live(&self, id: ConversationId) -> Arc<Live> {
        self.live_in(&mut self.places.lock(), id)
    }

    fn live_in(&self, places: &mut Places, id: ConversationId) -> Arc<Live> {
        if let Some(live) = places.live.get(&id).and_then(Weak::upgrade) {
            return live;
        }
        if places.live.len() >= places.sweep_at {
            places.live.retain(|_, live| live.strong_count() > 0);
            places.sweep_at = (places.live.len() * 2).max(1024);
        }
        let live = Arc::new(Live::new(Framer::new(self.epoch, id), self.budget.clone()));
        places.live.insert(id, Arc::downgrade(&live));
        live
    }

    pub fn count(&self) -> usize {
        self.places.lock().actors.len()
    }
}
