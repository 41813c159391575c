//! What runs: one actor for each conversation that is awake, the model calls of its turns, and those who follow.
//!
//! The only floor that spawns tasks. Every task belongs to an actor, every actor has a place in the registry, and
//! [`Runtime::drain`] ends them all.

pub mod agent;
mod attached;
mod batch;
pub mod compaction;
pub mod context;
mod conversation;
mod effect;
pub mod error;
pub mod export;
pub mod files;
pub mod follow;
pub mod frame;
mod held;
pub mod import;
pub mod live;
mod mail;
mod members;
pub mod notify;
mod open_text;
pub mod output;
mod question;
mod quiet;
mod reattach;
mod registry;
mod running;
pub mod search;
pub mod snapshot;
mod subagent;
mod title;
mod tool;
pub mod tools;

pub use error::Error;
pub use follow::{Follow, Next};
pub use mail::{Idempotency, Order, ReceiptOf};
pub use members::Members;

use std::collections::BTreeSet;
use std::marker;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::{FutureExt, StreamExt, stream};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::{Instrument, error, info, info_span, warn};

use crate::chat::approval::{Approval, ChangedArgs};
use crate::chat::compaction::Compaction;
use crate::chat::conversation::{
    Command, Conversation, ConversationInfo, Doomed, ForkPoint, MAX_QUEUED_TURNS, Send,
};
use crate::chat::event::{Cursor, Entry, Epoch, FieldError, Seq};
use crate::chat::turn::Ending;
use crate::clock::Clock;
use crate::id::{ConversationId, MessageId, TurnId};
use crate::scope::Caller;
use crate::store::Store;
use crate::tool::Toolbox;
use agent::{Agent, Agents};
use compaction::Wanted;
use conversation::Origin;
use files::Files;
use live::{Live, RingBudget};
use mail::Mail;
use quiet::Quiet;
use registry::{Registry, Vacancy};
use running::RunningTurns;
use search::Search;

/// What all rings together may hold before they are kept short.
const RING_BUDGET: usize = 256 * 1024 * 1024;

/// A deleted conversation is gone from the disk soon after this.
const TIDIES_EVERY: Duration = Duration::from_secs(10);

/// Files that nobody needs are looked for at the start, and so often.
const TIDIES_FILES_EVERY: Duration = Duration::from_secs(60 * 60);

/// Conversations that are recovered at a time.
const RECOVERED_AT_ONCE: usize = 64;

/// Everything that runs in one process. Cheap to clone.
#[derive(Clone)]
pub struct Runtime(Arc<Shared>);

struct Shared {
    store: Store,
    agents: Agents,
    clock: Clock,
    bounds: Bounds,
    toolbox: Toolbox,
    files: OnceLock<Files>,
    search: OnceLock<Search>,
    members: Members,
    registry: Registry,
    running: Arc<RunningTurns>,
    quiet: Quiet,
    draining: AtomicBool,
}

/// What a send may bring about at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Turns that one user has running.
    pub turns_per_user: usize,
    /// Sends that wait in one conversation, where [`MAX_QUEUED_TURNS`] is not fewer.
    pub queue_per_conversation: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { turns_per_user: usize::MAX, queue_per_conversation: MAX_QUEUED_TURNS }
    }
}

/// What a sender is told once its command is durable. A repeat under the same key is told the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    pub conversation_id: ConversationId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<MessageId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn_id: Option<TurnId>,
    /// Where the log ended after the command.
    pub seq: Seq,
}

/// From where a log is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    Beginning,
    Now,
    Cursor(Cursor),
}

impl Runtime {
    pub fn new(store: Store, agents: Agents, clock: Clock) -> Self {
        Self::with_bounds(store, agents, clock, Bounds::default())
    }

    pub fn with_bounds(store: Store, agents: Agents, clock: Clock, bounds: Bounds) -> Self {
        let none = std::collections::BTreeMap::new();
        let toolbox = Toolbox::new(&none, &|_| None, clock.clone()).expect("there is nothing to configure");
        Self::with_tools(store, agents, clock, bounds, toolbox)
    }

    pub fn with_tools(store: Store, agents: Agents, clock: Clock, bounds: Bounds, toolbox: Toolbox) -> Self {
        Self::with_members(store, agents, clock, bounds, toolbox, Members::trusted())
    }

    pub fn with_members(
        store: Store,
        agents: Agents,
        clock: Clock,
        bounds: Bounds,
        toolbox: Toolbox,
        members: Members,
    ) -> Self {
        let registry = Registry::new(store.epoch(), RingBudget::new(RING_BUDGET));
        Self(Arc::new(Shared {
            store,
            agents,
            toolbox,
            files: OnceLock::new(),
            search: OnceLock::new(),
            members,
            clock,
            bounds,
            registry,
            running: Arc::default(),
            quiet: Quiet::start(),
            draining: AtomicBool::new(false),
        }))
    }

    /// Keeps files from now on.
    pub fn with_files(self, files: Files) -> Self {
        // Given twice, the first ones stay.
        let _ = self.0.files.set(files);
        self
    }

    pub fn files(&self) -> Option<&Files> {
        self.0.files.get()
    }

    /// Can be searched from now on.
    pub fn with_search(self, search: Search) -> Self {
        // Given twice, the first one stays.
        let _ = self.0.search.set(search);
        self
    }

    pub fn search(&self) -> Option<&Search> {
        self.0.search.get()
    }

    pub fn store(&self) -> &Store {
        &self.0.store
    }

    pub fn agents(&self) -> &Agents {
        &self.0.agents
    }

    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub fn bounds(&self) -> Bounds {
        self.0.bounds
    }

    /// Runs what computes or waits for the disk for longer than a moment, away from the threads that serve streams.
    pub async fn aside<T>(&self, f: impl FnOnce() -> T + marker::Send + 'static) -> T
    where
        T: marker::Send + 'static,
    {
        match tokio::task::spawn_blocking(f).await {
            Ok(done) => done,
            Err(failed) => std::panic::resume_unwind(failed.into_panic()),
        }
    }

    /// Runs what computes for long and may take longer still: one after the other, in the time that everything else
    /// leaves over. `None` where too much waits for that already.
    pub async fn quietly<T>(&self, f: impl FnOnce() -> T + marker::Send + 'static) -> Option<T>
    where
        T: marker::Send + 'static,
    {
        self.0.quiet.run(f).await
    }

    pub fn epoch(&self) -> Epoch {
        self.0.store.epoch()
    }

    pub fn cursor(&self, seq: Seq) -> Cursor {
        Cursor { epoch: self.epoch(), seq }
    }

    /// Wakes the conversations that were cut off; each recovers its turns. Returns once what was cut is closed.
    pub async fn recover(&self, unfinished: Vec<ConversationId>) {
        let count = unfinished.len();
        let settled = stream::iter(unfinished).for_each_concurrent(RECOVERED_AT_ONCE, |id| self.settle(id));
        settled.await;
        self.cancel_abandoned().await;
        if count > 0 {
            info!(conversations = count, "recovered what was unfinished");
        }
    }

    async fn settle(&self, id: ConversationId) {
        let (reply, settled) = oneshot::channel();
        self.mail(id, Mail::Settle { reply }, Origin::Stored).await;
        // An actor that could not load says why in the log.
        drop(settled.await);
    }

    /// Carries out a command on an existing conversation. The caller has checked who may.
    pub async fn order(&self, id: ConversationId, order: Order) -> Result<Receipt, Error> {
        if matches!(order.command, Command::Send(_)) {
            self.check_open()?;
        }
        self.ask(id, order, Origin::Stored).await
    }

    /// Creates a conversation, with its first message in the same transaction.
    pub async fn create(
        &self,
        info: ConversationInfo,
        origin: Option<ForkPoint>,
        send: Option<Send>,
        idempotency: Option<Idempotency>,
    ) -> Result<Receipt, Error> {
        self.check_open()?;
        if let Some(key) = &idempotency
            && let Some(first) = self.0.first_answer(key).await?
        {
            return Ok(first);
        }
        let place = Origin::New(Box::new(Conversation::new(info.clone())));
        let receipt = ReceiptOf {
            message_id: send.as_ref().map(|send| send.message_id),
            turn_id: send.as_ref().map(|send| send.turn_id),
        };
        let id = info.id;
        let command = Command::Create { info: Box::new(info), origin, send: send.map(Box::new) };
        self.ask(id, Order { command, receipt, idempotency, caller: None }, place).await
    }

    /// Deletes a message and everything below it. Once this returns, its content can no longer be read by anyone who
    /// does not see it through a fork.
    pub async fn delete_branch(
        &self,
        id: ConversationId,
        message_id: MessageId,
        caller: Caller,
    ) -> Result<Receipt, Error> {
        let doomed = Doomed { message_id, parent_id: None, places: BTreeSet::new() };
        let receipt = self.order(id, Order::plain(Command::DeleteBranch(doomed)).asked_by(caller)).await?;
        self.live(id).forget();
        self.store().erase_branch(id, message_id).await?;
        Ok(receipt)
    }

    /// What a request under this key was answered before, if it was.
    pub async fn first_answer(&self, key: Option<&Idempotency>) -> Result<Option<Receipt>, Error> {
        match key {
            Some(key) => self.0.first_answer(key).await,
            None => Ok(None),
        }
    }

    /// Summarises the beginning of a path. Goes on where the caller stops waiting.
    pub async fn compact(&self, id: ConversationId, wanted: Wanted) -> Result<Compaction, Error> {
        self.check_open()?;
        let (reply, answer) = oneshot::channel();
        let mail = Mail::Compact { wanted: Box::new(wanted), reply: Some(reply) };
        self.mail(id, mail, Origin::Stored).await;
        answer.await.unwrap_or(Err(Error::Unavailable))
    }

    /// What a client's tool says: all of it is kept, and what is too long is shortened for the model.
    pub async fn succeed(&self, place: output::CallPlace<'_>, output: String) -> Ending {
        output::succeed(&self.0, place, output, Vec::new()).await
    }

    /// Other arguments for a call that people are asked about, if its tool takes them.
    pub fn change_args(&self, approval: &Approval, args: &str) -> Result<ChangedArgs, Vec<FieldError>> {
        tool::change_args(&self.0, approval, args)
    }

    /// The hash of an approval's tool, where it still is what was shown.
    pub fn tool_as_shown(&self, approval: &Approval) -> Option<String> {
        tool::tool_as_shown(&self.0, approval)
    }

    /// Whether the agent has a tool of that name.
    pub fn offers(&self, agent: &Agent, name: &str) -> bool {
        tool::of_agent(&self.0, agent).iter().any(|spec| spec.name == name)
    }

    /// The hash of the tool of that name as it is now.
    pub fn tool_hash(&self, name: &str) -> Option<String> {
        tool::hash_of(&self.0, name)
    }

    fn check_open(&self) -> Result<(), Error> {
        if self.0.draining.load(Ordering::Acquire) { Err(Error::Draining) } else { Ok(()) }
    }

    async fn ask(&self, id: ConversationId, order: Order, origin: Origin) -> Result<Receipt, Error> {
        let (reply, answer) = oneshot::channel();
        self.mail(id, Mail::Command { order: Box::new(order), reply }, origin).await;
        answer.await.unwrap_or(Err(Error::Unavailable))
    }

    /// Puts a mail into the conversation's mailbox, waking it where it sleeps.
    async fn mail(&self, id: ConversationId, mail: Mail, origin: Origin) {
        let (mut mail, mut origin) = (mail, Some(origin));
        loop {
            let (mailbox, vacancy) = self.0.registry.address(id, origin.take().unwrap_or(Origin::Stored));
            if let Some(vacancy) = vacancy {
                self.spawn(id, vacancy);
            }
            match mailbox.send(mail).await {
                Ok(()) => return,
                // It is just falling asleep; its place will be free in a moment.
                Err(returned) => mail = returned.0,
            }
            tokio::task::yield_now().await;
        }
    }

    fn spawn(&self, id: ConversationId, vacancy: Vacancy) {
        let runtime = self.clone();
        let generation = vacancy.generation;
        let actor = async move {
            let lived = conversation::run(id, runtime.0.clone(), vacancy);
            let panicked = AssertUnwindSafe(lived).catch_unwind().await.is_err();
            runtime.0.registry.remove(id, generation);
            if panicked {
                error!("the conversation's actor panicked; it is loaded anew when it is next needed");
            }
        };
        tokio::spawn(actor.instrument(info_span!("conversation", conversation_id = %id)));
    }

    /// Follows the log of a conversation that the caller may read.
    pub async fn follow(&self, id: ConversationId, from: From) -> Result<Follow, Error> {
        let live = self.live(id);
        let cursor = match from {
            From::Beginning => Seq::START,
            From::Cursor(cursor) => cursor.seq,
            From::Now => self.end(id, &live).await?,
        };
        Ok(Follow::new(id, live, self.0.store.clone(), cursor))
    }

    fn live(&self, id: ConversationId) -> Arc<Live> {
        self.0.registry.live(id)
    }

    async fn end(&self, id: ConversationId, live: &Live) -> Result<Seq, Error> {
        match live.end() {
            Some(end) => Ok(end),
            None => Ok(self.0.store.position(id).await?),
        }
    }

    /// Whether any turn runs.
    pub fn awake(&self) -> usize {
        self.0.registry.count()
    }

    /// Purges what was deleted and lets go of what is too old, now and then, as long as it is polled.
    pub async fn keep_tidy(&self) {
        let mut files_tidied: Option<Instant> = None;
        loop {
            self.cancel_abandoned().await;
            self.delete_abandoned().await;
            if let Err(error) = self.0.store.tidy(self.0.clock.now()).await {
                warn!(%error, "what was deleted could not be purged yet");
            }
            if files_tidied.is_none_or(|at| at.elapsed() > TIDIES_FILES_EVERY) {
                self.tidy_files().await;
                files_tidied = Some(Instant::now());
            }
            tokio::time::sleep(TIDIES_EVERY).await;
        }
    }

    /// Takes what was deleted off the disk now, rather than soon.
    pub async fn purge(&self) -> Result<(), crate::store::Error> {
        // An agent that worked for a call is deleted once the call is gone, and then those that worked for it.
        for _ in 0..=subagent::DEEPEST {
            self.delete_abandoned().await;
            self.0.store.tidy(self.0.clock.now()).await?;
        }
        self.tidy_files().await;
        self.0.store.forget_streamed().await
    }

    async fn tidy_files(&self) {
        let Some(files) = self.files() else { return };
        let tidied = async {
            files.tidy(self.0.clock.now()).await?;
            files.sweep().await
        };
        if let Err(error) = tidied.await {
            warn!(%error, "files that nobody needs could not be removed yet");
        }
    }

    /// Starts nothing new and waits for the running turns, at most for `grace`. What then still runs is recovered at
    /// the next start.
    pub async fn drain(&self, grace: Duration) {
        self.0.draining.store(true, Ordering::Release);
        // Whether they made it in time or not, the server ends.
        let _ = tokio::time::timeout(grace, self.0.running.none()).await;
    }
}

impl Shared {
    /// What a request under the same key was answered; another request under that key is refused.
    async fn first_answer(&self, key: &Idempotency) -> Result<Option<Receipt>, Error> {
        let first = self.store.idempotency(key.scope, key.user_id, &key.key).await?;
        let Some(first) = first else { return Ok(None) };
        if first.fingerprint != key.fingerprint {
            return Err(Error::KeyReused);
        }
        let receipt = serde_json::from_str(&first.response).map_err(|_| Error::Unavailable)?;
        Ok(Some(receipt))
    }

    fn count(&self, entries: &[(Seq, Entry)]) {
        let mut deltas = 0u64;
        for (_, entry) in entries {
            match entry {
                Entry::Delta(_) => deltas += 1,
                Entry::Event(event) if event.kind().starts_with("turn.") => {
                    metrics::counter!("weir_turn_events_total", "state" => event.kind()).increment(1);
                }
                Entry::Event(_) => {}
            }
        }
        metrics::counter!("weir_deltas_total").increment(deltas);
    }
}
