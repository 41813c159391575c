//! What Weir costs, measured from outside: the release binary between a mock upstream and a load client, each a
//! process of its own on the same machine.
//!
//! Measured runs and baselines alternate, a figure is the median of several runs with their spread, and no number
//! fails the benchmark. `make bench` runs everything, `make bench ONLY=cpu,resume` some parts;
//! with `WINDOW=60` each run of streams lasts so many seconds, long enough to attach a profiler to the process that it
//! names.

mod attack;
mod corpus;
mod fts5;
mod http;
mod load;
mod parts;
mod process;
mod question;
mod relay;
mod report;
mod sample;
mod stamp;
mod talk;
mod upload;
mod upstream;
mod world;

fn main() -> anyhow::Result<()> {
    // `cargo bench` says `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["upstream"] => upstream::run(),
        ["relay", upstream] => relay::run(upstream),
        ["attack", address] => attack::run(address),
        ["load", address, kind] => load::run(address, kind),
        ["talk", address] => talk::run(address),
        ["fts5", path, messages] => fts5::run(path, messages),
        _ => parts::run(),
    }
}
