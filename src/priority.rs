//! Who has the processor first.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// What takes longer lets others go first after so long.
const TURN: Duration = Duration::from_micros(50);

thread_local! {
    static LAST: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Lets others go first that wait for this processor. To be called all the time by what somebody waits for, but less than
/// others wait for a stream: what is streamed then waits for a fraction of it, and it still gets on where the processor
/// never rests, as it would not behind [`step_back`].
pub fn give_way() {
    let now = Instant::now();
    let is_due = |last: Instant| now.duration_since(last) >= TURN;
    if LAST.get().is_none_or(is_due) {
        std::thread::yield_now();
        LAST.set(Some(Instant::now()));
    }
}

/// Steps of a loop, each too short to look at the clock.
#[derive(Debug, Default)]
pub struct Steps(u32);

impl Steps {
    /// One more. At every 64th others go first, and `true` says that it is time to look at the time.
    pub fn step(&mut self) -> bool {
        self.0 = self.0.wrapping_add(1);
        let is_due = self.0.is_multiple_of(64);
        if is_due {
            give_way();
        }
        is_due
    }
}

/// From now on this thread, and those that it begins, take the time that others leave over.
///
/// `SCHED_IDLE` (sched(7)): whatever else wakes up has the processor at once. A mere nice value leaves every wake-up of
/// a stream waiting for the end of a slice. But the scheduler is fair to idle threads, too (EEVDF): one that has not run
/// lately may have its turn before a thread that was interrupted, and then keeps it until the next tick, up to 4 ms. So
/// they call [`give_way`], too.
#[cfg(target_os = "linux")]
pub fn step_back() {
    use thread_priority::{
        NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
        thread_native_id,
    };
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    if let Err(error) = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle) {
        tracing::warn!(%error, "what takes long runs at the priority of everything else");
    }
}

/// Elsewhere a priority is the whole process's.
#[cfg(not(target_os = "linux"))]
pub const fn step_back() {}
