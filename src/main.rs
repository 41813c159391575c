//! The arguments, then [`server::run`] or a command of the operator.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, Parser, Subcommand};
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use humantime_serde::re::humantime;
use weir::admin::{self, Answer, Command, Found};
use weir::auth::ApiKey;
use weir::config::{self, Config, Flags};
use weir::data_dir;
use weir::doctor::{self, State};
use weir::export::Format;
use weir::http;
use weir::id::{ConversationId, KeyId};
use weir::runtime::search::Checked;
use weir::scope::{Permission, WorkspaceRole};
use weir::server;

/// What is freed goes back to the system: after a large import, glibc's keeps a gigabyte for good.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A chat-agent backend: conversations as durable logs that stream and resume.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    serve: Settings,
}

#[derive(Args, Clone, Default)]
struct Settings {
    /// The configuration [default: weir.toml, if there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the data is kept [default: ./data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where to listen [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
}

#[derive(Subcommand)]
enum Action {
    /// Run the server (the default)
    Serve(Settings),
    /// API keys
    Keys(Group<KeysAction>),
    /// Users and their memberships
    Users(Group<UsersAction>),
    /// Workspaces
    Workspaces(Group<WorkspacesAction>),
    /// Print a link with which a user chooses a name and a password; it counts once, and for a day
    SetupLink {
        /// Id or name [default: the owner of the default workspace]
        #[arg(long)]
        user: Option<String>,
        #[command(flatten)]
        settings: Settings,
    },
    /// Read a file of conversations in: an export of ChatGPT, Claude, Open WebUI, LibreChat or Weir
    Import {
        file: PathBuf,
        /// Whose they will be: id or name [default: the owner of the default workspace]
        #[arg(long)]
        user: Option<String>,
        #[command(flatten)]
        settings: Settings,
    },
    /// Write conversations to standard output
    Export {
        #[command(flatten)]
        which: Which,
        /// weir, markdown or json
        #[arg(long, default_value = "weir")]
        format: Format,
        #[command(flatten)]
        settings: Settings,
    },
    /// Who decided what, and what ran
    Audit(Group<AuditAction>),
    /// Find what was said, in everything that a user may see
    Search {
        /// Words, "phrases", -not, OR, prefix*
        query: String,
        /// Id or name [default: the owner of the default workspace]
        #[arg(long)]
        user: Option<String>,
        #[arg(long, default_value_t = 20)]
        limit: usize,
        #[command(flatten)]
        settings: Settings,
    },
    /// The search index
    Index(Group<IndexAction>),
    /// Take what was deleted off the disk now, out of the search index too
    Purge(Settings),
    /// Print the OpenAPI document of the HTTP API
    Openapi,
    /// Ask the server whether it is alive; exits 0 or 1
    Healthcheck(Settings),
    /// Check all that a server needs, and say what to do; exits 0, or 1 where something does not work
    Doctor {
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        settings: Settings,
    },
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Which {
    #[arg(long, value_name = "ID")]
    conversation: Option<ConversationId>,
    /// All that a user made: id or name
    #[arg(long)]
    user: Option<String>,
    /// All of everyone
    #[arg(long)]
    all: bool,
}

#[derive(Args)]
struct Group<A: Subcommand> {
    #[command(subcommand)]
    action: A,
    /// The configuration [default: weir.toml, if there is one]
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Where the data is kept [default: ./data]
    #[arg(long, value_name = "DIR", global = true)]
    data: Option<PathBuf>,
}

#[derive(Subcommand)]
enum KeysAction {
    /// Make a key and print it; it is never shown again
    Create {
        #[arg(long)]
        name: String,
        /// Id or name [default: the owner of the default workspace]
        #[arg(long)]
        user: Option<String>,
        /// Id or name [default: the user's only one, or the default workspace]
        #[arg(long)]
        workspace: Option<String>,
        /// Separated by commas [default: all that the user may, save admin and tokens:mint]
        #[arg(long, value_delimiter = ',')]
        scopes: Vec<Permission>,
        /// A time from now, such as 30d [default: never]
        #[arg(long, value_parser = humantime::parse_duration)]
        expires: Option<Duration>,
    },
    List,
    /// End a key for good, and what is open with it
    Revoke {
        id: KeyId,
    },
}

#[derive(Subcommand)]
enum UsersAction {
    Create {
        #[arg(long)]
        name: String,
        /// Id or name [default: the default workspace]
        #[arg(long)]
        workspace: Option<String>,
        /// viewer, member, admin or owner
        #[arg(long, value_parser = role)]
        role: WorkspaceRole,
    },
    List,
    /// Lock a user out: keys stop working and open streams end
    Suspend {
        user: String,
    },
    /// Let a suspended user in again
    Reinstate {
        user: String,
    },
}

#[derive(Subcommand)]
enum IndexAction {
    /// Make it anew: in the background where a server runs
    Rebuild,
    /// Compare it with everything there is; exits 0 or 1
    Check,
}

#[derive(Subcommand)]
enum AuditAction {
    /// Walk the chain of every workspace, and name the first row that is not as it was written; exits 0 or 1
    Verify {
        /// A hash that a chain once ended with: that its last rows were taken away is seen by nothing else
        #[arg(long, value_name = "HASH", value_parser = hash)]
        head: Option<Hash>,
    },
    /// Write the chain of a workspace to standard output
    Export {
        /// Id or name [default: the first one]
        #[arg(long)]
        workspace: Option<String>,
        #[arg(long, default_value = "jsonl", value_parser = ["jsonl"])]
        format: String,
    },
}

/// As `weir audit verify` prints it.
#[derive(Clone, Copy)]
struct Hash([u8; 32]);

fn hash(text: &str) -> Result<Hash, String> {
    let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok();
    let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
    bytes.map(Hash).ok_or_else(|| "expected 64 hexadecimal digits".to_owned())
}

#[derive(Subcommand)]
enum WorkspacesAction {
    Create {
        #[arg(long)]
        name: String,
    },
    List,
}

fn main() -> ExitCode {
    #[cfg(feature = "failpoints")]
    weir::failpoint::set_up();
    let arguments = Arguments::parse();
    match act(arguments.action.unwrap_or(Action::Serve(arguments.serve))) {
        Ok(()) => ExitCode::SUCCESS,
        // It has said everything.
        Err(error) if error.is::<Unwell>() => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(exit_code(&error))
        }
    }
}

/// The doctor found something that does not work.
#[derive(Debug, thiserror::Error)]
#[error("something does not work")]
struct Unwell;

/// 2: it can only work once the configuration, or what else runs here, has changed.
fn exit_code(error: &anyhow::Error) -> u8 {
    let in_use = matches!(error.downcast_ref(), Some(data_dir::Error::InUse { .. }));
    if in_use || error.is::<config::Error>() { 2 } else { 1 }
}

fn act(action: Action) -> anyhow::Result<()> {
    match action {
        Action::Serve(settings) => {
            let config = load(settings)?;
            tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(server::run(config))
        }
        Action::Keys(group) => administer(&group.settings()?, keys_command(group.action)),
        Action::Users(group) => administer(&group.settings()?, users_command(group.action)),
        Action::Workspaces(group) => administer(&group.settings()?, workspaces_command(group.action)),
        Action::SetupLink { user, settings } => {
            let config = load(settings)?;
            administer(&config, Command::CreateSetupCode { user })
        }
        Action::Import { file, user, settings } => server::transfer::import(&load(settings)?, &file, user),
        Action::Export { which, format, settings } => {
            let Which { conversation, user, all: _ } = which;
            let mut out = std::io::BufWriter::new(std::io::stdout().lock());
            server::transfer::export(&load(settings)?, conversation, user, format, &mut out)
        }
        Action::Audit(group) => {
            let data = group.settings()?.server.data;
            let mut out = std::io::BufWriter::new(std::io::stdout().lock());
            match group.action {
                AuditAction::Verify { head } => {
                    for chain in admin::verify_audit(&data, head.map(|Hash(hash)| hash))? {
                        let (id, rows, erased) = (chain.workspace_id, chain.rows, chain.erased);
                        writeln!(
                            out,
                            "{id}\t{rows} rows\t{erased} erased\t{}",
                            HEXLOWER.encode(&chain.head)
                        )?;
                    }
                }
                AuditAction::Export { workspace, format: _ } => {
                    admin::export_audit(&data, workspace.as_deref(), &mut out)?;
                }
            }
            Ok(out.flush()?)
        }
        Action::Search { query, user, limit, settings } => {
            let command = Command::Search { query, user, limit };
            show(server::finding::run(&load(settings)?, command)?)
        }
        Action::Index(group) => {
            let command = match group.action {
                IndexAction::Rebuild => Command::RebuildIndex,
                IndexAction::Check => Command::CheckIndex,
            };
            show(server::finding::run(&group.settings()?, command)?)
        }
        Action::Purge(settings) => show(server::finding::run(&load(settings)?, Command::Purge)?),
        Action::Openapi => {
            print!("{}", http::openapi::document());
            Ok(())
        }
        Action::Healthcheck(settings) => {
            let listen = load(settings)?.server.listen;
            match admin::probe(listen, "/healthz").with_context(|| format!("no answer from {listen}"))? {
                200 => Ok(()),
                status => bail!("{listen} answered {status}"),
            }
        }
        Action::Doctor { json, settings } => diagnose(json, settings),
    }
}

impl<A: Subcommand> Group<A> {
    fn settings(&self) -> Result<Config, config::Error> {
        load(Settings { config: self.config.clone(), data: self.data.clone(), listen: None })
    }
}

fn load(settings: Settings) -> Result<Config, config::Error> {
    Config::load(&settings.into(), |name| std::env::var(name).ok())
}

impl From<Settings> for Flags {
    fn from(settings: Settings) -> Self {
        let Settings { config, data, listen } = settings;
        Self { config, data, listen }
    }
}

fn keys_command(action: KeysAction) -> Command {
    match action {
        KeysAction::Create { name, user, workspace, scopes, expires } => {
            Command::CreateKey { name, user, workspace, permissions: scopes, expires_in: expires }
        }
        KeysAction::List => Command::ListKeys,
        KeysAction::Revoke { id } => Command::RevokeKey { id },
    }
}

fn users_command(action: UsersAction) -> Command {
    match action {
        UsersAction::Create { name, workspace, role } => Command::CreateUser { name, workspace, role },
        UsersAction::List => Command::ListUsers,
        UsersAction::Suspend { user } => Command::SuspendUser { user },
        UsersAction::Reinstate { user } => Command::ReinstateUser { user },
    }
}

fn workspaces_command(action: WorkspacesAction) -> Command {
    match action {
        WorkspacesAction::Create { name } => Command::CreateWorkspace { name },
        WorkspacesAction::List => Command::ListWorkspaces,
    }
}

/// Runs a command where the data is, and prints the answer: one row a line, its fields separated by tabs.
fn administer(config: &Config, command: Command) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let answer = admin::run(&config.server.data, &command)?;
    match answer {
        Answer::NewKey { key, text } => {
            eprintln!("{}: keep it, it is not shown again", key.id);
            writeln!(out, "{}", text.expose())?;
        }
        Answer::Keys(keys) => {
            for key in keys {
                writeln!(out, "{}", key_row(&key))?;
            }
        }
        Answer::Users(users) => {
            for user in users {
                let state = user.suspended_at.map_or("active".to_owned(), |at| format!("suspended {at}"));
                let member = |one: &weir::auth::Membership| format!("{}:{:?}", one.workspace_id, one.role);
                let memberships: Vec<_> = user.memberships.iter().map(member).collect();
                let memberships = memberships.join(",").to_lowercase();
                writeln!(out, "{}\t{}\t{state}\t{memberships}", user.id, user.name)?;
            }
        }
        Answer::Found(_) | Answer::Checked(_) | Answer::Done => show(answer)?,
        Answer::Import(import) => writeln!(out, "{}", import.id)?,
        Answer::SetupCode(code) => {
            writeln!(out, "{}", config.server.setup_link(config.server.listen, &code))?
        }
        Answer::Status(status) => writeln!(out, "{}", status.version)?,
        Answer::Workspaces(workspaces) => {
            for workspace in workspaces {
                writeln!(out, "{}\t{}\t{}", workspace.id, workspace.name, workspace.created_at)?;
            }
        }
    }
    Ok(())
}

/// What was found, a line each; whether the index is as it should be.
fn show(answer: Answer) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match answer {
        Answer::Found(found) => {
            for Found { conversation_id, title, message_id, at, snippet } in found {
                let message = message_id.map(|id| id.to_string()).unwrap_or_default();
                let title = title.unwrap_or_default().replace(['\t', '\n'], " ");
                writeln!(out, "{conversation_id}\t{message}\t{at}\t{title}\t{snippet}")?;
            }
            Ok(())
        }
        Answer::Checked(Checked { texts, missing: 0, strange: 0 }) => {
            Ok(writeln!(out, "{texts} texts, all as they should be")?)
        }
        Answer::Checked(Checked { texts, missing, strange }) => {
            writeln!(out, "{texts} texts, {missing} missing, {strange} that should not be there")?;
            Err(Unwell.into())
        }
        _ => Ok(()),
    }
}

fn key_row(key: &ApiKey) -> String {
    let state = match (key.revoked_at, key.expires_at) {
        (Some(at), _) => format!("revoked {at}"),
        (None, Some(at)) => format!("expires {at}"),
        (None, None) => "active".to_owned(),
    };
    let permissions: Vec<_> = key.permissions.iter().map(|one| one.as_str()).collect();
    let used = key.last_used_at.map_or("never used".to_owned(), |at| format!("used {at}"));
    let (id, user, permissions) = (key.id, key.user_id, permissions.join(","));
    format!("{id}\t{}..\t{}\t{user}\t{state}\t{used}\t{permissions}", key.prefix, key.name)
}

fn diagnose(json: bool, settings: Settings) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(doctor::examine(&settings.into()));
    let mut out = std::io::stdout().lock();
    match json {
        true => writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?,
        false => writeln!(out, "{report}")?,
    }
    match report.state() {
        State::Ok | State::Warn => Ok(()),
        State::Fail => Err(Unwell.into()),
    }
}

/// As in the API: lowercase.
fn role(text: &str) -> Result<WorkspaceRole, String> {
    serde_json::from_value(text.into()).map_err(|_| "expected viewer, member, admin or owner".to_owned())
}
