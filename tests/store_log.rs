//! The log through the store's public face: appending, replaying, loading.

mod store_support;

use store_support::{NOW, Talk, open, options, replayed, scope};
use weir::chat::event::{Event, Seq};
use weir::store::{Conflict, EntryKind, Error, Lane, Replay, Store};

/// Two answers that stream at once, each with two parts, their text interleaved and of many widths.
fn interleaved(talk: &mut Talk) {
    talk.create();
    let question = talk.say("grüße 👋");
    let (one, two) = (talk.start_turn(question), talk.start_turn(question));
    let (left, right) = (talk.answer_under(one, Some(question)), talk.answer_under(two, Some(question)));
    talk.part(left, 0).part(right, 0).part(left, 1);
    for word in ["a", "ß", "漢字", "👩‍👩‍👧", " plain text "] {
        talk.delta(left, 0, word).delta(right, 0, word).delta(left, 1, word).delta(left, 1, word);
    }
    talk.part(right, 1).delta(right, 1, "ü").delta(right, 0, "é");
    talk.complete(left);
    talk.delta(right, 0, "end").complete(right);
    talk.end_turn(one).end_turn(two);
}

#[tokio::test]
async fn replay_tiles_the_log_from_every_cursor_and_for_every_page_size() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(&dir);
    let mut talk = Talk::new(&scope());
    interleaved(&mut talk);
    talk.committed(&store).await;

    let boundaries: Vec<_> = talk.after(Seq::START).into_iter().map(|(prev, _)| prev).collect();
    for cursor in (0..=talk.seq.0).map(Seq) {
        for max_bytes in [1, 2, 5, 300, 256 * 1024] {
            let found = replayed(&store, talk.id, cursor, talk.seq, max_bytes).await;
            let expected = (cursor == talk.seq || boundaries.contains(&cursor)).then(|| talk.after(cursor));
            assert_eq!(found, expected, "cursor {cursor}, pages of {max_bytes}");
        }
    }
    assert_eq!(store.replay(talk.id, talk.seq.plus(1), talk.seq, 100).await.unwrap(), Replay::PastEnd);
}

#[tokio::test]
async fn text_of_open_messages_is_a_gap_of_exactly_its_positions() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(&dir);
    let mut talk = Talk::new(&scope());
    talk.create();
    let question = talk.say("hello");
    let turn = talk.start_turn(question);
    let answer = talk.answer(turn);
    talk.part(answer, 0).delta(answer, 0, "abc").part(answer, 1).delta(answer, 1, "de");
    talk.committed(&store).await;

    let Replay::Page(page) = store.replay(talk.id, Seq(6), talk.seq, 1000).await.unwrap() else { panic!() };
    let kinds: Vec<_> = page
        .entries
        .iter()
        .map(|entry| (entry.prev.0, entry.seq.0, matches!(entry.kind, EntryKind::Open)))
        .collect();
    assert_eq!(kinds, [(6, 8, true), (8, 9, false), (9, 11, true)]);
    assert_eq!(store.open_messages(talk.id).await.unwrap()[0].runs, talk.open_runs(answer));
}

#[tokio::test]
async fn a_conversation_is_loaded_as_it_was_left() {
    let dir = tempfile::tempdir().unwrap();
    let mut talk = Talk::new(&scope());
    let (turn, answer) = {
        let (store, startup) = open(&dir);
        assert_eq!(startup.unfinished, []);
        talk.create();
        let question = talk.say("hello");
        let turn = talk.start_turn(question);
        let answer = talk.answer(turn);
        talk.part(answer, 0).committed(&store).await;
        for word in ["Once ", "upon ", "a tïme"] {
            talk.delta(answer, 0, word).committed(&store).await;
        }
        store.close().await;
        assert!(matches!(store.load(talk.id).await, Err(Error::Closed)));
        (turn, answer)
    };

    let (store, startup) = open(&dir);
    assert_eq!(startup.unfinished, [talk.id]);
    let loaded = store.load(talk.id).await.unwrap().unwrap();
    assert_eq!((loaded.info.clone(), loaded.head, loaded.last_seq), (talk.info(), talk.head, talk.seq));
    let kinds: Vec<_> = loaded.events.iter().map(|(seq, event)| (seq.0, event.kind())).collect();
    assert_eq!(kinds, [(3, "turn.started"), (4, "message.created"), (5, "part.started")]);
    assert_eq!(loaded.open.len(), 1);
    assert_eq!((loaded.open[0].message_id, &loaded.open[0].parts), (answer, &talk.open_text(answer)));
    assert_eq!(loaded.open[0].runs, talk.open_runs(answer));

    talk.complete(answer).end_turn(turn).committed(&store).await;
    assert_eq!(store.open_messages(talk.id).await.unwrap(), []);
    assert_eq!(replayed(&store, talk.id, Seq::START, talk.seq, 4096).await, Some(talk.after(Seq::START)));
}

#[tokio::test]
async fn a_job_that_expects_another_end_is_refused_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(&dir);
    let mut talk = Talk::new(&scope());
    talk.create().committed(&store).await;
    let mut rival = talk.clone();
    talk.say("first");
    talk.committed(&store).await;
    rival.say("second");
    let refused = rival.commit(&store).await.unwrap_err();
    let expected = Conflict::Position { conversation_id: talk.id, expected: Seq(1), found: Seq(2) };
    assert!(matches!(&refused, Error::Refused(conflict) if *conflict == expected), "{refused}");
    assert_eq!(replayed(&store, talk.id, Seq::START, Seq(2), 4096).await, Some(talk.after(Seq::START)));
}

#[tokio::test]
async fn content_that_is_not_what_was_streamed_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(&dir);
    let mut talk = Talk::new(&scope());
    talk.create();
    let question = talk.say("hello");
    let turn = talk.start_turn(question);
    let answer = talk.answer(turn);
    talk.part(answer, 0).delta(answer, 0, "abc").committed(&store).await;
    let mut liar = talk.clone();
    liar.complete(answer);
    for record in &mut liar.records {
        if let weir::store::Record::Content { runs, .. } = record {
            runs[0].length = 2;
        }
    }
    let refused = liar.commit(&store).await.unwrap_err();
    assert!(matches!(refused, Error::Refused(Conflict::ContentMismatch(id)) if id == answer), "{refused}");
    talk.complete(answer).committed(&store).await;
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    open(&dir).0.close().await;
    let conn = rusqlite::Connection::open(dir.path().join("weir.db")).unwrap();
    conn.pragma_update(None, "user_version", 99).unwrap();
    drop(conn);
    let refused = Store::open(options(&dir), NOW).err().unwrap();
    assert!(matches!(refused, Error::NewerSchema { found: 99, .. }), "{refused}");
}

#[tokio::test]
async fn a_row_that_cannot_be_read_names_its_table_column_and_key() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(&dir);
    let mut talk = Talk::new(&scope());
    talk.create();
    let question = talk.say("hello");
    talk.committed(&store).await;
    store.close().await;
    let conn = rusqlite::Connection::open(dir.path().join("weir.db")).unwrap();
    conn.execute("UPDATE messages SET role = 'ghost'", []).unwrap();
    drop(conn);
    let (store, _) = open(&dir);
    let error = store.path(&talk.scope, talk.id, None, None, 50).await.unwrap_err();
    let key = uuid::Uuid::from_bytes(*question.as_bytes());
    assert_eq!(error.to_string(), format!("messages.role of {key} is not readable"));
}

#[tokio::test]
async fn a_deleted_conversation_takes_no_more_events() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(&dir);
    let mut talk = Talk::new(&scope());
    talk.create().event(Event::ConversationDeleted {}).committed(&store).await;
    talk.say("too late");
    let job = talk.job();
    let refused = store.commit(Lane::People, job).await.unwrap_err();
    assert!(matches!(refused, Error::Refused(Conflict::ConversationDeleted(_))), "{refused}");
}
