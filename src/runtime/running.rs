//! How many turns run, over all conversations.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// The count of the whole process.
#[derive(Debug, Default)]
pub(super) struct RunningTurns {
    count: AtomicUsize,
    none: Notify,
}

/// One actor's share in it, gone when the actor is.
#[derive(Debug)]
pub(super) struct Share {
    all: Arc<RunningTurns>,
    mine: usize,
}

impl RunningTurns {
    pub fn share(self: &Arc<Self>) -> Share {
        Share { all: self.clone(), mine: 0 }
    }

    /// Returns once no turn runs.
    pub async fn none(&self) {
        loop {
            let mut none = pin!(self.none.notified());
            // Listening begins before the look, so that no change falls in between.
            none.as_mut().enable();
            if self.count.load(Ordering::Acquire) == 0 {
                return;
            }
            none.await;
        }
    }
}

impl Share {
    pub fn set(&mut self, turns: usize) {
        if turns == self.mine {
            return;
        }
        self.all.count.fetch_add(turns, Ordering::AcqRel);
        let all = self.all.count.fetch_sub(self.mine, Ordering::AcqRel) - self.mine;
        self.mine = turns;
        metrics::gauge!("weir_turns_running").set(all as f64);
        if all == 0 {
            self.all.none.notify_waiters();
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}
