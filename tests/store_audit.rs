//! The audit's chain: rebuilt from the batches like everything else, and broken by whatever touches it.

mod store_support;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};
use store_support::{NOW, Talk, options, scope};
use tempfile::TempDir;
use weir::chat::event::Event;
use weir::chat::message::{Call, CallState};
use weir::id::{CallId, MessageId, TurnId};
use weir::store::audit::{Chain, hex, verify};
use weir::store::{Audit, AuditFilter, Batch, Options, Record, Replicate, ReplicateError, Store};

const COLUMNS: [&str; 14] = [
    "workspace_id",
    "n",
    "at",
    "action",
    "actor",
    "tool",
    "conversation_id",
    "turn_id",
    "call_id",
    "approval_id",
    "salt",
    "body",
    "content_hash",
    "hash",
];

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<Batch>>>);

impl Replicate for Kept {
    fn replicate(&mut self, batch: &Batch) -> Result<(), ReplicateError> {
        self.0.lock().unwrap().push(batch.clone());
        Ok(())
    }
}

trait Audited {
    fn audited(&mut self, event: Event) -> &mut Self;
    fn call(&mut self, args: &str) -> CallId;
}

impl Audited for Talk {
    fn audited(&mut self, event: Event) -> &mut Self {
        assert!(event.is_audited());
        self.event(event);
        let caller = self.scope.caller(Some("192.0.2.7".parse().unwrap()));
        let (conversation_id, seq) = (self.id, self.seq);
        self.records.push(Record::Audit(Audit { conversation_id, seq, salt: [7; 32], caller: Some(caller) }));
        self
    }

    /// A call that ran.
    fn call(&mut self, args: &str) -> CallId {
        let (id, turn_id) = (CallId::new(), TurnId::new());
        let call = Call {
            id,
            turn_id,
            message_id: MessageId::new(),
            tool: "refund".to_owned(),
            args: None,
            args_text: args.to_owned(),
            state: CallState::Proposed,
            output: None,
            error: None,
            rule: None,
            resolved: None,
            retry_of: None,
            question: None,
            child_id: None,
            progress: None,
        };
        self.event(Event::ToolProposed { turn_id, call });
        self.audited(Event::ToolStarted {
            turn_id,
            call_id: id,
            rule: None,
            idempotent: false,
            child_id: None,
        });
        self.audited(Event::ToolSucceeded {
            turn_id,
            call_id: id,
            output: "done".to_owned(),
            files: Vec::new(),
            usage: None,
        });
        id
    }
}

fn database(dir: &TempDir) -> PathBuf {
    dir.path().join("weir.db")
}

fn whole(dir: &TempDir) -> Vec<Chain> {
    verify(&database(dir), None).unwrap().unwrap_or_else(|bad| panic!("{bad}"))
}

/// A store that was closed, with a chain of six rows.
async fn six_rows() -> (TempDir, Kept) {
    let (dir, kept) = (tempfile::tempdir().unwrap(), Kept::default());
    let (store, _) = Store::open(Options { replica: Box::new(kept.clone()), ..options(&dir) }, NOW).unwrap();
    let mut talk = Talk::new(&scope());
    talk.create();
    for order in ["1", "2", "3"] {
        talk.call(order);
        talk.committed(&store).await;
    }
    store.close().await;
    (dir, kept)
}

#[tokio::test]
async fn the_batches_give_the_same_chain() {
    let (dir, kept) = six_rows().await;
    let copy = tempfile::tempdir().unwrap();
    Store::rebuild(options(&copy), NOW, kept.0.lock().unwrap().clone()).unwrap();
    assert_eq!(whole(&dir), whole(&copy));
    assert_eq!(whole(&dir)[0].rows, 6);
}

/// The value with one byte of it changed, in each way.
fn spoiled(value: &Value) -> Vec<Value> {
    let flipped = |bytes: &[u8]| -> Vec<Vec<u8>> {
        let flip = |at: usize| {
            let mut bytes = bytes.to_vec();
            bytes[at] ^= 1;
            bytes
        };
        (0..bytes.len()).map(flip).collect()
    };
    match value {
        Value::Null => vec![Value::Blob(vec![0; 16])],
        Value::Integer(number) => (0..8).map(|byte| Value::Integer(number ^ (1 << (8 * byte)))).collect(),
        Value::Blob(bytes) => flipped(bytes).into_iter().map(Value::Blob).chain([Value::Null]).collect(),
        Value::Text(text) => {
            let flipped = flipped(text.as_bytes()).into_iter();
            flipped.map(|bytes| Value::Text(String::from_utf8(bytes).unwrap())).collect()
        }
        Value::Real(_) => unreachable!("there is no such column"),
    }
}

#[tokio::test]
async fn whatever_byte_of_a_row_is_changed_that_row_is_named() {
    let (dir, _) = six_rows().await;
    let db = Connection::open(database(&dir)).unwrap();
    let mut tried = 0;
    for column in COLUMNS {
        let sql = format!("SELECT {column} FROM audit WHERE n = 3");
        let value: Value = db.query_row(&sql, [], |row| row.get(0)).unwrap();
        for wrong in spoiled(&value) {
            let put =
                format!("UPDATE audit SET {column} = ?1 WHERE {column} IS ?2 AND action = ?3 AND n = ?4");
            let row = |n: &Value, action: &Value| (n.clone(), action.clone());
            let (three, started) = (Value::Integer(3), Value::Text("tool.started".to_owned()));
            let (n, action) = match column {
                "n" => row(&wrong, &started),
                "action" => row(&three, &wrong),
                _ => row(&three, &started),
            };
            let there = params![wrong, value, started, three];
            if db.execute(&put, there).is_err() {
                // Not even the table takes it.
                continue;
            }
            tried += 1;
            let bad = verify(&database(&dir), None).unwrap().expect_err(column);
            // In another workspace it stands alone without a first row, or is missed in its own.
            let moved = column == "workspace_id" && bad.n == 1;
            assert!(bad.n == 3 || moved, "{column} = {wrong:?}: {bad}");
            let back = params_from_iter([value.clone(), wrong, action, n]);
            assert_eq!(db.execute(&put, back).unwrap(), 1, "{column}");
        }
    }
    assert!(tried > 200, "{tried}");
    whole(&dir);
}

#[tokio::test]
async fn rows_that_are_gone_are_missed_but_for_the_last_ones_which_only_an_anchor_misses() {
    let (dir, _) = six_rows().await;
    let head = whole(&dir)[0].head;
    let db = Connection::open(database(&dir)).unwrap();
    db.execute("DELETE FROM audit WHERE n > 4", []).unwrap();
    assert_eq!(whole(&dir)[0].rows, 4);
    let chains = verify(&database(&dir), Some(&head)).unwrap().unwrap();
    assert!(!chains[0].anchored, "{}", hex(&head));
    let anchored = verify(&database(&dir), Some(&chains[0].head)).unwrap().unwrap();
    assert!(anchored[0].anchored);
    db.execute("DELETE FROM audit WHERE n = 2", []).unwrap();
    assert_eq!(verify(&database(&dir), None).unwrap().unwrap_err().n, 2);
}

#[tokio::test]
async fn content_that_is_gone_is_erased_only_where_something_was_deleted() {
    let (dir, _) = six_rows().await;
    let db = Connection::open(database(&dir)).unwrap();
    db.execute("UPDATE audit SET salt = NULL, body = NULL WHERE n = 5", []).unwrap();
    let bad = verify(&database(&dir), None).unwrap().unwrap_err();
    assert_eq!((bad.n, bad.what), (5, "its content is gone, and nobody deleted its conversation"));
    drop(db);

    let (dir, scope) = (
        tempfile::tempdir().unwrap(),
        weir::scope::Scope { role: weir::scope::WorkspaceRole::Admin, ..scope() },
    );
    let (store, _) = store_support::open(&dir);
    let (mut kept, mut talk) = (Talk::new(&scope), Talk::new(&scope));
    kept.create().call("kept");
    talk.create().call("a canary");
    kept.committed(&store).await;
    talk.committed(&store).await;
    talk.audited(Event::ConversationDeleted {}).committed(&store).await;
    store.tidy(NOW).await.unwrap();
    let page = store.audit(&scope, AuditFilter::default(), 0, 9).await.unwrap().unwrap();
    let erased: Vec<bool> = page.rows.iter().map(|row| row.content.is_none()).collect();
    assert_eq!(erased, [false, false, true, true, false]);
    let stranger = weir::scope::Scope { role: weir::scope::WorkspaceRole::Member, ..scope };
    assert!(store.audit(&stranger, AuditFilter::default(), 0, 9).await.unwrap().is_none());
    store.close().await;
    assert_eq!((whole(&dir)[0].rows, whole(&dir)[0].erased), (5, 2));
}
