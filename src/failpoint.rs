//! Stops the process at a named failpoint for the crash tests, which then kill it. Not in a release: only where
//! the feature `failpoints` is on.

use std::path::Path;
use std::sync::Mutex;

/// Every failpoint of a send, in the order in which it and its answer come past them.
pub const NAMES: &[&str] = &[
    "runtime::before_commit",
    "store::before_apply",
    "store::before_commit",
    "store::after_commit",
    "store::after_answer",
    "runtime::after_commit",
    "runtime::after_publish",
    "runtime::before_answer",
];

/// Those that only trees come past: a summary before it is committed, and the slices in which a branch is erased.
pub const OF_TREES: &[&str] = &["runtime::summarised", "store::before_erasing", "store::before_erased"];

/// Around what a tool does, and between the end of a call and that of the agent that works on it.
pub const OF_TOOLS: &[&str] =
    &["runtime::tool_before", "runtime::tool_after", "runtime::before_cancelling_below"];

/// Those that only files come past: the content is on the disk, its row is not there yet.
pub const OF_FILES: &[&str] = &["runtime::file_before_row"];

/// Between a delivery and the word that it was taken.
pub const OF_WEBHOOKS: &[&str] = &["runtime::webhook_sent"];

/// Before and behind a commit of the search index.
pub const OF_SEARCH: &[&str] = &["search::before_commit", "search::after_commit"];

/// All that there are.
pub fn names() -> impl Iterator<Item = &'static str> {
    [NAMES, OF_TREES, OF_TOOLS, OF_FILES, OF_WEBHOOKS, OF_SEARCH].into_iter().flatten().copied()
}

/// Names the file that says where to stop: `<failpoint> <hit>`. It may come and go while the process runs.
const FILE: &str = "WEIR_FAILPOINT_FILE";

/// Sets up what `FAILPOINTS` asks for (see the crate `fail`), or else the stop that the file asks for: the thread
/// that comes to the failpoint for the given time since the file was there says so, and never goes on.
pub fn set_up() {
    let scenario = fail::FailScenario::setup();
    // It lasts as long as the process.
    std::mem::forget(scenario);
    let Ok(file) = std::env::var(FILE) else { return };
    let file: &'static str = file.leak();
    for name in names() {
        fail::cfg_callback(name, move || pass(name, Path::new(file))).expect("a failpoint can be configured");
    }
}

struct Passed {
    order: String,
    times: u32,
}

static PASSED: Mutex<Passed> = Mutex::new(Passed { order: String::new(), times: 0 });

fn pass(name: &str, file: &Path) {
    let Ok(order) = std::fs::read_to_string(file) else { return };
    let Some((stop_at, hit)) = order.split_once(' ') else { return };
    if stop_at != name {
        return;
    }
    let mut passed = PASSED.lock().expect("nobody panics while passing");
    if passed.order != order {
        *passed = Passed { order: order.clone(), times: 0 };
    }
    passed.times += 1;
    let is_it = hit.trim().parse() == Ok(passed.times);
    drop(passed);
    if is_it {
        eprintln!("failpoint reached: {name}");
        loop {
            std::thread::park();
        }
    }
}
