//! Disks that fail and power that goes: what was acknowledged is there, what was refused never comes back.

mod store_support;
#[path = "store_support/vfs.rs"]
mod vfs;

use std::time::Duration;

use rusqlite::ffi;
use store_support::{NOW, Talk, options, replayed, scope};
use tempfile::TempDir;
use vfs::{Disk, Fault, Op, after_power_cut, restore};
use weir::chat::event::Seq;
use weir::store::{Error, Options, Store};

fn on(disk: &Disk, dir: &TempDir) -> Store {
    let options = Options { vfs: Some(disk.name.clone()), retry_full_after: Duration::ZERO, ..options(dir) };
    Store::open(options, NOW).expect("the store opens").0
}

/// Opens what a power cut left, with the system's own VFS.
async fn reopened(ops: &[Op], cut: usize, survives: impl FnMut() -> bool) -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    restore(&after_power_cut(ops, cut, survives), dir.path());
    let (store, _) = store_support::open(&dir);
    (dir, store)
}

fn is_intact(dir: &TempDir) -> bool {
    let conn = rusqlite::Connection::open(dir.path().join("weir.db")).unwrap();
    let verdict: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    verdict == "ok"
}

/// Commits, and notes on the disk that the conversation's log is durable up to its end.
async fn acknowledged(disk: &Disk, store: &Store, talk: &mut Talk) {
    talk.committed(store).await;
    disk.acknowledge(talk.id, talk.seq);
}

/// Streams answers in several conversations, one commit per piece.
async fn work(disk: &Disk, store: &Store, talks: &mut [Talk], rounds: usize) {
    for talk in talks.iter_mut() {
        talk.create();
        acknowledged(disk, store, talk).await;
    }
    for round in 0..rounds {
        for talk in talks.iter_mut() {
            let question = talk.say(&format!("question {round}"));
            let turn = talk.start_turn(question);
            let answer = talk.answer(turn);
            talk.part(answer, 0);
            acknowledged(disk, store, talk).await;
            for _ in 0..3 {
                talk.delta(answer, 0, "stréam ");
                acknowledged(disk, store, talk).await;
            }
            talk.complete(answer).end_turn(turn);
            acknowledged(disk, store, talk).await;
        }
    }
}

/// How many acknowledged positions are missing after a power cut, at the worst of many moments.
async fn worst_loss(disk: &Disk, talks: &[Talk], every: usize, seed: u64) -> u64 {
    let ops = disk.ops();
    let mut worst = 0;
    let mut state = seed;
    // Whether any one write survives: xorshift, so that a seed reruns it.
    let mut coin = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state & 1 == 1
    };
    let first =
        ops.iter().position(|op| matches!(op, Op::Acknowledged(..))).expect("something was acknowledged");
    for cut in (first + 1..=ops.len()).step_by(every) {
        for lucky in [false, true] {
            let (dir, store) = reopened(&ops, cut, || lucky && coin()).await;
            for talk in talks {
                let found = store.load(talk.id).await.unwrap();
                let last_seq = found.as_ref().map_or(Seq::START, |loaded| loaded.last_seq);
                let told = ops[..cut].iter().rev().find_map(|op| match op {
                    Op::Acknowledged(id, seq) if *id == talk.id => Some(*seq),
                    _ => None,
                });
                worst = worst.max(told.unwrap_or_default().0.saturating_sub(last_seq.0));
                let Some(loaded) = found else { continue };
                // What is there is what was written, to the last byte of text.
                let mut atoms = talk.after(Seq::START);
                atoms.retain(|(prev, _)| *prev < last_seq);
                let open: u64 = loaded.open.iter().map(|tail| tail.bytes()).sum();
                let found = replayed(&store, talk.id, Seq::START, last_seq, 4096).await.unwrap();
                let open_atoms = atoms.len() - found.len();
                assert!(open_atoms as u64 <= open, "cut {cut}: {open_atoms} of {open} bytes are open");
                assert!(found.iter().all(|atom| atoms.contains(atom)), "cut {cut}");
            }
            store.close().await;
            assert!(is_intact(&dir), "cut {cut}");
        }
    }
    worst
}

#[tokio::test]
async fn a_power_cut_at_any_point_loses_nothing_that_was_acknowledged() {
    let (dir, disk, scope) = (tempfile::tempdir().unwrap(), Disk::register(), scope());
    let mut talks: Vec<_> = (0..3).map(|_| Talk::new(&scope)).collect();
    let store = on(disk, &dir);
    work(disk, &store, &mut talks, 8).await;
    store.close().await;
    assert_eq!(worst_loss(disk, &talks, 7, 0x5eed).await, 0);
}

#[tokio::test]
async fn without_the_sync_at_each_commit_the_same_test_finds_a_loss() {
    let (dir, disk, scope) = (tempfile::tempdir().unwrap(), Disk::register(), scope());
    let mut talks: Vec<_> = (0..3).map(|_| Talk::new(&scope)).collect();
    let store = on(disk, &dir);
    disk.make_lazy();
    work(disk, &store, &mut talks, 8).await;
    store.close().await;
    assert!(worst_loss(disk, &talks, 7, 0x5eed).await > 0);
}

#[tokio::test]
async fn a_failed_sync_or_write_seals_the_store_and_reads_go_on() {
    for fault in [Fault::Sync(ffi::SQLITE_IOERR_FSYNC), Fault::Write(ffi::SQLITE_IOERR_WRITE)] {
        let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::register());
        let store = on(disk, &dir);
        let mut talk = Talk::new(&scope());
        talk.create();
        talk.say("acknowledged");
        talk.committed(&store).await;
        let acknowledged = talk.clone();

        disk.fail(fault, 0);
        talk.say("unknown");
        assert!(matches!(talk.commit(&store).await, Err(Error::Sealed)), "{fault:?}");
        disk.heal();
        let mut again = acknowledged.clone();
        again.say("refused");
        assert!(matches!(again.commit(&store).await, Err(Error::Sealed)), "{fault:?}");
        let seen = replayed(&store, talk.id, Seq::START, acknowledged.seq, 4096).await;
        assert_eq!(seen, Some(acknowledged.after(Seq::START)), "{fault:?}");
        store.close().await;

        let ops = disk.ops();
        let (_dir, store) = reopened(&ops, ops.len(), || false).await;
        let seen = replayed(&store, talk.id, Seq::START, acknowledged.seq, 4096).await;
        assert_eq!(seen, Some(acknowledged.after(Seq::START)), "{fault:?}");
        assert_eq!(store.load(talk.id).await.unwrap().unwrap().last_seq, acknowledged.seq, "{fault:?}");
    }
}

#[tokio::test]
async fn a_full_disk_refuses_a_batch_for_good_and_takes_the_next_once_there_is_room() {
    let mut refused = 0;
    for torn in [false, true] {
        for spared in 0..12 {
            let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::register());
            let store = on(disk, &dir);
            let mut talk = Talk::new(&scope());
            talk.create().committed(&store).await;
            let before = talk.clone();
            let code = ffi::SQLITE_FULL;
            disk.fail(if torn { Fault::TornWrite(code) } else { Fault::Write(code) }, spared);
            talk.say(&"does not fit ".repeat(1000));
            match talk.commit(&store).await {
                Ok(()) => continue,
                Err(error) => assert!(matches!(error, Error::Full), "{error}"),
            }
            refused += 1;
            let ops = disk.ops();
            // Also if the power goes now, whatever of it reached the disk.
            for lucky in [false, true] {
                let (_dir, store) = reopened(&ops, ops.len(), || lucky).await;
                assert_eq!(store.load(talk.id).await.unwrap().unwrap().last_seq, before.seq, "{spared}");
            }
            disk.heal();
            let mut talk = before;
            talk.say("fits");
            talk.committed(&store).await;
            assert_eq!(store.load(talk.id).await.unwrap().unwrap().last_seq, talk.seq);
            store.close().await;
        }
    }
    assert!(refused > 10, "{refused} batches found no room");
}
