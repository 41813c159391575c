//! Who sees what, and what is found: by name, in lists, on paths, in the feed.

mod store_support;

use std::time::Duration;

use store_support::{NOW, Talk, colleague, open, scope};
use weir::chat::conversation::{ConversationChanges, Visibility};
use weir::chat::event::{Event, Seq};
use weir::chat::turn::{QueuedTurn, Recovery, TurnState};
use weir::clock::Timestamp;
use weir::id::{ConversationId, MessageId, TurnId};
use weir::scope::Scope;
use weir::store::{Conflict, Error, FeedPage, Filter, ListCursor, Named, PageRequest, Replay, Store};

const ALL: PageRequest = PageRequest { limit: 50, after: None };

fn shared() -> Event {
    let changes = ConversationChanges { visibility: Some(Visibility::Workspace), ..Default::default() };
    Event::ConversationUpdated { changes }
}

/// Which of the reads that take a scope find anything of this conversation.
async fn seen_by(
    store: &Store,
    scope: &Scope,
    id: ConversationId,
    turn: TurnId,
    message: MessageId,
) -> Vec<&'static str> {
    let mut seen = Vec::new();
    let mut note = |name, found: bool| {
        if found {
            seen.push(name);
        }
    };
    note("conversation", store.conversation(scope, id).await.unwrap().is_some());
    let named = store.conversation_named(scope, "default", "ours").await.unwrap();
    note("conversation_named", matches!(named, Named::Found(_)));
    note(
        "conversations",
        !store.conversations(scope, Filter::default(), ALL).await.unwrap().conversations.is_empty(),
    );
    note("snapshot", store.snapshot(scope, id).await.unwrap().is_some());
    note("path", store.path(scope, id, None, None, 50).await.unwrap().is_some());
    note("path to a message", store.path(scope, id, Some(message), None, 50).await.unwrap().is_some());
    note("turn", store.turn(scope, turn).await.unwrap().is_some());
    note("turn_messages", store.turn_messages(scope, turn).await.unwrap().is_some());
    let FeedPage::Items { items, .. } = store.feed(scope, 0, 50).await.unwrap() else { panic!() };
    note("feed", items.iter().any(|item| item.conversation_id == id));
    seen
}

async fn settled(store: &Store, owner: &Scope) -> (Talk, TurnId, MessageId) {
    let mut talk = Talk::new(owner);
    let mut info = talk.info();
    info.name = Some("ours".to_owned());
    talk.event(Event::ConversationCreated { conversation: info });
    let question = talk.say("secret");
    let turn = talk.start_turn(question);
    let answer = talk.answer(turn);
    talk.part(answer, 0).delta(answer, 0, "told").complete(answer).end_turn(turn);
    talk.committed(store).await;
    (talk, turn, question)
}

#[tokio::test]
async fn every_read_finds_nothing_of_another_workspace_or_of_anothers_private_conversation() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(&dir);
    let (owner, stranger) = (scope(), scope());
    let member = colleague(&owner);
    let (mut talk, turn, question) = settled(&store, &owner).await;

    let everything = seen_by(&store, &owner, talk.id, turn, question).await;
    assert_eq!(everything.len(), 9, "{everything:?}");
    assert_eq!(seen_by(&store, &member, talk.id, turn, question).await, [""; 0]);
    assert_eq!(seen_by(&store, &stranger, talk.id, turn, question).await, [""; 0]);
    // A colleague learns that the name is taken, a stranger not even that.
    assert_eq!(store.conversation_named(&member, "default", "ours").await.unwrap(), Named::Hidden);
    assert_eq!(store.conversation_named(&stranger, "default", "ours").await.unwrap(), Named::Free);

    talk.event(shared()).committed(&store).await;
    assert_eq!(seen_by(&store, &member, talk.id, turn, question).await, everything);
    assert_eq!(seen_by(&store, &stranger, talk.id, turn, question).await, [""; 0]);

    talk.event(Event::ConversationDeleted {}).committed(&store).await;
    for scope in [&owner, &member] {
        assert_eq!(seen_by(&store, scope, talk.id, turn, question).await, ["feed"], "that it is gone");
    }
    assert_eq!(seen_by(&store, &stranger, talk.id, turn, question).await, [""; 0]);
}

#[tokio::test]
async fn a_message_of_another_conversation_is_on_no_path_and_takes_no_child() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(&dir);
    let owner = scope();
    let (mut mine, mut other) = (Talk::new(&owner), Talk::new(&owner));
    mine.create();
    mine.say("mine");
    mine.committed(&store).await;
    other.create();
    let foreign = other.say("other");
    other.committed(&store).await;

    assert_eq!(store.path(&owner, mine.id, Some(foreign), None, 50).await.unwrap(), None);
    assert_eq!(store.prompt_path(mine.id, foreign, 1000).await.unwrap(), None);
    mine.say_under(Some(foreign), "a child");
    let refused = mine.commit(&store).await.unwrap_err();
    assert!(matches!(refused, Error::Refused(Conflict::UnknownMessage(id)) if id == foreign), "{refused}");
}

#[tokio::test]
async fn a_name_is_taken_once_per_agent_and_free_again_after_deletion() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(&dir);
    let owner = scope();
    let named = |scope: &Scope, agent: &str| {
        let mut talk = Talk::new(scope);
        let mut info = talk.info();
        (info.name, info.agent) = (Some("ours".to_owned()), agent.to_owned());
        talk.event(Event::ConversationCreated { conversation: info });
        talk
    };
    let mut first = named(&owner, "default");
    first.committed(&store).await;
    let refused = named(&colleague(&owner), "default").commit(&store).await.unwrap_err();
    assert!(matches!(&refused, Error::Refused(Conflict::NameTaken { name }) if name == "ours"), "{refused}");
    named(&scope(), "default").committed(&store).await;
    let mut moved = named(&owner, "other");
    moved.committed(&store).await;

    let changes = ConversationChanges { agent: Some("default".to_owned()), ..Default::default() };
    let mut moving = moved.clone();
    moving.event(Event::ConversationUpdated { changes });
    assert!(matches!(moving.commit(&store).await, Err(Error::Refused(Conflict::NameTaken { .. }))));

    first.event(Event::ConversationDeleted {}).committed(&store).await;
    named(&owner, "default").committed(&store).await;
}

#[tokio::test]
async fn lists_page_by_newest_activity_and_narrow_by_every_filter() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(&dir);
    let (owner, member) = {
        let owner = scope();
        let member = colleague(&owner);
        (owner, member)
    };
    let mut ids = Vec::new();
    for number in 0..7i64 {
        let mut talk = Talk::new(if number % 3 == 0 { &member } else { &owner });
        let mut info = talk.info();
        info.agent = if number == 4 { "other" } else { "default" }.to_owned();
        info.visibility = if number == 3 { Visibility::Workspace } else { Visibility::Private };
        info.metadata = Some(serde_json::json!({ "n": number, "odd": number % 2 == 1, "a\"b.$": "x" }));
        info.archived = number == 5;
        talk.event(Event::ConversationCreated { conversation: info });
        talk.clock(NOW.millis() + number * 1000);
        let question = talk.say("hello");
        if number == 2 {
            talk.start_turn(question);
        }
        talk.committed(&store).await;
        ids.push(talk.id);
    }
    let pick = |numbers: &[usize]| -> Vec<_> { numbers.iter().map(|number| ids[*number]).collect() };
    let mine = [5, 4, 3, 2, 1];

    let mut pages = Vec::new();
    let mut after = None;
    loop {
        let page =
            store.conversations(&owner, Filter::default(), PageRequest { limit: 2, after }).await.unwrap();
        pages.push(page.conversations.iter().map(|row| row.info.id).collect::<Vec<_>>());
        let Some(next) = page.next else { break };
        after = Some(next.to_string().parse::<ListCursor>().unwrap());
    }
    assert_eq!(pages.concat(), pick(&mine));
    assert_eq!(pages.len(), 3);

    let pair = |key: &str, value: &str| vec![(key.to_owned(), value.to_owned())];
    let narrowed = [
        (Filter { agent: Some("other".to_owned()), ..Filter::default() }, vec![4]),
        (Filter { archived: Some(false), ..Filter::default() }, vec![4, 3, 2, 1]),
        (Filter { running: Some(true), ..Filter::default() }, vec![2]),
        (Filter { running: Some(false), ..Filter::default() }, vec![5, 4, 3, 1]),
        (
            Filter { updated_since: Some(Timestamp::from_millis(NOW.millis() + 4000)), ..Filter::default() },
            vec![5, 4],
        ),
        (Filter { metadata: pair("n", "3"), ..Filter::default() }, vec![3]),
        (Filter { metadata: pair("odd", "true"), ..Filter::default() }, vec![5, 3, 1]),
        (Filter { metadata: pair("a\"b.$", "x"), ..Filter::default() }, mine.to_vec()),
        (Filter { metadata: [pair("n", "1"), pair("odd", "false")].concat(), ..Filter::default() }, vec![]),
    ];
    for (filter, expected) in narrowed {
        let page = store.conversations(&owner, filter.clone(), ALL).await.unwrap();
        let found: Vec<_> = page.conversations.iter().map(|row| row.info.id).collect();
        assert_eq!(found, pick(&expected), "{filter:?}");
    }
}

#[tokio::test]
async fn a_path_pages_upwards_and_knows_its_siblings() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(&dir);
    let mut talk = Talk::new(&scope());
    talk.create();
    let root = talk.say("root");
    let left = talk.say("left");
    let leaf = talk.say("leaf");
    // An edit: the head stays until it is moved.
    let right = talk.say_under(Some(root), "right");
    talk.committed(&store).await;

    let path = store.path(&talk.scope, talk.id, None, None, 2).await.unwrap().unwrap();
    let ids: Vec<_> = path.messages.iter().map(|entry| entry.message.id).collect();
    assert_eq!((path.head, ids, path.more, path.position), (Some(leaf), vec![leaf, left], true, talk.seq));
    let siblings = &path.messages[1].siblings;
    assert_eq!((siblings.count, siblings.index, &siblings.ids), (2, 0, &vec![left, right]));

    let older = store.path(&talk.scope, talk.id, None, Some(left), 2).await.unwrap().unwrap();
    let ids: Vec<_> = older.messages.iter().map(|entry| entry.message.id).collect();
    assert_eq!((ids, older.more), (vec![root], false));
    let none = store.path(&talk.scope, talk.id, None, Some(root), 2).await.unwrap().unwrap();
    assert_eq!(none.messages, []);
    assert_eq!(
        store.path(&talk.scope, talk.id, None, Some(right), 2).await.unwrap(),
        None,
        "not on the path"
    );

    talk.event(Event::HeadChanged { head: Some(right) }).committed(&store).await;
    let path = store.path(&talk.scope, talk.id, None, None, 50).await.unwrap().unwrap();
    let ids: Vec<_> = path.messages.iter().map(|entry| entry.message.id).collect();
    assert_eq!((path.head, ids), (Some(right), vec![right, root]));

    let prompt = store.prompt_path(talk.id, leaf, 9).await.unwrap().unwrap();
    let ids: Vec<_> = prompt.messages.iter().map(|entry| entry.id).collect();
    assert_eq!(ids, [left, leaf], "what fits into nine bytes");
}

#[tokio::test]
async fn a_snapshot_tells_the_queue_in_its_order() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(&dir);
    let mut talk = Talk::new(&scope());
    talk.create();
    let question = talk.say("hello");
    let running = talk.start_turn(question);
    let queued = |talk: &mut Talk, first: bool| {
        let id = TurnId::new();
        let turn = QueuedTurn {
            request: talk.request(),
            message_id: MessageId::new(),
            parts: Vec::new(),
            metadata: None,
            lane: running,
            parent_id: None,
            after: None,
            steer: false,
            first,
            limits: Talk::limits(),
            recovery: Recovery::Continue,
            queued_at: NOW,
        };
        talk.event(Event::TurnQueued { turn_id: id, turn });
        id
    };
    let (one, two, zero) = (queued(&mut talk, false), queued(&mut talk, false), queued(&mut talk, true));
    talk.committed(&store).await;
    let order =
        |snapshot: weir::store::Snapshot| -> Vec<_> { snapshot.turns.iter().map(|turn| turn.id).collect() };
    let snapshot = store.snapshot(&talk.scope, talk.id).await.unwrap().unwrap();
    assert_eq!((snapshot.position, snapshot.conversation.running), (talk.seq, true));
    assert_eq!(order(snapshot), [running, zero, one, two]);

    talk.event(Event::QueueChanged { turn_ids: vec![two, zero, one] });
    talk.event(Event::TurnCancelled { turn_id: zero }).committed(&store).await;
    let snapshot = store.snapshot(&talk.scope, talk.id).await.unwrap().unwrap();
    assert_eq!(order(snapshot), [running, two, one]);
    let cancelled = store.turn(&talk.scope, zero).await.unwrap().unwrap();
    assert_eq!((cancelled.state, cancelled.last_seq), (TurnState::Cancelled, Some(talk.seq)));
    let loaded = store.load(talk.id).await.unwrap().unwrap();
    let kinds: Vec<_> = loaded.events.iter().map(|(_, event)| event.kind()).collect();
    assert_eq!(kinds, ["turn.started", "turn.queued", "turn.queued", "queue.changed"]);
}

#[tokio::test]
async fn the_feed_tells_each_person_what_they_may_see_and_forgets_after_a_week() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(&dir);
    let owner = scope();
    let member = colleague(&owner);
    let (mut talk, ..) = settled(&store, &owner).await;
    let kinds = async |scope: &Scope, after: u64| {
        let FeedPage::Items { items, through, .. } = store.feed(scope, after, 50).await.unwrap() else {
            panic!()
        };
        (items.into_iter().map(|item| format!("{} {}", item.kind, item.body)).collect::<Vec<_>>(), through)
    };
    let (all, through) = kinds(&owner, 0).await;
    assert_eq!(all.len(), 3, "{all:?}");
    assert_eq!(through, store.feed_position().await.unwrap());
    assert_eq!(kinds(&member, 0).await, (vec![], through));

    talk.event(shared()).committed(&store).await;
    let (news, through) = kinds(&member, through).await;
    assert_eq!(news, [r#"conversation.listed {"change":"shared"}"#]);
    let changes = ConversationChanges { visibility: Some(Visibility::Private), ..Default::default() };
    talk.event(Event::ConversationUpdated { changes }).committed(&store).await;
    assert_eq!(kinds(&member, through).await.0, ["conversation.unlisted {}"]);
    let (own, through) = kinds(&owner, through).await;
    assert_eq!(own, [""; 0], "it never left the owner's list");

    store.tidy(NOW.plus(Duration::from_secs(8 * 24 * 3600))).await.unwrap();
    assert_eq!(store.feed(&owner, 1, 50).await.unwrap(), FeedPage::Resync { position: through });
    assert_eq!(kinds(&owner, through).await, (vec![], through));
    assert_eq!(store.feed(&owner, through + 1, 50).await.unwrap(), FeedPage::Resync { position: through });
}

#[tokio::test]
async fn a_deleted_conversation_is_purged_from_every_page_of_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(&dir);
    let owner = scope();
    let mut kept = Talk::new(&owner);
    kept.create();
    kept.say("this stays");
    kept.committed(&store).await;
    let mut talk = Talk::new(&owner);
    talk.create();
    for _ in 0..40 {
        let question = talk.say("canary-in-a-question");
        let turn = talk.start_turn(question);
        let answer = talk.answer(turn);
        talk.part(answer, 0).committed(&store).await;
        talk.delta(answer, 0, "canary-in-an-answer ").committed(&store).await;
        talk.complete(answer).end_turn(turn).committed(&store).await;
    }
    talk.event(Event::ConversationDeleted {}).committed(&store).await;
    store.tidy(NOW).await.unwrap();
    // The journal lets go of old rows with later commits.
    for _ in 0..60 {
        kept.say("more");
        kept.committed(&store).await;
    }
    assert_eq!(store.load(talk.id).await.unwrap(), None);
    let gone = store.replay(talk.id, Seq::START, talk.seq, 4096).await.unwrap();
    assert!(matches!(gone, Replay::Page(page) if page.end == Seq::START));
    store.close().await;
    let bytes = std::fs::read(dir.path().join("weir.db")).unwrap();
    let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    assert!(holds(b"this stays"));
    assert!(!holds(b"canary"), "deleted text is overwritten");
}
