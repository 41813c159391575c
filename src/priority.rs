//! Who has the processor first.

/// From now on this thread, and those that it begins, take the time that others leave over.
///
/// `SCHED_IDLE` (sched(7)): whatever else wants the processor has it at once. A mere nice value leaves every wake-up of
/// a stream waiting for the end of a slice.
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
