//! Whatever is done to trees, through HTTP, they are what a naive model of them is: the same paths, siblings, visible
//! messages, summaries and contexts. In the model a fork copies; what it cannot see is not in its copy.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use weir::http::Options;

use crate::app::TestApp;
use crate::runtime::Script;

#[derive(Debug, Clone, Copy)]
enum Op {
    Say,
    Edit,
    Regenerate,
    Fork,
    Switch,
    DeleteBranch,
    Compact,
    Undo,
    DeleteConversation,
    Restart,
}

fn op() -> impl Strategy<Value = (Op, usize, usize)> {
    let op = prop_oneof![
        5 => Just(Op::Say),
        3 => Just(Op::Edit),
        2 => Just(Op::Regenerate),
        3 => Just(Op::Fork),
        2 => Just(Op::Switch),
        2 => Just(Op::DeleteBranch),
        2 => Just(Op::Compact),
        1 => Just(Op::Undo),
        1 => Just(Op::DeleteConversation),
        1 => Just(Op::Restart),
    ];
    (op, any::<usize>(), any::<usize>())
}

#[derive(Debug, Clone)]
struct Node {
    id: String,
    parent: Option<String>,
    from_person: bool,
    /// Found above the fork point.
    inherited: bool,
}

#[derive(Debug, Clone, Default)]
struct Tree {
    at: String,
    head: Option<String>,
    /// Everything that the conversation sees.
    nodes: BTreeMap<String, Node>,
    /// The summaries that hold, by the message that they reach down to.
    compactions: BTreeMap<String, String>,
}

impl Tree {
    fn path(&self, from: Option<&str>) -> Vec<String> {
        let (mut path, mut at) = (Vec::new(), from.map(str::to_owned));
        while let Some(id) = at {
            at = self.nodes[&id].parent.clone();
            path.push(id);
        }
        path.reverse();
        path
    }

    fn siblings(&self, id: &str) -> Vec<String> {
        let parent = &self.nodes[id].parent;
        self.nodes.values().filter(|node| node.parent == *parent).map(|node| node.id.clone()).collect()
    }

    fn pick(&self, n: usize, of: impl Fn(&Node) -> bool) -> Option<Node> {
        let fitting: Vec<&Node> = self.nodes.values().filter(|node| of(node)).collect();
        (!fitting.is_empty()).then(|| fitting[n % fitting.len()].clone())
    }

    fn take_in(&mut self, messages: &Value) {
        for message in messages.as_array().unwrap() {
            let id = message["id"].as_str().unwrap().to_owned();
            let node = Node {
                id: id.clone(),
                parent: message["parent_id"].as_str().map(str::to_owned),
                from_person: message["role"] == "user",
                inherited: false,
            };
            self.head = Some(id.clone());
            self.nodes.insert(id, node);
        }
    }

    fn forget(&mut self, root: &str) {
        let gone: BTreeSet<String> = self
            .nodes
            .keys()
            .filter(|id| self.path(Some(id)).iter().any(|above| above == root))
            .cloned()
            .collect();
        if self.head.as_ref().is_some_and(|head| gone.contains(head)) {
            self.head = self.nodes[root].parent.clone();
        }
        self.nodes.retain(|id, _| !gone.contains(id));
        self.compactions.retain(|_, through| !gone.contains(through));
    }

    fn fork(&self, at: String, from: &str) -> Self {
        let path: BTreeSet<String> = self.path(Some(from)).into_iter().collect();
        let inherit = |node: &Node| Node { inherited: true, ..node.clone() };
        let nodes = self.nodes.iter().filter(|(id, _)| path.contains(*id));
        let compactions = self.compactions.iter().filter(|(_, through)| path.contains(*through));
        Self {
            at,
            head: Some(from.to_owned()),
            nodes: nodes.map(|(id, node)| (id.clone(), inherit(node))).collect(),
            compactions: compactions.map(|(id, through)| (id.clone(), through.clone())).collect(),
        }
    }
}

struct World {
    app: TestApp,
    trees: Vec<Tree>,
    /// Every message that ever was.
    ever: BTreeSet<String>,
    done: BTreeMap<String, usize>,
}

impl World {
    async fn new() -> Self {
        // Every step is followed by looking at everything.
        let options = Options { requests_per_minute: Some(10_000_000), ..TestApp::options() };
        let app = TestApp::with(Arc::new(Script::saying("an answer")), options).await;
        let at = app.conversation().await;
        let trees = vec![Tree { at, ..Tree::default() }];
        Self { app, trees, ever: BTreeSet::new(), done: BTreeMap::new() }
    }

    async fn act(&mut self, op: Op, which: usize, what: usize) {
        if self.trees.is_empty() {
            return;
        }
        let index = which % self.trees.len();
        let tree = self.trees[index].clone();
        let at = tree.at.clone();
        let send = |path: String, body: Value| {
            let request = self.app.request(reqwest::Method::POST, &path, &self.app.people.owner);
            crate::app::Answer::of(request.header("Prefer", "wait=15").json(&body))
        };
        match op {
            Op::Say => {
                let said =
                    send(format!("{at}/messages"), json!({"text": format!("words {what}")})).await.is(200);
                self.trees[index].take_in(&said["messages"]);
            }
            Op::Edit => {
                let Some(node) = tree.pick(what, |node| node.from_person) else { return };
                let body = json!({"text": format!("edited {what}"), "parent_id": node.parent});
                let said = send(format!("{at}/messages"), body).await.is(200);
                self.trees[index].take_in(&said["messages"]);
            }
            Op::Regenerate => {
                let Some(node) = tree.pick(what, |_| true) else { return };
                let again = send(format!("{at}/regenerate"), json!({"message_id": node.id})).await.is(200);
                self.trees[index].take_in(&again["messages"]);
            }
            Op::Fork => {
                let Some(node) = tree.pick(what, |_| true) else { return };
                let forked = send(format!("{at}/fork"), json!({"message_id": node.id})).await.is(201);
                let at = format!("/v1/conversations/{}", forked["conversation"]["id"].as_str().unwrap());
                self.trees.push(tree.fork(at, &node.id));
            }
            Op::Switch => {
                let Some(node) = tree.pick(what, |_| true) else { return };
                self.app.put(&format!("{at}/head"), &json!({"message_id": node.id})).await.is(200);
                self.trees[index].head = Some(node.id);
            }
            Op::DeleteBranch => {
                let Some(node) = tree.pick(what, |_| true) else { return };
                let answer = self.app.delete(&format!("{at}/messages/{}", node.id)).await;
                if node.inherited {
                    assert_eq!(answer.problem(409), "conflict");
                    return;
                }
                answer.is(204);
                self.trees[index].forget(&node.id);
            }
            Op::Compact => {
                let path = tree.path(tree.head.as_deref());
                let from = path.iter().rposition(|id| tree.compactions.values().any(|through| through == id));
                let open = &path[from.map_or(0, |from| from + 1)..];
                let Some(through) = (!open.is_empty()).then(|| &open[what % open.len()]) else { return };
                let made = send(format!("{at}/compact"), json!({"message_id": through})).await.is(201);
                let id = made["id"].as_str().unwrap().to_owned();
                self.trees[index].compactions.insert(id, through.clone());
            }
            Op::Undo => {
                let ids: Vec<&String> = tree.compactions.keys().collect();
                let Some(id) = (!ids.is_empty()).then(|| ids[what % ids.len()]) else { return };
                self.app.delete(&format!("{at}/compactions/{id}")).await.is(204);
                self.trees[index].compactions.remove(id);
            }
            Op::DeleteConversation => {
                // The last one stays, or little is left to look at.
                if self.trees.len() < 2 {
                    return;
                }
                self.app.delete(&at).await.is(204);
                self.trees.remove(index);
                self.app.tidy().await;
            }
            Op::Restart => self.app.restart().await,
        }
        *self.done.entry(format!("{op:?}")).or_default() += 1;
        self.ever.extend(self.trees.iter().flat_map(|tree| tree.nodes.keys().cloned()));
    }

    async fn check(&self) {
        for tree in &self.trees {
            self.check_path(tree).await;
            self.check_tree(tree).await;
            self.check_context(tree).await;
        }
        for tree in &self.trees {
            // The newest are the likeliest to be seen by mistake.
            for id in self.ever.iter().rev().filter(|id| !tree.nodes.contains_key(*id)).take(4) {
                let answer = self.app.get(&format!("{}/messages?head={id}", tree.at)).await;
                assert_eq!(answer.problem(404), "not-found", "it shows what it does not see");
            }
        }
    }

    async fn check_path(&self, tree: &Tree) {
        let page = self.app.get(&format!("{}/messages?limit=200", tree.at)).await.is(200);
        let shown: Vec<&Value> = page["items"].as_array().unwrap().iter().rev().collect();
        let ids: Vec<&str> = shown.iter().map(|message| message["id"].as_str().unwrap()).collect();
        assert_eq!(ids, tree.path(tree.head.as_deref()), "the path");
        for message in shown {
            let id = message["id"].as_str().unwrap();
            let siblings = tree.siblings(id);
            let index = siblings.iter().position(|sibling| sibling == id).unwrap();
            let expected = json!({"count": siblings.len(), "index": index, "ids": siblings});
            assert_eq!(message["siblings"], expected, "the siblings of {id}");
        }
    }

    async fn check_tree(&self, tree: &Tree) {
        let (mut seen, mut cursor) = (BTreeMap::new(), String::new());
        loop {
            let page = self.app.get(&format!("{}/tree?limit=7{cursor}", tree.at)).await.is(200);
            for node in page["items"].as_array().unwrap() {
                let (id, parent) = (node["id"].as_str().unwrap(), node["parent_id"].as_str());
                assert!(parent.is_none_or(|parent| seen.contains_key(parent)), "parents come first");
                assert!(
                    seen.insert(id.to_owned(), node["on_path"].as_bool().unwrap()).is_none(),
                    "once each"
                );
            }
            let Some(next) = page["next"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        let path = tree.path(tree.head.as_deref());
        let expected = tree.nodes.keys().map(|id| (id.clone(), path.contains(id)));
        assert_eq!(seen, expected.collect(), "the tree");
    }

    async fn check_context(&self, tree: &Tree) {
        let all = self.app.get(&format!("{}/compactions", tree.at)).await.is(200);
        let ids = all["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned());
        assert_eq!(ids.collect::<BTreeSet<_>>(), tree.compactions.keys().cloned().collect(), "the summaries");
        let path = tree.path(tree.head.as_deref());
        let context = self.app.get(&format!("{}/context", tree.at)).await.is(200);
        let items = context["items"].as_array().unwrap();
        let covered = path.iter().rposition(|id| tree.compactions.values().any(|through| through == id));
        let asked = path.iter().rposition(|id| tree.nodes[id].from_person);
        for (at, (item, id)) in items.iter().zip(&path).enumerate() {
            assert_eq!(item["message_id"], **id);
            // What was asked last is said, and so is the end of a path that is summarised whole.
            let said = covered.is_none_or(|covered| at > covered || at == path.len() - 1)
                || (covered.is_some_and(|covered| asked.is_some_and(|asked| asked <= covered))
                    && Some(at) == asked);
            assert_eq!(item["state"] == "sent", said, "{at} of {}: {item}", path.len());
        }
        assert_eq!(items.len(), path.len(), "sent and left out are the whole path");
    }
}

#[test]
fn trees_are_what_their_model_is_whatever_is_done_to_them() {
    let torture = std::env::var_os("WEIR_TORTURE").is_some();
    let (cases, steps) = if torture { (500, 40) } else { (12, 16) };
    let (mut runner, mut done) = (TestRunner::default(), BTreeMap::<String, usize>::new());
    for case in 0..cases {
        let ops = proptest::collection::vec(op(), steps).new_tree(&mut runner).unwrap().current();
        println!("case {case}: {ops:?}");
        let world =
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
                let mut world = World::new().await;
                for (op, which, what) in ops {
                    world.act(op, which, what).await;
                    world.check().await;
                }
                world.app.restart().await;
                world.check().await;
                world.done
            });
        for (op, count) in world {
            *done.entry(op).or_default() += count;
        }
    }
    println!("{cases} histories: {done:?}");
    assert!(done.len() >= 9, "not everything was done: {done:?}");
}
