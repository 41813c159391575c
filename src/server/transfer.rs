//! `weir import` and `weir export`: in the running server, or here while none runs.

use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinSet;

use super::house::{House, alone};
use crate::admin::{self, Answer, Command};
use crate::config::Config;
use crate::data_dir::{self, DataDir};
use crate::export::Format;
use crate::id::{ConversationId, ImportId};
use crate::import::{Bounds, Skipped};
use crate::runtime::agent::{Agents, DEFAULT_AGENT};
use crate::runtime::import::{Counts, Import, ImportState, Options};

const LOOKS_EVERY: Duration = Duration::from_millis(100);

/// Where nobody watches, a line now and then is enough.
const SAYS_EVERY: Duration = Duration::from_secs(5);

/// How imports are set up: the same with and without a server.
pub fn options(config: &Config, dir: &DataDir, agents: &Agents) -> Options {
    let mut names: Vec<String> = agents.iter().map(|agent| agent.options.id.clone()).collect();
    if names.is_empty() {
        names = config.agents.keys().cloned().collect();
    }
    names.sort_by_key(|name| name != DEFAULT_AGENT);
    Options {
        dir: dir.imports(),
        agents: names,
        file_bytes: config.limits.import_bytes,
        bounds: Bounds::default(),
    }
}

/// Reads a file in, shows how far it is, and prints what was left out.
pub fn import(config: &Config, file: &Path, user: Option<String>) -> anyhow::Result<()> {
    let path = file.canonicalize().with_context(|| format!("cannot open {}", file.display()))?;
    let data = &config.server.data;
    let command = Command::Import { path: path.clone(), user: user.clone() };
    let ended = match DataDir::lock(data) {
        Ok(dir) => alone(async {
            let house = House::open(config, &dir)?;
            let mut running = JoinSet::new();
            let imports = house.desk.imports.clone();
            running.spawn(async move { imports.run().await });
            let begun = house.desk.import(&house.directory, path, user.as_deref()).await?;
            let mut bar = Bar::new();
            let ended = loop {
                let Answer::Import(import) = house.desk.import_status(id_of(&begun)?)? else {
                    bail!(STRANGE)
                };
                bar.show(&import);
                if import.ended_at.is_some() {
                    break *import;
                }
                tokio::time::sleep(LOOKS_EVERY).await;
            };
            bar.finish();
            house.close().await;
            Ok(ended)
        })?,
        Err(data_dir::Error::InUse { .. }) => {
            let id = id_of(&admin::run(data, &command)?)?;
            let mut bar = Bar::new();
            let ended = loop {
                let status = admin::run(data, &Command::ImportStatus { id })?;
                let Answer::Import(import) = status else { bail!(STRANGE) };
                bar.show(&import);
                if import.ended_at.is_some() {
                    break *import;
                }
                std::thread::sleep(LOOKS_EVERY);
            };
            bar.finish();
            ended
        }
        Err(error) => return Err(error.into()),
    };
    let dir = data.join("imports").join(ended.id.to_string());
    print(&ended, &dir.join("report.ndjson"))
}

/// Writes conversations to `out`.
pub fn export(
    config: &Config,
    conversation: Option<ConversationId>,
    user: Option<String>,
    format: Format,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let data = &config.server.data;
    match DataDir::lock(data) {
        Ok(dir) => alone(async {
            let house = House::open(config, &dir)?;
            let runtime = &house.desk.runtime;
            let export = admin::export(runtime, &house.directory, conversation, user.as_deref(), format);
            let mut export = export.await?;
            while let Some(piece) = export.next().await? {
                out.write_all(&piece)?;
            }
            house.close().await;
            Ok(())
        })?,
        Err(data_dir::Error::InUse { .. }) => {
            let command = Command::Export { conversation, user, format };
            admin::ask_for_export(data, &command, out).context("the server broke off")??;
        }
        Err(error) => return Err(error.into()),
    }
    out.flush()?;
    Ok(())
}

const STRANGE: &str = "the server gave a strange answer";

fn id_of(answer: &Answer) -> anyhow::Result<ImportId> {
    let Answer::Import(import) = answer else { bail!(STRANGE) };
    Ok(import.id)
}

/// How far an import is: a bar on a terminal, now and then a line elsewhere.
struct Bar {
    bar: Option<ProgressBar>,
    said: Instant,
}

impl Bar {
    fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {msg} {eta}");
            ProgressBar::new(0).with_style(style.expect("the template is one"))
        });
        Self { bar, said: Instant::now() }
    }

    fn show(&mut self, import: &Import) {
        let (conversations, messages) = (import.conversations(), import.counts.messages);
        let said = format!("{conversations} conversations, {messages} new messages");
        match &self.bar {
            Some(bar) => {
                bar.set_length(import.bytes);
                bar.set_position(import.bytes_read);
                bar.set_message(said);
            }
            None if self.said.elapsed() >= SAYS_EVERY => {
                self.said = Instant::now();
                eprintln!("{} of {} bytes, {said}", import.bytes_read, import.bytes);
            }
            None => {}
        }
    }

    fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

/// The sum, then an item a line: its reason, file, conversation, message, and what more there is to say.
fn print(import: &Import, report: &Path) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let Counts { created, grown, unchanged, skipped, messages } = import.counts;
    writeln!(
        out,
        "{created} conversations imported, {grown} grown, {unchanged} unchanged, {skipped} skipped; {messages} new messages"
    )?;
    if let Ok(file) = std::fs::File::open(report) {
        for line in BufReader::new(file).lines() {
            let item: Skipped = serde_json::from_str(&line?)?;
            let reason = serde_json::to_value(item.reason)?;
            let fields = [item.file, item.conversation, item.message].map(Option::unwrap_or_default);
            let reason = reason.as_str().unwrap_or_default();
            writeln!(out, "{reason}\t{}\t{}", fields.join("\t"), item.detail.replace(['\t', '\n'], " "))?;
        }
    }
    match (import.state, &import.failure) {
        (ImportState::Completed, _) => Ok(()),
        (_, Some(failure)) => bail!("{failure}"),
        (_, None) => bail!("the import was cancelled"),
    }
}
