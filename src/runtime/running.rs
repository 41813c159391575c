//! How many turns run, over all conversations and of each user.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::chat::conversation::Conversation;
use crate::chat::turn::TurnState;
use crate::id::UserId;

/// The count of the whole process.
#[derive(Debug, Default)]
pub(super) struct RunningTurns {
    counts: Mutex<Counts>,
    none: Notify,
}

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    by_user: HashMap<UserId, usize>,
}

/// One actor's share in it, gone when the actor is.
#[derive(Debug)]
pub(super) struct Share {
    all: Arc<RunningTurns>,
    /// Who asked for each of the turns.
    mine: Vec<UserId>,
}

impl RunningTurns {
    pub fn share(self: &Arc<Self>) -> Share {
        Share { all: self.clone(), mine: Vec::new() }
    }

    /// Returns once no turn runs.
    pub async fn none(&self) {
        loop {
            let mut none = pin!(self.none.notified());
            // Listening begins before the look, so that no change falls in between.
            none.as_mut().enable();
            if self.counts.lock().all == 0 {
                return;
            }
            none.await;
        }
    }
}

impl Share {
    /// The turns of the conversation as they run now.
    pub fn set(&mut self, conversation: &Conversation) {
        if !running(conversation).eq(self.mine.iter().copied()) {
            self.replace(running(conversation).collect(), usize::MAX);
        }
    }

    /// The turns as they are about to run; not if a user would have more than `most` by that.
    #[must_use]
    pub fn reserve(&mut self, conversation: &Conversation, most: usize) -> bool {
        self.replace(running(conversation).collect(), most)
    }

    fn replace(&mut self, turns: Vec<UserId>, most: usize) -> bool {
        let mut counts = self.all.counts.lock();
        for user in &turns {
            let (before, after) = (of(&self.mine, user), of(&turns, user));
            let everywhere = counts.by_user.get(user).copied().unwrap_or_default();
            if after > before && everywhere - before + after > most {
                return false;
            }
        }
        counts.all = counts.all - self.mine.len() + turns.len();
        for user in &turns {
            *counts.by_user.entry(*user).or_default() += 1;
        }
        for user in &self.mine {
            if let Some(count) = counts.by_user.get_mut(user) {
                *count -= 1;
                if *count == 0 {
                    counts.by_user.remove(user);
                }
            }
        }
        metrics::gauge!("weir_turns_running").set(counts.all as f64);
        if counts.all == 0 {
            self.all.none.notify_waiters();
        }
        self.mine = turns;
        true
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.replace(Vec::new(), usize::MAX);
    }
}

/// Who asked for the turns that run. One that waits for a person takes up nothing.
fn running(conversation: &Conversation) -> impl Iterator<Item = UserId> {
    let running = conversation.turns.values().filter(|turn| turn.state == TurnState::Running);
    running.map(|turn| turn.plan.request.requested_by)
}

fn of(turns: &[UserId], user: &UserId) -> usize {
    turns.iter().filter(|other| *other == user).count()
}
