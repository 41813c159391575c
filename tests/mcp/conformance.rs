//! The client scenarios of the conformance suite of the protocol. `conformance.txt` says which of them pass.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use reqwest::Url;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio_util::sync::CancellationToken;
use weir::chat::question::{Answer, AnswerAction};
use weir::clock::Clock;
use weir::id::{CallId, ConversationId, UserId, WorkspaceId};
use weir::tool::mcp::{Callback, Connection, McpConfig, Place, Servers};
use weir::tool::{Asker, Invocation, Outcome, Progress};

use crate::node::package;

const LIST: &str = include_str!("conformance.txt");
const AT_ONCE: usize = 3;

/// The suite wants a newer Node than the rest, so it brings its own.
async fn passes(scenario: &str) -> (bool, String) {
    let this = std::env::current_exe().expect("this program has a path");
    // The suite appends the address; for this program that is one filter more, which fits no test.
    let command = format!("{} --ignored --exact --nocapture conformance::client", this.display());
    let output = Command::new(package("node/bin/node"))
        .arg(package("@modelcontextprotocol/conformance/dist/index.js"))
        .args(["client", "--scenario", scenario, "--timeout", "25000", "--command", &command])
        .stdin(Stdio::null())
        .output()
        .await
        .expect("the suite can be started");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[tokio::test]
async fn the_scenarios_that_pass_are_those_of_the_list() {
    let listed = LIST.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let listed: Vec<(&str, bool)> = listed
        .map(|line| {
            let (scenario, rest) = line.split_once(": ").expect("scenario: passes, or fails and why");
            (scenario, rest == "passes")
        })
        .collect();
    let wrong: Vec<String> = stream::iter(&listed)
        .map(async |(scenario, expected)| {
            let (found, said) = passes(scenario).await;
            (found != *expected).then(|| format!("{scenario}: passes is {found}, not {expected}\n{said}"))
        })
        .buffer_unordered(AT_ONCE)
        .filter_map(async |wrong| wrong)
        .collect()
        .await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(listed.iter().filter(|(_, expected)| *expected).count() >= 15);
}

/// The program that the suite judges: it connects, signs in where that is wanted, and calls every tool once.
#[tokio::test]
#[ignore = "started by the suite, with the address of its server"]
async fn client() {
    let url = std::env::args().next_back().expect("an address");
    let scenario = std::env::var("MCP_CONFORMANCE_SCENARIO").expect("a scenario");
    let context = std::env::var("MCP_CONFORMANCE_CONTEXT").unwrap_or_default();
    let context: Value = serde_json::from_str(&context).unwrap_or_default();
    let directory = tempfile::tempdir().expect("a directory");
    let servers = servers(&url, &scenario, &context, directory.path());
    let stop = CancellationToken::new();
    let running = tokio::spawn({
        let (servers, stop) = (servers.clone(), stop.clone());
        async move { servers.run(stop).await }
    });
    let user = UserId::new();
    let connected = tokio::time::timeout(Duration::from_secs(15), async {
        let mut last = Connection::Connecting;
        loop {
            let now = servers.statuses()[0].connection;
            match now {
                Connection::Ready => return,
                Connection::NeedsAuthorization if last != now => sign_in(&servers, user).await,
                Connection::NeedsAuthorization | Connection::Failed | Connection::Connecting => {}
            }
            last = now;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    connected.await.unwrap_or_else(|_| panic!("not connected: {:?}", servers.statuses()));
    for tool in servers.tools().values() {
        let args = arguments(&tool.spec().schema);
        let mut outcome = tool.run(invocation(args.clone(), user)).await;
        if matches!(&outcome, Outcome::Failed(why) if why.contains("more rights")) {
            sign_in(&servers, user).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
            outcome = tool.run(invocation(args, user)).await;
        }
        println!("{}: {outcome:?}", tool.spec().name);
    }
    stop.cancel();
    running.await.expect("it ends");
}

fn servers(url: &str, scenario: &str, context: &Value, directory: &Path) -> Servers {
    let mut config = json!({"url": url, "allow_private_address": true, "timeout": "10s"});
    if scenario.starts_with("auth/") {
        config["auth"] = json!("oauth");
        if scenario.contains("client-credentials") {
            config["auth"] = json!("client_credentials");
        }
        for key in ["client_id", "client_secret"] {
            if let Some(value) = context.get(key) {
                config[key] = value.clone();
            }
        }
    }
    let config: McpConfig = serde_json::from_value(config).expect("a configuration");
    let place = Place {
        directory: directory.to_owned(),
        callback: "http://localhost:3000/v1/mcp/callback".to_owned(),
    };
    let configured = BTreeMap::from([("suite".to_owned(), config)]);
    Servers::new(&configured, &|_| None, &place, &Clock::System).expect("it is configured as it should be")
}

/// As a browser whose person always agrees.
async fn sign_in(servers: &Servers, user: UserId) {
    let url = servers.begin("suite", user).await.expect("there is such a server").expect("it can be begun");
    let browser =
        reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
    let answer = browser.get(&url).send().await.expect("the authorisation server answers");
    let to = answer.headers()["location"].to_str().expect("an address");
    let to = Url::parse(to).expect("a URL");
    let part =
        |name: &str| to.query_pairs().find(|(given, _)| given == name).map(|(_, value)| value.into_owned());
    let callback = Callback {
        state: part("state").expect("a state"),
        code: part("code").expect("a code"),
        issuer: part("iss"),
    };
    servers.finish(&callback, user).await.expect("it is agreed to");
}

fn arguments(schema: &Value) -> Value {
    let properties = schema["properties"].as_object().cloned().unwrap_or_default();
    let value = |schema: &Value| match schema["type"].as_str() {
        Some("number" | "integer") => json!(7),
        Some("boolean") => json!(true),
        _ => json!("text"),
    };
    properties.iter().map(|(name, schema)| (name.clone(), value(schema))).collect()
}

/// Whoever is asked agrees, and fills nothing in.
fn invocation(args: Value, user_id: UserId) -> Invocation {
    let (asker, mut asked) = Asker::channel();
    tokio::spawn(async move {
        while let Some(question) = asked.recv().await {
            let content = question.schema.map(|_| json!({}));
            // Whoever asked may have lost interest.
            let _ = question.reply.send(Answer { action: AnswerAction::Accept, content });
        }
    });
    Invocation {
        call_id: CallId::new(),
        workspace_id: WorkspaceId::new(),
        conversation_id: ConversationId::new(),
        user_id,
        agent: "default".to_owned(),
        args,
        only_here: false,
        progress: Progress::unheard(),
        asker,
    }
}
