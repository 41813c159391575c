//! One thread of the lowest priority, for what computes for long: it takes the time that streams leave over.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{SyncSender, sync_channel};

use tokio::sync::oneshot;

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

/// `SCHED_IDLE` (sched(7)): whatever else wants the processor has it at once. A mere nice value leaves every wake-up of
/// a stream waiting for the end of a slice.
#[cfg(target_os = "linux")]
fn step_back() {
    use thread_priority::{
        NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
        thread_native_id,
    };
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    if let Err(error) = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle) {
        tracing::warn!(%error, "passwords are hashed at the priority of everything else");
    }
}

/// Elsewhere a priority is the whole process's.
#[cfg(not(target_os = "linux"))]
const fn step_back() {}
