//! A conversation's place, held by someone who writes to its log instead of an actor.
//!
//! Only a conversation's actor appends to its log; whoever holds its place is that, for as long as it takes. What is
//! sent to the conversation meanwhile waits in the mailbox, and an actor takes it up afterwards.

use tokio::sync::mpsc;

use super::Runtime;
use super::conversation::Origin;
use super::mail::{MAILBOX, Mail};
use super::open_text::OpenTexts;
use super::registry::Vacancy;
use crate::chat::event::Seq;
use crate::id::ConversationId;

pub(super) struct Held {
    runtime: Runtime,
    id: ConversationId,
    vacancy: Option<Vacancy>,
}

impl Runtime {
    /// `None` while an actor is awake.
    pub(super) fn hold(&self, id: ConversationId) -> Option<Held> {
        let (_, vacancy) = self.0.registry.address(id, Origin::Stored);
        Some(Held { runtime: self.clone(), id, vacancy: Some(vacancy?) })
    }

    /// Asks the actor that is awake there, if one is, to fall asleep as soon as it has nothing to do.
    pub(super) fn ask_to_sleep(&self, id: ConversationId) {
        let (mailbox, vacancy) = self.0.registry.address(id, Origin::Stored);
        match vacancy {
            // It has just fallen asleep; nobody came meanwhile.
            Some(vacancy) => drop(Held { runtime: self.clone(), id, vacancy: Some(vacancy) }),
            // A mailbox that is full has something to do.
            None => drop(mailbox.try_send(Mail::LetGo)),
        }
    }
}

impl Held {
    /// The log ends there now, and nothing is streaming: who follows reads on in the store.
    pub fn tell(&self, end: Seq) {
        if let Some(Vacancy { live, .. }) = &self.vacancy
            && (live.has_followers() || live.end().is_some())
        {
            live.load(end, end, OpenTexts::default());
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(mut vacancy) = self.vacancy.take() else { return };
        if vacancy.mailbox.is_empty() {
            vacancy.mailbox.close();
            let Ok(mail) = vacancy.mailbox.try_recv() else {
                return self.runtime.0.registry.remove(self.id, vacancy.generation);
            };
            // Something slipped in: it goes on behind another mailbox, which has room for as much as the old one.
            let (sender, mailbox) = mpsc::channel(MAILBOX);
            let mut missed = std::mem::replace(&mut vacancy.mailbox, mailbox);
            vacancy.address = sender.downgrade();
            drop(sender.try_send(mail));
            while let Ok(later) = missed.try_recv() {
                drop(sender.try_send(later));
            }
            self.runtime.0.registry.replace(self.id, vacancy.generation, sender);
        }
        self.runtime.spawn(self.id, vacancy);
    }
}
