//! What the parts share: the mock upstream, the relay, directories for servers, and how to fill them.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::Client;
use crate::load::{Counted, Kind};
use crate::process::{Role, Server, cpu_seconds};

/// Models of the mock upstream, each with an agent of its name.
const MODELS: &[&str] = &["instant", "paced-50", "paced-100", "unpaced-0", "unpaced-1000", "unpaced-100000"];

/// Connections that fill a server at the same time.
const HANDS: usize = 16;

/// Streams run for so long before they are measured.
const SETTLE: Duration = Duration::from_millis(1500);

pub struct World {
    directory: TempDir,
    _upstream: Role,
    upstream_address: String,
    relay: Role,
    relay_address: String,
}

/// What one run of streams cost.
#[derive(Debug, Clone, Copy)]
pub struct Streamed {
    pub counted: Counted,
    /// Of the server, or the relay, over the same time.
    pub cpu_seconds: f64,
}

impl Streamed {
    #[expect(clippy::cast_precision_loss, reason = "millions of deltas")]
    pub fn per_second(&self) -> f64 {
        self.counted.deltas as f64 / self.counted.seconds
    }

    /// CPU time per delta in microseconds.
    #[expect(clippy::cast_precision_loss, reason = "millions of deltas")]
    pub fn cpu_micros(&self) -> f64 {
        self.cpu_seconds * 1e6 / self.counted.deltas as f64
    }
}

impl World {
    pub fn new() -> anyhow::Result<Self> {
        let directory = TempDir::new_in(env!("CARGO_TARGET_TMPDIR"))?;
        let mut upstream = Role::start(&["upstream"])?;
        let upstream_address = upstream.hear()?;
        let mut relay = Role::start(&["relay", &upstream_address])?;
        let relay_address = relay.hear()?;
        Ok(Self { directory, _upstream: upstream, upstream_address, relay, relay_address })
    }

    /// A place on the disk that the servers use.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn upstream_address(&self) -> &str {
        &self.upstream_address
    }

    /// The directory of a new server, with its configuration.
    pub fn house(&self, name: &str) -> anyhow::Result<PathBuf> {
        let house = self.directory.path().join(name);
        std::fs::create_dir(&house)?;
        self.furnish(&house)?;
        Ok(house)
    }

    /// Writes the configuration of a server into its directory.
    pub fn furnish(&self, house: &Path) -> anyhow::Result<()> {
        let upstream = &self.upstream_address;
        let mut config = format!(
            "[providers.mock]\nkind = \"openai-chat\"\nbase_url = \"http://{upstream}/v1\"\napi_key = \"none\"\n\
             [limits]\nrequests_per_minute = 4000000000\nstreams_per_user = 1000000\nturns_per_user = 1000000\n\
             [agents.default]\nprovider = \"mock\"\nmodel = \"instant\"\ntitles = false\n"
        );
        for model in MODELS {
            config +=
                &format!("[agents.{model}]\nprovider = \"mock\"\nmodel = \"{model}\"\ntitles = false\n");
        }
        Ok(std::fs::write(house.join("weir.toml"), config)?)
    }

    /// Streams of that model through the server, measured for a while, then ended.
    pub fn stream(
        &self,
        server: &Server,
        count: usize,
        model: &str,
        window: Duration,
    ) -> anyhow::Result<Streamed> {
        self.stream_while(server, count, model, sleep, window)
    }

    /// The same, while something else goes on for as long as it is told.
    pub fn stream_while(
        &self,
        server: &Server,
        count: usize,
        model: &str,
        meanwhile: impl FnOnce(Duration) -> anyhow::Result<()>,
        window: Duration,
    ) -> anyhow::Result<Streamed> {
        let message = json!({"agent": model, "message": {"text": "Say something long."}});
        let ids = create(server, count, &message)?;
        let paths = ids.iter().map(|id| format!("/v1/conversations/{id}/events?after=0"));
        self.measure(Load::open(&server.address, Kind::Sse, paths)?, server.id(), meanwhile, window)
    }

    /// The same through the relay.
    pub fn relay(&self, count: usize, model: &str, window: Duration) -> anyhow::Result<Streamed> {
        let paths = std::iter::repeat_n(format!("/{model}"), count);
        self.measure(Load::open(&self.relay_address, Kind::Relay, paths)?, self.relay.id(), sleep, window)
    }

    fn measure(
        &self,
        mut load: Load,
        of: u32,
        meanwhile: impl FnOnce(Duration) -> anyhow::Result<()>,
        window: Duration,
    ) -> anyhow::Result<Streamed> {
        std::thread::sleep(SETTLE);
        // Longer, where someone wants to attach a profiler.
        let window = match std::env::var("WINDOW") {
            Ok(seconds) => Duration::from_secs(seconds.parse().context("WINDOW is a number of seconds")?),
            Err(_) => window,
        };
        eprintln!("  process {of}: {window:?}");
        load.begin()?;
        let before = cpu_seconds(of)?;
        meanwhile(window)?;
        let cpu_seconds = cpu_seconds(of)? - before;
        let counted = load.end()?;
        self.finish_streams()?;
        Ok(Streamed { counted, cpu_seconds })
    }

    fn finish_streams(&self) -> anyhow::Result<()> {
        let mut client = Client::connect(&self.upstream_address)?;
        client.post("/finish", &json!({}))?.json()?;
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(60) {
            if client.get("/stats")?.json()?["open"] == 0 {
                // The server completes its turns.
                std::thread::sleep(Duration::from_millis(500));
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("the upstream's streams did not end")
    }
}

fn sleep(window: Duration) -> anyhow::Result<()> {
    std::thread::sleep(window);
    Ok(())
}

/// Readers in a process of their own.
pub struct Load(Role);

impl Load {
    pub fn open(
        address: &str,
        kind: Kind,
        targets: impl ExactSizeIterator<Item = String>,
    ) -> anyhow::Result<Self> {
        let mut role = Role::start(&["load", address, kind.name()])?;
        let mut lines = format!("open {}", targets.len());
        for target in targets {
            lines.push('\n');
            lines.push_str(&target);
        }
        match role.ask(&lines)?.as_str() {
            "open" => Ok(Self(role)),
            other => bail!("the load client said {other:?}"),
        }
    }

    fn begin(&mut self) -> anyhow::Result<()> {
        self.0.ask("begin").map(drop)
    }

    fn end(&mut self) -> anyhow::Result<Counted> {
        Ok(serde_json::from_str(&self.0.ask("end")?)?)
    }
}

/// So many new conversations; their ids.
pub fn create(server: &Server, count: usize, body: &Value) -> anyhow::Result<Vec<String>> {
    let batches: Vec<anyhow::Result<Vec<String>>> = std::thread::scope(|scope| {
        let hand = |hand: usize| {
            scope.spawn(move || {
                let mut client = server.client()?;
                let mine = (hand..count).step_by(HANDS);
                mine.map(|_| id_of(&client.post("/v1/conversations", body)?.json()?)).collect()
            })
        };
        let hands: Vec<_> = (0..HANDS).map(hand).collect();
        hands.into_iter().map(|hand| hand.join().expect("a hand does not panic")).collect()
    });
    Ok(batches.into_iter().collect::<anyhow::Result<Vec<_>>>()?.concat())
}

/// Turns of that agent in each conversation, one after the other.
pub fn talk(server: &Server, ids: &[String], turns: usize) -> anyhow::Result<()> {
    std::thread::scope(|scope| {
        let hand = |ids: &'_ [String]| {
            let ids = ids.to_vec();
            scope.spawn(move || -> anyhow::Result<()> {
                let mut client = server.client()?;
                for _ in 0..turns {
                    for id in &ids {
                        let message = json!({"text": "And what comes after that?"});
                        let answer =
                            client.post_for_stream(&format!("/v1/conversations/{id}/messages"), &message)?;
                        if answer.status >= 300 {
                            bail!("refused: {}", String::from_utf8_lossy(&answer.body));
                        }
                    }
                }
                Ok(())
            })
        };
        let hands: Vec<_> = ids.chunks(ids.len().div_ceil(HANDS)).map(hand).collect();
        hands.into_iter().try_for_each(|hand| hand.join().expect("a hand does not panic"))
    })
}

/// The id in the answer to a `POST /v1/conversations`.
pub fn id_of(created: &Value) -> anyhow::Result<String> {
    let id = created["conversation"]["id"].as_str();
    Ok(id.context("a conversation without an id")?.to_owned())
}
