//! The actor of one conversation, and the only one who appends to its log.
//!
//! It always does, in this order: decide, commit, evolve, publish, act. One job is in flight at a time; what arrives
//! meanwhile waits in the mailbox and shares the next commit. Asleep, it costs nothing but its rows on disk.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;
use tracing::{Instrument, debug, error, info_span, warn};

use super::batch::Batch;
use super::compaction::{self, Summary, Wanted};
use super::effect::{self, Said};
use super::live::Live;
use super::mail::{CompactionReply, MAILBOX, Mail, Order};
use super::open_text::OpenTexts;
use super::registry::Vacancy;
use super::running::Share;
use super::{Bounds, Error, Receipt, Shared, question, subagent, title, tool};
use crate::chat::conversation::{Command, Conversation, ConversationChanges, Doomed, Refusal};
use crate::chat::event::{Entry, Event, Problem, Seq};
use crate::chat::message::Opaque;
use crate::chat::question::Answer;
use crate::chat::turn::{CallFailure, Effect, Ending, Fence, Input, Judgement, Wake};
use crate::id::{CallId, ConversationId, MessageId, QuestionId, TurnId};
use crate::store::{self, Branch, Lane, Record};

/// An actor with nothing to do for so long goes to sleep.
const SLEEPS_AFTER: Duration = Duration::from_secs(30);

/// A full disk is probed again so often.
const PROBE_FULL: Duration = Duration::from_secs(1);

/// How an actor begins.
pub(super) enum Origin {
    /// The conversation is in the store, or does not exist.
    Stored,
    /// Its first command creates it.
    New(Box<Conversation>),
}

pub(super) struct Actor {
    id: ConversationId,
    shared: Arc<Shared>,
    mailbox: mpsc::Receiver<Mail>,
    /// For the model calls that report back here.
    address: mpsc::WeakSender<Mail>,
    generation: u64,
    live: Arc<Live>,
    conversation: Arc<Conversation>,
    seq: Seq,
    opaque: BTreeMap<(MessageId, u32), Opaque>,
    calls: JoinSet<()>,
    running: HashMap<TurnId, RunningCall>,
    wakes: BTreeSet<(Instant, TurnId, Wake)>,
    /// Calls that are looked up in the policy, or run.
    tools: HashMap<CallId, RunningTool>,
    share: Share,
    /// A command that came while a batch of model output was collected.
    next: Option<Mail>,
    compacting: Option<Compacting>,
    title: Titling,
}

/// A summary in the making, and who waits for it.
struct Compacting {
    abort: AbortHandle,
    waiting: Vec<CompactionReply>,
}

/// A title is looked for at most once in an actor's life.
enum Titling {
    NotYet,
    Asked(AbortHandle),
    Done,
}

struct RunningCall {
    fence: Fence,
    abort: AbortHandle,
}

struct RunningTool {
    turn_id: TurnId,
    started: bool,
    /// Another agent works on it.
    delegated: bool,
    /// Where it hears what people say to its questions.
    answers: Option<mpsc::Sender<(QuestionId, Answer)>>,
    abort: AbortHandle,
}

/// Whether the actor goes on after a commit.
enum Then {
    GoOn,
    /// Its picture of the log may be wrong, or the store is sealed: the next one loads anew.
    Stop(Error),
}

/// Lives until the conversation is idle for a while, or its picture of the log may be wrong. The caller frees the
/// actor's place in the registry.
pub(super) async fn run(id: ConversationId, shared: Arc<Shared>, vacancy: Vacancy) {
    let Vacancy { origin, mailbox, address, live, generation } = vacancy;
    match load(id, origin, &shared, &live).await {
        Ok(Some((conversation, seq))) => {
            let mut share = shared.running.share();
            share.set(&conversation);
            let actor = Actor {
                id,
                shared,
                mailbox,
                address,
                generation,
                live,
                conversation: Arc::new(conversation),
                seq,
                opaque: BTreeMap::new(),
                calls: JoinSet::new(),
                running: HashMap::new(),
                wakes: BTreeSet::new(),
                tools: HashMap::new(),
                share,
                next: None,
                compacting: None,
                title: Titling::NotYet,
            };
            actor.live().await;
        }
        Ok(None) => refuse_all(mailbox, || Error::NotFound).await,
        Err(error) => {
            error!(%error, "the conversation could not be loaded");
            refuse_all(mailbox, || Error::Store(error.clone())).await;
        }
    }
}

async fn load(
    id: ConversationId,
    origin: Origin,
    shared: &Shared,
    live: &Live,
) -> Result<Option<(Conversation, Seq)>, store::Error> {
    if let Origin::New(conversation) = origin {
        return Ok(Some((*conversation, Seq::START)));
    }
    let Some(loaded) = shared.store.load(id).await? else { return Ok(None) };
    let entries: Vec<Entry> = loaded.events.into_iter().map(|(_, event)| Entry::Event(event)).collect();
    let mut conversation = Conversation::load(loaded.info, loaded.head, &entries);
    let open = OpenTexts::restore(&loaded.open, &mut conversation);
    live.load(loaded.last_seq, loaded.position, open);
    Ok(Some((conversation, loaded.last_seq)))
}

/// There is nobody to talk to: every waiting mail is told so.
async fn refuse_all(mut mailbox: mpsc::Receiver<Mail>, why: impl Fn() -> Error) {
    mailbox.close();
    while let Some(mail) = mailbox.recv().await {
        mail.refuse(why());
    }
}

impl Actor {
    async fn live(mut self) {
        if !self.conversation.is_idle()
            && let Then::Stop(why) = self.recover().await
        {
            return self.stop(why).await;
        }
        loop {
            let Some(mail) = self.next_mail().await else {
                match self.fall_asleep() {
                    Asleep::Yes => return,
                    Asleep::No => continue,
                }
            };
            let then = match mail {
                Mail::LetGo if self.is_idle() && self.next.is_none() => match self.fall_asleep() {
                    Asleep::Yes => return,
                    Asleep::No => Then::GoOn,
                },
                Mail::LetGo => Then::GoOn,
                Mail::Settle { reply } => {
                    // Whoever waited may be gone.
                    let _ = reply.send(());
                    Then::GoOn
                }
                Mail::Command { order, reply } => self.obey(*order, reply).await,
                Mail::Model { turn_id, fence, said } => self.hear(turn_id, fence, said).await,
                Mail::Input { turn_id, input } => self.take_input(turn_id, input).await,
                Mail::Compact { wanted, reply } => {
                    self.compact(*wanted, reply);
                    Then::GoOn
                }
                Mail::Compacted(summary) => self.take_summary(summary).await,
                Mail::Titled(title) => self.take_title(title).await,
            };
            if let Then::Stop(why) = then {
                return self.stop(why).await;
            }
        }
    }

    /// Nothing runs, nothing waits, and nobody is asked for anything.
    fn is_idle(&self) -> bool {
        let asked_for_a_title = matches!(self.title, Titling::Asked(_));
        self.conversation.is_idle() && self.compacting.is_none() && !asked_for_a_title
    }

    /// The next thing to do; `None` when it is time to sleep.
    async fn next_mail(&mut self) -> Option<Mail> {
        if let Some(mail) = self.next.take() {
            return Some(mail);
        }
        loop {
            let idle = self.is_idle();
            let first = self.wakes.first().copied();
            // A mailbox that is never empty must not keep a turn alive beyond its time.
            if let Some((at, turn_id, wake)) = first
                && at <= Instant::now()
            {
                self.wakes.remove(&(at, turn_id, wake));
                return Some(Mail::wake(turn_id, wake));
            }
            let wakes_at = first.map_or_else(Instant::now, |(at, ..)| at);
            tokio::select! {
                biased;
                mail = self.mailbox.recv() => return mail,
                Some(ended) = self.calls.join_next_with_id(), if !self.calls.is_empty() => {
                    if let Err(failed) = ended
                        && let Some(mail) = self.call_died(&failed)
                    {
                        return Some(mail);
                    }
                }
                () = tokio::time::sleep_until(wakes_at), if first.is_some() => {}
                () = tokio::time::sleep(SLEEPS_AFTER), if idle => return None,
            }
        }
    }

    /// A model call that panicked still answers for its turn.
    fn call_died(&self, failed: &tokio::task::JoinError) -> Option<Mail> {
        if failed.is_cancelled() {
            return None;
        }
        error!(%failed, "a model call panicked");
        if self.compacting.as_ref().is_some_and(|compacting| compacting.abort.id() == failed.id()) {
            return Some(Mail::Compacted(Err(Error::Unavailable)));
        }
        if matches!(&self.title, Titling::Asked(abort) if abort.id() == failed.id()) {
            return Some(Mail::Titled(None));
        }
        if let Some((call_id, tool)) = self.tools.iter().find(|(_, tool)| tool.abort.id() == failed.id()) {
            let error = "something went wrong in the server while the tool ran".to_owned();
            let input = match tool.started {
                true => {
                    Input::ToolEnded { call_id: *call_id, ending: Ending::Unknown { error }, spent: None }
                }
                false => Input::Judged { call_id: *call_id, judgement: Judgement::Impossible { error } },
            };
            return Some(Mail::Input { turn_id: tool.turn_id, input });
        }
        let (turn_id, call) = self.running.iter().find(|(_, call)| call.abort.id() == failed.id())?;
        let problem = Problem {
            kind: "internal".to_owned(),
            title: "Something went wrong in the server".to_owned(),
            status: 500,
            detail: "the model call could not be carried out".to_owned(),
            errors: Vec::new(),
        };
        let said = Said::Failed(CallFailure::Refused { problem });
        Some(Mail::Model { turn_id: *turn_id, fence: call.fence, said })
    }

    /// One summary at a time; whoever asks meanwhile waits for the same.
    fn compact(&mut self, wanted: Wanted, reply: Option<CompactionReply>) {
        if let Some(compacting) = &mut self.compacting {
            compacting.waiting.extend(reply);
            return;
        }
        let Some(mailbox) = self.address.upgrade() else { return };
        let (shared, id) = (self.shared.clone(), self.id);
        let work = async move {
            let summary = compaction::summarise(&shared, id, &wanted).await;
            // A conversation that stopped listening wants no summary.
            drop(mailbox.send(Mail::Compacted(summary)).await);
        };
        let abort = self.calls.spawn(work.instrument(info_span!("compaction")));
        self.compacting = Some(Compacting { abort, waiting: reply.into_iter().collect() });
    }

    async fn take_summary(&mut self, summary: Result<Summary, Error>) -> Then {
        let waiting = self.compacting.take().map(|compacting| compacting.waiting).unwrap_or_default();
        let (answer, then) = match summary {
            Ok(Summary { compaction, told }) => {
                fail::fail_point!("runtime::summarised");
                let command = Command::Compact { compaction: Box::new(compaction.clone()), told: Some(told) };
                match self.carry_out(Order::plain(command)).await {
                    Ok(_) => (Ok(compaction), Then::GoOn),
                    Err(error) if error.leaves_the_log_unknown() => (Err(error.clone()), Then::Stop(error)),
                    Err(error) => (Err(error), Then::GoOn),
                }
            }
            Err(error) => (Err(error), Then::GoOn),
        };
        for reply in waiting {
            // Whoever asked may be gone.
            drop(reply.send(answer.clone()));
        }
        then
    }

    /// After its first exchange a conversation gets a title, if nobody gave it one.
    fn look_for_a_title(&mut self) {
        let Titling::NotYet = self.title else { return };
        let info = &self.conversation.info;
        let wanted = info.title.is_none()
            && self.shared.agents.get(&info.agent).is_some_and(|agent| agent.options.titles);
        let (Some(head), Some(mailbox)) = (self.conversation.head, self.address.upgrade()) else { return };
        if !wanted {
            return;
        }
        let (shared, id, agent) = (self.shared.clone(), self.id, info.agent.clone());
        let work = async move {
            let title = title::find(&shared, id, head, &agent).await;
            // A conversation that stopped listening stays without.
            drop(mailbox.send(Mail::Titled(title)).await);
        };
        self.title = Titling::Asked(self.calls.spawn(work.instrument(info_span!("title"))));
    }

    async fn take_title(&mut self, title: Option<String>) -> Then {
        self.title = Titling::Done;
        let Some(title) = title.filter(|_| self.conversation.info.title.is_none()) else { return Then::GoOn };
        let changes = ConversationChanges { title: Some(Some(title)), ..ConversationChanges::default() };
        match self.carry_out(Order::plain(Command::Update { changes })).await {
            Err(error) if error.leaves_the_log_unknown() => Then::Stop(error),
            Ok(_) | Err(_) => Then::GoOn,
        }
    }

    async fn recover(&mut self) -> Then {
        let mut batch = self.batch();
        if let Err(refusal) = batch.take(Command::Recover) {
            warn!(%refusal, "nothing was recovered");
        }
        match self.commit(batch, None).await {
            Ok(()) => Then::GoOn,
            Err(error) => {
                error!(%error, "unfinished turns could not be recovered");
                Then::Stop(error)
            }
        }
    }

    async fn obey(&mut self, order: Order, reply: oneshot::Sender<Result<Receipt, Error>>) -> Then {
        let (answer, then) = match self.carry_out(order).await {
            Ok(receipt) => (Ok(receipt), Then::GoOn),
            Err(error) => {
                let lost = error.leaves_the_log_unknown() || self.seq == Seq::START;
                (Err(error.clone()), if lost { Then::Stop(error) } else { Then::GoOn })
            }
        };
        fail::fail_point!("runtime::before_answer");
        // Whoever asked may be gone; what was committed stays.
        drop(reply.send(answer));
        then
    }

    async fn carry_out(&mut self, order: Order) -> Result<Receipt, Error> {
        let Order { command, receipt, idempotency, caller } = order;
        if let Some(key) = &idempotency
            && let Some(first) = self.shared.first_answer(key).await?
        {
            return Ok(first);
        }
        let wants_a_turn = wants_a_turn(&command);
        let command = self.informed(command).await?;
        let mut batch = self.batch().asked_by(caller);
        batch.take(command)?;
        if wants_a_turn {
            self.check_bounds(batch.outcome())?;
        }
        let receipt = Receipt {
            conversation_id: self.id,
            message_id: receipt.message_id,
            turn_id: receipt.turn_id,
            seq: batch.end,
        };
        let key = idempotency.map(|key| key.into_record(receipt, self.shared.clock.now()));
        if let Err(error) = self.commit(batch, key).await {
            self.share.set(&self.conversation);
            return Err(error);
        }
        Ok(receipt)
    }

    /// Whether a send may make this of the conversation; if so, what it starts counts from here on.
    fn check_bounds(&mut self, outcome: &Conversation) -> Result<(), Error> {
        let Bounds { turns_per_user, queue_per_conversation } = self.shared.bounds;
        let queued = outcome.queue.len();
        if queued > self.conversation.queue.len() && queued > queue_per_conversation {
            return Err(Error::QueueFull { most: queue_per_conversation });
        }
        match self.share.reserve(outcome, turns_per_user) {
            true => Ok(()),
            false => Err(Error::TooManyTurns { most: turns_per_user }),
        }
    }

    /// Adds what only the store knows.
    async fn informed(&self, command: Command) -> Result<Command, Error> {
        match command {
            Command::DeleteBranch(doomed) => self.whole_branch(doomed.message_id).await,
            Command::Resolve { turn_id, call_id, resolution, output, resolved_by, .. }
                if !self.conversation.turns.contains_key(&turn_id)
                    && self.shared.store.is_left_unresolved(self.id, call_id).await? =>
            {
                Ok(Command::ResolveLate { turn_id, call_id, resolution, output, resolved_by })
            }
            other => Ok(other),
        }
    }

    async fn whole_branch(&self, message_id: MessageId) -> Result<Command, Error> {
        let branch = self.shared.store.branch(self.id, message_id, self.conversation.places()).await?;
        let Branch { parent_id, own, places } = branch.ok_or(Error::NotFound)?;
        match own {
            true => Ok(Command::DeleteBranch(Doomed { message_id, parent_id, places })),
            false => Err(Refusal::Inherited { message_id }.into()),
        }
    }

    /// Takes in what a model said, with all that is already waiting behind it.
    async fn hear(&mut self, turn_id: TurnId, fence: Fence, said: Said) -> Then {
        let mut batch = self.batch();
        batch.take_model(turn_id, said.into_input(fence), &mut self.opaque);
        while !batch.is_full() {
            match self.mailbox.try_recv() {
                Ok(Mail::Model { turn_id, fence, said }) => {
                    batch.take_model(turn_id, said.into_input(fence), &mut self.opaque);
                }
                Ok(other) => {
                    self.next = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        match self.commit_until_there_is_room(batch).await {
            Ok(()) => Then::GoOn,
            Err(error) => {
                error!(%error, "a model's answer could not be stored");
                Then::Stop(error)
            }
        }
    }

    async fn take_input(&mut self, turn_id: TurnId, input: Input) -> Then {
        let mut batch = self.batch();
        if let Err(refusal) = batch.take(Command::Turn { turn_id, input }) {
            warn!(%refusal, "nobody waits for that any more");
            return Then::GoOn;
        }
        match self.commit_until_there_is_room(batch).await {
            Ok(()) => Then::GoOn,
            Err(error) => {
                error!(%error, "what a turn waited for could not be stored");
                Then::Stop(error)
            }
        }
    }

    /// What happened cannot be asked for again: it waits for the disk, and the conversation with it.
    async fn commit_until_there_is_room(&mut self, batch: Batch) -> Result<(), Error> {
        let mut batch = batch;
        loop {
            match self.try_commit(batch, None).await {
                Ok(()) => return Ok(()),
                Err((Error::Store(error @ (store::Error::Full | store::Error::Busy)), again)) => {
                    warn!(%error, "what happened waits for the disk");
                    tokio::time::sleep(PROBE_FULL).await;
                    batch = again;
                }
                Err((error, _)) => return Err(error),
            }
        }
    }

    async fn commit(&mut self, batch: Batch, key: Option<Record>) -> Result<(), Error> {
        self.try_commit(batch, key).await.map_err(|(error, _)| error)
    }

    /// Commit, evolve, publish, act. A batch that was not stored comes back.
    async fn try_commit(&mut self, batch: Batch, key: Option<Record>) -> Result<(), (Error, Batch)> {
        if batch.is_empty() && key.is_none() {
            batch.effects.into_iter().for_each(|effect| self.act(effect));
            return Ok(());
        }
        fail::fail_point!("runtime::before_commit");
        let open = batch.completes_a_message().then(|| self.live.open());
        let job = batch.job(open.unwrap_or_default(), &self.opaque, key);
        if let Err(error) = self.shared.store.commit(Lane::People, job).await {
            return Err((Error::Store(error), batch));
        }
        fail::fail_point!("runtime::after_commit");
        let frames = batch.frames(&self.live.framer);
        self.shared.count(&batch.entries);
        self.seq = batch.end;
        let (entries, effects) = batch.evolve(&mut self.conversation);
        self.live.publish(frames, &entries);
        if entries.iter().any(|(_, entry)| matches!(entry, Entry::Event(Event::TurnCompleted { .. }))) {
            self.look_for_a_title();
        }
        self.forget_what_ended();
        fail::fail_point!("runtime::after_publish");
        for effect in effects {
            self.act(effect);
        }
        Ok(())
    }

    fn forget_what_ended(&mut self) {
        let turns = &self.conversation.turns;
        self.share.set(&self.conversation);
        self.wakes.retain(|(_, turn_id, _)| turns.contains_key(turn_id));
        let dead = self.tools.extract_if(|_, tool| !turns.contains_key(&tool.turn_id));
        for (call_id, tool) in dead {
            if tool.delegated && !tool.abort.is_finished() {
                subagent::cancel(self.shared.clone(), call_id);
            }
            tool.abort.abort();
        }
        self.running.retain(|turn_id, call| {
            let alive = turns.contains_key(turn_id);
            if !alive {
                call.abort.abort();
            }
            alive
        });
        if !self.opaque.is_empty() {
            let open: BTreeSet<MessageId> =
                turns.values().filter_map(|turn| Some(turn.open.as_ref()?.id)).collect();
            self.opaque.retain(|(message_id, _), _| open.contains(message_id));
        }
    }

    fn act(&mut self, effect: Effect) {
        match effect {
            Effect::CallModel { turn_id, fence } => self.call_model(turn_id, fence),
            Effect::CancelAttempt { turn_id } => {
                if let Some(call) = self.running.remove(&turn_id) {
                    call.abort.abort();
                }
            }
            Effect::Judge { turn_id, call_id } => self.judge(turn_id, call_id),
            Effect::RunTool { turn_id, call_id, again } => self.run_tool(turn_id, call_id, again),
            Effect::PassAnswer { call_id, question_id, answer } => {
                if let Some(answers) = self.tools.get(&call_id).and_then(|tool| tool.answers.as_ref()) {
                    // Who has no room for it asked something else meanwhile.
                    drop(answers.try_send((question_id, answer)));
                }
            }
            Effect::WakeAt { turn_id, wake, at } => {
                self.wakes.retain(|(_, id, earlier)| (*id, *earlier) != (turn_id, wake));
                // From here on the clock on the wall may jump as it likes.
                let left = at.since(self.shared.clock.now());
                self.wakes.insert((Instant::now() + left, turn_id, wake));
            }
        }
    }

    fn call_model(&mut self, turn_id: TurnId, fence: Fence) {
        let (Some(turn), Some(mailbox)) = (self.conversation.turns.get(&turn_id), self.address.upgrade())
        else {
            return;
        };
        debug!(%turn_id, attempt = fence.attempt, step = fence.step, "asking the model");
        let call = effect::ModelCall {
            workspace_id: self.conversation.info.workspace_id,
            conversation_id: self.id,
            turn: turn.clone(),
            mouth: effect::Mouth::new(mailbox, turn_id, fence),
        };
        let span = info_span!("turn", %turn_id, attempt = fence.attempt, step = fence.step);
        let abort = self.calls.spawn(effect::call_model(self.shared.clone(), call).instrument(span));
        if let Some(dead) = self.running.insert(turn_id, RunningCall { fence, abort }) {
            dead.abort.abort();
        }
    }

    fn judge(&mut self, turn_id: TurnId, call_id: CallId) {
        let Some((judged, line)) = self.judged(turn_id, call_id) else { return };
        let shared = self.shared.clone();
        let work = async move {
            if let Some(judgement) = tool::judge(&shared, &judged).await {
                line.tell(Input::Judged { call_id, judgement }).await;
            }
        };
        let abort = self.calls.spawn(work.instrument(info_span!("judge", %call_id)));
        self.tools
            .insert(call_id, RunningTool { turn_id, started: false, delegated: false, answers: None, abort });
    }

    fn run_tool(&mut self, turn_id: TurnId, call_id: CallId, again: bool) {
        let Some((judged, line)) = self.judged(turn_id, call_id) else { return };
        let shared = self.shared.clone();
        let delegated = judged.turn.call(call_id).is_some_and(|open| open.call.child_id.is_some());
        let (answers, heard) = mpsc::channel(question::ROOM);
        let work = async move { tool::run(&shared, &judged, again, line, heard).await };
        let abort = self.calls.spawn(work.instrument(info_span!("tool", %call_id)));
        let answers = Some(answers);
        self.tools.insert(call_id, RunningTool { turn_id, started: true, delegated, answers, abort });
    }

    fn judged(&self, turn_id: TurnId, call_id: CallId) -> Option<(tool::Judged, tool::Line)> {
        let turn = self.conversation.turns.get(&turn_id)?.clone();
        let line = tool::Line { mailbox: self.address.upgrade()?, turn_id };
        let info = (*self.conversation.info).clone();
        Some((tool::Judged { conversation_id: self.id, info, turn, call_id }, line))
    }

    fn batch(&self) -> Batch {
        Batch::on(self.conversation.clone(), self.id, self.seq, self.shared.clock.now())
    }

    /// Closes the mailbox; if something slipped in, opens another and goes on.
    fn fall_asleep(&mut self) -> Asleep {
        self.mailbox.close();
        let Ok(mail) = self.mailbox.try_recv() else {
            return Asleep::Yes;
        };
        let (sender, mailbox) = mpsc::channel(MAILBOX);
        let mut missed = std::mem::replace(&mut self.mailbox, mailbox);
        self.address = sender.downgrade();
        while let Ok(later) = missed.try_recv() {
            // Room for all of them: the old mailbox was no larger.
            drop(sender.try_send(later));
        }
        self.next = Some(mail);
        self.shared.registry.replace(self.id, self.generation, sender);
        Asleep::No
    }

    /// Ends without another word to the log; the next actor loads what is really there.
    async fn stop(mut self, error: Error) {
        self.calls.abort_all();
        if let Error::Store(store::Error::Sealed) = error {
            self.live.seal(error.problem());
        }
        if let Some(mail) = self.next.take() {
            mail.refuse(error.clone());
        }
        refuse_all(self.mailbox, || error.clone()).await;
    }
}

enum Asleep {
    Yes,
    No,
}

/// Whether somebody asks for more work. What ends work, or was promised before, is never refused for want of room.
fn wants_a_turn(command: &Command) -> bool {
    match command {
        Command::Create { .. } | Command::Send(_) | Command::Regenerate(_) => true,
        Command::MoveHead { .. }
        | Command::DeleteBranch(_)
        | Command::Mark { .. }
        | Command::Compact { .. }
        | Command::Uncompact { .. }
        | Command::Cancel { .. }
        | Command::Vote { .. }
        | Command::EndCall { .. }
        | Command::Answer { .. }
        | Command::Resolve { .. }
        | Command::ResolveLate { .. }
        | Command::Turn { .. }
        | Command::Recover
        | Command::Reorder { .. }
        | Command::EditQueued { .. }
        | Command::Withdraw { .. }
        | Command::Update { .. }
        | Command::Delete => false,
    }
}
