//! The log is the truth: its batches, applied in order to an empty database, give the same tables.

mod store_support;

use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use rusqlite::types::Value;
use store_support::{NOW, Talk, colleague, options, replayed, scope};
use tempfile::TempDir;
use weir::chat::compaction::Compaction;
use weir::chat::conversation::ForkPoint;
use weir::chat::event::{Event, Seq};
use weir::chat::file::{ContentHash, FileChange, FileInfo, StoredFile};
use weir::chat::message::{Call, CallState, Marks, MessageStatus, Part, Role};
use weir::chat::question::{AnswerAction, Question};
use weir::chat::turn::{QueuedTurn, Recovery};
use weir::id::{CallId, CompactionId, FileId, MessageId, QuestionId, TurnId};
use weir::scope::Scope;
use weir::store::{
    Batch, Conflict, ConversationFile, Error, FileRoom, IdempotencyKey, KeyScope, Lane, Options, Record,
    Replicate, ReplicateError, Store,
};

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<Batch>>>);

impl Replicate for Kept {
    fn replicate(&mut self, batch: &Batch) -> Result<(), ReplicateError> {
        // As they would travel.
        let json = serde_json::to_vec(batch).expect("a batch serialises");
        self.0.lock().unwrap().push(serde_json::from_slice(&json).expect("a batch comes back"));
        Ok(())
    }
}

struct Failing;

impl Replicate for Failing {
    fn replicate(&mut self, batch: &Batch) -> Result<(), ReplicateError> {
        match batch.position {
            1 => Ok(()),
            position => Err(ReplicateError(format!("no quorum for {position}"))),
        }
    }
}

/// Every row of every table, in the order of their keys.
fn tables(dir: &TempDir) -> Vec<(String, Vec<Vec<Value>>)> {
    let conn = rusqlite::Connection::open(dir.path().join("weir.db")).unwrap();
    let mut names =
        conn.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").unwrap();
    let names: Vec<String> = names.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let table = |name: &String| {
        let keys = conn.prepare(&format!("SELECT * FROM {name}")).unwrap().column_count().min(3);
        let keys = (1..=keys).map(|key| key.to_string()).collect::<Vec<_>>().join(", ");
        let mut rows = conn.prepare(&format!("SELECT * FROM {name} ORDER BY {keys}")).unwrap();
        let width = rows.column_count();
        let rows = rows.query_map([], |row| (0..width).map(|column| row.get(column)).collect()).unwrap();
        rows.map(Result::unwrap).collect()
    };
    names.iter().map(|name| (name.clone(), table(name))).collect()
}

#[derive(Debug, Clone)]
enum Step {
    Say(String),
    Answer,
    Part(u32),
    Delta(u32, String),
    Complete,
    Title(String),
    /// A job whose last record fails after others were applied.
    Fail,
    /// Expects another end than the log has.
    Stale,
}

fn step() -> impl Strategy<Value = Step> {
    let text = "[a-zß漢👋]{1,12}";
    prop_oneof![
        2 => text.prop_map(Step::Say),
        2 => Just(Step::Answer),
        3 => (0..3u32).prop_map(Step::Part),
        9 => (0..3u32, text).prop_map(|(index, text)| Step::Delta(index, text)),
        2 => Just(Step::Complete),
        1 => text.prop_map(Step::Title),
        1 => Just(Step::Fail),
        1 => Just(Step::Stale),
    ]
}

/// Adds the step to the job that is being made; whether it will be stored.
fn act(talk: &mut Talk, step: &Step) -> bool {
    let open = talk.streaming();
    match step {
        Step::Say(text) => {
            talk.say(text);
        }
        Step::Answer if open.len() < 4 => {
            let question = talk.say("?");
            let turn = talk.start_turn(question);
            talk.answer_under(turn, Some(question));
        }
        Step::Part(index) => {
            if let Some(id) = open.iter().find(|id| talk.parts(**id) == *index) {
                talk.part(*id, *index);
            }
        }
        Step::Delta(index, text) => {
            if let Some(id) = open.iter().rev().find(|id| talk.parts(**id) > *index) {
                talk.delta(*id, *index, text);
            }
        }
        Step::Complete => {
            if let Some(id) = open.first() {
                talk.complete(*id);
            }
        }
        Step::Title(text) => {
            let changes = weir::chat::conversation::ConversationChanges {
                title: Some(Some(text.clone())),
                ..Default::default()
            };
            talk.event(Event::ConversationUpdated { changes });
        }
        Step::Answer => {}
        Step::Fail | Step::Stale => return false,
    }
    true
}

async fn refused(store: Store, mut talk: Talk, stale: bool) {
    talk.say("never stored");
    if let Some(id) = talk.streaming().first().copied() {
        talk.complete(id);
    }
    talk.event(Event::HeadChanged { head: Some(MessageId::new()) });
    let mut job = talk.job();
    if stale {
        job.expected_last_seq = Seq(job.expected_last_seq.0 + 1);
        job.records.pop();
    }
    let error = store.commit(Lane::People, job).await.unwrap_err();
    assert!(matches!(error, Error::Refused(_)), "{error}");
}

async fn run(rounds: Vec<Vec<(usize, Step)>>) {
    let (dir, kept, scope) = (tempfile::tempdir().unwrap(), Kept::default(), scope());
    let with =
        |dir: &TempDir| Options { replica: Box::new(kept.clone()), journal_limit: 600, ..options(dir) };
    let (mut store, _) = Store::open(with(&dir), NOW).unwrap();
    let mut talks: Vec<_> = (0..3).map(|_| Talk::new(&scope)).collect();
    for talk in &mut talks {
        talk.create().committed(&store).await;
    }
    let middle = rounds.len() / 2;
    for (number, round) in rounds.into_iter().enumerate() {
        if number == middle {
            store.close().await;
            store = Store::open(with(&dir), NOW).unwrap().0;
        }
        // The jobs of a round wait together, so that several share a batch; the refused ones expect what was
        // before the round.
        let mut jobs = tokio::task::JoinSet::new();
        for (talk, step) in &round {
            let before = talks[*talk].clone();
            if before.records.is_empty() && !act(&mut talks[*talk], step) {
                jobs.spawn(refused(store.clone(), before, matches!(step, Step::Stale)));
            }
        }
        for talk in &mut talks {
            let (job, store) = (talk.job(), store.clone());
            if !job.records.is_empty() {
                jobs.spawn(async move { store.commit(Lane::People, job).await.expect("it is stored") });
            }
        }
        jobs.join_all().await;
    }
    for talk in &talks {
        let open: usize =
            store.open_messages(talk.id).await.unwrap().iter().map(|tail| tail.bytes() as usize).sum();
        let found = replayed(&store, talk.id, Seq::START, talk.seq, 64).await.unwrap();
        let all = talk.after(Seq::START);
        let width = |atoms: &[(Seq, store_support::Written)]| -> usize {
            atoms.iter().map(|(_, written)| written.width()).sum()
        };
        assert_eq!(width(&found) + open, width(&all));
        assert!(found.iter().all(|atom| all.contains(atom)));
        for tail in store.open_messages(talk.id).await.unwrap() {
            assert_eq!(tail.parts_by_index(), talk.open_text(tail.message_id));
            assert_eq!(tail.runs, talk.open_runs(tail.message_id));
        }
    }
    store.close().await;

    let copy = tempfile::tempdir().unwrap();
    let batches = kept.0.lock().unwrap().clone();
    assert!(batches.iter().zip(1..).all(|(batch, position)| batch.position == position), "no gaps");
    Store::rebuild(options(&copy), NOW, batches).unwrap();
    for (left, right) in tables(&dir).into_iter().zip(tables(&copy)) {
        assert_eq!(left, right);
    }
}

trait ByIndex {
    fn parts_by_index(&self) -> Vec<(u32, String)>;
}

impl ByIndex for weir::store::OpenTail {
    fn parts_by_index(&self) -> Vec<(u32, String)> {
        let mut parts = self.parts.clone();
        parts.sort();
        parts
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_batches_give_the_same_tables_and_refused_jobs_leave_nothing(
        rounds in proptest::collection::vec(proptest::collection::vec((0..3usize, step()), 1..6), 4..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(rounds));
    }
}

#[tokio::test]
async fn forks_what_is_said_about_messages_and_erased_branches_are_rebuilt_too() {
    let (dir, kept, scope) = (tempfile::tempdir().unwrap(), Kept::default(), scope());
    let with = |dir: &TempDir| Options { replica: Box::new(kept.clone()), ..options(dir) };
    let (store, _) = Store::open(with(&dir), NOW).unwrap();
    let mut talk = Talk::new(&scope);
    let first = talk.create().say("a beginning");
    let turn = talk.start_turn(first);
    let answer = talk.answer(turn);
    talk.part(answer, 0).delta(answer, 0, "an answer").complete(answer).end_turn(turn);
    let marks = Marks { branch_name: Some("Plan B".to_owned()), starred: true, pinned: true };
    talk.event(Event::MessageMarked { message_id: first, marks });
    let compaction = Compaction {
        id: CompactionId::new(),
        message_id: answer,
        summary: "in short".to_owned(),
        model: None,
        requested_by: None,
        tokens_before: 9,
        tokens_after: 1,
        created_at: NOW,
    };
    talk.event(Event::ConversationCompacted { compaction: compaction.clone() }).committed(&store).await;

    let mut fork = Talk::new(&scope);
    let origin = ForkPoint { conversation_id: talk.id, message_id: answer };
    fork.create().event(Event::ConversationForked { origin }).committed(&store).await;
    fork.say_under(Some(answer), "another way");
    fork.event(Event::ConversationUncompacted { compaction_id: compaction.id, message_id: answer });
    fork.committed(&store).await;

    let doomed = talk.say_under(Some(answer), "a secret");
    let turn = talk.start_turn(doomed);
    let last = talk.answer_under(turn, Some(doomed));
    talk.part(last, 0).delta(last, 0, "another secret").complete(last).end_turn(turn);
    talk.event(Event::HeadChanged { head: Some(answer) });
    talk.event(Event::BranchDeleted { message_id: doomed, turn_ids: Vec::new() }).committed(&store).await;
    store.erase_branch(talk.id, doomed).await.unwrap();
    talk.event(Event::ConversationDeleted {}).committed(&store).await;
    store.tidy(NOW).await.unwrap();
    assert_eq!(store.path(&scope, fork.id, None, None, 9).await.unwrap().unwrap().messages.len(), 3);
    store.close().await;

    let copy = tempfile::tempdir().unwrap();
    Store::rebuild(options(&copy), NOW, kept.0.lock().unwrap().clone()).unwrap();
    assert_eq!(tables(&dir), tables(&copy));
}

fn kept(scope: &Scope, name: &str) -> StoredFile {
    let info =
        FileInfo { id: FileId::new(), name: name.to_owned(), media_type: "text/plain".to_owned(), size: 7 };
    let (workspace_id, uploaded_by) = (scope.workspace_id, Some(scope.user_id));
    StoredFile { info, workspace_id, uploaded_by, sha256: ContentHash([7; 32]), created_at: NOW }
}

#[tokio::test]
async fn files_and_what_uses_them_are_rebuilt_too() {
    let (dir, batches, scope) = (tempfile::tempdir().unwrap(), Kept::default(), scope());
    let with = |dir: &TempDir| Options { replica: Box::new(batches.clone()), ..options(dir) };
    let (store, _) = Store::open(with(&dir), NOW).unwrap();
    let room = FileRoom { user_files: 4, user_bytes: 28, workspace_bytes: 28 };
    let files: Vec<StoredFile> =
        ["sent", "queued", "written", "unused"].map(|name| kept(&scope, name)).into();
    for file in &files {
        store.keep_file(file.clone(), room, None).await.unwrap();
    }
    let refused = store.keep_file(kept(&scope, "one too many"), room, None).await.unwrap_err();
    assert!(matches!(refused, Error::Refused(Conflict::NoRoom { .. })), "{refused}");
    let part = |file: &StoredFile| {
        let FileInfo { id, name, media_type, size } = file.info.clone();
        Part::File { file_id: id, name, media_type, size }
    };
    let seen = |scope: &Scope| {
        let (store, scope, files) = (store.clone(), scope.clone(), files.clone());
        async move {
            let mut names = Vec::new();
            for file in files {
                names.extend(store.file(&scope, file.info.id).await.unwrap().map(|file| file.info.name));
            }
            names.join(" ")
        }
    };

    let mut talk = Talk::new(&scope);
    talk.create();
    let mut message = talk.message(Role::User, MessageStatus::Complete, None);
    message.parts = vec![part(&files[0])];
    let asked = message.id;
    talk.event(Event::MessageCreated { turn_id: Some(TurnId::new()), message, response_id: None });
    let turn_id = talk.start_turn(asked);
    let answer = talk.answer_under(turn_id, Some(asked));
    talk.complete(answer);
    let call = call(CallId::new(), turn_id, answer);
    let call_id = call.id;
    talk.event(Event::ToolProposed { turn_id, call });
    let asked = |id| {
        let question = Question { id, message: "Which?".to_owned(), schema: None, url: None };
        Event::ToolAsked { turn_id, call_id, question }
    };
    let (first, second) = (QuestionId::new(), QuestionId::new());
    let action = AnswerAction::Decline;
    talk.event(asked(first)).event(Event::ToolAnswered { turn_id, call_id, question_id: first, action });
    talk.event(asked(second)).committed(&store).await;
    assert_eq!(store.question_of_call(&scope, call_id).await.unwrap().map(|asked| asked.id), Some(second));
    assert_eq!(store.question_of_call(&colleague(&scope), call_id).await.unwrap(), None);
    let change = |file: Option<&StoredFile>| FileChange {
        path: "notes/a".parse().unwrap(),
        file: file.map(|file| file.info.clone()),
    };
    let succeeded =
        |files| Event::ToolSucceeded { turn_id, call_id, output: String::new(), files, usage: None };
    talk.event(succeeded(vec![change(Some(&files[2]))])).committed(&store).await;
    let queued = TurnId::new();
    let turn = QueuedTurn {
        request: talk.request(),
        message_id: MessageId::new(),
        parts: vec![part(&files[0])],
        metadata: None,
        lane: queued,
        parent_id: None,
        after: None,
        steer: false,
        first: false,
        limits: Talk::limits(),
        recovery: Recovery::Continue,
        queued_at: NOW,
    };
    talk.event(Event::TurnQueued { turn_id: queued, turn });
    talk.event(Event::QueueEdited { turn_id: queued, parts: vec![part(&files[1])] }).committed(&store).await;

    // What something uses stays, whoever lets go of it.
    for file in &files {
        store.release_file(file.info.id).await.unwrap();
    }
    assert_eq!(seen(&scope).await, "sent queued written");
    assert_eq!(seen(&colleague(&scope)).await, "");
    let mut fork = Talk::new(&scope);
    let origin = ForkPoint { conversation_id: talk.id, message_id: answer };
    fork.create().event(Event::ConversationForked { origin }).committed(&store).await;
    talk.event(succeeded(vec![change(None)])).event(Event::TurnCancelled { turn_id: queued });
    talk.committed(&store).await;
    store.forget_files(files.iter().map(|file| file.info.id).collect(), NOW).await.unwrap();
    assert_eq!(seen(&scope).await, "sent written");
    let paths = |files: Vec<ConversationFile>| files.into_iter().map(|file| file.path).collect::<Vec<_>>();
    assert_eq!(paths(store.files_of(talk.id).await.unwrap()), ["attachments/sent"]);
    assert_eq!(paths(store.files_of(fork.id).await.unwrap()), ["attachments/sent", "notes/a"]);
    talk.event(Event::ConversationDeleted {}).committed(&store).await;
    store.tidy(NOW).await.unwrap();
    assert_eq!(paths(store.files_of(fork.id).await.unwrap()), ["attachments/sent", "notes/a"]);
    fork.event(Event::ConversationDeleted {}).committed(&store).await;
    store.tidy(NOW).await.unwrap();
    let unused = store.unused_files(None, NOW).await.unwrap().unused;
    store.forget_files(unused, NOW).await.unwrap();
    store.close().await;
    for (table, rows) in tables(&dir) {
        let is_of_files = ["files", "file_uses", "conversation_files"].contains(&table.as_str());
        assert!(!is_of_files || rows.is_empty(), "{table}: {rows:?}");
    }

    let copy = tempfile::tempdir().unwrap();
    Store::rebuild(options(&copy), NOW, batches.0.lock().unwrap().clone()).unwrap();
    assert_eq!(tables(&dir), tables(&copy));
}

#[tokio::test]
async fn a_batch_that_is_not_replicated_is_not_there_and_seals_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(Options { replica: Box::new(Failing), ..options(&dir) }, NOW).unwrap();
    let mut talk = Talk::new(&scope());
    talk.create().committed(&store).await;
    talk.say("hello");
    assert!(matches!(talk.commit(&store).await, Err(Error::Sealed)));
    assert_eq!(store.load(talk.id).await.unwrap().unwrap().last_seq, Seq(1));
}

#[tokio::test]
async fn an_idempotency_key_is_taken_once() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = store_support::open(&dir);
    let mut talk = Talk::new(&scope());
    talk.create().committed(&store).await;
    let key = IdempotencyKey {
        scope: KeyScope::Conversation(talk.id),
        user_id: talk.scope.user_id,
        key: "once".to_owned(),
        fingerprint: [7; 32],
        response: "{}".to_owned(),
        turn_id: None,
        at: NOW,
    };
    talk.say("first");
    talk.records.push(Record::IdempotencyKey(key.clone()));
    talk.committed(&store).await;
    let mut again = talk.clone();
    again.say("second");
    again.records.push(Record::IdempotencyKey(key.clone()));
    assert!(matches!(again.commit(&store).await, Err(Error::Refused(_))));
    assert_eq!(store.load(talk.id).await.unwrap().unwrap().last_seq, talk.seq);
    let found = store.idempotency(key.scope, key.user_id, "once").await.unwrap().unwrap();
    assert_eq!((found.fingerprint, found.response, found.at), (key.fingerprint, key.response, key.at));
    assert_eq!(store.idempotency(key.scope, key.user_id, "twice").await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn old_open_text_leaves_the_journal_and_is_found_after_a_restart() {
    let (dir, kept) = (tempfile::tempdir().unwrap(), Kept::default());
    let with =
        |dir: &TempDir| Options { replica: Box::new(kept.clone()), journal_limit: 4096, ..options(dir) };
    let (store, _) = Store::open(with(&dir), NOW).unwrap();
    let mut talks: Vec<_> = (0..3).map(|_| Talk::new(&scope())).collect();
    let mut answers = Vec::new();
    for talk in &mut talks {
        talk.create();
        let question = talk.say("tell me");
        let turn = talk.start_turn(question);
        let answer = talk.answer(turn);
        talk.part(answer, 0).part(answer, 1).committed(&store).await;
        answers.push(answer);
    }
    // The second answer is silent after its first words; it must not hold the journal.
    talks[1].delta(answers[1], 0, "only this").committed(&store).await;
    let oldest = || {
        let conn = rusqlite::Connection::open(dir.path().join("weir.db")).unwrap();
        let sizes = "SELECT min(position), max(position), (SELECT count(*) FROM chunks) FROM journal";
        conn.query_row(sizes, [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
        })
        .unwrap()
    };
    for round in 0.. {
        for number in [0, 2] {
            talks[number].delta(answers[number], round % 2, "ein längerer Text ").committed(&store).await;
        }
        let (first, last, chunks) = oldest();
        if chunks >= 6 && first > 200 {
            assert!(last - first < 2000, "{first} to {last}");
            break;
        }
        assert!(round < 20_000, "rows {first} to {last}, {chunks} chunks");
    }
    store.close().await;

    let (store, startup) = Store::open(with(&dir), NOW).unwrap();
    assert_eq!(startup.unfinished.len(), 3);
    for (talk, answer) in talks.iter_mut().zip(&answers) {
        let loaded = store.load(talk.id).await.unwrap().unwrap();
        assert_eq!(loaded.last_seq, talk.seq);
        assert_eq!(loaded.open[0].parts_by_index(), talk.open_text(*answer));
        assert_eq!(loaded.open[0].runs, talk.open_runs(*answer));
        talk.complete(*answer).committed(&store).await;
        let found = replayed(&store, talk.id, Seq::START, talk.seq, 4096).await.unwrap();
        assert_eq!(found, talk.after(Seq::START));
    }
    store.close().await;
    assert_eq!(oldest().2, 0, "chunks go with their message");

    let copy = tempfile::tempdir().unwrap();
    Store::rebuild(options(&copy), NOW, kept.0.lock().unwrap().clone()).unwrap();
    assert_eq!(tables(&dir), tables(&copy));
}

/// Before, calls had no positions: an upgrade takes them from the log, where a fork asks for them.
#[tokio::test]
async fn an_upgrade_knows_which_calls_had_ended_when_a_fork_was_made() {
    let (dir, scope) = (tempfile::tempdir().unwrap(), scope());
    let (store, _) = Store::open(options(&dir), NOW).unwrap();
    let mut talk = Talk::new(&scope);
    let asked = talk.create().say("do both");
    let turn_id = talk.start_turn(asked);
    let answer = talk.answer(turn_id);
    let [early, late] = [CallId::new(), CallId::new()];
    for call_id in [early, late] {
        let index = talk.parts(answer);
        talk.part(answer, index);
        talk.event(Event::ToolProposed { turn_id, call: call(call_id, turn_id, answer) });
    }
    let succeeded = |call_id| Event::ToolSucceeded {
        turn_id,
        call_id,
        output: "done".to_owned(),
        files: Vec::new(),
        usage: None,
    };
    talk.complete(answer).event(succeeded(early)).committed(&store).await;
    let mut fork = Talk::new(&scope);
    let origin = ForkPoint { conversation_id: talk.id, message_id: answer };
    fork.create().event(Event::ConversationForked { origin }).committed(&store).await;
    talk.event(succeeded(late)).committed(&store).await;
    store.close().await;
    let before = tables(&dir);

    let old = rusqlite::Connection::open(dir.path().join("weir.db")).unwrap();
    old.execute_batch(
        "ALTER TABLE calls DROP COLUMN seq; DROP INDEX idempotency_keys_of_turn; PRAGMA user_version = 13",
    )
    .unwrap();
    drop(old);
    let (store, _) = Store::open(options(&dir), NOW).unwrap();
    let path = store.path(&scope, fork.id, None, None, 1).await.unwrap().unwrap();
    let states: Vec<_> = path.messages[0].calls.iter().map(|call| (call.id, call.state)).collect();
    assert_eq!(states, [(early, CallState::Succeeded), (late, CallState::Cancelled)]);
    store.close().await;
    assert_eq!(tables(&dir), before);
}

fn call(id: CallId, turn_id: TurnId, message_id: MessageId) -> Call {
    Call {
        id,
        turn_id,
        message_id,
        tool: "files.write".to_owned(),
        args: None,
        args_text: "{}".to_owned(),
        state: CallState::Started,
        output: None,
        error: None,
        rule: None,
        resolved: None,
        retry_of: None,
        question: None,
        child_id: None,
        progress: None,
    }
}
