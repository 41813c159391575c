//! One thread of the lowest priority, for what computes for long: it takes the time that streams leave over.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{SyncSender, sync_channel};

use tokio::sync::oneshot;

use crate::priority::step_back;

/// More are turned away.
const WAITING: usize = 16;

type Job = Box<dyn FnOnce() + Send>;

/// It ends with its handle.
pub(super) struct Quiet(SyncSender<Job>);

impl Quiet {
    pub fn start() -> Self {
        let (jobs, waiting) = sync_channel::<Job>(WAITING);
        let work = move || {
            step_back();
            for job in waiting {
                // Its answer is dropped, and whoever waits for that learns of it.
                let _ = catch_unwind(AssertUnwindSafe(job));
            }
        };
        let thread = std::thread::Builder::new().name("quiet".to_owned()).spawn(work);
        thread.expect("a thread can be started at the beginning");
        Self(jobs)
    }

    /// `None` where too much waits already. What nobody waits for any more is not begun.
    pub async fn run<T: Send + 'static>(&self, f: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        let job = move || {
            if !answer.is_closed() {
                // Whoever asked may be gone by now.
                let _ = answer.send(f());
            }
        };
        self.0.try_send(Box::new(job)).ok()?;
        Some(answered.await.expect("what runs quietly does not panic"))
    }
}
