//! Who finds what, beside a naive scan of everything that was said.

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt, SeedableRng};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use weir::chat::conversation::{ConversationChanges, ForkPoint, Visibility};
use weir::chat::event::Event;
use weir::chat::message::Marks;
use weir::chat::searchable::TextKind;
use weir::clock::{Clock, Timestamp};
use weir::id::{ConversationId, MessageId};
use weir::runtime::search::{Ask, Search, Sort};
use weir::scope::Scope;
use weir::store::Store;

use crate::store_support::{NOW, Talk, colleague, open, scope};

const USERS: usize = 1000;
const CONVERSATIONS: usize = 1200;
const STEPS: usize = 6000;

const WORDS: [&str; 14] = [
    "harbour", "invoice", "lantern", "meadow", "notary", "orchard", "parsley", "quarry", "ribbon", "saddle",
    "thimble", "umbrella", "violin", "walnut",
];

/// Whether a text is to be found.
type Fits = dyn Fn(&str) -> bool;

/// What the test knows of a conversation.
struct Known {
    talk: Talk,
    owner: usize,
    workspace: usize,
    shared: bool,
    deleted: bool,
    title: Option<String>,
    said: BTreeSet<MessageId>,
    /// Roots of its deleted branches.
    gone: Vec<MessageId>,
    fork: Option<MessageId>,
}

/// A message that is found, or the conversation whose title it is.
type Thing = (Option<MessageId>, Option<ConversationId>);

#[derive(Default)]
struct World {
    known: Vec<Known>,
    parents: BTreeMap<MessageId, Option<MessageId>>,
    texts: BTreeMap<MessageId, String>,
}

impl World {
    fn above(&self, from: MessageId) -> BTreeSet<MessageId> {
        let (mut path, mut at) = (BTreeSet::new(), Some(from));
        while let Some(id) = at {
            path.insert(id);
            at = self.parents[&id];
        }
        path
    }

    fn sees(&self, known: &Known) -> BTreeSet<MessageId> {
        let own = known.said.iter().filter(|id| {
            let above = self.above(**id);
            known.gone.iter().all(|root| !above.contains(root))
        });
        let mut sees: BTreeSet<_> = own.copied().collect();
        sees.extend(known.fork.map(|fork| self.above(fork)).unwrap_or_default());
        sees
    }

    fn reads(&self, user: usize, known: &Known) -> bool {
        !known.deleted && workspace_of(user) == known.workspace && (known.owner == user || known.shared)
    }

    /// What each conversation shows to those who read it.
    fn shown(&self) -> Vec<BTreeSet<MessageId>> {
        self.known.iter().map(|known| self.sees(known)).collect()
    }

    /// Everything that a user sees and whose text is as it should be.
    fn scan(&self, shown: &[BTreeSet<MessageId>], user: usize, fits: &Fits) -> BTreeSet<Thing> {
        let mut found = BTreeSet::new();
        for (known, shown) in self.known.iter().zip(shown).filter(|(known, _)| self.reads(user, known)) {
            if known.title.as_deref().is_some_and(fits) {
                found.insert((None, Some(known.talk.id)));
            }
            let seen = shown.iter().filter(|id| fits(&self.texts[id]));
            found.extend(seen.map(|id| (Some(*id), None)));
        }
        found
    }
}

fn workspace_of(user: usize) -> usize {
    user % 2
}

fn text(rng: &mut StdRng) -> String {
    let words: Vec<_> = (0..rng.random_range(1..4)).map(|_| *WORDS.choose(rng).unwrap()).collect();
    words.join(" ")
}

/// What is typed, and which texts it is to find.
fn question(rng: &mut StdRng) -> (String, Box<Fits>) {
    let (one, other) = (*WORDS.choose(rng).unwrap(), *WORDS.choose(rng).unwrap());
    let pair = format!("{one} {other}");
    match rng.random_range(0..4) {
        0 => (one.to_owned(), Box::new(move |text| text.contains(one))),
        // No two of them begin alike.
        1 => (format!("{}*", &one[..3]), Box::new(move |text| text.contains(one))),
        2 => (format!("\"{pair}\""), Box::new(move |text| text.contains(&pair))),
        _ => {
            (format!("{one} -\"{pair}\""), Box::new(move |text| text.contains(one) && !text.contains(&pair)))
        }
    }
}

/// Lets the users talk, share, fork, rename and delete.
async fn live(world: &mut World, users: &[Scope], store: &Store, rng: &mut StdRng) {
    for number in 0..CONVERSATIONS {
        let owner = rng.random_range(0..users.len());
        let mut talk = Talk::new(&users[owner]);
        // Nothing is as old as something else.
        talk.clock(NOW.millis() + number as i64 * 1000);
        let (mut info, title) = (talk.info(), rng.random_bool(0.3).then(|| text(rng)));
        info.title.clone_from(&title);
        talk.event(Event::ConversationCreated { conversation: info });
        talk.committed(store).await;
        world.known.push(Known {
            talk,
            owner,
            workspace: workspace_of(owner),
            shared: false,
            deleted: false,
            title,
            said: BTreeSet::new(),
            gone: Vec::new(),
            fork: None,
        });
    }
    for _ in 0..STEPS {
        step(world, users, store, rng).await;
    }
}

async fn step(world: &mut World, users: &[Scope], store: &Store, rng: &mut StdRng) {
    let at = rng.random_range(0..world.known.len());
    if world.known[at].deleted {
        return;
    }
    let seen: Vec<_> = world.sees(&world.known[at]).into_iter().collect();
    let known = &mut world.known[at];
    match rng.random_range(0..100) {
        0..70 => {
            let parent = seen.choose(rng).copied();
            let said = text(rng);
            let id = known.talk.say_under(parent, &said);
            known.said.insert(id);
            world.parents.insert(id, parent);
            world.texts.insert(id, said);
        }
        70..82 => {
            known.shared = !known.shared;
            let visibility = if known.shared { Visibility::Workspace } else { Visibility::Private };
            let changes = ConversationChanges { visibility: Some(visibility), ..Default::default() };
            known.talk.event(Event::ConversationUpdated { changes });
        }
        82..90 => {
            let Some(point) = seen.choose(rng).copied() else { return };
            let readers: Vec<_> = (0..users.len())
                .filter(|user| {
                    workspace_of(*user) == known.workspace && (known.owner == *user || known.shared)
                })
                .collect();
            let owner = *readers.choose(rng).unwrap();
            let mut talk = Talk::new(&users[owner]);
            let conversation = talk.info();
            talk.event(Event::ConversationCreated { conversation });
            let origin = ForkPoint { conversation_id: known.talk.id, message_id: point };
            talk.event(Event::ConversationForked { origin });
            talk.committed(store).await;
            let workspace = known.workspace;
            world.known.push(Known {
                talk,
                owner,
                workspace,
                shared: false,
                deleted: false,
                title: None,
                said: BTreeSet::new(),
                gone: Vec::new(),
                fork: Some(point),
            });
            return;
        }
        90..95 => {
            let own: Vec<_> = seen.into_iter().filter(|id| known.said.contains(id)).collect();
            let Some(root) = own.choose(rng).copied() else { return };
            known.gone.push(root);
            known.talk.event(Event::BranchDeleted { message_id: root, turn_ids: Vec::new() });
        }
        95..98 => {
            let title = text(rng);
            known.talk.event(titled(&title));
            known.title = Some(title);
        }
        _ => {
            known.deleted = true;
            known.talk.event(Event::ConversationDeleted {});
        }
    }
    world.known[at].talk.committed(store).await;
}

/// However busy the machine is: [`Search::catch_up`] waits for a while only.
async fn in_step(store: &Store, search: &Search) {
    let position = store.search_position().await.unwrap();
    let state = || search.state();
    while state().incomplete || state().through < position {
        search.catch_up().await.unwrap();
    }
}

/// All that is found, page after page; and that each is found through a conversation that shows it.
async fn find(search: &Search, scope: &Scope, ask: &Ask) -> Vec<(Thing, ConversationId)> {
    let (mut found, mut page) = (Vec::new(), None);
    loop {
        let answer = search.search(scope, ask.clone(), 40, page).await.unwrap();
        found.extend(answer.hits.iter().map(|hit| {
            let title = (hit.kind == TextKind::Title).then_some(hit.conversation_id);
            ((hit.message_id, title), hit.conversation_id)
        }));
        page = answer.next;
        if page.is_none() {
            return found;
        }
    }
}

async fn check_everyone(world: &World, users: &[Scope], search: &Search, rng: &mut StdRng) -> usize {
    let (mut found_in_all, shown) = (0, world.shown());
    let places: BTreeMap<_, _> =
        world.known.iter().enumerate().map(|(place, known)| (known.talk.id, place)).collect();
    for (user, scope) in users.iter().enumerate() {
        let (query, fits) = question(rng);
        let expected = world.scan(&shown, user, &*fits);
        let sort = if rng.random_bool(0.5) { Sort::Recent } else { Sort::Relevance };
        let found = find(search, scope, &Ask { query: query.clone(), sort, ..Ask::default() }).await;
        let things: BTreeSet<Thing> = found.iter().map(|(thing, _)| *thing).collect();
        assert_eq!(things.len(), found.len(), "nothing is found twice");
        match sort {
            Sort::Relevance if expected.len() > 200 => {
                assert!(things.is_subset(&expected) && things.len() > 150, "the best of many");
            }
            Sort::Relevance | Sort::Recent => assert_eq!(things, expected, "user {user}, {query}, {sort:?}"),
        }
        for ((message, _), through) in &found {
            let place = places[through];
            assert!(world.reads(user, &world.known[place]));
            assert!(message.is_none_or(|id| shown[place].contains(&id)));
        }
        found_in_all += found.len();
    }
    found_in_all
}

fn visibility(visibility: Visibility) -> Event {
    let changes = ConversationChanges { visibility: Some(visibility), ..Default::default() };
    Event::ConversationUpdated { changes }
}

fn titled(title: &str) -> Event {
    let changes = ConversationChanges { title: Some(Some(title.to_owned())), ..Default::default() };
    Event::ConversationUpdated { changes }
}

fn forked(origin: &Talk, at: MessageId) -> Event {
    Event::ConversationForked { origin: ForkPoint { conversation_id: origin.id, message_id: at } }
}

/// What somebody said first, and a fork there that is somebody else's, who reads no more of it.
async fn forked_while_shared(
    store: &Store,
    owner: &Scope,
    other: &Scope,
    said: &str,
) -> (Talk, MessageId, Talk) {
    let mut talk = Talk::new(owner);
    talk.create();
    let root = talk.say(said);
    talk.event(visibility(Visibility::Workspace)).committed(store).await;
    let mut fork = Talk::new(other);
    fork.create();
    fork.event(forked(&talk, root)).committed(store).await;
    talk.event(visibility(Visibility::Private)).committed(store).await;
    (talk, root, fork)
}

/// A store with its search, whose index is kept in step.
struct Searched {
    store: Store,
    search: Search,
    indexer: JoinHandle<()>,
    _dir: TempDir,
}

impl Searched {
    fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (store, _) = open(&dir);
        Self::of(dir, store)
    }

    fn of(dir: TempDir, store: Store) -> Self {
        let search = Search::new(store.clone(), None, Clock::manual(NOW), &dir.path().join("search"));
        let running = search.clone();
        let indexer = tokio::spawn(async move { running.run().await });
        Self { store, search, indexer, _dir: dir }
    }
}

impl Drop for Searched {
    fn drop(&mut self) {
        self.indexer.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_users_find_what_a_naive_scan_finds() {
    let seed = std::env::var("WEIR_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
        let seed: u64 = rand::rng().next_u64();
        seed
    });
    eprintln!("WEIR_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let Searched { store, search, .. } = &Searched::open();
    let founders = [scope(), scope()];
    let users: Vec<_> = (0..USERS).map(|user| colleague(&founders[workspace_of(user)])).collect();

    let mut world = World::default();
    live(&mut world, &users, store, &mut rng).await;
    in_step(store, search).await;
    // What is deleted is invisible at once, and not yet erased.
    let found = check_everyone(&world, &users, search, &mut rng).await;
    assert!(found > USERS, "{found}");
    store.tidy(NOW).await.unwrap();
    in_step(store, search).await;
    check_everyone(&world, &users, search, &mut rng).await;
    let checked = search.check().await.unwrap();
    assert_eq!((checked.missing, checked.strange), (0, 0), "{checked:?}");
    let conversations = world.known.len();
    let messages = world.texts.len();
    eprintln!("{USERS} users, {conversations} conversations, {messages} messages, {found} things found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_one_conversation_finds_what_is_seen_through_it_and_nothing_else() {
    let Searched { store, search, .. } = &Searched::open();
    let owner = scope();
    let (mut first, mut other) = (Talk::new(&owner), Talk::new(&owner));
    first.create();
    let root = first.say("walnut one");
    first.say("walnut two");
    first.committed(store).await;
    other.create();
    other.say("walnut three");
    other.committed(store).await;
    let mut fork = Talk::new(&owner);
    fork.create();
    fork.event(forked(&first, root));
    fork.head = Some(root);
    let mine = fork.say("walnut four");
    fork.committed(store).await;
    in_step(store, search).await;

    let ask = Ask { query: "walnut".to_owned(), sort: Sort::Recent, ..Ask::default() };
    let narrow = Scope { only: Some([fork.id].into()), ..owner.clone() };
    let found = find(search, &narrow, &ask).await;
    let ids: BTreeSet<_> = found.iter().filter_map(|((id, _), _)| *id).collect();
    assert_eq!(ids, BTreeSet::from([root, mine]));
    assert!(found.iter().all(|(_, through)| *through == fork.id));
    let within = Ask { conversation_id: Some(fork.id), ..ask.clone() };
    let ids: BTreeSet<_> =
        find(search, &owner, &within).await.iter().filter_map(|((id, _), _)| *id).collect();
    assert_eq!(ids, BTreeSet::from([root, mine]));
    // Not even with the other one's id.
    let outside = Ask { conversation_id: Some(other.id), ..ask.clone() };
    assert_eq!(find(search, &narrow, &outside).await, []);
    assert_eq!(find(search, &colleague(&owner), &outside).await, []);
    let later = Ask { since: Some(Timestamp::from_millis(NOW.millis() + 1_000_000)), ..ask };
    assert_eq!(find(search, &owner, &later).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_branch_is_called_is_no_business_of_a_fork() {
    let Searched { store, search, .. } = &Searched::open();
    let owner = scope();
    let other = colleague(&owner);
    let (mut talk, root, fork) = forked_while_shared(store, &owner, &other, "walnut").await;
    // It says so much of what the message says that it comes before it, and hides it from nobody.
    let marks = Marks { branch_name: Some("violin walnut walnut walnut".to_owned()), ..Marks::default() };
    talk.event(Event::MessageMarked { message_id: root, marks }).committed(store).await;
    in_step(store, search).await;

    let ask = |word: &str, sort| Ask { query: word.to_owned(), sort, ..Ask::default() };
    for sort in [Sort::Recent, Sort::Relevance] {
        assert_eq!(find(search, &owner, &ask("violin", sort)).await, [((Some(root), None), talk.id)]);
        assert_eq!(find(search, &other, &ask("violin", sort)).await, []);
        assert_eq!(find(search, &other, &ask("walnut", sort)).await, [((Some(root), None), fork.id)]);
    }
}

/// Not even by what comes first, or by how much it counts for: otherwise anybody could ask whether anybody else knows a
/// word. In the same workspace and in another one, in the part of a conversation behind a fork, in other languages.
#[tokio::test(flavor = "multi_thread")]
async fn what_others_say_changes_nothing_in_an_answer() {
    // So few conversations that they are looked for by name, and so many that they are not.
    for conversations in [2, 40] {
        let Searched { store, search, .. } = &Searched::open();
        let owner = scope();
        let (other, stranger) = (colleague(&owner), scope());
        let (mut open, ..) = forked_while_shared(store, &other, &owner, "walnut meadow").await;
        for words in [["lantern harbour", "notary"], ["notary lantern", "walnut violin walnut"]] {
            for _ in 0..conversations {
                let mut talk = Talk::new(&owner);
                talk.create();
                for word in words {
                    talk.say(&format!("{word} the harbours of the orchard are in the meadow"));
                }
                talk.committed(store).await;
            }
        }
        let answers = async || {
            in_step(store, search).await;
            let mut answers = Vec::new();
            for query in
                ["violin OR notary", "walnut OR lantern", "notary orchard nothing", "harbour meadow", "wal*"]
            {
                let ask = Ask { query: query.to_owned(), ..Ask::default() };
                answers.push(search.search(&owner, ask, 200, None).await.unwrap());
            }
            answers
        };
        let before = answers().await;
        assert!(before.iter().all(|answer| !answer.hits.is_empty()), "{before:#?}");

        for (who, word) in [(&other, "violin"), (&stranger, "lantern walnut"), (&stranger, "orchard")] {
            for _ in 0..100 {
                let mut talk = Talk::new(who);
                talk.create();
                talk.say(word);
                talk.say(&format!("der {word} und die Wiese sind nicht in dem {}", "Garten ".repeat(300)));
                talk.committed(store).await;
            }
        }
        for _ in 0..100 {
            open.say("notary");
        }
        // Under this title stands what the fork shows of it, but the fork is called something else.
        open.event(titled("a walnut on the meadow")).committed(store).await;
        assert_eq!(answers().await, before);
    }
}

/// What the owner of a conversation finds who deleted most of it, with the scores; and what somebody finds who forked
/// that before.
async fn found_after_deleting(forks: bool, query: &str) -> (Vec<(f32, String)>, Vec<MessageId>) {
    let Searched { store, search, .. } = &Searched::open();
    let owner = scope();
    let other = colleague(&owner);
    let mut talk = Talk::new(&owner);
    talk.create();
    let kept = talk.say("a walnut and a violin on the meadow that is behind the orchard");
    let root = talk.say("walnut violin");
    let leaf = (0..250).map(|_| talk.say("walnut violin")).last().expect("some");
    talk.event(visibility(Visibility::Workspace)).committed(store).await;
    let mut fork = Talk::new(&other);
    if forks {
        fork.create();
        fork.event(forked(&talk, leaf)).committed(store).await;
    }
    talk.event(Event::HeadChanged { head: Some(kept) });
    talk.event(Event::BranchDeleted { message_id: root, turn_ids: Vec::new() }).committed(store).await;
    store.erase_branch(talk.id, root).await.unwrap();
    talk.event(visibility(Visibility::Private)).committed(store).await;
    in_step(store, search).await;
    let look = async |who: &Scope| {
        let ask = Ask { query: query.to_owned(), ..Ask::default() };
        search.search(who, ask, 10, None).await.unwrap().hits
    };
    let owners = look(&owner).await.into_iter().map(|hit| (hit.score, hit.snippet.text)).collect();
    let others = look(&other).await;
    assert!(others.iter().all(|hit| hit.conversation_id == fork.id));
    (owners, others.into_iter().filter_map(|hit| hit.message_id).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_fork_holds_of_a_deleted_branch_is_found_there_and_nowhere_else() {
    for query in ["walnut violin", "walnut OR meadow", "wal*"] {
        let (alone, nothing) = found_after_deleting(false, query).await;
        assert_eq!((alone.len(), nothing.len()), (1, 0), "{query}: {alone:?}");
        let (forked, held) = found_after_deleting(true, query).await;
        assert_eq!(forked, alone, "{query}");
        assert_eq!(held.len(), 10, "{query}");
    }
}

/// For whoever reads the title, and only as long as it is the title.
#[tokio::test(flavor = "multi_thread")]
async fn what_stands_under_a_title_with_a_word_of_the_query_counts_more() {
    let Searched { store, search, .. } = &Searched::open();
    let owner = scope();
    let other = colleague(&owner);
    let said = "the walnut and the violin";
    let (mut talk, _, mut fork) = forked_while_shared(store, &owner, &other, said).await;
    let score = async |who: &Scope, query: &str| {
        in_step(store, search).await;
        let ask = Ask { query: query.to_owned(), kind: Some(TextKind::Message), ..Ask::default() };
        let answer = search.search(who, ask, 10, None).await.unwrap();
        assert_eq!(answer.hits.len(), 1, "{answer:?}");
        answer.hits[0].score
    };
    let queries = ["walnut", "\"the violin\""];
    let counts = async |who: &Scope| [score(who, queries[0]).await, score(who, queries[1]).await];
    let more = |[one, two]: [f32; 2], [before, before_two]: [f32; 2]| [one > before, two > before_two];

    let (own, through_fork) = (counts(&owner).await, counts(&other).await);
    // What is written with it keeps what the index has of it until then.
    talk.say("stone");
    talk.event(titled("Walnuts, the violin")).committed(store).await;
    assert_eq!(more(counts(&owner).await, own), [true, true]);
    assert_eq!(counts(&other).await, through_fork);
    fork.event(titled("the old violins")).committed(store).await;
    assert_eq!(more(counts(&other).await, through_fork), [false, false]);
    fork.event(titled("A walnut")).committed(store).await;
    assert_eq!(more(counts(&other).await, through_fork), [true, false]);
    talk.event(titled("The violin")).committed(store).await;
    assert_eq!(more(counts(&owner).await, own), [false, true]);
}

/// Lists of who reads what are kept between searches: none outlives what it says.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_made_shared_or_deleted_between_two_searches_counts_in_the_second() {
    // So few conversations that they are looked for by name, and so many that they are not.
    for others in [0, 80] {
        let Searched { store, search, .. } = &Searched::open();
        let owner = scope();
        let other = colleague(&owner);
        for _ in 0..others {
            let mut talk = Talk::new(&other);
            talk.create();
            talk.say("sand");
            talk.committed(store).await;
        }
        let mut talk = Talk::new(&owner);
        talk.create();
        let root = talk.say("walnut");
        for _ in 0..4 * others {
            talk.say("stone");
        }
        talk.committed(store).await;
        let theirs = ((Some(root), None), talk.id);
        let found = async || {
            in_step(store, search).await;
            let ask = Ask { query: "walnut".to_owned(), sort: Sort::Recent, ..Ask::default() };
            BTreeSet::from_iter(find(search, &other, &ask).await)
        };

        assert_eq!(found().await, BTreeSet::new());
        let mut own = Talk::new(&other);
        own.create();
        let mine = ((Some(own.say("walnut")), None), own.id);
        own.committed(store).await;
        assert_eq!(found().await, BTreeSet::from([mine]));
        talk.event(visibility(Visibility::Workspace)).committed(store).await;
        assert_eq!(found().await, BTreeSet::from([mine, theirs]));
        talk.event(visibility(Visibility::Private)).committed(store).await;
        assert_eq!(found().await, BTreeSet::from([mine]));
        let mut fork = Talk::new(&owner);
        fork.create();
        fork.event(forked(&talk, root));
        fork.event(visibility(Visibility::Workspace)).committed(store).await;
        assert_eq!(found().await, BTreeSet::from([mine, (theirs.0, fork.id)]));
        fork.event(Event::ConversationDeleted {}).committed(store).await;
        own.event(Event::ConversationDeleted {}).committed(store).await;
        assert_eq!(found().await, BTreeSet::new());
    }
}

/// What is read at a time is bounded by its size: nothing between two stretches is left out.
#[tokio::test(flavor = "multi_thread")]
async fn however_long_messages_are_all_of_them_are_taken_in() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(&dir);
    let owner = scope();
    let mut talk = Talk::new(&owner);
    talk.create();
    // One word that is too long for the index, and one that is not.
    let long = format!("{} walnut", "x".repeat(3 << 20));
    let mut said = BTreeSet::new();
    for _ in 0..4 {
        said.insert(talk.say(&long));
        talk.committed(&store).await;
    }
    let Searched { store, search, .. } = &Searched::of(dir, store);
    for _ in 0..4 {
        said.insert(talk.say(&long));
    }
    talk.committed(store).await;
    in_step(store, search).await;

    let checked = search.check().await.unwrap();
    assert_eq!((checked.texts, checked.missing, checked.strange), (8, 0, 0));
    let ask = Ask { query: "walnut".to_owned(), sort: Sort::Recent, ..Ask::default() };
    let found: BTreeSet<_> =
        find(search, &owner, &ask).await.into_iter().filter_map(|((message, _), _)| message).collect();
    assert_eq!(found, said);
}
